//! The record of a call is on the disk before anybody is told that the call is over.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use offhook_pbx::{Pbx, PbxEvent};
use rusqlite::Connection;

use crate::dialogs::echo_call;
use crate::support::{Client, SOON};

/// A directory that goes with the test.
struct Dir(PathBuf);

impl Dir {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self(std::env::temp_dir().join(format!("offhook-pbx-raw-{}-{number}", std::process::id())))
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

async fn pbx(dir: &Dir) -> Pbx {
    Pbx::builder().wss_port(None).data_dir(&dir.0).start().await.expect("the PBX starts")
}

fn database(dir: &Dir) -> Connection {
    Connection::open(dir.0.join("pbx.db")).expect("the database")
}

/// The dispositions of the rows that an extension has.
fn rows(dir: &Dir, extension: &str) -> Vec<String> {
    let connection = database(dir);
    let mut statement =
        connection.prepare("SELECT disposition FROM cdr WHERE extension = ?1 ORDER BY id").expect("SQL");
    let rows = statement.query_map([extension], |row| row.get(0)).expect("rows");
    rows.map(|row| row.expect("a row")).collect()
}

async fn no_calls(pbx: &Pbx) {
    let ended = tokio::time::timeout(SOON, pbx.load_when(|load| load.calls == 0)).await;
    assert!(ended.is_ok(), "still there: {:?}", pbx.load());
}

#[tokio::test]
async fn a_bye_is_answered_when_the_record_is_on_the_disk_and_others_do_not_wait() {
    let dir = Dir::new();
    let pbx = pbx(&dir).await;
    let mut client = Client::registered(&pbx, "1000").await;
    let mut other = Client::registered(&pbx, "1001").await;
    let (call, answer) = echo_call(&mut client).await;
    client.send(call.in_dialog("ACK", &answer).text()).await;

    // The disk takes its time: somebody else is writing.
    let lock = database(&dir);
    lock.execute_batch("BEGIN IMMEDIATE").expect("locked");
    let bye = call.in_dialog("BYE", &answer);
    client.send(bye.text()).await;
    no_calls(&pbx).await;
    // What it asks after the BYE, is answered after it.
    let options = client.request("OPTIONS", "sip:localhost", "1000", "1000");
    client.send(options.text()).await;
    for _ in 0..10 {
        other.assert_served().await;
    }
    assert!(client.has_nothing().await, "the BYE was answered without a record");
    assert_eq!(rows(&dir, "1000"), [""; 0]);

    lock.execute_batch("COMMIT").expect("let go");
    let first = client.receive().await;
    assert!(first.status == 200 && first.text.contains(&bye.branch), "{}", first.text);
    assert_eq!(rows(&dir, "1000"), ["ANSWERED"]);
    let second = client.receive().await;
    assert!(second.status == 200 && second.text.contains(&options.branch), "{}", second.text);
}

#[tokio::test]
async fn refusals_and_cancelled_calls_have_records_before_their_answers_too() {
    let dir = Dir::new();
    let pbx = pbx(&dir).await;
    let mut client = Client::registered(&pbx, "1000").await;
    let mut expected = Vec::new();
    for (number, status, disposition) in [("604", 486, "BUSY"), ("4242", 404, "FAILED"), ("1001", 480, "NO ANSWER")] {
        let invite = client.request("INVITE", &format!("sip:{number}@localhost"), "1000", number);
        let refused = client.authenticated(invite.clone(), "1000", "secret-1000").await;
        assert_eq!(refused.status, status, "{}", refused.text);
        expected.push(disposition.to_owned());
        assert_eq!(rows(&dir, "1000"), expected);
        client.send(invite.again().ack(&refused).text()).await;
    }
    assert_eq!(rows(&dir, "1001"), ["NO ANSWER"]);

    let invite = client.request("INVITE", "sip:606@localhost", "1000", "606");
    let challenge = client.ask(&invite).await;
    client.send(invite.ack(&challenge).text()).await;
    let again = invite.again().header(&challenge.credentials(&invite, "1000", "secret-1000"));
    client.send(again.text()).await;
    while client.receive().await.status != 180 {}
    let cancel = crate::support::Request { method: "CANCEL".to_owned(), headers: Vec::new(), ..again.clone() };
    client.send(cancel.text()).await;
    let mut statuses = [client.receive().await, client.receive().await].map(|message| message.status);
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 487]);
    expected.push("NO ANSWER".to_owned());
    assert_eq!(rows(&dir, "1000"), expected);
}

#[tokio::test]
async fn a_disk_that_fails_is_told_and_keeps_nobody_in_a_call() {
    let dir = Dir::new();
    let pbx = pbx(&dir).await;
    let mut client = Client::registered(&pbx, "1000").await;
    let (call, answer) = echo_call(&mut client).await;
    client.send(call.in_dialog("ACK", &answer).text()).await;
    database(&dir).execute_batch("DROP TABLE cdr").expect("dropped");
    let mut events = pbx.events();
    assert_eq!(client.ask(&call.in_dialog("BYE", &answer)).await.status, 200);
    let failed = tokio::time::timeout(SOON, async {
        loop {
            if let PbxEvent::CdrFailed { reason, .. } = events.next().await.expect("it runs") {
                return reason;
            }
        }
    });
    let reason = failed.await.expect("told");
    assert!(reason.contains("no such table"), "{reason}");
    client.assert_served().await;
}

#[tokio::test]
async fn a_shutdown_records_the_calls_that_it_ends() {
    let dir = Dir::new();
    let pbx = pbx(&dir).await;
    let mut client = Client::registered(&pbx, "1000").await;
    let (call, answer) = echo_call(&mut client).await;
    client.send(call.in_dialog("ACK", &answer).text()).await;
    client.assert_served().await;
    let log = dir.0.join("pbx.db-wal");
    assert!(log.exists(), "an open database has one");
    pbx.shutdown().await;
    // Before the rows are read: whoever closes the database last removes the log.
    assert!(!log.exists(), "the database is closed in order");
    assert_eq!(rows(&dir, "1000"), ["ANSWERED"]);
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_refused_and_left_alone() {
    let dir = Dir::new();
    pbx(&dir).await.shutdown().await;
    database(&dir).pragma_update(None, "user_version", 1_000).expect("set");
    let error = Pbx::builder().data_dir(&dir.0).start().await.expect_err("newer");
    assert_eq!(error.code(), "newer-store");
    assert!(error.to_string().contains("1000"), "{error}");
}

#[tokio::test]
async fn a_data_directory_is_one_pbxs_at_a_time() {
    let dir = Dir::new();
    let first = pbx(&dir).await;
    let error = Pbx::builder().wss_port(None).data_dir(&dir.0).start().await.expect_err("in use");
    assert_eq!(error.code(), "data-dir-in-use");
    assert!(error.to_string().contains(&dir.0.display().to_string()), "{error}");
    first.shutdown().await;
    pbx(&dir).await.shutdown().await;
    // Also one that nobody shut down in order lets go of it.
    drop(pbx(&dir).await);
    pbx(&dir).await.shutdown().await;
}
