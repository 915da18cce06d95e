//! Extensions and settings as they are at this moment, for all who ask; and the one way to change them.
//!
//! # What counts
//!
//! The configuration (or what is built in) is read at each start. What is changed at run time is kept in the store and
//! wins over the configuration for that number, whatever the configuration says later: an extension that was changed
//! stays as it was changed, and one that was deleted stays deleted ([`Overlay::Deleted`] is its tombstone).
//! [`Change::Reset`] forgets that: what the configuration says counts again. The same goes for each setting.
//!
//! Reading takes a snapshot and never waits. A change is checked, kept on the disk, then seen by readers, carried out by
//! the switch (which ends registrations and calls that must not be any more), and last told to subscribers.

mod change;
mod error;
mod facts;
mod settings;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::{Mutex, mpsc};

pub(crate) use change::{Change, ExtensionChange, SettingsChange, SwitchChange};
pub(crate) use error::DirectoryError;
pub(crate) use settings::Settings;

use crate::config::PbxConfig;
use crate::core::ToCore;
use crate::extension::Extension;
use crate::notice::Notices;
use crate::store::{Overlay, Store, StoreError};

/// The handle. Clones are the same directory.
#[derive(Debug, Clone)]
pub(crate) struct Directory(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    realm: String,
    /// Reachable from other machines: passwords must be good.
    is_exposed: bool,
    configured: BTreeMap<String, Extension>,
    configured_settings: Settings,
    /// Numbers of rooms, ring groups and the mailbox that the configuration names.
    reserved: BTreeSet<String>,
    state: RwLock<Arc<Snapshot>>,
    store: Store,
    core: mpsc::Sender<ToCore>,
    notices: Notices,
    /// One change after another.
    changing: Mutex<()>,
}

/// How it is at one moment.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot {
    extensions: BTreeMap<String, Extension>,
    ids: BTreeMap<String, i64>,
    photos: BTreeMap<String, String>,
    settings: Settings,
}

impl Snapshot {
    /// All extensions, those that are switched off too.
    pub(crate) fn extensions(&self) -> impl Iterator<Item = &Extension> {
        self.extensions.values()
    }

    /// One extension, also if it is switched off.
    pub(crate) fn extension(&self, number: &str) -> Option<&Extension> {
        self.extensions.get(number)
    }

    /// The id by which the API knows an extension: it stays, also over a restart.
    pub(crate) fn id(&self, number: &str) -> Option<i64> {
        self.ids.get(number).copied()
    }

    /// The name of an extension's photo.
    pub(crate) fn photo(&self, number: &str) -> Option<&str> {
        self.photos.get(number).map(String::as_str)
    }

    /// The settings.
    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }
}

impl Directory {
    /// Reads what was changed in earlier runs.
    pub(crate) async fn open(
        config: &PbxConfig,
        store: Store,
        core: mpsc::Sender<ToCore>,
        notices: Notices,
    ) -> Result<Self, StoreError> {
        let realm = config.realm().to_owned();
        let configured: BTreeMap<_, _> =
            config.extensions.iter().map(|extension| (extension.number().to_owned(), extension.clone())).collect();
        let configured_settings = Settings::new(config);
        let mut extensions = configured.clone();
        for (number, row) in store.extension_overlays(&realm).await? {
            if row.is_unreadable {
                tracing::error!(
                    extension = %number,
                    "switched off: its password was kept with another key or realm; give it a new one"
                );
            }
            match row.overlay {
                Some(Overlay::Changed(extension)) => extensions.insert(number, extension),
                Some(Overlay::Deleted) => extensions.remove(&number),
                None => None,
            };
        }
        let ids = store.extension_ids(extensions.keys().cloned().collect()).await?;
        let photos = store.extension_photos().await?.into_iter().collect();
        let settings = configured_settings.clone().with_kept(&store.settings().await?);
        let rooms = config.conferences.iter().map(|room| &room.number);
        let groups = config.ring_groups.iter().map(|group| &group.number);
        let reserved = rooms.chain(groups).chain([&config.feature_codes.voicemail]).cloned().collect();
        let state = RwLock::new(Arc::new(Snapshot { extensions, ids, photos, settings }));
        let is_exposed = !config.bind.is_loopback();
        let changing = Mutex::new(());
        Ok(Self(Arc::new(Inner {
            realm,
            is_exposed,
            configured,
            configured_settings,
            reserved,
            state,
            store,
            core,
            notices,
            changing,
        })))
    }

    /// How it is now. Never waits for a change.
    pub(crate) fn now(&self) -> Arc<Snapshot> {
        Arc::clone(&self.0.state.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// An extension that is switched on.
    pub(crate) fn extension(&self, number: &str) -> Option<Extension> {
        self.now().extension(number).filter(|extension| extension.is_enabled()).cloned()
    }

    /// The realm of digest authentication.
    pub(crate) fn realm(&self) -> &str {
        &self.0.realm
    }

    /// The store.
    pub(crate) fn store(&self) -> &Store {
        &self.0.store
    }

    /// Where subscribers are told.
    pub(crate) fn notices(&self) -> &Notices {
        &self.0.notices
    }

    fn set(&self, snapshot: Snapshot) {
        *self.0.state.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(snapshot);
    }
}
