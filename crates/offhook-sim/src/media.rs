//! Peer connections without media: they make descriptions, take them, and say so after a while.

use offhook_core::media::{MediaError, MediaRequest, StreamId, TrackKind};
use offhook_core::{Direction, MediaCommand, MediaEvent, StatsSample};

use crate::random::Random;

/// One call's peer connection.
#[derive(Debug, Default)]
pub(crate) struct Media {
    version: u64,
    has_remote: bool,
    /// Answers that were asked for before this are not given any more.
    rolled_back: Option<MediaRequest>,
    last: Option<MediaRequest>,
    /// Packets received until the last statistics.
    received: u64,
    pub(crate) closed: bool,
}

impl Media {
    /// What comes of a command: after so many milliseconds, this.
    pub(crate) fn command(
        &mut self,
        command: MediaCommand,
        random: &mut Random,
        failures_per_mille: u64,
    ) -> Vec<(u64, MediaEvent)> {
        assert!(!self.closed, "a media command after Close: {command:?}");
        let delay = 1 + random.below(30);
        let fails = random.per_mille(failures_per_mille);
        match command {
            MediaCommand::Close => {
                self.closed = true;
                Vec::new()
            }
            MediaCommand::Rollback => {
                self.rolled_back = self.last;
                Vec::new()
            }
            MediaCommand::CreateOffer { request, .. }
            | MediaCommand::AcceptOffer { request, .. }
            | MediaCommand::AcceptAnswer { request, .. }
                if fails =>
            {
                self.last = Some(request);
                let error = MediaError::Other("simulated".to_owned());
                vec![(delay, MediaEvent::Failed { request: Some(request), error })]
            }
            MediaCommand::CreateOffer { request, direction, video, .. } => {
                self.last = Some(request);
                let sdp = self.describe(direction.as_str(), video.is_some().then_some(video));
                vec![(delay, MediaEvent::LocalDescription { request, sdp })]
            }
            MediaCommand::AcceptOffer { request, direction, sdp, video } => {
                self.last = Some(request);
                let mut events = self.remote_track(&sdp, delay);
                let sdp = self.describe(direction.as_str(), sdp.contains("m=video").then_some(video));
                events.push((delay, MediaEvent::LocalDescription { request, sdp }));
                events
            }
            MediaCommand::AcceptAnswer { request, sdp, .. } => {
                self.last = Some(request);
                let mut events = self.remote_track(&sdp, delay);
                events.push((delay, MediaEvent::Applied { request }));
                events
            }
            MediaCommand::SendDtmf { request, tones, duration_ms, gap_ms, .. } => {
                let each = u64::from(duration_ms + gap_ms);
                vec![(each * tones.len() as u64, MediaEvent::DtmfSent { request })]
            }
            MediaCommand::StartRecording { request, .. } => {
                vec![(delay, MediaEvent::RecordingStarted { request })]
            }
            MediaCommand::TakeStats { request } => {
                self.received += 150;
                let mut sample = StatsSample::default();
                sample.audio.packets_received = self.received;
                vec![(delay, MediaEvent::Stats { request, sample: Box::new(sample) })]
            }
            _ => Vec::new(),
        }
    }

    /// Whether an event is still to be given.
    pub(crate) fn is_current(&self, event: &MediaEvent) -> bool {
        let request = match event {
            MediaEvent::LocalDescription { request, .. } | MediaEvent::Applied { request } => Some(*request),
            MediaEvent::Failed { request, .. } => *request,
            _ => None,
        };
        !self.closed && request.is_none_or(|request| self.rolled_back.is_none_or(|last| request > last))
    }

    fn remote_track(&mut self, _sdp: &str, delay: u64) -> Vec<(u64, MediaEvent)> {
        if std::mem::replace(&mut self.has_remote, true) {
            return Vec::new();
        }
        vec![(delay, MediaEvent::RemoteTrack { stream: StreamId(1), kind: TrackKind::Audio })]
    }

    /// `video`: a line for it, in use in this direction or refused.
    fn describe(&mut self, direction: &str, video: Option<Option<Direction>>) -> String {
        self.version += 1;
        let video = match video {
            Some(Some(direction)) => format!("m=video 9 UDP/TLS/RTP/SAVPF 96\r\na={}\r\n", direction.as_str()),
            Some(None) => "m=video 0 UDP/TLS/RTP/SAVPF 96\r\n".to_owned(),
            None => String::new(),
        };
        format!(
            "v=0\r\no=- 1 {} IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na={direction}\r\n{video}",
            self.version
        )
    }
}
