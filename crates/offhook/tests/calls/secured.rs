//! Media with somebody else than the description names ends the call.

use offhook::{CallOptions, Cause, SdpStep, events::Side};

use crate::support::{at, pbx, phone, soon};

/// As an attacker in the signalling does it: the description names a certificate that the far end does not have.
fn forged(step: &SdpStep<'_>) -> Option<String> {
    let remote = step.originator == Side::Remote;
    let line = step.sdp.lines().find(|line| line.starts_with("a=fingerprint:")).filter(|_| remote)?;
    let (name, value) = line.split_once(' ')?;
    let first = if value.starts_with("00") { "11" } else { "00" };
    Some(step.sdp.replace(line, &format!("{name} {first}{}", value.get(2..)?)))
}

#[tokio::test]
async fn a_certificate_that_is_not_the_one_described_ends_the_call_as_webrtc_error() {
    let pbx = pbx().await;
    let alice = soon(at(&pbx, "1000").sdp_filter(forged).connect()).await.expect("registers");
    let call = soon(alice.call("600", CallOptions::default())).await.expect("calls");
    let end = soon(call.ended()).await;
    assert_eq!(end.cause, Cause::WebRtcError, "{end:?}");
    assert!(alice.sessions().is_empty());
    // Nothing was heard of it, and the phone goes on.
    let bob = phone(&pbx, "1001").await;
    assert!(bob.is_registered() && alice.is_registered());
    soon(alice.shutdown()).await;
    soon(bob.shutdown()).await;
}
