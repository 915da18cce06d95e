//! What the checks found: a line each for a human, an object each for a program.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use serde_json::json;

use crate::exit::{Failure, Reason};
use crate::output::{Output, print_line};

/// What a check is about, in the order in which a call needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Name {
    Dns,
    Tcp,
    Tls,
    Login,
    WebSocket,
    Register,
    Stun,
    Turn,
    Call,
    Ice,
    Media,
    Quality,
}

impl Name {
    fn as_str(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Login => "login",
            Self::WebSocket => "websocket",
            Self::Register => "register",
            Self::Stun => "stun",
            Self::Turn => "turn",
            Self::Call => "call",
            Self::Ice => "ice",
            Self::Media => "media",
            Self::Quality => "quality",
        }
    }
}

/// What a check came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    /// As it should be.
    Ok(String),
    /// It works, and somebody should look at it.
    Warning { detail: String, advice: String },
    /// It does not work.
    Failed { reason: Reason, detail: String, advice: String },
    /// It was not looked at, for this reason.
    Skipped(String),
}

impl Found {
    /// A failure of the commands that make calls; their messages say what to do.
    pub(super) fn of(failure: &Failure, advice: &str) -> Self {
        Self::Failed { reason: failure.reason(), detail: failure.to_string(), advice: advice.to_owned() }
    }

    fn status(&self) -> &'static str {
        match self {
            Self::Ok(_) => "ok",
            Self::Warning { .. } => "warning",
            Self::Failed { .. } => "failed",
            Self::Skipped(_) => "skipped",
        }
    }

    fn detail(&self) -> &str {
        match self {
            Self::Ok(text) | Self::Skipped(text) => text,
            Self::Warning { detail, .. } | Self::Failed { detail, .. } => detail,
        }
    }

    fn advice(&self) -> Option<&str> {
        match self {
            Self::Warning { advice, .. } | Self::Failed { advice, .. } if !advice.is_empty() => Some(advice),
            _ => None,
        }
    }
}

/// Tells each check when it is done, and all of it at the end.
pub(super) struct Report {
    output: Output,
    bar: ProgressBar,
    begun: Instant,
    counts: [u32; 4],
    /// The first check that failed: what comes after it may be its consequence.
    worst: Option<(Name, Reason, String)>,
}

impl Report {
    pub(super) fn new(json: bool) -> Self {
        // Drawn on a terminal only.
        let target = if json { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bar = ProgressBar::with_draw_target(None, target).with_style(ProgressStyle::default_spinner());
        bar.enable_steady_tick(Duration::from_millis(120));
        Self { output: Output::new(json), bar, begun: Instant::now(), counts: [0; 4], worst: None }
    }

    /// Something is being looked at now.
    pub(super) fn begin(&mut self, what: &str) {
        self.begun = Instant::now();
        self.bar.set_message(what.to_owned());
    }

    /// A check is done; gives whether one can go on from there.
    pub(super) fn end(&mut self, name: Name, found: &Found) -> bool {
        let took_ms = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        // One line, whatever a server put into its text.
        let clean = |text: &str| text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>();
        let detail = clean(found.detail());
        let advice = found.advice().map(clean);
        let index = match found {
            Found::Ok(_) => 0,
            Found::Warning { .. } => 1,
            Found::Failed { .. } => 2,
            Found::Skipped(_) => 3,
        };
        if let Some(count) = self.counts.get_mut(index) {
            *count += 1;
        }
        if let (Found::Failed { reason, .. }, None) = (found, &self.worst) {
            self.worst = Some((name, *reason, detail.clone()));
        }
        let object = json!({
            "event": "check", "name": name, "status": found.status(), "detail": detail, "advice": advice, "took_ms": took_ms,
        });
        let mut text = format!("{:<8} {:<10} {detail}", found.status(), name.as_str());
        if let Some(advice) = &advice {
            text += &format!("\n{:<8} {:<10} → {advice}", "", "");
        }
        self.bar.suspend(|| match self.output {
            Output::Json => print_line(&object.to_string()),
            Output::Text => print_line(&text),
        });
        !matches!(found, Found::Failed { .. } | Found::Skipped(_))
    }

    /// All is done. The exit code is that of the first check that failed.
    pub(super) fn finish(self) -> Result<(), Failure> {
        self.bar.finish_and_clear();
        let [ok, warnings, failed, skipped] = self.counts;
        let exit_code = self.worst.as_ref().map_or(0, |(_, reason, _)| reason.code());
        let object = json!({
            "event": "summary", "ok": failed == 0, "exit_code": exit_code, "first_failed": self.worst.as_ref().map(|worst| worst.0),
            "checks": { "ok": ok, "warning": warnings, "failed": failed, "skipped": skipped },
        });
        let and = if warnings == 0 { String::new() } else { format!(", {warnings} to look at") };
        self.output.tell(&object, || format!("{ok} ok{and}, {failed} failed, {skipped} not looked at"));
        match self.worst {
            None => Ok(()),
            Some((name, reason, detail)) => Err(Failure::new(reason, format!("{}: {detail}", name.as_str()))),
        }
    }
}
