//! What is served over HTTP: the WebSocket upgrade for SIP (RFC 7118), the API, and the site.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::extract::{FromRequestParts as _, Query, Request, State, WebSocketUpgrade};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{any, get};
use offhook_sip::ConnectionId;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use crate::api::{self, Api};
use crate::core::ToCore;
use crate::server::site::{Files, serve};
use crate::server::ws;

/// The subprotocol of RFC 7118 §5.
const SUBPROTOCOL: &str = "sip";

/// WebSocket messages up to so many times the SIP limit are read, so that they can be answered 513 before the
/// connection is closed.
const OVERSIZE: usize = 4;
/// Read at once, bytes; a message may be longer.
const READ_BUFFER: usize = 8 * 1024;

/// What every request handler has.
#[derive(Clone)]
pub(crate) struct Shared {
    core: mpsc::Sender<ToCore>,
    next_connection: Arc<AtomicU64>,
    message_bytes: usize,
    api: Arc<Api>,
    files: Arc<Files>,
}

impl Shared {
    pub(crate) fn new(core: mpsc::Sender<ToCore>, api: Arc<Api>, files: Arc<Files>, message_bytes: usize) -> Self {
        Self { core, next_connection: Arc::new(AtomicU64::new(1)), message_bytes, api, files }
    }

    pub(crate) fn core(&self) -> mpsc::Sender<ToCore> {
        self.core.clone()
    }
}

/// The TCP connection that a request came on.
#[derive(Clone)]
pub(crate) struct Link {
    peer: SocketAddr,
    secure: bool,
    /// Given back when the last clone is dropped: with the HTTP connection, or with the WebSocket that it became.
    _permit: Arc<OwnedSemaphorePermit>,
}

impl Link {
    pub(crate) fn new(peer: SocketAddr, secure: bool, permit: OwnedSemaphorePermit) -> Self {
        Self { peer, secure, _permit: Arc::new(permit) }
    }

    pub(crate) fn peer(&self) -> SocketAddr {
        self.peer
    }

    pub(crate) fn secure(&self) -> bool {
        self.secure
    }
}

pub(crate) fn router(shared: Shared) -> Router {
    let api = api::router(&shared.api);
    let files = Arc::clone(&shared.files);
    let root = if files.has("/") { any(page_or_upgrade) } else { get(upgrade) };
    let sip = Router::new().route("/", root).route("/ws", get(upgrade)).with_state(shared);
    let site = files.paths().filter(|path| *path != "/").fold(Router::new(), |site, path| site.route(path, any(serve)));
    sip.merge(site.with_state(Arc::clone(&files))).merge(api)
}

/// At `/` there is SIP for who asks to upgrade, and the page for all others.
async fn page_or_upgrade(State(shared): State<Shared>, request: Request) -> Response {
    if request.headers().contains_key(header::UPGRADE) {
        return upgrade(State(shared), request).await;
    }
    shared.files.answer(&request)
}

async fn upgrade(State(shared): State<Shared>, request: Request) -> Response {
    let (mut parts, _) = request.into_parts();
    if let Some(refusal) = refusal(&parts.headers) {
        return refusal;
    }
    // Else any page could try the passwords of a PBX that its visitor reaches.
    if let Some(status) = shared.api.refuses_page(&parts.headers) {
        return (status, "pages of this origin may not: see pseries.allowed_origins\n").into_response();
    }
    let Some(link) = parts.extensions.get::<Link>().cloned() else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let upgrade = match WebSocketUpgrade::from_request_parts(&mut parts, &()).await {
        Ok(upgrade) => upgrade,
        Err(rejection) => return rejection.into_response(),
    };
    let only = match only(&parts.uri) {
        Ok(only) => only,
        Err(text) => return (StatusCode::BAD_REQUEST, text).into_response(),
    };
    let connection = ConnectionId(shared.next_connection.fetch_add(1, Ordering::Relaxed));
    let largest = shared.message_bytes.saturating_mul(OVERSIZE);
    upgrade
        .protocols([SUBPROTOCOL])
        // SIP messages are small: the default buffer of 128 KiB would be most of what a connection takes.
        .read_buffer_size(READ_BUFFER)
        .max_message_size(largest)
        .max_frame_size(largest)
        // Pongs wait there for a client that does not read. What does not fit beside them ends the connection.
        .write_buffer_size(0)
        .max_write_buffer_size(largest)
        .on_upgrade(move |socket| ws::run(socket, connection, link, only, shared.core))
}

/// The extension that `?exten=NUMBER` names: no other can register or call on this connection.
fn only(uri: &Uri) -> Result<Option<String>, &'static str> {
    let wrong = "exten must be there once, with the number of an extension\n";
    let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(uri).map_err(|_| wrong)?;
    let mut numbers = pairs.into_iter().filter(|(name, _)| name == "exten").map(|(_, number)| number);
    match (numbers.next(), numbers.next()) {
        (None, _) => Ok(None),
        (Some(number), None) if (1..=32).contains(&number.len()) => Ok(Some(number)),
        _ => Err(wrong),
    }
}

/// Why a request is no WebSocket handshake for SIP.
fn refusal(headers: &HeaderMap) -> Option<Response> {
    if !has_token(headers, header::UPGRADE, "websocket") {
        return Some(upgrade_required("this is a SIP server: connect with a WebSocket, subprotocol \"sip\"\n"));
    }
    if headers.get(header::SEC_WEBSOCKET_VERSION).is_some_and(|version| version != "13") {
        return Some(upgrade_required("only WebSocket version 13 is spoken (RFC 6455)\n"));
    }
    if !has_token(headers, header::SEC_WEBSOCKET_PROTOCOL, SUBPROTOCOL) {
        let text = "offer the WebSocket subprotocol \"sip\" (RFC 7118 section 5)\n";
        return Some((StatusCode::BAD_REQUEST, text).into_response());
    }
    None
}

fn upgrade_required(text: &'static str) -> Response {
    let headers = [
        (header::UPGRADE, HeaderValue::from_static("websocket")),
        (header::CONNECTION, HeaderValue::from_static("Upgrade")),
        (header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13")),
    ];
    (StatusCode::UPGRADE_REQUIRED, headers, text).into_response()
}

fn has_token(headers: &HeaderMap, name: header::HeaderName, token: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|part| part.trim().eq_ignore_ascii_case(token))
}
