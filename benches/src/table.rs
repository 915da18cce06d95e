//! The table that is printed.

use std::fmt;
use std::time::{Duration, Instant};

/// Rows of figures with their floors and budgets.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    what: String,
    value: f64,
    unit: &'static str,
    floor: Option<(String, f64)>,
    budget: Option<Budget>,
}

/// What is promised.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Budget {
    AtLeast(f64),
    AtMost(f64),
}

impl Table {
    pub(crate) fn row(&mut self, what: &str, value: f64, unit: &'static str) -> &mut Self {
        self.rows.push(Row { what: what.to_owned(), value, unit, floor: None, budget: None });
        self
    }

    /// What the same work costs without us.
    pub(crate) fn floor(&mut self, what: &str, value: f64) -> &mut Self {
        if let Some(row) = self.rows.last_mut() {
            row.floor = Some((what.to_owned(), value));
        }
        self
    }

    pub(crate) fn budget(&mut self, budget: Budget) -> &mut Self {
        if let Some(row) = self.rows.last_mut() {
            row.budget = Some(budget);
        }
        self
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| measured | value | unit | floor in the same run | ratio | budget | kept |")?;
        writeln!(f, "| --- | ---: | --- | --- | ---: | --- | --- |")?;
        for row in &self.rows {
            let (floor, ratio) = match &row.floor {
                Some((what, value)) => (format!("{what}: {}", number(*value)), format!("{:.2}", row.value / value)),
                None => ("–".to_owned(), "–".to_owned()),
            };
            let (budget, kept) = match row.budget {
                Some(Budget::AtLeast(least)) => (format!("≥ {}", number(least)), yes(row.value >= least)),
                Some(Budget::AtMost(most)) => (format!("≤ {}", number(most)), yes(row.value <= most)),
                None => ("–".to_owned(), "–"),
            };
            let value = number(row.value);
            writeln!(f, "| {} | {value} | {} | {floor} | {ratio} | {budget} | {kept} |", row.what, row.unit)?;
        }
        Ok(())
    }
}

fn yes(kept: bool) -> &'static str {
    if kept { "yes" } else { "**no**" }
}

fn number(value: f64) -> String {
    if value >= 1_000.0 {
        let digits = format!("{value:.0}");
        let mut out = String::new();
        for (i, c) in digits.chars().enumerate() {
            if i > 0 && (digits.len() - i) % 3 == 0 {
                out.push(',');
            }
            out.push(c);
        }
        out
    } else if value >= 10.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.2}")
    }
}

pub(crate) fn median(values: Vec<f64>) -> f64 {
    quantile(values, 0.5)
}

/// What this share of the values is not above.
pub(crate) fn quantile(mut values: Vec<f64>, share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get((values.len() as f64 * share) as usize).copied().unwrap_or(f64::NAN)
}

/// How often a second `work` gets done: the median of seven runs of a third of a second each.
pub(crate) fn rate(mut work: impl FnMut()) -> f64 {
    let run = |work: &mut dyn FnMut()| {
        let (start, mut done) = (Instant::now(), 0_u32);
        while start.elapsed() < Duration::from_millis(330) {
            for _ in 0..16 {
                work();
            }
            done += 16;
        }
        f64::from(done) / start.elapsed().as_secs_f64()
    };
    run(&mut work);
    median((0..7).map(|_| run(&mut work)).collect())
}
