//! Adding video to a call and taking it away, by either side.

use offhook_sip::Millis;

use super::change::COMMAND_DEADLINE_MS;
use super::{Ctx, Session, Waiting};
use crate::error::PhoneError;
use crate::events::SessionEvent;
use crate::io::CommandId;
use crate::media::Direction;
use crate::negotiation::Phase;
use crate::sdp;

/// How long a user may think about the far end's wish for video: well within the 64 s after which a re-INVITE that is
/// not answered is given up (RFC 3261 §17.1.1.2 with its 1xx).
const ASK_MS: Millis = 30_000;

/// The far end's offer of video that somebody is to agree to or refuse.
#[derive(Debug)]
pub(super) struct Asking {
    offer: String,
    /// Refused then.
    pub(super) until: Millis,
}

impl Session {
    /// Adds the camera, or takes it away; settled when the far end agreed.
    pub(crate) fn send_video(&mut self, ctx: &mut Ctx<'_>, command: CommandId, on: bool) {
        // An exchange under way, of either side, may change what is agreed.
        let agreed = self.negotiation.video() == sending(on) && self.negotiation.phase() == Phase::Stable;
        self.negotiation.want_video(sending(on));
        // What was asked before and is not on its way will not be.
        let under_way = self.negotiation.is_offering_video(sending(!on));
        let overtaken = |w| matches!(w, Waiting::Video { on: other, .. } if other != on && !under_way);
        self.settle_where(ctx.out, overtaken, &Err(PhoneError::Superseded));
        if agreed {
            ctx.out.settle(command, Ok(()));
        } else {
            self.waiting.push((command, Waiting::Video { on, until: ctx.now.mono + COMMAND_DEADLINE_MS }));
        }
        self.offer_if_due(ctx);
    }

    /// Makes an exchange in which at most the receiving of video changes.
    pub(crate) fn renegotiate(&mut self, ctx: &mut Ctx<'_>, command: CommandId, receive_video: Option<bool>) {
        if let Some(receive) = receive_video {
            let sends = self.negotiation.wants_video().is_some_and(Direction::sends);
            let wanted = (sends || receive).then(|| Direction::new(sends, receive));
            self.negotiation.want_video(wanted);
        }
        self.refresh(ctx, command, false);
    }

    /// Whether the user is asked when the far end wants video; it is refused otherwise.
    pub(crate) fn set_ask_for_video(&mut self, ask: bool) {
        self.ask_for_video = ask;
    }

    /// The user has decided. Who has no camera sees, and is not seen.
    pub(crate) fn agree_video(&mut self, ctx: &mut Ctx<'_>, agree: bool, camera: bool) -> Result<(), PhoneError> {
        let nothing = PhoneError::WrongState { command: "agreeVideo", state: "the far end does not ask for video" };
        let asking = self.exchange.asking.take().ok_or(nothing)?;
        if agree {
            self.negotiation.want_video(Some(Direction::new(camera, true)));
        }
        self.make_answer(ctx, asking.offer);
        Ok(())
    }

    /// Whether this offer brings video that nobody has agreed to yet.
    pub(super) fn must_ask_about(&self, offer: &str) -> bool {
        self.ask_for_video && self.negotiation.wants_video().is_none() && sdp::has_video(offer)
    }

    pub(super) fn ask_about_video(&mut self, ctx: &mut Ctx<'_>, offer: String) {
        self.exchange.asking = Some(Asking { offer, until: ctx.now.mono + ASK_MS });
        let (call_id, name) = (self.call_id.clone(), self.status.name.clone());
        ctx.out.session(SessionEvent::VideoRequested { call_id, name });
    }

    /// An exchange is over: commands that wanted video, or none, have what they can get.
    pub(super) fn settle_video(&mut self, ctx: &mut Ctx<'_>) {
        let agreed = self.negotiation.video();
        // Even if something else is wanted by now.
        self.settle_where(ctx.out, |w| matches!(w, Waiting::Video { on, .. } if sending(on) == agreed), &Ok(()));
        if agreed != self.negotiation.wants_video() {
            return;
        }
        let sends = agreed.is_some_and(Direction::sends);
        self.settle_where(ctx.out, |w| matches!(w, Waiting::Video { on, .. } if on == sends), &Ok(()));
        let refused = PhoneError::Refused { status: 488, reason: "the video was refused".to_owned() };
        self.settle_where(ctx.out, |w| matches!(w, Waiting::Video { .. }), &Err(refused));
    }

    /// Nobody has decided in time.
    pub(super) fn video_on_time(&mut self, ctx: &mut Ctx<'_>) {
        if let Some(asking) = self.exchange.asking.take_if(|asking| asking.until <= ctx.now.mono) {
            self.make_answer(ctx, asking.offer);
        }
    }
}

/// What the commands that add the camera and take it away want.
fn sending(on: bool) -> Option<Direction> {
    on.then_some(Direction::SendRecv)
}
