//! Voicemail with sound and files.

use std::path::{Path, PathBuf};

use offhook_media::Direction;
use offhook_pbx::{Extension, Pbx};
use offhook_sip::TerminationKind;

use crate::sound::tone;
use crate::support::{Phone, SOON, assert_nothing_left};

async fn pbx(data_dir: &Path) -> Pbx {
    let extension = |number: &str| Extension::new(number, number, format!("secret-{number}"));
    let pbx = Pbx::builder().data_dir(data_dir).extension(extension("1000"));
    pbx.extension(extension("1001").voicemail(true)).start().await.expect("the PBX starts")
}

fn data_dir(name: &str) -> PathBuf {
    let directory = std::env::temp_dir().join(format!("offhook-voicemail-{name}-{}", std::process::id()));
    // Of an earlier run.
    let _ = std::fs::remove_dir_all(&directory);
    directory
}

/// The files of all messages.
fn messages(data_dir: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(data_dir.join("voicemail").join("1001")).into_iter().flatten();
    files.map(|file| file.expect("a file").path()).collect()
}

/// Says a tone to 1001's voicemail for some seconds, and hangs up.
async fn leave(data_dir: &Path, phone: &mut Phone, hz: f64) {
    let before = messages(data_dir);
    let mut call = phone.call("1001").await;
    call.ear.hears_speech().await;
    call.ear.hears_tone(1_000.0).await;
    call.peer.set_source(tone(hz));
    let is_long = |file: &PathBuf| std::fs::metadata(file).is_ok_and(|file| file.len() > 30_000);
    let recorded = tokio::time::timeout(SOON, async {
        while !messages(data_dir).iter().any(|file| !before.contains(file) && is_long(file)) {
            tokio::task::yield_now().await;
        }
    });
    recorded.await.expect("it is recorded");
    phone.hang_up(&call).await;
}

#[tokio::test]
async fn a_message_is_left_kept_across_a_restart_heard_and_deleted() {
    let directory = data_dir("kept");
    let first = pbx(&directory).await;
    let mut ada = Phone::new(&first, "1000").await;
    leave(&directory, &mut ada, 600.0).await;
    leave(&directory, &mut ada, 750.0).await;
    drop(ada);
    assert_nothing_left(&first).await;
    first.shutdown().await;
    assert_eq!(messages(&directory).len(), 2);

    let again = pbx(&directory).await;
    let mut ben = Phone::new(&again, "1001").await;
    let mut call = ben.call("*97").await;
    call.ear.hears_tone(1_000.0).await;
    call.ear.hears_tone(750.0).await;
    call.peer.send_dtmf("7", 100, 100).expect("a tone").await.expect("sent");
    call.ear.hears_tone(1_000.0).await;
    call.ear.hears_tone(600.0).await;
    let deleted = tokio::time::timeout(SOON, async {
        while messages(&directory).len() > 1 {
            tokio::task::yield_now().await;
        }
    });
    deleted.await.expect("deleted");
    call.peer.send_dtmf("#", 100, 100).expect("a tone").await.expect("sent");
    call.ear.hears_tone(425.0).await;
    assert_eq!(ben.ended().await.kind, TerminationKind::Bye);
    drop(ben);
    assert_nothing_left(&again).await;
    again.shutdown().await;
    std::fs::remove_dir_all(&directory).expect("removed");
}

#[tokio::test]
async fn who_says_nothing_for_long_is_hung_up() {
    let directory = data_dir("silence");
    let pbx = pbx(&directory).await;
    let mut ada = Phone::new(&pbx, "1000").await;
    let mut call = ada.call("1001").await;
    call.ear.hears_speech().await;
    call.ear.hears_tone(1_000.0).await;
    // Ten seconds of silence, and the beep that says that it is over.
    let end = tokio::time::timeout(SOON * 2, async {
        loop {
            if let offhook_sip::Event::Terminated { termination, .. } = ada.next_within(SOON * 2).await {
                return termination;
            }
        }
    });
    assert_eq!(end.await.expect("it ends").kind, TerminationKind::Bye);
    drop(ada);
    assert_nothing_left(&pbx).await;
    pbx.shutdown().await;
    std::fs::remove_dir_all(&directory).expect("removed");
}

#[tokio::test]
async fn a_page_that_is_reloaded_hears_the_rest_of_the_greeting_and_goes_on_with_its_message() {
    let directory = data_dir("reloaded");
    let pbx = pbx(&directory).await;
    let mut ada = Phone::new(&pbx, "1000").await;
    let mut call = ada.call("1001").await;
    call.ear.hears_speech().await;
    ada.begin_anew(&mut call, Direction::SendRecv).await;
    call.ear.hears_speech().await;
    call.ear.hears_tone(1_000.0).await;
    call.peer.set_source(tone(600.0));
    recorded(&directory, 30_000).await;
    ada.begin_anew(&mut call, Direction::SendRecv).await;
    call.peer.set_source(tone(600.0));
    recorded(&directory, 100_000).await;
    ada.hang_up(&call).await;
    drop(ada);
    assert_nothing_left(&pbx).await;
    pbx.shutdown().await;
    let [message] = messages(&directory).try_into().expect("it is one message");
    let message = std::fs::read(message).expect("the file");
    let last = message.rchunks_exact(2).take(4_000).map(|bytes| f64::from(i16::from_le_bytes([bytes[0], bytes[1]])));
    let level = (last.map(|sample| sample * sample).sum::<f64>() / 4_000.0).sqrt();
    assert!(level > 3_000.0, "what is said at its end is in it: {level}");
    std::fs::remove_dir_all(&directory).expect("removed");
}

/// Waits until so many bytes of a message are on the disk.
async fn recorded(directory: &Path, bytes: u64) {
    let written =
        || messages(directory).iter().any(|file| std::fs::metadata(file).is_ok_and(|file| file.len() > bytes));
    let recorded = tokio::time::timeout(SOON, async {
        while !written() {
            tokio::task::yield_now().await;
        }
    });
    recorded.await.expect("it is recorded");
}
