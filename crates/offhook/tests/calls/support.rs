//! A PBX, phones at it, and ears.

use std::f64::consts::TAU;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use offhook::{AudioSource, CallOptions, PcmOutput, Phone, PhoneBuilder, Session, ToneSpec};
use offhook_pbx::Pbx;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// A guard against hanging, far above what anything takes.
const PATIENCE: Duration = Duration::from_secs(20);
const RATE: u32 = 8_000;

pub(crate) async fn pbx() -> Pbx {
    Pbx::builder().start().await.expect("the PBX starts")
}

pub(crate) fn at(pbx: &Pbx, user: &str) -> PhoneBuilder {
    let url = pbx.ws_url().expect("a ws port");
    Phone::builder().server(url).user(user).password(format!("secret-{user}"))
}

pub(crate) async fn phone(pbx: &Pbx, user: &str) -> Phone {
    soon(at(pbx, user).connect()).await.expect("registers")
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

/// 1000 calls 1001, who answers; both talk.
pub(crate) struct Talk {
    pub(crate) pbx: Pbx,
    pub(crate) alice: Phone,
    pub(crate) bob: Phone,
    pub(crate) a: Session,
    pub(crate) b: Session,
}

pub(crate) async fn talk() -> Talk {
    let pbx = pbx().await;
    let (alice, bob) = (phone(&pbx, "1000").await, phone(&pbx, "1001").await);
    let mut incoming = bob.incoming();
    let a = soon(alice.call("1001", CallOptions::default())).await.expect("calls");
    let b = soon(incoming.next()).await.expect("rings");
    soon(b.answer(CallOptions::default())).await.expect("answers");
    soon(a.confirmed()).await.expect("is confirmed");
    Talk { pbx, alice, bob, a, b }
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

/// Listens until something loud that is not this tone was heard for 200 ms.
pub(crate) async fn hears_other_than(ear: &mut PcmOutput, hz: f64) {
    soon(async {
        loop {
            let (level, share) = listen(ear, hz).await;
            if level > 100.0 && share < 0.2 {
                return;
            }
        }
    })
    .await;
}

/// Listens until 40 ms of nothing but these two tones were heard.
pub(crate) async fn hears_both(ear: &mut PcmOutput, low: f64, high: f64) -> bool {
    soon(async {
        loop {
            let mut samples = [0_i16; RATE as usize / 25];
            if ear.read(&mut samples).await < samples.len() {
                return false;
            }
            let (level, low) = share(&samples, low);
            let (_, high) = share(&samples, high);
            if level > 1_000.0 && low > 0.2 && high > 0.2 && low + high > 0.9 {
                return true;
            }
        }
    })
    .await
}

/// RMS of the next 200 ms, and which share of its power is at this frequency.
async fn listen(ear: &mut PcmOutput, hz: f64) -> (f64, f64) {
    let mut samples = [0_i16; RATE as usize / 5];
    let count = ear.read(&mut samples).await;
    assert_eq!(count, samples.len(), "the call goes on");
    share(&samples, hz)
}

/// RMS of samples, and which share of their power is at this frequency.
fn share(samples: &[i16], hz: f64) -> (f64, f64) {
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

/// A wire to the PBX that can be cut, and mended.
pub(crate) struct Wire {
    address: SocketAddr,
    up: watch::Sender<bool>,
}

impl Wire {
    pub(crate) async fn to(pbx: &Pbx) -> Self {
        let server = pbx.ws_address().expect("a ws port");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let address = listener.local_addr().expect("an address");
        let (up, state) = watch::channel(true);
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let mut state = state.clone();
                tokio::spawn(async move {
                    if !*state.borrow() {
                        return;
                    }
                    let Ok(mut server) = TcpStream::connect(server).await else { return };
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut client, &mut server) => {}
                        _ = state.wait_for(|up| !up) => {}
                    }
                });
            }
        });
        Self { address, up }
    }

    pub(crate) fn url(&self) -> String {
        format!("ws://{}", self.address)
    }

    pub(crate) fn cut(&self) {
        self.up.send_replace(false);
    }

    pub(crate) fn mend(&self) {
        self.up.send_replace(true);
    }
}
