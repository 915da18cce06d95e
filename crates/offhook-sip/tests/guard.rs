//! Requests in a dialog that come on another connection than the call's.

use offhook_sip::{
    Accept, Agent, AgentConfig, CallKey, CommandError, ConnectionId, ConnectionKind, Driven, Event, Input, NameAddr,
    Output, TransactionId,
};

const OWN: ConnectionId = ConnectionId(1);
const OTHER: ConnectionId = ConnectionId(2);

/// A server with one established call on [`OWN`], and what came of it since.
struct Server {
    agent: Driven<Agent>,
    sent: Vec<(ConnectionId, String)>,
    events: Vec<Event>,
    /// Call-ID and our tag.
    dialog: (String, String),
}

impl Server {
    fn new(guarded: bool) -> Self {
        let mut config = AgentConfig::new([1; 32]);
        config.guard_dialogs = guarded;
        let dialog = ("call".to_owned(), String::new());
        let mut server = Self { agent: Driven::new(Agent::new(config)), sent: Vec::new(), events: Vec::new(), dialog };
        for connection in [OWN, OTHER] {
            server.input(Input::Connected { connection, kind: ConnectionKind::Server { secure: false } });
        }
        server.receive(OWN, "INVITE", 1);
        let [Event::Incoming { call, .. }] = server.events[..] else { panic!("{:?}", server.events) };
        let contact = NameAddr::parse("<sip:server@x.invalid>").expect("an address");
        let accept = Accept { sdp: "v=0\r\n".to_owned(), contact, headers: Vec::new(), credentials: None };
        server.act(|agent| agent.accept(0, call, accept)).expect("accepted");
        let (_, ok) = server.sent.last().expect("a 200").clone();
        let to = ok.lines().find(|line| line.starts_with("To:")).expect("To");
        server.dialog.1 = to.split("tag=").nth(1).expect("a tag").to_owned();
        server.receive(OWN, "ACK", 1);
        server.events.clear();
        server.sent.clear();
        server
    }

    fn input(&mut self, input: Input) {
        self.act(|agent| agent.handle_input(0, input));
    }

    fn act<R>(&mut self, act: impl FnOnce(&mut Agent) -> R) -> R {
        let (sent, events) = (&mut self.sent, &mut self.events);
        self.agent.turn(act, |output| match output {
            Output::Transmit { connection, data } => {
                sent.push((connection, String::from_utf8(data.to_vec()).expect("UTF-8")));
            }
            Output::Event(event) => events.push(event),
            _ => {}
        })
    }

    fn receive(&mut self, connection: ConnectionId, method: &str, cseq: u32) {
        let (call_id, tag) = &self.dialog;
        let to = if tag.is_empty() { String::new() } else { format!(";tag={tag}") };
        let sdp = if method == "INVITE" { "v=0\r\n" } else { "" };
        let text = format!(
            "{method} sip:server@x.invalid SIP/2.0\r\nVia: SIP/2.0/WS c.invalid;branch=z9hG4bK{method}{cseq}-{}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:a@x.invalid>;tag=a\r\nTo: <sip:b@x.invalid>{to}\r\nCall-ID: {call_id}\r\n\
             CSeq: {cseq} {method}\r\nContact: <sip:a@c.invalid>\r\nContent-Type: application/sdp\r\n\
             Content-Length: {}\r\n\r\n{sdp}",
            connection.0,
            sdp.len(),
        );
        self.input(Input::Received { connection, data: text.into() });
    }

    fn statuses(&mut self) -> Vec<(ConnectionId, String)> {
        let status = |text: String| text.split(' ').nth(1).unwrap_or_default().to_owned();
        self.sent.drain(..).map(|(connection, text)| (connection, status(text))).collect()
    }

    fn elsewhere(&mut self) -> (TransactionId, CallKey) {
        match std::mem::take(&mut self.events)[..] {
            [Event::Elsewhere { transaction, connection: OTHER, call, .. }] => (transaction, call),
            ref other => panic!("{other:?}"),
        }
    }
}

#[test]
fn what_is_refused_has_no_effect_at_all() {
    for method in ["BYE", "INFO", "INVITE", "UPDATE", "REFER"] {
        let mut server = Server::new(true);
        // Its number, were it remembered, would make all that follows out of order.
        server.receive(OTHER, method, 2_000_000);
        assert_eq!(server.statuses(), [], "{method}: nothing before somebody has judged it");
        let (transaction, call) = server.elsewhere();
        server.act(|agent| agent.respond(0, transaction, 403, Vec::new(), None)).expect("refused");
        assert_eq!(server.statuses(), [(OTHER, "403".to_owned())]);
        server.act(|agent| assert!(agent.call(call).is_some()));
        server.receive(OWN, "BYE", 2);
        assert_eq!(server.statuses(), [(OWN, "200".to_owned())], "{method}");
        assert!(matches!(server.events[..], [Event::Terminated { .. }]));
    }
}

#[test]
fn what_is_admitted_is_as_any_other_and_only_once() {
    let mut server = Server::new(true);
    server.receive(OTHER, "BYE", 2);
    let (transaction, _) = server.elsewhere();
    server.act(|agent| agent.admit(0, transaction)).expect("admitted");
    assert_eq!(server.statuses(), [(OTHER, "200".to_owned())]);
    assert!(matches!(server.events[..], [Event::Terminated { .. }]));
    let again = server.act(|agent| agent.admit(0, transaction));
    assert_eq!(again, Err(CommandError::UnknownTransaction));
}

#[test]
fn one_that_is_admitted_when_the_call_is_over_is_answered_481() {
    let mut server = Server::new(true);
    server.receive(OTHER, "INFO", 2);
    let (transaction, _) = server.elsewhere();
    server.receive(OWN, "BYE", 2);
    server.statuses();
    assert_eq!(server.act(|agent| agent.admit(0, transaction)), Err(CommandError::UnknownCall));
    assert_eq!(server.statuses(), [(OTHER, "481".to_owned())]);
}

#[test]
fn one_that_nobody_judges_is_answered_in_time() {
    let mut server = Server::new(true);
    server.receive(OTHER, "BYE", 2);
    server.act(|agent| agent.handle_input(30_000, Input::Timeout));
    assert_eq!(server.statuses(), [(OTHER, "500".to_owned())]);
}

#[test]
fn without_a_guard_the_dialog_is_enough() {
    let mut server = Server::new(false);
    server.receive(OTHER, "BYE", 2);
    assert_eq!(server.statuses(), [(OTHER, "200".to_owned())]);
}
