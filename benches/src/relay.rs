//! Between the phones and a PBX that is killed: an address that stays, and a witness of what was acknowledged.

use std::collections::BTreeSet;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{Error as SocketError, Message};
use tokio_tungstenite::{accept_hdr_async, client_async};

/// What the relay has seen.
#[derive(Clone, Default)]
pub(crate) struct Witness(Arc<Mutex<BTreeSet<String>>>);

impl Witness {
    /// The SIP Call-IDs of the BYEs that the PBX answered with 200 so far.
    pub(crate) fn acknowledged(&self) -> BTreeSet<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn see(&self, message: &Message) {
        let Message::Text(text) = message else { return };
        let Some((_, headers)) = text.split_once("\r\n").filter(|(first, _)| *first == "SIP/2.0 200 OK") else {
            return;
        };
        let value = |name: &str| {
            headers.split("\r\n").find_map(|line| {
                let (found, value) = line.split_once(':')?;
                found.trim().eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
            })
        };
        if let (Some(cseq), Some(call_id)) = (value("CSeq"), value("Call-ID"))
            && cseq.ends_with(" BYE")
        {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(call_id);
        }
    }
}

/// Listens on a free port; gives the URL for phones. Every connection is one to the PBX at `port` of this machine.
pub(crate) async fn start(port: u16, witness: Witness) -> Result<String, Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("ws://{}", listener.local_addr()?);
    tokio::spawn(async move {
        while let Ok((phone, _)) = listener.accept().await {
            let witness = witness.clone();
            tokio::spawn(async move {
                // That the PBX is gone is what is measured.
                let _ = carry(phone, port, &witness).await;
            });
        }
    });
    Ok(url)
}

async fn carry(phone: TcpStream, port: u16, witness: &Witness) -> Result<(), SocketError> {
    let pbx = TcpStream::connect(("127.0.0.1", port)).await?;
    pbx.set_nodelay(true)?;
    phone.set_nodelay(true)?;
    let sip = HeaderValue::from_static("sip");
    let mut request = format!("ws://127.0.0.1:{port}/ws").into_client_request()?;
    request.headers_mut().insert("Sec-WebSocket-Protocol", sip.clone());
    let (pbx, _) = client_async(request, pbx).await?;
    #[expect(clippy::result_large_err, reason = "the library's signature")]
    let accept = |_: &Request, mut response: Response| -> Result<Response, ErrorResponse> {
        response.headers_mut().insert("Sec-WebSocket-Protocol", sip);
        Ok(response)
    };
    let phone = accept_hdr_async(phone, accept).await?;
    let ((mut to_pbx, mut from_pbx), (mut to_phone, mut from_phone)) = (pbx.split(), phone.split());
    let up = async {
        while let Some(message) = from_phone.next().await {
            to_pbx.send(message?).await?;
        }
        Ok::<_, SocketError>(())
    };
    let down = async {
        while let Some(message) = from_pbx.next().await {
            let message = message?;
            witness.see(&message);
            to_phone.send(message).await?;
        }
        Ok(())
    };
    tokio::select! { done = up => done, done = down => done }
}
