//! Changes of extensions while they are registered and talk.

use super::call::Side;
use super::{Switch, Turn};
use crate::directory::SwitchChange;
use crate::media::LegId;

/// Told to whoever talks to an extension that is gone: what a call to it would be told.
const GONE: (u16, &str) = (404, "Extension deleted");

impl Switch {
    /// Something is different from now on.
    pub(crate) fn on_change(&mut self, turn: &mut Turn<'_>, change: SwitchChange) {
        match change {
            SwitchChange::RecordFeatureCode(code) => {
                if let Some(record_code) = &mut self.record_code {
                    *record_code = code;
                }
            }
            SwitchChange::Extension { number, extension, is_other_password, is_deleted } => {
                if extension.is_none() {
                    self.end_calls_of(turn, &number);
                }
                if extension.is_none() || is_other_password {
                    // Devices prove themselves again before they are called, or call.
                    let gone = self.registrar.forget(&number);
                    self.tell_unregistered(gone);
                    self.auth.forget(turn.now, &number);
                }
                if is_deleted {
                    self.forget_mailbox(turn, &number);
                }
                self.auth.set(&number, extension);
            }
        }
    }

    /// Ends what an extension takes part in.
    fn end_calls_of(&mut self, turn: &mut Turn<'_>, number: &str) {
        let legs: Vec<LegId> =
            self.legs.iter().filter(|(_, leg)| leg.extension == number).map(|(leg, _)| *leg).collect();
        for leg in legs {
            let Some((id, call)) = self.call_of(leg) else { continue };
            let is_callee = self.legs.get(&leg).is_some_and(|leg| leg.side == Side::Callee);
            if is_callee && call.winner != Some(leg) && call.to != number {
                // It rings among others: they go on.
                self.hangup(turn, leg, Some(GONE));
                continue;
            }
            if call.refer.is_some() {
                self.transfer_failed(turn, id, GONE.0);
                continue;
            }
            // While the extension is still known, which its record needs.
            self.conclude(turn.now, id, GONE.0);
            self.end(turn, id, GONE.0, GONE.1);
        }
    }
}
