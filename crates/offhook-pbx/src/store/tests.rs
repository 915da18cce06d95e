//! The store from outside: what was told to be kept is there, also after it was opened again.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use offhook_sip::DigestAlgorithm;
use rusqlite::Connection;

use super::cdr::CdrPage;
use super::extensions::ExtensionRow;
use super::*;
use crate::extension::{Extension, RecordPermissions};

const REALM: &str = "pbx.example";

/// A directory that goes with the test.
pub(crate) struct Dir(PathBuf);

impl Dir {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self(std::env::temp_dir().join(format!("offhook-pbx-store-{}-{number}", std::process::id())))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Holds up all writing, as a disk that does not answer, until the result is dropped.
pub(crate) fn hang(store: &Store) -> std::sync::mpsc::Sender<()> {
    let (held, end) = std::sync::mpsc::channel();
    let job = move |_: &Connection| {
        let _ = end.recv();
        Ok(())
    };
    drop(store.write_now(job).expect("taken"));
    held
}

fn open(dir: &Dir) -> Store {
    Store::open(Some(dir.path())).expect("opened")
}

fn call(n: i64, caller: &str, callee: &str) -> CdrRecord {
    CdrRecord {
        uniqueid: format!("{n}"),
        start_ms: 1_000 * n,
        answer_ms: Some(1_000 * n + 100),
        end_ms: 1_000 * n + 2_200,
        caller: caller.to_owned(),
        caller_name: "A \"quoted\" name".to_owned(),
        callee: callee.to_owned(),
        callee_name: "Ben".to_owned(),
        call_type: "Internal".to_owned(),
        disposition: Disposition::Answered,
        dcontext: "internal".to_owned(),
        sip_call_id: format!("call-{n}"),
        callee_sip_call_id: format!("answered-{n}"),
        seen_by: vec![(caller.to_owned(), CdrStatus::Outbound), (callee.to_owned(), CdrStatus::Inbound)],
    }
}

async fn write(store: &Store, record: CdrRecord) -> Vec<CdrRow> {
    store.write_cdr(record).expect("taken").await.expect("answered").expect("written")
}

#[tokio::test]
async fn a_record_is_a_row_for_each_side_and_outlives_the_store() {
    let dir = Dir::new();
    let store = open(&dir);
    let rows = write(&store, call(7, "1000", "1001")).await;
    assert_eq!(rows.iter().map(|row| row.id).collect::<Vec<_>>(), [1, 2]);
    assert_eq!((rows[0].number.as_str(), rows[1].number.as_str()), ("1001", "1000"));
    assert_eq!(rows[0].clid, "\"A 'quoted' name\" <1000>");
    assert_eq!(rows[0].talk_s(), 3, "begun seconds count");
    let sides = [rows[0].sip_call_id.as_str(), rows[1].sip_call_id.as_str()];
    assert_eq!(sides, ["call-7", "answered-7"], "each side knows its own dialog");
    store.close().await;
    drop(store);
    let store = open(&dir);
    assert_eq!(store.cdrs("1000", Query::default()).await, Ok(CdrPage { rows: vec![rows[0].clone()], total: 1 }));
    assert_eq!(store.cdrs("1001", Query::default()).await, Ok(CdrPage { rows: vec![rows[1].clone()], total: 1 }));
    assert_eq!(store.cdrs("1002", Query::default()).await.map(|page| page.total), Ok(0));
    assert_eq!(store.cdr("1000", 1).await, Ok(Some(rows[0].clone())));
    assert_eq!(store.cdr("1001", 1).await, Ok(None), "another's");
    assert_eq!(store.run(), 2);
}

#[tokio::test]
async fn rows_are_sorted_filtered_and_paged() {
    let store = Store::open(None).expect("opened");
    // Written in another order than the calls came.
    for (n, other) in [(3, "1003"), (1, "1001"), (2, "2001"), (5, "1001"), (4, "1_01")] {
        write(&store, call(n, "1000", other)).await;
    }
    let mut missed = call(6, "1001", "1000");
    missed.seen_by[1].1 = CdrStatus::Missed;
    write(&store, missed).await;
    let find = |query: Query| {
        let store = store.clone();
        async move {
            let page = store.cdrs("1000", query).await.expect("found");
            (page.rows.iter().map(|row| row.start_ms / 1000).collect::<Vec<_>>(), page.total)
        }
    };
    let all = Query::default;
    assert_eq!(find(all()).await, (vec![6, 5, 4, 3, 2, 1], 6), "the newest first");
    assert_eq!(find(Query { order: Order::Ascending, ..all() }).await, (vec![1, 2, 3, 4, 5, 6], 6));
    assert_eq!(find(Query { sort: Sort::Id, ..all() }).await, (vec![6, 4, 5, 2, 1, 3], 6));
    assert_eq!(find(Query { page: 2, size: 4, ..all() }).await, (vec![2, 1], 6));
    assert_eq!(find(Query { page: u32::MAX, size: 1_000_000, ..all() }).await, (vec![], 6));
    assert_eq!(find(Query { page: 0, size: 0, ..all() }).await, (vec![6], 6), "as the first page of one");
    assert_eq!(find(Query { status: Some(CdrStatus::Missed), ..all() }).await, (vec![6], 1));
    let filter = |text: &str| Query { filter: Some(text.to_owned()), ..all() };
    assert_eq!(find(filter("001")).await, (vec![6, 5, 2, 1], 4));
    assert_eq!(find(filter("_")).await, (vec![4], 1), "text, not a pattern");
    assert_eq!(find(filter("%")).await, (vec![], 0));
    assert_eq!(find(filter("' OR 1=1 --")).await, (vec![], 0));
}

#[tokio::test]
async fn what_waits_is_committed_together_and_one_that_fails_takes_nothing_with_it() {
    let dir = Dir::new();
    let store = open(&dir);
    let told: Vec<_> = [1, 2, 2, 3].map(|n| store.write_cdr(call(n, "1000", "1001")).expect("taken")).into();
    let mut results = Vec::new();
    for told in told {
        results.push(told.await.expect("answered").is_ok());
    }
    assert_eq!(results, [true, true, false, true], "the same call twice is refused");
    assert_eq!(store.cdrs("1000", Query::default()).await.map(|page| page.total), Ok(3));
}

#[tokio::test]
async fn a_store_that_is_closed_says_so() {
    let store = Store::open(None).expect("opened");
    let last = store.write_cdr(call(1, "1000", "1001")).expect("taken");
    store.close().await;
    assert!(last.await.expect("answered").is_ok(), "what was asked for before is done");
    assert_eq!(store.cdrs("1000", Query::default()).await, Err(StoreError::Stopped));
    assert_eq!(store.write_cdr(call(2, "1000", "1001")).err(), Some(StoreError::Stopped));
}

#[tokio::test]
async fn a_file_of_the_first_schema_is_brought_up_to_date() {
    let dir = Dir::new();
    let store = open(&dir);
    write(&store, call(1, "1000", "1001")).await;
    store.close().await;
    drop(store);
    let connection = Connection::open(dir.path().join(FILE)).expect("opened");
    connection.execute_batch("DROP TABLE extension_gone; PRAGMA user_version = 1").expect("as it was");
    drop(connection);
    let store = open(&dir);
    let total = async |store: &Store| store.personal_cdrs("1000", Query::default()).await.map(|page| page.total);
    assert_eq!(total(&store).await, Ok(1));
    store.keep_deleted("1000", 1_000).await.expect("kept");
    assert_eq!(total(&store).await, Ok(0), "of before");
    assert_eq!(store.cdrs("1000", Query::default()).await.map(|page| page.total), Ok(1), "the administrator's");
    write(&store, call(2, "1000", "1001")).await;
    assert_eq!(total(&store).await, Ok(1));
}

#[tokio::test]
async fn a_newer_schema_and_a_file_that_is_none_are_refused() {
    let dir = Dir::new();
    drop(open(&dir));
    let file = dir.path().join(FILE);
    let connection = Connection::open(&file).expect("opened");
    connection.pragma_update(None, "user_version", 99).expect("set");
    drop(connection);
    let refused = Store::open(Some(dir.path())).expect_err("newer");
    assert_eq!(refused, StoreError::Newer { path: file.clone(), found: 99, known: 2 });
    for name in ["pbx.db-wal", "pbx.db-shm"] {
        let _ = std::fs::remove_file(dir.path().join(name));
    }
    std::fs::write(&file, "this is no database, and long enough to be seen as none".repeat(10)).expect("written");
    assert!(matches!(Store::open(Some(dir.path())), Err(StoreError::Open { .. })));
}

#[cfg(unix)]
#[tokio::test]
async fn files_are_their_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = Dir::new();
    let store = open(&dir);
    write(&store, call(1, "1000", "1001")).await;
    for entry in std::fs::read_dir(dir.path()).expect("listed") {
        let entry = entry.expect("an entry");
        let mode = entry.metadata().expect("there").permissions().mode();
        assert_eq!(mode & 0o077, 0, "{:?}", entry.path());
    }
}

#[tokio::test]
async fn an_extension_is_kept_without_its_password() {
    let dir = Dir::new();
    let store = open(&dir);
    let extension = Extension::new("2000", "Zoë", "correct horse")
        .record(RecordPermissions::PauseResume)
        .call_waiting(false)
        .clients(false, true)
        .voicemail(true);
    store.keep_extension(REALM, &extension).await.expect("kept");
    store.keep_deleted("1000", 1).await.expect("kept");
    store.close().await;
    drop(store);

    let ha1 = |algorithm| extension.ha1(algorithm, REALM).expect("a hash").expose().to_owned();
    let (md5, sha256) = (ha1(DigestAlgorithm::Md5), ha1(DigestAlgorithm::Sha256));
    for entry in std::fs::read_dir(dir.path()).expect("listed") {
        let bytes = std::fs::read(entry.expect("an entry").path()).expect("read");
        for secret in ["correct horse", &md5, &sha256] {
            assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "a secret is in a file");
        }
    }

    let store = open(&dir);
    let overlays = store.extension_overlays(REALM).await.expect("read");
    assert!(matches!(overlays["1000"].overlay, Some(Overlay::Deleted)));
    let Some(Overlay::Changed(kept)) = &overlays["2000"].overlay else { panic!("{overlays:?}") };
    assert_eq!((kept.name(), kept.record_permissions()), ("Zoë", RecordPermissions::PauseResume));
    assert_eq!((kept.has_call_waiting(), kept.has_voicemail(), kept.is_enabled()), (false, true, true));
    assert_eq!((kept.has_web_client(), kept.has_desktop_client()), (false, true));
    assert!(kept.password().is_none());
    assert_eq!(kept.ha1(DigestAlgorithm::Md5, REALM).expect("a hash").expose(), md5);
    assert_eq!(kept.ha1(DigestAlgorithm::Sha256, REALM).expect("a hash").expose(), sha256);

    store.forget_extension("1000", None).await.expect("forgotten");
    assert!(!store.extension_overlays(REALM).await.expect("read").contains_key("1000"));
}

#[tokio::test]
async fn what_was_sealed_for_another_number_realm_or_key_is_of_no_use() {
    let dir = Dir::new();
    let store = open(&dir);
    for number in ["2000", "2001"] {
        store.keep_extension(REALM, &Extension::new(number, "", "correct horse")).await.expect("kept");
    }
    let unreadable = |overlays: &std::collections::BTreeMap<String, ExtensionRow>| {
        overlays.values().map(|row| row.is_unreadable).collect::<Vec<_>>()
    };
    assert_eq!(unreadable(&store.extension_overlays(REALM).await.expect("read")), [false, false]);
    assert_eq!(unreadable(&store.extension_overlays("other.example").await.expect("read")), [true, true]);
    // Somebody who may write the file gives 2001 the password of 2000.
    let connection = Connection::open(dir.path().join(FILE)).expect("opened");
    let swap = "UPDATE extension SET md5 = (SELECT md5 FROM extension WHERE number = '2000') WHERE number = '2001'";
    connection.execute(swap, []).expect("done");
    drop(connection);
    let overlays = store.extension_overlays(REALM).await.expect("read");
    assert_eq!(unreadable(&overlays), [false, true]);
    let Some(Overlay::Changed(forged)) = &overlays["2001"].overlay else { panic!("{overlays:?}") };
    assert!(!forged.is_enabled(), "it is off until it has a new password");
    store.close().await;
    drop(store);
    std::fs::write(dir.path().join("store.key"), [7; 32]).expect("written");
    assert_eq!(unreadable(&open(&dir).extension_overlays(REALM).await.expect("read")), [true, true]);
    std::fs::write(dir.path().join("store.key"), [7; 31]).expect("written");
    assert!(matches!(Store::open(Some(dir.path())), Err(StoreError::Key { .. })));
}

#[tokio::test]
async fn ids_of_extensions_stay() {
    let dir = Dir::new();
    let store = open(&dir);
    let first = store.extension_ids(vec!["1000".to_owned(), "1001".to_owned()]).await.expect("made");
    store.close().await;
    drop(store);
    let again = open(&dir).extension_ids(vec!["1001".to_owned(), "999".to_owned()]).await.expect("made");
    assert_eq!(again["1001"], first["1001"]);
    assert!(!first.values().any(|id| *id == again["999"]));
}

#[tokio::test]
async fn contacts_are_found_by_their_number_however_it_is_written() {
    let store = Store::open(None).expect("opened");
    let contact = |owner: Option<&str>, name: &str, numbers: &[&str]| Contact {
        owner: owner.map(str::to_owned),
        name: name.to_owned(),
        numbers: numbers.iter().map(|number| (*number).to_owned()).collect(),
        ..Contact::default()
    };
    let everybodys = store.add_contact(contact(None, "ACME", &["+49 (30) 1234-5", "1001"])).await.expect("added");
    let own = store.add_contact(contact(Some("1000"), "Mum", &["1001"])).await.expect("added");
    let name = |found: Option<(ContactId, Contact)>| found.map(|(id, contact)| (id, contact.name));
    let find = |extension: &'static str, number: &'static str| {
        let store = store.clone();
        async move { name(store.match_contact(extension, number).await.expect("looked up")) }
    };
    assert_eq!(find("1000", "1001").await, Some((own, "Mum".to_owned())), "one's own first");
    assert_eq!(find("1002", "1001").await, Some((everybodys, "ACME".to_owned())), "another's is not seen");
    assert_eq!(find("1002", "+4930 12345").await, Some((everybodys, "ACME".to_owned())));
    assert_eq!(find("1002", "12345").await, None);
    assert_eq!(find("1002", "-").await, None);
    assert_eq!(store.contacts(Some("1002"), 0, 10).await.expect("listed").len(), 1);
    assert_eq!(store.contacts(Some("1000"), 1, 10).await.expect("listed")[0].1.name, "Mum");

    assert!(store.set_contact(own, contact(Some("1000"), "Mother", &["1002"])).await.expect("set"));
    assert_eq!(find("1000", "1001").await, Some((everybodys, "ACME".to_owned())));
    assert_eq!(store.contact(own).await.expect("read").expect("there").numbers, ["1002"]);
    assert!(store.delete_contact(own).await.expect("deleted"));
    assert!(!store.delete_contact(own).await.expect("gone"));
    assert_eq!(find("1000", "1002").await, None);

    let refused = |contact: Contact| {
        let store = store.clone();
        async move { matches!(store.add_contact(contact).await, Err(StoreError::Invalid(_))) }
    };
    assert!(refused(contact(None, " ", &[])).await);
    assert!(refused(contact(None, "x", &["()"])).await);
    assert!(refused(contact(None, &"x".repeat(257), &[])).await);
    assert!(refused(contact(None, "x", &["1"; 17])).await);
}

#[tokio::test]
async fn photos_are_named_after_what_they_are() {
    let store = Store::open(None).expect("opened");
    let png = Photo::new([b"\x89PNG\r\n\x1a\n".as_slice(), &[0; 100]].concat()).expect("a photo");
    assert_eq!(png.kind.media_type(), "image/png");
    for bad in [b"GIF89a".to_vec(), Vec::new(), [b"\xff\xd8\xff".as_slice(), &[0; 600_000]].concat()] {
        assert!(matches!(Photo::new(bad), Err(StoreError::Invalid(_))));
    }
    let name = store.set_extension_photo("1000", Some(png.clone())).await.expect("set").expect("a name");
    assert_eq!((name.len(), &name[64..]), (68, ".png"));
    store.set_extension_photo("1001", Some(png.clone())).await.expect("set");
    assert_eq!(store.photo(&name).await, Ok(Some(png.clone())));
    assert_eq!(store.photo("../pbx.db").await, Ok(None));
    assert_eq!(store.set_extension_photo("1000", None).await, Ok(None));
    assert_eq!(store.photo(&name).await, Ok(Some(png)), "the other has it still");
    store.keep_deleted("1001", 1).await.expect("kept");
    assert_eq!(store.photo(&name).await, Ok(None));
}

#[tokio::test]
async fn secrets_are_known_by_their_hashes() {
    let store = Store::open(None).expect("opened");
    store.set_secret("admin", Some("s3cret".into())).await.expect("set");
    let hash = store.secret_hash("admin").await.expect("read");
    assert!(hash.as_ref().is_some_and(|hash| hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$")), "{hash:?}");
    assert_eq!(store.is_secret(hash.clone(), "s3cret".into()).await, Ok(true));
    assert_eq!(store.is_secret(hash.clone(), "S3cret".into()).await, Ok(false));
    assert_eq!(store.is_secret(hash.clone(), "".into()).await, Ok(false));
    assert_eq!(store.is_secret(None, "s3cret".into()).await, Ok(false), "as slowly, and never");
    store.set_secret("other", Some("s3cret".into())).await.expect("set");
    assert_ne!(store.secret_hash("other").await.expect("read"), hash, "each has its salt");
    store.set_secret("admin", None).await.expect("forgotten");
    assert_eq!(store.secret_hash("admin").await, Ok(None));
    assert!(matches!(store.set_secret("admin", Some("".into())).await, Err(StoreError::Invalid(_))));
}
