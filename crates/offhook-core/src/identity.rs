//! Who the far end is, out of a message's headers.

use offhook_sip::NameAddr;
use offhook_sip::message::{Headers, HeadersExt};

/// Longest name, number or company shown, characters.
const MAX_LEN: usize = 256;

/// A number and the name that came with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) number: String,
    pub(crate) name: Option<String>,
}

impl Identity {
    pub(crate) fn of(address: &NameAddr) -> Self {
        let user = address.uri().user();
        let number = if user.is_empty() { address.uri().host() } else { user };
        Self { number: cut(&number), name: address.display().map(cut) }
    }

    /// The name, or the number when there is none.
    pub(crate) fn shown(&self) -> String {
        self.name.clone().unwrap_or_else(|| self.number.clone())
    }
}

/// What `P-Asserted-Identity` (RFC 3325) or else `Remote-Party-ID` says.
pub(crate) fn asserted(headers: &Headers) -> Option<Identity> {
    let address = headers.address("P-Asserted-Identity").or_else(|| headers.address("Remote-Party-ID"))?;
    let identity = Identity::of(&address);
    (!identity.number.is_empty()).then_some(identity)
}

/// What `Contacts-Company` says.
pub(crate) fn company(headers: &Headers) -> Option<String> {
    headers.text("Contacts-Company").map(|text| cut(text.trim_matches('"'))).filter(|text| !text.is_empty())
}

fn cut(text: &str) -> String {
    text.chars().take(MAX_LEN).collect()
}
