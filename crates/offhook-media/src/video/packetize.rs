//! One picture into RTP payloads.

use super::VideoCodec;

/// Largest payload, bytes: an RTP packet with SRTP and IPv6 headers stays below 1,280 bytes, which every path carries.
const MAX_PAYLOAD: usize = 1_150;

/// The payloads of a picture, in order; the last is to be marked. Empty for a picture that has nothing in it.
pub(crate) fn packetize(codec: VideoCodec, data: &[u8]) -> Vec<Vec<u8>> {
    match codec {
        VideoCodec::Vp8 => vp8(data),
        VideoCodec::H264 => nal_units(data).into_iter().flat_map(h264).collect(),
    }
}

/// RFC 7741 §4.2: the descriptor without its extensions; S is set in the first packet.
fn vp8(data: &[u8]) -> Vec<Vec<u8>> {
    let descriptor = |first: bool| if first { 0x10 } else { 0x00 };
    data.chunks(MAX_PAYLOAD - 1).enumerate().map(|(n, chunk)| [&[descriptor(n == 0)], chunk].concat()).collect()
}

/// A NAL unit as it is (RFC 6184 §5.6), or in fragments (§5.8).
fn h264(unit: &[u8]) -> Vec<Vec<u8>> {
    let Some((&header, rest)) = unit.split_first() else { return Vec::new() };
    if unit.len() <= MAX_PAYLOAD {
        return vec![unit.to_vec()];
    }
    let chunks = rest.chunks(MAX_PAYLOAD - 2);
    let last = chunks.len().saturating_sub(1);
    chunks
        .enumerate()
        .map(|(n, chunk)| {
            let (start, end) = (if n == 0 { 0x80 } else { 0 }, if n == last { 0x40 } else { 0 });
            [&[header & 0xe0 | 28, start | end | header & 0x1f], chunk].concat()
        })
        .collect()
}

/// The NAL units between start codes (H.264 Annex B).
fn nal_units(data: &[u8]) -> Vec<&[u8]> {
    // Where each unit begins, and where the start code before it does.
    let mut begins = Vec::new();
    let mut at = 0;
    while let Some(found) = data.get(at..).and_then(|rest| rest.windows(3).position(|w| w == [0, 0, 1])) {
        begins.push((at + found, at + found + 3));
        at += found + 3;
    }
    let ends = begins.iter().skip(1).map(|(code, _)| *code).chain([data.len()]);
    begins
        .iter()
        .zip(ends)
        .filter_map(|((_, begin), end)| data.get(*begin..end))
        // The longer start code has a zero before it, and zeros may trail.
        .map(|unit| unit.strip_suffix(&[0]).unwrap_or(unit))
        .filter(|unit| !unit.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_found_behind_both_start_codes() {
        let data = [0, 0, 0, 1, 0x67, 1, 2, 0, 0, 1, 0x68, 3, 0, 0, 0, 1, 0x65, 4];
        assert_eq!(nal_units(&data), [&[0x67, 1, 2][..], &[0x68, 3], &[0x65, 4]]);
        assert!(nal_units(&[1, 2, 3]).is_empty() && nal_units(&[]).is_empty() && nal_units(&[0, 0, 1]).is_empty());
    }

    #[test]
    fn no_payload_is_too_large_and_none_is_empty() {
        let mut h264 = vec![0, 0, 1, 0x65];
        h264.resize(10_000, 7);
        for (codec, data) in [(VideoCodec::Vp8, vec![7; 10_000]), (VideoCodec::H264, h264)] {
            let payloads = packetize(codec, &data);
            assert!(payloads.len() > 8 && payloads.iter().all(|p| (2..=MAX_PAYLOAD).contains(&p.len())), "{codec}");
        }
        assert!(packetize(VideoCodec::Vp8, &[]).is_empty() && packetize(VideoCodec::H264, &[]).is_empty());
    }
}
