//! Offers and answers, the first and all later ones: carries out what [`Negotiation`](crate::negotiation) decides.

use std::mem::discriminant;

use offhook_sip::message::{Headers, Method};
use offhook_sip::{CommandError, Millis, Modify, ModifyMethod, ModifyOutcome};

use super::describe::{Filtering, Remote};
use super::video::Asking;
use super::{Ctx, Ending, Session, Waiting};
use crate::cause::Cause;
use crate::error::PhoneError;
use crate::events::{SdpType, SessionEvent};
use crate::identity;
use crate::io::{CommandId, SdpFilterId};
use crate::media::{Direction, MediaCommand, MediaError, MediaRequest};
use crate::negotiation::{Made, Phase};
use crate::sdp;

/// The first description may wait for the user to allow the microphone.
const FIRST_DEADLINE_MS: Millis = 60_000;
/// And for the camera: well within the 64 s of a re-INVITE, of which the user may have taken 30 s to agree to video.
const CAMERA_DEADLINE_MS: Millis = 30_000;
/// Others need nobody.
const DEADLINE_MS: Millis = 15_000;
/// A command that wants an exchange: longer than a transaction (32 s) and a few back-offs take.
pub(super) const COMMAND_DEADLINE_MS: Millis = 60_000;
/// When the agent is not ready for an offer and does not say when it will be.
const RETRY_MS: Millis = 500;

/// The exchange under way, besides its phase.
#[derive(Debug, Default)]
pub(super) struct Exchange {
    /// The peer connection must be done by then.
    pub(super) deadline: Option<Millis>,
    /// An offer of ours is tried again then.
    pub(super) retry: Option<Millis>,
    /// Video was to be sent: the camera may be open.
    films: bool,
    /// Direction of the answer being applied, and whether it has video.
    pub(super) answered: Option<(Direction, bool)>,
    /// An offer of the far end that came while an answer was being applied, and whether it may wait for a user.
    queued: Option<(Option<String>, bool)>,
    /// An offer with video that the user is being asked about.
    pub(super) asking: Option<Asking>,
    /// Descriptions at the driver, to be changed.
    pub(super) filtering: Vec<(SdpFilterId, Filtering)>,
}

impl Session {
    // --- commands ---

    /// Holds or resumes. Without `command`, the phone does it by itself.
    pub(crate) fn hold(&mut self, ctx: &mut Ctx<'_>, command: Option<CommandId>, held: bool) {
        let in_flight = self.negotiation.offering_held();
        let agreed = self.negotiation.held() == held && in_flight.is_none_or(|offered| offered == held);
        self.negotiation.want_held(held);
        self.silence_as_due(ctx.out);
        // What was asked before and is not on its way will not be.
        let overtaken = |w| matches!(w, Waiting::Held { held: h, .. } if h != held && in_flight != Some(h));
        self.settle_where(ctx.out, overtaken, &Err(PhoneError::Superseded));
        if let Some(command) = command {
            if agreed {
                ctx.out.settle(command, Ok(()));
            } else {
                let until = ctx.now.mono + COMMAND_DEADLINE_MS;
                self.waiting.push((command, Waiting::Held { held, until }));
            }
        }
        self.offer_if_due(ctx);
    }

    /// Makes an exchange even if nothing changes, with new ICE credentials if wanted.
    pub(crate) fn refresh(&mut self, ctx: &mut Ctx<'_>, command: CommandId, ice_restart: bool) {
        self.negotiation.want_refresh(ice_restart);
        self.waiting.push((command, Waiting::Refresh { until: ctx.now.mono + COMMAND_DEADLINE_MS }));
        self.offer_if_due(ctx);
    }

    // --- towards the peer connection ---

    pub(super) fn make_offer(&mut self, ctx: &mut Ctx<'_>) {
        let request = ctx.request();
        let offer = self.negotiation.begin_offer(request);
        self.expect_camera(ctx, offer.video);
        let (direction, video, ice_restart) = (offer.direction, offer.video, offer.ice_restart);
        ctx.out.media(&self.call_id, MediaCommand::CreateOffer { request, direction, video, ice_restart });
    }

    pub(super) fn make_answer(&mut self, ctx: &mut Ctx<'_>, offer: String) {
        let request = ctx.request();
        let (direction, video) = self.negotiation.begin_answer(request, sdp::direction(&offer), sdp::video(&offer));
        self.expect_camera(ctx, video);
        self.remote_description(ctx, SdpType::Offer, offer, Remote::Offer { request, direction, video });
    }

    /// The far end wants the offer from us.
    pub(super) fn make_reply(&mut self, ctx: &mut Ctx<'_>) {
        let request = ctx.request();
        let offer = self.negotiation.begin_reply(request);
        self.expect_camera(ctx, offer.video);
        let (direction, video) = (offer.direction, offer.video);
        ctx.out.media(&self.call_id, MediaCommand::CreateOffer { request, direction, video, ice_restart: false });
    }

    pub(super) fn apply_answer(&mut self, ctx: &mut Ctx<'_>, answer: String) {
        let request = ctx.request();
        self.negotiation.begin_applying(request);
        self.expect_media(ctx);
        self.remote_description(ctx, SdpType::Answer, answer, Remote::Answer { request });
    }

    /// Of a description that says this of video.
    fn expect_camera(&mut self, ctx: &Ctx<'_>, video: Option<Direction>) {
        let sends = video.is_some_and(Direction::sends);
        self.exchange.films |= sends;
        let begins = sends && !self.negotiation.video().is_some_and(Direction::sends);
        self.expect_media_for(ctx, if begins { CAMERA_DEADLINE_MS } else { DEADLINE_MS });
    }

    pub(super) fn expect_media(&mut self, ctx: &Ctx<'_>) {
        self.expect_media_for(ctx, DEADLINE_MS);
    }

    fn expect_media_for(&mut self, ctx: &Ctx<'_>, wait: Millis) {
        let wait = if self.accepted { wait } else { FIRST_DEADLINE_MS };
        self.exchange.deadline = Some(ctx.now.mono + wait);
    }

    /// Begins an offer of ours if one is wanted and nothing is in its way.
    pub(super) fn offer_if_due(&mut self, ctx: &mut Ctx<'_>) {
        let free = self.confirmed && !self.is_ending() && self.exchange.asking.is_none();
        if free && self.negotiation.is_offer_due() {
            self.make_offer(ctx);
        }
    }

    // --- from the peer connection ---

    /// A local description is made.
    pub(super) fn on_made(&mut self, ctx: &mut Ctx<'_>, request: MediaRequest, sdp: String) {
        let kind = match self.negotiation.phase() {
            Phase::MakingOffer(r) | Phase::MakingReply(r) if r == request => SdpType::Offer,
            Phase::MakingAnswer(r) if r == request => SdpType::Answer,
            _ => return,
        };
        self.local_description(ctx, kind, sdp, request);
    }

    /// Sends a local description.
    pub(super) fn send_description(&mut self, ctx: &mut Ctx<'_>, request: MediaRequest, sdp: String) {
        let Some(made) = self.negotiation.made(request, sdp::video(&sdp).is_some()) else { return };
        self.exchange.deadline = None;
        self.local_sdp = Some(sdp.clone());
        if made == Made::Answer {
            self.tell_new_streams(ctx);
        }
        let Some(key) = self.key else {
            self.send_invite(ctx, sdp);
            return;
        };
        match made {
            _ if !self.accepted => self.send_accept(ctx, sdp),
            Made::Offer => {
                let modify = Modify { method: ModifyMethod::Invite, offer: Some(sdp), headers: Vec::new() };
                let sent = ctx.sip.run(|agent| agent.modify(ctx.now.mono, key, modify));
                self.offer_was_sent(ctx, sent);
            }
            Made::Answer | Made::Reply => {
                // An error means that the offer was withdrawn or the call ended, which is told apart.
                let answered = ctx.sip.run(|agent| agent.answer_offer(ctx.now.mono, key, sdp));
                if let Err(error) = answered {
                    tracing::debug!(%error, call_id = %self.call_id, "the offer is not waiting any more");
                }
                if made == Made::Answer {
                    self.exchange_is_over(ctx);
                }
            }
        }
    }

    fn offer_was_sent(&mut self, ctx: &mut Ctx<'_>, sent: Result<(), CommandError>) {
        match sent {
            Ok(()) | Err(CommandError::UnknownCall) => {}
            Err(CommandError::UnknownConnection) => {
                self.put_off(ctx);
                self.negotiation.interrupted();
            }
            Err(error) => {
                tracing::debug!(%error, call_id = %self.call_id, "the offer has to wait");
                self.put_off(ctx);
                self.negotiation.glare();
                self.exchange.retry = Some(ctx.now.mono + RETRY_MS);
            }
        }
    }

    /// A remote answer is applied.
    pub(super) fn on_applied(&mut self, ctx: &mut Ctx<'_>, request: MediaRequest) {
        if let Some(early) = self.early.as_mut().filter(|early| early.request == request) {
            early.applied = true;
            self.exchange.answered = Some((sdp::direction(&early.sdp), sdp::takes_video(&early.sdp)));
        }
        self.tell_new_streams(ctx);
        if self.negotiation.phase() != Phase::ApplyingAnswer(request) {
            return;
        }
        self.exchange.deadline = None;
        let (answered, video) = self.exchange.answered.take().unwrap_or((Direction::SendRecv, false));
        self.negotiation.applied(answered, video);
        if !self.accepted {
            self.accept(ctx);
        }
        if !self.confirmed {
            self.confirm(ctx);
        }
        self.exchange_is_over(ctx);
    }

    /// The peer connection could not do what was asked.
    pub(super) fn on_exchange_failed(&mut self, ctx: &mut Ctx<'_>, error: &MediaError) {
        self.exchange.deadline = None;
        if !self.confirmed {
            let status = if matches!(error, MediaError::BadDescription(_)) { 488 } else { 480 };
            let ending = Ending::media(error);
            self.end(ctx, ending, Some((status, "Media failed")));
            return;
        }
        let answering = matches!(self.negotiation.phase(), Phase::MakingAnswer(_) | Phase::MakingReply(_));
        ctx.out.media(&self.call_id, MediaCommand::Rollback);
        if let (true, Some(key)) = (answering, self.key) {
            self.negotiation.failed();
            if Cause::from(error) == Cause::UserDeniedMediaAccess {
                // A camera that does not open now does not open for an offer of ours either.
                self.negotiation.give_up_video();
            }
            let status = if matches!(error, MediaError::BadDescription(_)) { 488 } else { 500 };
            // An error means that it is not waiting any more.
            let _ = ctx.sip.run(|agent| agent.refuse_offer(ctx.now.mono, key, status));
            self.exchange_is_over(ctx);
        } else {
            self.offer_refused(ctx, &PhoneError::LocalStream { detail: error.to_string() });
        }
    }

    // --- from the far end ---

    /// The far end wants to change the session.
    pub(crate) fn on_remote_offer(
        &mut self,
        ctx: &mut Ctx<'_>,
        offer: Option<String>,
        method: &Method,
        headers: &Headers,
    ) {
        let Some(key) = self.key else { return };
        if self.is_ending() {
            return;
        }
        self.identify(ctx.out, identity::asserted(headers));
        if matches!(method, Method::Invite) {
            let is_invite_video = offer.as_deref().is_some_and(sdp::has_video);
            ctx.out.session(SessionEvent::Reinvite { call_id: self.call_id.clone(), is_invite_video });
        }
        // An UPDATE is to be answered at once (RFC 3311 §5.2): its sender gives up after 32 s.
        let may_wait = !matches!(method, Method::Update);
        match self.negotiation.phase() {
            Phase::Stable => self.take_remote_offer(ctx, offer, may_wait),
            // Ours has not left yet: theirs goes first.
            Phase::MakingOffer(_) if self.confirmed => {
                self.put_off(ctx);
                self.take_remote_offer(ctx, offer, may_wait);
            }
            Phase::ApplyingAnswer(_) => self.exchange.queued = Some((offer, may_wait)),
            _ => {
                let _ = ctx.sip.run(|agent| agent.refuse_offer(ctx.now.mono, key, 491));
            }
        }
    }

    /// `may_wait`: for a user, who is asked about video or for the camera.
    fn take_remote_offer(&mut self, ctx: &mut Ctx<'_>, offer: Option<String>, may_wait: bool) {
        match offer {
            Some(offer) if may_wait && self.must_ask_about(&offer) => self.ask_about_video(ctx, offer),
            Some(offer) => {
                self.make_answer(ctx, offer);
                if !may_wait {
                    self.expect_media(ctx);
                }
            }
            None => self.make_reply(ctx),
        }
    }

    /// The far end's offer came to nothing.
    pub(crate) fn on_remote_offer_abandoned(&mut self, ctx: &mut Ctx<'_>) {
        self.exchange.queued = None;
        if self.exchange.asking.take().is_some() {
            self.offer_if_due(ctx);
        }
        let answering =
            matches!(self.negotiation.phase(), Phase::MakingAnswer(_) | Phase::MakingReply(_) | Phase::AwaitingAck);
        if answering && self.confirmed {
            self.exchange.deadline = None;
            ctx.out.media(&self.call_id, MediaCommand::Rollback);
            self.negotiation.failed();
            self.exchange_is_over(ctx);
        }
    }

    /// The far end's answer to the offer in our 2xx.
    pub(crate) fn on_remote_answer(&mut self, ctx: &mut Ctx<'_>, answer: String) {
        if !self.is_ending() && self.negotiation.phase() == Phase::AwaitingAck {
            self.apply_answer(ctx, answer);
        }
    }

    /// Our re-INVITE is over.
    pub(crate) fn on_modified(&mut self, ctx: &mut Ctx<'_>, outcome: ModifyOutcome) {
        if self.is_ending() || self.negotiation.phase() != Phase::Offered {
            return;
        }
        let error = match outcome {
            ModifyOutcome::Accepted { sdp: Some(sdp) } => {
                self.apply_answer(ctx, sdp);
                return;
            }
            ModifyOutcome::Glare => {
                self.put_off(ctx);
                self.negotiation.glare();
                return;
            }
            ModifyOutcome::ConnectionLost => {
                self.put_off(ctx);
                self.negotiation.interrupted();
                return;
            }
            ModifyOutcome::Accepted { sdp: None } => {
                PhoneError::Refused { status: 200, reason: "answered without SDP".to_owned() }
            }
            ModifyOutcome::Refused { status, reason } => PhoneError::Refused { status, reason },
            _ => PhoneError::Timeout,
        };
        ctx.out.media(&self.call_id, MediaCommand::Rollback);
        self.offer_refused(ctx, &error);
    }

    /// The waiting time after a 491 is over.
    pub(crate) fn on_modify_retry(&mut self, ctx: &mut Ctx<'_>) {
        self.exchange.retry = None;
        self.negotiation.back_off_over();
        self.offer_if_due(ctx);
    }

    /// The session timer wants a re-INVITE.
    pub(crate) fn on_refresh_needed(&mut self, ctx: &mut Ctx<'_>) {
        self.negotiation.want_refresh(false);
        self.offer_if_due(ctx);
    }

    /// An UPDATE without an offer: at most the far end's identity changed.
    pub(crate) fn on_updated(&mut self, ctx: &mut Ctx<'_>, headers: &Headers) {
        if !self.is_ending() {
            self.identify(ctx.out, identity::asserted(headers));
        }
    }

    // --- signalling lost and back ---

    /// The connection is lost; the call goes on without it.
    pub(crate) fn on_signalling_lost(&mut self, ctx: &mut Ctx<'_>) {
        if self.acknowledged && !self.is_ending() && !self.signalling_lost {
            self.signalling_lost = true;
            self.negotiation.set_offline(true);
            self.tell_lost(ctx);
        }
    }

    /// There is a new connection: moves the dialog there, and tells the far end by an exchange.
    pub(crate) fn on_signalling_back(&mut self, ctx: &mut Ctx<'_>) {
        let (true, Some(key), Some(connection)) = (self.signalling_lost, self.key, ctx.sip.connection) else { return };
        let contact = ctx.sip.contact.clone();
        if ctx.sip.run(|agent| agent.rebind(ctx.now.mono, key, connection, contact)).is_ok() {
            self.negotiation.set_offline(false);
            self.negotiation.want_refresh(true);
            self.offer_if_due(ctx);
        }
    }

    // --- afterwards ---

    /// Nothing is under way any more: tells what changed and goes on with what is wanted.
    fn exchange_is_over(&mut self, ctx: &mut Ctx<'_>) {
        let (held, remote_held) = (self.negotiation.held(), self.negotiation.remote_held());
        let video = self.negotiation.video().is_some();
        if held != self.status.is_hold {
            self.moments.held = held.then_some(ctx.now.mono);
        }
        if self.confirmed {
            self.change(ctx.out, |s| {
                s.is_hold = held;
                s.is_remote_hold = remote_held;
                s.is_video = video;
            });
            self.silence_as_due(ctx.out);
        }
        self.end_video(ctx);
        self.settle_video(ctx);
        let refreshed = !self.negotiation.wants_refresh();
        self.settle_where(ctx.out, |w| matches!(w, Waiting::Held { held: h, .. } if h == held), &Ok(()));
        if refreshed {
            self.settle_where(ctx.out, |w| matches!(w, Waiting::Refresh { .. }), &Ok(()));
            // An exchange that was under way when signalling was lost may be over before it is back.
            if !self.negotiation.is_offline() {
                self.signalling_lost = false;
                self.tell_lost(ctx);
            }
        }
        if let Some((offer, may_wait)) = self.exchange.queued.take() {
            self.take_remote_offer(ctx, offer, may_wait);
        }
        self.carry_on(ctx);
    }

    /// Goes on with what is wanted, if nothing is in its way.
    pub(super) fn carry_on(&mut self, ctx: &mut Ctx<'_>) {
        self.offer_if_due(ctx);
        self.transfer_when_held(ctx);
    }

    /// Our offer does not get through: what is still wanted is offered later.
    fn put_off(&mut self, ctx: &mut Ctx<'_>) {
        ctx.out.media(&self.call_id, MediaCommand::Rollback);
        // What was on its way and is not wanted any more will not be, and what is agreed already needs no exchange.
        let held = self.negotiation.wants_held();
        let sends = self.negotiation.wants_video().is_some_and(Direction::sends);
        let overtaken = |w| match w {
            Waiting::Held { held: h, .. } => h != held,
            Waiting::Video { on, .. } => on != sends,
            _ => false,
        };
        self.settle_where(ctx.out, overtaken, &Err(PhoneError::Superseded));
        if self.negotiation.held() == held {
            self.settle_where(ctx.out, |w| matches!(w, Waiting::Held { .. }), &Ok(()));
        }
        self.end_video(ctx);
        self.settle_video(ctx);
    }

    /// Video that was to be sent is not, and will not be.
    fn end_video(&mut self, ctx: &mut Ctx<'_>) {
        let video = self.negotiation.video().is_some() || self.negotiation.wants_video().is_some_and(Direction::sends);
        if !video && std::mem::take(&mut self.exchange.films) {
            ctx.out.media(&self.call_id, MediaCommand::EndVideo);
        }
    }

    /// Our offer came to nothing: what it asked for cannot be had. What was wished since goes on.
    fn offer_refused(&mut self, ctx: &mut Ctx<'_>, error: &PhoneError) {
        self.negotiation.refused();
        // What is agreed or still wanted has not failed.
        let held = [self.negotiation.held(), self.negotiation.wants_held()];
        let video = [self.negotiation.video(), self.negotiation.wants_video()].map(|v| v.is_some_and(Direction::sends));
        let refreshes = self.negotiation.wants_refresh();
        let failed = |w| match w {
            Waiting::Held { held: h, .. } => !held.contains(&h),
            Waiting::Video { on, .. } => !video.contains(&on),
            Waiting::Refresh { .. } => !refreshes,
            _ => false,
        };
        self.settle_where(ctx.out, failed, &Err(error.clone()));
        self.exchange_is_over(ctx);
    }

    /// Tells that signalling or the media path is lost, or that both are there again.
    pub(super) fn tell_lost(&mut self, ctx: &mut Ctx<'_>) {
        let lost = self.signalling_lost || self.ice_lost;
        if self.confirmed && std::mem::replace(&mut self.told_lost, lost) != lost {
            let call_id = self.call_id.clone();
            ctx.out.session(if lost {
                SessionEvent::Reconnecting { call_id }
            } else {
                SessionEvent::Reconnected { call_id }
            });
        }
    }

    /// What became overdue.
    pub(super) fn exchange_on_time(&mut self, ctx: &mut Ctx<'_>) {
        let now = ctx.now.mono;
        if self.exchange.retry.is_some_and(|at| at <= now) {
            self.on_modify_retry(ctx);
        }
        if self.exchange.deadline.is_some_and(|at| at <= now) {
            self.on_exchange_failed(ctx, &MediaError::Timeout);
        }
        self.video_on_time(ctx);
        let overdue = |w| matches!(w, Waiting::Held { until, .. } | Waiting::Refresh { until } | Waiting::Video { until, .. } if until <= now);
        let gone: Vec<Waiting> = self.waiting.iter().map(|(_, w)| *w).filter(|w| overdue(*w)).collect();
        self.settle_where(ctx.out, overdue, &Err(PhoneError::Timeout));
        for wish in gone {
            let kind = discriminant(&wish);
            // What somebody still waits for is still wanted.
            if self.waiting.iter().any(|(_, w)| discriminant(w) == kind) {
                continue;
            }
            match wish {
                Waiting::Held { .. } => self.negotiation.give_up_held(),
                Waiting::Video { .. } => self.negotiation.give_up_video(),
                _ => self.negotiation.give_up_refresh(),
            }
            self.silence_as_due(ctx.out);
            self.end_video(ctx);
        }
    }

    pub(super) fn exchange_timeout(&self) -> Option<Millis> {
        let commands = self.waiting.iter().filter_map(|(_, w)| match w {
            Waiting::Held { until, .. } | Waiting::Refresh { until } | Waiting::Video { until, .. } => Some(*until),
            _ => None,
        });
        let asking = self.exchange.asking.as_ref().map(|asking| asking.until);
        [self.exchange.retry, self.exchange.deadline, asking].into_iter().flatten().chain(commands).min()
    }
}

impl From<&MediaError> for Cause {
    fn from(error: &MediaError) -> Self {
        match error {
            MediaError::PermissionDenied | MediaError::NoDevice | MediaError::Device(_) => Self::UserDeniedMediaAccess,
            MediaError::BadDescription(_) => Self::BadMediaDescription,
            _ => Self::WebRtcError,
        }
    }
}
