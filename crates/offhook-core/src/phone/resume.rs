//! A program that is started anew (a page that is reloaded) and goes on with its calls.

use offhook_sip::{DialogSnapshot, Millis};

use super::Phone;
use crate::call_id::CallId;
use crate::events::PhoneEvent;
use crate::io::Now;
use crate::session::{Lines, Session, Snapshot};
use crate::status::TerminateType;

/// What a snapshot begins with. Another version reads none of it.
const HEAD: &str = "offhook-calls 3";
/// What stands before each call, and before the dialog of one. Nothing else in a snapshot is such a character.
const CALL: char = '\u{1e}';
const DIALOG: char = '\u{1d}';
/// Calls in one, and its bytes.
const MAX_CALLS: usize = 8;
const MAX_BYTES: usize = 64 * 1024;

/// Calls are resumed so long after they were suspended; later they are ended. ms.
pub const RESUME_MS: Millis = 20_000;

/// A call of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resumed {
    /// Its identity.
    pub call_id: CallId,
    /// It sends video: a camera is needed.
    pub video: bool,
}

impl Phone {
    /// Gives the phone's calls up, to be gone on with by another phone of the same user: the text for [`resume`](Self::resume).
    /// It holds addresses and identities of the calls, and no secret. `None`: no call could be taken along.
    ///
    /// Calls that are not confirmed are ended. Those that are taken along are gone without an event and without a word to
    /// their far ends; their peer connections are closed.
    pub fn suspend(&mut self, now: Now) -> Option<String> {
        let mut text = format!("{HEAD}\n{}", now.wall);
        let mut kept = 0;
        let current = self.current.clone();
        for call_id in self.call_ids(|session| !session.is_finished()) {
            let snapshot = self.with_session(now, &call_id, |session, ctx| {
                let goes_on = session.is_confirmed() && !session.is_ending() && kept < MAX_CALLS;
                let dialog = session.key().filter(|_| goes_on);
                let dialog = dialog.and_then(|key| ctx.sip.run(|agent| agent.suspend(now.mono, key)));
                match dialog {
                    Some(dialog) => Some((session.snapshot(now, current.as_ref() == Some(&call_id)), dialog)),
                    None => {
                        session.hang_up(ctx, TerminateType::Terminate);
                        None
                    }
                }
            });
            let Some((snapshot, dialog)) = snapshot.flatten() else { continue };
            kept += 1;
            text.push(CALL);
            snapshot.write(&mut text);
            text.push(DIALOG);
            text.push_str(&dialog.to_string());
            self.sessions.retain(|session| *session.call_id() != call_id);
            self.leave_current(&call_id, None);
            self.out.media(&call_id, crate::media::MediaCommand::Close);
        }
        self.settle_down(now);
        (kept > 0 && text.len() <= MAX_BYTES).then_some(text)
    }

    /// What a snapshot holds, if it is one and can still be resumed: nothing of it once [`RESUME_MS`] have passed.
    #[must_use]
    pub fn resumable(now: Now, text: &str) -> Vec<Resumed> {
        let calls = read(text).filter(|(at, _)| is_fresh(now, *at)).map(|(_, calls)| calls).unwrap_or_default();
        calls.into_iter().map(|(kept, _)| Resumed { video: kept.sends_video(), call_id: kept.call_id }).collect()
    }

    /// Goes on with the calls of a snapshot, before [`start`](Self::start). Each is told by `newRTCSession`, `startSession`,
    /// `peerconnection` and `reconnecting`; `reconnected` follows when the phone is registered and the far end has agreed to
    /// the new peer connection. Calls that are too old ([`RESUME_MS`]), or all with `end`, are hung up instead: their far ends
    /// hear of it when the phone is registered. A text that is no snapshot does nothing.
    pub fn resume(&mut self, now: Now, text: &str, end: bool) {
        let Some((at, calls)) = read(text) else { return };
        let end = end || !is_fresh(now, at);
        let chosen = calls.iter().any(|(kept, _)| kept.current);
        for (kept, dialog) in calls {
            let credentials = self.config.credentials.clone();
            let key = self.sip.run(|agent| agent.resume(now.mono, dialog, credentials));
            let Ok(key) = key else { continue };
            if end {
                // It has no connection: what is to be sent is kept until there is one.
                let _ = self.sip.run(|agent| agent.hangup(now.mono, key, None));
                continue;
            }
            // It was made before. Without it, a consultation call is a call as any other.
            let parent =
                kept.parent.as_ref().and_then(|parent| self.session(parent)).map(|parent| parent.as_parent(now));
            let current = kept.current;
            let mut session = Session::resumed(now, key, kept);
            if let Some(parent) = parent {
                session.set_parent(parent);
            }
            let call_id = session.call_id().clone();
            self.sessions.push(session);
            self.event(PhoneEvent::NewRtcSession { call_id: call_id.clone() });
            self.event(PhoneEvent::StartSession { call_id: call_id.clone() });
            self.with_session(now, &call_id, |session, ctx| session.begin_again(ctx));
            if current || !chosen {
                self.current = Some(call_id);
            }
        }
        self.settle_down(now);
    }
}

fn is_fresh(now: Now, at: u64) -> bool {
    // A clock that was set back says nothing: it is not old then.
    now.wall.saturating_sub(at) <= RESUME_MS
}

/// When it was written, and the calls. All of it or nothing.
fn read(text: &str) -> Option<(u64, Vec<(Snapshot, DialogSnapshot)>)> {
    if text.len() > MAX_BYTES {
        return None;
    }
    let mut parts = text.split(CALL);
    let at = parts.next()?.strip_prefix(HEAD)?.trim_start().parse().ok()?;
    let mut calls = Vec::new();
    for part in parts {
        let (kept, dialog) = part.split_once(DIALOG)?;
        let mut lines: Lines<'_> = kept.split('\n');
        let kept = Snapshot::read(&mut lines)?;
        let dialog: DialogSnapshot = dialog.parse().ok()?;
        if !kept.is_of(&dialog) || calls.len() == MAX_CALLS {
            return None;
        }
        calls.push((kept, dialog));
    }
    Some((at, calls))
}
