//! Descriptions from the far end, given to a peer connection.
//!
//! Beyond "no panic" it holds that an accepted offer gets an answer that fits it (RFC 3264 §6: as many m-lines, in the same order), that
//! the same offer is accepted once more, and that a refused description leaves a peer connection that still works.
//! Sockets are bound to 127.0.0.1, so that no candidate in a description can make anything leave this machine.

use std::time::Duration;

use offhook_media::{Addresses, Direction, MAX_SDP_BYTES, MediaError, Peer, PeerConfig};

/// Far longer than any description may take.
const LIMIT: Duration = Duration::from_secs(20);

/// Gives `data` as an offer.
#[allow(dead_code, reason = "each fuzz target uses one of the two")]
pub(crate) fn offer(data: &[u8]) {
    with_peer(data, async |peer, sdp| match peer.accept_offer(sdp.clone(), Direction::SendRecv).await {
        Ok(answer) => {
            assert_eq!(media_lines(&answer), media_lines(&sdp), "for\n{sdp}\nthe answer is\n{answer}");
            let again = peer.accept_offer(sdp, Direction::SendRecv).await;
            assert!(again.is_ok(), "accepted once, then refused: {again:?}");
        }
        Err(error) => assert_refusal(&error),
    });
}

/// Gives `data` as the answer to an offer.
#[allow(dead_code, reason = "each fuzz target uses one of the two")]
pub(crate) fn answer(data: &[u8]) {
    with_peer(data, async |peer, sdp| {
        peer.create_offer(Direction::SendRecv).await.expect("an offer");
        if let Err(error) = peer.accept_answer(sdp).await {
            assert_refusal(&error);
            peer.rollback().await.expect("an offer can be taken back");
            peer.create_offer(Direction::SendRecv).await.expect("another offer");
        }
    });
}

fn with_peer(data: &[u8], scenario: impl AsyncFnOnce(&Peer, String)) {
    let data = data.get(..MAX_SDP_BYTES + 1).unwrap_or(data);
    let Ok(sdp) = std::str::from_utf8(data) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let config = PeerConfig::new("fuzz").addresses(Addresses::Loopback);
        let (peer, _events) = Peer::spawn(config).expect("a peer connection");
        tokio::time::timeout(LIMIT, scenario(&peer, sdp.to_owned())).await.expect("it takes too long");
        assert!(peer.stats().await.is_ok(), "a description has killed the peer connection");
    });
}

/// What is wrong with a description is the far end's fault, and said so.
fn assert_refusal(error: &MediaError) {
    assert!(matches!(error, MediaError::Sdp(_)), "not a refusal of the description: {error:?}");
}

/// The kinds of media, in order.
fn media_lines(sdp: &str) -> Vec<String> {
    sdp.lines()
        .filter_map(|line| line.strip_prefix("m="))
        .map(|line| line.split(' ').next().unwrap_or_default().to_owned())
        .collect()
}
