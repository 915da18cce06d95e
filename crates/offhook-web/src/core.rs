//! The phone, one method for each thing that happens.

use bytes::Bytes;
use offhook_core::media::{IceState, MediaError, MediaRequest, StreamId, TrackKind};
use offhook_core::{
    CallId, CallOptions, CloseReason, CommandId, Credentials, Devices, Driven, DtmfMode, Input, MediaEvent, Millis,
    Now, Output, Permission, Phone, PhoneError, RecordMethod, RecordStatus, SdpFilterId, StaticPatch, StatusPatch,
    TerminateType, TransportError, Volume,
};
use serde::Serialize;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::config::{Account, config};
use crate::json::json;
use crate::output::{Out, Refusal};
use crate::stats;

/// There is one remote stream per call.
const STREAM: StreamId = StreamId(1);

/// A phone. See the crate's page for what its methods answer.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Core {
    phone: Driven<Phone>,
}

/// What became of a command.
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum Told {
    Accepted(u64),
    Called(u64, String),
    Text(Option<String>),
    /// Call-ID, and whether it sends video.
    Kept(Vec<(String, bool)>),
    Refused(Refusal),
}

pub(crate) type Done = Result<Told, PhoneError>;

#[wasm_bindgen]
impl Core {
    /// A phone at `server`, not started. `record`: `info`, or the feature code that records at the server; without it the page
    /// does. `seed`: 32 secret random bytes. `utc_offset_min`: local time minus UTC.
    ///
    /// # Errors
    /// What is wrong with the server or user.
    #[wasm_bindgen(constructor)]
    #[allow(clippy::too_many_arguments, reason = "an object costs more bytes, and one caller there is")]
    pub fn new(
        server: String,
        user: String,
        domain: Option<String>,
        display_name: Option<String>,
        authorization_user: Option<String>,
        password: Option<String>,
        ha1: Option<String>,
        user_agent: Option<String>,
        attempts: Option<u32>,
        call_waiting: bool,
        dtmf_info: bool,
        record: Option<String>,
        rtp_timeout_s: Option<u32>,
        allow_transfer: bool,
        utc_offset_min: i32,
        seed: &[u8],
    ) -> Result<Core, String> {
        let account = Account { server, user, domain, display_name, authorization_user, password, ha1 };
        let mut config = config(account, seed)?;
        if let Some(user_agent) = user_agent {
            config.user_agent = user_agent;
        }
        config.reconnect.max_attempts = attempts;
        config.call_waiting = call_waiting;
        config.allow_transfer = allow_transfer;
        config.rtp_timeout_ms = rtp_timeout_s.map(|seconds| u64::from(seconds) * 1_000);
        if dtmf_info {
            config.dtmf = DtmfMode::Info;
        }
        if let Some(method) = record {
            config.record = if method == "info" { RecordMethod::Info } else { RecordMethod::FeatureCode(method) };
        }
        config.utc_offset_min = utc_offset_min;
        Ok(Self::of(Phone::new(config)))
    }

    // --- getters: JSON ---

    /// What the phone is doing.
    pub fn state(&self) -> String {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct State<'a> {
            is_registered: bool,
            is_max_call: bool,
            is_none_camera: bool,
            record_permissions: u8,
            video_plan: bool,
            #[serde(rename = "currentSessionID")]
            current: Option<&'a str>,
        }
        let phone = self.phone.view();
        json(&State {
            is_registered: phone.is_registered(),
            is_max_call: phone.is_max_call(),
            is_none_camera: phone.is_none_camera(),
            record_permissions: phone.record_permissions() as u8,
            video_plan: phone.video_plan(),
            current: phone.current_session_id().map(CallId::as_str),
        })
    }

    /// A call's status; `null` when it is over.
    pub fn status(&self, call_id: &str) -> String {
        json(&self.phone.view().session(&call_id.into()).map(offhook_core::Session::status))
    }

    /// A call's durations; `null` when it is over.
    pub fn timer(&self, mono: f64, call_id: &str) -> String {
        json(&self.phone.view().session(&call_id.into()).map(|session| session.timer(now(mono, 0.0))))
    }

    /// What is under a call; `null` when it is over.
    pub fn rtc(&self, call_id: &str) -> String {
        json(&self.phone.view().rtc_session(&call_id.into()))
    }

    // --- what happened ---

    /// Time passed.
    pub fn time(&mut self, mono: f64, wall: f64) -> String {
        self.input(mono, wall, Input::Timeout)
    }

    /// The WebSocket is open.
    pub fn connected(&mut self, mono: f64, wall: f64, secure: bool) -> String {
        self.input(mono, wall, Input::TransportConnected { secure })
    }

    /// A WebSocket message came.
    pub fn received(&mut self, mono: f64, wall: f64, data: String) -> String {
        self.input(mono, wall, Input::TransportReceived(Bytes::from(data)))
    }

    /// The WebSocket is closed. `how`: `local`, `remote`, `timeout` (in `ms`), `handshake` or nothing known.
    pub fn closed(&mut self, mono: f64, wall: f64, how: &str, code: Option<u16>, address: String, ms: f64) -> String {
        let detail = || "the browser does not tell why".to_owned();
        let reason = match how {
            "local" => CloseReason::Local,
            "remote" => CloseReason::Remote { code },
            "timeout" => TransportError::Timeout { address, after_ms: ms as u64 }.into(),
            "handshake" => {
                TransportError::Handshake { address, detail: "it chose no subprotocol sip".to_owned() }.into()
            }
            _ => TransportError::Unreachable { address, detail: detail() }.into(),
        };
        self.input(mono, wall, Input::TransportClosed { reason })
    }

    /// A peer connection tells something: `kind` with `request` and `text`, as far as they mean something to it.
    pub fn media(
        &mut self,
        mono: f64,
        wall: f64,
        call_id: &str,
        kind: &str,
        request: Option<f64>,
        text: String,
    ) -> String {
        let asked = request.map(|request| MediaRequest(request as u64));
        let request = asked.unwrap_or(MediaRequest(0));
        let ice = |state| MediaEvent::IceState(state);
        let failed = |error| MediaEvent::Failed { request: asked, error };
        let event = match kind {
            "description" => MediaEvent::LocalDescription { request, sdp: text },
            "applied" => MediaEvent::Applied { request },
            "audio" => MediaEvent::RemoteTrack { stream: STREAM, kind: TrackKind::Audio },
            "video" => MediaEvent::RemoteTrack { stream: STREAM, kind: TrackKind::Video },
            "candidate" => MediaEvent::Candidate { candidate: text },
            "dtmfSent" => MediaEvent::DtmfSent { request },
            "recordingStarted" => MediaEvent::RecordingStarted { request },
            "recordingFailed" => MediaEvent::RecordingFailed { error: MediaError::Other(text) },
            "checking" => ice(IceState::Checking),
            "connected" | "completed" => ice(IceState::Connected),
            "disconnected" => ice(IceState::Disconnected),
            "failed" => ice(IceState::Failed),
            "denied" => failed(MediaError::PermissionDenied),
            "noDevice" => failed(MediaError::NoDevice),
            "device" => failed(MediaError::Device(text)),
            "sdp" => failed(MediaError::BadDescription(text)),
            _ => failed(MediaError::Other(text)),
        };
        self.input(mono, wall, Input::Media { call_id: call_id.into(), event })
    }

    /// Statistics of a peer connection, as `stats.rs` reads them.
    #[allow(clippy::too_many_arguments, reason = "an object costs more bytes, and one caller there is")]
    pub fn stats(
        &mut self,
        mono: f64,
        wall: f64,
        call_id: &str,
        request: f64,
        candidate: &str,
        network: String,
        audio_codec: String,
        video_codec: String,
        numbers: &[f64],
    ) -> String {
        let sample = Box::new(stats::sample(candidate, network, [audio_codec, video_codec], numbers));
        let event = MediaEvent::Stats { request: MediaRequest(request as u64), sample };
        self.input(mono, wall, Input::Media { call_id: call_id.into(), event })
    }

    /// The description that was asked to be filtered.
    pub fn filtered(&mut self, mono: f64, wall: f64, call_id: &str, filter: f64, sdp: String) -> String {
        self.turn(mono, wall, |phone, now| {
            phone.sdp_filtered(now, &call_id.into(), SdpFilterId(filter as u64), sdp);
            Ok(Told::Accepted(0))
        })
    }

    /// The devices there are; `microphones` below 0: the list cannot be read.
    pub fn devices(&mut self, microphones: i32, cameras: i32, denied: bool) {
        let inputs = usize::try_from(microphones).ok().zip(usize::try_from(cameras).ok());
        let permission = if denied { Permission::Denied } else { Permission::Granted };
        self.phone.turn(|phone| phone.set_devices(Devices { inputs, permission }), |_| ());
    }

    // --- a page that goes, and the next one ---

    /// Gives the confirmed calls up and ends the others. The text for [`resume`](Self::resume) of the next page, or `null`.
    pub fn suspend(&mut self, mono: f64, wall: f64) -> String {
        self.turn(mono, wall, |phone, now| Ok(Told::Text(phone.suspend(now))))
    }

    /// The calls in such a text that can still be resumed: `[[callId, whether it sends video], …]`.
    pub fn resumable(&mut self, mono: f64, wall: f64, text: &str) -> String {
        self.turn(mono, wall, |_, now| {
            let calls = Phone::resumable(now, text).into_iter();
            Ok(Told::Kept(calls.map(|call| (call.call_id.to_string(), call.video)).collect()))
        })
    }

    /// Goes on with the calls in it, or ends them. Before the phone is started.
    pub fn resume(&mut self, mono: f64, wall: f64, text: &str, end: bool) -> String {
        self.turn(mono, wall, |phone, now| {
            phone.resume(now, text, end);
            Ok(Told::Accepted(0))
        })
    }

    // --- commands ---

    /// Calls, for the transfer of `parent` if there is one; `dry`: only tells whether it would be refused.
    #[allow(clippy::too_many_arguments, reason = "an object costs more bytes, and one caller there is")]
    pub fn call(
        &mut self,
        mono: f64,
        wall: f64,
        dry: bool,
        number: &str,
        parent: Option<String>,
        video: bool,
        receive_video: bool,
        headers: Vec<String>,
    ) -> String {
        let options = options(video, receive_video, headers);
        let parent = parent.map(CallId::new);
        self.turn(mono, wall, |phone, now| {
            if dry {
                return phone.may_call(now, number, &options, parent.as_ref()).map(|()| Told::Accepted(0));
            }
            let (command, call_id) = match parent {
                Some(parent) => phone.consult(now, &parent, number, options),
                None => phone.call(now, number, options),
            }?;
            Ok(Told::Called(command.0, call_id.to_string()))
        })
    }

    /// Answers; `dry`: only tells whether it would be refused.
    #[allow(clippy::too_many_arguments, reason = "an object costs more bytes, and one caller there is")]
    pub fn answer(
        &mut self,
        mono: f64,
        wall: f64,
        dry: bool,
        call_id: &str,
        video: bool,
        receive_video: bool,
        headers: Vec<String>,
    ) -> String {
        let options = options(video, receive_video, headers);
        let id = call_id.into();
        self.turn(mono, wall, |phone, now| {
            if dry {
                return phone.may_answer(&id, &options).map(|()| Told::Accepted(0));
            }
            phone.answer(now, &id, options).map(Told::from)
        })
    }

    /// Changes the status, at once. `manual`: from now on only the program changes who the far end is shown as; the last three
    /// are not given then.
    #[allow(clippy::too_many_arguments, reason = "an object costs more bytes, and one caller there is")]
    pub fn patch(
        &mut self,
        mono: f64,
        wall: f64,
        call_id: &str,
        name: Option<String>,
        avatar: Option<String>,
        company: Option<String>,
        manual: Option<bool>,
        number: Option<String>,
        record_status: Option<String>,
        is_conference: Option<bool>,
    ) -> String {
        let id = CallId::from(call_id);
        if manual.is_some() {
            let patch = StaticPatch { name, avatar, company };
            return self.turn(mono, wall, |phone, now| done(phone.set_static_status(now, &id, patch, manual)));
        }
        let record_status = record_status.as_deref().and_then(|status| match status {
            "stop" => Some(RecordStatus::Stop),
            "recording" => Some(RecordStatus::Recording),
            "pause" => Some(RecordStatus::Pause),
            _ => None,
        });
        let patch = StatusPatch { name, avatar, company, number, record_status, is_conference };
        self.turn(mono, wall, |phone, now| done(phone.set_status(now, &id, patch)))
    }

    /// Every other command: `verb` of the call `id` (or of the phone), with one or two arguments where it has any.
    pub fn act(&mut self, mono: f64, wall: f64, verb: &str, id: &str, argument: &str, more: &str) -> String {
        let id = CallId::from(id);
        self.turn(mono, wall, |phone, now| match verb {
            "start" => accepted(phone.start(now)),
            "disconnect" => accepted(Ok(phone.disconnect(now))),
            "logout" => accepted(Ok(phone.logout(now))),
            "reRegister" => {
                let given = (!more.is_empty()).then(|| Credentials::ha1(argument, None, more));
                accepted(phone.reregister(now, given))
            }
            "reject" => accepted(phone.reject(now, &id)),
            "hangup" => accepted(phone.hangup(now, &id)),
            "terminate" => {
                let kind = match argument {
                    "hangup" => TerminateType::Hangup,
                    "reject" => TerminateType::Reject,
                    _ => TerminateType::Terminate,
                };
                accepted(phone.terminate(now, &id, kind))
            }
            "hold" => accepted(phone.hold(now, &id)),
            "unhold" => accepted(phone.unhold(now, &id)),
            "mute" => accepted(phone.mute(now, &id)),
            "unmute" => accepted(phone.unmute(now, &id)),
            "dtmf" => accepted(phone.dtmf(now, &id, argument)),
            "blindTransfer" => accepted(phone.blind_transfer(now, &id, argument)),
            "attendedTransfer" => accepted(phone.attended_transfer(now, &id)),
            "renegotiate" => accepted(phone.renegotiate(now, &id, flag(argument))),
            "conference" => {
                // Call-IDs are words.
                let calls: Vec<CallId> = argument.split_whitespace().map(CallId::from).collect();
                accepted(phone.conference(now, &calls))
            }
            "restartIce" => accepted(phone.restart_ice(now, &id)),
            "audioToVideo" => accepted(phone.audio_to_video(now, &id)),
            "shareScreen" => accepted(phone.share_screen(now, &id)),
            "videoToAudio" => accepted(phone.video_to_audio(now, &id)),
            "startRecord" => accepted(phone.start_record(now, &id)),
            "pauseRecord" => accepted(phone.pause_record(now, &id)),
            "sendInfo" => accepted(phone.send_info(now, &id, argument, more)),
            "sendMessage" => accepted(phone.send_message(now, &id, argument, more)),
            "setVolume" => {
                // In thousandths: reading fractions would cost some kilobytes.
                let volume = argument.parse().ok().and_then(|n: u16| Volume::new(f64::from(n) / 1_000.0));
                let wrong = || PhoneError::InvalidArgument { detail: "a volume is 0 to 1".to_owned() };
                accepted(volume.ok_or_else(wrong).and_then(|volume| phone.set_volume(now, &id, volume)))
            }
            "destroy" => accepted(phone.destroy_session(now, &id)),
            "stopTimer" => done(phone.stop_timer(now, &id)),
            "setCurrentSession" => done(phone.set_current_session((!id.as_str().is_empty()).then_some(&id))),
            "askForVideo" => done(phone.ask_for_video(now, &id, flag(argument) == Some(true))),
            "agreeVideo" => done(phone.agree_video(now, &id, flag(argument) == Some(true))),
            _ => Err(PhoneError::Unsupported { what: "no such command" }),
        })
    }
}

impl Core {
    pub(crate) fn of(phone: Phone) -> Self {
        Self { phone: Driven::new(phone) }
    }

    pub(crate) fn view(&self) -> &Phone {
        self.phone.view()
    }

    pub(crate) fn input(&mut self, mono: f64, wall: f64, input: Input) -> String {
        self.turn(mono, wall, |phone, now| {
            phone.handle_input(now, input);
            Ok(Told::Accepted(0))
        })
    }

    pub(crate) fn turn(&mut self, mono: f64, wall: f64, act: impl FnOnce(&mut Phone, Now) -> Done) -> String {
        let mut outputs = Vec::new();
        let result = self.phone.turn(|phone| act(phone, now(mono, wall)), sink(&mut outputs));
        answer(result, &outputs)
    }
}

/// One type, whatever is done to the phone.
fn sink(outputs: &mut Vec<Out>) -> impl FnMut(Output) {
    |output| outputs.push(Out::from(output))
}

/// Apart from what is done, so that it is there once.
#[inline(never)]
fn answer(result: Done, outputs: &[Out]) -> String {
    json(&(result.unwrap_or_else(|error| Told::Refused(error.into())), outputs))
}

impl From<CommandId> for Told {
    fn from(command: CommandId) -> Self {
        Self::Accepted(command.0)
    }
}

fn accepted(result: Result<CommandId, PhoneError>) -> Done {
    result.map(Told::from)
}

fn done(result: Result<(), PhoneError>) -> Done {
    result.map(|()| Told::Accepted(0))
}

fn options(video: bool, receive_video: bool, extra_headers: Vec<String>) -> CallOptions {
    CallOptions { video, offer_to_receive_video: receive_video, extra_headers, ..CallOptions::default() }
}

fn flag(text: &str) -> Option<bool> {
    text.parse().ok()
}

/// Saturates: a page's clock is neither negative nor beyond.
pub(crate) fn now(mono: f64, wall: f64) -> Now {
    Now { mono: mono as Millis, wall: wall as u64 }
}
