//! Voicemail messages; the sound is in files beside the database.

use rusqlite::{Row, params};

use super::{Store, StoreError};

/// Messages of one extension; the oldest go first.
const KEPT: i64 = 1_000;

/// A message's name in the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct VoicemailId(pub(crate) i64);

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Voicemail {
    /// Whose it is.
    pub(crate) extension: String,
    pub(crate) caller: String,
    pub(crate) caller_name: String,
    /// When it was left, Unix time in ms.
    pub(crate) at_ms: i64,
    pub(crate) duration_ms: i64,
    /// A name inside the voicemail directory, made by the PBX.
    pub(crate) file: String,
    pub(crate) heard: bool,
}

impl Store {
    /// Keeps a message; gives its id, and the files of those that had to go for it.
    pub(crate) async fn add_voicemail(&self, message: Voicemail) -> Result<(VoicemailId, Vec<String>), StoreError> {
        self.write(move |connection| {
            let Voicemail { extension, caller, caller_name, at_ms, duration_ms, file, heard } = &message;
            connection.execute(
                "INSERT INTO voicemail (extension, caller, caller_name, at_ms, duration_ms, file, heard)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                params![extension, caller, caller_name, at_ms, duration_ms, file, heard],
            )?;
            let id = VoicemailId(connection.last_insert_rowid());
            let mut surplus = connection.prepare(
                "DELETE FROM voicemail WHERE id IN (SELECT id FROM voicemail WHERE extension = ?1
                 ORDER BY id DESC LIMIT -1 OFFSET ?2) RETURNING file",
            )?;
            let gone = surplus.query_map(params![extension, KEPT], |row| row.get(0))?;
            let gone = gone.collect::<rusqlite::Result<_>>()?;
            Ok((id, gone))
        })
        .await
    }

    /// An extension's messages, the newest first.
    pub(crate) async fn voicemails(&self, extension: &str) -> Result<Vec<(VoicemailId, Voicemail)>, StoreError> {
        let extension = extension.to_owned();
        self.read(move |connection| {
            let mut statement = connection.prepare(
                "SELECT id, extension, caller, caller_name, at_ms, duration_ms, file, heard FROM voicemail
                 WHERE extension = ?1 ORDER BY id DESC",
            )?;
            let rows = statement.query_map([extension], row)?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        })
        .await
    }

    /// Marks one of an extension's messages as heard; says whether it was there.
    pub(crate) async fn voicemail_heard(&self, extension: &str, id: VoicemailId) -> Result<bool, StoreError> {
        let extension = extension.to_owned();
        self.write(move |connection| {
            let set = "UPDATE voicemail SET heard = 1 WHERE id = ?1 AND extension = ?2";
            Ok(connection.execute(set, params![id.0, extension])? > 0)
        })
        .await
    }

    /// Deletes one of an extension's messages; gives its file, which is the caller's to remove.
    pub(crate) async fn delete_voicemail(
        &self,
        extension: &str,
        id: VoicemailId,
    ) -> Result<Option<String>, StoreError> {
        let extension = extension.to_owned();
        self.write(move |connection| {
            let mut statement =
                connection.prepare("DELETE FROM voicemail WHERE id = ?1 AND extension = ?2 RETURNING file")?;
            let mut files = statement.query_map(params![id.0, extension], |row| row.get(0))?;
            Ok(files.next().transpose()?)
        })
        .await
    }
}

fn row(row: &Row<'_>) -> rusqlite::Result<(VoicemailId, Voicemail)> {
    let message = Voicemail {
        extension: row.get(1)?,
        caller: row.get(2)?,
        caller_name: row.get(3)?,
        at_ms: row.get(4)?,
        duration_ms: row.get(5)?,
        file: row.get(6)?,
        heard: row.get(7)?,
    };
    Ok((VoicemailId(row.get(0)?), message))
}
