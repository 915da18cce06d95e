//! Twelve offers and answers as PBXs send them: each is accepted, with an answer that suits that peer, or refused with its reason.

mod common;

use common::*;
use offhook_media::*;

/// A sample with its placeholders filled in.
fn sample(name: &str, setup: &str) -> String {
    let path = format!("{}/tests/fixtures/sdp/{name}.sdp", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    text.replace("@MID@", "audio-0").replace("@SETUP@", setup)
}

async fn answer(offer: String) -> Result<String, MediaError> {
    End::new(&[Codec::Opus, Codec::Pcmu, Codec::Pcma]).peer.accept_offer(offer, Direction::SendRecv).await
}

fn values<'a>(sdp: &'a str, prefix: &'a str) -> Vec<&'a str> {
    sdp.lines().filter_map(|line| line.strip_prefix(prefix)).collect()
}

/// What every answer must have, judged by the offer (RFC 3264 §6, RFC 8829 §5.3.1, RFC 8839 §4.2).
fn check_answer(name: &str, offer: &str, answer: &str, setup: &str) {
    assert!(answer.lines().all(|line| line.as_bytes().get(1) == Some(&b'=')), "{name}: {answer}");
    assert!(answer.ends_with("\r\n") && answer.starts_with("v=0\r\no="), "{name}");
    let (theirs, ours) = (values(offer, "m="), values(answer, "m="));
    assert_eq!(theirs.len(), ours.len(), "{name}: as many media lines");
    for (theirs, ours) in theirs.iter().zip(&ours) {
        let (theirs, ours): (Vec<_>, Vec<_>) = (theirs.split(' ').collect(), ours.split(' ').collect());
        assert_eq!((theirs[0], theirs[2]), (ours[0], ours[2]), "{name}: kind and profile are the peer's");
        if ours[0] == "audio" {
            let offered = &theirs[3..];
            assert!(
                ours[3..].iter().all(|pt| offered.contains(pt)),
                "{name}: only payload types of the offer: {ours:?}"
            );
            let candidates = values(answer, "a=candidate:");
            let port = format!(" {} typ host", ours[1]);
            assert!(candidates.iter().any(|c| c.contains(&port)), "{name}: the media line has a candidate's port");
            assert_eq!(values(answer, "c="), ["IN IP4 127.0.0.1"], "{name}");
        } else {
            assert_eq!(ours[1], "0", "{name}: other media is refused");
        }
    }
    let mids = values(offer, "a=mid:");
    assert_eq!(values(answer, "a=mid:"), mids, "{name}: mid only if offered");
    let groups: Vec<_> = values(offer, "a=group:");
    assert_eq!(values(answer, "a=group:"), groups, "{name}: group only if offered");
    assert_eq!(values(answer, "a=setup:"), [setup], "{name}");
    for needed in ["a=rtcp-mux", "a=sendrecv", "a=ptime:20"] {
        assert!(answer.lines().any(|line| line == needed), "{name}: {needed}");
    }
    assert_eq!(values(answer, "a=fingerprint:sha-256 ").len(), 1, "{name}");
    assert_eq!((values(answer, "a=ice-ufrag:").len(), values(answer, "a=ice-pwd:").len()), (1, 1), "{name}");
    // Each payload type that is not static is explained.
    let audio = ours.iter().find(|line| line.starts_with("audio")).expect("audio");
    for pt in audio.split(' ').skip(3) {
        assert!(answer.contains(&format!("a=rtpmap:{pt} ")), "{name}: rtpmap of {pt}");
    }
}

#[tokio::test]
async fn these_are_accepted_in_every_dtls_role() {
    for name in [
        "asterisk_webrtc",
        "av_group_partial",
        "bw_ts_extra",
        "freeswitch",
        "freeswitch_rtp_savpf",
        "mid_long",
        "mid_no_group",
    ] {
        for (theirs, ours) in [("actpass", "active"), ("active", "passive"), ("passive", "active")] {
            let offer = sample(name, theirs);
            let answer = answer(offer.clone()).await.unwrap_or_else(|error| panic!("{name}, setup {theirs}: {error}"));
            check_answer(name, &offer, &answer, ours);
        }
    }
}

#[tokio::test]
async fn a_lite_peer_that_names_neither_role_nor_direction_is_accepted() {
    let offer = sample("icelite_nodir_nosetup", "");
    let answer = answer(offer.clone()).await.expect("accepted");
    // An offerer that says nothing is active (RFC 4145 §4.1).
    check_answer("icelite_nodir_nosetup", &offer, &answer, "passive");
    assert!(!answer.contains("a=ice-lite"));
}

#[tokio::test]
async fn the_best_common_codec_comes_first_with_the_events_of_the_offer() {
    let answer = answer(sample("asterisk_webrtc", "actpass")).await.expect("accepted");
    let audio = values(&answer, "m=audio ")[0];
    assert!(audio.ends_with("UDP/TLS/RTP/SAVPF 111 0 101"), "{audio}");
    assert!(answer.contains("a=rtpmap:101 telephone-event/8000\r\n"));
}

#[tokio::test]
async fn these_are_refused_with_the_reason() {
    let cases = [
        ("asterisk_dtls_nobundle", SdpRefusal::NoRtcpMux),
        ("asterisk_savp", SdpRefusal::NoRtcpMux),
        ("rtpengine", SdpRefusal::FingerprintHash { hash: "sha-1".to_owned() }),
        ("sdes_only", SdpRefusal::NotDtls { profile: "RTP/SAVP".to_owned() }),
    ];
    for (name, reason) in cases {
        assert_eq!(answer(sample(name, "actpass")).await, Err(MediaError::Sdp(reason)), "{name}");
    }
    let text = SdpRefusal::NoRtcpMux.to_string();
    assert!(text.contains("rtcp-mux") && text.contains("enable"), "the reason says what to do: {text}");
}

#[tokio::test]
async fn holding_and_listening_offers_are_answered_by_what_both_want() {
    for (theirs, wanted, expected) in [
        ("sendonly", Direction::SendRecv, "recvonly"),
        ("inactive", Direction::SendRecv, "inactive"),
        ("recvonly", Direction::SendRecv, "sendonly"),
        // We hold: the peer's own wish does not take us off hold.
        ("sendrecv", Direction::SendOnly, "sendonly"),
        ("sendonly", Direction::SendOnly, "inactive"),
    ] {
        let offer = sample("freeswitch", "actpass").replace("a=sendrecv", &format!("a={theirs}"));
        let peer = End::new(&[Codec::Pcmu]).peer;
        let answer = peer.accept_offer(offer, wanted).await.expect("accepted");
        assert!(answer.contains(&format!("a={expected}\r\n")), "{theirs} and {wanted:?}: {answer}");
    }
}

#[tokio::test]
async fn answers_of_any_shape_are_taken() {
    // As answers, with the payload types and the one media line of our offer.
    for name in [
        "asterisk_webrtc",
        "freeswitch",
        "freeswitch_rtp_savpf",
        "icelite_nodir_nosetup",
        "mid_long",
        "mid_no_group",
        "bw_ts_extra",
    ] {
        for setup in ["active", "passive"] {
            let peer = End::new(&[Codec::Opus, Codec::Pcmu]).peer;
            peer.create_offer(Direction::SendRecv).await.expect("offer");
            peer.accept_answer(sample(name, setup)).await.unwrap_or_else(|error| panic!("{name}: {error}"));
            // The next offer speaks as the peer did.
            let again = peer.create_offer(Direction::SendOnly).await.expect("offer");
            let profile = values(&sample(name, setup), "m=audio ")[0].split(' ').nth(1).map(str::to_owned);
            assert_eq!(values(&again, "m=audio ")[0].split(' ').nth(1).map(str::to_owned), profile, "{name}");
        }
    }
    let peer = End::new(&[Codec::Opus, Codec::Pcmu]).peer;
    peer.create_offer(Direction::SendRecv).await.expect("offer");
    let refused = peer.accept_answer(sample("av_group_partial", "active")).await;
    assert!(matches!(refused, Err(MediaError::Sdp(SdpRefusal::AnswerMismatch(_)))), "two lines for one: {refused:?}");
}

#[tokio::test]
async fn no_common_codec_is_told_with_both_lists() {
    let peer = End::new(&[Codec::Opus]).peer;
    let refused = peer.accept_offer(sample("freeswitch", "actpass"), Direction::SendRecv).await.expect_err("no Opus");
    let text = refused.to_string();
    assert!(text.contains("PCMU") && text.contains("opus"), "{text}");
}

#[tokio::test]
async fn damaged_descriptions_are_refused_and_never_more() {
    let whole = sample("asterisk_webrtc", "actpass");
    let peer = End::new(&[Codec::Opus]).peer;
    for end in 0..whole.len() {
        // The result may be either; it must not bring the peer down.
        let _ = peer.accept_offer(whole[..end].to_owned(), Direction::SendRecv).await;
        let mut bytes = whole.clone().into_bytes();
        bytes[end] = bytes[end].wrapping_add(7) & 0x7f;
        let _ = peer.accept_offer(String::from_utf8_lossy(&bytes).into_owned(), Direction::SendRecv).await;
    }
    assert!(peer.stats().await.is_ok());
    peer.accept_offer(whole, Direction::SendRecv).await.expect("the whole one is accepted");
}
