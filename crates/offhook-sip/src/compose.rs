//! Building messages.

use bytes::Bytes;
use sipx_sip::{Header, HeaderName, ResponseBuilder};

use crate::header::HeaderField;
use crate::message::{Headers, HeadersExt as _, Method, Request, Response, StatusCode, split};
use crate::name_addr::Uri;

/// Methods that we take (Allow, RFC 3261 §20.5).
pub(crate) const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, UPDATE, INFO, OPTIONS, MESSAGE, REFER, NOTIFY";

/// Content type and content.
pub(crate) type Body = Option<(String, Vec<u8>)>;

pub(crate) fn sdp(text: &str) -> Body {
    Some(("application/sdp".to_owned(), text.as_bytes().to_vec()))
}

/// Everything of a request but its Via, which is stamped on when it is sent.
#[derive(Debug)]
pub(crate) struct RequestParts<'a> {
    pub(crate) method: Method,
    pub(crate) uri: &'a Uri,
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) call_id: &'a str,
    pub(crate) cseq: u32,
    pub(crate) contact: Option<String>,
    pub(crate) route: &'a [String],
}

pub(crate) fn request(parts: RequestParts<'_>, user_agent: &str, extra: &[HeaderField], body: Body) -> Request {
    let mut request = Request::new(parts.method.clone(), parts.uri.parsed().clone());
    let headers = &mut request.headers;
    if !extra.iter().any(|field| field.name() == "Max-Forwards") {
        put(headers, HeaderName::MaxForwards, "70");
    }
    for route in parts.route {
        put(headers, HeaderName::Route, route);
    }
    put(headers, HeaderName::From, &parts.from);
    put(headers, HeaderName::To, &parts.to);
    put(headers, HeaderName::CallId, parts.call_id);
    put(headers, HeaderName::CSeq, &format!("{} {}", parts.cseq, parts.method));
    if let Some(contact) = &parts.contact {
        put(headers, HeaderName::Contact, contact);
    }
    put(headers, HeaderName::UserAgent, user_agent);
    put_fields(headers, extra);
    let body = put_body(headers, body);
    request.set_body(body);
    request
}

/// A response, with the headers RFC 3261 §8.2.6.2 wants copied; `to_tag` is added when the request had none.
/// `None` when the request lacks a header that must be copied.
pub(crate) fn response(
    request: &Request,
    status: u16,
    phrase: Option<&str>,
    to_tag: Option<&str>,
    server: &str,
    body: Body,
) -> Option<Response> {
    let code = StatusCode::new(status)?;
    let phrase = phrase.unwrap_or_else(|| reason_phrase(status)).to_owned();
    let mut response = ResponseBuilder::new(code, phrase).ok()?.build();
    let headers = &mut response.headers;
    headers.remove_all(&HeaderName::ContentLength);
    for name in [HeaderName::Via, HeaderName::From, HeaderName::To, HeaderName::CallId, HeaderName::CSeq] {
        request.headers.get(&name)?;
        copy(&request.headers, headers, &[name]);
    }
    if let Some(tag) = to_tag
        && status > 100
        && headers.address("To").is_none_or(|to| to.tag().is_none())
        && let Some(to) = headers.text("To")
    {
        headers.remove_all(&HeaderName::To);
        put(headers, HeaderName::To, &format!("{to};tag={tag}"));
    }
    put(headers, HeaderName::Server, server);
    let body = put_body(headers, body);
    response.set_body(body);
    Some(response)
}

/// Replaces the topmost Via, or adds the first.
pub(crate) fn stamp_via(request: &mut Request, transport: &str, host: &str, branch: &str) {
    request.headers.remove_first(&HeaderName::Via);
    let value = format!("SIP/2.0/{transport} {host};branch=z9hG4bK{branch}");
    if let Ok(via) = Header::build(HeaderName::Via, Bytes::from(value)) {
        request.headers.push_front(via);
    }
}

/// The CANCEL of an INVITE that was sent (§9.1): same Request-URI, Via, Call-ID, From, To, CSeq number and Route.
pub(crate) fn cancel(invite: &Request, cseq: u32, user_agent: &str, reason: Option<HeaderField>) -> Request {
    let mut request = Request::new(Method::Cancel, invite.uri.clone());
    let headers = &mut request.headers;
    if let Some(via) = invite.headers.get(&HeaderName::Via) {
        headers.push(via.clone());
    }
    put(headers, HeaderName::MaxForwards, "70");
    copy(&invite.headers, headers, &[HeaderName::Route, HeaderName::From, HeaderName::To, HeaderName::CallId]);
    put(headers, HeaderName::CSeq, &format!("{cseq} CANCEL"));
    put(headers, HeaderName::UserAgent, user_agent);
    if let Some(reason) = reason {
        put_fields(headers, &[reason]);
    }
    put(headers, HeaderName::ContentLength, "0");
    request
}

/// `Reason: SIP;cause=…;text="…"` (RFC 3326).
pub(crate) fn reason(status: u16, text: &str) -> Option<HeaderField> {
    let text: String = text.chars().filter(|c| !c.is_control() && !matches!(c, '"' | '\\')).take(120).collect();
    HeaderField::new("Reason", &format!("SIP;cause={status};text=\"{text}\"")).ok()
}

/// Status and text of a Reason header with protocol SIP.
pub(crate) fn read_reason(headers: &Headers) -> (Option<u16>, Option<String>) {
    let values = headers.texts("Reason");
    for value in values.iter().flat_map(|values| split(values, ',')) {
        let mut parts = split(value, ';').into_iter();
        if !parts.next().is_some_and(|protocol| protocol.eq_ignore_ascii_case("SIP")) {
            continue;
        }
        let (mut cause, mut text) = (None, None);
        for part in parts {
            match part.split_once('=') {
                Some((name, value)) if name.trim().eq_ignore_ascii_case("cause") => cause = value.trim().parse().ok(),
                Some((name, value)) if name.trim().eq_ignore_ascii_case("text") => {
                    text = Some(value.trim().trim_matches('"').to_owned());
                }
                _ => {}
            }
        }
        return (cause.filter(|c| (100..700).contains(c)), text);
    }
    (None, None)
}

pub(crate) fn put(headers: &mut Headers, name: HeaderName, value: &str) {
    // Values are checked where they enter (NameAddr, Uri, HeaderField) or were parsed off the wire, so this cannot fail.
    match Header::build(name, Bytes::copy_from_slice(value.as_bytes())) {
        Ok(header) => headers.push(header),
        Err(error) => tracing::error!(%error, "header left out"),
    }
}

pub(crate) fn put_fields(headers: &mut Headers, fields: &[HeaderField]) {
    for header in fields.iter().filter_map(HeaderField::to_header) {
        headers.push(header);
    }
}

pub(crate) fn copy(from: &Headers, to: &mut Headers, names: &[HeaderName]) {
    for name in names {
        for header in from.get_all(name) {
            to.push(header.clone());
        }
    }
}

/// Writes a CSeq anew.
pub(crate) fn set_cseq(request: &mut Request, cseq: u32) {
    let value = format!("{cseq} {}", request.method);
    request.headers.remove_all(&HeaderName::CSeq);
    put(&mut request.headers, HeaderName::CSeq, &value);
}

fn put_body(headers: &mut Headers, body: Body) -> Bytes {
    let (kind, content) = body.unwrap_or_default();
    if !content.is_empty() {
        put(headers, HeaderName::ContentType, &kind);
    }
    put(headers, HeaderName::ContentLength, &content.len().to_string());
    Bytes::from(content)
}

/// The phrases of RFC 3261 §21 and its extensions.
pub(crate) fn reason_phrase(status: u16) -> &'static str {
    match status {
        100 => "Trying",
        180 => "Ringing",
        181 => "Call Is Being Forwarded",
        182 => "Queued",
        183 => "Session Progress",
        200 => "OK",
        202 => "Accepted",
        300 => "Multiple Choices",
        301 => "Moved Permanently",
        302 => "Moved Temporarily",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        415 => "Unsupported Media Type",
        416 => "Unsupported URI Scheme",
        420 => "Bad Extension",
        422 => "Session Interval Too Small",
        423 => "Interval Too Brief",
        480 => "Temporarily Unavailable",
        481 => "Call/Transaction Does Not Exist",
        482 => "Loop Detected",
        484 => "Address Incomplete",
        486 => "Busy Here",
        487 => "Request Terminated",
        488 => "Not Acceptable Here",
        491 => "Request Pending",
        500 => "Server Internal Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        505 => "Version Not Supported",
        513 => "Message Too Large",
        600 => "Busy Everywhere",
        603 => "Decline",
        604 => "Does Not Exist Anywhere",
        606 => "Not Acceptable",
        _ => match status / 100 {
            1 => "Session Progress",
            2 => "OK",
            3 => "Redirected",
            4 => "Request Failure",
            5 => "Server Failure",
            _ => "Global Failure",
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_of_sip_is_found_among_others() {
        let read = |values: &[&str]| {
            let mut headers = Headers::new();
            put_fields(
                &mut headers,
                &values.iter().map(|v| HeaderField::new("Reason", v).expect("a value")).collect::<Vec<_>>(),
            );
            read_reason(&headers)
        };
        let elsewhere = (Some(200), Some("Call completed elsewhere".to_owned()));
        assert_eq!(read(&[r#"Q.850;cause=26, SIP ;cause=200;text="Call completed elsewhere""#]), elsewhere);
        assert_eq!(read(&[r#"SIP;text="Call completed elsewhere";cause=200, Q.850;cause=16"#]), elsewhere);
        assert_eq!(
            read(&["Q.850;cause=16", r#"sip;cause=200;text="a; b, c""#]),
            (Some(200), Some("a; b, c".to_owned()))
        );
        assert_eq!(read(&["Q.850;cause=16"]), (None, None));
    }
}
