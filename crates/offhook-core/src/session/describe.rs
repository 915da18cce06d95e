//! Descriptions on their way in and out: told to listeners, and handed to a driver that wants to change them.

use super::{Ctx, Session};
use crate::events::{SdpType, SessionEvent, Side};
use crate::io::{Output, SdpFilterId};
use crate::media::{Direction, EarlyDialog, MediaCommand, MediaRequest};
use crate::sdp;

/// What becomes of a remote description.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Remote {
    /// It is answered.
    Offer { request: MediaRequest, direction: Direction, video: Option<Direction> },
    /// It is the answer.
    Answer { request: MediaRequest },
    /// It is an early dialog's answer.
    Early { request: MediaRequest, dialog: EarlyDialog },
}

/// What becomes of a description that is at the driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Filtering {
    Local(MediaRequest),
    Remote(Remote),
}

impl Session {
    /// A remote description is about to be applied.
    pub(super) fn remote_description(&mut self, ctx: &mut Ctx<'_>, kind: SdpType, sdp: String, remote: Remote) {
        self.tell_description(ctx, Side::Remote, kind, &sdp);
        if ctx.config.filter_sdp {
            self.filter(ctx, Side::Remote, kind, sdp, Filtering::Remote(remote));
        } else {
            self.apply_description(ctx, sdp, remote);
        }
    }

    /// A local description is about to be sent.
    pub(super) fn local_description(&mut self, ctx: &mut Ctx<'_>, kind: SdpType, sdp: String, request: MediaRequest) {
        self.tell_description(ctx, Side::Local, kind, &sdp);
        if ctx.config.filter_sdp {
            self.filter(ctx, Side::Local, kind, sdp, Filtering::Local(request));
        } else {
            self.send_description(ctx, request, sdp);
        }
    }

    /// The driver gives a description back. One that nobody waits for any more is forgotten.
    pub(crate) fn on_filtered(&mut self, ctx: &mut Ctx<'_>, filter: SdpFilterId, sdp: String) {
        let Some(at) = self.exchange.filtering.iter().position(|(known, _)| *known == filter) else { return };
        let (_, filtering) = self.exchange.filtering.swap_remove(at);
        if self.is_ending() || !self.is_awaited(filtering) {
            return;
        }
        match filtering {
            Filtering::Local(request) => self.send_description(ctx, request, sdp),
            Filtering::Remote(remote) => self.apply_description(ctx, sdp, remote),
        }
    }

    fn tell_description(&self, ctx: &mut Ctx<'_>, originator: Side, kind: SdpType, sdp: &str) {
        let call_id = self.call_id.clone();
        ctx.out.session(SessionEvent::Sdp { call_id, originator, kind, sdp: sdp.to_owned() });
    }

    fn filter(&mut self, ctx: &mut Ctx<'_>, originator: Side, kind: SdpType, sdp: String, filtering: Filtering) {
        let filter = SdpFilterId(ctx.request().0);
        let mut filtering_now = std::mem::take(&mut self.exchange.filtering);
        filtering_now.retain(|(_, earlier)| self.is_awaited(*earlier));
        filtering_now.push((filter, filtering));
        self.exchange.filtering = filtering_now;
        ctx.out.push(Output::FilterSdp { call_id: self.call_id.clone(), filter, originator, kind, sdp });
    }

    /// Whether the exchange that a description belongs to is still under way.
    fn is_awaited(&self, filtering: Filtering) -> bool {
        match filtering {
            Filtering::Local(request)
            | Filtering::Remote(Remote::Offer { request, .. } | Remote::Answer { request }) => {
                self.negotiation.pending_request() == Some(request)
            }
            Filtering::Remote(Remote::Early { request, .. }) => {
                self.early.as_ref().is_some_and(|early| early.request == request && !early.applied)
            }
        }
    }

    fn apply_description(&mut self, ctx: &mut Ctx<'_>, sdp: String, remote: Remote) {
        self.remote_sdp = Some(sdp.clone());
        let command = match remote {
            Remote::Offer { request, direction, video } => MediaCommand::AcceptOffer { request, sdp, direction, video },
            Remote::Answer { request } => {
                self.exchange.answered = Some((sdp::direction(&sdp), sdp::takes_video(&sdp)));
                MediaCommand::AcceptAnswer { request, sdp, early: None }
            }
            Remote::Early { request, dialog } => MediaCommand::AcceptAnswer { request, sdp, early: Some(dialog) },
        };
        ctx.out.media(&self.call_id, command);
    }
}
