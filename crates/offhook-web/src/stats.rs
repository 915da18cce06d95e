//! What a peer connection measured, out of a row of numbers.

use offhook_core::{CandidateKind, MediaStats, StatsSample};

/// Numbers of one kind of media, in the order of [`media`].
const EACH: usize = 10;

/// `numbers`: round-trip time in ms, seconds played out, level of the microphone from 0 to 1, then of audio and, if there
/// is any, of video those of [`media`]; not a number where nothing is known.
pub(crate) fn sample(candidate: &str, network: String, codecs: [String; 2], numbers: &[f64]) -> StatsSample {
    let [audio_codec, video_codec] = codecs;
    let (head, rest) = numbers.split_at_checked(3).unwrap_or((numbers, &[]));
    let (audio, video) = rest.split_at_checked(EACH).unwrap_or((rest, &[]));
    let at = |n: usize| head.get(n).copied().filter(|value| value.is_finite());
    StatsSample {
        remote_candidate: match candidate {
            "host" => Some(CandidateKind::Host),
            "srflx" => Some(CandidateKind::Srflx),
            "prflx" => Some(CandidateKind::Prflx),
            "relay" => Some(CandidateKind::Relay),
            _ => None,
        },
        network_type: network,
        rtt_ms: at(0),
        total_samples_duration_s: at(1).unwrap_or_default(),
        audio_input_dbfs: at(2).map(|level| 20.0 * level.log10()),
        audio: media(audio_codec, audio),
        video: (!video.is_empty()).then(|| media(video_codec, video)),
    }
}

fn media(codec: String, numbers: &[f64]) -> MediaStats {
    let at = |n: usize| numbers.get(n).copied().filter(|value| value.is_finite());
    // Saturates, and counters are whole.
    let count = |n: usize| at(n).map(|value| value as u64);
    MediaStats {
        codec,
        packets_received: count(0).unwrap_or_default(),
        packets_lost: count(1).unwrap_or_default(),
        jitter_ms: at(2),
        packets_sent: count(3).unwrap_or_default(),
        remote_packets_lost: count(4),
        remote_jitter_ms: at(5),
        // A count that stands still while nothing of ours arrives; only that is looked at.
        remote_packets_received: count(9),
        jitter_buffer_delay_ms: at(6).unwrap_or_default(),
        concealed_samples: count(7).unwrap_or_default(),
        total_samples: count(8).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_left_out() {
        let nan = f64::NAN;
        let sample =
            sample("relay", String::new(), ["opus".to_owned(), String::new()], &[nan, 2.5, 0.1, 7.0, -1.0, nan]);
        assert_eq!(sample.remote_candidate, Some(CandidateKind::Relay));
        assert_eq!((sample.rtt_ms, sample.total_samples_duration_s), (None, 2.5));
        assert_eq!(sample.audio_input_dbfs, Some(-20.0));
        assert_eq!((sample.audio.packets_received, sample.audio.packets_lost), (7, 0));
        assert_eq!((sample.audio.jitter_ms, sample.audio.remote_packets_lost), (None, None));
        assert_eq!(sample.video, None);
    }
}
