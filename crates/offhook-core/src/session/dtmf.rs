//! Sending DTMF, and INFO in the call.

use std::collections::VecDeque;

use offhook_sip::message::{HeadersExt, Request};
use offhook_sip::{Millis, RequestId, RequestOutcome};

use super::{Ctx, Session};
use crate::config::DtmfMode;
use crate::error::PhoneError;
use crate::events::{SessionEvent, Side};
use crate::io::CommandId;
use crate::media::{MediaCommand, MediaRequest};
use crate::tones::{self, COMMA_MS, GAP_MS, TONE_MS};

/// The peer connection may be this much later than the tones last.
const GRACE_MS: Millis = 10_000;
/// Commands that may wait at once.
const MAX_WAITING: usize = 16;

/// The DTMF that is being sent.
#[derive(Debug, Default)]
pub(super) struct Dtmf {
    /// At the peer connection.
    media: Vec<(MediaRequest, CommandId, Millis)>,
    /// To be sent as INFO, one at a time.
    infos: VecDeque<InfoJob>,
    /// The INFO that waits for its answer.
    asked: Option<RequestId>,
    /// The next one not before.
    next: Millis,
}

#[derive(Debug)]
struct InfoJob {
    command: CommandId,
    tones: VecDeque<char>,
}

impl Dtmf {
    pub(super) fn sent(&mut self, ctx: &mut Ctx<'_>, request: MediaRequest, result: Result<(), PhoneError>) {
        if let Some(at) = self.media.iter().position(|(r, _, _)| *r == request) {
            let (_, command, _) = self.media.remove(at);
            ctx.out.settle(command, result);
        }
    }

    pub(super) fn take_commands(&mut self) -> Vec<CommandId> {
        let infos = std::mem::take(&mut self.infos);
        std::mem::take(&mut self.media)
            .into_iter()
            .map(|(_, c, _)| c)
            .chain(infos.into_iter().map(|j| j.command))
            .collect()
    }

    pub(super) fn timeout(&self) -> Option<Millis> {
        let infos = (self.asked.is_none() && !self.infos.is_empty()).then_some(self.next);
        self.media.iter().map(|(_, _, until)| *until).chain(infos).min()
    }
}

impl Session {
    /// Sends checked tones; settled after the last one.
    pub(crate) fn send_dtmf(&mut self, ctx: &mut Ctx<'_>, command: CommandId, tones: String) -> Result<(), PhoneError> {
        if self.dtmf.media.len() + self.dtmf.infos.len() >= MAX_WAITING {
            return Err(PhoneError::WrongState { command: "dtmf", state: "much DTMF is waiting to be sent" });
        }
        if ctx.config.dtmf == DtmfMode::Info {
            self.dtmf.infos.push_back(InfoJob { command, tones: tones.chars().collect() });
            self.dtmf_on_time(ctx);
            return Ok(());
        }
        let request = ctx.request();
        // Tones of one call queue up behind each other.
        let behind = self.dtmf.media.iter().map(|(_, _, until)| *until).max().unwrap_or(ctx.now.mono + GRACE_MS);
        self.dtmf.media.push((request, command, behind + tones::duration_ms(&tones)));
        let in_band = ctx.config.dtmf == DtmfMode::InBand;
        let command = MediaCommand::SendDtmf { request, tones, duration_ms: TONE_MS, gap_ms: GAP_MS, in_band };
        ctx.out.media(&self.call_id, command);
        Ok(())
    }

    /// Sends an INFO; settled with its answer.
    pub(crate) fn send_info(
        &mut self,
        ctx: &mut Ctx<'_>,
        command: CommandId,
        content_type: &str,
        body: &str,
    ) -> Result<(), PhoneError> {
        let request = self.info(ctx, content_type, body)?;
        self.infos.push((request, command));
        ctx.out.session(SessionEvent::NewInfo {
            call_id: self.call_id.clone(),
            originator: Side::Local,
            content_type: content_type.to_owned(),
            body: body.to_owned(),
        });
        Ok(())
    }

    /// An INFO of the far end; it is answered 200 by the phone.
    pub(crate) fn on_info(&mut self, ctx: &mut Ctx<'_>, request: &Request) {
        let content_type = request.headers.text("Content-Type").unwrap_or_default();
        let body = String::from_utf8_lossy(request.body()).into_owned();
        let tone = tones::from_info(&content_type, &body);
        let call_id = self.call_id.clone();
        ctx.out.session(SessionEvent::NewInfo {
            call_id: call_id.clone(),
            originator: Side::Remote,
            content_type,
            body,
        });
        self.record_header(ctx, request);
        if let Some((tone, duration)) = tone {
            ctx.out.session(SessionEvent::Dtmf { call_id, tone, duration });
        }
    }

    /// Sends a MESSAGE (RFC 3428); settled with its answer.
    pub(crate) fn send_message(
        &mut self,
        ctx: &mut Ctx<'_>,
        command: CommandId,
        content_type: &str,
        body: &str,
    ) -> Result<(), PhoneError> {
        let request = self.plain_request(ctx, "MESSAGE", content_type, body)?;
        self.infos.push((request, command));
        ctx.out.session(SessionEvent::NewMessage {
            call_id: self.call_id.clone(),
            originator: Side::Local,
            content_type: content_type.to_owned(),
            body: body.to_owned(),
        });
        Ok(())
    }

    /// A MESSAGE of the far end; it is answered 200 by the phone.
    pub(crate) fn on_message(&mut self, ctx: &mut Ctx<'_>, request: &Request) {
        ctx.out.session(SessionEvent::NewMessage {
            call_id: self.call_id.clone(),
            originator: Side::Remote,
            content_type: request.headers.text("Content-Type").unwrap_or_default(),
            body: String::from_utf8_lossy(request.body()).into_owned(),
        });
    }

    /// A request of ours in the dialog is answered.
    pub(crate) fn on_response(&mut self, ctx: &mut Ctx<'_>, request: RequestId, outcome: &RequestOutcome) {
        if self.on_refer_response(ctx, request, outcome) {
            return;
        }
        let result = match outcome {
            RequestOutcome::Answered(response) if response.status.code() < 300 => Ok(()),
            RequestOutcome::Answered(response) => Err(PhoneError::Refused {
                status: response.status.code(),
                reason: String::from_utf8_lossy(&response.reason).into_owned(),
            }),
            _ => Err(PhoneError::Timeout),
        };
        if self.on_record_answer(ctx, request, &result) {
            return;
        }
        if let Some(at) = self.infos.iter().position(|(r, _)| *r == request) {
            let (_, command) = self.infos.remove(at);
            ctx.out.settle(command, result);
        } else if self.dtmf.asked == Some(request) {
            self.dtmf.asked = None;
            let done = self.dtmf.infos.front().is_some_and(|job| job.tones.is_empty());
            let job = if result.is_err() || done { self.dtmf.infos.pop_front() } else { None };
            if let Some(job) = job {
                ctx.out.settle(job.command, result);
            }
            self.dtmf_on_time(ctx);
        }
    }

    /// Sends the next INFO tone if it is time, and gives up what the peer connection did not do.
    pub(super) fn dtmf_on_time(&mut self, ctx: &mut Ctx<'_>) {
        let now = ctx.now.mono;
        while let Some(at) = self.dtmf.media.iter().position(|(_, _, until)| *until <= now) {
            let (_, command, _) = self.dtmf.media.remove(at);
            ctx.out.settle(command, Err(PhoneError::Timeout));
        }
        while self.dtmf.asked.is_none() && self.dtmf.next <= now {
            let Some(job) = self.dtmf.infos.front_mut() else { return };
            let Some(tone) = job.tones.pop_front() else {
                // The command ended with a pause.
                let command = job.command;
                self.dtmf.infos.pop_front();
                ctx.out.settle(command, Ok(()));
                continue;
            };
            if tone == ',' {
                self.dtmf.next = now + Millis::from(COMMA_MS);
                continue;
            }
            self.dtmf.next = now + Millis::from(TONE_MS + GAP_MS);
            match self.info(ctx, "application/dtmf-relay", &tones::relay_body(tone)) {
                Ok(request) => self.dtmf.asked = Some(request),
                Err(error) => {
                    if let Some(job) = self.dtmf.infos.pop_front() {
                        ctx.out.settle(job.command, Err(error));
                    }
                }
            }
        }
    }

    fn info(&mut self, ctx: &mut Ctx<'_>, content_type: &str, body: &str) -> Result<RequestId, PhoneError> {
        self.plain_request(ctx, "INFO", content_type, body)
    }

    fn plain_request(
        &mut self,
        ctx: &mut Ctx<'_>,
        method: &str,
        content_type: &str,
        body: &str,
    ) -> Result<RequestId, PhoneError> {
        let Some(key) = self.key else { return Err(PhoneError::UnknownCall) };
        let body = Some((content_type.to_owned(), body.as_bytes().to_vec()));
        ctx.sip.run(|agent| agent.request(ctx.now.mono, key, method, Vec::new(), body)).map_err(|error| error.into())
    }
}
