//! A client that does nothing but call the echo service and hang up, and remembers what was acknowledged.

use std::time::{Duration, Instant};

use futures_util::{SinkExt as _, StreamExt as _};
use offhook_sip::{
    Agent, AgentConfig, ConnectionId, ConnectionKind, Credentials, Driven, Event, Input, Invite, NameAddr, Output, Uri,
};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;

const LINK: ConnectionId = ConnectionId(1);

/// Calls until the connection breaks; gives the Call-IDs of the calls whose BYE was answered with 200. `told` is called for
/// each.
pub(crate) async fn call_until_cut(url: String, user: String, sdp: String, seed: u64, told: impl Fn()) -> Vec<String> {
    let mut request = url.into_client_request().expect("a URL");
    request.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static("sip"));
    let Ok((mut socket, _)) = tokio_tungstenite::connect_async(request).await else { return Vec::new() };
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_be_bytes());
    let mut agent = Driven::new(Agent::new(AgentConfig::new(bytes)));
    let started = Instant::now();
    let now = || u64::try_from(started.elapsed().as_millis()).expect("a short test");
    let (mut outputs, mut acknowledged) = (Vec::new(), Vec::new());
    let connected = Input::Connected { connection: LINK, kind: ConnectionKind::Client { secure: false } };
    agent.turn(|agent| agent.handle_input(now(), connected), |output| outputs.push(output));
    dial(&mut agent, now(), &user, &sdp, &mut outputs);
    let mut due = None;
    loop {
        // Commands bring more of them.
        while !outputs.is_empty() {
            for output in std::mem::take(&mut outputs) {
                match output {
                    Output::Transmit { data, .. } => {
                        let text = String::from_utf8(data.to_vec()).expect("UTF-8");
                        // That it is broken is seen when it is read.
                        let _ = socket.send(Message::text(text)).await;
                    }
                    Output::Event(Event::Confirmed { call, .. }) => {
                        due = None;
                        agent.turn(|agent| drop(agent.hangup(now(), call, None)), |output| outputs.push(output));
                    }
                    Output::Event(Event::Terminated { .. }) => dial(&mut agent, now(), &user, &sdp, &mut outputs),
                    Output::Timeout(at) => due = Some(started + Duration::from_millis(at)),
                    _ => {}
                }
            }
        }
        let timer = async {
            match due {
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        let input = tokio::select! {
            message = socket.next() => match message {
                Some(Ok(Message::Text(text))) => {
                    if let Some(call_id) = ended(&text) {
                        acknowledged.push(call_id);
                        told();
                    }
                    Input::Received { connection: LINK, data: text.into() }
                }
                Some(Ok(_)) => continue,
                Some(Err(_)) | None => return acknowledged,
            },
            () = timer => Input::Timeout,
        };
        due = None;
        agent.turn(|agent| agent.handle_input(now(), input), |output| outputs.push(output));
    }
}

fn dial(agent: &mut Driven<Agent>, now: u64, user: &str, sdp: &str, outputs: &mut Vec<Output>) {
    let address = |number: &str| NameAddr::new(Uri::sip(number, "localhost").expect("a number"));
    let invite = Invite {
        target: Uri::sip("600", "localhost").expect("a number"),
        from: address(user),
        to: address("600"),
        contact: NameAddr::new(Uri::parse("sip:caller@caller.invalid;transport=ws").expect("a URI")),
        call_id: None,
        route: Vec::new(),
        headers: Vec::new(),
        offer: Some(sdp.to_owned()),
        credentials: Some(Credentials::password(user.to_owned(), format!("secret-{user}"))),
        no_answer_ms: None,
    };
    agent.turn(|agent| drop(agent.invite(now, LINK, invite)), |output| outputs.push(output));
}

/// The Call-ID of a 200 to a BYE.
fn ended(text: &str) -> Option<String> {
    if !text.starts_with("SIP/2.0 200 ") {
        return None;
    }
    let header = |name: &str| {
        let field = text.lines().filter_map(|line| line.split_once(':')).find(|(n, _)| n.eq_ignore_ascii_case(name));
        field.map(|(_, value)| value.trim().to_owned())
    };
    header("CSeq").filter(|cseq| cseq.ends_with("BYE")).and_then(|_| header("Call-ID"))
}
