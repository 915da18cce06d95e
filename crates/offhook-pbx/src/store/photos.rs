//! Photos of extensions, named after what is in them, so that a name taken from the wire leads to no file.

use rusqlite::{Connection, OptionalExtension as _, params};
use sha2::{Digest as _, Sha256};

use super::{Store, StoreError};
use crate::hex::hex;

/// The largest photo, bytes.
pub(crate) const MOST_BYTES: usize = 512 * 1024;

/// A photo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Photo {
    pub(crate) kind: PhotoKind,
    pub(crate) data: Vec<u8>,
}

/// What a photo is made as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PhotoKind {
    Png,
    Jpeg,
    WebP,
}

impl Photo {
    /// Takes one, if it is what it must be.
    pub(crate) fn new(data: Vec<u8>) -> Result<Self, StoreError> {
        let kind = PhotoKind::of(&data).filter(|_| data.len() <= MOST_BYTES);
        let invalid =
            || StoreError::Invalid(format!("a photo is a PNG, a JPEG or a WebP of up to {} KiB", MOST_BYTES / 1024));
        Ok(Self { kind: kind.ok_or_else(invalid)?, data })
    }

    /// Its name: the hash of its bytes, in hex, and its suffix.
    pub(crate) fn name(&self) -> String {
        format!("{}.{}", hex(&Sha256::digest(&self.data)), self.kind.suffix())
    }
}

impl PhotoKind {
    /// As the first bytes say.
    fn of(data: &[u8]) -> Option<Self> {
        if data.starts_with(b"\x89PNG\r\n\x1a\n") {
            Some(Self::Png)
        } else if data.starts_with(b"\xff\xd8\xff") {
            Some(Self::Jpeg)
        } else if data.starts_with(b"RIFF") && data.get(8..12) == Some(b"WEBP") {
            Some(Self::WebP)
        } else {
            None
        }
    }

    /// For Content-Type.
    pub(crate) fn media_type(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
            Self::WebP => "image/webp",
        }
    }

    fn suffix(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Jpeg => "jpg",
            Self::WebP => "webp",
        }
    }
}

impl Store {
    /// The photo of this name.
    pub(crate) async fn photo(&self, name: &str) -> Result<Option<Photo>, StoreError> {
        let name = name.to_owned();
        self.read(move |connection| {
            let data: Option<Vec<u8>> = connection
                .prepare("SELECT data FROM photo WHERE name = ?1")?
                .query_row([name], |row| row.get(0))
                .optional()?;
            data.map(Photo::new).transpose()
        })
        .await
    }

    /// The names of the extensions' photos.
    pub(crate) async fn extension_photos(&self) -> Result<Vec<(String, String)>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare("SELECT number, photo FROM extension_photo")?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        })
        .await
    }

    /// Gives an extension a photo, or takes it away; gives the photo's name.
    pub(crate) async fn set_extension_photo(
        &self,
        number: &str,
        photo: Option<Photo>,
    ) -> Result<Option<String>, StoreError> {
        let number = number.to_owned();
        self.write(move |connection| {
            let name = photo.as_ref().map(Photo::name);
            match (&photo, &name) {
                (Some(photo), Some(name)) => {
                    let kind = photo.kind.suffix();
                    let insert = "INSERT OR IGNORE INTO photo (name, kind, data) VALUES (?1, ?2, ?3)";
                    connection.execute(insert, params![name, kind, photo.data])?;
                    let set = "INSERT OR REPLACE INTO extension_photo (number, photo) VALUES (?1, ?2)";
                    connection.execute(set, params![number, name])?;
                }
                _ => {
                    connection.execute("DELETE FROM extension_photo WHERE number = ?1", [number])?;
                }
            }
            drop_unused(connection)?;
            Ok(name)
        })
        .await
    }
}

/// Photos that nobody has any more.
pub(super) fn drop_unused(connection: &Connection) -> Result<(), StoreError> {
    connection.execute("DELETE FROM photo WHERE name NOT IN (SELECT photo FROM extension_photo)", [])?;
    Ok(())
}
