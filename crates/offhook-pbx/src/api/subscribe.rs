//! The subscription socket.
//!
//! A client sends `{"topic_list":[…]}`, which replaces what it sent before, and is then told what happens of these topics. What
//! else it sends is answered `errcode` −2 and changes nothing. A socket that was too slow is told `errcode` −3: it may
//! have missed something, and should subscribe again.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, close_code};
use axum::extract::{FromRequestParts as _, Request, State, WebSocketUpgrade};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::{broadcast, watch};
use tokio::time::Instant;

use super::Api;
use super::answer::Fault;
use super::cdr::short;
use super::notification::{self as topic, Notification, flag};
use super::personal::{record_number, registration, services};
use super::request::Params;
use super::session::{End, Session};
use crate::notice::{Audience, Fact, Notice};
use crate::server::Link;

/// The largest message from a client, bytes.
const MOST_MESSAGE: usize = 8 * 1024;

/// Topics of one socket.
const TOPICS: usize = 256;

/// A client that does not take what it is sent for so long loses its socket.
const SEND_TIME: Duration = Duration::from_secs(10);

/// Waiting to be sent, bytes: more than one message only while the client does not read.
const MOST_WAITING: usize = 64 * 1024;

const HEARTBEAT: &str = "heartbeat";
const HEARTBEAT_RESPONSE: &str = "heartbeat response";

/// GET `subscribe?access_token=TOKEN`. A token that is not good is answered 401.
pub(super) async fn subscribe(State(api): State<Arc<Api>>, params: Params, request: Request) -> Response {
    let caller = match params.required("access_token").and_then(|token| api.caller(token)) {
        Ok(caller) => caller,
        Err(_) => return (StatusCode::UNAUTHORIZED, Fault::token().rest()).into_response(),
    };
    let (mut parts, _) = request.into_parts();
    let upgrade = match WebSocketUpgrade::from_request_parts(&mut parts, &()).await {
        Ok(upgrade) => upgrade,
        Err(rejection) => return rejection.into_response(),
    };
    // It holds the permit of the connection.
    let link = parts.extensions.get::<Link>().cloned();
    upgrade
        .read_buffer_size(MOST_MESSAGE)
        .max_message_size(MOST_MESSAGE)
        .max_frame_size(MOST_MESSAGE)
        .max_write_buffer_size(MOST_WAITING)
        .write_buffer_size(0)
        .on_upgrade(move |socket| async move {
            let _link = link;
            let notices = api.directory.notices().subscribe();
            let subscriber = Subscriber { api, session: caller.session, socket, notices, topics: BTreeSet::new() };
            subscriber.run().await;
        })
}

/// When the session is over, with what its client is told last.
async fn end_of(ended: &mut watch::Receiver<Option<End>>) -> Option<Notification> {
    ended.wait_for(Option::is_some).await.ok().and_then(|end| end.clone()).and_then(|End(last)| last)
}

async fn becomes_true(wanted: &mut watch::Receiver<bool>) {
    // The sender lives for as long.
    let _ = wanted.wait_for(|now| *now).await;
}

struct Subscriber {
    api: Arc<Api>,
    session: Arc<Session>,
    socket: WebSocket,
    notices: broadcast::Receiver<Notice>,
    topics: BTreeSet<u32>,
}

/// What a client may send, beside the heartbeat.
#[derive(Deserialize)]
struct Subscription {
    topic_list: Vec<i64>,
}

/// Why a socket is closed.
enum Closed {
    /// The client closed it, or it failed.
    Gone,
    /// By us: code and reason.
    By(u16, &'static str),
}

const TOKEN_LOST: Closed = Closed::By(close_code::POLICY, "the access token is not good any more");

impl Subscriber {
    async fn run(mut self) {
        let Err(closed) = self.serve().await else { return };
        if let Closed::By(code, reason) = closed {
            tracing::debug!(extension = %self.session.extension, reason, "subscription closed");
            let frame = CloseFrame { code, reason: Utf8Bytes::from_static(reason) };
            let _ = self.send_message(Message::Close(Some(frame))).await;
        }
    }

    /// Until it is closed.
    async fn serve(&mut self) -> Result<(), Closed> {
        let mut ended = self.session.ended();
        let mut make_room = self.session.socket_opened();
        let mut stopping = self.api.stopping.subscribe();
        let idle = Duration::from_secs(self.api.pseries.subscription_idle_s);
        let mut silent_until = Instant::now() + idle;
        loop {
            tokio::select! {
                last = end_of(&mut ended) => return self.finish(last).await,
                () = becomes_true(&mut stopping) => return Err(Closed::By(close_code::AWAY, "the PBX stops")),
                () = becomes_true(&mut make_room) => {
                    return Err(Closed::By(close_code::POLICY, "too many sockets of this token"));
                }
                notice = self.notices.recv() => match notice {
                    Ok(notice) => self.tell(&notice).await?,
                    Err(RecvError::Lagged(missed)) => {
                        tracing::warn!(extension = %self.session.extension, missed, "a subscriber is too slow");
                        self.send(&json!({ "errcode": -3, "errmsg": "SUBSCRIBE AGAIN" })).await?;
                    }
                    Err(RecvError::Closed) => return Err(Closed::By(close_code::AWAY, "the PBX stops")),
                },
                message = self.socket.recv() => {
                    silent_until = Instant::now() + idle;
                    // A token that is used does not run out.
                    self.session.touch(Instant::now());
                    self.receive(message).await?;
                }
                () = tokio::time::sleep_until(silent_until) => return Err(Closed::By(close_code::POLICY, "silent for too long")),
                () = tokio::time::sleep_until(self.session.ends_at()) => return Err(TOKEN_LOST),
            }
        }
    }

    /// The session is over: what was told before comes first.
    async fn finish(&mut self, last: Option<Notification>) -> Result<(), Closed> {
        loop {
            match self.notices.try_recv() {
                Ok(notice) => self.tell(&notice).await?,
                Err(TryRecvError::Lagged(_)) => {}
                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
            }
        }
        if let Some(last) = last {
            self.notify(&last).await?;
        }
        Err(TOKEN_LOST)
    }

    async fn receive(&mut self, message: Option<Result<Message, axum::Error>>) -> Result<(), Closed> {
        let text = match message {
            Some(Ok(Message::Text(text))) => text,
            Some(Ok(Message::Binary(_))) => return self.refuse("send text").await,
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => return Ok(()),
            Some(Ok(Message::Close(_)) | Err(_)) | None => return Err(Closed::Gone),
        };
        if text.as_str() == HEARTBEAT {
            return self.send_message(Message::Text(Utf8Bytes::from_static(HEARTBEAT_RESPONSE))).await;
        }
        let Ok(Subscription { topic_list }) = serde_json::from_str(&text) else {
            return self.refuse("send {\"topic_list\":[…]} or heartbeat").await;
        };
        let topics: Option<BTreeSet<u32>> = topic_list.iter().map(|&topic| u32::try_from(topic).ok()).collect();
        match topics {
            Some(topics) if topic_list.len() <= TOPICS => {
                self.topics = topics;
                self.send(&json!({ "errcode": 0, "errmsg": "SUCCESS" })).await
            }
            _ => self.refuse("a topic_list has up to 256 numbers").await,
        }
    }

    async fn refuse(&mut self, detail: &str) -> Result<(), Closed> {
        self.send(&json!({ "errcode": -2, "errmsg": "IGNORED", "detail": detail })).await
    }

    async fn tell(&mut self, notice: &Notice) -> Result<(), Closed> {
        let is_for_us = match &notice.to {
            Audience::Extension(number) => *number == self.session.extension,
            Audience::All => true,
        };
        match self.written(&notice.fact).filter(|_| is_for_us) {
            Some(notification) => self.notify(&notification).await,
            None => Ok(()),
        }
    }

    async fn notify(&mut self, notification: &Notification) -> Result<(), Closed> {
        if !self.topics.contains(&notification.topic) {
            return Ok(());
        }
        self.send_message(Message::Text(notification.text().into())).await
    }

    async fn send(&mut self, value: &Value) -> Result<(), Closed> {
        self.send_message(Message::Text(value.to_string().into())).await
    }

    async fn send_message(&mut self, message: Message) -> Result<(), Closed> {
        match tokio::time::timeout(SEND_TIME, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Closed::Gone),
            Err(_) => {
                tracing::warn!(extension = %self.session.extension, "a subscriber does not read: its socket is closed");
                Err(Closed::Gone)
            }
        }
    }

    /// In the words of the API.
    fn written(&self, fact: &Fact) -> Option<Notification> {
        let own = || self.api.directory.extension(&self.session.extension);
        Some(match fact {
            Fact::CallStatus(status) => Notification::call_status(status),
            Fact::CdrChanged(change) => {
                let message = json!({ "ext_num": change.row.extension, "personal_cdr": short(&change.row) });
                Notification::new(topic::CDR, message)
            }
            Fact::ExtensionDeleted => Notification::new(topic::DELETED, json!({ "ext_num": self.session.extension })),
            Fact::RecordFeatureCode(code) => {
                Notification::new(topic::RECORD_CODE, json!({ "record_feature_code": code }))
            }
            Fact::DesktopClient(on) => {
                Notification::new(topic::DESKTOP_CLIENT, json!({ "enb_desktop_client": flag(*on) }))
            }
            Fact::WebClient(on) => Notification::new(topic::WEB_CLIENT, json!({ "enb_web_client": flag(*on) })),
            Fact::InternalClient(on) => {
                Notification::new(topic::INTERNAL_CLIENT, json!({ "enb_internal_client": flag(*on) }))
            }
            Fact::RecordPermissions(permissions) => {
                let message = json!({ "enb_ctl_record": record_number(*permissions) });
                Notification::new(topic::RECORD_PERMISSIONS, message)
            }
            Fact::Services { fqdn, video } => Notification::new(topic::LICENCES, services(*fqdn, *video)),
            Fact::Network { enable_nat_fqdn, fqdn_domain, turn_port } => Notification::new(
                topic::NAT,
                json!({
                    "enable_nat_fqdn": flag(*enable_nat_fqdn),
                    "fqdn_domain": fqdn_domain,
                    "turn_port": turn_port,
                }),
            ),
            // A session that was ended before may be somebody's who knows the old password only.
            Fact::Registration if self.session.is_over() => return None,
            // Asked for here, so that it never waits in a queue that others read.
            Fact::Registration => {
                Notification::new(topic::REGISTER_INFO, registration(&own()?, self.api.directory.realm())?)
            }
            Fact::HotStandby => Notification::new(topic::HOT_STANDBY, json!({})),
            Fact::CallWaiting(on) => Notification::new(topic::CALL_WAITING, json!({ "enb_call_waiting": flag(*on) })),
            Fact::Sdk(on) => Notification::new(topic::SDK_PLAN, json!({ "enable": flag(*on) })),
        })
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{SinkExt as _, StreamExt as _};
    use tokio_tungstenite::tungstenite;
    use tokio_tungstenite::tungstenite::Message;

    use super::super::session::ClientKind;
    use super::*;
    use crate::pbx::Pbx;

    fn read(message: Option<Result<Message, tungstenite::Error>>) -> Value {
        let message = message.expect("open").expect("a message");
        serde_json::from_str(message.to_text().expect("a text")).expect("JSON")
    }

    /// In one thread: the socket's task has no turn while more is told than waits for it.
    #[tokio::test]
    async fn who_was_too_slow_is_told_to_subscribe_again() {
        let pbx = Pbx::builder().wss_port(None).start().await.expect("started");
        let token = pbx.api().sessions.open(Instant::now(), "1000", ClientKind::Web).expect("random");
        let authority = pbx.ws_address().expect("ws is on");
        let url = format!("ws://{authority}/api/v1.0/subscribe?access_token={}", token.expose());
        let (mut socket, _) = tokio_tungstenite::connect_async(url).await.expect("a socket");
        let subscription = json!({ "topic_list": [topic::HOT_STANDBY] }).to_string();
        socket.send(Message::text(subscription)).await.expect("open");
        assert_eq!(read(socket.next().await)["errcode"], 0);
        for _ in 0..3_000 {
            pbx.api().directory.notices().tell(Notice { to: Audience::All, fact: Fact::HotStandby });
        }
        assert_eq!(read(socket.next().await)["errcode"], -3);
        // What still waited comes after it.
        assert_eq!(read(socket.next().await)["type"], topic::HOT_STANDBY);
    }
}
