//! Offer/answer of one call (RFC 3264, RFC 6337): one state machine for the first exchange and all later ones.
//!
//! It only decides; the session carries out. At any time at most one exchange is under way. What is wanted meanwhile
//! is remembered as a state to reach, so requests that cancel each other out cost nothing. An exchange that fails leaves
//! everything as it was.

use crate::media::{Direction, MediaRequest};

/// Where the exchange is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Nothing was ever agreed.
    Fresh,
    /// The peer connection makes our offer.
    MakingOffer(MediaRequest),
    /// Our offer is at the far end.
    Offered,
    /// The peer connection applies the far end's answer.
    ApplyingAnswer(MediaRequest),
    /// The peer connection makes the answer to the far end's offer.
    MakingAnswer(MediaRequest),
    /// The far end asked for an offer (late offer); the peer connection makes it.
    MakingReply(MediaRequest),
    /// That offer went out in the 2xx; its answer comes with the ACK.
    AwaitingAck,
    /// Agreed.
    Stable,
}

/// An offer to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Offer {
    /// Direction of the audio.
    pub(crate) direction: Direction,
    /// Of the video; `None`: none is offered.
    pub(crate) video: Option<Direction>,
    /// With new ICE credentials.
    pub(crate) ice_restart: bool,
}

/// What a finished local description is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Made {
    /// Send it as our offer.
    Offer,
    /// Send it as the answer.
    Answer,
    /// Send it as our offer in the answering 2xx.
    Reply,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Negotiation {
    phase: Phase,
    /// Held by us, as agreed.
    held: bool,
    /// Held by us, as wanted.
    want_held: bool,
    /// What we do with video when nobody holds, as agreed; `None`: there is none.
    video: Option<Direction>,
    /// The same, as wanted.
    want_video: Option<Direction>,
    /// The far end offers video, in the offer that is being answered.
    video_offered: bool,
    /// What we want of it, as the answer being made says.
    answering_video: Option<Direction>,
    /// What we want of video is not for the offer that is being answered to decide: it was wished since, or is still to
    /// be asked for.
    video_undecided: bool,
    /// An exchange is wanted even if nothing changes.
    refresh: bool,
    restart: bool,
    /// What the offer under way says.
    offering: Option<Offering>,
    /// After a 491: not before the waiting time is over.
    backing_off: bool,
    /// Without signalling no exchange can be made.
    offline: bool,
    /// Held by the far end, as agreed.
    remote_held: bool,
    /// The same, as the offer says that is being answered.
    remote_holding: bool,
}

#[derive(Debug, Clone, Copy)]
struct Offering {
    held: bool,
    direction: Direction,
    video: Option<Direction>,
    restart: bool,
}

impl Negotiation {
    pub(crate) fn new() -> Self {
        Self {
            phase: Phase::Fresh,
            held: false,
            want_held: false,
            video: None,
            want_video: None,
            video_offered: false,
            answering_video: None,
            video_undecided: false,
            refresh: false,
            restart: false,
            offering: None,
            backing_off: false,
            offline: false,
            remote_held: false,
            remote_holding: false,
        }
    }

    /// Of a call that was agreed in an earlier life. Nothing is offered before signalling is back.
    pub(crate) fn resumed(held: bool, remote_held: bool, video: Option<Direction>) -> Self {
        let (want_held, want_video) = (held, video);
        Self { phase: Phase::Stable, held, want_held, video, want_video, remote_held, offline: true, ..Self::new() }
    }

    pub(crate) fn phase(&self) -> Phase {
        self.phase
    }

    pub(crate) fn held(&self) -> bool {
        self.held
    }

    pub(crate) fn wants_held(&self) -> bool {
        self.want_held
    }

    pub(crate) fn remote_held(&self) -> bool {
        self.remote_held
    }

    pub(crate) fn video(&self) -> Option<Direction> {
        self.video
    }

    /// What is wanted of video when the exchange under way is over.
    pub(crate) fn wants_video(&self) -> Option<Direction> {
        let answering = matches!(self.phase, Phase::MakingAnswer(_));
        let taken_away = answering && !self.video_offered && !self.video_undecided;
        self.want_video.filter(|_| !taken_away)
    }

    /// Whether the offer under way says this of video.
    pub(crate) fn is_offering_video(&self, video: Option<Direction>) -> bool {
        self.offering.is_some_and(|offering| offering.video == video)
    }

    /// What the offer under way makes of our hold.
    pub(crate) fn offering_held(&self) -> Option<bool> {
        self.offering.map(|offering| offering.held)
    }

    /// The media request that is waited for.
    pub(crate) fn pending_request(&self) -> Option<MediaRequest> {
        match self.phase {
            Phase::MakingOffer(request)
            | Phase::ApplyingAnswer(request)
            | Phase::MakingAnswer(request)
            | Phase::MakingReply(request) => Some(request),
            _ => None,
        }
    }

    pub(crate) fn wants_refresh(&self) -> bool {
        self.refresh
    }

    /// Before any exchange: the first one holds.
    pub(crate) fn begin_held(&mut self) {
        (self.held, self.want_held) = (true, true);
    }

    pub(crate) fn want_held(&mut self, held: bool) {
        self.want_held = held;
    }

    pub(crate) fn want_video(&mut self, video: Option<Direction>) {
        self.want_video = video;
        self.video_undecided = true;
    }

    pub(crate) fn want_refresh(&mut self, restart: bool) {
        self.refresh = true;
        self.restart |= restart;
    }

    /// No other hold than the agreed one is wanted any more.
    pub(crate) fn give_up_held(&mut self) {
        self.want_held = self.held;
    }

    /// No other video than the agreed one is wanted any more.
    pub(crate) fn give_up_video(&mut self) {
        self.want_video = self.video;
        self.video_undecided = false;
    }

    /// No exchange is wanted any more for its own sake.
    pub(crate) fn give_up_refresh(&mut self) {
        self.refresh = false;
        self.restart = false;
    }

    pub(crate) fn set_offline(&mut self, offline: bool) {
        self.offline = offline;
        if !offline {
            self.backing_off = false;
        }
    }

    pub(crate) fn is_offline(&self) -> bool {
        self.offline
    }

    pub(crate) fn back_off_over(&mut self) {
        self.backing_off = false;
    }

    /// Whether an exchange is wanted and none is under way.
    pub(crate) fn is_offer_due(&self) -> bool {
        let wanted = self.refresh || self.want_held != self.held || self.want_video != self.video;
        self.phase == Phase::Stable && wanted && !self.backing_off && !self.offline
    }

    /// Begins our offer, the first or a later one.
    pub(crate) fn begin_offer(&mut self, request: MediaRequest) -> Offer {
        let offering = Offering {
            held: self.want_held,
            direction: self.direction(self.want_held),
            video: self.want_video,
            restart: std::mem::take(&mut self.restart),
        };
        self.refresh = false;
        self.phase = Phase::MakingOffer(request);
        self.offering = Some(offering);
        let video = offering.video.map(|video| within(video, offering.direction));
        Offer { direction: offering.direction, video, ice_restart: offering.restart }
    }

    /// Begins the answer to an offer of this direction (as the far end sees it): what we may do of what we want. An own
    /// offer that was not sent yet is dropped and will be made again. `video` is the direction of the video offered.
    pub(crate) fn begin_answer(
        &mut self,
        request: MediaRequest,
        offered: Direction,
        video: Option<Direction>,
    ) -> (Direction, Option<Direction>) {
        self.drop_offer();
        self.phase = Phase::MakingAnswer(request);
        self.remote_holding = !offered.receives();
        let allowed = offered.reversed();
        let direction = Direction::new(allowed.sends(), allowed.receives() && !self.held);
        // Inactive video beside audio that flows is how some far ends take the video away; in a hold it is only held.
        let video = video.filter(|video| *video != Direction::Inactive || offered != Direction::SendRecv);
        self.video_offered = video.is_some();
        // An offer without video says nothing about video that we have still to ask for.
        self.video_undecided = video.is_none() && self.want_video != self.video;
        self.answering_video = self.want_video.filter(|_| self.video_offered);
        let wanted = self.answering_video.zip(video);
        (direction, wanted.map(|(wanted, offered)| within(within(wanted, direction), offered.reversed())))
    }

    /// Begins the offer that the far end asked for.
    pub(crate) fn begin_reply(&mut self, request: MediaRequest) -> Offer {
        self.drop_offer();
        self.phase = Phase::MakingReply(request);
        let direction = self.direction(self.held);
        let video = self.want_video;
        self.offering = Some(Offering { held: self.held, direction, video, restart: false });
        Offer { direction, video: video.map(|video| within(video, direction)), ice_restart: false }
    }

    /// The peer connection made a description, with a video line in use or not; `None` if it is not the one that is
    /// waited for.
    pub(crate) fn made(&mut self, request: MediaRequest, video: bool) -> Option<Made> {
        let (made, next) = match self.phase {
            Phase::MakingOffer(r) if r == request => (Made::Offer, Phase::Offered),
            Phase::MakingAnswer(r) if r == request => (Made::Answer, Phase::Stable),
            Phase::MakingReply(r) if r == request => (Made::Reply, Phase::AwaitingAck),
            _ => return None,
        };
        if made == Made::Answer {
            self.remote_held = self.remote_holding;
            self.video = self.answering_video.filter(|_| video);
            // Taken away by the far end, or offered by it with no codec that we have.
            if self.video.is_none() && !self.video_undecided {
                self.want_video = None;
            }
        }
        self.phase = next;
        Some(made)
    }

    /// The far end answered our offer (or our reply).
    pub(crate) fn begin_applying(&mut self, request: MediaRequest) {
        self.phase = Phase::ApplyingAnswer(request);
    }

    /// The answer, of this direction as the far end sees it and with video in use or not, is applied: the offer is agreed.
    pub(crate) fn applied(&mut self, answered: Direction, video: bool) {
        self.phase = Phase::Stable;
        if let Some(offering) = self.offering.take() {
            self.held = offering.held;
            self.video = offering.video.filter(|_| video);
            if self.video != offering.video && self.want_video == offering.video {
                // Refused: not asked for again.
                self.want_video = self.video;
            }
            // An answer to an offer that sends nothing must not receive; it says nothing about a hold.
            if offering.direction.sends() {
                self.remote_held = !answered.receives();
            }
        }
    }

    /// Our offer met one of the far end's: back to what was agreed, and again later.
    pub(crate) fn glare(&mut self) {
        self.drop_offer();
        self.phase = Phase::Stable;
        self.backing_off = true;
    }

    /// The connection was lost under our offer: back to what was agreed, and again when it is back.
    pub(crate) fn interrupted(&mut self) {
        self.drop_offer();
        self.phase = Phase::Stable;
        self.offline = true;
    }

    /// Our offer came to nothing: what it asked for is not wanted any more. What was wished since was not in it, and is.
    pub(crate) fn refused(&mut self) {
        if let Some(offering) = self.offering {
            if self.want_held == offering.held {
                self.give_up_held();
            }
            if self.want_video == offering.video {
                self.give_up_video();
            }
        }
        self.failed();
    }

    /// The answering of the far end's offer came to nothing: everything is as it was.
    pub(crate) fn failed(&mut self) {
        self.offering = None;
        self.phase = Phase::Stable;
    }

    fn direction(&self, held: bool) -> Direction {
        // Sending to somebody who holds us makes no sense once we hold as well (RFC 6337 §5.3).
        match (held, self.remote_held) {
            (true, true) => Direction::Inactive,
            (true, false) => Direction::SendOnly,
            (false, _) => Direction::SendRecv,
        }
    }

    /// An offer that will not be answered must be made again when possible.
    fn drop_offer(&mut self) {
        if let Some(offering) = self.offering.take() {
            self.refresh = self.refresh || (offering.held == self.held && offering.video == self.video);
            self.restart |= offering.restart;
        }
    }
}

/// What of a direction another allows.
fn within(direction: Direction, allowed: Direction) -> Direction {
    Direction::new(direction.sends() && allowed.sends(), direction.receives() && allowed.receives())
}

#[cfg(test)]
mod tests {
    use super::*;
    use Direction::{Inactive, RecvOnly, SendOnly, SendRecv};

    const R: MediaRequest = MediaRequest(1);

    fn talking() -> Negotiation {
        let mut negotiation = Negotiation::new();
        negotiation.begin_offer(R);
        negotiation.made(R, false);
        negotiation.begin_applying(R);
        negotiation.applied(SendRecv, false);
        negotiation
    }

    fn exchange(negotiation: &mut Negotiation, answered: Direction) -> Direction {
        let offer = negotiation.begin_offer(R);
        assert_eq!(negotiation.made(R, false), Some(Made::Offer));
        negotiation.begin_applying(R);
        negotiation.applied(answered, false);
        offer.direction
    }

    #[test]
    fn hold_and_unhold_are_two_exchanges() {
        let mut negotiation = talking();
        assert!(!negotiation.is_offer_due());
        negotiation.want_held(true);
        assert!(negotiation.is_offer_due());
        assert_eq!(exchange(&mut negotiation, RecvOnly), SendOnly);
        assert!(negotiation.held() && !negotiation.remote_held() && !negotiation.is_offer_due());
        negotiation.want_held(false);
        assert_eq!(exchange(&mut negotiation, SendRecv), SendRecv);
        assert!(!negotiation.held());
    }

    #[test]
    fn holding_somebody_who_holds_us_is_inactive_and_stays_recognised() {
        let mut negotiation = talking();
        assert_eq!(negotiation.begin_answer(R, SendOnly, None).0, RecvOnly);
        assert_eq!(negotiation.made(R, false), Some(Made::Answer));
        assert!(negotiation.remote_held());
        negotiation.want_held(true);
        assert_eq!(exchange(&mut negotiation, Inactive), Inactive);
        assert!(negotiation.held() && negotiation.remote_held());
        // They resume; we still hold.
        assert_eq!(negotiation.begin_answer(R, SendRecv, None).0, SendOnly);
        negotiation.made(R, false);
        assert!(!negotiation.remote_held() && negotiation.held());
    }

    #[test]
    fn wants_that_cancel_out_cost_no_exchange() {
        let mut negotiation = talking();
        negotiation.want_held(true);
        negotiation.want_held(false);
        assert!(!negotiation.is_offer_due());
    }

    #[test]
    fn after_glare_the_offer_is_made_again_later() {
        let mut negotiation = talking();
        negotiation.want_held(true);
        negotiation.begin_offer(R);
        negotiation.made(R, false);
        negotiation.glare();
        assert!(!negotiation.is_offer_due() && !negotiation.held());
        // Their offer wins meanwhile.
        assert_eq!(negotiation.begin_answer(R, SendOnly, None).0, RecvOnly);
        negotiation.made(R, false);
        negotiation.back_off_over();
        assert!(negotiation.is_offer_due());
        assert_eq!(exchange(&mut negotiation, Inactive), Inactive);
    }

    #[test]
    fn an_offer_not_yet_sent_gives_way_and_a_stale_description_is_ignored() {
        let mut negotiation = talking();
        negotiation.want_refresh(true);
        let first = MediaRequest(7);
        assert!(negotiation.begin_offer(first).ice_restart);
        negotiation.begin_answer(MediaRequest(8), SendRecv, None);
        assert_eq!(negotiation.made(first, false), None);
        assert_eq!(negotiation.made(MediaRequest(8), false), Some(Made::Answer));
        assert!(negotiation.is_offer_due());
        assert!(negotiation.begin_offer(R).ice_restart);
    }

    #[test]
    fn a_refused_offer_changes_nothing() {
        let mut negotiation = talking();
        negotiation.want_held(true);
        negotiation.begin_offer(R);
        negotiation.made(R, false);
        negotiation.refused();
        assert!(!negotiation.held() && !negotiation.is_offer_due());
        assert_eq!(negotiation.phase(), Phase::Stable);
    }

    #[test]
    fn what_was_wished_after_a_refused_offer_was_made_is_offered() {
        let mut negotiation = talking();
        negotiation.want_video(Some(SendRecv));
        negotiation.begin_offer(R);
        negotiation.made(R, true);
        negotiation.want_held(true);
        negotiation.want_refresh(true);
        negotiation.refused();
        assert!(negotiation.wants_video().is_none() && negotiation.is_offer_due());
        let offer = negotiation.begin_offer(R);
        assert_eq!(offer, Offer { direction: SendOnly, video: None, ice_restart: true });
        // Both are in this one: nothing is left to ask for.
        negotiation.refused();
        assert!(!negotiation.wants_held() && !negotiation.is_offer_due());
    }

    #[test]
    fn without_signalling_nothing_is_offered_until_it_is_back() {
        let mut negotiation = talking();
        negotiation.want_held(true);
        negotiation.begin_offer(R);
        negotiation.made(R, false);
        negotiation.interrupted();
        assert!(!negotiation.is_offer_due());
        negotiation.set_offline(false);
        assert!(negotiation.is_offer_due());
    }

    #[test]
    fn video_is_asked_for_once_and_held_with_the_audio() {
        let mut negotiation = talking();
        negotiation.want_video(Some(SendRecv));
        assert!(negotiation.is_offer_due());
        assert_eq!(negotiation.begin_offer(R).video, Some(SendRecv));
        negotiation.made(R, true);
        negotiation.begin_applying(R);
        negotiation.applied(SendRecv, true);
        assert!(negotiation.video() == Some(SendRecv) && !negotiation.is_offer_due());
        negotiation.want_held(true);
        assert_eq!(negotiation.begin_offer(R).video, Some(SendOnly));
        negotiation.made(R, true);
        negotiation.begin_applying(R);
        negotiation.applied(RecvOnly, true);
        // They take it away while we hold.
        assert_eq!(negotiation.begin_answer(R, SendRecv, None), (SendOnly, None));
        negotiation.made(R, false);
        assert!(negotiation.video().is_none() && !negotiation.is_offer_due());
    }

    #[test]
    fn refused_video_is_not_asked_for_again() {
        let mut negotiation = talking();
        negotiation.want_video(Some(SendRecv));
        exchange(&mut negotiation, SendRecv);
        assert!(negotiation.video().is_none() && !negotiation.is_offer_due());
    }

    #[test]
    fn video_still_to_be_asked_for_survives_an_offer_without_it() {
        let mut negotiation = talking();
        negotiation.want_video(Some(SendRecv));
        assert_eq!(negotiation.begin_answer(R, SendRecv, None), (SendRecv, None));
        negotiation.made(R, false);
        assert!(negotiation.is_offer_due());
        // Theirs comes first, and is taken as far as we want it.
        negotiation.want_video(Some(RecvOnly));
        assert_eq!(negotiation.begin_answer(R, SendRecv, Some(SendRecv)), (SendRecv, Some(RecvOnly)));
        negotiation.made(R, true);
        assert!(negotiation.video() == Some(RecvOnly) && !negotiation.is_offer_due());
    }

    #[test]
    fn inactive_video_beside_audio_is_no_video() {
        let mut negotiation = talking();
        negotiation.want_video(Some(SendRecv));
        negotiation.begin_answer(R, SendRecv, Some(SendRecv));
        negotiation.made(R, true);
        // A hold keeps it.
        assert_eq!(negotiation.begin_answer(R, Inactive, Some(Inactive)), (Inactive, Some(Inactive)));
        negotiation.made(R, true);
        assert!(negotiation.video().is_some());
        assert_eq!(negotiation.begin_answer(R, SendRecv, Some(Inactive)), (SendRecv, None));
        negotiation.made(R, false);
        assert!(negotiation.video().is_none());
    }
}
