//! What the peer connection tells.

use offhook_sip::Millis;

use super::{Ctx, Ending, Session};
use crate::events::SessionEvent;
use crate::media::{IceState, MediaCommand, MediaError, MediaEvent, MediaRequest, StreamId, Volume};

/// While there is no path, another one is looked for so often.
const FIND_PATH_MS: Millis = 15_000;

impl Session {
    pub(crate) fn on_media(&mut self, ctx: &mut Ctx<'_>, event: MediaEvent) {
        if self.is_ending() {
            return;
        }
        let call_id = self.call_id.clone();
        match event {
            MediaEvent::LocalDescription { request, sdp } => self.on_made(ctx, request, sdp),
            MediaEvent::Applied { request } => self.on_applied(ctx, request),
            MediaEvent::Failed { request: Some(request), error } => self.on_failed(ctx, request, &error),
            MediaEvent::Failed { request: None, error } => {
                self.end(ctx, Ending::media(&error), Some((500, "Media failed")));
            }
            MediaEvent::RemoteTrack { stream, .. } => {
                self.new_streams.push(stream);
                if self.negotiation.pending_request().is_none() && !self.is_early_pending() {
                    self.tell_new_streams(ctx);
                }
            }
            MediaEvent::IceState(state) => self.on_ice(ctx, state),
            MediaEvent::NetworkChanged => self.find_path(ctx),
            MediaEvent::Candidate { candidate } => {
                ctx.out.session(SessionEvent::Icecandidate { call_id, candidate });
            }
            MediaEvent::DtmfReceived { tone, duration_ms } => {
                ctx.out.session(SessionEvent::Dtmf { call_id, tone, duration: duration_ms });
            }
            MediaEvent::DtmfSent { request } => self.dtmf.sent(ctx, request, Ok(())),
            MediaEvent::RecordingStarted { request } => self.on_recording_started(ctx, request),
            MediaEvent::RecordingFailed { error } => self.on_recording_failed(ctx, &error),
            MediaEvent::Stats { request, sample } => self.on_stats(ctx, request, *sample),
        }
    }

    pub(crate) fn set_volume(&mut self, ctx: &mut Ctx<'_>, volume: Volume) {
        self.volume = volume;
        if self.media_open {
            ctx.out.media(&self.call_id, MediaCommand::SetVolume(volume));
        }
    }

    /// Streams of a description that is applied now.
    pub(super) fn tell_new_streams(&mut self, ctx: &mut Ctx<'_>) {
        for stream in std::mem::take(&mut self.new_streams) {
            self.tell_stream(ctx, stream);
        }
    }

    fn tell_stream(&mut self, ctx: &mut Ctx<'_>, stream: StreamId) {
        let call_id = self.call_id.clone();
        if self.remote_stream.replace(stream) != Some(stream) {
            let remote_stream = Some(stream);
            ctx.out.session(SessionEvent::UpdateRemoteStream { call_id: call_id.clone(), remote_stream });
        }
        let communication_type = self.status.communication_type;
        ctx.out.session(SessionEvent::StreamAdded { call_id, communication_type, stream });
    }

    /// Looks for another path by an ICE restart (RFC 8445 §9), and again while there is none.
    pub(super) fn find_path(&mut self, ctx: &mut Ctx<'_>) {
        if self.confirmed && !self.is_ending() {
            self.want_path(ctx);
            self.offer_if_due(ctx);
        }
    }

    fn want_path(&mut self, ctx: &Ctx<'_>) {
        self.find_path_at = self.ice_lost.then_some(ctx.now.mono + FIND_PATH_MS);
        self.negotiation.want_refresh(true);
    }

    fn is_early_pending(&self) -> bool {
        self.early.as_ref().is_some_and(|early| !early.applied) && !self.accepted
    }

    fn on_failed(&mut self, ctx: &mut Ctx<'_>, request: MediaRequest, error: &MediaError) {
        if self.negotiation.pending_request() == Some(request) {
            self.on_exchange_failed(ctx, error);
        } else if let Some(early) = self.early.take_if(|early| early.request == request && !early.applied) {
            // What an 18x says is a preview: the call goes on ringing without early media, and the 200 may say another thing
            // (RFC 3261 §13.2.1). If it says the same, that cannot be used either.
            tracing::info!(call = %self.call_id, %error, "early media cannot be used");
            self.keep_early(early.dialog, early.sdp);
        } else if !self.on_recording_refused(ctx, request, error) {
            let error = crate::error::PhoneError::LocalStream { detail: error.to_string() };
            self.dtmf.sent(ctx, request, Err(error));
            self.stats_failed(ctx, request);
        }
    }

    fn on_ice(&mut self, ctx: &mut Ctx<'_>, state: IceState) {
        let lost = matches!(state, IceState::Disconnected | IceState::Failed);
        if lost == self.ice_lost || (!lost && state != IceState::Connected) {
            return;
        }
        self.ice_lost = lost;
        // A call that rings has lost nothing: a server may open its port with the answer.
        if self.confirmed {
            self.tell_ice(ctx);
            self.offer_if_due(ctx);
        }
    }

    /// The media path is lost, or back. The caller carries on.
    pub(super) fn tell_ice(&mut self, ctx: &mut Ctx<'_>) {
        self.find_path_at = None;
        let (code, message) = if self.ice_lost {
            self.want_path(ctx);
            ("ice-connectivity-lost", "The media path to the far end is lost")
        } else {
            ("ice-connectivity-lost-cleared", "The media path to the far end is back")
        };
        let call_id = self.call_id.clone();
        ctx.out.session(SessionEvent::WarningMessage { call_id, code, message: message.to_owned() });
        self.tell_lost(ctx);
    }
}
