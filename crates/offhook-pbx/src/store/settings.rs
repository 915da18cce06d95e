//! Settings: names and values.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};

use super::{Store, StoreError};

/// Counts the starts of this data directory.
const RUN: &str = "run";

impl Store {
    /// All of them.
    pub(crate) async fn settings(&self) -> Result<BTreeMap<String, String>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare("SELECT name, value FROM setting")?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        })
        .await
    }

    /// Keeps these; `None` forgets one.
    pub(crate) async fn set_settings(&self, settings: Vec<(&'static str, Option<String>)>) -> Result<(), StoreError> {
        self.write(move |connection| {
            for (name, value) in &settings {
                match value {
                    Some(value) => {
                        let set = "INSERT OR REPLACE INTO setting (name, value) VALUES (?1, ?2)";
                        connection.execute(set, params![name, value])?
                    }
                    None => connection.execute("DELETE FROM setting WHERE name = ?1", [name])?,
                };
            }
            Ok(())
        })
        .await
    }
}

/// One more start.
pub(super) fn count_run(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row(
        "INSERT INTO setting (name, value) VALUES (?1, '1')
         ON CONFLICT (name) DO UPDATE SET value = CAST(value AS INTEGER) + 1
         RETURNING CAST(value AS INTEGER)",
        [RUN],
        |row| row.get(0),
    )
}
