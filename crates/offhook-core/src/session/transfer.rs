//! Transferring a call (RFC 3515, RFC 5589): both ends of a REFER as one call sees them.
//!
//! As transferor: hold → REFER → NOTIFYs → BYE. Never a BYE before the outcome is known: a refusal, of the REFER or in
//! a NOTIFY, gives the call back as it was.
//!
//! | while | comes | then |
//! | --- | --- | --- |
//! | holding | agreed, or refused | REFER (a far end that does not take a hold may take a transfer) |
//! | referring | NOTIFY before the 202 | counts as if after it |
//! | referring | 300–699 | `transferFailed`, unhold unless another call is talking by now |
//! | accepted | NOTIFY 1xx | `transferProgress` |
//! | accepted | NOTIFY 2xx | `transferProgress`, BYE: the command has succeeded |
//! | accepted | NOTIFY 300–699 | likewise |
//! | accepted | BYE | the command has succeeded: the far end has gone where it was sent |
//! | accepted | nothing for longer than anybody rings | `transferFailed` 408, and likewise |
//! | any | the connection lost | the call goes on; `transferFailed` 503 |

use offhook_sip::message::{HeadersExt, Request};
use offhook_sip::{HeaderField, Millis, ReferTo, RequestId, RequestOutcome, sipfrag_status};

use super::{Ctx, Ending, Session, Waiting};
use crate::call_id::CallId;
use crate::error::PhoneError;
use crate::events::SessionEvent;
use crate::io::CommandId;
use crate::negotiation::Phase;
use crate::status::TerminateType;

/// For the hold and for the answer to the REFER: a transaction, and some.
const STEP_MS: Millis = 40_000;
/// After the no-answer time of the new call, for the NOTIFY that tells of it.
const GRACE_MS: Millis = 35_000;

/// Of the far end's words for a refusal, characters.
const MOST_WORDS: usize = 100;

/// A REFER of ours.
#[derive(Debug)]
pub(super) struct Transfer {
    command: CommandId,
    refer_to: ReferTo,
    stage: Stage,
    until: Millis,
    /// It was held for this: unhold it if nothing comes of it.
    resume: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Stage {
    /// The consultation call must be gone first.
    AwaitingEnd(CallId),
    Holding,
    Referring(RequestId),
    Accepted,
}

impl Session {
    /// Begins a transfer; settled when its outcome is known. `after`: a consultation call that is being cancelled.
    pub(crate) fn transfer(&mut self, ctx: &mut Ctx<'_>, command: CommandId, refer_to: ReferTo, after: Option<CallId>) {
        let hold = !self.negotiation.wants_held();
        // It was held for the consultation, of which nothing is left.
        let resume = hold || after.is_some();
        let stage = after.map_or(Stage::Holding, Stage::AwaitingEnd);
        self.transfer = Some(Transfer { command, refer_to, stage, until: ctx.now.mono + STEP_MS, resume });
        if hold {
            self.hold(ctx, None, true);
        }
        self.transfer_when_held(ctx);
    }

    /// Whether a transfer of this call is under way.
    pub(crate) fn is_transferring(&self) -> bool {
        self.transfer.is_some()
    }

    /// Whether the far end has taken a transfer, so that this call's end is its success.
    pub(crate) fn is_transferred(&self) -> bool {
        self.transferred || self.transfer.as_ref().is_some_and(|transfer| transfer.stage == Stage::Accepted)
    }

    /// The consultation call has ended.
    pub(crate) fn on_consultation_ended(&mut self, ctx: &mut Ctx<'_>, consultation: &CallId) {
        if let Some(transfer) = &mut self.transfer
            && transfer.stage == Stage::AwaitingEnd(consultation.clone())
        {
            transfer.stage = Stage::Holding;
            self.transfer_when_held(ctx);
        }
    }

    /// An exchange is over: the REFER can go out if that was waited for.
    pub(super) fn transfer_when_held(&mut self, ctx: &mut Ctx<'_>) {
        let Some(transfer) = &self.transfer else { return };
        let settled = self.negotiation.phase() == Phase::Stable && !self.negotiation.is_offer_due();
        if transfer.stage == Stage::Holding && settled {
            self.send_refer(ctx);
        }
    }

    fn send_refer(&mut self, ctx: &mut Ctx<'_>) {
        let (Some(transfer), Some(key)) = (&mut self.transfer, self.key) else { return };
        let referred_by = format!("<{}>", ctx.config.aor.uri());
        let headers = [("Refer-To", transfer.refer_to.header()), ("Referred-By", referred_by)];
        let headers: Vec<HeaderField> = headers.iter().filter_map(|(n, v)| HeaderField::new(n, v).ok()).collect();
        match ctx.sip.run(|agent| agent.request(ctx.now.mono, key, "REFER", headers, None)) {
            Ok(request) => {
                transfer.stage = Stage::Referring(request);
                transfer.until = ctx.now.mono + STEP_MS;
            }
            Err(error) => self.transfer_failed(ctx, 503, error.into()),
        }
    }

    /// The answer to the REFER; `false` when the request is another.
    pub(super) fn on_refer_response(
        &mut self,
        ctx: &mut Ctx<'_>,
        request: RequestId,
        outcome: &RequestOutcome,
    ) -> bool {
        let Some(transfer) = &mut self.transfer else { return false };
        if transfer.stage != Stage::Referring(request) {
            return false;
        }
        match outcome {
            RequestOutcome::Answered(response) if response.status.is_success() => {
                transfer.stage = Stage::Accepted;
                transfer.until = ctx.now.mono + ctx.config.no_answer_ms + GRACE_MS;
            }
            RequestOutcome::Answered(response) => {
                let status = response.status.code();
                let reason = String::from_utf8_lossy(&response.reason).into_owned();
                self.transfer_failed(ctx, status, PhoneError::Refused { status, reason });
            }
            RequestOutcome::ConnectionLost => self.transfer_failed(ctx, 503, PhoneError::NotConnected),
            _ => self.transfer_failed(ctx, 408, PhoneError::Timeout),
        }
        true
    }

    /// A NOTIFY in this call; `false` when it belongs to no REFER of ours (RFC 6665 §4.1.3: 481).
    pub(crate) fn on_notify(&mut self, ctx: &mut Ctx<'_>, request: &Request) -> bool {
        let event = request.headers.text("Event").unwrap_or_default();
        let is_refer = event.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("refer"));
        let Some(transfer) = self.transfer.as_mut().filter(|_| is_refer) else { return false };
        if !matches!(transfer.stage, Stage::Referring(_) | Stage::Accepted) {
            return false;
        }
        let state = request.headers.text("Subscription-State").unwrap_or_default();
        let over = state.trim().to_ascii_lowercase().starts_with("terminated");
        let body = String::from_utf8_lossy(request.body());
        match sipfrag_status(&body) {
            Some(status) if status < 300 => {
                if status < 200 && over {
                    // It will say no more: either the call ends soon, or nothing has come of it.
                    transfer.until = transfer.until.min(ctx.now.mono + GRACE_MS);
                }
                let call_id = self.call_id.clone();
                ctx.out.session(SessionEvent::TransferProgress { call_id, status_code: status });
                if status >= 200 {
                    self.transfer_succeeded(ctx);
                }
            }
            Some(status) => {
                self.transfer_failed(ctx, status, PhoneError::Refused { status, reason: refusal(&body) });
            }
            None if over => self.transfer_failed(ctx, 500, PhoneError::Timeout),
            None => {}
        }
        true
    }

    /// The transferor hangs up: some servers never do it on the referring dialog.
    fn transfer_succeeded(&mut self, ctx: &mut Ctx<'_>) {
        let Some(transfer) = self.transfer.take() else { return };
        self.transferred = true;
        self.waiting.push((transfer.command, Waiting::End));
        self.end(ctx, Ending::by_user(TerminateType::Terminate), None);
    }

    fn transfer_failed(&mut self, ctx: &mut Ctx<'_>, status: u16, error: PhoneError) {
        let Some(transfer) = self.transfer.take() else { return };
        ctx.out.session(SessionEvent::TransferFailed { call_id: self.call_id.clone(), status_code: status });
        ctx.out.settle(transfer.command, Err(error));
        self.given_back = transfer.resume && !self.is_ending();
    }

    /// The call is over while its transfer was under way: settles the command.
    pub(super) fn transfer_at_end(&mut self, ctx: &mut Ctx<'_>, ended: &PhoneError) {
        if let Some(transfer) = self.transfer.take() {
            let done = transfer.stage == Stage::Accepted;
            self.transferred |= done;
            ctx.out.settle(transfer.command, if done { Ok(()) } else { Err(ended.clone()) });
        }
    }

    pub(super) fn transfer_on_time(&mut self, ctx: &mut Ctx<'_>) {
        if self.transfer.as_ref().is_some_and(|transfer| transfer.until <= ctx.now.mono) {
            self.transfer_failed(ctx, 408, PhoneError::Timeout);
        }
    }

    pub(super) fn transfer_timeout(&self) -> Option<Millis> {
        self.transfer.as_ref().map(|transfer| transfer.until)
    }
}

// --- the other end: this call was made because a REFER said so ---

impl Session {
    /// Tells the referrer what becomes of this call (RFC 3515 §2.4.4). The first final status ends it.
    pub(super) fn notify_referrer(&mut self, ctx: &mut Ctx<'_>, status: u16) {
        let Some(referrer) = self.referrer else { return };
        if status >= 200 {
            self.referrer = None;
        }
        let state = if status < 200 { "active;expires=180" } else { "terminated;reason=noresource" };
        let headers = [("Event", "refer"), ("Subscription-State", state)];
        let headers: Vec<HeaderField> = headers.iter().filter_map(|(n, v)| HeaderField::new(n, v).ok()).collect();
        let body = format!("SIP/2.0 {status} {}\r\n", phrase(status)).into_bytes();
        let body = Some(("message/sipfrag;version=2.0".to_owned(), body));
        // An error means that the referrer has hung up and does not want to know.
        let _ = ctx.sip.run(|agent| agent.request(ctx.now.mono, referrer, "NOTIFY", headers, body));
    }
}

/// What the status line in a NOTIFY says of the new call, in the words of who refused it.
fn refusal(body: &str) -> String {
    let mut line = body.lines().next().unwrap_or_default().split_ascii_whitespace();
    line.by_ref().take(2).for_each(drop);
    let words: String =
        line.collect::<Vec<_>>().join(" ").chars().filter(|c| !c.is_control()).take(MOST_WORDS).collect();
    let refused = "the new call was refused";
    if words.is_empty() { refused.to_owned() } else { format!("{refused} ({words})") }
}

fn phrase(status: u16) -> &'static str {
    match status {
        100 => "Trying",
        180 => "Ringing",
        183 => "Session Progress",
        200 => "OK",
        408 => "Request Timeout",
        486 => "Busy Here",
        487 => "Request Terminated",
        503 => "Service Unavailable",
        603 => "Decline",
        _ if status < 200 => "Progress",
        _ => "Failed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn why_the_new_call_was_refused_is_told_in_one_line() {
        let table = [
            (
                "SIP/2.0 488 Two services cannot be joined\r\n",
                "the new call was refused (Two services cannot be joined)",
            ),
            ("SIP/2.0 486 Busy\u{1b} Here\r\nWarning: 399", "the new call was refused (Busy Here)"),
            ("SIP/2.0 603", "the new call was refused"),
        ];
        for (body, said) in table {
            assert_eq!(refusal(body), said);
        }
        assert!(refusal(&format!("SIP/2.0 486 {}", "x".repeat(10_000))).len() < 200);
    }
}
