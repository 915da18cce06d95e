//! The PBX's side of a phone: its getters, and what it holds.

use offhook_sip::Secret;

use super::login::LoggedIn;

/// What a phone has of its PBX ([`Phone::pbx`](crate::Phone::pbx)): getters. It acts through the commands of the phone.
#[derive(Debug)]
pub struct PbxOperator {
    pub(crate) base: String,
    pub(crate) sip_url: String,
    pub(crate) logged_in: LoggedIn,
}

impl PbxOperator {
    pub(crate) fn new(logged_in: LoggedIn) -> Self {
        Self { base: logged_in.base(), sip_url: logged_in.sip_url(), logged_in }
    }

    /// What the paths of [`Output::Http`](crate::Output::Http) follow: `https://HOST[:PORT]/api`.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Where [`Output::Connect`](crate::Output::Connect) connects to, with subprotocol `sip`.
    #[must_use]
    pub fn sip_url(&self) -> &str {
        &self.sip_url
    }

    /// The PBX's URL, as it was given.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.logged_in.params.pbx_url
    }

    /// User name.
    #[must_use]
    pub fn username(&self) -> &str {
        &self.logged_in.params.username
    }

    /// The login signature.
    #[must_use]
    pub fn secret(&self) -> &Secret {
        &self.logged_in.params.secret
    }

    /// The present token.
    #[must_use]
    pub fn token(&self) -> &Secret {
        &self.logged_in.token
    }

    /// Number of the extension.
    #[must_use]
    pub fn extension_number(&self) -> &str {
        &self.logged_in.personal.number
    }

    /// Identity of the extension.
    #[must_use]
    pub fn extension_id(&self) -> &str {
        &self.logged_in.personal.id
    }

    /// Name of the extension.
    #[must_use]
    pub fn extension_name(&self) -> &str {
        &self.logged_in.personal.name
    }
}
