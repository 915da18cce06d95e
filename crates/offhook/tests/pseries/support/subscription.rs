//! The server's end of a subscription socket.

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use super::server::{Asked, Io};
use super::soon;

pub(crate) struct Subscription {
    pub(crate) asked: Asked,
    socket: WebSocketStream<Box<dyn Io>>,
    /// Told when this is dropped.
    _open: oneshot::Sender<()>,
}

impl Subscription {
    pub(super) fn new(socket: WebSocketStream<Box<dyn Io>>, asked: Asked) -> (Self, oneshot::Receiver<()>) {
        let (open, closed) = oneshot::channel();
        (Self { asked, socket, _open: open }, closed)
    }

    /// The topics that the client wants to be told of.
    pub(crate) async fn topics(&mut self) -> Vec<u64> {
        let text = self.next().await.expect("the client subscribes");
        let value: Value = serde_json::from_str(&text).expect("JSON");
        let topics = value["topic_list"].as_array().expect("a list of topics");
        topics.iter().map(|topic| topic.as_u64().expect("numbers")).collect()
    }

    /// The next text, `None` when the client has closed the socket.
    pub(crate) async fn next(&mut self) -> Option<String> {
        loop {
            match soon("a text", self.socket.next()).await {
                Some(Ok(Message::Text(text))) => return Some(text.to_string()),
                Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
                Some(Ok(_)) => {}
            }
        }
    }

    /// Tells the client something.
    pub(crate) async fn tell(&mut self, kind: u32, message: Value) {
        let text = json!({ "type": kind, "msg": message.to_string() }).to_string();
        self.socket.send(Message::text(text)).await.expect("the socket is open");
    }

    /// Sends a message; the client may close the socket before it has all of it.
    pub(crate) async fn send(&mut self, message: Message) {
        let _ = self.socket.send(message).await;
    }

    /// Closes it.
    pub(crate) async fn close(&mut self) {
        // The client may have closed it too.
        let _ = self.socket.close(None).await;
    }
}
