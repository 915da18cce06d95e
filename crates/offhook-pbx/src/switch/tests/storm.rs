//! The PBX in the simulator: real phones do anything through it, under faults, and none of them breaks a promise.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::Ipv4Addr;

use axum::body::Bytes;
use offhook_sim::storm::{Outcome, Plan, attempt_in};
use offhook_sim::{Replies, Server, World};
use offhook_sip::{
    Agent, AgentConfig, ConnectionId, ConnectionKind, Driven, Input, KeepAlive, Millis, Output, SessionTimer,
};

use super::network::SDP;
use crate::config::PbxConfig;
use crate::extension::Extension;
use crate::guesses::Guesses;
use crate::media::{LegId, MediaAction, MediaEvent};
use crate::switch::{Action, Switch, Turn};

#[test]
fn phones_keep_their_promises_through_the_pbx_whatever_they_and_the_network_do() {
    let mut sum = Outcome::default();
    for seed in 1..=150 {
        // No peers without a password: the PBX would not let them in.
        let plan = Plan { peers: 0, ..Plan::of(seed) };
        match attempt_in(seed, plan, &|seed| World::with_server(seed, Box::new(Pbx::new()))) {
            Ok(outcome) => {
                sum.calls += outcome.calls;
                sum.established += outcome.established;
            }
            Err(why) => panic!("{why}"),
        }
    }
    assert!(sum.established > 1_000, "too few calls to prove anything: {sum:?}");
}

/// Agent and switch as the core of a PBX has them, without sockets and with media that agrees to everything after 5 ms.
#[derive(Debug)]
struct Pbx {
    agent: Driven<Agent>,
    switch: Switch,
    agent_timeout: Option<Millis>,
    media: BTreeMap<(Millis, u64), MediaEvent>,
    open: BTreeSet<LegId>,
    number: u64,
}

impl Pbx {
    fn new() -> Self {
        let config = PbxConfig { extensions: Extension::built_in(), ..PbxConfig::default() };
        let mut agent = AgentConfig::new([1; 32]);
        agent.keep_alive = KeepAlive::Off;
        agent.guard_dialogs = true;
        // What media would notice, that a phone is gone, the session timer notices here.
        agent.session_timer = SessionTimer { enabled: true, expires_s: 90, min_se_s: 90 };
        Self {
            agent: Driven::new(Agent::new(agent)),
            switch: Switch::new(&config, [2; 32], None, Guesses::default()),
            agent_timeout: None,
            media: BTreeMap::new(),
            open: BTreeSet::new(),
            number: 0,
        }
    }

    fn input(&mut self, now: Millis, input: Input, replies: &mut Replies) {
        let mut outputs = VecDeque::new();
        self.agent_timeout = None;
        self.agent.turn(|agent| agent.handle_input(now, input), |output| outputs.push_back(output));
        self.settle(now, outputs, replies);
    }

    fn decide(&mut self, now: Millis, replies: &mut Replies, decision: impl FnOnce(&mut Switch, &mut Turn<'_>)) {
        let mut outputs = VecDeque::new();
        let switch = &mut self.switch;
        self.agent.turn(|agent| decision(switch, &mut Turn { now, agent }), |output| outputs.push_back(output));
        self.settle(now, outputs, replies);
    }

    fn settle(&mut self, now: Millis, mut outputs: VecDeque<Output>, replies: &mut Replies) {
        while let Some(output) = outputs.pop_front() {
            match output {
                Output::Transmit { connection, data } => replies.push((connection.0, data)),
                Output::Event(event) => {
                    let switch = &mut self.switch;
                    self.agent.turn(
                        |agent| switch.on_event(&mut Turn { now, agent }, event),
                        |output| outputs.push_back(output),
                    );
                }
                Output::Timeout(at) => self.agent_timeout = Some(at),
                Output::Disconnect { reason, .. } => panic!("a phone of ours is thrown out: {reason:?}"),
            }
        }
        while let Some(action) = self.switch.poll_action() {
            if let Action::Media(action) = action {
                self.play(now, action);
            }
        }
    }

    fn play(&mut self, now: Millis, action: MediaAction) {
        let event = match action {
            MediaAction::Open { leg, .. } => return assert!(self.open.insert(leg), "opened twice"),
            MediaAction::Close { leg } => return assert!(self.open.remove(&leg), "closed, and not open"),
            MediaAction::CreateOffer { leg, purpose, .. } => MediaEvent::Offer { leg, purpose, sdp: SDP.to_owned() },
            MediaAction::AcceptOffer { leg, purpose, .. } => MediaEvent::Answer { leg, purpose, sdp: SDP.to_owned() },
            MediaAction::AcceptAnswer { leg, purpose, .. } => MediaEvent::Applied { leg, purpose },
            _ => return,
        };
        self.number += 1;
        self.media.insert((now + 5, self.number), event);
    }
}

impl Server for Pbx {
    fn connected(&mut self, now: u64, connection: u64, replies: &mut Replies) {
        let (connection, kind) = (ConnectionId(connection), ConnectionKind::Server { secure: true });
        self.switch.on_connected(now, connection, Ipv4Addr::LOCALHOST.into(), None);
        self.input(now, Input::Connected { connection, kind }, replies);
    }

    fn received(&mut self, now: u64, connection: u64, data: &Bytes, replies: &mut Replies) {
        self.input(now, Input::Received { connection: ConnectionId(connection), data: data.clone() }, replies);
    }

    fn disconnected(&mut self, now: u64, connection: u64, replies: &mut Replies) {
        let connection = ConnectionId(connection);
        self.switch.on_disconnected(connection);
        self.input(now, Input::Disconnected { connection }, replies);
    }

    fn restart(&mut self, _now: u64) {
        *self = Self::new();
    }

    fn next_timeout(&self) -> Option<u64> {
        let media = self.media.keys().next().map(|(at, _)| *at);
        [self.agent_timeout, self.switch.next_timeout(), media].into_iter().flatten().min()
    }

    fn on_time(&mut self, now: u64, replies: &mut Replies) {
        while let Some(entry) = self.media.first_entry().filter(|entry| entry.key().0 <= now) {
            let event = entry.remove();
            self.decide(now, replies, |switch, turn| switch.on_media(turn, event));
        }
        self.input(now, Input::Timeout, replies);
        self.decide(now, replies, Switch::on_time);
    }

    fn dialogs(&self) -> Option<usize> {
        let open: BTreeSet<LegId> = self.switch.legs.iter().filter(|(_, leg)| leg.open).map(|(id, _)| *id).collect();
        assert_eq!(self.open, open, "the media that is open is that of the legs");
        Some(self.agent.view().load().calls)
    }
}
