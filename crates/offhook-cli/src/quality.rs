//! How good a call was, for its summary.

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use offhook::{MediaError, PeerStats, ReportStats, Session};
use serde::Serialize;
use tokio::time::{Duration, Instant};

/// A hang-up is settled within this time.
const HANGUP: Duration = Duration::from_secs(10);

/// A hang-up that is under way.
pub(crate) struct Leaving {
    /// It takes no longer.
    pub(crate) until: Instant,
    stats: BoxFuture<'static, Result<PeerStats, MediaError>>,
}

impl Leaving {
    /// Hangs up; how that ends is the call's last event.
    pub(crate) fn hang_up(session: &Session) -> Self {
        // Asked before: the end of the call closes what measures.
        let stats = session.stats().boxed();
        drop(session.hangup());
        Self { until: Instant::now() + HANGUP, stats }
    }
}

/// What was measured; `None` is what was not.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Quality {
    codec: Option<String>,
    packets_received: Option<u64>,
    packets_sent: Option<u64>,
    /// Share, 0–1.
    loss: Option<f64>,
    jitter_ms: Option<f64>,
    rtt_ms: Option<f64>,
    mos: Option<f64>,
}

impl Quality {
    /// Of a call that is over: at our hang-up, or else at its last report.
    pub(crate) async fn of(session: &Session, leaving: Option<Leaving>) -> Self {
        let report = session.call_report().map(|report| report.stats).unwrap_or_default();
        let at_end = match leaving {
            Some(leaving) => leaving.stats.await.ok(),
            None => None,
        };
        match at_end {
            // Only reports have the score.
            Some(stats) if stats.inbound.packets_received + stats.outbound.packets_sent > 0 => {
                Self { mos: report.mos, ..Self::of_stats(&stats) }
            }
            _ if report.packets_received + report.packets_sent > 0 => Self::of_report(report),
            _ => Self::default(),
        }
    }

    fn of_stats(stats: &PeerStats) -> Self {
        let (inbound, outbound) = (&stats.inbound, &stats.outbound);
        let expected = inbound.packets_received + inbound.packets_lost;
        Self {
            codec: inbound.codec.or(outbound.codec).map(|codec| codec.name().to_owned()),
            packets_received: Some(inbound.packets_received),
            packets_sent: Some(outbound.packets_sent),
            loss: (expected > 0).then(|| inbound.packets_lost as f64 / expected as f64),
            jitter_ms: (inbound.packets_received > 0).then_some(inbound.jitter_ms),
            rtt_ms: outbound.remote.and_then(|remote| remote.rtt_ms),
            mos: None,
        }
    }

    fn of_report(report: ReportStats) -> Self {
        let heard = report.packets_received > 0;
        Self {
            codec: Some(report.codec),
            packets_received: Some(report.packets_received),
            packets_sent: Some(report.packets_sent),
            loss: heard.then_some(report.loss),
            jitter_ms: heard.then_some(report.jitter_ms),
            rtt_ms: report.rtt_ms,
            mos: report.mos,
        }
    }

    /// For a human; nothing if nothing was measured.
    pub(crate) fn text(&self) -> Option<String> {
        let codec = self.codec.as_deref()?;
        let loss = self.loss.map_or("nothing received".to_owned(), |loss| format!("{:.1} % lost", loss * 100.0));
        let mos = self.mos.map(|mos| format!(", MOS {mos:.2}")).unwrap_or_default();
        Some(format!("{codec}, {loss}{mos}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_measured_is_not_told() {
        assert_eq!(Quality::default().text(), None);
        let heard = Quality { codec: Some("opus".to_owned()), loss: Some(0.0), ..Quality::default() };
        assert_eq!(heard.text().as_deref(), Some("opus, 0.0 % lost"));
        let deaf = Quality { loss: None, ..heard };
        assert_eq!(deaf.text().as_deref(), Some("opus, nothing received"));
    }
}
