//! What the PBX can take.

use offhook_pbx::{Pbx, PbxLimits};

use crate::support::{Phone, SOON, assert_nothing_left, handshake};

#[tokio::test]
async fn above_its_calls_it_says_when_to_try_again() {
    let mut limits = PbxLimits::default();
    limits.calls = 1;
    let pbx = Pbx::builder().limits(limits).start().await.expect("the PBX starts");
    let (mut ada, mut ben) = (Phone::new(&pbx, "1000").await, Phone::new(&pbx, "1001").await);
    let call = ada.call("600").await;
    let _refused = ben.dial("600").await;
    let end = ben.ended().await;
    assert_eq!(end.status, Some(503));
    let response = end.response.expect("a response");
    assert!(offhook_sip::message::HeadersExt::number(&response.headers, "Retry-After").is_some());
    ada.hang_up(&call).await;
    // The phone is done when its BYE is on the way.
    pbx.load_when(|load| load.calls == 0).await.expect("the PBX runs");
    let again = ben.call("600").await;
    ben.hang_up(&again).await;
    drop((ada, ben));
    assert_nothing_left(&pbx).await;
}

#[tokio::test]
async fn above_its_connections_it_takes_none_and_later_some_again() {
    let mut limits = PbxLimits::default();
    limits.connections = 1;
    let pbx = Pbx::builder().limits(limits).start().await.expect("the PBX starts");
    let url = pbx.ws_url().expect("ws is on");
    let ada = Phone::new(&pbx, "1000").await;
    let refused = tokio::time::timeout(SOON, tokio_tungstenite::connect_async(handshake(&url))).await;
    assert!(refused.expect("an answer").is_err(), "one too many");
    drop(ada);
    pbx.load_when(|load| load.connections == 0).await.expect("the PBX runs");
    // The permit is given back as the socket is let go, just after the core was told.
    let taken = tokio::time::timeout(SOON, async {
        while tokio_tungstenite::connect_async(handshake(&url)).await.is_err() {
            tokio::task::yield_now().await;
        }
    });
    taken.await.expect("room again");
}
