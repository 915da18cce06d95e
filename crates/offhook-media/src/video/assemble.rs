//! Pictures out of RTP payloads.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{VideoCodec, VideoFrame};

/// Packets that a missing one is waited for.
const REORDER: u64 = 48;
/// Largest picture taken, packets: 2,048 of 1,200 bytes is above any key frame of a call.
const MAX_PACKETS: usize = 2_048;

/// Puts the packets of one stream together. A picture with a hole is dropped, and those after it until a key frame.
#[derive(Debug, Default)]
pub(crate) struct Assembler {
    packets: BTreeMap<u64, Piece>,
    /// The packet that the next picture begins with; `None`: any that begins one.
    next: Option<u64>,
    /// Pictures can be decoded: a key frame came, and nothing is missing since.
    whole: bool,
}

#[derive(Debug)]
struct Piece {
    codec: VideoCodec,
    timestamp: u32,
    marker: bool,
    payload: Arc<[u8]>,
}

/// What came of a packet.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Assembled {
    pub(crate) frames: Vec<VideoFrame>,
    /// Nothing can be decoded until there is a key frame.
    pub(crate) needs_keyframe: bool,
}

impl Assembler {
    /// Takes a packet under its extended number.
    pub(crate) fn push(
        &mut self,
        codec: VideoCodec,
        seq: u64,
        timestamp: u32,
        marker: bool,
        payload: Arc<[u8]>,
    ) -> Assembled {
        let mut result = Assembled::default();
        if self.next.is_some_and(|next| seq < next) {
            return result;
        }
        self.packets.insert(seq, Piece { codec, timestamp, marker, payload });
        loop {
            self.find_beginning();
            let Some(begin) = self.next else { break };
            match self.end_of(begin) {
                Some(end) => result.frames.extend(self.take(end)),
                None if self.is_lost(begin) => self.skip(begin),
                None => break,
            }
        }
        result.needs_keyframe = !self.whole;
        result
    }

    /// Another sender: nothing of before belongs to what comes.
    pub(crate) fn restart(&mut self) {
        *self = Self::default();
    }

    fn find_beginning(&mut self) {
        if self.next.is_none() {
            self.next = self.packets.iter().find(|(_, piece)| begins(piece)).map(|(seq, _)| *seq);
            if let Some(next) = self.next {
                self.packets = self.packets.split_off(&next);
            }
        }
        while self.packets.len() > MAX_PACKETS {
            self.packets.pop_first();
        }
    }

    /// The last packet of the picture that begins here, if all of it is there.
    fn end_of(&self, begin: u64) -> Option<u64> {
        let timestamp = self.packets.get(&begin)?.timestamp;
        for seq in begin.. {
            let piece = self.packets.get(&seq)?;
            if piece.timestamp != timestamp {
                return Some(seq - 1);
            }
            if piece.marker {
                return Some(seq);
            }
        }
        None
    }

    fn is_lost(&self, begin: u64) -> bool {
        let newest = self.packets.last_key_value().map_or(0, |(seq, _)| *seq);
        let missing = (begin..=newest).find(|seq| !self.packets.contains_key(seq));
        missing.is_some_and(|missing| newest - missing >= REORDER) || self.packets.len() >= MAX_PACKETS
    }

    /// Gives the picture with the hole up.
    fn skip(&mut self, begin: u64) {
        let timestamp = self.packets.get(&begin).map(|piece| piece.timestamp);
        // What is left of it is in front, or there is nothing of it at all.
        while let Some(entry) = self.packets.first_entry() {
            if timestamp.is_some_and(|timestamp| entry.get().timestamp != timestamp) && *entry.key() > begin {
                break;
            }
            if timestamp.is_none() && begins(entry.get()) {
                break;
            }
            entry.remove();
        }
        self.next = None;
        self.whole = false;
    }

    fn take(&mut self, end: u64) -> Option<VideoFrame> {
        let rest = self.packets.split_off(&(end + 1));
        let pieces: Vec<Piece> = std::mem::replace(&mut self.packets, rest).into_values().collect();
        self.next = Some(end + 1);
        let first = pieces.first()?;
        let frame = begins(first).then(|| frame(&pieces)).flatten();
        let decodes = frame.as_ref().is_some_and(|frame| frame.keyframe || self.whole);
        self.whole = decodes;
        frame.filter(|_| decodes)
    }
}

/// Whether a picture can begin with this packet.
fn begins(piece: &Piece) -> bool {
    let payload = &piece.payload;
    match piece.codec {
        VideoCodec::Vp8 => payload.first().is_some_and(|byte| byte & 0x17 == 0x10),
        // A fragment that is not the first cannot; everything else may.
        VideoCodec::H264 => match payload.first().map(|byte| byte & 0x1f) {
            Some(28) => payload.get(1).is_some_and(|byte| byte & 0x80 != 0),
            Some(1..=24) => true,
            _ => false,
        },
    }
}

fn frame(pieces: &[Piece]) -> Option<VideoFrame> {
    let first = pieces.first()?;
    let (data, keyframe) = match first.codec {
        VideoCodec::Vp8 => vp8(pieces)?,
        VideoCodec::H264 => h264(pieces)?,
    };
    Some(VideoFrame { codec: first.codec, timestamp: first.timestamp, keyframe, data })
}

fn vp8(pieces: &[Piece]) -> Option<(Vec<u8>, bool)> {
    let mut data = Vec::new();
    for piece in pieces {
        data.extend_from_slice(vp8_payload(&piece.payload)?);
    }
    // RFC 6386 §9.1: the lowest bit of a frame is 0 in a key frame.
    let keyframe = data.first()? & 1 == 0;
    Some((data, keyframe))
}

/// What follows the descriptor (RFC 7741 §4.2).
fn vp8_payload(payload: &[u8]) -> Option<&[u8]> {
    let first = *payload.first()?;
    let mut at = 1;
    if first & 0x80 != 0 {
        let extensions = *payload.get(at)?;
        at += 1;
        if extensions & 0x80 != 0 {
            at += if payload.get(at)? & 0x80 != 0 { 2 } else { 1 };
        }
        at += usize::from(extensions & 0x40 != 0) + usize::from(extensions & 0x30 != 0);
    }
    payload.get(at..).filter(|rest| !rest.is_empty())
}

/// NAL units in Annex B form (RFC 6184 §5.6 to §5.8).
fn h264(pieces: &[Piece]) -> Option<(Vec<u8>, bool)> {
    const START: [u8; 4] = [0, 0, 0, 1];
    let mut data = Vec::new();
    let mut keyframe = false;
    for piece in pieces {
        let (&header, rest) = piece.payload.split_first()?;
        match header & 0x1f {
            kind @ 1..=23 => {
                keyframe |= kind == 5;
                data.extend_from_slice(&START);
                data.extend_from_slice(&piece.payload);
            }
            24 => {
                let mut rest = rest;
                while let Some((size, after)) = rest.split_first_chunk::<2>() {
                    let unit = after.get(..usize::from(u16::from_be_bytes(*size)))?;
                    keyframe |= unit.first()? & 0x1f == 5;
                    data.extend_from_slice(&START);
                    data.extend_from_slice(unit);
                    rest = after.get(unit.len()..)?;
                }
            }
            28 => {
                let (&fragment, part) = rest.split_first()?;
                if fragment & 0x80 != 0 {
                    keyframe |= fragment & 0x1f == 5;
                    data.extend_from_slice(&START);
                    data.push(header & 0xe0 | fragment & 0x1f);
                }
                data.extend_from_slice(part);
            }
            _ => return None,
        }
    }
    (!data.is_empty()).then_some((data, keyframe))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::video::packetize;

    fn picture(codec: VideoCodec, n: u8, keyframe: bool) -> Vec<u8> {
        let body = vec![n; 3_000];
        match codec {
            VideoCodec::Vp8 => [&[if keyframe { 0x10 } else { 0x11 }], &body[..]].concat(),
            VideoCodec::H264 if keyframe => {
                [&[0, 0, 0, 1, 0x67, n, 0, 0, 0, 1, 0x68, n, 0, 0, 0, 1, 0x65], &body[..]].concat()
            }
            VideoCodec::H264 => [&[0, 0, 0, 1, 0x41], &body[..]].concat(),
        }
    }

    /// Packets of pictures, the `n`th a key frame where `keys` says so: number, timestamp, marker, payload.
    fn packets(codec: VideoCodec, keys: &[bool]) -> Vec<(u64, u32, bool, Arc<[u8]>)> {
        let mut all: Vec<(u64, u32, bool, Arc<[u8]>)> = Vec::new();
        for (n, key) in keys.iter().enumerate() {
            let payloads = packetize(codec, &picture(codec, n as u8 + 1, *key));
            let last = payloads.len() - 1;
            for (i, payload) in payloads.into_iter().enumerate() {
                all.push((all.len() as u64 + 100, n as u32 * 3_000, i == last, payload.into()));
            }
        }
        all
    }

    fn run(
        codec: VideoCodec,
        packets: impl IntoIterator<Item = (u64, u32, bool, Arc<[u8]>)>,
    ) -> (Vec<VideoFrame>, bool) {
        let mut assembler = Assembler::default();
        let mut frames = Vec::new();
        let mut needs = false;
        for (seq, timestamp, marker, payload) in packets {
            let result = assembler.push(codec, seq, timestamp, marker, payload);
            frames.extend(result.frames);
            needs = result.needs_keyframe;
        }
        (frames, needs)
    }

    #[test]
    fn pictures_come_out_as_they_went_in_also_when_packets_change_places() {
        for codec in VideoCodec::ALL {
            let mut sent = packets(codec, &[true, false, false]);
            sent.swap(1, 2);
            sent.swap(4, 5);
            let (frames, needs) = run(codec, sent);
            assert_eq!(frames.len(), 3, "{codec}");
            for (n, frame) in frames.iter().enumerate() {
                assert_eq!(frame.data, picture(codec, n as u8 + 1, n == 0), "{codec} {n}");
                assert_eq!((frame.timestamp, frame.keyframe), (n as u32 * 3_000, n == 0));
            }
            assert!(!needs);
        }
    }

    #[test]
    fn a_loss_costs_the_pictures_up_to_the_next_key_frame() {
        for codec in VideoCodec::ALL {
            let keys: Vec<bool> = (0..60).map(|n| n % 30 == 0).collect();
            let sent = packets(codec, &keys);
            // A packet in the middle of the fifth picture.
            let lost = sent.iter().position(|p| p.1 == 4 * 3_000).expect("there") + 1;
            let (frames, needs) = run(codec, sent.into_iter().enumerate().filter(|(n, _)| *n != lost).map(|(_, p)| p));
            let seen: Vec<u32> = frames.iter().map(|frame| frame.timestamp / 3_000).collect();
            assert_eq!(seen, (0..4).chain(30..60).collect::<Vec<_>>(), "{codec}");
            assert!(!needs);
        }
    }

    #[test]
    fn nothing_is_given_before_the_first_key_frame_and_one_is_wanted() {
        for codec in VideoCodec::ALL {
            let (frames, needs) = run(codec, packets(codec, &[false, false]));
            assert!(frames.is_empty() && needs, "{codec}");
            let (frames, needs) = run(codec, packets(codec, &[false, true, false]));
            assert_eq!((frames.len(), needs), (2, false), "{codec}");
        }
    }

    #[test]
    fn descriptors_with_extensions_and_aggregates_are_read() {
        let vp8: Arc<[u8]> = [0x90, 0xe0, 0x81, 0x02, 5, 0x20, 0x10, 9].as_slice().into();
        let (frames, _) = run(VideoCodec::Vp8, [(1, 0, true, vp8)]);
        assert_eq!(frames.first().map(|f| f.data.clone()), Some(vec![0x10, 9]));
        let stap: Arc<[u8]> = [24, 0, 2, 0x67, 1, 0, 2, 0x65, 2].as_slice().into();
        let (frames, _) = run(VideoCodec::H264, [(1, 0, true, stap)]);
        assert_eq!(frames.first().map(|f| f.data.clone()), Some(vec![0, 0, 0, 1, 0x67, 1, 0, 0, 0, 1, 0x65, 2]));
    }

    #[test]
    fn nonsense_neither_panics_nor_piles_up() {
        let mut assembler = Assembler::default();
        let mut state = 1_u64;
        for n in 0..20_000_u64 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let bytes = state.to_be_bytes();
            let payload: Arc<[u8]> = bytes[..(state >> 60) as usize % 8].into();
            let codec = VideoCodec::ALL[(state >> 33) as usize % 2];
            assembler.push(codec, n + (state >> 40) % 90, (n / 5) as u32, state & 0x100 != 0, payload);
            assert!(assembler.packets.len() <= MAX_PACKETS + 1);
        }
    }
}
