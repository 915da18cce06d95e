//! One call.

mod change;
mod clock;
mod conference;
mod contact;
mod ctx;
mod describe;
mod dtmf;
mod end;
mod media;
mod recording;
mod resume;
mod rtc;
mod setup;
mod transfer;
mod video;

use offhook_sip::{CallKey, HeaderField, Millis, RequestId, Uri};

pub(crate) use contact::LOOK_UP_MS;
pub(crate) use ctx::{Ctx, Outbox, Sip};
pub(crate) use end::Ending;
pub(crate) use resume::{Lines, Snapshot};
pub use rtc::{RtcSession, SignalingState};
pub(crate) use setup::extra_headers;

use crate::call_id::CallId;
use crate::config::CallOptions;
use crate::error::PhoneError;
use crate::events::SessionEvent;
use crate::identity::Identity;
use crate::io::{CommandId, Now};
use crate::media::{EarlyDialog, MediaCommand, MediaRequest, StreamId, Volume};
use crate::negotiation::Negotiation;
use crate::report::{Report, Reporter};
use crate::status::{CallState, CallStatus, CommunicationType, RecordStatus, StatusPatch, TransferParent};
use crate::timer::{Moments, TimerType};

/// One call: its getters. It acts through the commands of its [`Phone`](crate::Phone).
#[derive(Debug)]
pub struct Session {
    call_id: CallId,
    /// Known to the SIP agent: the INVITE was sent or received.
    key: Option<CallKey>,
    status: CallStatus,
    /// Name, avatar and company are the program's.
    manual: bool,
    side: Setup,
    accepted: bool,
    /// ACK sent or received, though perhaps not told yet.
    acknowledged: bool,
    confirmed: bool,
    ending: Option<Ending>,
    finished: bool,
    waiting: Vec<(CommandId, Waiting)>,

    negotiation: Negotiation,
    exchange: change::Exchange,
    media_open: bool,
    /// The peer connection was told to send no microphone.
    silenced: bool,
    remote_stream: Option<StreamId>,
    /// Streams that came while a description was being applied.
    new_streams: Vec<StreamId>,
    early: Option<Early>,
    /// Answers of other early dialogs, not heard.
    other_early: Vec<(EarlyDialog, String)>,
    /// The options of the call that this one goes on from; its own, once its media is open, without what is the phone's.
    follows: Option<Box<CallOptions>>,
    local_sdp: Option<String>,
    remote_sdp: Option<String>,
    ice_lost: bool,
    /// When to look for another path again.
    find_path_at: Option<Millis>,
    signalling_lost: bool,
    /// `reconnecting` was told, and no `reconnected` since.
    told_lost: bool,
    /// The user is asked when the far end wants video.
    ask_for_video: bool,
    volume: Volume,
    /// Packets heard, and since when there are no more of them.
    heard: Option<(u64, Millis)>,

    moments: Moments,
    next_tick: Option<Millis>,
    give_up_ringing: Option<Millis>,
    reporter: Reporter,
    reports: clock::Reports,
    dtmf: dtmf::Dtmf,
    infos: Vec<(RequestId, CommandId)>,
    recording: recording::Recording,
    membership: conference::Membership,
    look_up: contact::LookUp,
    started_wall: u64,

    transfer: Option<transfer::Transfer>,
    /// A transfer has succeeded: the end of this call is no loss.
    transferred: bool,
    /// A transfer has failed that had put the call on hold.
    given_back: bool,
    /// The call whose far end asked for this one by REFER.
    referrer: Option<CallKey>,
    /// The same call, which the user looked at: they go back to it if nothing comes of this one.
    looked_away_from: Option<CallId>,
    /// The call that this one takes the place of when it is confirmed.
    replaces: Option<CallId>,
    /// Hung up then, if it is not over by itself.
    end_at: Option<Millis>,
}

/// How the call began.
#[derive(Debug)]
enum Setup {
    Outbound { target: Uri, headers: Vec<HeaderField>, options: Box<CallOptions> },
    Inbound { offer: Option<String>, headers: Vec<HeaderField> },
}

/// An answer in a provisional response.
#[derive(Debug)]
struct Early {
    dialog: EarlyDialog,
    sdp: String,
    request: MediaRequest,
    applied: bool,
}

/// What a command waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waiting {
    /// The call is confirmed.
    Confirmed,
    /// The call is over.
    End,
    /// We hold (or do not), as agreed.
    Held { held: bool, until: Millis },
    /// An exchange.
    Refresh { until: Millis },
    /// We send video (or do not), as agreed.
    Video { on: bool, until: Millis },
}

impl Session {
    pub(crate) fn outbound(
        now: Now,
        call_id: CallId,
        (target, number): (Uri, String),
        headers: Vec<HeaderField>,
        options: CallOptions,
    ) -> Self {
        let identity = Identity { number, name: None };
        let is_video = options.video;
        let mut session = Self::new(
            now,
            call_id,
            CommunicationType::Outbound,
            &identity,
            Setup::Outbound { target, headers, options: Box::new(options) },
        );
        session.status.is_video = is_video;
        session.moments.dialed = Some(now.mono);
        session
    }

    pub(crate) fn inbound(
        now: Now,
        call_id: CallId,
        key: CallKey,
        identity: &Identity,
        company: Option<String>,
        offer: Option<String>,
        no_answer_ms: Millis,
    ) -> Self {
        let is_video = offer.as_deref().is_some_and(crate::sdp::has_video);
        let setup = Setup::Inbound { offer, headers: Vec::new() };
        let mut session = Self::new(now, call_id, CommunicationType::Inbound, identity, setup);
        session.key = Some(key);
        session.status.company = company.unwrap_or_default();
        session.status.is_video = is_video;
        session.moments.rang = Some(now.mono);
        session.give_up_ringing = Some(now.mono.saturating_add(no_answer_ms));
        session
    }

    fn new(now: Now, call_id: CallId, kind: CommunicationType, identity: &Identity, side: Setup) -> Self {
        let inbound = kind == CommunicationType::Inbound;
        Self {
            status: CallStatus {
                name: identity.shown(),
                avatar: String::new(),
                company: String::new(),
                number: identity.number.clone(),
                call_id: call_id.clone(),
                communication_type: kind,
                is_video: false,
                is_ring: inbound,
                is_hold: false,
                is_mute: false,
                call_status: if inbound { CallState::Connecting } else { CallState::Calling },
                call_start_time: now.wall,
                record_status: RecordStatus::Stop,
                is_transfer: false,
                transfer_parent: None,
                is_conference: false,
                is_remote_hold: false,
            },
            call_id,
            key: None,
            manual: false,
            side,
            accepted: false,
            acknowledged: false,
            confirmed: false,
            ending: None,
            finished: false,
            waiting: Vec::new(),
            negotiation: Negotiation::new(),
            exchange: change::Exchange::default(),
            media_open: false,
            silenced: false,
            remote_stream: None,
            new_streams: Vec::new(),
            early: None,
            other_early: Vec::new(),
            follows: None,
            local_sdp: None,
            remote_sdp: None,
            ice_lost: false,
            find_path_at: None,
            signalling_lost: false,
            told_lost: false,
            ask_for_video: false,
            volume: Volume::FULL,
            heard: None,
            moments: Moments::default(),
            next_tick: Some(now.mono + 1_000),
            give_up_ringing: None,
            reporter: Reporter::default(),
            reports: clock::Reports::default(),
            dtmf: dtmf::Dtmf::default(),
            infos: Vec::new(),
            recording: recording::Recording::default(),
            membership: conference::Membership::default(),
            look_up: contact::LookUp::default(),
            started_wall: now.wall,
            transfer: None,
            transferred: false,
            given_back: false,
            referrer: None,
            looked_away_from: None,
            replaces: None,
            end_at: None,
        }
    }

    // --- getters ---

    /// The call's identity.
    #[must_use]
    pub fn call_id(&self) -> &CallId {
        &self.call_id
    }

    /// What it is doing.
    #[must_use]
    pub fn status(&self) -> &CallStatus {
        &self.status
    }

    /// How long it has been doing it.
    #[must_use]
    pub fn timer(&self, now: Now) -> TimerType {
        self.moments.durations(now.mono)
    }

    /// The latest quality report; `None` before the answer.
    #[must_use]
    pub fn call_report(&self) -> Option<&Report> {
        self.reports.latest.as_deref()
    }

    /// Whether it was answered (200 OK).
    #[must_use]
    pub fn is_accepted(&self) -> bool {
        self.accepted
    }

    /// The remote stream, once there is one and until the end.
    #[must_use]
    pub fn remote_stream(&self) -> Option<StreamId> {
        self.remote_stream
    }

    /// The latest local SDP that was set.
    #[must_use]
    pub fn local_sdp(&self) -> Option<&str> {
        self.local_sdp.as_deref()
    }

    /// The latest remote SDP that was handed to the peer connection.
    #[must_use]
    pub fn remote_sdp(&self) -> Option<&str> {
        self.remote_sdp.as_deref()
    }

    /// The address that was called.
    pub(crate) fn dialed(&self) -> Option<&Uri> {
        match &self.side {
            Setup::Outbound { target, .. } => Some(target),
            Setup::Inbound { .. } => None,
        }
    }

    pub(crate) fn is_confirmed(&self) -> bool {
        self.confirmed
    }

    /// What a consultation call knows of it.
    pub(crate) fn as_parent(&self, now: Now) -> TransferParent {
        let (status, timer) = (&self.status, self.timer(now));
        TransferParent {
            call_id: self.call_id.clone(),
            avatar: status.avatar.clone(),
            name: status.name.clone(),
            number: status.number.clone(),
            call_duration: timer.call_duration,
            hold_duration: timer.hold_duration,
        }
    }

    pub(crate) fn set_parent(&mut self, parent: TransferParent) {
        self.status.is_transfer = true;
        self.status.transfer_parent = Some(parent);
    }

    pub(crate) fn refer_by(&mut self, referrer: CallKey) {
        self.referrer = Some(referrer);
    }

    pub(crate) fn look_away_from(&mut self, referring: Option<CallId>) {
        self.looked_away_from = referring;
    }

    /// The call that the user looked at before this one, of which nothing has come.
    pub(crate) fn takes_back_to(&self) -> Option<&CallId> {
        self.looked_away_from.as_ref().filter(|_| !self.confirmed)
    }

    pub(crate) fn replace(&mut self, replaced: CallId) {
        self.replaces = Some(replaced);
    }

    /// The user has that call and has done nothing for this one, which goes on from it: held or muted as that is, over the
    /// same servers, with the same codecs.
    pub(crate) fn follow(&mut self, other: &Self) {
        self.ask_for_video = other.ask_for_video;
        self.follows.clone_from(&other.follows);
        self.status.is_mute = other.status.is_mute;
        if other.negotiation.wants_held() {
            self.negotiation.begin_held();
        }
    }

    /// The call to end now that this one is confirmed; once.
    pub(crate) fn take_replaced(&mut self) -> Option<CallId> {
        if self.confirmed { self.replaces.take() } else { None }
    }

    /// Whether it may be taken from hold again, as a transfer of it has failed; once.
    pub(crate) fn take_given_back(&mut self) -> bool {
        std::mem::take(&mut self.given_back)
    }

    /// Whether the far end is not to hear the microphone. Holding is sendonly: what it would send, unless a PBX comes
    /// between, is our microphone. A hold counts from when it is wanted: until it is agreed the browser may ask for the
    /// camera first, or the far end be slow.
    pub(crate) fn is_silent(&self) -> bool {
        self.status.is_mute || self.negotiation.held() || self.negotiation.wants_held()
    }

    /// Tells the peer connection whether to send the microphone.
    pub(crate) fn send_muted(&mut self, out: &mut Outbox) {
        if self.media_open {
            self.silenced = self.is_silent();
            out.media(&self.call_id, MediaCommand::SetMuted(self.silenced));
        }
    }

    /// The same, if that has changed.
    fn silence_as_due(&mut self, out: &mut Outbox) {
        if self.silenced != self.is_silent() {
            self.send_muted(out);
        }
    }

    pub(crate) fn key(&self) -> Option<CallKey> {
        self.key
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.finished
    }

    pub(crate) fn is_ending(&self) -> bool {
        self.ending.is_some() || self.finished
    }

    /// Confirmed, and neither ending nor (to be) held.
    pub(crate) fn is_talking(&self) -> bool {
        self.accepted && !self.is_ending() && !self.negotiation.wants_held()
    }

    /// On its way to be connected, by the user's own doing.
    pub(crate) fn is_connecting(&self) -> bool {
        !self.confirmed && !self.status.is_ring
    }

    // --- status ---

    /// Changes the status and tells it, if something changed.
    pub(crate) fn change(&mut self, out: &mut Outbox, act: impl FnOnce(&mut CallStatus)) {
        let old = self.status.clone();
        act(&mut self.status);
        // Who is told of the call is told of it as it is then.
        if self.status == old || self.look_up.is_unannounced() {
            return;
        }
        let new = self.status.clone();
        let (new_static, old_static) = (new.static_status(), old.static_status());
        let call_id = self.call_id.clone();
        out.session(SessionEvent::StatusChange { call_id, new_status: Box::new(new), old_status: Box::new(old) });
        if new_static != old_static {
            let call_id = self.call_id.clone();
            out.session(SessionEvent::StaticStatusChange { call_id, new_status: new_static, old_status: old_static });
        }
    }

    pub(crate) fn patch(&mut self, out: &mut Outbox, patch: StatusPatch) {
        self.change(out, |status| patch.apply(status));
    }

    pub(crate) fn set_manual(&mut self, manual: bool) {
        self.manual = manual;
    }

    /// The far end says who it is.
    fn identify(&mut self, out: &mut Outbox, identity: Option<Identity>) {
        let Some(identity) = identity else { return };
        let manual = self.manual;
        if identity.number != self.status.number {
            self.look_up.renew(!manual);
        }
        let named = self.look_up.named;
        self.change(out, |status| {
            let moved = identity.number != status.number;
            if ((identity.name.is_some() && !named) || moved) && !manual {
                status.name = identity.shown();
            }
            if moved && !manual {
                // It was that of somebody else.
                status.avatar.clear();
            }
            status.number = identity.number;
        });
    }

    /// Settles the commands that wait for something of this kind.
    fn settle_where(&mut self, out: &mut Outbox, of: impl Fn(Waiting) -> bool, result: &Result<(), PhoneError>) {
        self.waiting.retain(|(command, waiting)| {
            let settled = of(*waiting);
            if settled {
                out.settle(*command, result.clone());
            }
            !settled
        });
    }
}
