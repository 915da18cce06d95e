//! Ending a call (RFC 3261 §15).

use super::{CallState, CallTimer, Outbound, request_in};
use crate::Millis;
use crate::agent::{Agent, Owner, TimerKey, TxId};
use crate::compose;
use crate::error::CommandError;
use crate::event::{CallKey, ConnectionId, Event, Farewell, Originator, Termination, TerminationKind};
use crate::message::{Method, Request};

impl Termination {
    pub(crate) fn new(established: bool, originator: Originator, kind: TerminationKind) -> Self {
        Self { established, originator, kind, status: None, reason: None, response: None }
    }

    pub(crate) fn by_system(established: bool, kind: TerminationKind) -> Self {
        Self::new(established, Originator::System, kind)
    }
}

impl Agent {
    /// Ends a call in whatever state it is: CANCEL before the answer, BYE after it, 486 (or `reason`'s status) when
    /// inbound and not answered. `reason` (a SIP status and a text) goes out as a Reason header (RFC 3326) in CANCEL and
    /// BYE. [`Event::Terminated`](crate::Event::Terminated) follows at once for BYE and 486, and for CANCEL when the
    /// INVITE is answered or given up. A second hang-up of a call that is being cancelled is harmless.
    ///
    /// # Errors
    /// [`CommandError::UnknownCall`].
    pub fn hangup(&mut self, now: Millis, call: CallKey, reason: Option<(u16, &str)>) -> Result<(), CommandError> {
        self.begin(now);
        let connection = self.live(call)?.connection;
        let up = self.is_up(connection);
        let found = self.live(call)?;
        let by_us = Termination::new(true, Originator::Local, TerminationKind::Bye);
        match found.state {
            CallState::Calling | CallState::Ringing => self.cancel_invite(call, TerminationKind::Canceled, reason),
            CallState::Canceling => {}
            CallState::Incoming => {
                let status = reason.map_or(486, |(status, _)| status);
                self.refuse_invite(call, if (300..700).contains(&status) { status } else { 486 }, &[]);
            }
            // §15: the callee must not send BYE before the ACK. The user need not wait for that.
            CallState::Answered if found.inbound.is_some() && up => {
                found.told = true;
                self.stop_timers_but_ok(call);
                self.event(Event::Terminated { call, termination: by_us });
            }
            CallState::Answered if found.inbound.is_some() => {
                // The ACK cannot come any more. Their end thinks that it is connected.
                self.send_bye(call, reason);
                self.finish(call, by_us);
            }
            CallState::Answered => {
                self.send_dialog_ack(call, None);
                self.send_bye(call, reason);
                self.finish(call, by_us);
            }
            CallState::Established => {
                self.send_bye(call, reason);
                self.finish(call, by_us);
            }
        }
        self.fire_due();
        Ok(())
    }

    pub(crate) fn bye_received(&mut self, key: CallKey, tx: TxId, bye: &Request) {
        self.answer(tx, 200, &[], None, None);
        let Some(call) = self.calls.get(&key) else { return };
        let established = call.is_established();
        let (status, reason) = compose::read_reason(&bye.headers);
        let kind = if established { TerminationKind::Bye } else { TerminationKind::Canceled };
        let termination = Termination { status, reason, ..Termination::new(established, Originator::Remote, kind) };
        self.finish(key, termination);
    }

    /// A request in the dialog was answered 481 or 408, or not at all (§12.2.1.2).
    pub(crate) fn dialog_gone(&mut self, key: CallKey, status: u16) {
        let Some(call) = self.calls.get(&key) else { return };
        if call.state != CallState::Established || call.told {
            return;
        }
        self.send_bye(key, Some((status, "dialog lost")));
        let termination =
            Termination { status: Some(status), ..Termination::by_system(true, TerminationKind::DialogError) };
        self.finish(key, termination);
    }

    /// A connection is gone, and with it the ACK for which a call was kept that is over for its user.
    pub(crate) fn forget_told(&mut self, connection: ConnectionId) {
        let told = |call: &super::Call| call.told && call.connection == connection;
        let gone: Vec<CallKey> = self.calls.iter().filter(|(_, call)| told(call)).map(|(key, _)| *key).collect();
        for key in gone {
            self.send_bye(key, None);
            self.remove(key);
        }
    }

    pub(super) fn no_ack(&mut self, key: CallKey) {
        self.send_bye(key, Some((408, "no ACK")));
        self.finish(key, Termination::by_system(true, TerminationKind::NoAck));
    }

    pub(super) fn session_expired(&mut self, key: CallKey) {
        self.send_bye(key, Some((408, "session expired")));
        self.finish(key, Termination::by_system(true, TerminationKind::SessionExpired));
    }

    /// Sends a BYE that was not delivered ([`Event::Undelivered`](crate::Event::Undelivered)), on another connection. What comes
    /// of it, nobody is told, unless that connection is lost, too.
    ///
    /// # Errors
    /// [`CommandError::UnknownConnection`].
    pub fn deliver(&mut self, now: Millis, connection: ConnectionId, bye: Box<Farewell>) -> Result<(), CommandError> {
        self.begin(now);
        let sent = self.send_request(connection, bye.request, Owner::Bye, bye.credentials);
        self.fire_due();
        sent.map(drop).ok_or(CommandError::UnknownConnection)
    }

    /// Sends BYE. Without a connection, it is given to the user to be delivered later.
    pub(super) fn send_bye(&mut self, key: CallKey, reason: Option<(u16, &str)>) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        let cseq = call.dialog.next_cseq();
        let field = reason.and_then(|(status, text)| compose::reason(status, text));
        let fields: Vec<_> = field.into_iter().collect();
        let bye = request_in(&call.dialog, Method::Bye, cseq, false, &self.config.user_agent, &fields, None);
        let (id, credentials) = (call.connection, call.credentials.clone());
        if self.is_up(id) {
            self.send_request(id, bye, Owner::Bye, credentials);
        } else {
            let bye = Box::new(Farewell { request: bye, credentials });
            self.event(Event::Undelivered { bye });
        }
    }

    /// The call is over: its last event, and nothing of it is left.
    pub(crate) fn finish(&mut self, key: CallKey, termination: Termination) {
        let Some(told) = self.calls.get(&key).map(|call| call.told) else { return };
        self.remove(key);
        if !told {
            self.event(Event::Terminated { call: key, termination });
        }
    }

    pub(super) fn remove(&mut self, key: CallKey) {
        let Some(call) = self.calls.remove(&key) else { return };
        for timer in CallTimer::ALL {
            self.timers.clear(TimerKey::Call(key, timer));
        }
        self.dialogs.remove(&(call.dialog.call_id.clone(), call.dialog.local_tag.clone()));
        self.forget_inbound(&call);
        // An INVITE that has only a provisional response would wait for another for ever. Until then, a late 2xx finds its
        // transaction, to be acknowledged and hung up.
        let invites = [call.outbound.as_ref().map(Outbound::tx), call.local_modify.as_ref().map(|modify| modify.tx)];
        for tx in invites.into_iter().flatten().filter(|tx| self.clients.contains_key(tx)) {
            self.timers.set(TimerKey::Abandoned(tx), self.now + 64 * self.config.timers.t1_ms);
        }
        // §15.1.2: their requests still pending in the dialog get 487.
        let invite = call.inbound.as_ref().filter(|_| call.state == CallState::Incoming).map(|inbound| inbound.tx);
        let modify = call.remote_modify.as_ref().filter(|modify| modify.ok.is_none()).map(|modify| modify.tx);
        for tx in [invite, modify].into_iter().flatten() {
            self.answer(tx, 487, &[], None, Some(&call.dialog.local_tag));
        }
    }

    fn stop_timers_but_ok(&mut self, key: CallKey) {
        for timer in CallTimer::ALL {
            if !matches!(timer, CallTimer::RetransmitOk | CallTimer::AckGiveUp) {
                self.timers.clear(TimerKey::Call(key, timer));
            }
        }
    }
}
