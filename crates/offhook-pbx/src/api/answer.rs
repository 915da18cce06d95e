//! Answers of the P-Series API: JSON with `errcode` and `errmsg`.

use std::borrow::Cow;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

/// What a handler gives.
pub(crate) type Answer = Result<Done, Fault>;

/// A request that was carried out: the fields beside `errcode` and `errmsg`.
#[derive(Debug)]
pub(crate) struct Done(Map<String, Value>);

impl Done {
    /// With these fields; what is no object has none.
    pub(crate) fn with(fields: Value) -> Self {
        match fields {
            Value::Object(fields) => Self(fields),
            _ => Self(Map::new()),
        }
    }

    pub(crate) fn empty() -> Self {
        Self(Map::new())
    }
}

impl IntoResponse for Done {
    fn into_response(self) -> Response {
        let mut fields = self.0;
        fields.insert("errcode".to_owned(), json!(0));
        fields.insert("errmsg".to_owned(), json!("SUCCESS"));
        Json(Value::Object(fields)).into_response()
    }
}

/// Why a request was not carried out. The numbers are those of the P-Series API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Errcode {
    /// The PBX failed.
    Internal = -2,
    /// There is no such request.
    NoInterface = 10001,
    /// No access token, one that is unknown, or one that is not good any more.
    TokenExpired = 10004,
    /// The caller may not do this.
    AccessDenied = 10005,
    /// The body is no JSON, or not what the request takes.
    Syntax = 40001,
    /// A value is wrong or out of range.
    Parameter = 40002,
    /// It is there already.
    Duplicate = 40003,
    /// The body is too large.
    TooLarge = 40004,
    /// It is not there.
    NotFound = 60001,
    /// There are as many as there may be.
    TooMany = 60002,
    /// Wrong user name or password.
    WrongLogin = 70002,
    /// Too many of this from one place; `Retry-After` says when again.
    Blocked = 70004,
    /// The body did not come in time.
    TooSlow = 70005,
    /// Not allowed to this kind of client.
    Forbidden = 70084,
    /// The plan of the SDK is off.
    SdkPlan = 70136,
}

impl Errcode {
    fn text(self) -> &'static str {
        match self {
            Self::Internal => "INTERNAL SERVER ERROR",
            Self::NoInterface => "INTERFACE NOT EXISTED",
            Self::TokenExpired => "TOKEN EXPIRED",
            Self::AccessDenied => "ACCESS DENIED",
            Self::Syntax => "PARAMETER SYNTAX ERROR",
            Self::Parameter => "PARAMETER ERROR",
            Self::Duplicate => "DUPLICATE KEY VALUE",
            Self::TooLarge => "FILE SIZE EXCEEDED",
            Self::NotFound => "DATA NOT FOUND",
            Self::TooMany => "MAX LIMITATION EXCEEDED",
            Self::WrongLogin => "USERNAME OR PASSWORD ERROR",
            Self::Blocked => "ACCOUNT IP BLOCKED",
            Self::TooSlow => "REQUEST TIMEOUT",
            Self::Forbidden => "ACTION FORBIDDEN",
            Self::SdkPlan => "SDK PLAN DISABLED",
        }
    }

    /// Clients of this API look at `errcode`, and take another status for a broken network: so only what no client of it
    /// does has one.
    fn status(self) -> StatusCode {
        match self {
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::NoInterface => StatusCode::NOT_FOUND,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            _ => StatusCode::OK,
        }
    }

    /// As HTTP says it: for the admin API, whose users look at the status.
    fn rest_status(self) -> StatusCode {
        match self {
            Self::TokenExpired | Self::WrongLogin => StatusCode::UNAUTHORIZED,
            Self::AccessDenied | Self::Forbidden | Self::SdkPlan => StatusCode::FORBIDDEN,
            Self::Syntax => StatusCode::BAD_REQUEST,
            Self::Parameter => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Duplicate | Self::TooMany => StatusCode::CONFLICT,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Blocked => StatusCode::TOO_MANY_REQUESTS,
            Self::Internal | Self::NoInterface | Self::TooLarge | Self::TooSlow => self.status(),
        }
    }
}

/// A refusal.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    code: Errcode,
    status: StatusCode,
    /// What is wrong, and what to do about it.
    detail: Cow<'static, str>,
    retry_after_s: Option<u64>,
}

impl Fault {
    pub(crate) fn new(code: Errcode, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { code, status: code.status(), detail: detail.into(), retry_after_s: None }
    }

    /// A value is wrong.
    pub(crate) fn parameter(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Errcode::Parameter, detail)
    }

    /// Too often.
    pub(crate) fn blocked(retry_after_s: u64) -> Self {
        let detail = format!("too many: try again in {retry_after_s} s");
        Self { retry_after_s: Some(retry_after_s), ..Self::new(Errcode::Blocked, detail) }
    }

    /// The access token is missing or not good.
    pub(crate) fn token() -> Self {
        Self::new(Errcode::TokenExpired, "log in again")
    }

    /// The PBX failed; why is in its log, not in the answer.
    pub(crate) fn internal(error: &dyn std::fmt::Display) -> Self {
        tracing::error!(%error, "a request of the API failed");
        Self::new(Errcode::Internal, "the log of the PBX says why")
    }

    /// The same with the status that HTTP has for it.
    pub(crate) fn rest(self) -> Self {
        Self { status: self.code.rest_status(), ..self }
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let body = json!({
            "errcode": self.code as i64,
            "errmsg": self.code.text(),
            "detail": self.detail,
        });
        let mut response = (self.status, Json(body)).into_response();
        if let Some(seconds) = self.retry_after_s
            && let Ok(value) = HeaderValue::try_from(seconds.to_string())
        {
            response.headers_mut().insert(header::RETRY_AFTER, value);
        }
        response
    }
}
