//! What a phone is made with, out of a page's strings.

use offhook_core::{Credentials, PhoneConfig};

/// Of a phone at any SIP server.
pub(crate) struct Account {
    pub(crate) server: String,
    pub(crate) user: String,
    pub(crate) domain: Option<String>,
    pub(crate) display_name: Option<String>,
    pub(crate) authorization_user: Option<String>,
    pub(crate) password: Option<String>,
    pub(crate) ha1: Option<String>,
}

pub(crate) fn config(account: Account, seed: &[u8]) -> Result<PhoneConfig, String> {
    let Account { server, user, domain, display_name, authorization_user, password, ha1 } = account;
    let seed: [u8; 32] = seed.try_into().map_err(|_| "a seed has 32 bytes")?;
    let mut config = PhoneConfig::new(&server, &user, domain.as_deref(), seed).map_err(|error| error.to_string())?;
    if let Some(name) = display_name {
        config.aor = config.aor.with_display(&name);
    }
    let name = authorization_user.unwrap_or(user);
    config.credentials = match (password, ha1) {
        (Some(password), _) => Some(Credentials::password(name, password)),
        (None, Some(ha1)) => Some(Credentials::ha1(name, None, ha1)),
        (None, None) => None,
    };
    "web".clone_into(&mut config.device_type);
    // A listener may replace what the event `sdp` shows it.
    config.filter_sdp = true;
    Ok(config)
}
