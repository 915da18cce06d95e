//! Quality reports: the strings of the contract, and the numbers behind them.

use serde::Serialize;

use crate::call_id::CallId;
use crate::quality::{self, CodecQuality, Impairment};

/// What the peer connection measured, at one moment. Counters count from the beginning of the call.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StatsSample {
    /// Kind of the remote candidate of the pair in use.
    pub remote_candidate: Option<CandidateKind>,
    /// Kind of network (`wifi`, `ethernet` …); empty when not known.
    pub network_type: String,
    /// Round-trip time, ms.
    pub rtt_ms: Option<f64>,
    /// Audio played out, seconds.
    pub total_samples_duration_s: f64,
    /// Level of what is sent, dB below full scale; minus infinity for digital silence; `None` when not known.
    pub audio_input_dbfs: Option<f64>,
    /// Audio.
    pub audio: MediaStats,
    /// Video.
    pub video: Option<MediaStats>,
}

/// Kind of an ICE candidate (RFC 8445 §5.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CandidateKind {
    /// Address of an interface.
    Host,
    /// Seen by a STUN server.
    Srflx,
    /// Seen by the peer.
    Prflx,
    /// At a TURN server.
    Relay,
}

/// Counters of one kind of media.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MediaStats {
    /// Encoding name; empty when not known.
    pub codec: String,
    /// RTP packets received.
    pub packets_received: u64,
    /// RTP packets expected and not received.
    pub packets_lost: u64,
    /// Interarrival jitter now, ms; `None` before the first packet.
    pub jitter_ms: Option<f64>,
    /// RTP packets sent.
    pub packets_sent: u64,
    /// Packets of ours lost, out of the far end's RTCP.
    pub remote_packets_lost: Option<u64>,
    /// Jitter of ours, ms, out of the far end's RTCP.
    pub remote_jitter_ms: Option<f64>,
    /// Packets of ours that arrived, out of the far end's RTCP; `None` where it does not say.
    pub remote_packets_received: Option<u64>,
    /// Mean time a packet waited in the jitter buffer, ms.
    pub jitter_buffer_delay_ms: f64,
    /// Samples made up because none was there.
    pub concealed_samples: u64,
    /// Samples played out.
    pub total_samples: u64,
}

/// A quality report: strings as P-Series PBXs take them, `"0"` where nothing is known.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "each pair of fields is explained at the first")]
pub struct Report {
    /// When the call was made or received, ms since 1970-01-01 UTC.
    pub lks_timestamp: String,
    /// The same as `YYYY-MM-DD hh:mm:ss`, local time.
    pub lks_date: String,
    /// The call.
    pub call_id: CallId,
    /// Our extension.
    pub extension: String,
    /// Where the far end's media comes from: `local`, `public` or `turn`.
    pub ice_result: String,
    /// Kind of network.
    pub lks_network_type: String,
    /// `desktop` or `web`.
    pub lks_device_type: String,
    /// Audio played out, seconds, rounded up.
    pub lks_duration: String,
    /// Codec.
    pub lks_audio_codec: String,
    /// Packets received.
    pub lks_audio_rx: String,
    /// Share of packets lost, 0–1 with 6 decimals.
    pub lks_audio_rx_lost: String,
    /// Largest jitter seen, ms.
    pub lks_audio_rx_maxjitter: String,
    /// Mean jitter, ms.
    pub lks_audio_rx_avgjitter: String,
    /// Packets sent.
    pub lks_audio_tx: String,
    /// Share of ours lost, as the far end's RTCP has it.
    pub lks_audio_tx_lost: String,
    /// Largest jitter of ours, as the far end's RTCP has it, ms.
    pub lks_audio_tx_maxjitter: String,
    /// Mean of that, ms.
    pub lks_audio_tx_avgjitter: String,
    pub lks_video_codec: String,
    pub lks_video_rx: String,
    pub lks_video_rx_lost: String,
    pub lks_video_rx_maxjitter: String,
    pub lks_video_rx_avgjitter: String,
    pub lks_video_tx: String,
    pub lks_video_tx_lost: String,
    pub lks_video_tx_maxjitter: String,
    pub lks_video_tx_avgjitter: String,
    /// The numbers.
    pub stats: ReportStats,
}

/// The numbers of a [`Report`], and what has no string there. All of audio.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReportStats {
    /// Kind of the remote candidate.
    pub remote_candidate: Option<CandidateKind>,
    /// Encoding name; empty when not known.
    pub codec: String,
    /// Packets received.
    pub packets_received: u64,
    /// Packets expected and not received.
    pub packets_lost: u64,
    /// Share of packets lost, 0–1.
    pub loss: f64,
    /// Jitter now, ms.
    pub jitter_ms: f64,
    /// Packets sent.
    pub packets_sent: u64,
    /// Share of ours lost, 0–1, where RTCP said it.
    pub remote_loss: Option<f64>,
    /// Round-trip time, ms.
    pub rtt_ms: Option<f64>,
    /// Mean time in the jitter buffer, ms.
    pub jitter_buffer_delay_ms: f64,
    /// Share of what was played that was made up, 0–1.
    pub concealment: f64,
    /// Rating of the E-model; `None` before the first packet.
    pub rating: Option<f64>,
    /// Estimated mean opinion score, 1–4.5; `None` before the first packet.
    pub mos: Option<f64>,
}

/// What a report says besides measurements.
#[derive(Debug, Clone)]
pub(crate) struct ReportHead {
    pub(crate) call_id: CallId,
    pub(crate) started_wall: u64,
    pub(crate) extension: String,
    pub(crate) device_type: String,
    pub(crate) utc_offset_min: i32,
}

/// Makes the reports of one call; remembers the jitter seen so far.
#[derive(Debug, Default)]
pub(crate) struct Reporter {
    audio: JitterHistory,
    video: JitterHistory,
}

#[derive(Debug, Default)]
struct JitterHistory {
    received: Spread,
    sent: Spread,
}

#[derive(Debug, Default)]
struct Spread {
    max: f64,
    sum: f64,
    count: u32,
}

impl Spread {
    fn add(&mut self, value: Option<f64>) {
        if let Some(value) = value.filter(|v| v.is_finite()) {
            self.max = self.max.max(value);
            self.sum += value;
            self.count += 1;
        }
    }

    fn mean(&self) -> f64 {
        if self.count == 0 { 0.0 } else { self.sum / f64::from(self.count) }
    }
}

impl Reporter {
    /// Adds a sample to the history and reports it; without one, what is known without measuring.
    pub(crate) fn report(&mut self, head: &ReportHead, sample: Option<&StatsSample>) -> Report {
        let none = StatsSample::default();
        let sample = sample.unwrap_or(&none);
        let audio = self.audio.strings(&sample.audio);
        let video = self.video.strings(sample.video.as_ref().unwrap_or(&none.audio));
        Report {
            lks_timestamp: head.started_wall.to_string(),
            lks_date: local_date(head.started_wall, head.utc_offset_min),
            call_id: head.call_id.clone(),
            extension: head.extension.clone(),
            ice_result: match sample.remote_candidate {
                None => "0",
                Some(CandidateKind::Host) => "local",
                Some(CandidateKind::Srflx | CandidateKind::Prflx) => "public",
                Some(CandidateKind::Relay) => "turn",
            }
            .to_owned(),
            lks_network_type: text(&sample.network_type),
            lks_device_type: head.device_type.clone(),
            lks_duration: (sample.total_samples_duration_s.ceil() as u64).to_string(),
            lks_audio_codec: audio.codec,
            lks_audio_rx: audio.rx,
            lks_audio_rx_lost: audio.rx_lost,
            lks_audio_rx_maxjitter: audio.rx_max,
            lks_audio_rx_avgjitter: audio.rx_mean,
            lks_audio_tx: audio.tx,
            lks_audio_tx_lost: audio.tx_lost,
            lks_audio_tx_maxjitter: audio.tx_max,
            lks_audio_tx_avgjitter: audio.tx_mean,
            lks_video_codec: video.codec,
            lks_video_rx: video.rx,
            lks_video_rx_lost: video.rx_lost,
            lks_video_rx_maxjitter: video.rx_max,
            lks_video_rx_avgjitter: video.rx_mean,
            lks_video_tx: video.tx,
            lks_video_tx_lost: video.tx_lost,
            lks_video_tx_maxjitter: video.tx_max,
            lks_video_tx_avgjitter: video.tx_mean,
            stats: numbers(sample),
        }
    }
}

struct Strings {
    codec: String,
    rx: String,
    rx_lost: String,
    rx_max: String,
    rx_mean: String,
    tx: String,
    tx_lost: String,
    tx_max: String,
    tx_mean: String,
}

impl JitterHistory {
    fn strings(&mut self, media: &MediaStats) -> Strings {
        self.received.add(media.jitter_ms);
        self.sent.add(media.remote_jitter_ms);
        Strings {
            codec: text(&media.codec),
            rx: media.packets_received.to_string(),
            rx_lost: share(receive_loss(media)),
            rx_max: milliseconds(self.received.max),
            rx_mean: milliseconds(self.received.mean()),
            tx: media.packets_sent.to_string(),
            tx_lost: share(send_loss(media)),
            tx_max: milliseconds(self.sent.max),
            tx_mean: milliseconds(self.sent.mean()),
        }
    }
}

fn numbers(sample: &StatsSample) -> ReportStats {
    let audio = &sample.audio;
    let loss = receive_loss(audio).unwrap_or(0.0);
    let codec = CodecQuality::of(&audio.codec);
    // One way through the network, the jitter buffer, and a frame each for encoding and decoding.
    let delay_ms = sample.rtt_ms.unwrap_or(0.0) / 2.0 + audio.jitter_buffer_delay_ms + 20.0;
    let impairment = Impairment { codec, loss, delay_ms };
    let heard = audio.packets_received > 0;
    ReportStats {
        remote_candidate: sample.remote_candidate,
        codec: audio.codec.clone(),
        packets_received: audio.packets_received,
        packets_lost: audio.packets_lost,
        loss,
        jitter_ms: audio.jitter_ms.unwrap_or(0.0),
        packets_sent: audio.packets_sent,
        remote_loss: send_loss(audio),
        rtt_ms: sample.rtt_ms,
        jitter_buffer_delay_ms: audio.jitter_buffer_delay_ms,
        concealment: ratio(audio.concealed_samples, audio.total_samples).unwrap_or(0.0),
        rating: heard.then(|| quality::rating(&impairment)),
        mos: heard.then(|| quality::mos(&impairment)),
    }
}

fn receive_loss(media: &MediaStats) -> Option<f64> {
    ratio(media.packets_lost, media.packets_lost.saturating_add(media.packets_received))
}

fn send_loss(media: &MediaStats) -> Option<f64> {
    let lost = media.remote_packets_lost?;
    ratio(lost.min(media.packets_sent), media.packets_sent)
}

fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

fn share(share: Option<f64>) -> String {
    share.map_or_else(|| "0".to_owned(), |share| decimal(share, 6))
}

/// Up to three decimals, none that say nothing.
fn milliseconds(ms: f64) -> String {
    let text = decimal(ms, 3);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Not negative, with so many decimals. By whole numbers: the standard library's way is 14 kB of a page's module.
fn decimal(value: f64, places: usize) -> String {
    let one = 10_u64.pow(places as u32);
    let parts = (value * one as f64).round_ties_even() as u64;
    format!("{}.{:0places$}", parts / one, parts % one)
}

fn text(text: &str) -> String {
    if text.is_empty() { "0".to_owned() } else { text.to_owned() }
}

/// `YYYY-MM-DD hh:mm:ss` of a moment, at an offset from UTC.
fn local_date(wall_ms: u64, utc_offset_min: i32) -> String {
    let seconds = i64::try_from(wall_ms / 1000).unwrap_or(0) + i64::from(utc_offset_min) * 60;
    let (day, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, date) = civil(day);
    format!("{year:04}-{month:02}-{date:02} {:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60)
}

/// The Gregorian date of a day counted from 1970-01-01. Years are reckoned from March, so that the leap day is their last.
fn civil(day: i64) -> (i64, i64, i64) {
    const DAYS_IN_400_YEARS: i64 = 146_097;
    let since_march_0 = day + 719_468;
    let cycle = since_march_0.div_euclid(DAYS_IN_400_YEARS);
    let day_of_cycle = since_march_0.rem_euclid(DAYS_IN_400_YEARS);
    let year_of_cycle = (day_of_cycle - day_of_cycle / 1_460 + day_of_cycle / 36_524 - day_of_cycle / 146_096) / 365;
    let day_of_year = day_of_cycle - (365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let date = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = cycle * 400 + year_of_cycle + i64::from(month <= 2);
    (year, month, date)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head() -> ReportHead {
        ReportHead {
            call_id: CallId::from("abc"),
            started_wall: 1_700_000_000_123,
            extension: "1000".to_owned(),
            device_type: "desktop".to_owned(),
            utc_offset_min: 0,
        }
    }

    fn sample(jitter_ms: f64) -> StatsSample {
        StatsSample {
            remote_candidate: Some(CandidateKind::Prflx),
            rtt_ms: Some(12.0),
            total_samples_duration_s: 5.02,
            audio: MediaStats {
                codec: "opus".to_owned(),
                packets_received: 247,
                packets_lost: 3,
                jitter_ms: Some(jitter_ms),
                packets_sent: 250,
                remote_packets_lost: Some(1),
                remote_jitter_ms: Some(0.5),
                remote_packets_received: Some(249),
                jitter_buffer_delay_ms: 40.0,
                concealed_samples: 2_880,
                total_samples: 240_960,
            },
            ..StatsSample::default()
        }
    }

    #[test]
    fn numbers_are_written_as_the_contract_says() {
        let mut reporter = Reporter::default();
        reporter.report(&head(), Some(&sample(4.0)));
        let report = reporter.report(&head(), Some(&sample(1.5)));
        assert_eq!(report.lks_timestamp, "1700000000123");
        assert_eq!(report.lks_date, "2023-11-14 22:13:20");
        assert_eq!((report.ice_result.as_str(), report.lks_duration.as_str()), ("public", "6"));
        assert_eq!(report.lks_audio_codec, "opus");
        assert_eq!((report.lks_audio_rx.as_str(), report.lks_audio_rx_lost.as_str()), ("247", "0.012000"));
        assert_eq!((report.lks_audio_rx_maxjitter.as_str(), report.lks_audio_rx_avgjitter.as_str()), ("4", "2.75"));
        assert_eq!((report.lks_audio_tx.as_str(), report.lks_audio_tx_lost.as_str()), ("250", "0.004000"));
        assert_eq!((report.lks_audio_tx_maxjitter.as_str(), report.lks_audio_tx_avgjitter.as_str()), ("0.5", "0.5"));
        assert_eq!((report.lks_video_codec.as_str(), report.lks_video_rx_lost.as_str()), ("0", "0"));
        let mos = report.stats.mos.expect("packets came");
        assert!((4.0..4.5).contains(&mos), "{mos}");
    }

    #[test]
    fn the_path_is_named_by_the_remote_candidate() {
        let named = |kind| {
            let sample = StatsSample { remote_candidate: Some(kind), ..sample(4.0) };
            Reporter::default().report(&head(), Some(&sample)).ice_result
        };
        let kinds = [CandidateKind::Host, CandidateKind::Srflx, CandidateKind::Prflx, CandidateKind::Relay];
        assert_eq!(kinds.map(named), ["local", "public", "public", "turn"]);
    }

    #[test]
    fn unknown_is_zero() {
        let report = Reporter::default().report(&head(), None);
        assert_eq!(report.ice_result, "0");
        assert_eq!(report.lks_network_type, "0");
        assert_eq!(report.lks_duration, "0");
        assert_eq!(report.lks_audio_codec, "0");
        assert_eq!(report.lks_audio_tx_lost, "0");
        assert_eq!(report.stats.mos, None);
    }

    #[test]
    fn every_field_is_a_string_under_its_contract_name() {
        let report = Reporter::default().report(&head(), Some(&sample(1.0)));
        let json = serde_json::to_value(&report).expect("serialises");
        let object = json.as_object().expect("an object");
        for side in ["Audio", "Video"] {
            for field in
                ["Codec", "Rx", "RxLost", "RxMaxjitter", "RxAvgjitter", "Tx", "TxLost", "TxMaxjitter", "TxAvgjitter"]
            {
                assert!(object[&format!("lks{side}{field}")].is_string(), "{side}{field}");
            }
        }
        for field in [
            "lksTimestamp",
            "lksDate",
            "callId",
            "extension",
            "iceResult",
            "lksNetworkType",
            "lksDeviceType",
            "lksDuration",
        ] {
            assert!(object[field].is_string(), "{field}");
        }
        assert!(object["stats"]["mos"].is_number());
    }

    #[test]
    fn dates_are_right_around_leap_days_and_offsets() {
        assert_eq!(local_date(0, 0), "1970-01-01 00:00:00");
        assert_eq!(local_date(951_782_400_000, 0), "2000-02-29 00:00:00");
        assert_eq!(local_date(951_782_400_000, -1), "2000-02-28 23:59:00");
        assert_eq!(local_date(1_709_251_199_000, 60), "2024-03-01 00:59:59");
        assert_eq!(local_date(4_107_542_400_000, 0), "2100-03-01 00:00:00");
    }
}
