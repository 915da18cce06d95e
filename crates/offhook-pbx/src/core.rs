//! The task that owns the SIP agent, the switch and the media: carries what happens from one to the other.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use axum::body::Bytes;
use offhook_sip::{Agent, ConnectionId, ConnectionKind, Driven, Event, Input, Millis, Output};
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::time::Instant;

use crate::config::PbxConfig;
use crate::directory::SwitchChange;
use crate::error::PbxError;
use crate::events::{Load, PbxEvent};
use crate::guesses::Guesses;
use crate::media::{Mailboxes, MediaEvent, MediaHost};
use crate::notice::{Audience, CdrChange, Fact, Notice, Notices};
use crate::outbox::{Outbox, Outgoing, TooMuch};
use crate::random::random;
use crate::records::{Records, Written};
use crate::server::ConnectionHandle;
use crate::status::Status;
use crate::store::Store;
use crate::switch::{Action, Concluded, MOST_RINGING, Switch, Turn, agent_config};
use crate::trace;

/// How long the BYEs of a shutdown may take, and the files of what was recorded.
const SHUTDOWN_TIME: Duration = Duration::from_millis(1_500);

/// What the core is told.
#[derive(Debug)]
pub(crate) enum ToCore {
    /// A WebSocket is open; `only`: for this extension, and for no other.
    Opened { connection: ConnectionId, peer: IpAddr, secure: bool, only: Option<String>, handle: ConnectionHandle },
    /// A message came.
    Received { connection: ConnectionId, data: Bytes },
    /// A WebSocket is gone.
    Closed { connection: ConnectionId },
    /// There is no place for another WebSocket.
    MakeRoom,
    /// Extensions or settings have changed.
    Directory { change: SwitchChange, done: oneshot::Sender<()> },
    /// Say what is going on.
    Status { reply: oneshot::Sender<Status> },
    /// End all calls and stop.
    Shutdown { done: oneshot::Sender<()> },
}

/// The core.
pub(crate) struct Core {
    agent: Driven<Agent>,
    switch: Switch,
    media: MediaHost,
    connections: HashMap<ConnectionId, ConnectionHandle>,
    /// What waits for the records of calls that are over, …
    outbox: Outbox,
    /// … and those.
    records: Records,
    notices: Notices,
    started: Instant,
    agent_timeout: Option<Millis>,
    load: watch::Sender<Load>,
    events: broadcast::Sender<PbxEvent>,
}

/// What the core waits for.
enum Woken {
    Message(Option<ToCore>),
    Media(Option<MediaEvent>),
    /// A call's record is on the disk, or will not be.
    Written(Written),
    Time,
}

impl Core {
    pub(crate) fn new(
        config: &PbxConfig,
        store: Store,
        notices: Notices,
        events: broadcast::Sender<PbxEvent>,
        load: watch::Sender<Load>,
        guesses: Guesses,
    ) -> Result<Self, PbxError> {
        let mut agent = agent_config(random()?);
        agent.user_agent = concat!("offhook-pbx/", env!("CARGO_PKG_VERSION")).to_owned();
        agent.via_host = Some(config.domain.clone());
        agent.limits.max_message_bytes = config.limits.message_bytes;
        // Each call has a leg for every device that rings.
        let ringing = config.limits.bindings.max(MOST_RINGING);
        agent.limits.max_calls = config.limits.calls.saturating_mul(ringing.saturating_add(2));
        // Before anything runs that waiting for the disk could harm.
        let mailboxes = config.data_dir.as_deref().map(Mailboxes::new);
        let messages = mailboxes.as_ref().map(Mailboxes::list);
        Ok(Self {
            agent: Driven::new(Agent::new(agent)),
            switch: Switch::new(config, random()?, messages, guesses),
            media: MediaHost::new(
                config.bind,
                Duration::from_secs(config.limits.media_timeout_s),
                config.recordings.clone(),
                mailboxes,
            ),
            connections: HashMap::new(),
            outbox: Outbox::default(),
            records: Records::new(store),
            notices,
            started: Instant::now(),
            agent_timeout: None,
            load,
            events,
        })
    }

    /// Runs until it is told to stop, or nobody is left to tell it.
    pub(crate) async fn run(mut self, mut inbox: mpsc::Receiver<ToCore>) {
        loop {
            match self.next(&mut inbox).await {
                Woken::Message(Some(ToCore::Shutdown { done })) => {
                    self.shutdown(&mut inbox).await;
                    // The handle may be gone already.
                    let _ = done.send(());
                    return;
                }
                Woken::Message(None) => return,
                woken => self.handle(woken),
            }
        }
    }

    async fn next(&mut self, inbox: &mut mpsc::Receiver<ToCore>) -> Woken {
        let due = [self.agent_timeout, self.switch.next_timeout()].into_iter().flatten().min();
        let due = due.map(|at| self.started + Duration::from_millis(at));
        tokio::select! {
            message = inbox.recv() => Woken::Message(message),
            event = self.media.next() => Woken::Media(event),
            written = self.records.next() => Woken::Written(written),
            () = sleep_until(due) => Woken::Time,
        }
    }

    fn handle(&mut self, woken: Woken) {
        let now = self.now();
        let mut outputs = VecDeque::new();
        match woken {
            Woken::Message(Some(ToCore::Opened { connection, peer, secure, only, handle })) => {
                self.connections.insert(connection, handle);
                self.switch.on_connected(now, connection, peer, only);
                self.input(now, &mut outputs, Input::Connected { connection, kind: ConnectionKind::Server { secure } });
            }
            Woken::Message(Some(ToCore::Received { connection, data })) => {
                trace::message("received", connection, &data);
                self.input(now, &mut outputs, Input::Received { connection, data });
            }
            Woken::Message(Some(ToCore::Closed { connection })) => {
                self.connections.remove(&connection);
                self.outbox.forget(connection);
                self.switch.on_disconnected(connection);
                self.input(now, &mut outputs, Input::Disconnected { connection });
            }
            Woken::Media(Some(event)) => self.decide(now, &mut outputs, |switch, turn| switch.on_media(turn, event)),
            Woken::Time => {
                self.input(now, &mut outputs, Input::Timeout);
                self.decide(now, &mut outputs, Switch::on_time);
            }
            Woken::Message(Some(ToCore::Directory { change, done })) => {
                self.decide(now, &mut outputs, |switch, turn| switch.on_change(turn, change));
                // Who wanted it may be gone.
                let _ = done.send(());
            }
            Woken::Message(Some(ToCore::MakeRoom)) => self.switch.make_room(now),
            Woken::Message(Some(ToCore::Status { reply })) => {
                // Who asked may be gone.
                let _ = reply.send(self.switch.status(now));
            }
            Woken::Written(written) => self.written(written),
            Woken::Message(_) | Woken::Media(None) => {}
        }
        self.settle(now, outputs);
    }

    /// Does all that follows, until nothing does.
    fn settle(&mut self, now: Millis, mut outputs: VecDeque<Output>) {
        let mut outgoing = Vec::new();
        while let Some(output) = outputs.pop_front() {
            match output {
                Output::Transmit { connection, data } => outgoing.push((connection, Outgoing::Message(data))),
                Output::Disconnect { connection, reason } => {
                    tracing::info!(?connection, ?reason, "connection dropped");
                    outgoing.push((connection, Outgoing::Close));
                }
                Output::Event(event) => self.event(now, &mut outputs, event),
                Output::Timeout(at) => self.agent_timeout = Some(at),
            }
        }
        let (mut told, mut concluded) = (Vec::new(), Vec::new());
        while let Some(action) = self.switch.poll_action() {
            match action {
                Action::Media(action) => self.media.execute(action),
                Action::Tell(event) => told.push(event),
                Action::Notice(notice) => self.notices.tell(notice),
                Action::Cdr(call) => concluded.push(*call),
                Action::Disconnect(connection) => outgoing.push((connection, Outgoing::Close)),
            }
        }
        self.dispatch(now, concluded, outgoing);
        // First the load: who hears of an event finds it true.
        self.tell_load();
        for event in told {
            self.tell(event);
        }
    }

    /// Sends what this turn brought: when calls ended in it, not before their records are on the disk. So whoever is told
    /// that a call is over, finds its record also after a crash.
    fn dispatch(&mut self, now: Millis, concluded: Vec<Concluded>, outgoing: Vec<(ConnectionId, Outgoing)>) {
        let barrier = self.outbox.barrier(concluded.len());
        for call in concluded {
            self.records.write(now, call, barrier);
        }
        for (connection, outgoing) in outgoing {
            match self.outbox.push(connection, Some(barrier), outgoing) {
                Ok(Some(outgoing)) => self.send(connection, outgoing),
                Ok(None) => {}
                Err(TooMuch) => {
                    tracing::warn!(?connection, "too much waits for the disk: the connection is closed");
                    self.outbox.forget(connection);
                    self.send(connection, Outgoing::Close);
                }
            }
        }
    }

    fn send(&mut self, connection: ConnectionId, outgoing: Outgoing) {
        match outgoing {
            Outgoing::Message(data) => {
                trace::message("sent", connection, &data);
                if let Some(handle) = self.connections.get(&connection) {
                    handle.send(data);
                }
            }
            // Closing follows, and is told when it is done.
            Outgoing::Close => {
                self.connections.remove(&connection);
            }
        }
    }

    /// A record is on the disk, or will not be: what waited for it goes out all the same.
    fn written(&mut self, written: Written) {
        let Written { call, barrier, result } = written;
        for (connection, outgoing) in self.outbox.written(barrier) {
            self.send(connection, outgoing);
        }
        match result {
            Ok(rows) => {
                for row in rows {
                    let to = Audience::Extension(row.extension.clone());
                    self.notices.tell(Notice { to, fact: Fact::CdrChanged(CdrChange { row: Box::new(row) }) });
                }
            }
            Err(error) => {
                tracing::error!(call = call.0, %error, "the record of a call is lost");
                self.tell(PbxEvent::CdrFailed { call, reason: error.to_string() });
            }
        }
    }

    fn tell(&self, event: PbxEvent) {
        tracing::info!(?event, "event");
        // Nobody may be listening.
        let _ = self.events.send(event);
    }

    fn event(&mut self, now: Millis, outputs: &mut VecDeque<Output>, event: Event) {
        self.decide(now, outputs, |switch, turn| switch.on_event(turn, event));
    }

    fn input(&mut self, now: Millis, outputs: &mut VecDeque<Output>, input: Input) {
        self.agent_timeout = None;
        self.agent.turn(|agent| agent.handle_input(now, input), |output| outputs.push_back(output));
    }

    fn decide(
        &mut self,
        now: Millis,
        outputs: &mut VecDeque<Output>,
        decision: impl FnOnce(&mut Switch, &mut Turn<'_>),
    ) {
        let switch = &mut self.switch;
        self.agent.turn(|agent| decision(switch, &mut Turn { now, agent }), |output| outputs.push_back(output));
    }

    /// Hangs everything up, and closes the connections when that is said and written, or the time for it is over.
    async fn shutdown(&mut self, inbox: &mut mpsc::Receiver<ToCore>) {
        let mut outputs = VecDeque::new();
        let now = self.now();
        self.decide(now, &mut outputs, |switch, turn| switch.stop(turn));
        self.settle(now, outputs);
        let until = Instant::now() + SHUTDOWN_TIME;
        // Who asked, whose records are not on the disk, and what was recorded.
        while self.agent.view().load().client_transactions > 0 || self.outbox.pending() > 0 || self.media.files() > 0 {
            match tokio::time::timeout_at(until, self.next(inbox)).await {
                Ok(Woken::Message(None)) | Err(_) => break,
                Ok(woken) => self.handle(woken),
            }
        }
        self.connections.clear();
        // Each connection says when its closing handshake is done.
        while self.load.borrow().connections > 0 {
            match tokio::time::timeout_at(until, self.next(inbox)).await {
                Ok(Woken::Message(None)) | Err(_) => break,
                Ok(woken) => self.handle(woken),
            }
        }
    }

    fn tell_load(&mut self) {
        let agent = self.agent.view().load();
        let load = Load {
            connections: agent.connections,
            registrations: self.switch.registrations(),
            calls: self.switch.calls(),
            legs: agent.calls,
            media_peers: self.media.len(),
            transactions: agent.client_transactions + agent.server_transactions,
        };
        self.load.send_if_modified(|known| std::mem::replace(known, load) != load);
    }

    fn now(&self) -> Millis {
        Millis::try_from(self.started.elapsed().as_millis()).unwrap_or(Millis::MAX)
    }
}

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn files_are_completed_before_it_stops_but_not_waited_for_without_end() {
        for (is_open, waited) in [(false, Duration::ZERO), (true, SHUTDOWN_TIME)] {
            let store = Store::open(None).expect("opened");
            let (events, load) = (broadcast::channel(1).0, watch::channel(Load::default()).0);
            let core = Core::new(&PbxConfig::default(), store, Notices::new(), events, load, Guesses::default())
                .expect("made");
            let file = is_open.then(|| core.media.open_file());
            let (sender, inbox) = mpsc::channel(1);
            let (done, stopped) = oneshot::channel();
            sender.send(ToCore::Shutdown { done }).await.expect("taken");
            let begun = Instant::now();
            core.run(inbox).await;
            assert_eq!(stopped.await, Ok(()));
            assert_eq!(begun.elapsed(), waited);
            drop(file);
        }
    }
}
