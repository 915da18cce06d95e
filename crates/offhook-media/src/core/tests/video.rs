//! Video beside the audio: negotiated, sent, lost, taken away.

use super::*;
use crate::config::Wanted;
use crate::relay::{LinkId, Relayed};
use crate::video::{VideoCodec, VideoFrame, VideoSink, packetize};

#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<VideoFrame>>>);

impl VideoSink for Seen {
    fn frame(&mut self, frame: VideoFrame) {
        self.0.lock().unwrap().push(frame);
    }
}

impl Seen {
    fn of(side: &mut Side) -> Self {
        let seen = Self::default();
        side.core.set_video_sink(Some(Box::new(seen.clone())));
        seen
    }

    /// Their numbers, since last asked.
    fn numbers(&self) -> Vec<u32> {
        std::mem::take(&mut *self.0.lock().unwrap()).iter().map(|frame| frame.timestamp / 3_000).collect()
    }
}

fn wanted(video: Option<Direction>) -> Wanted {
    Wanted { direction: Direction::SendRecv, video, ice_restart: false }
}

/// An offer of one side, with this video, and the answer of the other, with that.
fn exchange(pair: &mut Pair, from: usize, offered: Option<Direction>, answered: Option<Direction>) -> (String, String) {
    let now = pair.now;
    let offer = pair.sides[from].core.create_offer(now, wanted(offered)).unwrap();
    let answer = pair.sides[1 - from].core.accept_offer(now, &offer, wanted(answered)).unwrap();
    pair.sides[from].core.accept_answer(now, &answer).unwrap();
    (offer, answer)
}

fn picture(codec: VideoCodec, n: u32, keyframe: bool) -> VideoFrame {
    let head: &[u8] = match (codec, keyframe) {
        (VideoCodec::Vp8, true) => &[0x10],
        (VideoCodec::Vp8, false) => &[0x11],
        (VideoCodec::H264, true) => &[0, 0, 0, 1, 0x65],
        (VideoCodec::H264, false) => &[0, 0, 0, 1, 0x41],
    };
    let data = [head, &vec![n as u8 | 1; 4_000]].concat();
    VideoFrame { codec, timestamp: n * 3_000, keyframe, data }
}

fn send(pair: &mut Pair, from: usize, codec: VideoCodec, numbers: std::ops::Range<u32>) {
    for n in numbers {
        let frame = picture(codec, n, n % 30 == 0);
        let now = pair.now;
        pair.sides[from].core.send_video(now, &frame);
        pair.run(33);
    }
    pair.run(100);
}

const BOTH: Option<Direction> = Some(Direction::SendRecv);

#[test]
fn pictures_of_both_codecs_go_both_ways_beside_the_audio() {
    let mut pair = Pair::new(&[Codec::Pcmu]);
    let (offer, answer) = exchange(&mut pair, 0, BOTH, BOTH);
    for sdp in [&offer, &answer] {
        assert!(sdp.contains("m=video ") && sdp.contains("VP8/90000") && sdp.contains("H264/90000"), "{sdp}");
        assert!(sdp.contains("a=group:BUNDLE 0 video"), "{sdp}");
    }
    pair.run(500);
    for (from, codec) in [(0, VideoCodec::Vp8), (1, VideoCodec::Vp8), (0, VideoCodec::H264), (1, VideoCodec::H264)] {
        let seen = Seen::of(&mut pair.sides[1 - from]);
        send(&mut pair, from, codec, 0..10);
        let frames = seen.0.lock().unwrap().clone();
        assert_eq!(frames.len(), 10, "{codec} from {from}");
        for (n, frame) in frames.iter().enumerate() {
            assert_eq!(*frame, picture(codec, n as u32, n == 0), "{codec} {n}");
        }
    }
    let stats = pair.sides[0].core.stats(pair.now).video.expect("there is video");
    assert_eq!((stats.frames_sent, stats.frames_received, stats.packets_lost), (20, 20, 0));
    assert_eq!((stats.codec, stats.packets_sent), (Some(VideoCodec::H264), 80));
    pair.sides[0].play(AudioSource::Tone(ToneSpec::new(500.0)));
    pair.run(500);
    pair.sides[1].level();
    pair.run(500);
    assert!(pair.sides[1].level() > 3_000.0, "and the audio is heard");
}

#[test]
fn lost_pictures_make_the_receiver_ask_for_a_key_frame() {
    let mut pair = Pair::new(&[Codec::Pcmu]);
    exchange(&mut pair, 0, BOTH, BOTH);
    pair.run(500);
    let seen = Seen::of(&mut pair.sides[1]);
    send(&mut pair, 0, VideoCodec::Vp8, 0..5);
    assert_eq!(seen.numbers(), [0, 1, 2, 3, 4]);
    pair.sides[0].events.clear();
    pair.sides[0].path = Box::new(|_| None);
    send(&mut pair, 0, VideoCodec::Vp8, 5..6);
    pair.sides[0].path = Box::new(|_| Some(Duration::from_millis(10)));
    send(&mut pair, 0, VideoCodec::Vp8, 6..29);
    assert!(pair.sides[0].has(&PeerEvent::KeyframeRequested));
    assert!(seen.numbers().is_empty(), "nothing that cannot be decoded");
    send(&mut pair, 0, VideoCodec::Vp8, 30..33);
    assert_eq!(seen.numbers(), [30, 31, 32]);
}

#[test]
fn refused_video_leaves_the_audio_and_may_be_offered_again() {
    let mut pair = Pair::new(&[Codec::Pcmu]);
    let (_, answer) = exchange(&mut pair, 0, BOTH, None);
    assert!(answer.contains("m=video 0 ") && answer.contains("a=group:BUNDLE 0\r\n"), "{answer}");
    pair.run(500);
    assert!(pair.sides.iter().all(|side| side.has(&PeerEvent::Connected)));
    assert_eq!(pair.sides[0].core.stats(pair.now).video, None);
    // Added later by the other side, on the same line under another name.
    let (offer, _) = exchange(&mut pair, 1, BOTH, BOTH);
    assert_eq!(offer.matches("m=video ").count(), 1, "{offer}");
    let seen = Seen::of(&mut pair.sides[0]);
    send(&mut pair, 1, VideoCodec::H264, 0..3);
    assert_eq!(seen.numbers(), [0, 1, 2]);
}

#[test]
fn video_is_added_to_a_running_call_held_and_taken_away() {
    let mut pair = Pair::connected(&[Codec::Opus]);
    exchange(&mut pair, 0, BOTH, BOTH);
    let seen = Seen::of(&mut pair.sides[1]);
    send(&mut pair, 0, VideoCodec::Vp8, 0..3);
    assert_eq!(seen.numbers(), [0, 1, 2]);
    // Only the far end may send now.
    let (_, answer) = exchange(&mut pair, 0, Some(Direction::RecvOnly), BOTH);
    assert!(answer.contains("a=sendonly"), "{answer}");
    send(&mut pair, 0, VideoCodec::Vp8, 30..33);
    assert!(seen.numbers().is_empty());
    let (offer, answer) = exchange(&mut pair, 1, None, BOTH);
    assert!(offer.contains("m=video 0 ") && answer.contains("m=video 0 "), "{offer}{answer}");
    let (offer, _) = exchange(&mut pair, 0, BOTH, BOTH);
    assert_eq!(offer.matches("m=video ").count(), 1, "the line is used again");
    send(&mut pair, 0, VideoCodec::Vp8, 60..63);
    assert_eq!(seen.numbers(), [60, 61, 62]);
}

#[test]
fn pictures_in_another_codec_or_before_the_connection_are_dropped() {
    let mut pair = Pair::new(&[Codec::Pcmu]);
    let now = pair.now;
    let offer = pair.sides[0].core.create_offer(now, wanted(BOTH)).unwrap();
    pair.sides[0].core.send_video(now, &picture(VideoCodec::Vp8, 0, true));
    // A far end with H.264 only.
    let theirs: String = offer
        .split_inclusive("\r\n")
        .filter(|line| !line.contains(":96 "))
        .map(|line| if line.starts_with("m=video") { line.replace(" 96", "") } else { line.to_owned() })
        .collect();
    let answer = pair.sides[1].core.accept_offer(now, &theirs, wanted(BOTH)).unwrap();
    pair.sides[0].core.accept_answer(now, &answer).unwrap();
    pair.run(500);
    let seen = Seen::of(&mut pair.sides[1]);
    send(&mut pair, 0, VideoCodec::Vp8, 0..3);
    assert!(seen.numbers().is_empty());
    send(&mut pair, 0, VideoCodec::H264, 0..3);
    assert_eq!(seen.numbers(), [0, 1, 2]);
    assert_eq!(pair.sides[0].core.stats(pair.now).video.expect("sent").frames_sent, 3);
}

/// Hands a leg of a bridge three pictures of the peer of this link, whose numbers begin here.
fn hand_over(pair: &mut Pair, link: LinkId, mut seq: u64, first: u32) {
    for n in 0..3 {
        let payloads = packetize(VideoCodec::Vp8, &picture(VideoCodec::Vp8, n, n == 0).data);
        let last = payloads.len() - 1;
        for (at, payload) in payloads.into_iter().enumerate() {
            let (codec, timestamp, payload) = (VideoCodec::Vp8, first + n * 3_000, payload.into());
            let packet = Relayed::Video { link, codec, seq, timestamp, epoch: 0, marker: at == last, payload };
            pair.sides[0].core.relayed(pair.now, packet);
            seq += 1;
        }
        pair.run(33);
    }
    pair.run(100);
}

#[test]
fn a_peer_that_takes_the_place_of_another_in_a_bridge_is_seen_whatever_its_numbers_are() {
    for (seq, first) in [(70_000, 5), (99_000, 0x8000_0000), (100_010, 7), (2_000_000, 70_000)] {
        let mut pair = Pair::connected(&[Codec::Pcmu]);
        exchange(&mut pair, 0, BOTH, BOTH);
        pair.run(500);
        let seen = Seen::of(&mut pair.sides[1]);
        pair.sides[0].core.bridge(LinkId(1));
        hand_over(&mut pair, LinkId(1), 100_000, 90_000);
        assert_eq!(seen.numbers().len(), 3);
        // A phone whose page was reloaded: its first stream again, of another peer.
        pair.sides[0].core.bridge(LinkId(2));
        hand_over(&mut pair, LinkId(2), seq, first);
        let times: Vec<u32> = seen.0.lock().unwrap().iter().map(|frame| frame.timestamp).collect();
        assert_eq!(times.len(), 3, "{seq} {first}");
        assert!(times.windows(2).all(|pair| pair[1] - pair[0] == 3_000), "{times:?}");
        assert_eq!(pair.sides[1].core.stats(pair.now).video.expect("video").packets_lost, 0);
    }
}

#[test]
fn another_far_end_sees_us_after_the_numbers_have_wrapped() {
    let mut pair = Pair::connected(&[Codec::Pcmu]);
    exchange(&mut pair, 0, BOTH, BOTH);
    pair.run(500);
    pair.sides[0].core.bridge(LinkId(1));
    hand_over(&mut pair, LinkId(1), 100_000, 90_000);
    hand_over(&mut pair, LinkId(1), 140_000, 180_000);
    let (grid, now) = (pair.now, pair.now);
    pair.sides[1] = Side::new(9_000, &[Codec::Pcmu], grid, now);
    exchange(&mut pair, 1, BOTH, BOTH);
    pair.run(500);
    let seen = Seen::of(&mut pair.sides[1]);
    hand_over(&mut pair, LinkId(1), 140_100, 270_000);
    assert_eq!(seen.numbers().len(), 3);
}

#[test]
fn what_comes_while_nobody_looks_is_no_loss() {
    let mut pair = Pair::new(&[Codec::Pcmu]);
    exchange(&mut pair, 0, BOTH, BOTH);
    pair.run(500);
    let seen = Seen::of(&mut pair.sides[0]);
    send(&mut pair, 1, VideoCodec::Vp8, 0..3);
    assert_eq!(seen.numbers(), [0, 1, 2]);
    let now = pair.now;
    let sends = Some(Direction::SendOnly);
    let offer = pair.sides[0].core.create_offer(now, wanted(sends)).unwrap().replace("a=sendonly", "a=sendrecv");
    let answer = pair.sides[1].core.accept_offer(now, &offer, wanted(BOTH)).unwrap();
    pair.sides[0].core.accept_answer(now, &answer).unwrap();
    send(&mut pair, 1, VideoCodec::Vp8, 30..33);
    assert!(seen.numbers().is_empty());
    // From the offer on.
    let now = pair.now;
    let offer = pair.sides[0].core.create_offer(now, wanted(BOTH)).unwrap();
    let answer = pair.sides[1].core.accept_offer(now, &offer, wanted(BOTH)).unwrap();
    send(&mut pair, 1, VideoCodec::Vp8, 60..63);
    assert_eq!(seen.numbers(), [60, 61, 62]);
    let now = pair.now;
    pair.sides[0].core.accept_answer(now, &answer).unwrap();
    assert_eq!(pair.sides[0].core.stats(pair.now).video.expect("video").packets_lost, 0);
}
