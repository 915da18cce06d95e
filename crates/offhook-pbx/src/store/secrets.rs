//! Secrets of programs: the admin token and the open API's client secrets, of which only Argon2id hashes are kept.

use std::sync::Arc;

use argon2::password_hash::{PasswordHash, PasswordHasher as _, PasswordVerifier as _, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use offhook_sip::Secret;
use rusqlite::{OptionalExtension as _, params};

use super::{Store, StoreError};

/// Memory of one hash, KiB; with [`PASSES`] the first of OWASP's recommendations.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// Random bytes of a salt (RFC 9106 §3.1).
const SALT_LEN: usize = 16;

/// The longest secret that is looked at, bytes.
const MOST_BYTES: usize = 512;

/// A hash that nothing answers to: comparing takes as long as with one that is there.
const NOBODYS: &str = "$argon2id$v=19$m=19456,t=2,p=1$b2ZmaG9vay1ub2JvZHkh$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

impl Store {
    /// Keeps a secret's hash under a name; `None` forgets it.
    pub(crate) async fn set_secret(&self, name: &str, secret: Option<Secret>) -> Result<(), StoreError> {
        let hash = match secret {
            Some(secret) => Some(self.hash(secret).await?),
            None => None,
        };
        let name = name.to_owned();
        self.write(move |connection| {
            match hash {
                Some(hash) => {
                    let set = "INSERT OR REPLACE INTO secret (name, hash) VALUES (?1, ?2)";
                    connection.execute(set, params![name, hash])?
                }
                None => connection.execute("DELETE FROM secret WHERE name = ?1", [name])?,
            };
            Ok(())
        })
        .await
    }

    /// The hash kept under a name.
    pub(crate) async fn secret_hash(&self, name: &str) -> Result<Option<String>, StoreError> {
        let name = name.to_owned();
        self.read(move |connection| {
            let mut statement = connection.prepare("SELECT hash FROM secret WHERE name = ?1")?;
            Ok(statement.query_row([name], |row| row.get(0)).optional()?)
        })
        .await
    }

    /// Whether this is the secret of a hash. Without a hash it takes as long, and is never true.
    pub(crate) async fn is_secret(&self, hash: Option<String>, given: Secret) -> Result<bool, StoreError> {
        self.hashing(move || {
            let is_known = hash.is_some();
            let hash = hash.unwrap_or_else(|| NOBODYS.to_owned());
            let parsed = PasswordHash::new(&hash).map_err(|e| StoreError::Invalid(e.to_string()))?;
            // Compared in constant time by the library.
            let is_it = argon2()?.verify_password(given.expose().as_bytes(), &parsed).is_ok();
            Ok(is_it && is_known && given.expose().len() <= MOST_BYTES)
        })
        .await
    }

    /// Makes a hash with a salt of its own.
    pub(crate) async fn hash(&self, secret: Secret) -> Result<String, StoreError> {
        self.hashing(move || {
            if secret.expose().is_empty() || secret.expose().len() > MOST_BYTES {
                return Err(StoreError::Invalid(format!("a secret has 1 to {MOST_BYTES} bytes")));
            }
            let mut salt = [0; SALT_LEN];
            getrandom::fill(&mut salt).map_err(|e| StoreError::Invalid(e.to_string()))?;
            let wrong = |e: argon2::password_hash::Error| StoreError::Invalid(e.to_string());
            let salt = SaltString::encode_b64(&salt).map_err(wrong)?;
            let hash = argon2()?.hash_password(secret.expose().as_bytes(), &salt).map_err(wrong)?;
            Ok(hash.to_string())
        })
        .await
    }

    /// Does costly work away from the tasks, few at once.
    async fn hashing<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let permit = Arc::clone(&self.0.hashes).acquire_owned().await.map_err(|_| StoreError::Stopped)?;
        let work = move || {
            let _permit = permit;
            work()
        };
        tokio::task::spawn_blocking(work).await.unwrap_or(Err(StoreError::Stopped))
    }
}

fn argon2() -> Result<Argon2<'static>, StoreError> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(|e| StoreError::Invalid(e.to_string()))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}
