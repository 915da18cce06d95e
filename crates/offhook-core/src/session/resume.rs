//! A call that goes on after the program was started anew: what is kept of it, and its beginning in the next life.

use std::fmt::Write as _;

use offhook_sip::{CallKey, DialogSnapshot, Millis};

use super::conference::Membership;
use super::{Ctx, Session, Setup};
use crate::call_id::CallId;
use crate::config::CallOptions;
use crate::identity::Identity;
use crate::io::Now;
use crate::media::Direction;
use crate::negotiation::Negotiation;
use crate::status::{CallState, CommunicationType, RecordStatus, StaticPatch, StatusPatch};

/// Lines of a text, from the front.
pub(crate) type Lines<'a> = std::str::Split<'a, char>;

/// What is kept of a call besides its dialog. Moments are ms since 1970.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) call_id: CallId,
    number: String,
    identity: StaticPatch,
    /// `outbound manual held remote-held muted video-sends video-receives conference recorded paused ask named`, each 0 or 1.
    flags: [bool; 12],
    /// The user was looking at it.
    pub(crate) current: bool,
    /// Of a consultation call: the call that it was made for.
    pub(crate) parent: Option<CallId>,
    /// When it was made, and when it began: the answer.
    started: u64,
    began: u64,
    dialed: Option<u64>,
    rang: Option<u64>,
    answered: Option<u64>,
    held: Option<u64>,
}

impl Session {
    /// What is kept of it; it must be confirmed.
    pub(crate) fn snapshot(&self, now: Now, current: bool) -> Snapshot {
        let wall = |moment: Option<Millis>| moment.map(|at| now.wall.saturating_sub(now.mono.saturating_sub(at)));
        let Self { status, negotiation, moments, .. } = self;
        let video = negotiation.video();
        let identity = status.static_status();
        Snapshot {
            call_id: self.call_id.clone(),
            number: status.number.clone(),
            identity: StaticPatch {
                name: Some(identity.name),
                avatar: Some(identity.avatar),
                company: Some(identity.company),
            },
            flags: [
                status.communication_type == CommunicationType::Outbound,
                self.manual,
                negotiation.held(),
                negotiation.remote_held(),
                status.is_mute,
                video.is_some_and(Direction::sends),
                video.is_some_and(Direction::receives),
                // One of ours ends with the peer connections that are mixed.
                self.membership.is_at_server(),
                // A file of ours is complete now.
                status.record_status != RecordStatus::Stop && self.recording_path().is_none(),
                status.record_status == RecordStatus::Pause,
                self.ask_for_video,
                self.look_up.named,
            ],
            current,
            parent: status.transfer_parent.as_ref().map(|parent| parent.call_id.clone()),
            started: self.started_wall,
            began: status.call_start_time,
            dialed: wall(moments.dialed),
            rang: wall(moments.rang),
            answered: wall(moments.answered),
            held: wall(moments.held),
        }
    }

    /// The call in its next life: as it was, with signalling lost and no peer connection yet.
    pub(crate) fn resumed(now: Now, key: CallKey, kept: Snapshot) -> Self {
        let [outbound, manual, held, remote_held, muted, sends, receives, conference, recorded, paused, ask, named] =
            kept.flags;
        let kind = if outbound { CommunicationType::Outbound } else { CommunicationType::Inbound };
        let identity = Identity { number: kept.number, name: None };
        let side = Setup::Inbound { offer: None, headers: Vec::new() };
        let mut session = Self::new(now, kept.call_id, kind, &identity, side);
        let video = (sends || receives).then(|| Direction::new(sends, receives));
        StatusPatch::from(kept.identity).apply(&mut session.status);
        session.key = Some(key);
        session.manual = manual;
        (session.accepted, session.acknowledged, session.confirmed) = (true, true, true);
        session.negotiation = Negotiation::resumed(held, remote_held, video);
        session.signalling_lost = true;
        session.ask_for_video = ask;
        session.look_up.named = named;
        session.started_wall = kept.started;
        let status = &mut session.status;
        status.call_status = CallState::Talking;
        status.is_ring = false;
        status.is_hold = held;
        status.is_remote_hold = remote_held;
        status.is_mute = muted;
        status.is_video = video.is_some();
        status.is_conference = conference;
        if recorded {
            status.record_status = if paused { RecordStatus::Pause } else { RecordStatus::Recording };
        }
        session.membership = Membership::at_server(conference);
        let status = &mut session.status;
        status.call_start_time = kept.began;
        let mono = |moment: Option<u64>| moment.map(|at| now.mono.saturating_sub(now.wall.saturating_sub(at)));
        session.moments.dialed = mono(kept.dialed);
        session.moments.rang = mono(kept.rang);
        session.moments.answered = mono(kept.answered).or(Some(now.mono));
        session.moments.held = mono(kept.held).filter(|_| held);
        session
    }

    /// Opens its media; the exchange follows when signalling is back.
    pub(crate) fn begin_again(&mut self, ctx: &mut Ctx<'_>) {
        self.open_peer(ctx, CallOptions { video: self.status.is_video, ..CallOptions::default() });
        self.tell_lost(ctx);
        self.begin_reports(ctx);
    }
}

impl Snapshot {
    pub(crate) fn write(&self, out: &mut String) {
        let text = |text: &Option<String>| text.as_deref().unwrap_or_default().replace(char::is_control, " ");
        let moment = |moment: Option<u64>| moment.unwrap_or_default();
        let flags: String = self.flags.iter().map(|set| if *set { '1' } else { '0' }).collect();
        let StaticPatch { name, avatar, company } = &self.identity;
        // Writing into a String cannot fail.
        let _ = write!(
            out,
            "{}\n{}\n{}\n{}\n{}\n{}\n{flags}\n{}\n{}\n{}\n{}\n{}\n{}\n{}",
            self.call_id,
            self.parent.as_ref().map(ToString::to_string).unwrap_or_default(),
            self.number.replace(char::is_control, " "),
            text(name),
            text(avatar),
            text(company),
            u8::from(self.current),
            self.started,
            self.began,
            moment(self.dialed),
            moment(self.rang),
            moment(self.answered),
            moment(self.held),
        );
    }

    /// `None`: that is none.
    pub(crate) fn read(lines: &mut Lines<'_>) -> Option<Self> {
        let mut text = || lines.next().map(str::to_owned);
        let (call_id, parent, number) = (CallId::new(text()?), text()?, text()?);
        let parent = Some(parent).filter(|parent| !parent.is_empty()).map(CallId::new);
        let identity = StaticPatch { name: Some(text()?), avatar: Some(text()?), company: Some(text()?) };
        let mut flags = [false; 12];
        let written = lines.next().filter(|written| written.len() == flags.len())?;
        for (flag, byte) in flags.iter_mut().zip(written.bytes()) {
            *flag = byte == b'1';
        }
        let mut moment = || lines.next()?.parse::<u64>().ok();
        let (current, started, began) = (moment()? != 0, moment()?, moment()?);
        let mut some = || moment().map(|at| Some(at).filter(|at| *at > 0));
        let (dialed, rang, answered, held) = (some()?, some()?, some()?, some()?);
        Some(Self { call_id, number, identity, flags, current, parent, started, began, dialed, rang, answered, held })
    }

    /// Whether the dialog is that of this call.
    pub(crate) fn is_of(&self, dialog: &DialogSnapshot) -> bool {
        dialog.call_id() == self.call_id.as_str()
    }

    /// Whether the far end was sent video.
    pub(crate) fn sends_video(&self) -> bool {
        self.flags[5]
    }
}
