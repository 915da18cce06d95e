//! Conference rooms and their recordings, as they sound.

use std::path::PathBuf;

use offhook_media::Direction;
use offhook_pbx::{Pbx, PbxEvent};

use crate::sound::{purity_in_file, tone};
use crate::support::{Call, Phone, SOON, assert_nothing_left, pbx};

/// What 1000, 1001 and 1002 say, Hz.
const SAID: [f64; 3] = [500.0, 800.0, 1_300.0];

/// Three phones in a room, each saying its tone.
async fn three(pbx: &Pbx, room: &str) -> Vec<(Phone, Call)> {
    let mut members = Vec::new();
    for (number, hz) in ["1000", "1001", "1002"].into_iter().zip(SAID) {
        let mut phone = Phone::new(pbx, number).await;
        let call = phone.call(room).await;
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
    members[1].1.ear.hears_tones(&[SAID[0], SAID[2]], SAID[1]).await;
    members[0].1.ear.hears_tones(&[SAID[1], SAID[2]], SAID[0]).await;
    for (phone, call) in &mut members {
        phone.hang_up(call).await;
    }
    drop(members);
    assert_nothing_left(&pbx).await;
}

#[tokio::test]
async fn the_recording_of_a_room_has_what_all_say() {
    let directory = std::env::temp_dir().join(format!("offhook-room-{}", std::process::id()));
    let pbx = Pbx::builder().recordings(&directory).start().await.expect("the PBX starts");
    let mut events = pbx.events();
    let mut members = three(&pbx, "7000").await;
    members[1].1.ear.hears_tones(&[SAID[0], SAID[2]], SAID[1]).await;
    members[0].1.peer.send_dtmf("*1", 100, 100).expect("tones").await.expect("sent");
    let file = tokio::time::timeout(SOON, async {
        loop {
            if let Some(PbxEvent::Recording { on: true, file, .. }) = events.next().await {
                return PathBuf::from(file);
            }
        }
    });
    let file = file.await.expect("it is recorded");
    tokio::time::timeout(SOON, async {
        // Two seconds at 16 kHz: something to look at.
        while std::fs::metadata(&file).expect("the file").len() < 64_000 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("it grows");
    for (phone, call) in &mut members {
        phone.hang_up(call).await;
    }
    drop(members);
    tokio::time::timeout(SOON, async {
        while !matches!(events.next().await, Some(PbxEvent::RecordingComplete { .. })) {}
    })
    .await
    .expect("it is complete");
    for hz in SAID {
        let purity = purity_in_file(&file, hz);
        assert!((0.2..0.45).contains(&purity), "{hz} Hz: {purity}");
    }
    assert_nothing_left(&pbx).await;
    std::fs::remove_dir_all(&directory).expect("removed");
}
