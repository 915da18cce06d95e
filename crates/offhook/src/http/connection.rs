//! One connection, which carries one request at a time.

use std::error::Error as _;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use offhook_core::TransportError;
use offhook_core::pbx::HttpFailure;
use tokio::sync::watch;

use crate::transport::{Stream, Target};

/// Most bytes of an answer's head.
const MAX_HEAD: usize = 64 * 1024;
/// How long a connection is kept without a request: less than servers do, so that they seldom close it under one.
const REST: Duration = Duration::from_secs(30);

/// A connection. Dropping it closes it.
#[derive(Debug)]
pub(super) struct Connection {
    requests: SendRequest<Full<Bytes>>,
    resting: watch::Sender<bool>,
}

/// What became of a request.
pub(super) enum Sent {
    Answered(Response<Incoming>),
    /// The connection was closed before anything of it was sent.
    Not(Box<Request<Full<Bytes>>>),
    /// It was sent, and no answer came.
    Lost(HttpFailure),
}

impl Connection {
    pub(super) async fn open(server: &Target) -> Result<Self, HttpFailure> {
        let stream = server.connect().await.map_err(unreached)?;
        let handshake = http1::Builder::new().max_buf_size(MAX_HEAD).handshake(TokioIo::new(stream)).await;
        let (requests, connection) = handshake.map_err(|error| failure(&error))?;
        let (resting, state) = watch::channel(false);
        tokio::spawn(serve(connection, state));
        Ok(Self { requests, resting })
    }

    pub(super) async fn send(&mut self, request: Request<Full<Bytes>>) -> Sent {
        // Of the request before, the end may still be under way.
        if self.requests.ready().await.is_err() {
            return Sent::Not(Box::new(request));
        }
        match self.requests.try_send_request(request).await {
            Ok(response) => Sent::Answered(response),
            Err(mut error) => match error.take_message() {
                Some(request) => Sent::Not(Box::new(request)),
                None => Sent::Lost(failure(error.error())),
            },
        }
    }

    pub(super) fn is_open(&self) -> bool {
        !self.requests.is_closed()
    }

    /// While it rests, it is closed after a time.
    pub(super) fn rest(&self, resting: bool) {
        self.resting.send_replace(resting);
    }
}

async fn serve(connection: http1::Connection<TokioIo<Stream>, Full<Bytes>>, mut state: watch::Receiver<bool>) {
    let mut connection = std::pin::pin!(connection);
    loop {
        let resting = *state.borrow_and_update();
        tokio::select! {
            result = &mut connection => {
                if let Err(error) = result {
                    // Whoever waits for an answer is told of it too.
                    tracing::debug!(%error, "an HTTPS connection");
                }
                return;
            }
            changed = state.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(REST), if resting => return,
        }
    }
}

/// What went wrong, without what was asked.
pub(super) fn failure(error: &hyper::Error) -> HttpFailure {
    let detail = match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    };
    if error.is_parse_too_large() { HttpFailure::TooLarge } else { HttpFailure::Broken { detail } }
}

fn unreached(error: TransportError) -> HttpFailure {
    match error {
        TransportError::UnknownHost { host, detail } => {
            HttpFailure::Unreachable { detail: format!("the host {host} is not known ({detail})") }
        }
        TransportError::Unreachable { address, detail } => {
            HttpFailure::Unreachable { detail: format!("{address}: {detail}") }
        }
        TransportError::Certificate { host, detail } => {
            HttpFailure::Tls { detail: format!("the certificate of {host} is not trusted: {detail}") }
        }
        TransportError::Tls { host, detail } => HttpFailure::Tls { detail: format!("{host}: {detail}") },
        other => HttpFailure::Broken { detail: other.to_string() },
    }
}
