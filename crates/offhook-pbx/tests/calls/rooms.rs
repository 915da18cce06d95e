//! Conference rooms and their recordings, as they sound.

use std::path::PathBuf;

use offhook_media::{Codec, Direction, PeerConfig};
use offhook_pbx::{Pbx, PbxEvent, PbxEvents};

use crate::sound::{purity_in_file, tone};
use crate::support::{Call, Phone, SOON, assert_nothing_left, pbx};

/// What 1000, 1001 and 1002 say, Hz.
const SAID: [f64; 3] = [500.0, 800.0, 1_300.0];

/// Three phones in a room, each saying its tone.
async fn three(pbx: &Pbx, room: &str) -> Vec<(Phone, Call)> {
    let mut members = Vec::new();
    for (number, hz) in ["1000", "1001", "1002"].into_iter().zip(SAID) {
        let mut phone = Phone::new(pbx, number).await;
        // Two kinds of members meet; G.711 costs little, so that many tests can run at once.
        let codec = if hz == SAID[0] { Codec::Opus } else { Codec::Pcmu };
        let call = phone.dial_with(room, PeerConfig::new(number).codecs(vec![codec])).await;
        phone.answered(&call).await;
        call.peer.set_source(tone(hz));
        members.push((phone, call));
    }
    members
}

#[tokio::test]
async fn each_member_hears_all_others_and_not_itself() {
    let pbx = pbx().await;
    let mut members = three(&pbx, "7000").await;
    for (i, (_, call)) in members.iter_mut().enumerate() {
        let others: Vec<f64> = SAID.into_iter().enumerate().filter(|(n, _)| *n != i).map(|(_, hz)| hz).collect();
        call.ear.hears_tones(&others, SAID[i]).await;
    }
    let (mut gone, call) = members.remove(0);
    gone.hang_up(&call).await;
    members[0].1.ear.hears_tone(SAID[2]).await;
    let (mut gone, call) = members.remove(0);
    gone.hang_up(&call).await;
    members[0].1.ear.hears_music_not_tone(SAID[0]).await;
    drop((members, gone));
    pbx.shutdown().await;
}

#[tokio::test]
async fn a_member_that_holds_is_not_heard_until_it_is_back() {
    let pbx = pbx().await;
    let mut members = three(&pbx, "7000").await;
    let (phone, call) = &mut members[0];
    // It goes on sending: its tone is the music that must not be heard.
    phone.change(call, Direction::SendOnly).await;
    members[1].1.ear.hears_tones(&[SAID[2]], SAID[0]).await;
    let (phone, call) = &mut members[0];
    phone.change(call, Direction::SendRecv).await;
    call.ear.forget();
    members[1].1.ear.hears_tones(&[SAID[0], SAID[2]], SAID[1]).await;
    members[0].1.ear.hears_tones(&[SAID[1], SAID[2]], SAID[0]).await;
    for (phone, call) in &mut members {
        phone.hang_up(call).await;
    }
    drop(members);
    assert_nothing_left(&pbx).await;
}

/// Has a call recorded for two seconds; gives the file.
pub(crate) async fn recording(events: &mut PbxEvents, call: &Call) -> PathBuf {
    call.peer.send_dtmf("*1", 100, 100).expect("tones").await.expect("sent");
    let recorded = tokio::time::timeout(SOON, async {
        let file = loop {
            if let Some(PbxEvent::Recording { on: true, file, .. }) = events.next().await {
                break PathBuf::from(file);
            }
        };
        // At 16 kHz: something to look at.
        while std::fs::metadata(&file).expect("the file").len() < 128_000 {
            tokio::task::yield_now().await;
        }
        file
    });
    recorded.await.expect("it is recorded")
}

async fn complete(events: &mut PbxEvents) {
    let complete = tokio::time::timeout(SOON, async {
        while !matches!(events.next().await, Some(PbxEvent::RecordingComplete { .. })) {}
    });
    complete.await.expect("it is complete");
}

#[tokio::test]
async fn the_recording_of_a_service_has_the_caller_left_and_the_service_right() {
    let directory = std::env::temp_dir().join(format!("offhook-service-{}", std::process::id()));
    let pbx = Pbx::builder().recordings(&directory).start().await.expect("the PBX starts");
    let mut events = pbx.events();
    let mut ada = Phone::new(&pbx, "1000").await;
    let mut call = ada.call("603").await;
    call.peer.set_source(tone(500.0));
    call.ear.hears_music_not_tone(500.0).await;
    let file = recording(&mut events, &call).await;
    ada.hang_up(&call).await;
    complete(&mut events).await;
    let purity = purity_in_file(&file, 500.0);
    assert!(matches!(purity[..], [left, right] if left > 0.8 && right < 0.2), "{purity:?}");
    drop(ada);
    assert_nothing_left(&pbx).await;
    std::fs::remove_dir_all(&directory).expect("removed");
}

#[tokio::test]
async fn a_call_moves_to_another_device_with_its_sound() {
    let pbx = pbx().await;
    let (mut ada, mut ben) = (Phone::new(&pbx, "1000").await, Phone::new(&pbx, "1001").await);
    let mut desk = Phone::new_device(&pbx, "1000", "desk").await;
    let (ours, mut theirs) = (ada.dial("1001").await, ben.pick_up().await);
    ada.answered(&ours).await;
    ours.peer.set_source(tone(500.0));
    theirs.peer.set_source(tone(800.0));
    theirs.ear.hears_tone(500.0).await;
    let mut taken = desk.take("1001", &ada, &ours).await;
    taken.peer.set_source(tone(1_300.0));
    desk.answered(&taken).await;
    ada.ended().await;
    theirs.ear.hears_tone(1_300.0).await;
    taken.ear.hears_tone(800.0).await;
    desk.hang_up(&taken).await;
    ben.ended().await;
    drop((ada, ben, desk));
    assert_nothing_left(&pbx).await;
}

#[tokio::test]
async fn the_recording_of_a_room_has_what_all_say() {
    let directory = std::env::temp_dir().join(format!("offhook-room-{}", std::process::id()));
    let pbx = Pbx::builder().recordings(&directory).start().await.expect("the PBX starts");
    let mut events = pbx.events();
    let mut members = three(&pbx, "7000").await;
    members[1].1.ear.hears_tones(&[SAID[0], SAID[2]], SAID[1]).await;
    let file = recording(&mut events, &members[0].1).await;
    for (phone, call) in &mut members {
        phone.hang_up(call).await;
    }
    drop(members);
    complete(&mut events).await;
    for hz in SAID {
        let purity = purity_in_file(&file, hz);
        assert!(matches!(purity[..], [all] if (0.2..0.45).contains(&all)), "{hz} Hz: {purity:?}");
    }
    assert_nothing_left(&pbx).await;
    std::fs::remove_dir_all(&directory).expect("removed");
}
