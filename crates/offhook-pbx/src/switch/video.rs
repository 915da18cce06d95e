//! Video between two devices: what one of them adds, the other is asked about before it is answered.

use offhook_media::Direction;

use super::Switch;
use crate::media::{AnswerFor, LegId, MediaAction, OfferFor};
use crate::sdp;

impl Switch {
    /// A device's offer in a call is to be answered.
    pub(super) fn take_offer(&mut self, leg: LegId, offer: String) {
        let offered = sdp::video(&offer);
        let across = self.call_of(leg).and_then(|(_, call)| Some((call.across(leg)?, call.is_free())));
        let Some((across, is_free)) = across else { return self.answer_offer(leg, offer, None) };
        let Some(other) = self.legs.get_mut(&across) else { return self.answer_offer(leg, offer, None) };
        match (offered, other.video) {
            (Some(offered), has) if is_free && other.asked.is_none() && !covers(has, offered) => {
                let wanted = union(has, offered);
                other.asked = Some((leg, wanted));
                let direction = if other.hold { Direction::RecvOnly } else { Direction::SendRecv };
                let video = Some(wanted.intersection(direction));
                if let Some(leg) = self.legs.get_mut(&leg) {
                    leg.waiting = Some(offer);
                }
                self.media(MediaAction::CreateOffer { leg: across, purpose: OfferFor::Video, direction, video });
            }
            (Some(_), Some(_)) => self.answer_offer(leg, offer, Some(Direction::SendRecv)),
            (Some(_), None) => self.answer_offer(leg, offer, None),
            (None, has) => {
                self.answer_offer(leg, offer, None);
                if has.is_some() && is_free {
                    self.drop_video(across);
                }
            }
        }
    }

    /// The device that was asked to take part in video has said what it does, or will not say any more: the one that wanted
    /// it is answered.
    pub(super) fn asked(&mut self, leg: LegId, agreed: Option<Direction>) {
        let Some((asker, wanted)) = self.legs.get_mut(&leg).and_then(|leg| leg.asked.take()) else { return };
        if let Some(known) = self.legs.get_mut(&leg).filter(|_| agreed.is_some()) {
            // What it was asked for it is not asked for again.
            known.video = Some(wanted);
        }
        if let Some(offer) = self.legs.get_mut(&asker).and_then(|leg| leg.waiting.take()) {
            // What this one sends, the other is sent.
            self.answer_offer(asker, offer, agreed.map(Direction::reversed));
        }
    }

    /// Our offer of video to a device cannot be made, or not sent.
    pub(super) fn not_asked(&mut self, leg: LegId) {
        self.media(MediaAction::Rollback { leg });
        self.asked(leg, None);
    }

    /// What a leg has of video, from our side, as was agreed just now.
    pub(super) fn note_video(&mut self, leg: LegId, agreed: Option<Direction>) {
        if let Some(known) = self.legs.get_mut(&leg) {
            // A hold narrows it for a time only.
            known.video = agreed.map(|agreed| union(known.video, agreed));
        }
    }

    /// A session refresh by re-INVITE is due, or one that takes video away: an offer that changes nothing else.
    pub(super) fn offer_again(&mut self, leg: LegId) {
        let Some(known) = self.legs.get(&leg) else { return };
        let direction = if known.hold { Direction::RecvOnly } else { Direction::SendRecv };
        let video = known.video.map(|video| video.intersection(direction));
        self.media(MediaAction::CreateOffer { leg, purpose: OfferFor::Refresh, direction, video });
    }

    /// Two legs are connected now: one that has video, and meets nobody who has, gives it up.
    pub(super) fn match_video(&mut self, a: LegId, b: LegId) {
        let has = |leg: LegId| self.legs.get(&leg).is_some_and(|leg| leg.video.is_some());
        match (has(a), has(b)) {
            (true, false) => self.drop_video(a),
            (false, true) => self.drop_video(b),
            _ => {}
        }
    }

    fn answer_offer(&mut self, leg: LegId, sdp: String, video: Option<Direction>) {
        let purpose = AnswerFor::Reinvite { hold: sdp::is_hold(&sdp) };
        self.media(MediaAction::AcceptOffer { leg, purpose, sdp, video });
    }

    fn drop_video(&mut self, leg: LegId) {
        if let Some(known) = self.legs.get_mut(&leg) {
            known.video = None;
        }
        self.offer_again(leg);
    }
}

/// Whether all that is offered can flow in what there is.
fn covers(has: Option<Direction>, offered: Direction) -> bool {
    has.is_some_and(|has| has.intersection(offered) == offered)
}

fn union(a: Option<Direction>, b: Direction) -> Direction {
    a.map_or(b, |a| Direction::new(a.sends() || b.sends(), a.receives() || b.receives()))
}
