//! What is configured besides extensions: conference rooms, ring groups, feature codes.

use std::time::Duration;

use offhook_sip::Secret;
use serde::Deserialize;

use crate::error::ConfigError;

/// The conference rooms when none are configured.
const BUILT_IN_ROOMS: std::ops::RangeInclusive<u32> = 7000..=7009;

/// Most members of a ring group.
const MOST_MEMBERS: usize = 50;

/// A conference room: who calls its number talks with all others who do.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Conference {
    /// The number to call.
    pub number: String,
    /// Its name; the number when left out.
    #[serde(default)]
    pub name: String,
    /// 1 to 12 digits that callers must dial first, if any.
    #[serde(default, deserialize_with = "secret")]
    pub pin: Option<Secret>,
}

fn secret<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Secret>, D::Error> {
    Ok(Option::<String>::deserialize(from)?.map(Secret::new))
}

impl Conference {
    /// A room without a PIN.
    pub fn new(number: impl Into<String>, name: impl Into<String>) -> Self {
        Self { number: number.into(), name: name.into(), pin: None }
    }

    /// The same, with a PIN.
    #[must_use]
    pub fn pin(mut self, pin: impl Into<Secret>) -> Self {
        self.pin = Some(pin.into());
        self
    }

    /// Those there are when none are configured: 7000 to 7009.
    pub(crate) fn built_in() -> Vec<Self> {
        BUILT_IN_ROOMS.map(|number| Self::new(number.to_string(), format!("Conference {number}"))).collect()
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        check_number("conference", &self.number)?;
        check_name("conference", &self.number, &self.name)?;
        let fits = |pin: &str| (1..=12).contains(&pin.len()) && pin.bytes().all(|b| b.is_ascii_digit());
        if self.pin.as_ref().is_some_and(|pin| !fits(pin.expose())) {
            return Err(ConfigError::new(
                format!("the PIN of conference {} cannot be dialled", self.number),
                "write 1 to 12 digits in quotes",
            ));
        }
        Ok(())
    }
}

/// Who of a ring group rings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RingStrategy {
    /// All members at once; the first to answer has the call.
    #[default]
    All,
    /// One after the other, in the order of the members.
    InTurn,
}

/// A number at which several extensions ring.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct RingGroup {
    /// The number to call.
    pub number: String,
    /// Its name, shown to callers while it rings; the number when left out.
    #[serde(default)]
    pub name: String,
    /// Numbers of extensions, 1 to 50.
    pub members: Vec<String>,
    /// Who rings. Default all at once.
    #[serde(default)]
    pub strategy: RingStrategy,
    /// How long all (or each in turn) ring, seconds: 1 to 600. Default 30.
    #[serde(default = "default_ring_s")]
    pub ring_s: u64,
    /// Where a call goes that nobody answers: a number. `None`: the caller gets 480.
    pub then: Option<String>,
}

fn default_ring_s() -> u64 {
    30
}

impl RingGroup {
    /// All members ring at once, for 30 s.
    pub fn new<M: Into<String>>(
        number: impl Into<String>,
        name: impl Into<String>,
        members: impl IntoIterator<Item = M>,
    ) -> Self {
        Self {
            number: number.into(),
            name: name.into(),
            members: members.into_iter().map(Into::into).collect(),
            strategy: RingStrategy::All,
            ring_s: default_ring_s(),
            then: None,
        }
    }

    /// The same, with another strategy.
    #[must_use]
    pub fn strategy(mut self, strategy: RingStrategy) -> Self {
        self.strategy = strategy;
        self
    }

    /// The same, ringing so long. Counted in whole seconds.
    #[must_use]
    pub fn ring(mut self, time: Duration) -> Self {
        self.ring_s = time.as_secs();
        self
    }

    /// The same, with a number for calls that nobody answers.
    #[must_use]
    pub fn then(mut self, number: impl Into<String>) -> Self {
        self.then = Some(number.into());
        self
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        check_number("ring group", &self.number)?;
        check_name("ring group", &self.number, &self.name)?;
        let number = &self.number;
        if !(1..=MOST_MEMBERS).contains(&self.members.len()) {
            return Err(ConfigError::new(
                format!("ring group {number} has {} members", self.members.len()),
                format!("name 1 to {MOST_MEMBERS} extensions"),
            ));
        }
        for number in self.members.iter().chain(&self.then) {
            check_number("member or then of a ring group", number)?;
        }
        if !(1..=600).contains(&self.ring_s) {
            return Err(ConfigError::new(
                format!("ring_s = {} of ring group {number} is out of range", self.ring_s),
                "choose 1 to 600",
            ));
        }
        Ok(())
    }
}

/// What can be dialled for something other than a call. The code that records is [`PbxConfig::record_feature_code`].
///
/// [`PbxConfig::record_feature_code`]: crate::PbxConfig::record_feature_code
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct FeatureCodes {
    /// In a call, before a number: the other side is transferred there. Default `*03`.
    pub blind_transfer: String,
    /// In a call, before a number: the other side waits while it is called. Default `*3`.
    pub attended_transfer: String,
    /// While it waits: back to it. Default `*0`.
    pub take_back: String,
    /// The number at which an extension hears its messages. Default `*97`.
    pub voicemail: String,
}

impl Default for FeatureCodes {
    fn default() -> Self {
        Self {
            blind_transfer: "*03".to_owned(),
            attended_transfer: "*3".to_owned(),
            take_back: "*0".to_owned(),
            voicemail: "*97".to_owned(),
        }
    }
}

impl FeatureCodes {
    /// `record` is the code that records.
    pub(crate) fn check(&self, record: &str) -> Result<(), ConfigError> {
        let codes = [
            ("record_feature_code", record),
            ("feature_codes.blind_transfer", &self.blind_transfer),
            ("feature_codes.attended_transfer", &self.attended_transfer),
            ("feature_codes.take_back", &self.take_back),
        ];
        for (name, code) in codes {
            if !(1..=8).contains(&code.len()) || !code.chars().all(|c| "0123456789*#ABCD".contains(c)) {
                return Err(ConfigError::new(
                    format!("{name} = {code:?} cannot be dialled"),
                    "write 1 to 8 of 0-9 * # A-D, such as *1",
                ));
            }
        }
        for (i, (name, code)) in codes.iter().enumerate() {
            for (other_name, other) in codes.iter().skip(i + 1) {
                // Back counts only while somebody waits, and then alone: another may begin like it.
                let is_hidden = code == other
                    || *other_name != "feature_codes.take_back"
                        && [
                            code.starts_with(other),
                            other.starts_with(code),
                            code.ends_with(other),
                            other.ends_with(code),
                        ]
                        .contains(&true);
                if is_hidden {
                    return Err(ConfigError::new(
                        format!("{name} = {code:?} and {other_name} = {other:?} hide each other"),
                        "let neither begin or end with the other",
                    ));
                }
            }
        }
        check_number("feature_codes.voicemail", &self.voicemail)
    }
}

pub(crate) fn check_number(what: &str, number: &str) -> Result<(), ConfigError> {
    let is_number = |c: char| c.is_ascii_alphanumeric() || "*#+-_.".contains(c);
    if number.is_empty() || number.len() > 32 || !number.chars().all(is_number) {
        return Err(ConfigError::new(
            format!("{number:?} is no number for a {what}"),
            "use 1 to 32 of A-Z a-z 0-9 * # + - _ .",
        ));
    }
    Ok(())
}

fn check_name(what: &str, number: &str, name: &str) -> Result<(), ConfigError> {
    if name.chars().count() > 128 || name.chars().any(char::is_control) {
        return Err(ConfigError::new(
            format!("the name of {what} {number} is too long or has control characters"),
            "use up to 128 printable characters",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::PbxConfig;

    fn error(text: &str) -> String {
        PbxConfig::parse(text).expect_err("wrong").to_string()
    }

    #[test]
    fn rooms_and_groups_are_read() {
        let config = PbxConfig::parse(
            "[[conference]]\nnumber = \"8000\"\npin = \"1234\"\n\
             [[ring_group]]\nnumber = \"6200\"\nname = \"Sales\"\nmembers = [\"1000\", \"1001\"]\nstrategy = \"in-turn\"\n\
             ring_s = 10\nthen = \"603\"\n[feature_codes]\nblind_transfer = \"##\"\n",
        )
        .expect("right");
        assert_eq!(config.conferences[0].pin.as_ref().map(|pin| pin.expose().to_owned()), Some("1234".to_owned()));
        let group = &config.ring_groups[0];
        assert_eq!((group.strategy, group.ring_s, group.then.as_deref()), (RingStrategy::InTurn, 10, Some("603")));
        assert_eq!(
            (config.feature_codes.blind_transfer.as_str(), config.feature_codes.take_back.as_str()),
            ("##", "*0")
        );
        assert!(!format!("{config:?}").contains("1234"));
    }

    #[test]
    fn what_is_wrong_is_named_with_the_fix() {
        let long = error("[[conference]]\nnumber = \"8000\"\npin = \"12a\"\n");
        assert!(long.contains("8000") && long.contains("1 to 12 digits"), "{long}");
        let alone = error("[[ring_group]]\nnumber = \"6200\"\nmembers = []\n");
        assert!(alone.contains("6200") && alone.contains("1 to 50"), "{alone}");
        assert!(error("[[ring_group]]\nnumber = \"6200\"\nmembers = [\"1\"]\nring_s = 0").contains("1 to 600"));
        let taken = error("[[ring_group]]\nnumber = \"600\"\nmembers = [\"1\"]\n");
        assert!(taken.contains("600") && taken.contains("another number"), "{taken}");
        let twice = error("[[ring_group]]\nnumber = \"8000\"\nmembers = [\"1\"]\n[[conference]]\nnumber = \"8000\"\n");
        assert!(twice.contains("8000") && twice.contains("twice"), "{twice}");
        let extension =
            error("[[extension]]\nnumber = \"8000\"\npassword = \"x\"\n[[conference]]\nnumber = \"8000\"\n");
        assert!(extension.contains("8000") && extension.contains("twice"), "{extension}");
        assert!(error("[feature_codes]\nblind_transfer = \"*1\"").contains("hide each other"));
        assert!(error("[feature_codes]\nattended_transfer = \"*\"").contains("hide each other"));
        assert!(error("[feature_codes]\ntake_back = \"back\"").contains("cannot be dialled"));
    }
}
