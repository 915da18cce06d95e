//! A small phone: a SIP agent on a WebSocket, and a media connection for each call.

use std::time::Duration;

use futures_util::{Sink, SinkExt as _, Stream, StreamExt as _};
use offhook_media::{Addresses, Direction, Peer, PeerConfig, PeerEvents};
use offhook_pbx::{Load, Pbx};
use offhook_sip::{
    Accept, Agent, AgentConfig, CallKey, ConnectionId, ConnectionKind, Credentials, Driven, Event, HeaderField, Input,
    Invite, Modify, ModifyMethod, ModifyOutcome, NameAddr, Output, Register, Ring, Termination, Uri,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::sound::Ear;

/// For whatever should happen. Generous: the machine may be busy.
pub(crate) const SOON: Duration = Duration::from_secs(10);

/// A WebSocket, on whatever it runs.
trait Socket: Stream<Item = Result<Message, Error>> + Sink<Message, Error = Error> + Send + Unpin {}

impl<S> Socket for S where S: Stream<Item = Result<Message, Error>> + Sink<Message, Error = Error> + Send + Unpin {}

type AnySocket = Box<dyn Socket>;

pub(crate) async fn pbx() -> Pbx {
    Pbx::builder().start().await.expect("the PBX starts")
}

/// Waits until nothing is left of what the clients did.
pub(crate) async fn assert_nothing_left(pbx: &Pbx) {
    let empty = tokio::time::timeout(SOON, pbx.load_when(Load::is_zero)).await;
    assert!(empty.is_ok(), "still held: {:?}", pbx.load());
}

type Act = Box<dyn FnOnce(&mut Agent, u64) + Send>;

pub(crate) struct Phone {
    number: String,
    /// The user part of its Contact.
    device: String,
    acts: mpsc::UnboundedSender<Act>,
    /// Its connections, one after the other; `None` breaks the present one.
    sockets: mpsc::UnboundedSender<Option<AnySocket>>,
    /// The present one.
    link: ConnectionId,
    events: mpsc::UnboundedReceiver<Event>,
    task: JoinHandle<()>,
}

/// One side of a call.
pub(crate) struct Call {
    pub(crate) key: CallKey,
    pub(crate) peer: Peer,
    pub(crate) events: PeerEvents,
    pub(crate) ear: Ear,
}

impl Phone {
    /// Connects and registers with the built-in password.
    pub(crate) async fn new(pbx: &Pbx, number: &str) -> Self {
        Self::new_device(pbx, number, number).await
    }

    /// One of several devices of an extension.
    pub(crate) async fn new_device(pbx: &Pbx, number: &str, device: &str) -> Self {
        let socket = connect(pbx).await;
        let mut phone = Self::on(socket, number);
        phone.device = device.to_owned();
        phone.register().await;
        phone
    }

    /// On a WebSocket that is open already.
    pub(crate) fn on<S>(socket: WebSocketStream<S>, number: &str) -> Self
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (acts, inbox) = mpsc::unbounded_channel();
        let (sockets, connections) = mpsc::unbounded_channel();
        let (sender, events) = mpsc::unbounded_channel();
        let task = tokio::spawn(drive(connections, inbox, sender));
        let (number, device) = (number.to_owned(), number.to_owned());
        let mut phone = Self { number, device, acts, sockets, link: ConnectionId(0), events, task };
        phone.switch_to(Box::new(socket));
        phone
    }

    /// The connection breaks; the phone and its calls live on.
    pub(crate) fn lose_connection(&self) {
        self.sockets.send(None).expect("the phone runs");
    }

    /// Another connection, registered.
    pub(crate) async fn reconnect(&mut self, pbx: &Pbx) {
        let lost = self.next().await;
        assert!(matches!(lost, Event::RegistrationFailed { .. }), "{lost:?}");
        self.switch_to(Box::new(connect(pbx).await));
        self.register().await;
    }

    /// Moves a call to the present connection: re-INVITE with a new Contact.
    pub(crate) async fn take_along(&mut self, call: &Call) {
        let (key, link, contact) = (call.key, self.link, self.contact());
        self.act(move |agent, now| agent.rebind(now, key, link, contact)).await.expect("moved");
        self.change(call, Direction::SendRecv).await;
    }

    fn switch_to(&mut self, socket: AnySocket) {
        self.link.0 += 1;
        assert!(self.sockets.send(Some(socket)).is_ok(), "the phone runs");
    }

    pub(crate) async fn register(&mut self) {
        let register = Register {
            registrar: Uri::parse("sip:localhost").expect("a URI"),
            aor: address(&self.number),
            contact: self.contact(),
            expires_s: 600,
            credentials: Some(self.credentials()),
            headers: Vec::new(),
        };
        let link = self.link;
        self.act(move |agent, now| agent.register(now, link, register)).await.expect("taken");
        let registered = self.next().await;
        assert!(matches!(registered, Event::Registered { .. }), "{registered:?}");
    }

    /// Does something with the agent.
    pub(crate) async fn act<R: Send + 'static>(&self, act: impl FnOnce(&mut Agent, u64) -> R + Send + 'static) -> R {
        let (sender, result) = oneshot::channel();
        let act: Act = Box::new(move |agent, now| {
            let _ = sender.send(act(agent, now));
        });
        self.acts.send(act).expect("the phone runs");
        result.await.expect("the phone runs")
    }

    /// The next event.
    pub(crate) async fn next(&mut self) -> Event {
        self.next_within(SOON).await
    }

    /// The next event, for which more time is needed.
    pub(crate) async fn next_within(&mut self, time: Duration) -> Event {
        let event = tokio::time::timeout(time, self.events.recv()).await;
        event.unwrap_or_else(|_| panic!("nothing happened at {}", self.number)).expect("the phone runs")
    }

    /// Dials: gives the call, not answered yet.
    pub(crate) async fn dial(&mut self, number: &str) -> Call {
        self.dial_with(number, PeerConfig::new(&self.number)).await
    }

    pub(crate) async fn dial_with(&mut self, number: &str, config: PeerConfig) -> Call {
        self.invite(number, config, Vec::new()).await
    }

    /// Takes over a call of another device of the extension.
    pub(crate) async fn take(&mut self, number: &str, from: &Phone, call: &Call) -> Call {
        let key = call.key;
        let replaces = from.act(move |agent, _| {
            let view = agent.call(key).expect("a call");
            let remote = view.remote_tag.expect("a dialog");
            format!("{};to-tag={remote};from-tag={}", view.call_id, view.local_tag)
        });
        let replaces = HeaderField::new("Replaces", &replaces.await).expect("a header");
        self.invite(number, PeerConfig::new(&self.number), vec![replaces]).await
    }

    async fn invite(&mut self, number: &str, config: PeerConfig, headers: Vec<HeaderField>) -> Call {
        let (peer, events, ear) = media(config);
        let offer = peer.create_offer(Direction::SendRecv).await.expect("an offer");
        let invite = Invite {
            target: Uri::sip(number, "localhost").expect("a number"),
            from: address(&self.number),
            to: address(number),
            contact: self.contact(),
            call_id: None,
            route: Vec::new(),
            headers,
            offer: Some(offer),
            credentials: Some(self.credentials()),
            no_answer_ms: None,
        };
        let link = self.link;
        let key = self.act(move |agent, now| agent.invite(now, link, invite)).await.expect("dialled");
        Call { key, peer, events, ear }
    }

    /// Waits until a call that was dialled is answered.
    pub(crate) async fn answered(&mut self, call: &Call) {
        loop {
            match self.next().await {
                Event::Provisional { answer: Some(sdp), .. } | Event::Accepted { sdp: Some(sdp), .. } => {
                    call.peer.accept_answer(sdp).await.expect("an answer");
                }
                Event::Confirmed { .. } => return,
                Event::Terminated { termination, .. } => panic!("not answered: {termination:?}"),
                _ => {}
            }
        }
    }

    /// Dials a number that answers.
    pub(crate) async fn call(&mut self, number: &str) -> Call {
        let call = self.dial(number).await;
        self.answered(&call).await;
        call
    }

    /// Waits for a call that comes in; gives it with its offer.
    pub(crate) async fn incoming(&mut self) -> (CallKey, String) {
        match self.next().await {
            Event::Incoming { call, offer: Some(offer), .. } => (call, offer),
            other => panic!("no call, but {other:?}"),
        }
    }

    /// Answers the call that comes in.
    pub(crate) async fn pick_up(&mut self) -> Call {
        self.pick_up_with(PeerConfig::new(&self.number)).await
    }

    pub(crate) async fn pick_up_with(&mut self, config: PeerConfig) -> Call {
        let (key, offer) = self.incoming().await;
        self.act(move |agent, now| agent.ring(now, key, Ring::default())).await.expect("rings");
        let (peer, events, ear) = media(config);
        let sdp = peer.accept_offer(offer, Direction::SendRecv).await.expect("an answer");
        let accept = Accept { sdp, contact: self.contact(), headers: Vec::new(), credentials: None };
        self.act(move |agent, now| agent.accept(now, key, accept)).await.expect("answers");
        let confirmed = self.next().await;
        assert!(matches!(confirmed, Event::Confirmed { .. }), "{confirmed:?}");
        Call { key, peer, events, ear }
    }

    /// As a page does that is reloaded: its side of the media is closed, and when it has loaded, another one offered.
    pub(crate) async fn begin_anew(&mut self, call: &mut Call, direction: Direction) {
        let (peer, events, ear) = media(PeerConfig::new(&self.number));
        std::mem::replace(&mut call.peer, peer).close();
        (call.events, call.ear) = (events, ear);
        tokio::time::sleep(Duration::from_millis(300)).await;
        self.change(call, direction).await;
    }

    /// Changes the direction of a call: sendonly holds it, sendrecv resumes it.
    pub(crate) async fn change(&mut self, call: &Call, direction: Direction) {
        let offer = call.peer.create_offer(direction).await.expect("an offer");
        let (key, modify) =
            (call.key, Modify { method: ModifyMethod::Invite, offer: Some(offer), headers: Vec::new() });
        self.act(move |agent, now| agent.modify(now, key, modify)).await.expect("sent");
        loop {
            match self.next().await {
                Event::Modified { outcome: ModifyOutcome::Accepted { sdp: Some(sdp) }, .. } => {
                    return call.peer.accept_answer(sdp).await.expect("an answer");
                }
                Event::Modified { outcome, .. } => panic!("not agreed: {outcome:?}"),
                _ => {}
            }
        }
    }

    pub(crate) async fn hang_up(&mut self, call: &Call) {
        let key = call.key;
        self.act(move |agent, now| agent.hangup(now, key, None)).await.expect("ends");
        self.ended().await;
    }

    /// How the call ended; what happened before is skipped.
    pub(crate) async fn ended(&mut self) -> Termination {
        loop {
            if let Event::Terminated { termination, .. } = self.next().await {
                return termination;
            }
        }
    }

    fn contact(&self) -> NameAddr {
        NameAddr::new(Uri::parse(&format!("sip:{}@phone.invalid;transport=ws", self.device)).expect("a URI"))
    }

    fn credentials(&self) -> Credentials {
        Credentials::password(self.number.clone(), format!("secret-{}", self.number))
    }
}

impl Drop for Phone {
    /// The connection breaks, as if the power was cut.
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn connect(pbx: &Pbx) -> WebSocketStream<MaybeTlsStream<TcpStream>> {
    let request = handshake(&pbx.ws_url().expect("ws is on"));
    let without_nagle = true;
    let (socket, _) =
        tokio_tungstenite::connect_async_with_config(request, None, without_nagle).await.expect("the handshake");
    socket
}

/// A WebSocket handshake for SIP.
pub(crate) fn handshake(url: &str) -> tokio_tungstenite::tungstenite::handshake::client::Request {
    let mut request = url.into_client_request().expect("a URL");
    request.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static("sip"));
    request
}

fn address(number: &str) -> NameAddr {
    NameAddr::new(Uri::sip(number, "localhost").expect("a number"))
}

fn media(config: PeerConfig) -> (Peer, PeerEvents, Ear) {
    let (peer, events) = Peer::spawn(config.addresses(Addresses::Loopback)).expect("media");
    let ear = Ear::of(&peer);
    (peer, events, ear)
}

/// Runs the agent on its connections.
async fn drive(
    mut connections: mpsc::UnboundedReceiver<Option<AnySocket>>,
    mut acts: mpsc::UnboundedReceiver<Act>,
    events: mpsc::UnboundedSender<Event>,
) {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).expect("random");
    let mut agent = Driven::new(Agent::new(AgentConfig::new(seed)));
    let started = Instant::now();
    let now = || u64::try_from(started.elapsed().as_millis()).expect("a short test");
    let (mut socket, mut link): (Option<AnySocket>, _) = (None, ConnectionId(0));
    let mut outputs = Vec::new();
    let mut due = None;
    loop {
        for output in outputs.drain(..) {
            match (output, &mut socket) {
                (Output::Transmit { data, .. }, Some(socket)) => {
                    let text = String::from_utf8(data.to_vec()).expect("UTF-8");
                    // That it is broken is seen when it is read.
                    let _ = socket.send(Message::text(text)).await;
                }
                (Output::Transmit { .. }, None) => {}
                (Output::Event(event), _) => {
                    let _ = events.send(event);
                }
                (Output::Timeout(at), _) => due = Some(started + Duration::from_millis(at)),
                (Output::Disconnect { reason, .. }, _) => panic!("dropped: {reason:?}"),
            }
        }
        let timer = async {
            match due {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        let message = async {
            match &mut socket {
                Some(socket) => socket.next().await,
                None => std::future::pending().await,
            }
        };
        let input = tokio::select! {
            // First the connections: what is done next is done on them.
            biased;
            next = connections.recv() => match next {
                Some(Some(next)) => {
                    link.0 += 1;
                    socket = Some(next);
                    Input::Connected { connection: link, kind: ConnectionKind::Client { secure: false } }
                }
                Some(None) => {
                    socket = None;
                    Input::Disconnected { connection: link }
                }
                None => return,
            },
            act = acts.recv() => match act {
                Some(act) => {
                    due = None;
                    agent.turn(|agent| act(agent, now()), |output| outputs.push(output));
                    continue;
                }
                None => return,
            },
            message = message => match message {
                Some(Ok(Message::Text(text))) => Input::Received { connection: link, data: text.into() },
                Some(Ok(_)) => continue,
                _ => {
                    socket = None;
                    Input::Disconnected { connection: link }
                }
            },
            () = timer => Input::Timeout,
        };
        due = None;
        agent.turn(|agent| agent.handle_input(now(), input), |output| outputs.push(output));
    }
}
