//! How calls end when clients or the PBX go away.

use offhook_pbx::{Pbx, PbxEvent, PbxLimits};
use offhook_sip::TerminationKind;

use crate::extensions::assert_both_hear;
use crate::rooms::recording;
use crate::support::{Phone, assert_nothing_left, pbx};

#[tokio::test]
async fn a_call_outlives_the_connection_until_its_media_is_missed() {
    let mut limits = PbxLimits::default();
    limits.media_timeout_s = 2;
    let pbx = Pbx::builder().limits(limits).start().await.expect("the PBX starts");
    let (mut ada, mut ben) = (Phone::new(&pbx, "1000").await, Phone::new(&pbx, "1001").await);
    let mut ours = ada.dial("1001").await;
    let mut theirs = ben.pick_up().await;
    ada.answered(&ours).await;
    assert_both_hear(&mut ours, &mut theirs).await;
    drop(ada);
    pbx.load_when(|load| load.connections == 1).await.expect("the PBX runs");
    assert_both_hear(&mut ours, &mut theirs).await;
    // Now the caller's media is gone too.
    drop(ours);
    let end = ben.ended().await;
    assert_eq!((end.kind, end.status), (TerminationKind::Bye, Some(408)));
    assert_eq!(end.reason.as_deref(), Some("RTP Timeout"));
    drop(ben);
    assert_nothing_left(&pbx).await;
}

#[tokio::test]
async fn a_call_is_taken_along_to_a_new_connection() {
    let pbx = pbx().await;
    let (mut ada, mut ben) = (Phone::new(&pbx, "1000").await, Phone::new(&pbx, "1001").await);
    let mut ours = ada.dial("1001").await;
    let mut theirs = ben.pick_up().await;
    ada.answered(&ours).await;
    assert_both_hear(&mut ours, &mut theirs).await;
    ada.lose_connection();
    pbx.load_when(|load| load.connections == 1).await.expect("the PBX runs");
    assert_both_hear(&mut ours, &mut theirs).await;
    ada.reconnect(&pbx).await;
    ada.take_along(&ours).await;
    assert_both_hear(&mut ours, &mut theirs).await;
    // What the other side does reaches the new connection.
    ben.hang_up(&theirs).await;
    assert_eq!(ada.ended().await.kind, TerminationKind::Bye);
    drop((ada, ben));
    assert_nothing_left(&pbx).await;
}

#[tokio::test]
async fn clients_that_vanish_leave_nothing() {
    let mut limits = PbxLimits::default();
    limits.media_timeout_s = 1;
    let pbx = Pbx::builder().limits(limits).start().await.expect("the PBX starts");
    for (caller_first, answered) in [(true, true), (false, true), (true, false), (false, false)] {
        let (mut ada, mut ben) = (Phone::new(&pbx, "1000").await, Phone::new(&pbx, "1001").await);
        let ours = ada.dial("1001").await;
        if answered {
            let _theirs = ben.pick_up().await;
            ada.answered(&ours).await;
        } else {
            ben.incoming().await;
        }
        if caller_first {
            drop(ada);
            drop(ben);
        } else {
            drop(ben);
            drop(ada);
        }
        drop(ours);
        assert_nothing_left(&pbx).await;
    }
}

#[tokio::test]
async fn a_pbx_that_shuts_down_ends_its_calls_and_frees_its_port() {
    // On an address of its own: no other test takes a port there.
    let pbx = Pbx::builder().bind([127, 87, 0, 1].into()).wss_port(None).start().await.expect("the PBX starts");
    let address = pbx.ws_address().expect("ws is on");
    let mut ada = Phone::new(&pbx, "1000").await;
    let _call = ada.call("600").await;
    pbx.shutdown().await;
    let end = ada.ended().await;
    assert_eq!((end.kind, end.status), (TerminationKind::Bye, Some(503)));
    std::net::TcpListener::bind(address).expect("the port is free");
}

#[tokio::test]
async fn a_pbx_that_shuts_down_completes_what_it_records() {
    let directory = std::env::temp_dir().join(format!("offhook-stopped-{}", std::process::id()));
    let pbx = Pbx::builder().recordings(&directory).start().await.expect("the PBX starts");
    let mut events = pbx.events();
    let mut ada = Phone::new(&pbx, "1000").await;
    let call = ada.call("603").await;
    let file = recording(&mut events, &call).await;
    // So that no answer to a BYE is waited for.
    ada.lose_connection();
    pbx.load_when(|load| load.connections == 0).await.expect("the PBX runs");
    pbx.shutdown().await;
    let mut told = Vec::new();
    while let Some(event) = events.next().await {
        told.push(event);
    }
    let is_complete = |event: &PbxEvent| matches!(event, PbxEvent::RecordingComplete { file: complete, .. } if *complete == file.display().to_string());
    assert!(told.iter().any(is_complete), "{told:?}");
    let wav = std::fs::read(&file).expect("the file");
    let length = |at: usize| u32::from_le_bytes(wav[at..at + 4].try_into().expect("four bytes")) as usize;
    assert_eq!((length(4), length(40)), (wav.len() - 8, wav.len() - 44), "of the file, and of its samples");
    drop((ada, call));
    std::fs::remove_dir_all(&directory).expect("removed");
}
