//! Phones at a scene, and ears.

use std::f64::consts::TAU;
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use offhook::{
    AudioSource, CallOptions, CandidatePair, EventStream, PcmOutput, Phone, PhoneBuilder, ReconnectPolicy, Session,
    ToneSpec,
};
use offhook_interop_kamailio::{DOMAIN, Scene};

/// A guard against hanging, far above what anything takes.
const PATIENCE: Duration = Duration::from_secs(30);
const RATE: u32 = 8_000;

/// Which way to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Over {
    Ws,
    Wss,
}

pub(crate) fn builder(scene: &Scene, user: &str, over: Over) -> PhoneBuilder {
    // Quick, so that the test is: the phones come back within half a second.
    let policy = ReconnectPolicy { first_ms: 100, max_ms: 500, ..ReconnectPolicy::default() };
    let builder = Phone::builder().user(user).password(format!("secret-{user}")).domain(DOMAIN).reconnect(policy);
    match over {
        Over::Ws => builder.server(scene.ws()),
        Over::Wss => builder.server(scene.wss()).ca_certificate(scene.authority()),
    }
}

/// A registered phone, and the calls that come in there.
pub(crate) struct At {
    pub(crate) phone: Phone,
    pub(crate) incoming: EventStream<Session>,
}

pub(crate) async fn at(scene: &Scene, user: &str, over: Over) -> At {
    let phone = soon(builder(scene, user, over).connect()).await.expect("registers");
    let incoming = phone.incoming();
    At { phone, incoming }
}

impl At {
    /// The next call that comes in.
    pub(crate) async fn rings(&mut self) -> Session {
        soon(self.incoming.next()).await.expect("rings")
    }

    /// The next call that comes in, answered.
    pub(crate) async fn answers(&mut self) -> Session {
        let call = self.rings().await;
        soon(call.answer(CallOptions::default())).await.expect("answers");
        call
    }
}

/// One calls, the other answers; both talk.
pub(crate) async fn talk(caller: &At, callee: &mut At, number: &str) -> (Session, Session) {
    let call = soon(caller.phone.call(number, CallOptions::default())).await.expect("calls");
    let answered = callee.answers().await;
    soon(call.confirmed()).await.expect("is confirmed");
    (call, answered)
}

/// Waits, but not for ever.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("it takes too long")
}

/// The next item of a stream that is one's.
pub(crate) async fn until<S: Stream + Unpin>(stream: &mut S, mut wanted: impl FnMut(&S::Item) -> bool) -> S::Item {
    soon(async {
        loop {
            let item = stream.next().await.expect("the stream goes on");
            if wanted(&item) {
                return item;
            }
        }
    })
    .await
}

/// Waits for something that a daemon does and tells nobody.
pub(crate) async fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let looking = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, looking).await.is_ok(), "{what}");
}

/// Neither daemon holds a call.
pub(crate) async fn no_call_is_left(scene: &Scene) {
    eventually("Kamailio holds no dialog", || scene.dialogs() == 0).await;
    eventually("rtpengine holds no call", || scene.media_calls().is_empty()).await;
}

/// Both phones go, and nothing of them is left at the daemons.
pub(crate) async fn all_gone(scene: &Scene, phones: impl IntoIterator<Item = At>) {
    for at in phones {
        assert!(at.phone.sessions().is_empty(), "a phone holds no call");
        soon(at.phone.shutdown()).await;
    }
    eventually("nobody is registered", || scene.registered().is_empty()).await;
    no_call_is_left(scene).await;
}

/// Each hears the other's tone, and only through rtpengine: its ports are all that the phones know of each other, and the
/// packets are counted there.
pub(crate) async fn hear_each_other(scene: &Scene, a: &Session, b: &Session) {
    drop(a.play(tone(440.0)));
    drop(b.play(tone(1000.0)));
    let call_id = a.call_id().as_str();
    let before = scene.media(call_id).expect("rtpengine has the call");
    // What is heard from now on came after that.
    let (mut at_a, mut at_b) = (ear(a), ear(b));
    hears(&mut at_a, 1000.0).await;
    hears(&mut at_b, 440.0).await;
    // Not what waited in a queue: 200 ms from now on.
    hears(&mut at_a, 1000.0).await;
    hears(&mut at_b, 440.0).await;
    let after = scene.media(call_id).expect("rtpengine has the call");
    assert!(after.packets >= before.packets + 20, "20 packets at least went through: {before:?} {after:?}");
    for protocol in &after.protocols {
        assert_eq!(protocol, "UDP/TLS/RTP/SAVPF", "both sides are encrypted");
    }
    for session in [a, b] {
        let pair = soon(pair(session)).await;
        assert!(after.ports.contains(&pair.remote.port()), "{pair:?} is at rtpengine {after:?}");
        assert!(after.phones.contains(&pair.local.port()), "rtpengine hears {pair:?}: {after:?}");
        assert!(scene.media_ports().contains(&pair.remote.port()));
    }
}

/// The media's path: statistics know of it a second later at most.
async fn pair(session: &Session) -> CandidatePair {
    loop {
        if let Some(pair) = session.stats().await.expect("open").candidate_pair {
            return pair;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub(crate) fn tone(hz: f64) -> AudioSource {
    AudioSource::Tone(ToneSpec::new(hz))
}

pub(crate) fn ear(session: &Session) -> PcmOutput {
    session.audio_output(RATE).expect("a rate")
}

/// Listens until 200 ms of nothing but this tone were heard.
pub(crate) async fn hears(ear: &mut PcmOutput, hz: f64) {
    soon(async {
        loop {
            let (level, share) = listen(ear, hz).await;
            if level > 100.0 && share > 0.9 {
                return;
            }
        }
    })
    .await;
}

/// Listens until 200 ms of silence were heard, or until nothing is heard at all any more.
pub(crate) async fn hears_nothing(ear: &mut PcmOutput) {
    let quiet = Duration::from_millis(600);
    soon(async { while tokio::time::timeout(quiet, listen(ear, 440.0)).await.is_ok_and(|(level, _)| level > 20.0) {} })
        .await;
}

/// RMS of the next 200 ms, and which share of its power is at this frequency.
async fn listen(ear: &mut PcmOutput, hz: f64) -> (f64, f64) {
    let mut samples = [0_i16; RATE as usize / 5];
    let count = ear.read(&mut samples).await;
    assert_eq!(count, samples.len(), "the call goes on");
    let (mut real, mut imaginary, mut power) = (0.0, 0.0, 0.0);
    for (n, sample) in samples.iter().enumerate() {
        let (sample, angle) = (f64::from(*sample), TAU * hz * n as f64 / f64::from(RATE));
        real += sample * angle.cos();
        imaginary += sample * angle.sin();
        power += sample * sample;
    }
    let count = samples.len() as f64;
    let at_tone = 2.0 * (real * real + imaginary * imaginary) / count;
    ((power / count).sqrt(), if power > 0.0 { at_tone / power } else { 0.0 })
}
