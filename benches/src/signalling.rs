//! SIP without a network: messages a second, and whole calls a second between two agents in virtual time.

use std::hint::black_box;

use bytes::Bytes;
use offhook_sip::{
    Accept, Agent, AgentConfig, ConnectionId, ConnectionKind, Driven, Event, Input, Invite, NameAddr, Output, Ring, Uri,
};

use crate::table::{Budget, Table, rate};

const LINK: ConnectionId = ConnectionId(1);

/// An INVITE as a browser sends it: 1.4 kB, 14 headers, an SDP.
const MESSAGE: &str = concat!(
    "INVITE sip:1001@pbx.example.com SIP/2.0\r\n",
    "Via: SIP/2.0/WSS u6bl2k9qv1mc.invalid;branch=z9hG4bK7f2k9d1m4q8w3e5r\r\n",
    "Max-Forwards: 70\r\n",
    "To: <sip:1001@pbx.example.com>\r\n",
    "From: \"Ann Example\" <sip:1000@pbx.example.com>;tag=k3j5h2g9f8d7s6a4\r\n",
    "Call-ID: q9w8e7r6t5y4u3i2o1p0as\r\n",
    "CSeq: 7021 INVITE\r\n",
    "Contact: <sip:1000@u6bl2k9qv1mc.invalid;transport=ws;ob>\r\n",
    "Content-Type: application/sdp\r\n",
    "Session-Expires: 1800\r\n",
    "Min-SE: 90\r\n",
    "Allow: INVITE,ACK,CANCEL,BYE,UPDATE,MESSAGE,OPTIONS,REFER,INFO,NOTIFY\r\n",
    "Supported: timer,ice,replaces,outbound\r\n",
    "User-Agent: bench\r\n",
    "Content-Length: 802\r\n",
    "\r\n",
    "v=0\r\no=- 4962303333179871722 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\na=extmap-allow-mixed\r\n",
    "m=audio 54312 UDP/TLS/RTP/SAVPF 111 0 8 126\r\nc=IN IP4 192.0.2.17\r\na=rtcp:9 IN IP4 0.0.0.0\r\n",
    "a=candidate:1467250027 1 udp 2122260223 192.0.2.17 54312 typ host generation 0\r\n",
    "a=candidate:1853887674 1 udp 1686052607 203.0.113.9 61221 typ srflx raddr 192.0.2.17 rport 54312\r\n",
    "a=ice-ufrag:9uB6\r\na=ice-pwd:YH75Fviy6338Vbrhrlp8Yh5a\r\na=fingerprint:sha-256 ",
    "19:E2:1C:3B:4B:9F:81:E6:B8:5C:F4:A5:A8:D8:73:04:BB:05:2F:70:9F:04:A9:0E:05:E9:26:33:E8:70:88:A2\r\n",
    "a=setup:actpass\r\na=mid:0\r\na=sendrecv\r\na=rtcp-mux\r\na=rtpmap:111 opus/48000/2\r\n",
    "a=fmtp:111 minptime=10;useinbandfec=1\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n",
    "a=rtpmap:126 telephone-event/8000\r\na=ssrc:3735928559 cname:bench\r\n",
);

/// Parse, check and write out one INVITE.
pub(crate) fn messages(table: &mut Table) {
    let head = MESSAGE.find("\r\n\r\n").map_or(0, |at| at + 4);
    let message = MESSAGE.replace("Content-Length: 802", &format!("Content-Length: {}", MESSAGE.len() - head));
    let wire = Bytes::from(message);
    let limits = sipx_sip::Limits::datagram();
    let ours = rate(|| {
        let parsed = sipx_sip::parse_frame(black_box(wire.clone()), &limits);
        if let Ok(message) = parsed {
            assert!(sipx_sip::validate(&message).is_empty());
            black_box(message.to_bytes());
        }
    });
    // The floor: look at every byte once and copy it once.
    let floor = rate(|| {
        let lines = black_box(&wire).iter().filter(|byte| **byte == b'\n').count();
        black_box((lines, Bytes::copy_from_slice(&wire)));
    });
    table.row("SIP messages parsed, checked and written", ours, "messages/s");
    table.floor("count lines and copy", floor).budget(Budget::AtLeast(100_000.0));
}

/// INVITE, 180, 200, ACK, BYE, 200 between two agents, nothing but signalling.
pub(crate) fn calls(table: &mut Table) {
    let mut pair = Pair::new();
    let ours = rate(|| pair.call());
    table.row("calls of two sans-IO agents, set up and ended", ours, "calls/s").budget(Budget::AtLeast(5_000.0));
    let messages = pair.messages as f64 / pair.calls as f64;
    table.row("… messages a call, both sides", messages, "messages");
    let (a, b) = (pair.agents[0].view().load(), pair.agents[1].view().load());
    assert_eq!((a.calls, b.calls), (0, 0), "every call ended");
}

struct Pair {
    now: u64,
    agents: [Driven<Agent>; 2],
    messages: u64,
    calls: u64,
}

impl Pair {
    fn new() -> Self {
        let mut agents = [1, 2].map(|seed| Driven::new(Agent::new(AgentConfig::new([seed; 32]))));
        let kinds = [ConnectionKind::Client { secure: true }, ConnectionKind::Server { secure: true }];
        for (agent, kind) in agents.iter_mut().zip(kinds) {
            agent.turn(|agent| agent.handle_input(0, Input::Connected { connection: LINK, kind }), |_| {});
        }
        Self { now: 0, agents, messages: 0, calls: 0 }
    }

    fn call(&mut self) {
        // One call in 5 ms of virtual time: finished transactions live on for 32 s as they do in the field.
        self.now += 5;
        self.calls += 1;
        let address = |user: &str| Uri::sip(user, "example.com").map(NameAddr::new).expect("valid");
        let invite = Invite {
            target: Uri::sip("1001", "example.com").expect("valid"),
            from: address("1000"),
            to: address("1001"),
            contact: address("1000"),
            call_id: None,
            route: Vec::new(),
            headers: Vec::new(),
            offer: Some("v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n".to_owned()),
            credentials: None,
            no_answer_ms: None,
        };
        let mut wire: Vec<(usize, Bytes)> = Vec::new();
        let mut events = Vec::new();
        let now = self.now;
        self.act(0, &mut wire, &mut events, |agent| drop(agent.invite(now, LINK, invite)));
        loop {
            while let Some((to, data)) = (!wire.is_empty()).then(|| wire.remove(0)) {
                self.messages += 1;
                let input = Input::Received { connection: LINK, data };
                self.act(to, &mut wire, &mut events, |agent| agent.handle_input(now, input));
            }
            let Some((who, event)) = (!events.is_empty()).then(|| events.remove(0)) else { break };
            match event {
                Event::Incoming { call, .. } => {
                    self.act(1, &mut wire, &mut events, |agent| {
                        agent.ring(now, call, Ring::default()).expect("rings");
                        let accept = Accept {
                            sdp: "v=0\r\no=- 2 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n".to_owned(),
                            contact: address("1001"),
                            headers: Vec::new(),
                            credentials: None,
                        };
                        agent.accept(now, call, accept).expect("rings");
                    });
                }
                Event::Confirmed { call, .. } if who == 0 => {
                    self.act(0, &mut wire, &mut events, |agent| agent.hangup(now, call, None).expect("up"));
                }
                _ => {}
            }
        }
    }

    fn act(
        &mut self,
        who: usize,
        wire: &mut Vec<(usize, Bytes)>,
        events: &mut Vec<(usize, Event)>,
        act: impl FnOnce(&mut Agent),
    ) {
        self.agents[who].turn(act, |output| match output {
            Output::Transmit { data, .. } => wire.push((1 - who, data)),
            Output::Event(event) => events.push((who, event)),
            _ => {}
        });
    }
}
