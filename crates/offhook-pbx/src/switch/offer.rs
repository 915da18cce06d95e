//! Our offers to a device in a call that is answered: one exchange at a time, and what is wanted meanwhile comes after it.
//!
//! | meets our offer | what becomes of it |
//! | --- | --- |
//! | another that is wanted while it is under way | that one is made when it is over |
//! | the device's, while ours is being made | the device's goes first, then ours |
//! | the device's, when ours is sent | the agent answers 491 |
//! | an exchange that the agent has begun (the device's is not acknowledged, an UPDATE of ours) | again when that is over |
//! | 491 | again when the agent has waited (RFC 3261 §14.1) |
//! | a lost connection, noticed or not | when the device is back, and after its own offer if it makes one; the question whether it takes part in video is answered no |
//! | a refusal, no answer | not again |

use offhook_media::Direction;
use offhook_sip::{CallKey, CommandError, Modify, ModifyMethod, ModifyOutcome};

use super::{Switch, Turn, crossing};
use crate::media::{AppliedFor, LegId, MediaAction, OfferFor};
use crate::sdp;

/// How far a leg's offers have come.
#[derive(Debug, Default)]
pub(super) struct Offers {
    stage: Stage,
    /// One of what is known of the leg is wanted.
    due: bool,
    /// One without video is wanted, or under way.
    parting: bool,
    /// Not before the agent says so.
    wait: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Stage {
    #[default]
    Idle,
    /// The media makes it.
    Making(OfferFor),
    /// The device has it.
    Sent(OfferFor),
    /// The media applies the device's answer.
    Applying,
}

impl Offers {
    pub(super) fn is_parting(&self) -> bool {
        self.parting
    }
}

impl Switch {
    /// The video of a leg is to be taken away.
    pub(super) fn drop_video(&mut self, leg: LegId) {
        if let Some(known) = self.legs.get_mut(&leg) {
            known.video = None;
            known.offers.parting = true;
            self.offer_if_due(leg);
        }
    }

    /// An offer of what the leg has is wanted: a session refresh by re-INVITE.
    pub(super) fn offer_again(&mut self, leg: LegId) {
        if let Some(known) = self.legs.get_mut(&leg) {
            known.offers.due = true;
            self.offer_if_due(leg);
        }
    }

    /// Begins an offer if one is wanted and nothing is in its way.
    pub(super) fn offer_if_due(&mut self, leg: LegId) {
        let Some(known) = self.legs.get_mut(&leg) else { return };
        let is_free = known.offers.stage == Stage::Idle && !known.offers.wait && known.waiting.is_none();
        let (purpose, video) = match known.asked {
            _ if !is_free => return,
            Some((_, wanted)) => (OfferFor::Video, Some(wanted)),
            None if known.offers.parting => (OfferFor::NoVideo, None),
            None if known.offers.due => (OfferFor::Refresh, known.video),
            None => return,
        };
        known.offers =
            Offers { stage: Stage::Making(purpose), parting: purpose == OfferFor::NoVideo, ..Offers::default() };
        let direction = if known.hold { Direction::RecvOnly } else { Direction::SendRecv };
        let video = video.map(|video| video.intersection(direction));
        self.media(MediaAction::CreateOffer { leg, purpose, direction, video });
    }

    /// The device wants an offer of ours, in the 200 to its re-INVITE.
    pub(super) fn offer_in_answer(&mut self, leg: LegId) {
        let Some(known) = self.legs.get_mut(&leg) else { return };
        let purpose = OfferFor::Reinvite;
        known.offers.stage = Stage::Making(purpose);
        let video = known.video;
        self.media(MediaAction::CreateOffer { leg, purpose, direction: Direction::SendRecv, video });
    }

    /// The device has made an offer: one of ours that it has not yet got comes after it.
    pub(super) fn give_way(&mut self, leg: LegId) {
        if self.stage(leg).is_some_and(|stage| matches!(stage, Stage::Making(_))) {
            self.put_off(leg, false);
        }
    }

    /// An offer in an answered call is made.
    pub(super) fn reoffer_made(&mut self, turn: &mut Turn<'_>, leg: LegId, purpose: OfferFor, sdp: String) {
        let Some(known) = self.legs.get_mut(&leg) else { return };
        // It has given way.
        let Some(key) = known.key.filter(|_| known.offers.stage == Stage::Making(purpose)) else { return };
        known.offers.stage = Stage::Sent(purpose);
        if purpose == OfferFor::Reinvite {
            crossing("answer", turn.agent.answer_offer(turn.now, key, sdp));
            return;
        }
        let modify = Modify { method: ModifyMethod::Invite, offer: Some(sdp), headers: Vec::new() };
        match turn.agent.modify(turn.now, key, modify) {
            Ok(()) => {}
            // Or the call is answered, but that is not acknowledged yet.
            Err(CommandError::OfferPending | CommandError::WrongState { .. }) => self.put_off(leg, true),
            Err(error) => {
                tracing::debug!(%error, "no offer can be sent");
                self.out_of_reach(leg, purpose);
            }
        }
    }

    /// A re-INVITE or UPDATE of ours is over.
    pub(super) fn modified(&mut self, key: CallKey, outcome: ModifyOutcome) {
        let Some(leg) = self.leg_of(key) else { return };
        let Some(known) = self.legs.get_mut(&leg) else { return };
        let purpose = match known.offers.stage {
            Stage::Sent(purpose) if purpose != OfferFor::Reinvite => purpose,
            _ => {
                // It was an UPDATE that tells who is across; an offer of ours in the 200 to the device's is not concerned.
                known.untold =
                    known.untold.filter(|_| matches!(outcome, ModifyOutcome::Glare | ModifyOutcome::ConnectionLost));
                return;
            }
        };
        match outcome {
            ModifyOutcome::Accepted { sdp: Some(sdp) } => {
                known.offers.stage = Stage::Applying;
                known.offers.parting &= purpose != OfferFor::NoVideo;
                let video = sdp::video(&sdp).map(Direction::reversed);
                self.note_video(leg, video);
                self.media(MediaAction::AcceptAnswer { leg, purpose: AppliedFor::Refresh, sdp });
                if purpose == OfferFor::Video && !self.asked(leg, video) {
                    let across = self.call_of(leg).and_then(|(_, call)| call.across(leg).filter(|_| call.is_free()));
                    if let Some(across) = across {
                        self.match_video(leg, across);
                    }
                }
            }
            ModifyOutcome::Glare => self.put_off(leg, true),
            ModifyOutcome::ConnectionLost => self.out_of_reach(leg, purpose),
            _ => self.not_offered(leg),
        }
    }

    /// What was in the way of an exchange of ours is over, or has had its time.
    pub(super) fn try_again(&mut self, turn: &mut Turn<'_>, key: CallKey) {
        let Some(leg) = self.leg_of(key) else { return };
        let Some(known) = self.legs.get_mut(&leg) else { return };
        known.offers.wait = false;
        if let Some(with) = known.untold {
            self.tell_identity(turn, leg, with);
        }
        self.offer_if_due(leg);
    }

    /// The answer to an offer of ours that was in a 200 has come, and is to be applied.
    pub(super) fn answered_in_ack(&mut self, leg: LegId) {
        if let Some(known) = self.legs.get_mut(&leg) {
            known.offers.stage = Stage::Applying;
        }
    }

    /// An answer is applied.
    pub(super) fn offer_agreed(&mut self, leg: LegId) {
        if let Some(known) = self.legs.get_mut(&leg).filter(|leg| leg.offers.stage == Stage::Applying) {
            known.offers.stage = Stage::Idle;
            self.offer_if_due(leg);
        }
    }

    /// The media cannot make an offer.
    pub(super) fn not_made(&mut self, leg: LegId, purpose: OfferFor) {
        if self.stage(leg) == Some(Stage::Making(purpose)) {
            self.not_offered(leg);
        }
    }

    /// The media cannot apply the answer to one.
    pub(super) fn not_applied(&mut self, leg: LegId) {
        if self.stage(leg) == Some(Stage::Applying) {
            self.not_offered(leg);
        }
    }

    /// Our offer comes to nothing.
    fn not_offered(&mut self, leg: LegId) {
        let Some(known) = self.legs.get_mut(&leg) else { return };
        let stage = std::mem::take(&mut known.offers.stage);
        let purpose = match stage {
            Stage::Idle => return,
            Stage::Making(purpose) | Stage::Sent(purpose) => Some(purpose),
            Stage::Applying => None,
        };
        known.offers.parting &= purpose != Some(OfferFor::NoVideo);
        self.media(MediaAction::Rollback { leg });
        if purpose == Some(OfferFor::Video) {
            self.asked(leg, None);
        }
        self.offer_if_due(leg);
    }

    /// The device does not want an answer to its offer any more, or has not answered ours in the 200.
    pub(super) fn abandoned(&mut self, key: CallKey) {
        let Some(leg) = self.leg_of(key) else { return };
        let Some(known) = self.legs.get_mut(&leg) else { return };
        if known.waiting.take().is_some() {
            self.do_not_ask(leg);
            self.offer_if_due(leg);
        } else if let Stage::Making(OfferFor::Reinvite) | Stage::Sent(OfferFor::Reinvite) = known.offers.stage {
            self.not_offered(leg);
        } else {
            // The media has taken the device's offer: another of ours says what holds.
            self.offer_again(leg);
        }
    }

    /// Nobody is to be asked for video any more: an offer that asks for it, and is not on its way yet, is not sent.
    pub(super) fn unmake_question(&mut self, leg: LegId) {
        if self.stage(leg) == Some(Stage::Making(OfferFor::Video)) {
            self.put_off(leg, false);
        }
    }

    /// No offer is needed any more that takes video away. Says whether one was.
    pub(super) fn forget_parting(&mut self, leg: LegId) -> bool {
        self.legs.get_mut(&leg).is_some_and(|leg| std::mem::take(&mut leg.offers.parting))
    }

    fn stage(&self, leg: LegId) -> Option<Stage> {
        self.legs.get(&leg).map(|leg| leg.offers.stage)
    }

    /// The device has no connection. Nobody is made to wait until it is back.
    fn out_of_reach(&mut self, leg: LegId, purpose: OfferFor) {
        match purpose {
            OfferFor::Video => self.not_offered(leg),
            _ => self.put_off(leg, false),
        }
    }

    /// Our offer is taken back, and made anew when nothing is in its way: not before the agent says so, or (not `wait`) when
    /// the device's is answered.
    fn put_off(&mut self, leg: LegId, wait: bool) {
        let Some(known) = self.legs.get_mut(&leg) else { return };
        let stage = std::mem::take(&mut known.offers.stage);
        known.offers.due |= matches!(stage, Stage::Making(OfferFor::Refresh) | Stage::Sent(OfferFor::Refresh));
        known.offers.wait |= wait;
        self.media(MediaAction::Rollback { leg });
    }
}
