//! What happens by itself as time passes: the timer, the reports, the deadlines.

use offhook_sip::Millis;

use super::{Ctx, Ending, Session};
use crate::cause::Cause;
use crate::events::SessionEvent;
use crate::media::{MediaCommand, MediaRequest};
use crate::quality::{Expected, Watch};
use crate::report::{Report, ReportHead, StatsSample};
use crate::status::TerminateType;

const TICK_MS: Millis = 1_000;
const REPORT_MS: Millis = 3_000;

/// The quality reports.
#[derive(Debug, Default)]
pub(super) struct Reports {
    pub(super) latest: Option<Box<Report>>,
    /// When the next statistics are taken.
    next: Option<Millis>,
    /// Statistics that were asked for.
    asked: Option<MediaRequest>,
    watch: Watch,
}

impl Session {
    /// The first report, at once; the others every 3 s.
    pub(super) fn begin_reports(&mut self, ctx: &mut Ctx<'_>) {
        self.report(ctx, None);
        self.reports.next = Some(ctx.now.mono + REPORT_MS);
    }

    pub(super) fn on_stats(&mut self, ctx: &mut Ctx<'_>, request: MediaRequest, sample: StatsSample) {
        if self.reports.asked == Some(request) {
            self.reports.asked = None;
            self.report(ctx, Some(&sample));
            let talk = !self.negotiation.held() && !self.negotiation.remote_held();
            let microphone = talk && !self.status.is_mute && ctx.config.warn_silent_input;
            for warning in self.reports.watch.sample(&sample, Expected { talk, microphone }) {
                let (call_id, code, message) = (self.call_id.clone(), warning.code, warning.message.to_owned());
                ctx.out.session(SessionEvent::WarningMessage { call_id, code, message });
            }
            let video = sample.video.as_ref().map_or(0, |video| video.packets_received);
            self.watch_media(ctx, Some(sample.audio.packets_received.saturating_add(video)));
        }
    }

    /// Ends the call when the far end should send media and has sent none for too long. `None`: nothing could be counted, so
    /// nothing new has come, as from a far end that has closed DTLS.
    fn watch_media(&mut self, ctx: &mut Ctx<'_>, received: Option<u64>) {
        let Some(timeout) = ctx.config.rtp_timeout_ms else { return };
        let now = ctx.now.mono;
        let received = received.or(self.heard.map(|(count, _)| count)).unwrap_or(0);
        let may_be_silent = self.negotiation.held() || self.negotiation.remote_held();
        match self.heard {
            Some((count, since)) if count == received && !may_be_silent => {
                if now.saturating_sub(since) >= timeout {
                    self.end(ctx, Ending::fault(Cause::RtpTimeout), Some((408, "RTP Timeout")));
                }
            }
            _ => self.heard = Some((received, now)),
        }
    }

    pub(super) fn stats_failed(&mut self, ctx: &mut Ctx<'_>, request: MediaRequest) {
        if self.reports.asked == Some(request) {
            self.reports.asked = None;
            self.no_stats(ctx);
        }
    }

    /// Reports what is known.
    fn no_stats(&mut self, ctx: &mut Ctx<'_>) {
        self.report_again(ctx);
        self.watch_media(ctx, None);
    }

    /// Stops the once-a-second timer; the durations freeze.
    pub(crate) fn stop_timer(&mut self, now: Millis) {
        self.next_tick = None;
        self.moments.stopped.get_or_insert(now);
    }

    pub(crate) fn on_time(&mut self, ctx: &mut Ctx<'_>) {
        if self.finished {
            return;
        }
        let now = ctx.now.mono;
        if self.ending_deadline().is_some_and(|at| at <= now) {
            self.finish(ctx, Cause::InternalError, None);
            return;
        }
        if self.give_up_ringing.is_some_and(|at| at <= now) {
            self.give_up_ringing = None;
            self.end(ctx, Ending::fault(Cause::NoAnswer), Some((480, "No answer")));
        }
        if self.next_tick.is_some_and(|at| at <= now) {
            self.tick(ctx);
        }
        if !self.is_ending() {
            self.look_up_on_time(ctx);
            self.exchange_on_time(ctx);
            self.dtmf_on_time(ctx);
            self.record_on_time(ctx);
            self.transfer_on_time(ctx);
            if self.end_at.is_some_and(|at| at <= now) {
                self.hang_up(ctx, TerminateType::Terminate);
            }
            if self.find_path_at.is_some_and(|at| at <= now) {
                self.find_path(ctx);
            }
            if self.reports.next.is_some_and(|at| at <= now) {
                self.take_stats(ctx);
            }
        }
    }

    pub(crate) fn next_timeout(&self) -> Option<Millis> {
        if self.finished {
            return None;
        }
        if self.is_ending() {
            return [self.ending_deadline(), self.next_tick].into_iter().flatten().min();
        }
        let times = [
            self.give_up_ringing,
            self.next_tick,
            self.look_up.timeout(),
            self.exchange_timeout(),
            self.dtmf.timeout(),
            self.recording.timeout(),
            self.reports.next,
            self.find_path_at,
            self.transfer_timeout(),
            self.end_at,
        ];
        times.into_iter().flatten().min()
    }

    /// Ticks that were missed (a laptop slept) are not made up for: the durations come from the clock.
    fn tick(&mut self, ctx: &mut Ctx<'_>) {
        self.next_tick = next_on_grid(self.next_tick, ctx.now.mono, TICK_MS);
        let timer = self.moments.durations(ctx.now.mono);
        ctx.out.session(SessionEvent::UpdateTimer { call_id: self.call_id.clone(), timer });
    }

    fn take_stats(&mut self, ctx: &mut Ctx<'_>) {
        self.reports.next = next_on_grid(self.reports.next, ctx.now.mono, REPORT_MS);
        if self.reports.asked.take().is_some() {
            // The last ones never came.
            self.no_stats(ctx);
            if self.is_ending() {
                return;
            }
        }
        let request = ctx.request();
        self.reports.asked = Some(request);
        ctx.out.media(&self.call_id, MediaCommand::TakeStats { request });
    }

    fn report(&mut self, ctx: &mut Ctx<'_>, sample: Option<&StatsSample>) {
        let head = ReportHead {
            call_id: self.call_id.clone(),
            started_wall: self.started_wall,
            extension: ctx.config.extension.clone(),
            device_type: ctx.config.device_type.clone(),
            utc_offset_min: ctx.config.utc_offset_min,
        };
        self.reports.latest = Some(Box::new(self.reporter.report(&head, sample)));
        self.report_again(ctx);
    }

    fn report_again(&mut self, ctx: &mut Ctx<'_>) {
        if let Some(report) = &self.reports.latest {
            let call_report = report.clone();
            ctx.out.session(SessionEvent::CallReport { call_id: self.call_id.clone(), call_report });
        }
    }
}

/// The first moment after `now` that is a whole number of steps after `last`.
fn next_on_grid(last: Option<Millis>, now: Millis, step: Millis) -> Option<Millis> {
    last.map(|last| last + (now.saturating_sub(last) / step + 1) * step)
}

#[cfg(test)]
mod tests {
    use super::next_on_grid;

    #[test]
    fn missed_ticks_are_skipped() {
        assert_eq!(next_on_grid(Some(1_000), 1_000, 1_000), Some(2_000));
        assert_eq!(next_on_grid(Some(1_000), 1_999, 1_000), Some(2_000));
        assert_eq!(next_on_grid(Some(1_000), 61_500, 1_000), Some(62_000));
    }
}
