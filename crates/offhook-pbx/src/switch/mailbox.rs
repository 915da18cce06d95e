//! An extension hears its messages, the newest first: `*` again, `#` the next, `7` deletes.

use offhook_sip::Millis;

use super::call::{Doing, Due};
use super::{Switch, Turn};
use crate::events::CallId;
use crate::media::{LegId, MediaAction, Message, Piece};

/// After a message, for a digit.
const DIGIT_MS: Millis = 15_000;

/// For a message itself: all it can last, and some.
const MESSAGE_MS: Millis = 240_000;

impl Switch {
    /// A leg whose media is up has called its mailbox.
    pub(super) fn begin_mailbox(&mut self, turn: &Turn<'_>, id: CallId, leg: LegId) {
        let newest = self.messages(leg).last().cloned();
        self.read(turn, id, leg, newest);
    }

    pub(super) fn mailbox_digit(&mut self, turn: &Turn<'_>, id: CallId, leg: LegId, digit: char) {
        let Some(&Doing::Reading(at)) = self.calls.get(&id).map(|call| &call.doing) else { return };
        let messages = self.messages(leg);
        let this = messages.iter().find(|message| message.at == at).cloned();
        let next = messages.iter().rfind(|message| message.at < at).cloned();
        match digit {
            '*' => self.read(turn, id, leg, this.or(next)),
            '#' => self.read(turn, id, leg, next),
            '7' => {
                if let Some(Message { file, .. }) = this {
                    let mailbox = self.legs.get(&leg).map(|leg| leg.extension.clone()).unwrap_or_default();
                    let messages = self.mailboxes.as_mut().and_then(|mailboxes| mailboxes.get_mut(&mailbox));
                    if let Some(messages) = messages {
                        messages.retain(|message| message.at != at);
                    }
                    self.media(MediaAction::DeleteMessage { file });
                }
                self.read(turn, id, leg, next);
            }
            _ => {}
        }
    }

    /// The message was heard.
    pub(super) fn message_heard(&mut self, turn: &Turn<'_>, id: CallId) {
        self.set_deadline(id, Some((turn.now + DIGIT_MS, Due::Hangup)));
    }

    /// Plays a message; without one it hangs up.
    fn read(&mut self, turn: &Turn<'_>, id: CallId, leg: LegId, message: Option<Message>) {
        let Some(Message { at, file }) = message else {
            return self.say_goodbye(turn, id, leg, vec![Piece::Failed]);
        };
        self.do_next(id, Doing::Reading(at));
        self.set_deadline(id, Some((turn.now + MESSAGE_MS, Due::Hangup)));
        self.prompt(leg, vec![Piece::Beep, Piece::Message(file)]);
    }

    /// The messages of a leg's own extension: nobody hears another's.
    fn messages(&self, leg: LegId) -> &[Message] {
        let mailbox = self.legs.get(&leg).map(|leg| leg.extension.as_str());
        let messages = mailbox.and_then(|mailbox| self.mailboxes.as_ref()?.get(mailbox));
        messages.map_or(&[], Vec::as_slice)
    }
}
