//! Files and handles: WAV in any shape, recordings that survive a cut, samples pushed and pulled by a bot.

mod common;

use std::io::Cursor;
use std::time::Duration;

use common::*;
use offhook_media::*;
use tokio::time::timeout;

fn wav_bytes(spec: hound::WavSpec, frames: u32, mut sample: impl FnMut(u32) -> f64) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    let mut writer = hound::WavWriter::new(&mut bytes, spec).expect("spec");
    for frame in 0..frames {
        for channel in 0..spec.channels {
            // Stereo: the sides differ by what the mix removes.
            let value = sample(frame) + if spec.channels == 2 { 0.1 - 0.2 * f64::from(channel) } else { 0.0 };
            match spec.sample_format {
                hound::SampleFormat::Float => writer.write_sample(value as f32),
                hound::SampleFormat::Int => {
                    writer.write_sample((value * 2f64.powi(i32::from(spec.bits_per_sample) - 1)) as i32)
                }
            }
            .expect("sample");
        }
    }
    writer.finalize().expect("finished");
    bytes.into_inner()
}

#[test]
fn every_shape_of_wav_reads_as_the_same_sound() {
    for channels in [1, 2] {
        for (sample_format, bits_per_sample) in [
            (hound::SampleFormat::Int, 8),
            (hound::SampleFormat::Int, 16),
            (hound::SampleFormat::Int, 24),
            (hound::SampleFormat::Int, 32),
            (hound::SampleFormat::Float, 32),
        ] {
            for sample_rate in [8_000, 11_025, 44_100, 96_000] {
                let spec = hound::WavSpec { channels, sample_rate, bits_per_sample, sample_format };
                let bytes = wav_bytes(spec, sample_rate / 10, |n| 0.5 * (f64::from(n) * 0.05).sin());
                let wav = WavSource::read(Cursor::new(bytes)).unwrap_or_else(|error| panic!("{spec:?}: {error}"));
                assert_eq!(wav.sample_rate(), sample_rate);
                assert_eq!(wav.samples().len() as u32, sample_rate / 10, "{spec:?}");
                for (n, &sample) in wav.samples().iter().enumerate() {
                    let expected = 16_384.0 * (n as f64 * 0.05).sin();
                    assert!((f64::from(sample) - expected).abs() <= 300.0, "{spec:?} {n}: {sample} is not {expected}");
                }
            }
        }
    }
}

#[test]
fn what_is_no_wav_is_refused_with_the_reason() {
    let missing = WavSource::open("/nowhere/at-all.wav").expect_err("no file").to_string();
    assert!(missing.starts_with("unreadable WAV: /nowhere/at-all.wav: "), "{missing}");
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 8_000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let whole = wav_bytes(spec, 100, |_| 0.0);
    // An empty recording with notes after it.
    let mut noted = wav_bytes(spec, 0, |_| 0.0);
    noted.extend(b"LIST\x08\0\0\0INFOwhat");
    let length = noted.len() as u32 - 8;
    noted[4..8].copy_from_slice(&length.to_le_bytes());
    let cases: [(&str, Vec<u8>); 5] = [
        ("text", b"this is no sound at all, whatever its name".to_vec()),
        ("nothing", Vec::new()),
        ("half a header", whole[..20].to_vec()),
        ("no samples", wav_bytes(spec, 0, |_| 0.0)),
        ("no samples, but more", noted),
    ];
    for (what, bytes) in cases {
        assert!(matches!(WavSource::read(Cursor::new(bytes)), Err(MediaError::UnreadableWav(_))), "{what}");
    }
    let many = hound::WavSpec { channels: 6, ..spec };
    let refused = WavSource::read(Cursor::new(wav_bytes(many, 10, |_| 0.0))).expect_err("six channels").to_string();
    assert!(refused.contains("6 channels"), "{refused}");
}

/// A WAV file of these bytes, mono, at 8 kHz, with chunks that are of no concern.
fn raw_wav(format: &[u8], length: u32, data: &[u8]) -> Vec<u8> {
    let chunk = |name: &[u8; 4], length: u32, data: &[u8]| [name, &length.to_le_bytes()[..], data].concat();
    [
        b"RIFF\xff\xff\xff\xffWAVE".to_vec(),
        chunk(b"JUNK", 3, b"abc\0"),
        chunk(b"fmt ", format.len() as u32, format),
        chunk(b"fact", 4, &[0; 4]),
        chunk(b"data", length, data),
    ]
    .concat()
}

fn format(tag: u16, bits: u16) -> Vec<u8> {
    let block = bits / 8;
    let bytes_per_second = 8_000 * u32::from(block);
    [
        &tag.to_le_bytes()[..],
        &1_u16.to_le_bytes(),
        &8_000_u32.to_le_bytes(),
        &bytes_per_second.to_le_bytes(),
        &block.to_le_bytes(),
        &bits.to_le_bytes(),
    ]
    .concat()
}

#[test]
fn g711_is_read_as_the_sound_that_it_is() {
    // ITU-T G.711, tables 1 and 2: the loudest of either sign, and silence.
    let (a_law, mu_law) = ([0xaa, 0x2a, 0xd5], [0x80, 0x00, 0xff]);
    let samples = |bytes: Vec<u8>| WavSource::read(Cursor::new(bytes)).expect("a WAV").samples().to_vec();
    assert_eq!(samples(raw_wav(&format(6, 8), 3, &a_law)), [32_256, -32_256, 8]);
    assert_eq!(samples(raw_wav(&format(7, 8), 3, &mu_law)), [32_124, -32_124, 0]);
    let subformat =
        [&22_u16.to_le_bytes()[..], &8_u16.to_le_bytes(), &4_u32.to_le_bytes(), &7_u16.to_le_bytes(), &[0; 14]];
    let extensible = [format(0xfffe, 8), subformat.concat()].concat();
    assert_eq!(samples(raw_wav(&extensible, 3, &mu_law)), [32_124, -32_124, 0]);
    let cut = WavSource::read(Cursor::new(raw_wav(&format(7, 8), 4, &mu_law))).expect_err("cut").to_string();
    assert!(cut.contains("ends in the middle"), "{cut}");
}

#[test]
fn a_wav_from_a_pipe_is_read_to_its_end() {
    let linear: Vec<u8> = [1_i16, -2, 3].iter().flat_map(|sample| sample.to_le_bytes()).collect();
    // As GStreamer, sox, arecord and ffmpeg write into a pipe.
    for length in [0, 0x7fff_f000, 0x8000_0000, u32::MAX] {
        let wav = WavSource::read(Cursor::new(raw_wav(&format(1, 16), length, &linear)));
        assert_eq!(wav.expect("a WAV").samples(), [1, -2, 3], "{length:x}");
        let wav = WavSource::read(Cursor::new(raw_wav(&format(7, 8), length, &[0x80, 0xff])));
        assert_eq!(wav.expect("a WAV").samples(), [32_124, 0], "{length:x}");
    }
    // One that says its length has it.
    let cut = WavSource::read(Cursor::new(raw_wav(&format(1, 16), 8, &linear)));
    assert!(matches!(cut, Err(MediaError::UnreadableWav(_))), "{cut:?}");
}

#[test]
fn a_wav_in_another_codec_is_refused_with_what_to_do() {
    for tag in [2, 0x11, 0x31, 0x55] {
        let refused =
            WavSource::read(Cursor::new(raw_wav(&format(tag, 8), 3, &[0; 3]))).expect_err("a codec").to_string();
        assert!(refused.contains("its codec") && refused.contains("`sox in.wav"), "{refused}");
    }
}

#[test]
fn a_recording_is_readable_at_any_moment_and_complete_in_the_end() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
    let path = std::env::temp_dir().join(format!("offhook-cut-{}.wav", std::process::id()));
    let (mut recorder, recording) = Recorder::create(&path, 8_000).expect("file");
    let (local, remote) = ([1_000i16; 160], [-2_000i16; 960]);
    let frame = TapFrame {
        local: &local,
        local_rate: 8_000,
        remote: &remote,
        remote_rate: 48_000,
        remote_earlier: Duration::ZERO,
    };
    for _ in 0..250 {
        recorder.frame(&frame);
    }
    // The program is killed now: nothing of what is written later counts. The writer is another thread; it gets to it.
    let readable = (0..500).find_map(|_| {
        std::thread::sleep(Duration::from_millis(10));
        let reader = hound::WavReader::new(Cursor::new(std::fs::read(&path).ok()?)).ok()?;
        (reader.duration() >= 8_000 * 3).then_some(reader)
    });
    let mut readable = readable.expect("three of five seconds are in the file while it is written");
    assert_eq!(readable.spec().channels, 2);
    assert!(readable.samples::<i16>().all(|sample| sample.is_ok()), "no sample is promised that is not there");

    recording.pause();
    for _ in 0..50 {
        recorder.frame(&frame);
    }
    recording.resume();
    for _ in 0..50 {
        recorder.frame(&frame);
    }
    drop(recorder);
    let summary = runtime.block_on(recording.finished()).expect("written");
    assert_eq!(summary.dropped, 0);
    assert!((8_000 * 6 - 160..=8_000 * 6).contains(&(summary.frames as u32)), "{summary:?}");
    let mut reader = hound::WavReader::open(&path).expect("a WAV");
    let samples: Vec<i16> = reader.samples().map(|sample| sample.expect("a sample")).collect();
    assert_eq!(samples.len() as u64, summary.frames * 2);
    let (left, right) = (samples[20_000], samples[20_001]);
    assert_eq!(left, 1_000);
    assert!((-2_010..=-1_990).contains(&right), "{right}");
    std::fs::remove_file(&path).expect("it was there");
}

#[tokio::test]
async fn what_is_heard_can_be_written_to_a_mono_file() {
    let path = std::env::temp_dir().join(format!("offhook-sink-{}.wav", std::process::id()));
    let (mut sink, recording) = WavSink::create(&path, 16_000).expect("file");
    for _ in 0..10 {
        sink.write(8_000, &[3_000; 160]);
    }
    // Another codec was negotiated.
    for _ in 0..10 {
        sink.write(48_000, &[3_000; 960]);
    }
    drop(sink);
    let summary = timeout(LIMIT, recording.finished()).await.expect("in time").expect("written");
    let read = WavSource::open(&path).expect("a WAV");
    assert_eq!((read.sample_rate(), read.samples().len() as u64), (16_000, summary.frames));
    assert!((6_300..=6_400).contains(&summary.frames), "400 ms at 16 kHz: {summary:?}");
    assert!((2_950..=3_050).contains(&read.samples()[2_000]));
    std::fs::remove_file(&path).expect("it was there");
}

#[tokio::test]
async fn addresses_that_cannot_be_bound_are_refused_at_once() {
    for ip in ["0.0.0.0", "192.0.2.1", "224.0.0.1"] {
        let ip = ip.parse().expect("an address");
        let refused = Peer::spawn(PeerConfig::new("nowhere").addresses(Addresses::Only(vec![ip]))).err();
        assert!(matches!(refused, Some(MediaError::Socket { address, .. }) if address == ip), "{refused:?}");
    }
    let refused = Peer::spawn(PeerConfig::new("nowhere").addresses(Addresses::Only(Vec::new()))).err();
    assert_eq!(refused, Some(MediaError::NoAddress));
}

/// Tells when it was asked for the fiftieth time, a second after the first.
struct Asked {
    times: u32,
    told: std::sync::mpsc::Sender<()>,
}

impl AudioSourceFn for Asked {
    fn fill(&mut self, _: u32, _: &mut [i16]) -> SourceState {
        self.times += 1;
        if self.times == 50 {
            self.told.send(()).expect("the test waits");
        }
        SourceState::Playing
    }
}

#[tokio::test]
async fn a_program_that_blocks_its_runtime_is_not_heard() {
    let (mut a, mut b) = (End::new(&[Codec::Pcmu]), End::new(&[Codec::Pcmu]));
    connect(&mut a, &mut b).await;
    let sent = async |end: &End| end.peer.stats().await.expect("open").outbound.packets_sent;
    let (asked, second) = std::sync::mpsc::channel();
    let before = sent(&a).await;
    a.peer.set_source(AudioSource::Custom(Box::new(Asked { times: 0, told: asked })));
    // The only thread of this runtime, for what is a second where the machine has time.
    second.recv_timeout(LIMIT).expect("the source is asked on");
    let meanwhile = sent(&a).await - before;
    assert!(meanwhile >= 45, "{meanwhile} packets in a second");
}

#[test]
fn a_peer_needs_no_runtime() {
    let (peer, _events) = Peer::spawn(PeerConfig::new("alone").addresses(Addresses::Loopback)).expect("it starts");
    // Without a clock and sockets.
    let bare = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let offer = bare.block_on(peer.create_offer(Direction::SendRecv)).expect("an offer");
    assert!(offer.contains("m=audio"), "{offer}");
}

#[test]
fn a_file_that_cannot_be_written_is_told_at_once() {
    let refused = Recorder::create("/nowhere/at-all.wav", 8_000).err();
    assert!(matches!(refused, Some(MediaError::UnwritableWav { .. })), "{refused:?}");
}

#[tokio::test]
async fn a_wav_played_once_ends_and_is_told_of() {
    let (mut a, mut b) = (End::new(&[Codec::Pcmu]), End::new(&[Codec::Pcmu]));
    connect(&mut a, &mut b).await;
    let id = a.peer.set_source(wav(&speech(8_000, 0.3), 8_000));
    a.wait(|event| (*event == PeerEvent::SourceEnded(id)).then_some(())).await;
}

#[tokio::test]
async fn a_bot_speaks_and_hears_at_its_own_rate() {
    let (mut a, mut b) = (End::new(&[Codec::Opus]), End::new(&[Codec::Opus]));
    let (mut mouth, source) = pcm_input(24_000, Duration::from_millis(200)).expect("rate");
    let (mut ear, sink) = pcm_output(RATE, Duration::from_secs(5)).expect("rate");
    a.peer.set_source(AudioSource::Pcm(source));
    b.peer.set_sink(Some(Box::new(sink)));
    connect(&mut a, &mut b).await;
    let said = speech(24_000, 2.0);
    let begin = std::time::Instant::now();
    timeout(LIMIT, mouth.write(&said)).await.expect("in time").expect("the call is up");
    let took = begin.elapsed();
    assert!(took > Duration::from_millis(1_500), "the queue of 200 ms holds the bot back: {took:?}");
    let mut heard = vec![0; RATE as usize * 5 / 2];
    assert_eq!(timeout(LIMIT, ear.read(&mut heard)).await.expect("in time"), heard.len());
    // The call was up for as long as the machine took until the first was said and heard.
    let silent = heard.iter().position(|sample| sample.unsigned_abs() > 100).unwrap_or(heard.len());
    let mut more = heard.split_off(silent.saturating_sub(RATE as usize / 10));
    std::mem::swap(&mut heard, &mut more);
    if !more.is_empty() {
        assert_eq!(timeout(LIMIT, ear.read(&mut more)).await.expect("in time"), more.len());
        heard.extend_from_slice(&more);
    }
    let mut expected = Vec::new();
    Resampler::new(24_000, RATE).expect("rates").process(&said, &mut expected);
    let found = correlation(&expected, &heard);
    assert!(found > 0.95, "{found}");
    drop(a);
    drop(b);
    while timeout(LIMIT, ear.read(&mut heard)).await.expect("the end is told") > 0 {}
    assert_eq!(timeout(LIMIT, mouth.write(&said)).await.expect("in time"), Err(MediaError::Closed));
}

#[tokio::test]
async fn an_interrupted_bot_is_silent_at_once() {
    let (mut a, mut b) = (End::new(&[Codec::Pcmu]), End::new(&[Codec::Pcmu]));
    let (mut mouth, source) = pcm_input(8_000, Duration::from_secs(10)).expect("rate");
    a.peer.set_source(AudioSource::Pcm(source));
    connect(&mut a, &mut b).await;
    let written = mouth.try_write(&vec![8_000; 80_000]).expect("open");
    assert_eq!(written, 80_000);
    assert_eq!(mouth.try_write(&[1, 2, 3]).expect("open"), 0, "the queue is full");
    level(&b, |heard| heard > -20.0).await;
    // Full again, so that it is long until it would be silent by itself.
    mouth.try_write(&vec![8_000; 80_000]).expect("open");
    mouth.clear();
    assert_eq!(mouth.queued(), Duration::ZERO);
    timeout(LIMIT / 2, level(&b, |heard| heard < -60.0)).await.expect("long before all of it would have been said");
}

#[tokio::test]
async fn what_nobody_reads_is_dropped_and_counted() {
    let (ear, mut sink) = pcm_output(8_000, Duration::from_millis(100)).expect("rate");
    for _ in 0..50 {
        sink.write(8_000, &[7; 160]);
    }
    assert_eq!(ear.dropped(), 50 * 160 - 800);
    assert!(pcm_input(3_999, Duration::from_secs(1)).is_err());
}

#[tokio::test]
async fn an_echo_says_what_it_hears() {
    let (mut a, mut b) = (End::new(&[Codec::Opus]), End::new(&[Codec::Opus]));
    let heard = Heard::listen(&a);
    let said = speech(RATE, 2.0);
    a.peer.set_source(wav(&said, RATE));
    b.peer.set_source(AudioSource::Echo);
    connect(&mut a, &mut b).await;
    heard.seconds(2.7).await;
    let found = correlation(&said, &heard.at(RATE));
    assert!(found > 0.9, "twice through the codec: {found}");
}
