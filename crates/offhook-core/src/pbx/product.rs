//! Which PBX it is.

use super::json::{self, Value};

/// What `getproduct` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Product {
    /// How the PBX sees that it is reached, `external_ip`, `ys_domain` …
    pub(crate) access_type: Option<String>,
    pub(crate) mode: PlanMode,
    /// `p_cloudpbx`: the PBX is hosted by its maker.
    pub(crate) cloud: bool,
    /// Of its firmware.
    pub(crate) version: String,
}

/// Which of two ways the PBX's plans and clients are administered in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PlanMode {
    Cn,
    En,
}

impl Product {
    /// Why there is none: the words for the error.
    pub(crate) fn read(answer: &Value) -> Result<Self, &'static str> {
        let product = answer.get("product").filter(|product| product.is_object()).ok_or("it names no product")?;
        let oem = json::filled(product, "base_oem_id").ok_or("it is not supported (no base_oem_id)")?;
        Ok(Self {
            access_type: json::filled(answer, "access_type").filter(|text| is_token(text)),
            mode: if oem == "1" { PlanMode::Cn } else { PlanMode::En },
            cloud: json::text(product, "platform_name").as_deref() == Some("p_cloudpbx"),
            version: json::text(product, "version").unwrap_or_default(),
        })
    }

    /// Whether the PBX reaches us through a NAT, and is to be told so in our Contact.
    pub(crate) fn is_behind_nat(&self) -> bool {
        matches!(self.access_type.as_deref(), Some("external_ip" | "external_host" | "ys_domain"))
    }

    /// Whether its firmware is this one or later. Parts that are no numbers count as 0.
    pub(crate) fn is_at_least(&self, wanted: [u32; 4]) -> bool {
        let mut parts = self.version.split('.').map(|part| {
            let digits: String = part.trim().chars().take_while(char::is_ascii_digit).collect();
            digits.parse::<u32>().unwrap_or(0)
        });
        let version = [0; 4].map(|none: u32| parts.next().unwrap_or(none));
        version >= wanted
    }
}

/// It goes into a header.
fn is_token(text: &str) -> bool {
    text.len() <= 64 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn firmware_versions_are_compared_as_numbers() {
        let at_least = |version: &str| {
            let answer = json!({"product": {"base_oem_id": 0, "version": version}}).into();
            Product::read(&answer).is_ok_and(|product| product.is_at_least([37, 12, 0, 10]))
        };
        for version in ["37.12.0.10", "37.12.0.11-beta", "37.12.1.2", "37.13", "38.0.0.0", "137.1.0.0"] {
            assert!(at_least(version), "{version}");
        }
        for version in ["", "37.12.0.9", "37.9.0.100", "37.12", "9.99.99.99", "x"] {
            assert!(!at_least(version), "{version}");
        }
    }

    #[test]
    fn a_header_is_not_smuggled_in_by_the_access_type() {
        let answer = json!({"access_type": "x\r\nVia: y", "product": {"base_oem_id": "7"}}).into();
        assert_eq!(Product::read(&answer).map(|product| product.access_type), Ok(None));
    }
}
