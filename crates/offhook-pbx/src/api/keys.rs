//! The two secrets of programs: the client secret of the open API and the token of the admin API.
//!
//! Each is the one of the start (configured, built in or made), until another is set at run time. Of that one only the Argon2id
//! hash is kept; it outlives a restart and wins over the configuration.

use std::sync::Mutex;

use offhook_sip::Secret;

use super::session::locked;
use super::token::{self, TokenHash};
use crate::store::{Store, StoreError};

/// A secret, and how it is checked.
#[derive(Debug)]
pub(crate) struct Key {
    name: &'static str,
    of_the_start: Secret,
    /// The hash of the one that was set at run time.
    kept: Mutex<Option<String>>,
    /// The last that was right, so that it is not computed for every request.
    seen: Mutex<Option<TokenHash>>,
}

/// Which secrets were set at run time: their hashes.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    pub(crate) client_secret: Option<String>,
    pub(crate) admin_token: Option<String>,
}

const CLIENT_SECRET: &str = "client_secret";
const ADMIN_TOKEN: &str = "admin_token";

impl Kept {
    pub(crate) async fn read(store: &Store) -> Result<Self, StoreError> {
        let (client_secret, admin_token) =
            (store.secret_hash(CLIENT_SECRET).await?, store.secret_hash(ADMIN_TOKEN).await?);
        Ok(Self { client_secret, admin_token })
    }
}

impl Key {
    pub(super) fn client_secret(of_the_start: Secret, kept: Option<String>) -> Self {
        Self { name: CLIENT_SECRET, of_the_start, kept: Mutex::new(kept), seen: Mutex::default() }
    }

    pub(super) fn admin_token(of_the_start: Secret, kept: Option<String>) -> Self {
        Self { name: ADMIN_TOKEN, of_the_start, kept: Mutex::new(kept), seen: Mutex::default() }
    }

    /// Whether this is it. Costly comparisons are made away from the tasks, few at once.
    pub(super) async fn is(&self, store: &Store, given: &str) -> Result<bool, StoreError> {
        let hash = TokenHash::of(given);
        let kept = locked(&self.kept).clone();
        let Some(kept) = kept else { return Ok(token::same(given, self.of_the_start.expose())) };
        if *locked(&self.seen) == Some(hash) {
            return Ok(true);
        }
        let is_it = store.is_secret(Some(kept.clone()), Secret::from(given)).await?;
        // Another may have been set meanwhile.
        if is_it && locked(&self.kept).as_deref() == Some(kept.as_str()) {
            *locked(&self.seen) = Some(hash);
        }
        Ok(is_it)
    }

    /// From now on it is this one.
    pub(super) async fn set(&self, store: &Store, secret: Secret) -> Result<(), StoreError> {
        store.set_secret(self.name, Some(secret)).await?;
        let hash = store.secret_hash(self.name).await?;
        *locked(&self.kept) = hash;
        *locked(&self.seen) = None;
        Ok(())
    }
}
