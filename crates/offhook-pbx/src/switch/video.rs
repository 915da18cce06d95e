//! Video between two devices: what one of them adds, the other is asked about before it is answered.

use offhook_media::Direction;

use super::Switch;
use crate::media::{AnswerFor, LegId, MediaAction};
use crate::sdp;

impl Switch {
    /// A device's offer in a call is to be answered.
    pub(super) fn take_offer(&mut self, leg: LegId, offer: String) {
        let offered = sdp::video(&offer);
        let was_to_be_asked = self.legs.get(&leg).is_some_and(|leg| leg.asked.is_some());
        if let (Some(offered), true) = (offered, was_to_be_asked) {
            // Both add it at once: neither needs to be asked.
            self.forget_parting(leg);
            self.asked(leg, Some(offered.reversed()));
            return self.answer_offer(leg, offer, Some(Direction::SendRecv));
        }
        if offered.is_some() && self.forget_parting(leg) {
            // It does not know yet that its video was taken away, and learns it by the answer.
            return self.answer_offer(leg, offer, None);
        }
        let across = self.call_of(leg).and_then(|(_, call)| Some((call.across(leg)?, call.is_free())));
        let Some((across, is_free)) = across else { return self.answer_offer(leg, offer, None) };
        let Some(other) = self.legs.get_mut(&across) else { return self.answer_offer(leg, offer, None) };
        match (offered, other.video) {
            (Some(offered), has) if is_free && other.asked.is_none() && !covers(has, offered) => {
                other.asked = Some((leg, union(has, offered)));
                if let Some(leg) = self.legs.get_mut(&leg) {
                    leg.waiting = Some(offer);
                }
                self.offer_if_due(across);
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
    /// it is answered. Says whether one still did.
    pub(super) fn asked(&mut self, leg: LegId, agreed: Option<Direction>) -> bool {
        let Some((asker, wanted)) = self.legs.get_mut(&leg).and_then(|leg| leg.asked.take()) else { return false };
        if let Some(known) = self.legs.get_mut(&leg).filter(|_| agreed.is_some()) {
            // What it was asked for it is not asked for again.
            known.video = Some(wanted);
        }
        self.unmake_question(leg);
        let Some(offer) = self.legs.get_mut(&asker).and_then(|leg| leg.waiting.take()) else { return false };
        // What this one sends, the other is sent.
        self.answer_offer(asker, offer, agreed.map(Direction::reversed));
        true
    }

    /// A device that waits for what the other says does so no more.
    pub(super) fn stop_asking(&mut self, asker: LegId) {
        self.do_not_ask(asker);
        if let Some(offer) = self.legs.get_mut(&asker).and_then(|leg| leg.waiting.take()) {
            self.answer_offer(asker, offer, None);
        }
    }

    /// Nobody is asked for this one any more.
    pub(super) fn do_not_ask(&mut self, asker: LegId) {
        let asked = self.legs.iter_mut().find(|(_, leg)| leg.asked.is_some_and(|(by, _)| by == asker));
        if let Some((&leg, known)) = asked {
            known.asked = None;
            self.unmake_question(leg);
        }
    }

    /// What a leg has of video, from our side, as was agreed just now or is being agreed.
    pub(super) fn note_video(&mut self, leg: LegId, agreed: Option<Direction>) {
        if let Some(known) = self.legs.get_mut(&leg) {
            // A hold narrows it for a time only. What was taken away meanwhile is not there any more.
            known.video = agreed.filter(|_| !known.offers.is_parting()).map(|agreed| union(known.video, agreed));
        }
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
        let had = self.legs.get(&leg).and_then(|leg| leg.video);
        // From now on: the other side may take it away while the answer is being made.
        self.note_video(
            leg,
            video.zip(sdp::video(&sdp)).map(|(wanted, offered)| wanted.intersection(offered.reversed())),
        );
        let purpose = AnswerFor::Reinvite { hold: sdp::is_hold(&sdp), had };
        self.media(MediaAction::AcceptOffer { leg, purpose, sdp, video });
    }
}

/// Whether all that is offered can flow in what there is.
fn covers(has: Option<Direction>, offered: Direction) -> bool {
    has.is_some_and(|has| has.intersection(offered) == offered)
}

fn union(a: Option<Direction>, b: Direction) -> Direction {
    a.map_or(b, |a| Direction::new(a.sends() || b.sends(), a.receives() || b.receives()))
}
