//! Requests to the PBX's API, as data.

use std::fmt;

use bytes::Bytes;
use offhook_sip::Millis;
use thiserror::Error;

/// Largest answer taken, bytes. A driver stops reading there and says [`HttpFailure::TooLarge`].
pub const MAX_RESPONSE_BYTES: usize = 1 << 20;

/// Which request an answer belongs to. Never used twice by one [`Login`](super::Login) or one phone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HttpId(pub u64);

/// Method of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpMethod {
    /// GET.
    Get,
    /// POST.
    Post,
}

impl HttpMethod {
    /// As it is written in a request.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
        }
    }
}

/// One request. Its `Debug` shows neither the token nor the body.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpRequest {
    /// Method.
    pub method: HttpMethod,
    /// What follows the base `https://HOST[:PORT]/api`, from its slash on, percent-encoded.
    pub path_and_query: String,
    /// Headers to send, besides those that HTTP itself needs.
    pub headers: Vec<(String, String)>,
    /// JSON.
    pub body: Option<Vec<u8>>,
    /// To be answered within this, milliseconds from when it is given out.
    pub deadline_ms: Millis,
}

impl fmt::Debug for HttpRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers: Vec<_> = self
            .headers
            .iter()
            .map(|(name, value)| {
                let secret = name.eq_ignore_ascii_case("Authorization");
                (name.as_str(), if secret { "[redacted]" } else { value.as_str() })
            })
            .collect();
        f.debug_struct("HttpRequest")
            .field("method", &self.method.as_str())
            .field("path_and_query", &self.path_and_query)
            .field("headers", &headers)
            .field("body_bytes", &self.body.as_ref().map(Vec::len))
            .field("deadline_ms", &self.deadline_ms)
            .finish()
    }
}

/// What came back. Its `Debug` does not show the body, which may hold a token.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpResponse {
    /// Status code.
    pub status: u16,
    /// At most [`MAX_RESPONSE_BYTES`].
    pub body: Bytes,
}

impl fmt::Debug for HttpResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpResponse").field("status", &self.status).field("body_bytes", &self.body.len()).finish()
    }
}

/// Why no answer came.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum HttpFailure {
    /// The host name has no address, or nobody listens there.
    #[error("the PBX cannot be reached: {detail}. Check the URL and the network")]
    Unreachable {
        /// The system's words.
        detail: String,
    },
    /// No TLS, or a certificate that is not trusted.
    #[error("no TLS connection to the PBX: {detail}. Give the CA that signed its certificate, or pin it")]
    Tls {
        /// What is wrong.
        detail: String,
    },
    /// The connection broke before the answer was whole.
    #[error("the connection to the PBX broke: {detail}")]
    Broken {
        /// The system's words.
        detail: String,
    },
    /// Not answered in time.
    #[error("the PBX did not answer in time")]
    Timeout,
    /// More than [`MAX_RESPONSE_BYTES`].
    #[error("the PBX's answer is larger than 1 MiB")]
    TooLarge,
    /// It could not be sent: the driver is at its own end.
    #[error("the request could not be sent: {detail}")]
    NotSent {
        /// Why.
        detail: String,
    },
}
