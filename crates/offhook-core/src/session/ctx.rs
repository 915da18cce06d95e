//! What a session needs of its phone to act.

use std::collections::VecDeque;

use offhook_sip::{
    Agent, CallKey, CallView, ConnectionId, Driven, Input as SipInput, Load, Millis, NameAddr, Output as SipOutput,
    Replaces,
};

use crate::call_id::CallId;
use crate::config::PhoneConfig;
use crate::error::PhoneError;
use crate::events::{PhoneEvent, SessionEvent};
use crate::io::{CommandId, Now, Output};
use crate::media::{MediaCommand, MediaRequest};
use crate::pbx::line_of;
use crate::report::Report;

/// Lent to a session for the length of one step.
pub(crate) struct Ctx<'a> {
    pub(crate) now: Now,
    pub(crate) config: &'a PhoneConfig,
    pub(crate) sip: &'a mut Sip,
    pub(crate) out: &'a mut Outbox,
    pub(crate) requests: &'a mut u64,
}

impl Ctx<'_> {
    pub(crate) fn request(&mut self) -> MediaRequest {
        *self.requests += 1;
        MediaRequest(*self.requests)
    }
}

/// The outputs that wait to be polled.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    pub(crate) queue: VecDeque<Output>,
    /// How the commands went that the phone gave itself.
    pub(crate) own_results: VecDeque<(CommandId, Result<(), PhoneError>)>,
    own_commands: u64,
    /// What the PBX is to have, if there is one.
    for_pbx: Option<ForPbx>,
}

#[derive(Debug, Default)]
struct ForPbx {
    reports: Vec<Report>,
    lines: Vec<String>,
}

impl Outbox {
    pub(crate) fn push(&mut self, output: Output) {
        self.queue.push_back(output);
    }

    /// From now on there is a PBX.
    pub(crate) fn keep_for_pbx(&mut self) {
        self.for_pbx = Some(ForPbx::default());
    }

    /// Reports of calls that were talking, and lines of our log.
    pub(crate) fn take_for_pbx(&mut self) -> (Vec<Report>, Vec<String>) {
        self.for_pbx.as_mut().map(std::mem::take).map(|kept| (kept.reports, kept.lines)).unwrap_or_default()
    }

    pub(crate) fn report_for_pbx(&mut self, report: &Report) {
        if let Some(kept) = &mut self.for_pbx {
            kept.reports.push(report.clone());
        }
    }

    pub(crate) fn event(&mut self, event: PhoneEvent) {
        if let Some(kept) = &mut self.for_pbx {
            kept.lines.extend(line_of(&event));
        }
        self.push(Output::Event(event));
    }

    pub(crate) fn session(&mut self, event: SessionEvent) {
        self.event(PhoneEvent::Session(event));
    }

    pub(crate) fn media(&mut self, call_id: &CallId, command: MediaCommand) {
        self.push(Output::Media { call_id: call_id.clone(), command });
    }

    pub(crate) fn settle(&mut self, command: CommandId, result: Result<(), PhoneError>) {
        // The user's are counted from the other end.
        if command.0 > u64::MAX / 2 {
            self.own_results.push_back((command, result));
        } else {
            self.push(Output::Settled { command, result });
        }
    }

    /// For a command that the phone gives itself: its result comes in [`own_results`](Self::own_results).
    pub(crate) fn own_command(&mut self) -> CommandId {
        self.own_commands += 1;
        CommandId(u64::MAX - self.own_commands)
    }
}

/// The SIP agent with what it gave out and was not looked at yet.
#[derive(Debug)]
pub(crate) struct Sip {
    agent: Driven<Agent>,
    inbox: VecDeque<SipOutput>,
    timeout: Option<Millis>,
    /// The open connection.
    pub(crate) connection: Option<ConnectionId>,
    /// Our Contact in dialogs.
    pub(crate) contact: NameAddr,
}

impl Sip {
    pub(crate) fn new(agent: Agent, contact: NameAddr) -> Self {
        Self { agent: Driven::new(agent), inbox: VecDeque::new(), timeout: None, connection: None, contact }
    }

    /// A call's dialog as its far end would be told to replace it (RFC 3891 §3).
    pub(crate) fn dialog(&self, key: CallKey) -> Option<Replaces> {
        let call = self.agent.view().call(key)?;
        Some(Replaces {
            call_id: call.call_id.to_owned(),
            to_tag: call.remote_tag?.to_owned(),
            from_tag: call.local_tag.to_owned(),
            early_only: false,
        })
    }

    /// What the agent has of a call.
    pub(crate) fn call(&self, key: CallKey) -> Option<CallView<'_>> {
        self.agent.view().call(key)
    }

    /// The call whose dialog somebody wants to replace.
    pub(crate) fn find_dialog(&self, replaces: &Replaces) -> Option<CallKey> {
        self.agent.view().find_dialog(&replaces.call_id, &replaces.to_tag, &replaces.from_tag)
    }

    pub(crate) fn load(&self) -> Load {
        self.agent.view().load()
    }

    /// Does something to the agent and keeps what it gives out.
    pub(crate) fn run<R>(&mut self, act: impl FnOnce(&mut Agent) -> R) -> R {
        let Self { agent, inbox, timeout, .. } = self;
        *timeout = None;
        agent.turn(act, sink(inbox, timeout))
    }

    pub(crate) fn input(&mut self, now: Now, input: SipInput) {
        self.run(|agent| agent.handle_input(now.mono, input));
    }

    pub(crate) fn next_output(&mut self) -> Option<SipOutput> {
        self.inbox.pop_front()
    }

    pub(crate) fn is_worked_off(&self) -> bool {
        self.inbox.is_empty()
    }

    pub(crate) fn timeout(&self) -> Option<Millis> {
        self.timeout
    }
}

/// Keeps what the agent gives out. One type, whatever is done to the agent.
fn sink(inbox: &mut VecDeque<SipOutput>, timeout: &mut Option<Millis>) -> impl FnMut(SipOutput) {
    |output| match output {
        SipOutput::Timeout(at) => *timeout = Some(at),
        other => inbox.push_back(other),
    }
}
