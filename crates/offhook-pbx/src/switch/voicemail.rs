//! Voicemail: takes a message for an extension that does not answer, is busy, or is not there.

use offhook_sip::Millis;

use super::call::{Doing, Due, Hosted};
use super::transfer::Transferee;
use super::{Switch, Turn};
use crate::events::CallId;
use crate::media::{AnswerFor, LegId, MediaAction, Message, MessageId, Piece};
use crate::store::Disposition;

/// A message that does not end by itself is ended: three minutes, and what it takes to say so.
const LONGEST_MS: Millis = 182_000;

/// What is said at the end is said in so long, or not at all.
const GOODBYE_MS: Millis = 5_000;

/// The greeting is over in so long, or nobody hears it.
const GREETING_MS: Millis = 30_000;

impl Switch {
    /// Has voicemail answer a call, if there is any for whom it leads to.
    pub(super) fn deposit(&mut self, turn: &mut Turn<'_>, id: CallId) -> bool {
        let Some(call) = self.calls.get(&id).filter(|call| !call.is_settled() && call.consult.is_none()) else {
            return false;
        };
        let mailbox = call.target.clone();
        let caller = call.caller;
        // Who calls their own number does not want to leave themselves a message.
        if call.from == mailbox || !self.takes_messages(&mailbox) {
            return false;
        }
        if let Some(refer) = &call.refer {
            let Some(leg) = refer.waiting_leg() else { return false };
            let Some(refer) = self.calls.get_mut(&id).and_then(|call| call.refer.take()) else { return false };
            self.pair_with_hosted(turn, id, leg, Hosted::Deposit);
            self.leave(turn, &refer);
            return true;
        }
        let Some(caller) = caller else { return false };
        let Some(known) = self.legs.get(&caller).filter(|leg| !leg.established) else { return false };
        let has_answer = known.answer.is_some();
        if let Some(call) = self.calls.get_mut(&id) {
            call.hosted = Some(Hosted::Deposit);
        }
        self.set_deadline(id, None);
        let had_early = self.calls.get_mut(&id).and_then(|call| call.early.take()).is_some();
        if had_early {
            self.media(MediaAction::Unbridge { leg: caller });
        }
        if has_answer {
            // It was made for a device's early media.
            self.service_ready(turn, id, caller);
        } else {
            self.answer_caller(id, AnswerFor::Answer, offhook_media::PeerConfig::default().codecs, None);
        }
        true
    }

    fn takes_messages(&self, mailbox: &str) -> bool {
        let Some(mailboxes) = &self.mailboxes else { return false };
        let has = mailboxes.get(mailbox).map_or(0, Vec::len);
        let taking = self.taking.values().filter(|(_, name)| name == mailbox).count();
        self.auth.extension(mailbox).is_some_and(|extension| extension.has_voicemail())
            && has + taking < self.max_messages
    }

    /// A leg whose media is up has come to voicemail.
    pub(super) fn begin_deposit(&mut self, turn: &Turn<'_>, id: CallId, leg: LegId) {
        if let Some(call) = self.calls.get_mut(&id) {
            call.notes.disposition = Some(Disposition::Voicemail);
        }
        self.do_next(id, Doing::Greeting);
        self.set_deadline(id, Some((turn.now + GREETING_MS, Due::Hangup)));
        self.prompt(leg, vec![Piece::Greeting, Piece::Beep]);
    }

    /// The beep was heard: what is said from now on is the message.
    pub(super) fn take_message(&mut self, turn: &Turn<'_>, id: CallId, leg: LegId) {
        let Some(mailbox) = self.calls.get(&id).map(|call| call.target.clone()) else { return };
        let message = MessageId(self.new_id());
        self.do_next(id, Doing::Taking(message));
        self.set_deadline(id, Some((turn.now + LONGEST_MS, Due::Hangup)));
        self.taking.insert(message, (id, mailbox.clone()));
        self.media(MediaAction::TakeMessage { leg, message, mailbox });
    }

    pub(super) fn deposit_digit(&mut self, turn: &mut Turn<'_>, id: CallId, leg: LegId, digit: char) {
        match self.calls.get(&id).map(|call| &call.doing) {
            // Who knows the greeting need not hear it.
            Some(Doing::Greeting) if digit == '#' => self.prompt(leg, vec![Piece::Beep]),
            Some(Doing::Taking(_)) if digit == '#' => self.message_done(turn, id, leg),
            _ => {}
        }
    }

    /// Nothing was said for long, or all that a message holds.
    pub(super) fn message_over(&mut self, turn: &mut Turn<'_>, message: MessageId) {
        let Some(&(id, _)) = self.taking.get(&message) else { return };
        let is_this = self.calls.get(&id).is_some_and(|call| call.doing == Doing::Taking(message) && !call.over);
        if let Some(caller) = self.calls.get(&id).and_then(|call| call.caller).filter(|_| is_this) {
            self.message_done(turn, id, caller);
        }
    }

    fn message_done(&mut self, turn: &mut Turn<'_>, id: CallId, leg: LegId) {
        self.stop_message(id);
        self.say_goodbye(turn, id, leg, vec![Piece::Beep]);
    }

    /// The message is over, if one is being recorded.
    pub(super) fn stop_message(&mut self, id: CallId) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        if let Doing::Taking(message) = call.doing {
            call.doing = Doing::Nothing;
            self.media(MediaAction::EndMessage { message });
        }
    }

    /// Its file is complete. When nobody said so, the connection that it was recorded from has failed, and there is no more to
    /// come.
    pub(super) fn message_kept(&mut self, turn: &mut Turn<'_>, message: MessageId, mailbox: String, kept: Message) {
        self.message_over(turn, message);
        if self.taking.remove(&message).is_none() {
            // Its owner was deleted meanwhile.
            return self.media(MediaAction::DeleteMessage { file: kept.file });
        }
        if let Some(mailboxes) = &mut self.mailboxes {
            let messages = mailboxes.entry(mailbox).or_default();
            messages.push(kept);
            messages.sort();
        }
    }

    /// Nothing was said, or it could not be written.
    pub(super) fn message_lost(&mut self, turn: &mut Turn<'_>, message: MessageId, mailbox: &str, reason: &str) {
        tracing::info!(mailbox, reason, "no message");
        let Some((id, _)) = self.taking.remove(&message) else { return };
        let is_this = self.calls.get(&id).is_some_and(|call| call.doing == Doing::Taking(message) && !call.over);
        if let Some(caller) = self.calls.get(&id).and_then(|call| call.caller).filter(|_| is_this) {
            // The disk is full: who speaks should know that nobody will hear it.
            self.do_next(id, Doing::Nothing);
            self.say_goodbye(turn, id, caller, vec![Piece::Failed]);
        }
    }

    /// An extension is deleted: whoever has its number next must not hear what was left for it.
    pub(super) fn forget_mailbox(&mut self, turn: &mut Turn<'_>, mailbox: &str) {
        let taking = self.taking.iter().filter(|(_, (_, name))| name == mailbox);
        for (message, id) in taking.map(|(message, (id, _))| (*message, *id)).collect::<Vec<_>>() {
            self.taking.remove(&message);
            self.stop_message(id);
            self.end(turn, id, 404, "Extension deleted");
        }
        let messages = self.mailboxes.as_mut().and_then(|mailboxes| mailboxes.remove(mailbox));
        for Message { file, .. } in messages.into_iter().flatten() {
            self.media(MediaAction::DeleteMessage { file });
        }
    }

    /// Says something, then hangs up.
    pub(super) fn say_goodbye(&mut self, turn: &Turn<'_>, id: CallId, leg: LegId, pieces: Vec<Piece>) {
        self.do_next(id, Doing::Goodbye);
        self.set_deadline(id, Some((turn.now + GOODBYE_MS, Due::Hangup)));
        self.prompt(leg, pieces);
    }
}

impl super::transfer::Refer {
    /// The leg that waits for the target.
    fn waiting_leg(&self) -> Option<LegId> {
        match self.transferee() {
            Transferee::Leg(leg) => Some(leg),
            Transferee::Hosted(_) => None,
        }
    }
}
