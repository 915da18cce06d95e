//! Changes at run time.

use offhook_sip::Secret;
use tokio::sync::oneshot;

use super::{Directory, DirectoryError, Settings, Snapshot, facts};
use crate::config;
use crate::core::ToCore;
use crate::extension::{Extension, RecordPermissions};
use crate::notice::{Fact, Notice};
use crate::store::Photo;
use crate::wall::wall_ms;

/// Extensions at most.
const MOST_EXTENSIONS: usize = 10_000;

/// The longest host name.
const MOST_HOST: usize = 253;

/// A change.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    /// A new extension.
    Add(Extension),
    /// Something about an extension.
    Update(String, ExtensionChange),
    /// There shall be none of this number any more.
    Delete(String),
    /// What was changed about this number is forgotten: the configuration counts.
    Reset(String),
    /// An extension's photo; `None` takes it away.
    Photo(String, Option<Photo>),
    /// Something about the PBX.
    Settings(SettingsChange),
    /// What was changed about the PBX is forgotten: the configuration counts.
    ResetSettings,
}

/// What to change about an extension; `None` leaves it.
#[derive(Debug, Clone, Default)]
pub(crate) struct ExtensionChange {
    pub(crate) name: Option<String>,
    pub(crate) password: Option<Secret>,
    pub(crate) enabled: Option<bool>,
    pub(crate) record: Option<RecordPermissions>,
    pub(crate) call_waiting: Option<bool>,
    pub(crate) web_client: Option<bool>,
    pub(crate) desktop_client: Option<bool>,
    pub(crate) voicemail: Option<bool>,
}

/// What to change about the PBX; `None` leaves it.
#[derive(Debug, Clone, Default)]
pub(crate) struct SettingsChange {
    pub(crate) record_feature_code: Option<String>,
    pub(crate) enable_nat_fqdn: Option<bool>,
    pub(crate) fqdn_domain: Option<String>,
    pub(crate) turn_port: Option<u16>,
    pub(crate) internal_client: Option<bool>,
    pub(crate) fqdn_service: Option<bool>,
    pub(crate) video_service: Option<bool>,
    pub(crate) sdk: Option<bool>,
}

/// What the switch has to know of a change.
#[derive(Debug, Clone)]
pub(crate) enum SwitchChange {
    /// An extension is so now; `None`: it is not there, or switched off.
    Extension {
        number: String,
        extension: Option<Extension>,
        /// Phones have to prove the new password before they are called.
        is_other_password: bool,
        /// It is gone for good: whoever has its number later is somebody else.
        is_deleted: bool,
    },
    /// The digits that switch recording on and off.
    RecordFeatureCode(String),
}

impl Directory {
    /// Makes a change, wholly or not at all. It is on the disk, carried out by the switch and told to subscribers when this
    /// is done (calls that had to end for it are being ended). `untold` is called when it is on the
    /// disk, and once more when all who ask find it so, before anybody is told.
    ///
    /// # Errors
    /// See [`DirectoryError`].
    pub(crate) async fn change(&self, change: Change, untold: impl Fn() + Send) -> Result<(), DirectoryError> {
        let _one = self.0.changing.lock().await;
        let before = self.now();
        match change {
            Change::Add(extension) => {
                let number = extension.number().to_owned();
                if before.extension(&number).is_some() {
                    return Err(DirectoryError::Exists(number));
                }
                if self.0.reserved.contains(&number) {
                    let problem = format!("{number} is the number of a room, a ring group or the mailbox");
                    return Err(DirectoryError::Invalid(format!("{problem}; choose another number")));
                }
                if before.extensions.len() >= MOST_EXTENSIONS {
                    return Err(DirectoryError::TooMany(before.extensions.len()));
                }
                self.put(&before, extension, untold).await
            }
            Change::Update(number, change) => {
                let old = before.extension(&number).ok_or(DirectoryError::Unknown(number))?;
                self.put(&before, change.applied(old.clone(), &self.0.realm, self.0.is_exposed)?, untold).await
            }
            Change::Delete(number) => {
                if before.extension(&number).is_none() {
                    return Err(DirectoryError::Unknown(number));
                }
                self.0.store.keep_deleted(&number, wall_ms()).await?;
                self.become_of(&before, &number, None, untold).await
            }
            Change::Reset(number) => {
                let configured = self.0.configured.get(&number).cloned();
                if configured.is_none() && before.extension(&number).is_none() {
                    return Err(DirectoryError::Unknown(number));
                }
                let gone = configured.is_none().then(wall_ms);
                self.0.store.forget_extension(&number, gone).await?;
                self.become_of(&before, &number, configured, untold).await
            }
            Change::Photo(number, photo) => {
                if before.extension(&number).is_none() {
                    return Err(DirectoryError::Unknown(number));
                }
                let name = self.0.store.set_extension_photo(&number, photo).await?;
                let mut after = Snapshot::clone(&before);
                match name {
                    Some(name) => after.photos.insert(number, name),
                    None => after.photos.remove(&number),
                };
                untold();
                self.set(after);
                untold();
                Ok(())
            }
            Change::Settings(change) => {
                let settings = change.applied(before.settings.clone())?;
                self.0.store.set_settings(settings.changed_from(&before.settings)).await?;
                self.settings_become(&before, settings, untold).await
            }
            Change::ResetSettings => {
                self.0.store.set_settings(Settings::forgotten()).await?;
                self.settings_become(&before, self.0.configured_settings.clone(), untold).await
            }
        }
    }

    /// Keeps an extension as it is to be.
    async fn put(
        &self,
        before: &Snapshot,
        extension: Extension,
        untold: impl Fn() + Send,
    ) -> Result<(), DirectoryError> {
        extension.check().map_err(|error| DirectoryError::Invalid(error.to_string()))?;
        let number = extension.number().to_owned();
        if self.0.is_exposed && extension.is_guessable(&self.0.realm) {
            return Err(DirectoryError::WeakPassword(number));
        }
        let extension = extension.hashed(&self.0.realm);
        self.0.store.keep_extension(&self.0.realm, &extension).await?;
        self.become_of(before, &number, Some(extension), untold).await
    }

    /// Lets everybody know what an extension is now.
    async fn become_of(
        &self,
        before: &Snapshot,
        number: &str,
        extension: Option<Extension>,
        untold: impl Fn() + Send,
    ) -> Result<(), DirectoryError> {
        let old = before.extension(number);
        let notices = facts::of_extension(&self.0.realm, old, extension.as_ref());
        let is_other_password = match (old, &extension) {
            (Some(old), Some(new)) => facts::is_other_password(&self.0.realm, old, new),
            _ => false,
        };
        let mut after = before.clone();
        match &extension {
            Some(extension) => {
                if after.id(number).is_none() {
                    after.ids.extend(self.0.store.extension_ids(vec![number.to_owned()]).await?);
                }
                after.extensions.insert(number.to_owned(), extension.clone());
            }
            None => {
                after.extensions.remove(number);
                after.photos.remove(number);
            }
        }
        // Before as well: who is to be logged out must not find what is new between the two.
        untold();
        self.set(after);
        untold();
        let is_deleted = extension.is_none();
        let (number, extension) = (number.to_owned(), extension.filter(Extension::is_enabled));
        // Whose extension is gone hears it before the calls end. All else is told when it is so.
        let (first, notices): (Vec<_>, Vec<_>) =
            notices.into_iter().partition(|notice| notice.fact == Fact::ExtensionDeleted);
        self.tell(first);
        self.switch(SwitchChange::Extension { number, extension, is_other_password, is_deleted }).await?;
        self.tell(notices);
        Ok(())
    }

    async fn settings_become(
        &self,
        before: &Snapshot,
        settings: Settings,
        untold: impl Fn() + Send,
    ) -> Result<(), DirectoryError> {
        let notices = facts::of_settings(&before.settings, &settings);
        let code = settings.record_feature_code.clone();
        let is_other_code = code != before.settings.record_feature_code;
        untold();
        self.set(Snapshot { settings, ..before.clone() });
        untold();
        if is_other_code {
            self.switch(SwitchChange::RecordFeatureCode(code)).await?;
        }
        self.tell(notices);
        Ok(())
    }

    async fn switch(&self, change: SwitchChange) -> Result<(), DirectoryError> {
        let (done, carried_out) = oneshot::channel();
        self.0.core.send(ToCore::Directory { change, done }).await.map_err(|_| DirectoryError::Stopped)?;
        carried_out.await.map_err(|_| DirectoryError::Stopped)
    }

    fn tell(&self, notices: Vec<Notice>) {
        for notice in notices {
            self.0.notices.tell(notice);
        }
    }
}

impl ExtensionChange {
    fn applied(self, extension: Extension, realm: &str, is_exposed: bool) -> Result<Extension, DirectoryError> {
        let record = self.record.unwrap_or_else(|| extension.record_permissions());
        let enabled = self.enabled.unwrap_or_else(|| extension.is_enabled());
        let call_waiting = self.call_waiting.unwrap_or_else(|| extension.has_call_waiting());
        let web = self.web_client.unwrap_or_else(|| extension.has_web_client());
        let desktop = self.desktop_client.unwrap_or_else(|| extension.has_desktop_client());
        let voicemail = self.voicemail.unwrap_or_else(|| extension.has_voicemail());
        let number = extension.number().to_owned();
        let name = self.name.unwrap_or_else(|| extension.name().to_owned());
        let proven = match self.password {
            None => extension,
            Some(password) => {
                let with = Extension::new(number.clone(), name.clone(), password);
                with.check().map_err(|error| DirectoryError::Invalid(error.to_string()))?;
                // Its length is known now only.
                if is_exposed && with.is_guessable(realm) {
                    return Err(DirectoryError::WeakPassword(number));
                }
                with
            }
        };
        Ok(proven
            .named(name)
            .enabled(enabled)
            .record(record)
            .call_waiting(call_waiting)
            .clients(web, desktop)
            .voicemail(voicemail))
    }
}

impl SettingsChange {
    fn applied(self, settings: Settings) -> Result<Settings, DirectoryError> {
        if let Some(code) = &self.record_feature_code {
            config::check_code(code).map_err(|error| DirectoryError::Invalid(error.to_string()))?;
        }
        let fits = |host: &String| {
            host.len() <= MOST_HOST && host.chars().all(|c| c.is_ascii_alphanumeric() || "-._[]:".contains(c))
        };
        if self.fqdn_domain.as_ref().is_some_and(|host| !fits(host)) {
            return Err(DirectoryError::Invalid(
                "fqdn_domain is no host name; write one such as pbx.example".to_owned(),
            ));
        }
        if self.turn_port == Some(0) {
            return Err(DirectoryError::Invalid("turn_port = 0 is no port; choose 1 to 65535".to_owned()));
        }
        Ok(Settings {
            record_feature_code: self.record_feature_code.unwrap_or(settings.record_feature_code),
            enable_nat_fqdn: self.enable_nat_fqdn.unwrap_or(settings.enable_nat_fqdn),
            fqdn_domain: self.fqdn_domain.unwrap_or(settings.fqdn_domain),
            turn_port: self.turn_port.unwrap_or(settings.turn_port),
            internal_client: self.internal_client.unwrap_or(settings.internal_client),
            fqdn_service: self.fqdn_service.unwrap_or(settings.fqdn_service),
            video_service: self.video_service.unwrap_or(settings.video_service),
            sdk: self.sdk.unwrap_or(settings.sdk),
        })
    }
}
