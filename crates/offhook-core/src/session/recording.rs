//! Recording a call: `startRecord`, `pauseRecord`, and what the server or the recorder says of it.
//!
//! Commands of one call are carried out one after the other, so that a feature code, which only ever changes to the
//! other state, is never sent twice for one wish.
//!
//! | method | is sent | the status changes | the command is settled |
//! | --- | --- | --- | --- |
//! | feature code | DTMF | with the server's `Record` INFO, or the PBX's notification | with that |
//! | the same in a conference | DTMF | at once | after the last tone |
//! | INFO | INFO | with its 2xx | with that |
//! | local, first start | `StartRecording` | when the file is open | with that |
//! | local, pause and resume | `PauseRecording` | at once | at once |

use std::collections::VecDeque;
use std::path::PathBuf;

use offhook_sip::message::{HeadersExt, Request};
use offhook_sip::{HeaderField, Millis, RequestId};

use super::{Ctx, Session};
use crate::config::CallOptions;
use crate::error::PhoneError;
use crate::events::SessionEvent;
use crate::io::CommandId;
use crate::media::{MediaCommand, MediaError, MediaRequest};
use crate::recording::{RecordMethod, RecordPermissions, file_in, numbered};
use crate::status::RecordStatus;
use crate::tones;

/// For the server's word after the feature code, and for the recorder to open its file.
const ANSWER_MS: Millis = 10_000;
/// Commands that may wait at once.
const MAX_WAITING: usize = 16;
/// The last tone with the gap behind it: the server knows it when it has begun.
const LAST_TONE_MS: Millis = 200;

/// What is known of a call's recording.
#[derive(Debug, Default)]
pub(super) struct Recording {
    /// The file that the call's options name: it is recorded locally, from the answer on.
    record_to: Option<PathBuf>,
    /// The local file that is written.
    file: Option<PathBuf>,
    /// How many files there were.
    files: u32,
    jobs: VecDeque<Job>,
}

#[derive(Debug)]
struct Job {
    /// None: the call's options want it.
    command: Option<CommandId>,
    on: bool,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Waiting,
    /// The feature code is sent, under this command; `before`: the status to go back to if it cannot be.
    Sending {
        code: CommandId,
        before: RecordStatus,
        /// When the server can have heard the code at the earliest: what it said before was about something else.
        heard: Millis,
    },
    /// The server is to say what it does.
    Expecting {
        until: Millis,
    },
    /// The INFO is to be answered.
    Asked(RequestId),
    /// The recorder is to open the file.
    Opening {
        request: MediaRequest,
        until: Millis,
    },
}

impl Recording {
    pub(super) fn take_commands(&mut self) -> Vec<CommandId> {
        std::mem::take(&mut self.jobs).into_iter().filter_map(|job| job.command).collect()
    }

    pub(super) fn timeout(&self) -> Option<Millis> {
        match self.jobs.front()?.stage {
            Stage::Expecting { until } | Stage::Opening { until, .. } => Some(until),
            _ => None,
        }
    }
}

impl Session {
    /// The local file that is, or was last, written.
    #[must_use]
    pub fn recording_path(&self) -> Option<&std::path::Path> {
        self.recording.file.as_deref()
    }

    /// Records, or pauses; settled as the table above says.
    pub(crate) fn record(&mut self, ctx: &mut Ctx<'_>, command: CommandId, on: bool) -> Result<(), PhoneError> {
        // What it will be when everything asked for is done.
        let status = match self.recording.jobs.back() {
            Some(job) if job.on => RecordStatus::Recording,
            Some(_) => RecordStatus::Pause,
            None => self.status.record_status,
        };
        let name = if on { "startRecord" } else { "pauseRecord" };
        let allowed = match ctx.config.record_permissions {
            RecordPermissions::None => false,
            RecordPermissions::PauseResume => !on || status != RecordStatus::Stop,
            RecordPermissions::All => true,
        };
        if !allowed {
            return Err(PhoneError::NotPermitted { command: name });
        }
        if !on && status == RecordStatus::Stop {
            return Err(PhoneError::WrongState { command: name, state: "the call is not recorded" });
        }
        if self.recording.jobs.len() >= MAX_WAITING {
            return Err(PhoneError::WrongState { command: name, state: "much of the same is waiting" });
        }
        self.recording.jobs.push_back(Job { command: Some(command), on, stage: Stage::Waiting });
        self.next_record(ctx);
        Ok(())
    }

    /// Notes what the call's options say of recording.
    pub(super) fn plan_recording(&mut self, options: &CallOptions) {
        self.recording.record_to.clone_from(&options.record_to);
    }

    /// The call is answered: begins what its options want.
    pub(super) fn record_as_planned(&mut self, ctx: &mut Ctx<'_>) {
        if self.recording.record_to.is_some() {
            self.recording.jobs.push_back(Job { command: None, on: true, stage: Stage::Waiting });
            self.next_record(ctx);
        }
    }

    // --- what comes of it ---

    pub(crate) fn sends_feature_code(&self, command: CommandId) -> bool {
        let sends = |job: &Job| matches!(job.stage, Stage::Sending { code, .. } if code == command);
        self.recording.jobs.front().is_some_and(sends)
    }

    /// The tones of a feature code are sent, or cannot be.
    pub(crate) fn on_feature_code_sent(&mut self, ctx: &mut Ctx<'_>, result: &Result<(), PhoneError>) {
        let Some(job) = self.recording.jobs.front_mut() else { return };
        let Stage::Sending { before, .. } = job.stage else { return };
        if let Err(error) = result {
            if self.status.is_conference {
                self.change(ctx.out, |s| s.record_status = before);
            }
            self.recorded(ctx, Err(error.clone()));
        } else if job.on == (self.status.record_status == RecordStatus::Recording) {
            // The server was faster than the last gap, or nobody says anything.
            self.recorded(ctx, Ok(()));
        } else {
            job.stage = Stage::Expecting { until: ctx.now.mono + ANSWER_MS };
        }
    }

    /// The server says, in the call, whether it records. The opposite of what was asked for is a refusal.
    pub(crate) fn on_record_notice(&mut self, ctx: &mut Ctx<'_>, on: bool) {
        if matches!(self.record_method(ctx), RecordMethod::Local { .. }) {
            return;
        }
        self.set_recorded(ctx, on);
        let Some(job) = self.recording.jobs.front() else { return };
        match job.stage {
            Stage::Expecting { .. } if job.on == on => self.recorded(ctx, Ok(())),
            Stage::Expecting { .. } => self.refused(ctx),
            Stage::Sending { heard, .. } if job.on != on && heard <= ctx.now.mono => self.refused(ctx),
            _ => {}
        }
    }

    /// The server says, beside the call, what its recording is doing. It says so for other reasons too: no refusal is
    /// read out of it.
    pub(crate) fn on_record_status(&mut self, ctx: &mut Ctx<'_>, record: RecordStatus) {
        if matches!(self.record_method(ctx), RecordMethod::Local { .. }) {
            return;
        }
        self.change(ctx.out, |status| status.record_status = record);
        let on = record == RecordStatus::Recording;
        let told = |job: &Job| job.on == on && matches!(job.stage, Stage::Expecting { .. });
        if self.recording.jobs.front().is_some_and(told) {
            self.recorded(ctx, Ok(()));
        }
    }

    fn refused(&mut self, ctx: &mut Ctx<'_>) {
        let reason = "the server does not change the recording".to_owned();
        self.recorded(ctx, Err(PhoneError::Refused { status: 403, reason }));
    }

    /// Takes a `Record` header of an INFO.
    pub(super) fn record_header(&mut self, ctx: &mut Ctx<'_>, request: &Request) {
        let Some(value) = request.headers.text("Record") else { return };
        match value.trim().to_ascii_lowercase().as_str() {
            "on" => self.on_record_notice(ctx, true),
            "off" => self.on_record_notice(ctx, false),
            _ => {}
        }
    }

    /// Our INFO is answered; `true` if it was one.
    pub(super) fn on_record_answer(
        &mut self,
        ctx: &mut Ctx<'_>,
        request: RequestId,
        result: &Result<(), PhoneError>,
    ) -> bool {
        let Some(job) = self.recording.jobs.front().filter(|job| job.stage == Stage::Asked(request)) else {
            return false;
        };
        let on = job.on;
        if result.is_ok() {
            self.set_recorded(ctx, on);
        }
        self.recorded(ctx, result.clone());
        true
    }

    /// The recorder has opened its file.
    pub(super) fn on_recording_started(&mut self, ctx: &mut Ctx<'_>, request: MediaRequest) {
        if self.is_opening(request) {
            self.set_recorded(ctx, true);
            self.recorded(ctx, Ok(()));
        }
    }

    /// The recorder could not open its file; `true` if that is what failed.
    pub(super) fn on_recording_refused(
        &mut self,
        ctx: &mut Ctx<'_>,
        request: MediaRequest,
        error: &MediaError,
    ) -> bool {
        let opening = self.is_opening(request);
        if opening {
            self.cannot_record(ctx, error.to_string());
        }
        opening
    }

    /// The recorder gave up in the middle: the disk is full, the file system gone.
    pub(super) fn on_recording_failed(&mut self, ctx: &mut Ctx<'_>, error: &MediaError) {
        if self.recording.file.take().is_none() {
            return;
        }
        self.change(ctx.out, |s| s.record_status = RecordStatus::Stop);
        self.warn_of_recording(ctx, error.to_string());
    }

    /// What became overdue.
    pub(super) fn record_on_time(&mut self, ctx: &mut Ctx<'_>) {
        if self.recording.timeout().is_some_and(|at| at <= ctx.now.mono) {
            match self.recording.jobs.front().map(|job| job.stage) {
                Some(Stage::Opening { .. }) => self.cannot_record(ctx, "the recorder does not answer".to_owned()),
                _ => self.recorded(ctx, Err(PhoneError::Timeout)),
            }
        }
    }

    // --- inside ---

    /// How this call is recorded.
    fn record_method(&self, ctx: &Ctx<'_>) -> RecordMethod {
        match self.recording.record_to {
            Some(_) => RecordMethod::default(),
            None => ctx.config.record.clone(),
        }
    }

    fn is_opening(&self, request: MediaRequest) -> bool {
        let opening = |job: &Job| matches!(job.stage, Stage::Opening { request: r, .. } if r == request);
        self.recording.jobs.front().is_some_and(opening)
    }

    fn set_recorded(&mut self, ctx: &mut Ctx<'_>, on: bool) {
        self.change(ctx.out, |s| {
            s.record_status = match (on, s.record_status) {
                (true, _) => RecordStatus::Recording,
                (false, RecordStatus::Recording) => RecordStatus::Pause,
                (false, other) => other,
            }
        });
    }

    /// The job in front is over; goes on with the next.
    fn recorded(&mut self, ctx: &mut Ctx<'_>, result: Result<(), PhoneError>) {
        if let Some(command) = self.recording.jobs.pop_front().and_then(|job| job.command) {
            ctx.out.settle(command, result);
        }
        self.next_record(ctx);
    }

    /// The file in front cannot be opened. The call goes on.
    fn cannot_record(&mut self, ctx: &mut Ctx<'_>, detail: String) {
        // It is the name of the next attempt.
        self.recording.files = self.recording.files.saturating_sub(1);
        let path = self.recording.file.take().unwrap_or_default().display().to_string();
        if self.recording.jobs.front().is_some_and(|job| job.command.is_none()) {
            self.warn_of_recording(ctx, detail.clone());
        }
        self.recorded(ctx, Err(PhoneError::Recording { path, detail }));
    }

    fn warn_of_recording(&mut self, ctx: &mut Ctx<'_>, message: String) {
        let call_id = self.call_id.clone();
        ctx.out.session(SessionEvent::WarningMessage { call_id, code: "recording-failed", message });
    }

    /// Begins the job in front, if it is not under way.
    fn next_record(&mut self, ctx: &mut Ctx<'_>) {
        let Some(job) = self.recording.jobs.front().filter(|job| job.stage == Stage::Waiting) else { return };
        let on = job.on;
        let recording = self.status.record_status == RecordStatus::Recording;
        if on == recording {
            self.recorded(ctx, Ok(()));
            return;
        }
        let begun = match self.record_method(ctx) {
            RecordMethod::FeatureCode(code) => self.send_feature_code(ctx, &code, on),
            RecordMethod::Info => self.ask_to_record(ctx, on),
            RecordMethod::Local { directory } => Ok(self.record_locally(ctx, directory, on)),
        };
        match begun {
            Ok(Some(stage)) => {
                if let Some(job) = self.recording.jobs.front_mut() {
                    job.stage = stage;
                }
            }
            Ok(None) => {
                self.set_recorded(ctx, on);
                self.recorded(ctx, Ok(()));
            }
            Err(error) => self.recorded(ctx, Err(error)),
        }
    }

    fn send_feature_code(&mut self, ctx: &mut Ctx<'_>, code: &str, on: bool) -> Result<Option<Stage>, PhoneError> {
        let tones = tones::parse(code)?;
        let code = ctx.out.own_command();
        let heard = ctx.now.mono + tones::duration_ms(&tones).saturating_sub(LAST_TONE_MS);
        self.send_dtmf(ctx, code, tones)?;
        let before = self.status.record_status;
        if self.status.is_conference {
            self.set_recorded(ctx, on);
        }
        Ok(Some(Stage::Sending { code, before, heard }))
    }

    fn ask_to_record(&mut self, ctx: &mut Ctx<'_>, on: bool) -> Result<Option<Stage>, PhoneError> {
        let Some(key) = self.key else { return Err(PhoneError::UnknownCall) };
        let header = HeaderField::new("Record", if on { "on" } else { "off" });
        let headers = header.into_iter().collect();
        let request = ctx.sip.run(|agent| agent.request(ctx.now.mono, key, "INFO", headers, None))?;
        Ok(Some(Stage::Asked(request)))
    }

    /// `None`: it is done.
    fn record_locally(&mut self, ctx: &mut Ctx<'_>, directory: PathBuf, on: bool) -> Option<Stage> {
        if self.recording.file.is_some() {
            ctx.out.media(&self.call_id, MediaCommand::PauseRecording(!on));
            return None;
        }
        if !on {
            return None;
        }
        self.recording.files += 1;
        let first = self
            .recording
            .record_to
            .clone()
            .unwrap_or_else(|| file_in(&directory, self.started_wall, &self.status.number, &self.call_id));
        let path = numbered(&first, self.recording.files);
        self.recording.file = Some(path.clone());
        let request = ctx.request();
        ctx.out.media(&self.call_id, MediaCommand::StartRecording { request, path });
        Some(Stage::Opening { request, until: ctx.now.mono + ANSWER_MS })
    }
}
