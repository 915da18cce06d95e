//! Carries out what the core asks of a call's peer connection.

use std::future::Future;
use std::sync::Arc;

use offhook_core::media::{IceState, MediaError as CoreError, MediaRequest, StreamId, TrackKind};
use offhook_core::{
    CallOptions, CandidateKind, Direction, IceServer, IceTransportPolicy, MediaCommand, MediaEvent, MediaStats,
    PhoneConfig, PhoneError, StatsSample,
};
use offhook_media::{self as engine, Codec, MediaError, Peer, PeerConfig, PeerEvent, PeerEvents, PeerStats, Wanted};

use super::{Call, MediaConfig, Message, recording};

/// There is one remote stream per call.
const STREAM: StreamId = StreamId(1);

/// The codecs that a call asks for; empty: the phone's.
pub(super) fn codecs(options: &CallOptions) -> Result<Vec<Codec>, PhoneError> {
    let unknown = |error: engine::UnknownCodec| PhoneError::InvalidArgument { detail: error.to_string() };
    options.codecs.iter().map(|name| name.parse().map_err(unknown)).collect()
}

/// STUN and TURN servers as the engine has them.
fn ice_servers(wanted: &[IceServer]) -> Result<Vec<engine::IceServer>, PhoneError> {
    let mut servers = Vec::new();
    for server in wanted {
        let credential = server.credential.as_ref().map(|secret| secret.expose());
        for url in &server.urls {
            let read = engine::IceServer::parse(url, server.username.as_deref(), credential);
            servers.push(read.map_err(|error| PhoneError::InvalidArgument { detail: error.to_string() })?);
        }
    }
    Ok(servers)
}

/// What this host cannot do is refused before the call is made.
pub(super) fn check(options: &CallOptions, phone: &PhoneConfig, config: &MediaConfig) -> Result<(), PhoneError> {
    codecs(options)?;
    let CallOptions { ice_servers, ice_transport_policy, .. } = phone.complete(options.clone());
    check_servers(&ice_servers, ice_transport_policy)?;
    options.input_device.as_deref().map_or(Ok(()), |wanted| config.check_microphone(wanted))
}

/// Whether these servers can be asked, and the policy leaves any candidate.
pub(crate) fn check_servers(wanted: &[IceServer], policy: IceTransportPolicy) -> Result<(), PhoneError> {
    let servers = ice_servers(wanted)?;
    let turn = |server: &engine::IceServer| server.url().starts_with("turn");
    if policy == IceTransportPolicy::Relay && !servers.iter().any(turn) {
        let detail = "iceTransportPolicy relay needs a TURN server among the iceServers".to_owned();
        return Err(PhoneError::InvalidArgument { detail });
    }
    Ok(())
}

pub(super) fn carry_out(call: &Arc<Call>, config: &MediaConfig, command: MediaCommand) {
    if let MediaCommand::Open { options } = command {
        open(call, config, &options);
        return;
    }
    let Some(peer) = call.audio().peer() else {
        // It could not be opened: that was told, and the core is about to give up.
        return;
    };
    match command {
        MediaCommand::CreateOffer { request, direction, video, ice_restart } => {
            let wanted = Wanted { direction: to_engine(direction), video: video.map(to_engine), ice_restart };
            let made = peer.offer(wanted);
            describe(call, request, made, false);
        }
        MediaCommand::AcceptOffer { request, sdp, direction, video } => {
            let direction = to_engine(direction);
            let made = peer.answer(sdp, Wanted { direction, video: video.map(to_engine), ice_restart: false });
            describe(call, request, made, true);
        }
        MediaCommand::ConfirmEarly { .. } => peer.set_early(false),
        MediaCommand::AcceptAnswer { request, sdp, early } => {
            if early.is_some() {
                peer.set_early(true);
            }
            let applied = peer.accept_answer(sdp);
            if early.is_none() {
                peer.set_early(false);
            }
            let call = Arc::clone(call);
            tokio::spawn(async move {
                match applied.await {
                    Ok(()) => {
                        announce(&call);
                        tell(&call, MediaEvent::Applied { request });
                    }
                    Err(error) => tell(&call, failed(Some(request), &error)),
                }
            });
        }
        // The command is on its way when the method returns; its outcome is that of what follows.
        MediaCommand::Rollback => drop(peer.rollback()),
        MediaCommand::SetMuted(muted) => peer.set_muted(muted),
        MediaCommand::SetVolume(volume) => peer.set_volume(volume.factor() as f32),
        MediaCommand::SendDtmf { request, tones, duration_ms, gap_ms, in_band: true } => {
            dtmf(call, request, peer.send_dtmf_in_band(&tones, duration_ms, gap_ms));
        }
        MediaCommand::SendDtmf { request, tones, duration_ms, gap_ms, .. } => {
            dtmf(call, request, peer.send_dtmf(&tones, duration_ms, gap_ms));
        }
        MediaCommand::StartRecording { request, path } => recording::start(call, request, &path),
        MediaCommand::PauseRecording(paused) => call.recorder().pause(paused),
        MediaCommand::SetConference(true) => peer.join(&config.mixer),
        MediaCommand::SetConference(false) => peer.leave(),
        MediaCommand::TakeStats { request } => {
            let (stats, call) = (peer.stats(), Arc::clone(call));
            tokio::spawn(async move {
                tell(
                    &call,
                    match stats.await {
                        Ok(stats) => MediaEvent::Stats { request, sample: Box::new(sample(&stats)) },
                        Err(error) => failed(Some(request), &error),
                    },
                );
            });
        }
        MediaCommand::Close => call.audio().close(),
        _ => {}
    }
}

fn open(call: &Arc<Call>, config: &MediaConfig, options: &CallOptions) {
    // Checked before the call was made.
    let wanted = codecs(options).unwrap_or_default();
    let codecs = if wanted.is_empty() { config.codecs.clone() } else { wanted };
    let policy = match options.ice_transport_policy {
        IceTransportPolicy::Relay => engine::TransportPolicy::Relay,
        _ => engine::TransportPolicy::All,
    };
    let mut peer = PeerConfig::new(call.id().as_str())
        .addresses(config.addresses.clone())
        .ice_servers(ice_servers(&options.ice_servers).unwrap_or_default())
        .transport_policy(policy)
        .dtx(config.dtx);
    if !codecs.is_empty() {
        peer = peer.codecs(codecs);
    }
    match Peer::spawn(peer) {
        Ok((peer, events)) => {
            call.audio().open(peer);
            #[cfg(feature = "devices")]
            call.plug_in(options.input_device.as_deref());
            tokio::spawn(follow(Arc::clone(call), events));
        }
        Err(error) => tell(call, failed(None, &error)),
    }
}

fn dtmf(
    call: &Arc<Call>,
    request: MediaRequest,
    sent: Result<impl Future<Output = Result<(), MediaError>> + Send + 'static, MediaError>,
) {
    match sent {
        Ok(sent) => {
            let call = Arc::clone(call);
            tokio::spawn(async move {
                tell(
                    &call,
                    match sent.await {
                        Ok(()) => MediaEvent::DtmfSent { request },
                        Err(error) => failed(Some(request), &error),
                    },
                );
            });
        }
        Err(error) => tell(call, failed(Some(request), &error)),
    }
}

fn describe(
    call: &Arc<Call>,
    request: MediaRequest,
    made: impl Future<Output = Result<String, MediaError>> + Send + 'static,
    has_remote: bool,
) {
    let call = Arc::clone(call);
    tokio::spawn(async move {
        match made.await {
            Ok(sdp) => {
                if has_remote {
                    announce(&call);
                }
                tell(&call, MediaEvent::LocalDescription { request, sdp });
            }
            Err(error) => tell(&call, failed(Some(request), &error)),
        }
    });
}

/// The first remote description brings the remote track, as in a browser.
fn announce(call: &Call) {
    if call.audio().announce_once() {
        tell(call, MediaEvent::RemoteTrack { stream: STREAM, kind: TrackKind::Audio });
    }
}

async fn follow(call: Arc<Call>, mut events: PeerEvents) {
    while let Some(event) = events.recv().await {
        match event {
            PeerEvent::IceState(state) => {
                if let Some(state) = ice_state(state) {
                    tell(&call, MediaEvent::IceState(state));
                }
            }
            PeerEvent::NetworkChanged => tell(&call, MediaEvent::NetworkChanged),
            PeerEvent::Dtmf { tone, duration_ms } => tell(&call, MediaEvent::DtmfReceived { tone, duration_ms }),
            PeerEvent::SourceEnded(id) => call.audio().source_ended(id),
            PeerEvent::RemoteVideo { .. } => {
                tell(&call, MediaEvent::RemoteTrack { stream: STREAM, kind: TrackKind::Video })
            }
            PeerEvent::KeyframeRequested => call.audio().keyframe_requested(),
            PeerEvent::Failed(error) => tell(&call, failed(None, &error)),
            // A far end that closes says so in signalling too, which knows why, or comes back with another description.
            _ => {}
        }
    }
}

pub(super) fn tell(call: &Call, event: MediaEvent) {
    // The phone's task may be gone.
    let _ = call.messages().send(Message::Media(call.id().clone(), event));
}

pub(super) fn failed(request: Option<MediaRequest>, error: &MediaError) -> MediaEvent {
    let error = match error {
        MediaError::Sdp(refusal) => CoreError::BadDescription(refusal.to_string()),
        other => CoreError::Other(other.to_string()),
    };
    MediaEvent::Failed { request, error }
}

fn to_engine(direction: Direction) -> engine::Direction {
    engine::Direction::new(direction.sends(), direction.receives())
}

fn ice_state(state: engine::IceState) -> Option<IceState> {
    match state {
        engine::IceState::Checking => Some(IceState::Checking),
        engine::IceState::Connected | engine::IceState::Completed => Some(IceState::Connected),
        engine::IceState::Disconnected => Some(IceState::Disconnected),
        engine::IceState::Failed => Some(IceState::Failed),
        _ => None,
    }
}

fn sample(stats: &PeerStats) -> StatsSample {
    let (inbound, outbound) = (&stats.inbound, &stats.outbound);
    let codec = inbound.codec.or(outbound.codec);
    StatsSample {
        remote_candidate: stats.candidate_pair.map(|pair| match pair.remote_kind {
            engine::CandidateKind::Host => CandidateKind::Host,
            engine::CandidateKind::Srflx => CandidateKind::Srflx,
            engine::CandidateKind::Prflx => CandidateKind::Prflx,
            engine::CandidateKind::Relay => CandidateKind::Relay,
        }),
        network_type: String::new(),
        rtt_ms: outbound.remote.and_then(|remote| remote.rtt_ms),
        total_samples_duration_s: inbound.total_samples_duration,
        audio_input_dbfs: outbound.codec.map(|_| outbound.level_dbfs),
        audio: MediaStats {
            codec: codec.map(|codec| codec.name().to_owned()).unwrap_or_default(),
            packets_received: inbound.packets_received,
            packets_lost: inbound.packets_lost,
            jitter_ms: (inbound.packets_received > 0).then_some(inbound.jitter_ms),
            packets_sent: outbound.packets_sent,
            remote_packets_lost: outbound.remote.map(|remote| remote.packets_lost),
            remote_jitter_ms: outbound.remote.map(|remote| remote.jitter_ms),
            remote_packets_received: outbound.remote.map(|remote| remote.packets_received),
            jitter_buffer_delay_ms: inbound.jitter_buffer_delay_ms,
            concealed_samples: inbound.concealed_samples,
            total_samples: inbound.total_samples,
        },
        video: stats.video.map(|video| MediaStats {
            codec: video.codec.map(|codec| codec.name().to_owned()).unwrap_or_default(),
            packets_received: video.packets_received,
            packets_lost: video.packets_lost,
            jitter_ms: (video.packets_received > 0).then_some(video.jitter_ms),
            packets_sent: video.packets_sent,
            ..MediaStats::default()
        }),
    }
}
