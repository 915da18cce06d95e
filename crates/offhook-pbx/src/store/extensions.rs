//! Changes of extensions at run time, which win over the configuration; and the numbers that the API knows them by.

use std::collections::BTreeMap;

use offhook_sip::{DigestAlgorithm, Secret};
use rusqlite::{Connection, params};

use super::{Store, StoreError};
use crate::extension::{Extension, RecordPermissions};

/// What was changed about an extension.
#[derive(Debug, Clone)]
pub(crate) enum Overlay {
    /// It is as here, whatever the configuration says.
    Changed(Extension),
    /// There is none of this number, though the configuration has one.
    Deleted,
}

/// All changes, and the API's ids.
#[derive(Debug, Clone, Default)]
pub(crate) struct ExtensionRow {
    pub(crate) overlay: Option<Overlay>,
    /// Its HA1s could not be decrypted: the key or the realm is another.
    pub(crate) is_unreadable: bool,
}

/// A row as it is kept.
struct Kept {
    number: String,
    deleted: bool,
    name: String,
    md5: Option<Vec<u8>>,
    sha256: Option<Vec<u8>>,
    enabled: bool,
    record: u8,
    call_waiting: bool,
    web_client: bool,
    desktop_client: bool,
    voicemail: bool,
}

impl Store {
    /// All changes, by number.
    pub(crate) async fn extension_overlays(&self, realm: &str) -> Result<BTreeMap<String, ExtensionRow>, StoreError> {
        let kept = self.read(read_all).await?;
        Ok(kept.into_iter().map(|kept| (kept.number.clone(), self.opened(realm, kept))).collect())
    }

    /// Keeps how an extension is now.
    pub(crate) async fn keep_extension(&self, realm: &str, extension: &Extension) -> Result<(), StoreError> {
        let kept = self.sealed(realm, extension)?;
        self.write(move |connection| write(connection, &kept)).await
    }

    /// Keeps that there is none of this number since `at_ms`.
    pub(crate) async fn keep_deleted(&self, number: &str, at_ms: u64) -> Result<(), StoreError> {
        let kept = Kept {
            number: number.to_owned(),
            deleted: true,
            name: String::new(),
            md5: None,
            sha256: None,
            enabled: false,
            record: 0,
            call_waiting: false,
            web_client: false,
            desktop_client: false,
            voicemail: false,
        };
        self.write(move |connection| {
            leave_nothing(connection, &kept.number, at_ms)?;
            write(connection, &kept)
        })
        .await
    }

    /// Forgets what was changed about a number: the configuration counts again. `gone`: it has no such extension, and so there is none
    /// since then, ms.
    pub(crate) async fn forget_extension(&self, number: &str, gone: Option<u64>) -> Result<(), StoreError> {
        let number = number.to_owned();
        self.write(move |connection| {
            if let Some(at_ms) = gone {
                leave_nothing(connection, &number, at_ms)?;
            }
            connection.execute("DELETE FROM extension WHERE number = ?1", [number])?;
            Ok(())
        })
        .await
    }

    /// The ids of these numbers, made for those that have none.
    pub(crate) async fn extension_ids(&self, numbers: Vec<String>) -> Result<BTreeMap<String, i64>, StoreError> {
        self.write(move |connection| {
            let mut insert = connection.prepare("INSERT OR IGNORE INTO extension_id (number) VALUES (?1)")?;
            let mut find = connection.prepare("SELECT id FROM extension_id WHERE number = ?1")?;
            let mut ids = BTreeMap::new();
            for number in numbers {
                insert.execute([&number])?;
                let id = find.query_row([&number], |row| row.get(0))?;
                ids.insert(number, id);
            }
            Ok(ids)
        })
        .await
    }

    fn sealed(&self, realm: &str, extension: &Extension) -> Result<Kept, StoreError> {
        let number = extension.number();
        let seal = |algorithm, name| {
            let ha1: Option<Secret> = extension.ha1(algorithm, realm);
            ha1.map(|ha1| self.0.key.seal(&[number, realm, name], &ha1)).transpose()
        };
        Ok(Kept {
            number: number.to_owned(),
            deleted: false,
            name: extension.name().to_owned(),
            md5: seal(DigestAlgorithm::Md5, MD5)?,
            sha256: seal(DigestAlgorithm::Sha256, SHA256)?,
            enabled: extension.is_enabled(),
            record: match extension.record_permissions() {
                RecordPermissions::None => 0,
                RecordPermissions::PauseResume => 1,
                RecordPermissions::All => 2,
            },
            call_waiting: extension.has_call_waiting(),
            web_client: extension.has_web_client(),
            desktop_client: extension.has_desktop_client(),
            voicemail: extension.has_voicemail(),
        })
    }

    fn opened(&self, realm: &str, kept: Kept) -> ExtensionRow {
        if kept.deleted {
            return ExtensionRow { overlay: Some(Overlay::Deleted), is_unreadable: false };
        }
        let Kept { number, md5, sha256, .. } = kept;
        let open = |sealed: &Vec<u8>, name| self.0.key.open_sealed(&[&number, realm, name], sealed);
        let opened_md5 = md5.as_ref().map(|sealed| open(sealed, MD5));
        let opened_sha256 = sha256.as_ref().map(|sealed| open(sealed, SHA256));
        let is_unreadable = [&opened_md5, &opened_sha256].into_iter().any(|hash| matches!(hash, Some(None)));
        let record = match kept.record {
            0 => RecordPermissions::None,
            1 => RecordPermissions::PauseResume,
            _ => RecordPermissions::All,
        };
        let extension = Extension::with_hashes(number, kept.name, opened_md5.flatten(), opened_sha256.flatten())
            .record(record)
            .enabled(kept.enabled && !is_unreadable)
            .call_waiting(kept.call_waiting)
            .clients(kept.web_client, kept.desktop_client)
            .voicemail(kept.voicemail);
        ExtensionRow { overlay: Some(Overlay::Changed(extension)), is_unreadable }
    }
}

/// What the two hashes are bound to, beside number and realm.
const MD5: &str = "md5";
const SHA256: &str = "sha256";

/// Whoever has the number later is somebody else: finds no contacts and no photo, and no calls of before.
fn leave_nothing(connection: &Connection, number: &str, at_ms: u64) -> Result<(), StoreError> {
    connection.execute("DELETE FROM extension_photo WHERE number = ?1", [number])?;
    super::photos::drop_unused(connection)?;
    connection.execute("DELETE FROM contact WHERE owner = ?1", [number])?;
    let at_ms = i64::try_from(at_ms).unwrap_or(i64::MAX);
    connection
        .execute("INSERT OR REPLACE INTO extension_gone (number, at_ms) VALUES (?1, ?2)", params![number, at_ms])?;
    Ok(())
}

fn read_all(connection: &Connection) -> Result<Vec<Kept>, StoreError> {
    let mut statement = connection.prepare(
        "SELECT number, deleted, name, md5, sha256, enabled, record, call_waiting, web_client, desktop_client, voicemail
         FROM extension ORDER BY number",
    )?;
    let rows = statement.query_map([], |row| {
        Ok(Kept {
            number: row.get(0)?,
            deleted: row.get(1)?,
            name: row.get(2)?,
            md5: row.get(3)?,
            sha256: row.get(4)?,
            enabled: row.get(5)?,
            record: row.get(6)?,
            call_waiting: row.get(7)?,
            web_client: row.get(8)?,
            desktop_client: row.get(9)?,
            voicemail: row.get(10)?,
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn write(connection: &Connection, kept: &Kept) -> Result<(), StoreError> {
    connection.execute(
        "INSERT OR REPLACE INTO extension (number, deleted, name, md5, sha256, enabled, record, call_waiting,
            web_client, desktop_client, voicemail) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        params![
            kept.number,
            kept.deleted,
            kept.name,
            kept.md5,
            kept.sha256,
            kept.enabled,
            kept.record,
            kept.call_waiting,
            kept.web_client,
            kept.desktop_client,
            kept.voicemail
        ],
    )?;
    Ok(())
}
