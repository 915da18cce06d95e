//! HTTPS to the P-Series API: HTTP/1.1 on the TLS of the other connections, verified as they are. Redirects are not followed.

mod connection;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body as _, Incoming};
use hyper::header::{ACCEPT, AUTHORIZATION, HOST, HeaderName, HeaderValue, USER_AGENT};
use hyper::{Method, Request, Response};
use offhook_core::pbx::{HttpFailure, HttpRequest, HttpResponse, MAX_RESPONSE_BYTES};
use tokio::sync::Semaphore;

use crate::transport::Target;
use connection::{Connection, Sent};

/// Requests on their way at once; more wait, and their deadlines run.
const CONNECTIONS: usize = 4;
/// Connections kept for the next request.
const KEPT: usize = 2;

/// The API of one server. Cheap to clone; its connections close with the last clone.
#[derive(Debug, Clone)]
pub(crate) struct Client(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    server: Target,
    /// What goes before the path of each request.
    path: String,
    host: HeaderValue,
    permits: Semaphore,
    kept: Mutex<Vec<Connection>>,
}

impl Client {
    /// All requests are below the path of the server's URL.
    pub(crate) fn new(server: Target) -> Result<Self, HttpFailure> {
        let host = HeaderValue::try_from(server.authority()).map_err(|error| invalid(&error))?;
        let path = server.path().trim_end_matches('/').to_owned();
        Ok(Self(Arc::new(Inner { server, path, host, permits: Semaphore::new(CONNECTIONS), kept: Mutex::default() })))
    }

    /// Sends a request and waits for the whole answer, at most until the request's deadline. Dropping the future closes the
    /// connection under it.
    pub(crate) fn send(
        &self,
        request: HttpRequest,
    ) -> impl Future<Output = Result<HttpResponse, HttpFailure>> + Send + 'static + use<> {
        let inner = Arc::clone(&self.0);
        async move {
            let deadline = Duration::from_millis(request.deadline_ms);
            match tokio::time::timeout(deadline, inner.exchange(request)).await {
                Ok(result) => result,
                Err(_) => Err(HttpFailure::Timeout),
            }
        }
    }
}

impl Inner {
    async fn exchange(&self, request: HttpRequest) -> Result<HttpResponse, HttpFailure> {
        let mut request = self.encode(request)?;
        // It is never closed.
        let _permit = self.permits.acquire().await;
        while let Some(mut connection) = self.take() {
            // The server may have closed it in this moment. What it may have carried out already is asked again only if asking
            // twice does no harm (RFC 9110 §9.2.2).
            let again = request.method().is_safe().then(|| request.clone());
            match connection.send(request).await {
                Sent::Answered(response) => return self.finish(connection, response).await,
                Sent::Not(unsent) => request = *unsent,
                Sent::Lost(failure) => request = again.ok_or(failure)?,
            }
        }
        let mut connection = Connection::open(&self.server).await?;
        match connection.send(request).await {
            Sent::Answered(response) => self.finish(connection, response).await,
            Sent::Not(_) => Err(HttpFailure::Broken { detail: "the server closed the connection at once".to_owned() }),
            Sent::Lost(failure) => Err(failure),
        }
    }

    fn encode(&self, request: HttpRequest) -> Result<Request<Full<Bytes>>, HttpFailure> {
        let method = Method::from_bytes(request.method.as_str().as_bytes()).map_err(|error| invalid(&error))?;
        let mut builder = Request::builder()
            .method(method)
            .uri(format!("{}{}", self.path, request.path_and_query))
            .header(HOST, &self.host)
            .header(USER_AGENT, concat!("offhook/", env!("CARGO_PKG_VERSION")))
            .header(ACCEPT, "application/json");
        for (name, value) in request.headers {
            let name = HeaderName::try_from(name).map_err(|error| invalid(&error))?;
            let mut value = HeaderValue::try_from(value).map_err(|error| invalid(&error))?;
            value.set_sensitive(name == AUTHORIZATION);
            builder = builder.header(name, value);
        }
        builder.body(Full::from(request.body.unwrap_or_default())).map_err(|error| invalid(&error))
    }

    /// Reads the answer, and keeps the connection if there is room.
    async fn finish(&self, connection: Connection, response: Response<Incoming>) -> Result<HttpResponse, HttpFailure> {
        let status = response.status().as_u16();
        let mut body = response.into_body();
        let told = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
        if told > MAX_RESPONSE_BYTES {
            return Err(HttpFailure::TooLarge);
        }
        let mut read = BytesMut::with_capacity(told);
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| connection::failure(&error))?;
            let Ok(data) = frame.into_data() else { continue };
            if read.len() + data.len() > MAX_RESPONSE_BYTES {
                return Err(HttpFailure::TooLarge);
            }
            read.extend_from_slice(&data);
        }
        self.keep(connection);
        Ok(HttpResponse { status, body: read.freeze() })
    }

    fn take(&self) -> Option<Connection> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(Connection::is_open);
        let connection = kept.pop()?;
        connection.rest(false);
        Some(connection)
    }

    fn keep(&self, connection: Connection) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(Connection::is_open);
        if kept.len() < KEPT {
            connection.rest(true);
            kept.push(connection);
        }
    }
}

fn invalid(error: &dyn std::error::Error) -> HttpFailure {
    HttpFailure::NotSent { detail: error.to_string() }
}

#[cfg(test)]
mod tests;
