//! Taking an established call along: a program that is started anew goes on with it in another agent.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::session_timer::SessionTimerState;
use super::{Call, CallState};
use crate::Millis;
use crate::agent::Agent;
use crate::auth::Credentials;
use crate::dialog::Dialog;
use crate::error::CommandError;
use crate::event::{CallKey, ConnectionId, Originator};
use crate::name_addr::{NameAddr, Uri};

/// The longest text of a snapshot that is read, bytes.
const MAX_BYTES: usize = 16 * 1024;
/// The most Route values of one.
const MAX_ROUTES: usize = 32;
/// No connection has this number: the call waits for [`Agent::rebind`].
const NOWHERE: ConnectionId = ConnectionId(u64::MAX);

/// The dialog of an established call (RFC 3261 §12), with what is needed to go on with it; no secrets. Its text has one value
/// in each line, and is read by the version that wrote it.
#[derive(Debug, Clone)]
pub struct DialogSnapshot {
    originator: Originator,
    allows_update: bool,
    /// Interval in seconds, and whether we refresh.
    session: Option<(u32, bool)>,
    dialog: Dialog,
}

/// A text that is no snapshot of a dialog.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is no snapshot of a dialog")]
pub struct SnapshotError;

impl Agent {
    /// Takes an established call out of the agent, without a word to the far end: to be gone on with by [`resume`](Self::resume)
    /// of another agent. `None`: there is none, or it is not established; nothing has changed then.
    ///
    /// An offer or request under way is given up. There is no event.
    pub fn suspend(&mut self, now: Millis, call: CallKey) -> Option<DialogSnapshot> {
        self.begin(now);
        let found = self.live(call).ok().filter(|call| call.state == CallState::Established)?;
        let snapshot = DialogSnapshot {
            originator: found.originator,
            allows_update: found.allows_update,
            session: found.session.agreed(),
            dialog: found.dialog.clone(),
        };
        self.remove(call);
        self.fire_due();
        Some(snapshot)
    }

    /// Goes on with a suspended call. It has no connection before [`rebind`](Self::rebind); the far end learns of that from the
    /// next request, which should be a re-INVITE.
    ///
    /// # Errors
    /// [`CommandError::WrongState`] when the agent has this dialog already; [`CommandError::OutOfRange`] when there are too
    /// many calls.
    pub fn resume(
        &mut self,
        now: Millis,
        snapshot: DialogSnapshot,
        credentials: Option<Credentials>,
    ) -> Result<CallKey, CommandError> {
        self.begin(now);
        let DialogSnapshot { originator, allows_update, session, dialog } = snapshot;
        let name = (dialog.call_id.clone(), dialog.local_tag.clone());
        if self.dialogs.contains_key(&name) {
            return Err(CommandError::WrongState { command: "resuming it", state: "here already" });
        }
        if self.calls.len() >= self.config.limits.max_calls {
            return Err(CommandError::OutOfRange { what: "the number of calls", allowed: "Limits::max_calls" });
        }
        let key = CallKey(self.new_id());
        self.dialogs.insert(name, key);
        let session = SessionTimerState::resumed(self.new_session(), session);
        let call = Call {
            originator,
            state: CallState::Established,
            told: false,
            connection: NOWHERE,
            dialog,
            credentials: credentials.map(Arc::new),
            allows_update,
            session,
            outbound: None,
            inbound: None,
            local_modify: None,
            remote_modify: None,
            retry: None,
            last_ack: None,
        };
        self.calls.insert(key, call);
        self.start_session_timers(key);
        self.fire_due();
        Ok(key)
    }
}

impl DialogSnapshot {
    /// Call-ID.
    #[must_use]
    pub fn call_id(&self) -> &str {
        &self.dialog.call_id
    }
}

impl fmt::Display for DialogSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { originator, allows_update, session, dialog } = self;
        let (interval_s, we_refresh) = session.unwrap_or_default();
        let flag = |set: bool| if set { '1' } else { '0' };
        let outbound = flag(*originator == Originator::Local);
        writeln!(f, "{outbound}{}{}", flag(*allows_update), flag(we_refresh))?;
        writeln!(f, "{interval_s}\n{}\n{}", dialog.local_cseq, dialog.remote_cseq.unwrap_or_default())?;
        writeln!(f, "{}\n{}", dialog.call_id, dialog.local_tag)?;
        writeln!(f, "{}", dialog.remote_tag.as_deref().unwrap_or_default())?;
        writeln!(f, "{}\n{}", dialog.local, dialog.remote)?;
        write!(f, "{}\n{}", dialog.remote_target, dialog.contact)?;
        dialog.route.iter().try_for_each(|route| write!(f, "\n{route}"))
    }
}

impl FromStr for DialogSnapshot {
    type Err = SnapshotError;

    fn from_str(text: &str) -> Result<Self, SnapshotError> {
        read(text).ok_or(SnapshotError)
    }
}

fn read(text: &str) -> Option<DialogSnapshot> {
    // What is written into messages must be of one line each, and printable.
    let control = |c: char| c.is_control() && c != '\n';
    if text.len() > MAX_BYTES || text.contains(control) {
        return None;
    }
    let mut lines = text.split('\n');
    let &[outbound, allows_update, we_refresh] = lines.next()?.as_bytes() else { return None };
    let interval_s = lines.next()?.parse().ok()?;
    let local_cseq = lines.next()?.parse().ok().filter(|cseq| *cseq < u32::MAX / 2)?;
    let remote_cseq: u32 = lines.next()?.parse().ok()?;
    let mut word = || lines.next().filter(|word| !word.is_empty() && word.bytes().all(|b| b.is_ascii_graphic()));
    let (call_id, local_tag, remote_tag) = (word()?.to_owned(), word()?.to_owned(), word()?.to_owned());
    let local = NameAddr::parse(lines.next()?).ok()?;
    let remote = NameAddr::parse(lines.next()?).ok()?;
    let remote_target = Uri::parse(lines.next()?).ok()?;
    let contact = NameAddr::parse(lines.next()?).ok()?;
    let route: Vec<String> = lines.map(str::to_owned).collect();
    if route.len() > MAX_ROUTES || route.iter().any(|route| NameAddr::parse(route).is_err()) {
        return None;
    }
    Some(DialogSnapshot {
        originator: if outbound == b'1' { Originator::Local } else { Originator::Remote },
        allows_update: allows_update == b'1',
        session: (interval_s > 0).then_some((interval_s, we_refresh == b'1')),
        dialog: Dialog {
            call_id,
            local_tag,
            remote_tag: Some(remote_tag),
            local,
            remote,
            local_cseq,
            remote_cseq: (remote_cseq > 0).then_some(remote_cseq),
            remote_target,
            route,
            contact,
        },
    })
}
