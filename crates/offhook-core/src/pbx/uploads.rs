//! What goes to the PBX without anybody waiting for it: call reports and our own log.

use std::collections::VecDeque;

use offhook_sip::{Millis, Secret};

use super::api;
use super::http::HttpRequest;
use super::json::{self, Value};
use crate::report::Report;

/// Uploads that wait.
const MOST_WAITING: usize = 32;
/// Batches of the log among them.
const MOST_BATCHES: usize = 4;
/// How often one is tried.
const TRIES: u32 = 3;
/// Before the second try, doubled for the third, milliseconds.
const RETRY_MS: Millis = 2_000;
/// Lines of one batch of the log.
const BATCH_LINES: usize = 100;
/// Bytes of one.
const BATCH_BYTES: usize = 32 * 1024;
/// From a line to the batch that it is in, milliseconds.
const BATCH_MS: Millis = 10_000;
/// Lines kept while batches cannot be sent.
const MOST_LINES: usize = 500;
/// Longest line, characters.
const MAX_LINE: usize = 500;

/// The queue, one upload at a time.
#[derive(Debug, Default)]
pub(crate) struct Uploads {
    queue: VecDeque<Upload>,
    sending: bool,
    retry: Option<Millis>,
    lines: VecDeque<String>,
    bytes: usize,
    /// Lines that were lost since the last batch.
    lost: u64,
    flush: Option<Millis>,
}

#[derive(Debug)]
struct Upload {
    what: Body,
    tries: u32,
}

#[derive(Debug)]
enum Body {
    Report(Value),
    Log(Vec<String>),
}

impl Uploads {
    /// Nothing waits.
    pub(crate) fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.lines.is_empty()
    }

    pub(crate) fn report(&mut self, report: &Report) {
        self.push(Body::Report(in_snake_case(report)));
    }

    pub(crate) fn line(&mut self, now: Millis, line: &str) {
        if self.lines.len() >= MOST_LINES {
            self.lost += 1;
            self.bytes -= self.lines.pop_front().map_or(0, |line| line.len());
        }
        let line = json::cut(line, MAX_LINE);
        self.bytes += line.len();
        self.lines.push_back(line);
        self.flush.get_or_insert(now + BATCH_MS);
        if self.lines.len() >= BATCH_LINES || self.bytes >= BATCH_BYTES {
            self.batch(now);
        }
    }

    /// Puts what lines there are on their way now.
    pub(crate) fn flush(&mut self, now: Millis) {
        while !self.lines.is_empty() && self.batch(now) {}
    }

    /// The next request, if it is time for one.
    pub(crate) fn next(&mut self, now: Millis, token: &Secret) -> Option<HttpRequest> {
        if self.flush.is_some_and(|at| at <= now) {
            self.batch(now);
        }
        if self.sending || self.retry.is_some_and(|at| at > now) {
            return None;
        }
        let upload = self.queue.front()?;
        self.sending = true;
        self.retry = None;
        Some(match &upload.what {
            Body::Report(report) => api::report(token, report),
            Body::Log(lines) => api::log(token, lines),
        })
    }

    /// What [`next`](Self::next) gave is over.
    pub(crate) fn sent(&mut self, now: Millis, taken: bool) {
        self.sending = false;
        let Some(upload) = self.queue.front_mut() else { return };
        upload.tries += 1;
        if taken || upload.tries >= TRIES {
            self.queue.pop_front();
        } else {
            self.retry = Some(now + (RETRY_MS << (upload.tries - 1)));
        }
    }

    pub(crate) fn timeout(&self) -> Option<Millis> {
        let flush = self.flush.filter(|_| self.batches() < MOST_BATCHES);
        let retry = self.retry.filter(|_| !self.sending && !self.queue.is_empty());
        [flush, retry].into_iter().flatten().min()
    }

    // --- inside ---

    fn batches(&self) -> usize {
        self.queue.iter().filter(|upload| matches!(upload.what, Body::Log(_))).count()
    }

    fn batch(&mut self, now: Millis) -> bool {
        if self.batches() >= MOST_BATCHES {
            return false;
        }
        let mut lines = Vec::new();
        let mut bytes = 0;
        if self.lost > 0 {
            lines.push(format!("({} lines were lost)", std::mem::take(&mut self.lost)));
        }
        while let Some(line) = self.lines.front() {
            if lines.len() >= BATCH_LINES || (bytes + line.len() > BATCH_BYTES && !lines.is_empty()) {
                break;
            }
            bytes += line.len();
            self.bytes -= line.len();
            lines.extend(self.lines.pop_front());
        }
        self.flush = (!self.lines.is_empty()).then_some(now + BATCH_MS);
        if !lines.is_empty() {
            self.push(Body::Log(lines));
        }
        true
    }

    fn push(&mut self, what: Body) {
        if self.queue.len() >= MOST_WAITING {
            // The one in front may be on its way.
            self.queue.remove(1);
        }
        self.queue.push_back(Upload { what, tries: 0 });
    }
}

/// The report's strings under the names that the PBX has for them; the numbers behind them stay here.
fn in_snake_case(report: &Report) -> Value {
    macro_rules! strings {
        ($($name:ident),*) => { Value::object([$((stringify!($name), report.$name.as_str().into())),*]) };
    }
    strings!(
        lks_timestamp,
        lks_date,
        call_id,
        extension,
        ice_result,
        lks_network_type,
        lks_device_type,
        lks_duration,
        lks_audio_codec,
        lks_audio_rx,
        lks_audio_rx_lost,
        lks_audio_rx_maxjitter,
        lks_audio_rx_avgjitter,
        lks_audio_tx,
        lks_audio_tx_lost,
        lks_audio_tx_maxjitter,
        lks_audio_tx_avgjitter,
        lks_video_codec,
        lks_video_rx,
        lks_video_rx_lost,
        lks_video_rx_maxjitter,
        lks_video_rx_avgjitter,
        lks_video_tx,
        lks_video_tx_lost,
        lks_video_tx_maxjitter,
        lks_video_tx_avgjitter
    )
}
