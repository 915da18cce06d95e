//! Extensions: who may register and call.

use offhook_sip::{DigestAlgorithm, Secret, ha1};

use crate::error::ConfigError;

/// The shortest password taken beyond loopback, characters.
const SHORTEST_PASSWORD: usize = 8;

/// The built-in extensions are 1000 to 1009.
const BUILT_IN: std::ops::RangeInclusive<u32> = 1000..=1009;

const NAMES: [&str; 10] = ["Ada", "Ben", "Cleo", "Dan", "Eve", "Finn", "Gwen", "Hugo", "Iris", "Jon"];

/// What an extension may do about recording by the PBX.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RecordPermissions {
    /// Nothing.
    None,
    /// Pause and resume what somebody else has begun.
    PauseResume,
    /// Begin, pause, resume.
    #[default]
    All,
}

/// One user of the PBX: a number that can register and be called.
#[derive(Debug, Clone)]
pub struct Extension {
    number: String,
    name: String,
    proof: Proof,
    enabled: bool,
    record: RecordPermissions,
    call_waiting: bool,
    web_client: bool,
    desktop_client: bool,
    voicemail: bool,
}

/// What the PBX keeps of a password.
#[derive(Debug, Clone)]
enum Proof {
    Password(Secret),
    Ha1 { md5: Option<Secret>, sha256: Option<Secret> },
}

impl Extension {
    /// With a password. `name` is shown to those it calls.
    pub fn new(number: impl Into<String>, name: impl Into<String>, password: impl Into<Secret>) -> Self {
        Self::proven_by(number.into(), name.into(), Proof::Password(password.into()))
    }

    /// With the hash of a password instead, `md5(number:realm:password)` in hex: the realm of the PBX must then never change.
    pub fn with_ha1(number: impl Into<String>, name: impl Into<String>, md5: impl Into<Secret>) -> Self {
        Self::with_hashes(number.into(), name.into(), Some(md5.into()), None)
    }

    pub(crate) fn with_hashes(number: String, name: String, md5: Option<Secret>, sha256: Option<Secret>) -> Self {
        // The digest is made over the hash as it is written in RFC 7616 §3.4.2: lower case.
        let lower = |hash: Secret| Secret::new(hash.expose().to_ascii_lowercase());
        Self::proven_by(number, name, Proof::Ha1 { md5: md5.map(lower), sha256: sha256.map(lower) })
    }

    fn proven_by(number: String, name: String, proof: Proof) -> Self {
        Self {
            number,
            name,
            proof,
            enabled: true,
            record: RecordPermissions::All,
            call_waiting: true,
            web_client: true,
            desktop_client: true,
            voicemail: false,
        }
    }

    /// The extensions there are when none are configured: 1000 to 1009, each with the password `secret-` and its number.
    #[must_use]
    pub fn built_in() -> Vec<Self> {
        BUILT_IN
            .zip(NAMES)
            .map(|(number, name)| Self::new(number.to_string(), name, built_in_password(&number.to_string())))
            .collect()
    }

    /// The same, switched on or off; default on. One that is off is to everybody as if it did not exist, but is kept.
    #[must_use]
    pub fn enabled(mut self, on: bool) -> Self {
        self.enabled = on;
        self
    }

    /// The same, with another display name.
    pub(crate) fn named(mut self, name: String) -> Self {
        self.name = name;
        self
    }

    /// The same, with the hashes of its password only.
    pub(crate) fn hashed(mut self, realm: &str) -> Self {
        if let Proof::Password(password) = &self.proof {
            let hash = |algorithm| Some(ha1(algorithm, &self.number, realm, password));
            let (md5, sha256) = (hash(DigestAlgorithm::Md5), hash(DigestAlgorithm::Sha256));
            self.proof = Proof::Ha1 { md5, sha256 };
        }
        self
    }

    /// The same, with what it may do about recording; default all.
    #[must_use]
    pub fn record(mut self, permissions: RecordPermissions) -> Self {
        self.record = permissions;
        self
    }

    /// The same, with or without a second call while there is one; default with.
    #[must_use]
    pub fn call_waiting(mut self, on: bool) -> Self {
        self.call_waiting = on;
        self
    }

    /// The same, with what may log in as it over the P-Series API: clients in a browser, and desktop clients. Default both.
    #[must_use]
    pub fn clients(mut self, web: bool, desktop: bool) -> Self {
        self.web_client = web;
        self.desktop_client = desktop;
        self
    }

    /// The same, with or without voicemail for calls that are not answered; default without.
    #[must_use]
    pub fn voicemail(mut self, on: bool) -> Self {
        self.voicemail = on;
        self
    }

    /// Whether it is switched on.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// Whether it takes a second call while there is one.
    #[must_use]
    pub fn has_call_waiting(&self) -> bool {
        self.call_waiting
    }

    /// Whether clients in a browser may log in as it.
    #[must_use]
    pub fn has_web_client(&self) -> bool {
        self.web_client
    }

    /// Whether desktop clients may log in as it.
    #[must_use]
    pub fn has_desktop_client(&self) -> bool {
        self.desktop_client
    }

    /// Whether calls that it does not answer go to its voicemail.
    #[must_use]
    pub fn has_voicemail(&self) -> bool {
        self.voicemail
    }

    /// What it may do about recording.
    #[must_use]
    pub fn record_permissions(&self) -> RecordPermissions {
        self.record
    }

    /// The number.
    #[must_use]
    pub fn number(&self) -> &str {
        &self.number
    }

    /// The display name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The password, where the PBX has it (and not only its hash). Do not log it.
    #[must_use]
    pub fn password(&self) -> Option<&Secret> {
        match &self.proof {
            Proof::Password(password) => Some(password),
            Proof::Ha1 { .. } => None,
        }
    }

    /// `H(number:realm:password)`, when it can be had for this algorithm.
    pub(crate) fn ha1(&self, algorithm: DigestAlgorithm, realm: &str) -> Option<Secret> {
        match (&self.proof, algorithm) {
            (Proof::Password(password), _) => Some(ha1(algorithm, &self.number, realm, password)),
            (Proof::Ha1 { md5, .. }, DigestAlgorithm::Md5) => md5.clone(),
            (Proof::Ha1 { sha256, .. }, DigestAlgorithm::Sha256) => sha256.clone(),
            _ => None,
        }
    }

    /// Whether this extension can answer a challenge of this algorithm.
    pub(crate) fn answers(&self, algorithm: DigestAlgorithm) -> bool {
        match (&self.proof, algorithm) {
            (Proof::Password(_), _) => true,
            (Proof::Ha1 { md5, .. }, DigestAlgorithm::Md5) => md5.is_some(),
            (Proof::Ha1 { sha256, .. }, DigestAlgorithm::Sha256) => sha256.is_some(),
            _ => false,
        }
    }

    /// Whether others could guess the password.
    pub(crate) fn is_guessable(&self, realm: &str) -> bool {
        let guesses =
            [built_in_password(&self.number), self.number.clone(), "password".to_owned(), "secret".to_owned()];
        match &self.proof {
            Proof::Password(password) => {
                let password = password.expose();
                password.chars().count() < SHORTEST_PASSWORD || guesses.iter().any(|guess| guess == password)
            }
            Proof::Ha1 { .. } => guesses.iter().any(|guess| {
                let guess = Secret::from(guess.as_str());
                [DigestAlgorithm::Md5, DigestAlgorithm::Sha256].into_iter().any(|algorithm| {
                    self.ha1(algorithm, realm).is_some_and(|own| own.is(&ha1(algorithm, &self.number, realm, &guess)))
                })
            }),
        }
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let number = &self.number;
        let is_number = |c: char| c.is_ascii_alphanumeric() || "*#+-_.".contains(c);
        if number.is_empty() || number.len() > 32 || !number.chars().all(is_number) {
            return Err(ConfigError::new(
                format!("{number:?} is no extension number"),
                "use 1 to 32 of A-Z a-z 0-9 * # + - _ .",
            ));
        }
        if crate::service::Service::of(number).is_some() {
            return Err(ConfigError::new(
                format!("extension {number} is the number of a service"),
                "choose another number",
            ));
        }
        if self.name.chars().count() > 128 || self.name.chars().any(char::is_control) {
            return Err(ConfigError::new(
                format!("the name of extension {number} is too long or has control characters"),
                "use up to 128 printable characters",
            ));
        }
        match &self.proof {
            Proof::Password(password) if password.expose().is_empty() => {
                Err(ConfigError::new(format!("extension {number} has an empty password"), "give it one"))
            }
            Proof::Ha1 { md5, sha256 } => {
                let hex = |hash: &Option<Secret>, digits: usize| {
                    hash.as_ref().is_none_or(|hash| {
                        hash.expose().len() == digits && hash.expose().bytes().all(|b| b.is_ascii_hexdigit())
                    })
                };
                if hex(md5, 32) && hex(sha256, 64) && (md5.is_some() || sha256.is_some()) {
                    return Ok(());
                }
                Err(ConfigError::new(
                    format!("the ha1 of extension {number} is no hash"),
                    "write 32 hex digits for ha1, 64 for ha1_sha256: the hash of number:realm:password",
                ))
            }
            Proof::Password(_) => Ok(()),
        }
    }
}

fn built_in_password(number: &str) -> String {
    format!("secret-{number}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const REALM: &str = "pbx.example";

    fn hash(password: &str) -> Secret {
        ha1(DigestAlgorithm::Md5, "2000", REALM, &password.into())
    }

    #[test]
    fn a_hash_stands_for_its_password_in_any_case() {
        let upper = hash("correct horse").expose().to_ascii_uppercase();
        let hashed = Extension::with_ha1("2000", "Zoë", upper);
        let plain = Extension::new("2000", "Zoë", "correct horse");
        let md5 = |extension: &Extension| extension.ha1(DigestAlgorithm::Md5, REALM).map(|h| h.expose().to_owned());
        assert_eq!(md5(&hashed), md5(&plain));
        assert!(hashed.ha1(DigestAlgorithm::Sha256, REALM).is_none());
        assert!(!hashed.answers(DigestAlgorithm::Sha256) && plain.answers(DigestAlgorithm::Sha256));
    }

    #[test]
    fn a_guessable_password_is_seen_in_its_hash_too() {
        assert!(Extension::with_ha1("2000", "", hash("secret-2000")).is_guessable(REALM));
        assert!(!Extension::with_ha1("2000", "", hash("correct horse")).is_guessable(REALM));
        assert!(Extension::new("2000", "", "2000").is_guessable(REALM));
        assert!(!Extension::new("2000", "", "correct horse").is_guessable(REALM));
    }
}
