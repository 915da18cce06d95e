//! A calling SDK: register with a PBX over SIP on a WebSocket, make calls and take them, and send and hear their audio.
//!
//! # Concepts
//!
//! A [`Phone`] is one registration with one server, and the calls on it. It is a cheap handle: clone it freely. It keeps
//! itself connected and registered; dropping the last clone hangs up, unregisters and closes.
//!
//! A [`Session`] is one call, out or in. It is a cheap handle too, and dropping it does nothing to the call. What the call
//! is doing is a snapshot ([`Session::status`]), what happens to it comes as events ([`Session::events`], a
//! `Stream`; [`Session::on`], a callback).
//!
//! A **command** ([`Session::hold`], [`Session::hangup`] …) is on its way when the method returns. The future that it
//! returns waits for the outcome, which is the far end's (the re-INVITE was answered, the call is over) and not a
//! promise; dropping the future takes nothing back. Every command has an outcome: there is a deadline behind
//! each.
//!
//! **Audio** is mono PCM of 16 bits. [`Session::play`] sends a tone, a WAV file or your own source;
//! [`Session::audio_input`] and [`Session::audio_output`] are queues of samples at a rate of your choice, for bots
//! and voice agents; [`Session::start_record`] records the call. [`Phone::conference`] mixes calls.
//!
//! **Devices**: with the feature `devices`, `PhoneBuilder::devices` has calls use the microphone and the loudspeakers, and
//! plays the tones that belong to a telephone. On Linux the feature needs the headers of ALSA (`libasound2-dev`).
//!
//! **Video** is passed through as encoded pictures (VP8, H.264): [`CallOptions::video`] calls or answers with it,
//! [`Session::audio_to_video`] adds it, [`Session::agree_change_video`] says who decides when the far end adds it, and
//! [`Session::video_input`] and [`Session::video_output`] are its two ends. There is no camera, screen or encoder here.
//!
//! Media is encrypted always (DTLS-SRTP), and a server's certificate is verified always: for one of your own, give its
//! CA or pin it. There is no switch to turn this off.
//!
//! # Quick start
//!
//! ```no_run
//! use futures_util::StreamExt;
//! use offhook::{AudioSource, CallOptions, Phone, ToneSpec};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let phone = Phone::builder()
//!     .server("wss://pbx.example.com:8089/ws")
//!     .user("1000")
//!     .password("secret")
//!     .connect()
//!     .await?;
//!
//! let call = phone.call("1001", CallOptions::default()).await?;
//! let mut events = call.events();
//! call.confirmed().await?;
//! call.play(AudioSource::Tone(ToneSpec::new(440.0)));
//! while let Some(event) = events.next().await {
//!     println!("{}", event.name());
//! }
//! println!("over: {}", call.ended().await.cause);
//! phone.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! Taking calls:
//!
//! ```no_run
//! # use futures_util::StreamExt;
//! # use offhook::{AudioSource, CallOptions, Phone};
//! # async fn example(phone: Phone) {
//! let mut incoming = phone.incoming();
//! while let Some(call) = incoming.next().await {
//!     call.play(AudioSource::Echo);
//!     if let Err(error) = call.answer(CallOptions::default()).await {
//!         eprintln!("{error}");
//!     }
//! }
//! # }
//! ```
//!
//! # P-Series PBXs
//!
//! [`init`], or [`Init`] with more choices, logs in with a user name and a login signature, which a program's backend gets
//! from the PBX, and makes two handles: an ordinary [`Phone`] that is set up and not started, and a [`PbxOperator`] with the list of
//! calls ([`PbxOperator::cdr_query`]) and what happens on the PBX's side ([`PbxOperator::events`]). What the administrator
//! changes there (recording permissions, call waiting, passwords …) reaches the phone by itself.
//!
//! ```no_run
//! use futures_util::StreamExt;
//! use offhook::{CdrQuery, Init, Operator, PbxEvent};
//!
//! # async fn example(signature: String) -> Result<(), Box<dyn std::error::Error>> {
//! let Operator { phone, pbx } = Init::new("https://pbx.example.com", "ann@example.com", signature).connect().await?;
//! let mut events = pbx.events();
//! phone.connect().await?;
//! println!("{:#?}", pbx.cdr_query(CdrQuery::new(1, 20)).await?);
//! while let Some(event) = events.next().await {
//!     if let PbxEvent::RuntimeError { code, message } = event {
//!         // Logged in elsewhere, extension deleted …: calls and registration end now, by themselves.
//!         eprintln!("{code}: {message}");
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Errors are [`PbxError`]s, each with the number that P-Series programs know ([`PbxError::code`]).
//!
//! # Runtime
//!
//! Everything runs on tokio, with its time and net drivers on. A phone is one task, a call's media another.

#![forbid(unsafe_code)]

mod actor;
mod builder;
mod by_id;
mod command;
#[cfg(feature = "devices")]
pub mod devices;
mod filter;
mod host;
mod http;
mod hub;
mod in_call;
mod init;
mod operator;
mod phone;
mod probe;
mod session;
mod transport;
mod video;

pub use builder::PhoneBuilder;
pub use command::Pending;
pub use filter::SdpStep;
pub use hub::{EventStream, Subscription};
pub use init::{Init, InitParams, init};
pub use operator::{Operator, PbxOperator};
pub use phone::Phone;
pub use probe::{Certificate, IceProbeError, Probe, probe_ice_server};
pub use session::{CallEnd, Playback, Session};
pub use video::{VideoInput, VideoOutput, VideoRequest};

pub use offhook_core::events;
pub use offhook_core::media::StreamId;
pub use offhook_core::pbx::{
    CdrChange, CdrExtension, CdrOrder, CdrPage, CdrQuery, CdrRow, CdrSort, CdrStatus, ClientKind, Fault, HttpFailure,
    PbxError, PbxEvent,
};
pub use offhook_core::{
    CallId, CallOptions, CallState, CallStatus, CandidateKind, Cause, CommunicationType, Devices, DtmfMode, IceServer,
    IceTransportPolicy, KeepAlive, MediaStats, Permission, PhoneConfig, PhoneError, PhoneEvent, ReconnectPolicy,
    RecordMethod, RecordPermissions, RecordStatus, Report, ReportStats, RtcSession, Secret, Seed, SessionEvent,
    SessionTimer, SignalingState, StaticCallStatus, StaticPatch, StatusPatch, TerminateType, TimerType, TransportError,
};
pub use offhook_media::CandidateKind as PairCandidateKind;
pub use offhook_media::{
    Addresses, AudioSink, AudioSource, AudioSourceFn, CandidatePair, Codec, DtlsState, IceState, InboundStats,
    MediaError, OutboundStats, PcmInput, PcmOutput, PeerStats, Recording, RecordingSummary, RemoteReport, SourceState,
    Tap, TapFrame, TapId, ToneSpec, TurnError, VideoCodec, VideoFrame, VideoSink, VideoStats, WavSink, WavSource,
};
