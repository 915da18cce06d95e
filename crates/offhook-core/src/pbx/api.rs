//! Each request of the API, and what its answer means.

use offhook_sip::{Millis, Secret};

use super::cdr::{CdrOrder, CdrQuery, CdrSort};
use super::error::PbxError;
use super::http::{HttpFailure, HttpMethod, HttpRequest, HttpResponse, MAX_RESPONSE_BYTES};
use super::json::{self, Value};
use super::params::{ClientKind, InitParams};
use super::url::encoded;

/// For an answer, milliseconds.
pub(crate) const ANSWER_MS: Millis = 10_000;
/// For the answer to a logout: nobody waits for it gladly.
pub(crate) const LOGOUT_MS: Millis = 3_000;
/// Longest token taken, bytes.
const MAX_TOKEN: usize = 8 * 1024;
/// `errcode` of a login whose plan has no SDK.
const NO_SDK_PLAN: i64 = 70_136;
/// `errcode` of a login where there were too many.
const TOO_MANY_LOGINS: i64 = 70_004;
/// `errcode` of a request whose token is not known, or no longer.
const TOKEN_LOST: [i64; 2] = [10_003, 10_004];

pub(crate) fn product(host: &str) -> HttpRequest {
    get("/v1.0/pbx/getproduct", &[("host", host)], None)
}

pub(crate) fn login(params: &InitParams) -> HttpRequest {
    let source = match params.user_agent {
        ClientKind::WebClient => Value::Null,
        ClientKind::WebPc => Value::from("webpc"),
    };
    let body = Value::object([
        ("username", params.username.as_str().into()),
        ("password", params.secret.expose().into()),
        ("login_source", source),
        ("login_jump", "sdk".into()),
    ]);
    post("/v1.0/login", &body, None)
}

pub(crate) fn global(token: &Secret) -> HttpRequest {
    get("/v1.0/extension/getpersonalglobal", &[], Some(token))
}

pub(crate) fn licence(token: &Secret) -> HttpRequest {
    get("/v1.0/licenseservice/get", &[], Some(token))
}

pub(crate) fn personal(token: &Secret) -> HttpRequest {
    get("/v1.0/extension/getpersonal", &[], Some(token))
}

pub(crate) fn register_info(token: &Secret) -> HttpRequest {
    get("/v1.0/extension/getregisterinfo", &[], Some(token))
}

pub(crate) fn photo(token: &Secret, number: &str) -> HttpRequest {
    get("/v1.0/extension/getphoto", &[("ext_num", number)], Some(token))
}

pub(crate) fn contact(token: &Secret, number: &str) -> HttpRequest {
    get("/v1.0/contacts/matchall", &[("number", number)], Some(token))
}

pub(crate) fn cdr(token: &Secret, query: &CdrQuery) -> HttpRequest {
    let sort_by = match query.sort_by {
        CdrSort::Time => "time",
        CdrSort::Id => "id",
    };
    let order_by = match query.order_by {
        CdrOrder::Desc => "desc",
        CdrOrder::Asc => "asc",
    };
    let (page, size, status) = (query.page.to_string(), query.size.to_string(), (query.status as u8).to_string());
    let mut pairs = vec![
        ("page", page.as_str()),
        ("page_size", size.as_str()),
        ("sort_by", sort_by),
        ("order_by", order_by),
        ("status", status.as_str()),
    ];
    if !query.filter.is_empty() {
        pairs.push(("number", query.filter.as_str()));
    }
    get("/v1.0/cdr/searchpersonal", &pairs, Some(token))
}

pub(crate) fn call_init(token: &Secret) -> HttpRequest {
    post("/v1.0/dct/init", &Value::object([("type", "call".into())]), Some(token))
}

pub(crate) fn report(token: &Secret, report: &Value) -> HttpRequest {
    post("/v1.0/rascallreport/web", report, Some(token))
}

pub(crate) fn log(token: &Secret, lines: &[String]) -> HttpRequest {
    post(
        "/v1.0/systemlog/webclientlog",
        &Value::object([("log_list", Value::Array(lines.iter().map(|line| line.as_str().into()).collect()))]),
        Some(token),
    )
}

pub(crate) fn logout(token: &Secret) -> HttpRequest {
    HttpRequest { deadline_ms: LOGOUT_MS, ..get("/v1.0/logout", &[], Some(token)) }
}

fn get(path: &str, query: &[(&str, &str)], token: Option<&Secret>) -> HttpRequest {
    let mut path_and_query = path.to_owned();
    for (i, (name, value)) in query.iter().enumerate() {
        path_and_query.push(if i == 0 { '?' } else { '&' });
        path_and_query.push_str(name);
        path_and_query.push('=');
        path_and_query.push_str(&encoded(value));
    }
    HttpRequest {
        method: HttpMethod::Get,
        path_and_query,
        headers: authorization(token),
        body: None,
        deadline_ms: ANSWER_MS,
    }
}

fn post(path: &str, body: &Value, token: Option<&Secret>) -> HttpRequest {
    let mut headers = authorization(token);
    headers.push(("Content-Type".to_owned(), "application/json".to_owned()));
    HttpRequest {
        method: HttpMethod::Post,
        path_and_query: path.to_owned(),
        headers,
        body: Some(body.write().into_bytes()),
        deadline_ms: ANSWER_MS,
    }
}

fn authorization(token: Option<&Secret>) -> Vec<(String, String)> {
    token.map(|token| ("Authorization".to_owned(), token.expose().to_owned())).into_iter().collect()
}

/// The answer to a request, if the PBX says that it went well.
pub(crate) fn read(request: &'static str, result: Result<HttpResponse, HttpFailure>) -> Result<Value, PbxError> {
    let network = |failure| PbxError::Network { request, failure };
    let response = result.map_err(network)?;
    if response.body.len() > MAX_RESPONSE_BYTES {
        return Err(network(HttpFailure::TooLarge));
    }
    let refused = |errcode, errmsg: &str| PbxError::Api { request, errcode, errmsg: json::cut(errmsg, 200) };
    let answer = std::str::from_utf8(&response.body).ok().and_then(Value::parse).filter(Value::is_object);
    let errcode = answer.as_ref().and_then(|answer| json::number(answer, "errcode"));
    match (answer, errcode) {
        (Some(answer), Some(errcode)) if errcode != 0 => {
            Err(refused(errcode, &json::text(&answer, "errmsg").unwrap_or_default()))
        }
        (Some(answer), _) if (200..300).contains(&response.status) => Ok(answer),
        // A proxy before a PBX that is down.
        _ if matches!(response.status, 502..=504) => {
            Err(network(HttpFailure::Unreachable { detail: format!("HTTP status {}", response.status) }))
        }
        _ if (200..300).contains(&response.status) => Err(refused(200, "(an answer that is no JSON object)")),
        _ => Err(refused(i64::from(response.status), "(HTTP status)")),
    }
}

/// What the answer to a login says.
pub(crate) fn read_login(result: Result<HttpResponse, HttpFailure>) -> Result<Secret, PbxError> {
    let answer = read("login", result).map_err(|error| match error {
        PbxError::Api { errcode: NO_SDK_PLAN, .. } => PbxError::SdkPlanDisabled,
        other => other,
    })?;
    let token = json::holder(&answer, &["access_token"]).get("access_token").and_then(Value::as_str);
    // It goes into a header and a URL.
    let fits = |token: &&str| (1..=MAX_TOKEN).contains(&token.len()) && token.bytes().all(|b| b.is_ascii_graphic());
    let none = || PbxError::Api { request: "login", errcode: 0, errmsg: "(no access_token)".to_owned() };
    token.filter(fits).map(Secret::new).ok_or_else(none)
}

/// Whether the PBX only wants us to come back later: there were too many logins from here.
pub(crate) fn is_too_many(error: &PbxError) -> bool {
    matches!(error, PbxError::Api { errcode: TOO_MANY_LOGINS | 429, .. })
}

/// Whether the PBX does not know our token, or no longer.
pub(crate) fn is_token_lost(error: &PbxError) -> bool {
    matches!(error, PbxError::Api { errcode, .. } if *errcode == 401 || TOKEN_LOST.contains(errcode))
}
