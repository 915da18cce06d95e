//! Peer connections that only pretend: they answer every command after a few milliseconds, or as told.

use std::collections::HashMap;

use offhook_core::media::{MediaCommand, MediaError, MediaEvent, MediaRequest, StreamId, TrackKind};
use offhook_core::{CallId, CandidateKind, Direction, MediaStats, StatsSample};

const DELAY: u64 = 5;
/// Packets between two samples.
const EVERY: u64 = 150;

pub struct FakeMedia {
    phone: usize,
    calls: HashMap<CallId, Call>,
    /// Everything asked, with the call's first characters left out.
    pub asked: Vec<MediaCommand>,
    /// The next command with this name fails.
    pub fail: Option<(&'static str, MediaError)>,
    /// Commands with this name are not answered.
    pub hang: Option<&'static str>,
    /// It has no video codec that anybody else has.
    pub no_video: bool,
    /// Round-trip time it measures, ms.
    pub rtt_ms: f64,
    /// Nothing arrives any more.
    pub deaf: bool,
    /// The far end has closed it: there are no statistics any more.
    pub closed: bool,
    /// Level of the microphone, dB below full scale; `None`: it changes all the time.
    pub level: Option<f64>,
}

#[derive(Default)]
struct Call {
    version: u32,
    heard: bool,
    mixed: bool,
    /// Statistics taken, and packets received until then.
    samples: u64,
    received: u64,
}

impl FakeMedia {
    pub fn new(phone: usize) -> Self {
        Self {
            phone,
            calls: HashMap::new(),
            asked: Vec::new(),
            fail: None,
            hang: None,
            no_video: false,
            rtt_ms: 20.0,
            deaf: false,
            closed: false,
            level: None,
        }
    }

    /// How many are open.
    pub fn open(&self) -> usize {
        self.calls.len()
    }

    /// The calls whose audio is mixed, sorted.
    pub fn mixed(&self) -> Vec<CallId> {
        let mut mixed: Vec<_> = self.calls.iter().filter(|(_, call)| call.mixed).map(|(id, _)| id.clone()).collect();
        mixed.sort();
        mixed
    }

    /// Directions of the offers and answers asked for, since last asked.
    pub fn directions(&mut self) -> Vec<Direction> {
        std::mem::take(&mut self.asked)
            .iter()
            .filter_map(|command| match command {
                MediaCommand::CreateOffer { direction, .. } | MediaCommand::AcceptOffer { direction, .. } => {
                    Some(*direction)
                }
                _ => None,
            })
            .collect()
    }

    /// Directions of the video in the same; `None` where there is to be none.
    pub fn videos(&mut self) -> Vec<Option<Direction>> {
        std::mem::take(&mut self.asked)
            .iter()
            .filter_map(|command| match command {
                MediaCommand::CreateOffer { video, .. } | MediaCommand::AcceptOffer { video, .. } => Some(*video),
                _ => None,
            })
            .collect()
    }

    pub fn take(&mut self, call_id: &CallId, command: MediaCommand) -> Vec<(u64, MediaEvent)> {
        self.asked.push(command.clone());
        let (name, request) = name(&command);
        if self.hang == Some(name) {
            return Vec::new();
        }
        if self.fail.as_ref().is_some_and(|(which, _)| *which == name) {
            let (_, error) = self.fail.take().expect("just seen");
            return vec![(DELAY, MediaEvent::Failed { request, error })];
        }
        match command {
            MediaCommand::Open { .. } => {
                let before = self.calls.insert(call_id.clone(), Call::default());
                assert!(before.is_none(), "opened twice");
                return Vec::new();
            }
            MediaCommand::Close => {
                assert!(self.calls.remove(call_id).is_some(), "closed what is not open");
                return Vec::new();
            }
            _ => {}
        }
        let (phone, no_video, rtt_ms, deaf, level) = (self.phone, self.no_video, self.rtt_ms, self.deaf, self.level);
        let call = self.calls.get_mut(call_id).expect("open");
        let mut events = Vec::new();
        let mut hear = |heard: &mut bool| {
            if !std::mem::replace(heard, true) {
                events.push((DELAY, MediaEvent::RemoteTrack { stream: StreamId(7), kind: TrackKind::Audio }));
            }
        };
        match command {
            MediaCommand::CreateOffer { request, direction, video, .. } => {
                call.version += 1;
                let sdp = sdp_with(phone, call.version, direction) + &video_line(video);
                events.push((DELAY, MediaEvent::LocalDescription { request, sdp }));
            }
            MediaCommand::AcceptOffer { request, sdp, direction, video } => {
                call.version += 1;
                hear(&mut call.heard);
                let offered = sdp.contains("m=video");
                assert!(offered || video.is_none(), "video where none is offered");
                let video = if offered { video_line(video.filter(|_| !no_video)) } else { String::new() };
                let sdp = sdp_with(phone, call.version, direction) + &video;
                events.push((DELAY, MediaEvent::LocalDescription { request, sdp }));
            }
            MediaCommand::AcceptAnswer { request, .. } => {
                hear(&mut call.heard);
                events.push((DELAY, MediaEvent::Applied { request }));
            }
            MediaCommand::SendDtmf { request, tones, duration_ms, gap_ms, .. } => {
                let each = u64::from(duration_ms + gap_ms);
                events.push((tones.len() as u64 * each, MediaEvent::DtmfSent { request }));
            }
            MediaCommand::StartRecording { request, .. } => {
                events.push((DELAY, MediaEvent::RecordingStarted { request }));
            }
            MediaCommand::SetConference(mixed) => {
                assert_ne!(std::mem::replace(&mut call.mixed, mixed), mixed, "said twice");
            }
            MediaCommand::TakeStats { request } if self.closed => {
                let error = MediaError::Other("the peer connection is closed".to_owned());
                events.push((DELAY, MediaEvent::Failed { request: Some(request), error }));
            }
            MediaCommand::TakeStats { request } => {
                call.samples += 1;
                call.received += if deaf { 0 } else { EVERY };
                let level = level.unwrap_or(-40.0 - (call.samples % 7) as f64);
                let sample = sample(rtt_ms, level, call.samples * EVERY, call.received);
                events.push((DELAY, MediaEvent::Stats { request, sample: Box::new(sample) }));
            }
            _ => {}
        }
        events
    }
}

/// An SDP as a WebRTC phone writes it, in little.
pub fn sdp_with(phone: usize, version: u32, direction: Direction) -> String {
    format!(
        "v=0\r\no=- {phone} {version} IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n\
         c=IN IP4 127.0.0.1\r\na=ice-ufrag:{phone}\r\na={}\r\n",
        direction.as_str()
    )
}

/// A video line in use, or a refused one.
fn video_line(direction: Option<Direction>) -> String {
    match direction {
        Some(direction) => format!("m=video 9 UDP/TLS/RTP/SAVPF 96\r\na={}\r\n", direction.as_str()),
        None => "m=video 0 UDP/TLS/RTP/SAVPF 96\r\n".to_owned(),
    }
}

fn name(command: &MediaCommand) -> (&'static str, Option<MediaRequest>) {
    match command {
        MediaCommand::Open { .. } => ("open", None),
        MediaCommand::CreateOffer { request, .. } => ("offer", Some(*request)),
        MediaCommand::AcceptOffer { request, .. } => ("answer", Some(*request)),
        MediaCommand::AcceptAnswer { request, .. } => ("apply", Some(*request)),
        MediaCommand::SendDtmf { request, .. } => ("dtmf", Some(*request)),
        MediaCommand::StartRecording { request, .. } => ("record", Some(*request)),
        MediaCommand::TakeStats { request } => ("stats", Some(*request)),
        _ => ("other", None),
    }
}

fn sample(rtt_ms: f64, level: f64, sent: u64, received: u64) -> StatsSample {
    StatsSample {
        remote_candidate: Some(CandidateKind::Host),
        rtt_ms: Some(rtt_ms),
        total_samples_duration_s: 3.0,
        audio_input_dbfs: Some(level),
        audio: MediaStats {
            codec: "opus".to_owned(),
            packets_received: received,
            jitter_ms: Some(2.0),
            packets_sent: sent,
            remote_packets_received: Some(sent),
            ..MediaStats::default()
        },
        ..StatsSample::default()
    }
}
