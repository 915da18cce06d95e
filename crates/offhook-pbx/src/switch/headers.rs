//! Header fields of the PBX's own legs.

use offhook_sip::message::Headers;
use offhook_sip::{HeaderField, NameAddr, Uri, UriError};

/// At most so many fields are carried over …
const MAX_FIELDS: usize = 32;

/// … of so many bytes together.
const MAX_BYTES: usize = 8 * 1024;

/// The fields that are carried from one leg to the other: `X-…` and `Contacts-Company`.
pub(super) fn carried(headers: &Headers) -> Vec<HeaderField> {
    let mut bytes = 0;
    headers
        .iter()
        .filter_map(|header| {
            let name = String::from_utf8_lossy(header.name().canonical()).into_owned();
            let is_custom = name.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("x-"));
            if !is_custom && !name.eq_ignore_ascii_case("contacts-company") {
                return None;
            }
            HeaderField::new(&name, String::from_utf8_lossy(&header.value()).trim()).ok()
        })
        .take(MAX_FIELDS)
        .take_while(|field| {
            bytes += field.name().len() + field.value().len();
            bytes <= MAX_BYTES
        })
        .collect()
}

/// `"Name" <sip:number@domain>`
pub(super) fn address(name: &str, number: &str, domain: &str) -> Result<NameAddr, UriError> {
    let address = NameAddr::new(Uri::sip(number, domain)?);
    Ok(if name.is_empty() { address } else { address.with_display(name) })
}

/// Who the other side is, as the PBX vouches for it (RFC 3325 §9.1).
pub(super) fn identity(address: &NameAddr) -> Option<HeaderField> {
    HeaderField::new("P-Asserted-Identity", &address.to_string()).ok()
}
