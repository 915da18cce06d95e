//! The Replaces header (RFC 3891): the dialog that a new call takes the place of.

use std::fmt;

/// Names a dialog, from the point of view of whoever is sent it: `to_tag` is the receiver's own tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replaces {
    /// Call-ID.
    pub call_id: String,
    /// The tag of the receiver.
    pub to_tag: String,
    /// The tag of the other party.
    pub from_tag: String,
    /// Only if the dialog is not confirmed yet (§4).
    pub early_only: bool,
}

impl Replaces {
    /// Reads a header value. `None` when a part is missing, stands twice, or cannot be in a header.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let call_id = parts.next().filter(|id| is_word(id))?.to_owned();
        let (mut to_tag, mut from_tag, mut early_only) = (None, None, false);
        for part in parts {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let slot = match name.trim().to_ascii_lowercase().as_str() {
                "to-tag" => &mut to_tag,
                "from-tag" => &mut from_tag,
                "early-only" => {
                    early_only = true;
                    continue;
                }
                _ => continue,
            };
            if !is_word(value.trim()) || slot.replace(value.trim().to_owned()).is_some() {
                return None;
            }
        }
        Some(Self { call_id, to_tag: to_tag?, from_tag: from_tag?, early_only })
    }
}

impl fmt::Display for Replaces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{};to-tag={};from-tag={}", self.call_id, self.to_tag, self.from_tag)?;
        if self.early_only { write!(f, ";early-only") } else { Ok(()) }
    }
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.len() <= 256 && text.bytes().all(|b| b.is_ascii_graphic() && b != b'"')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_rfc_3891_6_1() {
        let plain = Replaces::parse("98732@sip.example.com;from-tag=r33th4x0r;to-tag=ff87ff").expect("valid");
        assert_eq!((plain.call_id.as_str(), plain.to_tag.as_str()), ("98732@sip.example.com", "ff87ff"));
        let early = Replaces::parse("12adf2f34456gs5 ; to-tag=12345 ; from-tag=54321 ; early-only").expect("valid");
        assert!(early.early_only);
        assert_eq!(Replaces::parse(&early.to_string()), Some(early));
    }

    #[test]
    fn halves_and_doubles_are_refused() {
        for text in
            ["", "a", "a;to-tag=1", "a;to-tag=1;from-tag=", "a;to-tag=1;to-tag=2;from-tag=3", "a b;to-tag=1;from-tag=2"]
        {
            assert_eq!(Replaces::parse(text), None, "{text:?}");
        }
    }
}
