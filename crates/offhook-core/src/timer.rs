//! How long a call has been doing what, from a clock that never goes backwards.

use offhook_sip::Millis;
use serde::Serialize;

/// Durations of a call, in whole seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TimerType {
    /// From the first 18x (outbound) or the arrival (inbound) to the answer.
    pub ring_duration: u64,
    /// From dialling to the answer; 0 for an inbound call.
    pub calling_duration: u64,
    /// From the answer to the end.
    pub call_duration: u64,
    /// Of the present hold; 0 when not held.
    pub hold_duration: u64,
}

/// The moments that the durations are made of.
#[derive(Debug, Clone, Default)]
pub(crate) struct Moments {
    pub(crate) dialed: Option<Millis>,
    pub(crate) rang: Option<Millis>,
    pub(crate) answered: Option<Millis>,
    pub(crate) held: Option<Millis>,
    /// The durations do not grow after this.
    pub(crate) stopped: Option<Millis>,
}

impl Moments {
    pub(crate) fn durations(&self, now: Millis) -> TimerType {
        let now = self.stopped.map_or(now, |stopped| stopped.min(now));
        let seconds = |from: Option<Millis>, to: Millis| from.map_or(0, |from| to.saturating_sub(from) / 1000);
        let answered = self.answered.unwrap_or(now).min(now);
        TimerType {
            ring_duration: seconds(self.rang, answered),
            calling_duration: seconds(self.dialed, answered),
            call_duration: seconds(self.answered, now),
            hold_duration: seconds(self.held, now),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_duration_begins_and_ends_where_it_should() {
        let mut moments = Moments { dialed: Some(1_000), rang: Some(3_500), ..Moments::default() };
        let at = |moments: &Moments, now| {
            let t = moments.durations(now);
            [t.ring_duration, t.calling_duration, t.call_duration, t.hold_duration]
        };
        assert_eq!(at(&moments, 5_400), [1, 4, 0, 0]);
        moments.answered = Some(6_000);
        assert_eq!(at(&moments, 66_999), [2, 5, 60, 0]);
        moments.held = Some(60_000);
        assert_eq!(at(&moments, 66_999), [2, 5, 60, 6]);
        moments.held = None;
        moments.stopped = Some(70_000);
        assert_eq!(at(&moments, 1_000_000), [2, 5, 64, 0]);
    }
}
