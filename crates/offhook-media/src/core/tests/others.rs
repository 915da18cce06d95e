//! Far ends that are not ours: an ICE-lite one, certificates with RSA and ECDSA keys, either DTLS role.

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
    fn new(now: Instant, lite: bool, rsa: bool) -> Self {
        let mut builder = Rtc::builder().set_ice_lite(lite);
        if rsa {
            builder = builder.set_dtls_cert(rsa_certificate());
        }
        builder = builder.set_crypto_provider(Arc::new(str0m::crypto::from_feature_flags()));
        let mut rtc = builder.build(now);
        let address = SocketAddr::from(([10, 0, 0, 2], 5_000));
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

/// We offer with this DTLS role; a second and a half of a call with it.
fn call(lite: bool, rsa: bool, setup: &str) -> (Side, Other) {
    let grid = Instant::now();
    let mut now = grid + Duration::from_millis(3);
    let mut side = Side::new(OURS, &[Codec::Opus], grid, now);
    side.play(AudioSource::Tone(ToneSpec::new(440.0)));
    let mut other = Other::new(now, lite, rsa);
    let offer = side.core.create_offer(now, Direction::SendRecv).unwrap();
    assert!(offer.contains("a=setup:actpass"));
    let offer = SdpOffer::from_sdp_string(&offer.replace("a=setup:actpass", &format!("a=setup:{setup}"))).unwrap();
    let answer = other.rtc.sdp_api().accept_offer(offer).unwrap().to_sdp_string();
    assert_eq!(answer.contains("a=ice-lite"), lite, "{answer}");
    let role = if setup == "active" { "passive" } else { "active" };
    assert!(answer.contains(&format!("a=setup:{role}")), "{answer}");
    side.core.accept_answer(now, &answer).unwrap();
    let ours = SocketAddr::from(([10, 0, 0, 1], OURS));
    let end = now + Duration::from_millis(1_500);
    while now < end {
        other.poll();
        for data in other.sent.drain(..) {
            side.core.receive(now, other.address, ours, &data);
        }
        while let Some(output) = side.core.poll_output() {
            match output {
                Output::Transmit { destination, data, .. } if destination == other.address => {
                    let receive = Receive::new(Protocol::Udp, ours, destination, &data).unwrap();
                    other.rtc.handle_input(Input::Receive(now, receive)).unwrap();
                    other.poll();
                }
                Output::Transmit { .. } => {}
                Output::Event(event) => side.events.push(event),
                Output::Relay(_) => panic!("nothing is bridged"),
            }
        }
        now += Duration::from_millis(5);
        side.core.handle_timeout(now);
        other.rtc.handle_input(Input::Timeout(now)).unwrap();
    }
    (side, other)
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
