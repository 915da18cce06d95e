//! What a PBX does: two connections, one to each phone, bridged.

mod common;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::*;
use offhook_media::*;

struct Bridged {
    alice: End,
    bob: End,
    to_alice: End,
    to_bob: End,
    /// What the leg to Alice had decoded when the bridge came, s: the other side's handshake may take long.
    decoded: f64,
}

async fn bridged(alice: Codec, bob: Codec) -> Bridged {
    let mut call = Bridged {
        alice: End::new(&[alice]),
        bob: End::new(&[bob]),
        to_alice: End::new(&[alice]),
        to_bob: End::new(&[bob]),
        decoded: 0.0,
    };
    connect(&mut call.alice, &mut call.to_alice).await;
    connect(&mut call.to_bob, &mut call.bob).await;
    bridge(&call.to_alice.peer, &call.to_bob.peer);
    call.decoded = call.to_alice.peer.stats().await.expect("open").inbound.total_samples_duration;
    call
}

async fn speak(alice: Codec, bob: Codec) -> Bridged {
    let mut call = bridged(alice, bob).await;
    let (at_alice, at_bob) = (Heard::listen(&call.alice), Heard::listen(&call.bob));
    let from_alice = speech(RATE, 2.0);
    let mut from_bob = from_alice.clone();
    from_bob.reverse();
    call.alice.peer.set_source(wav(&from_alice, RATE));
    call.bob.peer.set_source(wav(&from_bob, RATE));
    at_alice.seconds(2.7).await;
    at_bob.seconds(2.7).await;
    let heard = (correlation(&from_alice, &at_bob.at(RATE)), correlation(&from_bob, &at_alice.at(RATE)));
    // 0.999 on an idle machine; other speech has 0.02. Between them, time is stretched where a busy machine stalls.
    assert!(heard.0 > 0.85 && heard.1 > 0.85, "{alice} to {bob}: {heard:?}");
    let tone = call.alice.peer.send_dtmf("4", 100, 60).expect("a tone");
    assert_eq!(call.to_alice.dtmf().await, ('4', 100), "the PBX hears the tone");
    assert_eq!(call.bob.dtmf().await, ('4', 100), "and passes it on");
    tone.await.expect("sent");
    call
}

#[tokio::test]
async fn the_same_codec_is_passed_on_without_decoding() {
    let call = speak(Codec::Opus, Codec::Opus).await;
    let (leg, bob) = (call.to_alice.peer.stats().await.expect("open"), call.bob.peer.stats().await.expect("open"));
    let decoded = leg.inbound.total_samples_duration - call.decoded;
    assert!(decoded < 1.0, "nothing is decoded while the bridge stands");
    assert_eq!(bob.inbound.packets_lost, 0);
    assert_eq!(bob.inbound.ssrc_changes, 0);
}

#[tokio::test]
async fn another_codec_is_decoded_and_encoded() {
    speak(Codec::Opus, Codec::Pcma).await;
}

#[tokio::test]
async fn hold_music_interrupts_the_bridge_and_the_bridge_resumes() {
    let call = bridged(Codec::Pcmu, Codec::Pcmu).await;
    call.alice.peer.set_source(AudioSource::Tone(ToneSpec::new(440.0)));
    level(&call.bob, |heard| heard > -20.0).await;
    call.to_bob.peer.set_source(AudioSource::Tone(ToneSpec::new(300.0).level(-40.0)));
    // The music is heard alone.
    level(&call.bob, |heard| (-45.0..-35.0).contains(&heard)).await;
    call.to_bob.peer.set_source(AudioSource::Relay);
    level(&call.bob, |heard| heard > -20.0).await;
    let stats = call.bob.peer.stats().await.expect("open");
    assert_eq!(stats.inbound.packets_lost, 0, "the stream's numbers go on through all of it");

    // Another partner: the old one is on its own, the new one is heard.
    let (mut carol, mut to_carol) = (End::new(&[Codec::Pcmu]), End::new(&[Codec::Pcmu]));
    connect(&mut carol, &mut to_carol).await;
    carol.peer.set_source(AudioSource::Tone(ToneSpec::new(600.0)));
    bridge(&to_carol.peer, &call.to_bob.peer);
    level(&call.bob, |heard| heard > -20.0).await;
    // Bob is silent, and goes on to be.
    tokio::time::sleep(Duration::from_millis(500)).await;
    for silent in [&carol, &call.alice] {
        let heard = silent.peer.stats().await.expect("open").inbound.level_dbfs;
        assert!(heard < -60.0, "{heard}");
    }

    unbridge(&call.to_bob.peer);
    level(&call.bob, |heard| heard < -60.0).await;
    packets(&call.bob, 101).await;
    let stats = call.to_bob.peer.stats().await.expect("open");
    assert!(stats.outbound.packets_sent > 100);
}

#[tokio::test]
async fn a_tap_on_a_bridged_leg_hears_both_sides() {
    let call = bridged(Codec::Opus, Codec::Opus).await;
    let path = std::env::temp_dir().join(format!("offhook-tap-{}.wav", std::process::id()));
    let (recorder, recording) = Recorder::create(&path, RATE).expect("temporary file");
    let tap = call.to_alice.peer.tap(recorder);
    call.alice.peer.set_source(AudioSource::Tone(ToneSpec::new(400.0)));
    call.bob.peer.set_source(AudioSource::Tone(ToneSpec::new(400.0).level(-40.0)));
    // 1.2 s of it, however long a busy machine takes for that.
    let recorded = async {
        while std::fs::metadata(&path).expect("it is there").len() < 44 + 4 * u64::from(RATE) * 12 / 10 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(LIMIT, recorded).await.expect("it is recorded in time");
    call.to_alice.peer.untap(tap);
    let summary = recording.finished().await.expect("written");
    let mut wav = hound::WavReader::open(&path).expect("a WAV");
    assert_eq!((wav.spec().channels, wav.spec().sample_rate), (2, RATE));
    let samples: Vec<f64> = wav.samples::<i16>().map(|s| f64::from(s.expect("a sample"))).collect();
    assert_eq!(samples.len() as u64, summary.frames * 2);
    let rms = |side: usize| {
        let tail: Vec<f64> = samples.iter().skip(side).step_by(2).skip(RATE as usize / 2).copied().collect();
        20.0 * ((tail.iter().map(|s| s * s).sum::<f64>() / tail.len() as f64).sqrt() / 32_768.0).log10()
    };
    // Left is what the leg sends, bob; right what it hears, alice.
    assert!((-45.0..-35.0).contains(&rms(0)), "left {}", rms(0));
    assert!((-17.0..-8.0).contains(&rms(1)), "right {}", rms(1));
    std::fs::remove_file(&path).expect("it was there");
}

/// The pictures that come.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<VideoFrame>>>);

impl VideoSink for Seen {
    fn frame(&mut self, frame: VideoFrame) {
        self.0.lock().expect("no panic under the lock").push(frame);
    }
}

impl Seen {
    fn of(end: &End) -> Self {
        let seen = Self::default();
        end.peer.set_video_sink(Some(Box::new(seen.clone())));
        seen
    }

    fn take(&self) -> Vec<VideoFrame> {
        std::mem::take(&mut *self.0.lock().expect("no panic under the lock"))
    }
}

async fn connect_with_video(a: &mut End, b: &mut End) {
    let wanted = Wanted { video: Some(Direction::SendRecv), ..Wanted::default() };
    let offer = a.peer.offer(wanted).await.expect("offer");
    let answer = b.peer.answer(offer, wanted).await.expect("answer");
    a.peer.accept_answer(answer).await.expect("answer is taken");
    a.connected().await;
    b.connected().await;
}

fn picture(n: u32, keyframe: bool) -> VideoFrame {
    let data = [&[if keyframe { 0x10 } else { 0x11 }][..], &vec![n as u8; 5_000]].concat();
    VideoFrame { codec: VideoCodec::Vp8, timestamp: n * 3_000, keyframe, data }
}

/// Sends pictures until they come, a key frame whenever one is wanted; gives those that came.
async fn show(from: &mut End, seen: &Seen, enough: usize) -> Vec<VideoFrame> {
    let (mut frames, mut keyframe) = (Vec::new(), true);
    for n in 1..200 {
        from.peer.send_video(picture(n, keyframe));
        keyframe = false;
        tokio::time::sleep(Duration::from_millis(20)).await;
        while let Ok(Some(event)) = tokio::time::timeout(Duration::ZERO, from.events.recv()).await {
            keyframe |= event == PeerEvent::KeyframeRequested;
        }
        frames.append(&mut seen.take());
        if frames.len() >= enough {
            return frames;
        }
    }
    panic!("{} pictures came", frames.len());
}

#[tokio::test]
async fn video_is_passed_on_as_it_is_and_the_wish_for_a_key_frame_goes_back() {
    let codecs = &[Codec::Opus];
    let (mut alice, mut bob) = (End::new(codecs), End::new(codecs));
    let (mut to_alice, mut to_bob) = (End::new(codecs), End::new(codecs));
    connect_with_video(&mut alice, &mut to_alice).await;
    connect_with_video(&mut to_bob, &mut bob).await;
    let (at_alice, at_bob) = (Seen::of(&alice), Seen::of(&bob));
    // What was sent before the bridge is gone: the far end's wish for a key frame has to reach the sender.
    alice.peer.send_video(picture(1, true));
    bridge(&to_alice.peer, &to_bob.peer);
    for (from, seen) in [(&mut alice, &at_bob), (&mut bob, &at_alice)] {
        let frames = show(from, seen, 10).await;
        assert!(frames[0].keyframe);
        assert!(frames.iter().all(|frame| frame.data.len() == 5_001 && frame.codec == VideoCodec::Vp8));
    }

    // Who hears music sees nobody; afterwards a key frame is asked for.
    to_bob.peer.set_source(AudioSource::Music);
    tokio::time::sleep(Duration::from_millis(100)).await;
    at_bob.take();
    for n in 300..310 {
        alice.peer.send_video(picture(n, false));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(at_bob.take(), []);
    to_bob.peer.set_source(AudioSource::Relay);
    show(&mut alice, &at_bob, 10).await;
    let stats = bob.peer.stats().await.expect("open").video.expect("there was video");
    assert!(stats.frames_received >= 20, "{stats:?}");
}

#[tokio::test]
async fn nothing_is_passed_on_to_a_leg_without_video() {
    let codecs = &[Codec::Opus];
    let (mut alice, mut bob) = (End::new(codecs), End::new(codecs));
    let (mut to_alice, mut to_bob) = (End::new(codecs), End::new(codecs));
    connect_with_video(&mut alice, &mut to_alice).await;
    connect(&mut to_bob, &mut bob).await;
    bridge(&to_alice.peer, &to_bob.peer);
    for n in 1..20 {
        alice.peer.send_video(picture(n, n == 1));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(bob.peer.stats().await.expect("open").video.is_none());
}
