//! Serves the files of a [`Site`](crate::Site): from a table in memory, with what browsers are to be told.

use std::collections::HashMap;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use ring::digest::{SHA256, digest};

use crate::hex::hex;
use crate::site::{Site, SiteFile};

/// Everything from the PBX and nowhere else; no script or style inside the page. WebAssembly is compiled, which is a source of its own
/// (CSP 3); the phone's clock is a worker made from a blob; pictures may be of the camera or inside the style sheet.
const POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; connect-src 'self'; \
                      img-src 'self' data:; media-src 'self' blob:; worker-src blob:; manifest-src 'self'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";
const PERMISSIONS: &str =
    "microphone=(self), camera=(self), display-capture=(self), geolocation=(), payment=(), usb=()";

const FOR_A_YEAR: &str = "public, max-age=31536000, immutable";
/// Kept, but asked for each time.
const ASK: &str = "no-cache";

/// All files, ready to be sent.
#[derive(Debug, Default)]
pub(crate) struct Files(HashMap<String, File>);

#[derive(Debug)]
struct File {
    content_type: HeaderValue,
    caching: HeaderValue,
    plain: Variant,
    gzip: Option<Variant>,
    brotli: Option<Variant>,
}

/// One form of a file, with its entity tag: another form is another entity (RFC 9110 §8.8.3.3).
#[derive(Debug)]
struct Variant {
    data: Bytes,
    tag: HeaderValue,
}

impl Files {
    pub(crate) fn new(site: Site) -> Arc<Self> {
        Arc::new(Self(site.into_files().map(|(path, file)| (path, File::new(file))).collect()))
    }

    pub(crate) fn paths(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    pub(crate) fn has(&self, path: &str) -> bool {
        self.0.contains_key(path)
    }

    /// What a request for one of the paths is answered.
    pub(crate) fn answer(&self, request: &Request) -> Response {
        let Some(file) = self.0.get(request.uri().path()) else {
            return secured(StatusCode::NOT_FOUND.into_response());
        };
        let is_head = request.method() == Method::HEAD;
        if !is_head && request.method() != Method::GET {
            return secured((StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "GET, HEAD")]).into_response());
        }
        secured(file.answer(request.headers(), is_head))
    }
}

/// For the router.
pub(crate) async fn serve(State(files): State<Arc<Files>>, request: Request) -> Response {
    files.answer(&request)
}

impl File {
    fn new(file: SiteFile) -> Self {
        let hash = hex(digest(&SHA256, &file.data).as_ref());
        let variant = |data: std::borrow::Cow<'static, [u8]>, suffix: &str| {
            let data = match data {
                std::borrow::Cow::Borrowed(data) => Bytes::from_static(data),
                std::borrow::Cow::Owned(data) => Bytes::from(data),
            };
            let tag = format!("\"{}{suffix}\"", hash.get(..32).unwrap_or(&hash));
            // Hex digits in quotes are a value.
            let tag = HeaderValue::try_from(tag).unwrap_or(HeaderValue::from_static("\"\""));
            Variant { data, tag }
        };
        Self {
            content_type: HeaderValue::from_str(file.content_type)
                .unwrap_or(HeaderValue::from_static("application/octet-stream")),
            caching: HeaderValue::from_static(if file.immutable { FOR_A_YEAR } else { ASK }),
            plain: variant(file.data, ""),
            gzip: file.gzip.map(|data| variant(data, "-gz")),
            brotli: file.brotli.map(|data| variant(data, "-br")),
        }
    }

    fn answer(&self, asked: &HeaderMap, is_head: bool) -> Response {
        let (variant, encoding) = match (&self.brotli, &self.gzip) {
            (Some(brotli), _) if accepts(asked, "br") => (brotli, Some("br")),
            (_, Some(gzip)) if accepts(asked, "gzip") => (gzip, Some("gzip")),
            _ => (&self.plain, None),
        };
        let mut response = Response::new(Body::empty());
        let headers = response.headers_mut();
        headers.insert(header::ETAG, variant.tag.clone());
        headers.insert(header::CACHE_CONTROL, self.caching.clone());
        headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
        if is_known(asked, &variant.tag) {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return response;
        }
        headers.insert(header::CONTENT_TYPE, self.content_type.clone());
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(variant.data.len()));
        if let Some(encoding) = encoding {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
        }
        if !is_head {
            *response.body_mut() = Body::from(variant.data.clone());
        }
        response
    }
}

/// Whether the client has what has this tag: `If-None-Match` compares weakly (RFC 9110 §13.1.2).
fn is_known(asked: &HeaderMap, tag: &HeaderValue) -> bool {
    let fits = |known: &str| known == "*" || known.strip_prefix("W/").unwrap_or(known).as_bytes() == tag.as_bytes();
    listed(asked, header::IF_NONE_MATCH).any(fits)
}

/// Whether `Accept-Encoding` names this coding with a weight other than 0 (RFC 9110 §12.5.3). A client that says `*` alone gets the
/// file as it is.
fn accepts(asked: &HeaderMap, coding: &str) -> bool {
    listed(asked, header::ACCEPT_ENCODING).any(|part| {
        let mut words = part.split(';').map(str::trim);
        let is_named = words.next().is_some_and(|name| name.eq_ignore_ascii_case(coding));
        let weight = words.find_map(|word| word.strip_prefix("q=").or_else(|| word.strip_prefix("Q=")));
        is_named && weight.is_none_or(|weight| weight.trim().parse::<f32>().is_ok_and(|weight| weight > 0.0))
    })
}

/// The parts of a header that is a list. The request's head, and with it this, is bounded where it is read.
fn listed(asked: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    asked.get_all(name).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).map(str::trim)
}

/// With what every answer says.
fn secured(mut response: Response) -> Response {
    let always: [(HeaderName, &'static str); 6] = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("permissions-policy"), PERMISSIONS),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    for (name, value) in always {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepting(value: &str) -> HeaderMap {
        let value = HeaderValue::from_str(value).expect("a value");
        HeaderMap::from_iter([(header::ACCEPT_ENCODING, value)])
    }

    #[test]
    fn a_coding_is_taken_when_it_is_named_and_not_refused() {
        for (value, br, gzip) in [
            ("gzip, deflate, br, zstd", true, true),
            ("GZIP", false, true),
            ("br;q=0, gzip;q=0.5", false, true),
            ("br; q=1.0", true, false),
            ("br;q=0.000", false, false),
            ("br;q=x", false, false),
            ("identity", false, false),
            ("*", false, false),
            ("brotli", false, false),
            ("", false, false),
        ] {
            assert_eq!((accepts(&accepting(value), "br"), accepts(&accepting(value), "gzip")), (br, gzip), "{value}");
        }
        assert!(!accepts(&HeaderMap::new(), "gzip"));
    }
}
