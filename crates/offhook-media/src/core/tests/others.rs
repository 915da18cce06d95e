//! Far ends that are not ours: an ICE-lite one, certificates with RSA and ECDSA keys, either DTLS role; forks of one server.

use openssl::asn1::Asn1Time;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::PKey;
use openssl::rsa::Rsa;
use openssl::x509::{X509, X509Name};
use str0m::change::SdpOffer;
use str0m::config::DtlsCert;
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Event, Input, Output as Wants, Rtc};

use super::*;

const OURS: u16 = 1_000;

/// A certificate with an RSA key of 2048 bits: str0m itself makes ECDSA ones.
fn rsa_certificate() -> DtlsCert {
    let key = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
    let mut name = X509Name::builder().unwrap();
    name.append_entry_by_nid(Nid::COMMONNAME, "other").unwrap();
    let name = name.build();
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    builder.set_subject_name(&name).unwrap();
    builder.set_issuer_name(&name).unwrap();
    builder.set_pubkey(&key).unwrap();
    builder.set_not_before(&Asn1Time::days_from_now(0).unwrap()).unwrap();
    builder.set_not_after(&Asn1Time::days_from_now(1).unwrap()).unwrap();
    builder.sign(&key, MessageDigest::sha256()).unwrap();
    DtlsCert { certificate: builder.build().to_der().unwrap(), private_key: key.private_key_to_der().unwrap() }
}

/// A far end as str0m makes it, from its own descriptions.
struct Other {
    rtc: Rtc,
    address: SocketAddr,
    connected: bool,
    sent: Vec<Vec<u8>>,
    /// Frames of audio it got of us.
    frames: u32,
}

impl Other {
    fn new(now: Instant, lite: bool, certificate: Option<DtlsCert>, port: u16) -> Self {
        let mut builder = Rtc::builder().set_ice_lite(lite);
        if let Some(certificate) = certificate {
            builder = builder.set_dtls_cert(certificate);
        }
        builder = builder.set_crypto_provider(Arc::new(str0m::crypto::from_feature_flags()));
        let mut rtc = builder.build(now);
        let address = SocketAddr::from(([10, 0, 0, 2], port));
        rtc.add_local_candidate(Candidate::host(address, Protocol::Udp).unwrap()).unwrap();
        Self { rtc, address, connected: false, sent: Vec::new(), frames: 0 }
    }

    /// Takes note of what happened; what it sends waits in `sent`.
    fn poll(&mut self) {
        loop {
            match self.rtc.poll_output().unwrap() {
                Wants::Timeout(_) => return,
                Wants::Transmit(transmit) => self.sent.push(transmit.contents.into()),
                Wants::Event(Event::Connected) => self.connected = true,
                Wants::Event(Event::MediaData(_)) => self.frames += 1,
                Wants::Event(_) => {}
            }
        }
    }
}

/// We, at some time.
struct Us {
    side: Side,
    now: Instant,
}

impl Us {
    fn new() -> Self {
        let grid = Instant::now();
        let now = grid + Duration::from_millis(3);
        let mut side = Side::new(OURS, &[Codec::Opus], grid, now);
        side.play(AudioSource::Tone(ToneSpec::new(440.0)));
        Self { side, now }
    }

    /// This much of a call with it; one that is deaf gets nothing of what we send.
    fn talk(&mut self, other: &mut Other, ms: u64, deaf: bool) {
        let Self { side, now } = self;
        let ours = SocketAddr::from(([10, 0, 0, 1], OURS));
        let end = *now + Duration::from_millis(ms);
        while *now < end {
            other.poll();
            for data in other.sent.drain(..) {
                side.core.receive(*now, other.address, ours, &data);
            }
            while let Some(output) = side.core.poll_output() {
                match output {
                    Output::Transmit { destination, data, .. } if destination == other.address && !deaf => {
                        let receive = Receive::new(Protocol::Udp, ours, destination, &data).unwrap();
                        other.rtc.handle_input(Input::Receive(*now, receive)).unwrap();
                        other.poll();
                    }
                    Output::Transmit { .. } => {}
                    Output::Event(event) => side.events.push(event),
                    Output::Relay(_) => panic!("nothing is bridged"),
                }
            }
            *now += Duration::from_millis(5);
            side.core.handle_timeout(*now);
            other.rtc.handle_input(Input::Timeout(*now)).unwrap();
        }
    }
}

fn answer(other: &mut Other, offer: &str) -> String {
    let offer = SdpOffer::from_sdp_string(offer).unwrap();
    other.rtc.sdp_api().accept_offer(offer).unwrap().to_sdp_string()
}

/// We offer with this DTLS role; a second and a half of a call with it.
fn call(lite: bool, rsa: bool, setup: &str) -> (Side, Other) {
    let mut us = Us::new();
    let mut other = Other::new(us.now, lite, rsa.then(rsa_certificate), 5_000);
    let offer = us.side.core.create_offer(us.now, Direction::SendRecv).unwrap();
    assert!(offer.contains("a=setup:actpass"));
    let answer = answer(&mut other, &offer.replace("a=setup:actpass", &format!("a=setup:{setup}")));
    assert_eq!(answer.contains("a=ice-lite"), lite, "{answer}");
    let role = if setup == "active" { "passive" } else { "active" };
    assert!(answer.contains(&format!("a=setup:{role}")), "{answer}");
    us.side.core.accept_answer(us.now, &answer).unwrap();
    us.talk(&mut other, 1_500, false);
    (us.side, other)
}

#[test]
fn another_fork_on_the_same_server_may_answer() {
    // It has one certificate for all its calls.
    let certificate = rsa_certificate();
    let mut us = Us::new();
    let offer = us.side.core.create_offer(us.now, Direction::SendRecv).unwrap();
    us.side.core.set_early(us.now, true);
    let mut first = Other::new(us.now, false, Some(certificate.clone()), 5_000);
    let early = answer(&mut first, &offer);
    us.side.core.accept_answer(us.now, &early).unwrap();
    us.talk(&mut first, 1_500, false);
    assert!(first.connected && first.frames > 20);
    let mut second = Other::new(us.now, false, Some(certificate), 6_000);
    let last = answer(&mut second, &offer);
    let fingerprint = |sdp: &str| sdp.lines().find(|line| line.starts_with("a=fingerprint")).map(str::to_owned);
    assert_eq!(fingerprint(&early), fingerprint(&last));
    us.side.core.accept_answer(us.now, &last).unwrap();
    us.side.core.set_early(us.now, false);
    us.talk(&mut second, 1_500, false);
    assert!(second.connected && second.frames > 20, "{} frames, {:?}", second.frames, us.side.events);
}

/// The description with another fingerprint than the certificate has.
fn forge(answer: &str) -> String {
    let at = answer.find("a=fingerprint:sha-256 ").unwrap() + "a=fingerprint:sha-256 ".len();
    let other = if answer[at..].starts_with("00") { "11" } else { "00" };
    format!("{}{other}{}", &answer[..at], &answer[at + 2..])
}

#[test]
fn an_early_fork_with_a_wrong_certificate_does_not_keep_another_from_answering() {
    for setup in ["active", "passive"] {
        let mut us = Us::new();
        let offer = us.side.core.create_offer(us.now, Direction::SendRecv).unwrap();
        let offer = offer.replace("a=setup:actpass", &format!("a=setup:{setup}"));
        us.side.core.set_early(us.now, true);
        let mut first = Other::new(us.now, false, None, 5_000);
        let early = forge(&answer(&mut first, &offer));
        us.side.core.accept_answer(us.now, &early).unwrap();
        us.talk(&mut first, 1_500, false);
        assert!(!us.side.core.is_closed() && !us.side.has(&PeerEvent::Connected), "{:?}", us.side.events);
        assert!(us.side.has(&PeerEvent::RemoteClosed), "{:?}", us.side.events);
        let mut second = Other::new(us.now, false, None, 6_000);
        let last = answer(&mut second, &offer);
        us.side.core.accept_answer(us.now, &last).unwrap();
        us.side.core.set_early(us.now, false);
        us.talk(&mut second, 1_500, false);
        assert!(second.connected && second.frames > 20, "{} frames, {:?}", second.frames, us.side.events);
    }
}

#[test]
fn an_early_fork_with_a_wrong_certificate_that_answers_ends_the_call() {
    let mut us = Us::new();
    let offer = us.side.core.create_offer(us.now, Direction::SendRecv).unwrap();
    us.side.core.set_early(us.now, true);
    let mut other = Other::new(us.now, false, None, 5_000);
    let early = forge(&answer(&mut other, &offer));
    us.side.core.accept_answer(us.now, &early).unwrap();
    us.talk(&mut other, 1_500, false);
    us.side.core.accept_answer(us.now, &early).unwrap();
    us.side.core.set_early(us.now, false);
    us.talk(&mut other, 16_000, false);
    let failed = us.side.events.iter().any(|event| matches!(event, PeerEvent::Failed(_)));
    assert!(failed && !us.side.has(&PeerEvent::Connected), "{:?}", us.side.events);
}

/// A session border controller that opens its port with the answer has given early media; gives its description too.
fn rings_for_a_minute(lite: bool) -> (Us, Other, String) {
    let mut us = Us::new();
    let offer = us.side.core.create_offer(us.now, Direction::SendRecv).unwrap();
    us.side.core.set_early(us.now, true);
    let mut other = Other::new(us.now, lite, None, 5_000);
    let early = answer(&mut other, &offer);
    us.side.core.accept_answer(us.now, &early).unwrap();
    us.talk(&mut other, 60_000, true);
    (us, other, early)
}

#[test]
fn early_media_may_come_up_when_the_call_is_answered() {
    for lite in [true, false] {
        let (mut us, mut other, early) = rings_for_a_minute(lite);
        assert!(!us.side.core.is_closed(), "it rings on: {:?}", us.side.events);
        us.side.core.accept_answer(us.now, &early).unwrap();
        us.side.core.set_early(us.now, false);
        us.talk(&mut other, 3_000, false);
        assert!(other.connected && other.frames > 20, "lite {lite}: {} frames, {:?}", other.frames, us.side.events);
    }
}

#[test]
fn early_media_that_does_not_come_up_when_the_call_is_answered_ends_it() {
    let (mut us, mut other, _) = rings_for_a_minute(true);
    us.side.core.set_early(us.now, false);
    us.talk(&mut other, 14_000, true);
    assert!(!us.side.core.is_closed());
    us.talk(&mut other, 2_000, true);
    assert!(us.side.has(&PeerEvent::Failed(MediaError::ConnectTimeout { seconds: 15 })), "{:?}", us.side.events);
}

#[test]
fn rsa_and_ecdsa_certificates_are_taken_in_either_dtls_role() {
    for rsa in [false, true] {
        for setup in ["active", "passive"] {
            let (side, other) = call(false, rsa, setup);
            assert!(side.has(&PeerEvent::Connected) && other.connected, "rsa {rsa}, we are {setup}: {:?}", side.events);
            assert!(other.frames > 20, "rsa {rsa}, we are {setup}: {} frames", other.frames);
        }
    }
}

#[test]
fn an_ice_lite_far_end_is_connected_to_although_it_checks_nothing_itself() {
    for setup in ["active", "passive"] {
        let (side, other) = call(true, false, setup);
        assert!(side.has(&PeerEvent::Connected) && other.connected, "we are {setup}: {:?}", side.events);
        assert!(other.frames > 20, "we are {setup}: {} frames", other.frames);
    }
}
