//! Which pages may use the API, and what browsers are told about its answers.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::Api;
use super::answer::{Errcode, Fault};

/// How long a browser may remember what it is allowed, seconds.
const REMEMBERED_S: &str = "600";

/// Which origins there are.
#[derive(Debug)]
pub(crate) enum Origins {
    /// Pages of loopback hosts and of the PBX's domain; and only requests to these, so that no name of somebody else's leads
    /// here (DNS rebinding).
    Loopback {
        /// The PBX's.
        domain: String,
    },
    /// These.
    Listed(Vec<String>),
    /// All.
    Any,
}

impl Origins {
    pub(crate) fn new(listed: Option<&[String]>, bind: IpAddr, domain: &str) -> Self {
        match listed {
            Some(list) if list.iter().any(|origin| origin == "*") => Self::Any,
            Some(list) => Self::Listed(list.to_vec()),
            None if bind.is_loopback() => Self::Loopback { domain: domain.to_owned() },
            None => Self::Listed(Vec::new()),
        }
    }

    /// Whether a page of this origin may use the API that it reached under `host`.
    fn allows(&self, origin: &str, host: Option<&str>) -> bool {
        let of_itself = origin.split_once("://").is_some_and(|(_, authority)| Some(authority) == host);
        match self {
            Self::Any => true,
            Self::Listed(list) => of_itself || list.iter().any(|listed| listed == origin),
            Self::Loopback { domain } => {
                origin.split_once("://").is_some_and(|(_, authority)| is_ours(authority, domain))
            }
        }
    }

    fn takes(&self, host: Option<&str>) -> bool {
        match self {
            Self::Loopback { domain } => host.is_none_or(|host| is_ours(host, domain)),
            Self::Listed(_) | Self::Any => true,
        }
    }
}

/// `host[:port]` of this machine, or of the PBX's domain.
fn is_ours(authority: &str, domain: &str) -> bool {
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if !host.ends_with(':') && port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => authority,
    };
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let is_address = bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    is_address
        || host.eq_ignore_ascii_case(domain)
        || bare.eq_ignore_ascii_case("localhost")
        || bare.to_ascii_lowercase().ends_with(".localhost")
}

impl Api {
    /// The status with which a page may not open a SIP WebSocket. What says no origin is no page: browsers always say it
    /// (RFC 6455 §4.1), and so a name of somebody else's leads none here either.
    pub(crate) fn refuses_page(&self, headers: &HeaderMap) -> Option<StatusCode> {
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let mut origins = headers.get_all(header::ORIGIN).iter().peekable();
        origins.peek()?;
        if !self.origins.takes(host) {
            return Some(StatusCode::MISDIRECTED_REQUEST);
        }
        let allowed = origins.all(|origin| origin.to_str().is_ok_and(|origin| self.origins.allows(origin, host)));
        (!allowed).then_some(StatusCode::FORBIDDEN)
    }
}

/// Stands before every handler of the API.
pub(crate) async fn guard(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).map(str::to_owned);
    let is_api = ["/api", "/openapi", "/admin"].iter().any(|path| request.uri().path().starts_with(path));
    if is_api && !api.origins.takes(host.as_deref()) {
        let fault = Fault::new(Errcode::AccessDenied, "this PBX is on loopback: use localhost or 127.0.0.1");
        return secured((StatusCode::MISDIRECTED_REQUEST, fault).into_response(), None);
    }
    let origin = headers.get(header::ORIGIN).cloned();
    if let Some(origin) = &origin
        && !origin.to_str().is_ok_and(|origin| api.origins.allows(origin, host.as_deref()))
    {
        let fault = Fault::new(Errcode::AccessDenied, "pages of this origin may not: see pseries.allowed_origins");
        return secured((StatusCode::FORBIDDEN, fault).into_response(), None);
    }
    if request.method() == Method::OPTIONS {
        return secured(preflight(), origin);
    }
    secured(next.run(request).await, origin)
}

fn preflight() -> Response {
    let headers = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, PUT, PATCH, DELETE"),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "Authorization, Content-Type"),
        (header::ACCESS_CONTROL_MAX_AGE, REMEMBERED_S),
    ];
    (StatusCode::NO_CONTENT, headers).into_response()
}

/// With what every answer says.
fn secured(mut response: Response, origin: Option<HeaderValue>) -> Response {
    const NO_PAGE: &str = "default-src 'none'; frame-ancestors 'none'";
    let always: [(HeaderName, &'static str); 5] = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, NO_PAGE),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::VARY, "Origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-site"),
    ];
    let headers: &mut HeaderMap = response.headers_mut();
    for (name, value) in always {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    if let Some(origin) = origin {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("Retry-After"));
    }
    response
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn loopback_is_recognised_however_it_is_written() {
        for host in [
            "localhost",
            "localhost:80",
            "127.0.0.1:5066",
            "127.9.9.9",
            "[::1]",
            "[::1]:443",
            "app.localhost:3000",
            "PBX.example:443",
        ] {
            assert!(is_ours(host, "pbx.example"), "{host}");
        }
        for host in [
            "",
            "localhost.example",
            "127.0.0.1.example",
            "192.0.2.7:80",
            "my-pbx.example",
            "pbx.example.evil",
            "[2001:db8::1]:443",
            "evil",
            "127.0.0.1@evil",
        ] {
            assert!(!is_ours(host, "pbx.example"), "{host}");
        }
    }

    #[test]
    fn origins_are_compared_whole() {
        let loopback = Origins::new(None, Ipv4Addr::LOCALHOST.into(), "pbx.example");
        assert!(loopback.allows("http://localhost:3000", Some("127.0.0.1:1")));
        assert!(!loopback.allows("https://evil.example", Some("127.0.0.1:1")) && !loopback.allows("null", None));
        assert!(!loopback.takes(Some("evil.example:5066")) && loopback.takes(Some("localhost:5066")));
        let beyond = Origins::new(None, Ipv4Addr::UNSPECIFIED.into(), "localhost");
        assert!(beyond.allows("https://pbx.example", Some("pbx.example")));
        assert!(!beyond.allows("https://app.example", Some("pbx.example")) && beyond.takes(Some("pbx.example")));
        let listed = ["https://app.example".to_owned()];
        let listed = Origins::new(Some(&listed), Ipv4Addr::LOCALHOST.into(), "localhost");
        assert!(listed.allows("https://app.example", None));
        for wrong in ["http://app.example", "https://app.example.evil", "https://evil/app.example", "null"] {
            assert!(!listed.allows(wrong, Some("pbx.example")), "{wrong}");
        }
    }
}
