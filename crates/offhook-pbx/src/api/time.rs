//! Dates and times of day, in UTC.

/// A moment as a calendar and a clock show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Civil {
    year: i64,
    month: i64,
    day: i64,
    second: i64,
}

impl Civil {
    /// From seconds since 1970 (proleptic Gregorian calendar; Hinnant, chrono-compatible date algorithms).
    pub(crate) fn of(timestamp: i64) -> Self {
        let (days, second) = (timestamp.div_euclid(86_400), timestamp.rem_euclid(86_400));
        // Years begin in March here, so that the day which may be missing is the last.
        let shifted = days + 719_468;
        let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
        let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month + 2) / 5 + 1;
        let month = if month < 10 { month + 3 } else { month - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        Self { year, month, day, second }
    }

    /// `YYYY-MM-DD`.
    pub(crate) fn date(self) -> String {
        format!("{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }

    /// `hh:mm:ss`.
    pub(crate) fn time(self) -> String {
        let Self { second, .. } = self;
        format!("{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_shown_as_calendars_do() {
        for (timestamp, date, time) in [
            (0, "1970-01-01", "00:00:00"),
            (951_782_399, "2000-02-28", "23:59:59"),
            (951_782_400, "2000-02-29", "00:00:00"),
            (1_709_251_199, "2024-02-29", "23:59:59"),
            (1_709_251_200, "2024-03-01", "00:00:00"),
            (4_102_444_800, "2100-01-01", "00:00:00"),
            (-1, "1969-12-31", "23:59:59"),
        ] {
            let civil = Civil::of(timestamp);
            assert_eq!((civil.date().as_str(), civil.time().as_str()), (date, time));
        }
    }
}
