//! The configuration, from a builder or a TOML file.

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use offhook_sip::Secret;
use serde::Deserialize;
use toml::Spanned;

use crate::error::{ConfigError, PbxError};
use crate::extension::{Extension, RecordPermissions};
use crate::features::{Conference, FeatureCodes, RingGroup};
use crate::pseries::PSeries;

/// How a PBX is set up.
///
/// As a file:
///
/// ```toml
/// bind = "127.0.0.1"        # an address of this machine; beyond loopback only with passwords of your own
/// ws_port = 5066            # 0: any free port; false: no plain WebSocket (and none beyond loopback)
/// wss_port = 7443
/// domain = "pbx.example"    # the host of addresses that the PBX writes
/// realm = "pbx.example"     # of digest authentication; the domain when left out
/// no_answer_s = 60
/// data_dir = "pbx-data"     # keeps the certificate and its key, call records, and what is changed at run time
/// recordings = "calls"      # where calls are recorded; left out: nowhere, and none
/// record_feature_code = "*1"
///
/// [[extension]]
/// number = "1000"
/// name = "Ada"
/// password = "correct horse"
/// record = 2                # 0: may not record; 1: may pause and resume; 2: all
/// call_waiting = true       # a second call while there is one
/// web_client = true         # may log in over the API from a browser,
/// desktop_client = true     # … and from a desktop client
/// voicemail = false         # calls that are not answered go to voicemail
/// enabled = true            # false: kept, but to everybody as if it did not exist
///
/// [[extension]]
/// number = "1001"
/// ha1 = "0123456789abcdef0123456789abcdef"   # md5(number:realm:password)
///
/// [[conference]]
/// number = "7000"           # with the first one, the built-in rooms 7000 to 7009 are gone
/// name = "Monday round"
/// pin = "1234"              # dialled before one is let in; left out: anybody is
///
/// [[ring_group]]
/// number = "6200"
/// name = "Sales"
/// members = ["1000", "1001"]
/// strategy = "all"          # or "in-turn"
/// ring_s = 30               # all together, or each in turn
/// then = "600"              # where a call goes that nobody answers
///
/// [feature_codes]
/// blind_transfer = "*03"    # in a call, then a number and #
/// attended_transfer = "*3"
/// take_back = "*0"
/// voicemail = "*97"         # the number at which an extension hears its messages
///
/// [limits]
/// calls = 500
/// ```
///
/// What `[pseries]` takes is told by [`PSeries`].
///
/// An unknown key is an error that names its line.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PbxConfig {
    /// Address to listen on, for SIP and for media. Default 127.0.0.1.
    pub bind: IpAddr,
    /// Port for ws and http; 0 takes a free one, `None` switches it off. Default 0. On loopback only: a file that binds beyond it
    /// and says nothing of this port has none.
    pub ws_port: Option<u16>,
    /// Port for wss and https; 0 takes a free one, `None` switches it off. Default 0.
    pub wss_port: Option<u16>,
    /// The host of addresses that the PBX writes. It answers for every host: only user parts are looked at. Default `localhost`.
    pub domain: String,
    /// Realm of digest authentication. `None`: the domain.
    pub realm: Option<String>,
    /// The extensions. Empty: [`Extension::built_in`].
    pub extensions: Vec<Extension>,
    /// How long a call rings before the caller gets 480. 1 s to 1 h, default 60 s.
    pub no_answer: Duration,
    /// Where the certificate and its key are kept, and voicemail. `None`: the certificate is made anew at each start, in
    /// memory, and there is no voicemail.
    pub data_dir: Option<PathBuf>,
    /// Where calls are recorded; made at the start. `None`: nowhere, and the feature code does nothing.
    pub recordings: Option<PathBuf>,
    /// The digits in a call that switch its recording on and off: 1 to 8 of `0-9 * # A-D`. Default `*1`.
    pub record_feature_code: String,
    /// The P-Series API.
    pub pseries: PSeries,
    /// Conference rooms. Empty: 7000 to 7009, but for numbers that are taken.
    pub conferences: Vec<Conference>,
    /// Ring groups.
    pub ring_groups: Vec<RingGroup>,
    /// The other feature codes.
    pub feature_codes: FeatureCodes,
    /// Bounds.
    pub limits: PbxLimits,
}

impl Default for PbxConfig {
    fn default() -> Self {
        Self {
            bind: IpAddr::V4(Ipv4Addr::LOCALHOST),
            ws_port: Some(0),
            wss_port: Some(0),
            domain: "localhost".to_owned(),
            realm: None,
            extensions: Vec::new(),
            no_answer: Duration::from_secs(60),
            data_dir: None,
            recordings: None,
            record_feature_code: "*1".to_owned(),
            pseries: PSeries::default(),
            conferences: Vec::new(),
            ring_groups: Vec::new(),
            feature_codes: FeatureCodes::default(),
            limits: PbxLimits::default(),
        }
    }
}

/// Bounds on what clients can make the PBX hold.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct PbxLimits {
    /// Connections at once. Default 1000; above, new ones are closed at once, and to make room those WebSockets on which nobody has proven
    /// to be an extension within 30 s.
    pub connections: usize,
    /// Calls at once. Default 500; above, 503 with Retry-After. Of these an extension that makes more than ten has no more than
    /// it leaves to all others.
    pub calls: usize,
    /// Bindings per extension: so many devices can register for it. Default 10; above, 503.
    pub bindings: usize,
    /// Shortest registration taken, seconds. Default 60; below, 423 with Min-Expires.
    pub min_expires_s: u32,
    /// Longest registration granted, seconds. Default 3600.
    pub max_expires_s: u32,
    /// Largest SIP message, bytes. Default 65536.
    pub message_bytes: usize,
    /// For the TLS and WebSocket handshakes together with each other, milliseconds. Default 10000.
    pub handshake_ms: u64,
    /// A call is ended when nothing is received on one of its media streams for so long, seconds. Default 60. Streams on hold do not count.
    pub media_timeout_s: u64,
    /// Members of a conference room. Default 32; above, 486.
    pub conference_members: usize,
    /// Messages in a mailbox. Default 100; above, nobody can leave one.
    pub messages: usize,
}

impl Default for PbxLimits {
    fn default() -> Self {
        Self {
            connections: 1000,
            calls: 500,
            bindings: 10,
            min_expires_s: 60,
            max_expires_s: 3600,
            message_bytes: 64 * 1024,
            handshake_ms: 10_000,
            media_timeout_s: 60,
            conference_members: 32,
            messages: 100,
        }
    }
}

impl PbxConfig {
    /// Reads a configuration out of a TOML text.
    ///
    /// # Errors
    /// It is no TOML, has an unknown key, or a value out of range: the error names the line.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let file: File = toml::from_str(text).map_err(|e| {
            let error = ConfigError::new(e.message().trim().replace('\n', ", "), "see docs/pbx.md for what is allowed");
            match e.span() {
                Some(span) => error.at(text, span.start),
                None => error,
            }
        })?;
        file.into_config(text)
    }

    /// Reads a configuration file.
    ///
    /// # Errors
    /// The file cannot be read, or see [`parse`](Self::parse).
    pub fn read(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        let path = path.as_ref();
        let located = |mut error: ConfigError| {
            error.path = Some(path.to_owned());
            error
        };
        let text = std::fs::read_to_string(path).map_err(|e| {
            located(ConfigError::new(
                format!("the configuration cannot be read ({e})"),
                "check the path and its permissions",
            ))
        })?;
        Self::parse(&text).map_err(located)
    }

    /// The realm in force.
    #[must_use]
    pub fn realm(&self) -> &str {
        self.realm.as_deref().unwrap_or(&self.domain)
    }

    /// Fills in the defaults and checks everything.
    pub(crate) fn finish(mut self) -> Result<Self, PbxError> {
        if self.extensions.is_empty() {
            self.extensions = Extension::built_in();
        }
        self.check()?;
        if self.ws_port.is_none() && self.wss_port.is_none() {
            return Err(PbxError::NoListener);
        }
        if !self.bind.is_loopback() {
            let weak: Vec<String> = self
                .extensions
                .iter()
                .filter(|extension| extension.is_guessable(self.realm()))
                .map(|extension| extension.number().to_owned())
                .collect();
            if !weak.is_empty() {
                return Err(PbxError::WeakPasswords { bind: self.bind, extensions: weak });
            }
            if self.ws_port.is_some() {
                return Err(PbxError::PlainBeyondLoopback { bind: self.bind });
            }
        }
        Ok(self)
    }

    fn check(&self) -> Result<(), ConfigError> {
        for (what, name) in [("domain", self.domain.as_str()), ("realm", self.realm())] {
            let fits = |c: char| c.is_ascii_alphanumeric() || "-._[]:".contains(c);
            let fits_realm = |c: char| what == "realm" && c.is_ascii_graphic() && !"\"\\".contains(c) || fits(c);
            if name.is_empty() || name.len() > 253 || !name.chars().all(fits_realm) {
                return Err(ConfigError::new(
                    format!("{name:?} is no {what}"),
                    "write a host name such as pbx.example",
                ));
            }
        }
        if offhook_sip::Uri::sip("0", &self.domain).is_err() {
            return Err(ConfigError::new(
                format!("{:?} is no domain", self.domain),
                "write a host name such as pbx.example",
            ));
        }
        if !(Duration::from_secs(1)..=Duration::from_secs(3600)).contains(&self.no_answer) {
            return Err(ConfigError::new(
                format!("the no-answer time of {} s is out of range", self.no_answer.as_secs_f32()),
                "choose 1 to 3600 s",
            ));
        }
        check_code(&self.record_feature_code)?;
        self.feature_codes.check(&self.record_feature_code)?;
        if self.recordings.as_ref().is_some_and(|directory| directory.as_os_str().is_empty()) {
            return Err(ConfigError::new("recordings is empty", "name a directory, or leave it out"));
        }
        if let (Some(ws), Some(wss)) = (self.ws_port, self.wss_port)
            && ws == wss
            && ws != 0
        {
            return Err(ConfigError::new(format!("ws_port and wss_port are both {ws}"), "choose two different ports"));
        }
        self.limits.check()?;
        self.pseries.check()?;
        for (i, extension) in self.extensions.iter().enumerate() {
            extension.check()?;
            if self.extensions.iter().take(i).any(|other| other.number() == extension.number()) {
                return Err(duplicate(extension.number()));
            }
        }
        self.check_numbers()
    }

    /// Every number leads to one thing.
    fn check_numbers(&self) -> Result<(), ConfigError> {
        self.conferences.iter().try_for_each(Conference::check)?;
        self.ring_groups.iter().try_for_each(RingGroup::check)?;
        let rooms = self.conferences.iter().map(|room| room.number.as_str());
        let groups = self.ring_groups.iter().map(|group| group.number.as_str());
        let numbers: Vec<&str> = rooms.chain(groups).chain([self.feature_codes.voicemail.as_str()]).collect();
        for (i, number) in numbers.iter().enumerate() {
            if crate::service::Service::of(number).is_some() {
                return Err(ConfigError::new(format!("{number} is the number of a service"), "choose another number"));
            }
            let is_extension = self.extensions.iter().any(|extension| extension.number() == *number);
            if is_extension || numbers.iter().take(i).any(|other| other == number) {
                return Err(ConfigError::new(format!("the number {number} is there twice"), "choose another number"));
            }
        }
        Ok(())
    }

    /// The rooms in force.
    pub(crate) fn rooms(&self) -> Vec<Conference> {
        if !self.conferences.is_empty() {
            return self.conferences.clone();
        }
        let is_taken = |number: &str| {
            self.extensions.iter().any(|extension| extension.number() == number)
                || self.ring_groups.iter().any(|group| group.number == number)
                || self.feature_codes.voicemail == number
        };
        Conference::built_in().into_iter().filter(|room| !is_taken(&room.number)).collect()
    }
}

impl PbxLimits {
    fn check(&self) -> Result<(), ConfigError> {
        let ranges: [(&str, u64, u64, u64); 10] = [
            ("connections", self.connections as u64, 1, 100_000),
            ("calls", self.calls as u64, 1, 10_000),
            ("bindings", self.bindings as u64, 1, 100),
            ("min_expires_s", self.min_expires_s.into(), 1, 3600),
            ("max_expires_s", self.max_expires_s.into(), 60, 86_400),
            ("message_bytes", self.message_bytes as u64, 4096, 1 << 20),
            ("handshake_ms", self.handshake_ms, 100, 60_000),
            ("media_timeout_s", self.media_timeout_s, 1, 3600),
            ("conference_members", self.conference_members as u64, 2, 500),
            ("messages", self.messages as u64, 1, 10_000),
        ];
        for (name, value, lowest, highest) in ranges {
            if !(lowest..=highest).contains(&value) {
                return Err(ConfigError::new(
                    format!("limits.{name} = {value} is out of range"),
                    format!("choose {lowest} to {highest}"),
                ));
            }
        }
        if self.min_expires_s > self.max_expires_s {
            return Err(ConfigError::new("limits.min_expires_s is above limits.max_expires_s", "make it smaller"));
        }
        Ok(())
    }
}

/// Whether these digits can be dialled in a call.
pub(crate) fn check_code(code: &str) -> Result<(), ConfigError> {
    if (1..=8).contains(&code.len()) && code.chars().all(|c| "0123456789*#ABCD".contains(c)) {
        return Ok(());
    }
    Err(ConfigError::new(
        format!("record_feature_code = {code:?} cannot be dialled"),
        "write 1 to 8 of 0-9 * # A-D, such as *1",
    ))
}

fn duplicate(number: &str) -> ConfigError {
    ConfigError::new(format!("extension {number} is there twice"), "leave one of them out")
}

/// The file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    bind: Option<IpAddr>,
    ws_port: Option<Port>,
    wss_port: Option<Port>,
    domain: Option<String>,
    realm: Option<String>,
    no_answer_s: Option<u64>,
    data_dir: Option<PathBuf>,
    recordings: Option<PathBuf>,
    record_feature_code: Option<String>,
    #[serde(default)]
    extension: Vec<Spanned<FileExtension>>,
    #[serde(default)]
    pseries: PSeries,
    #[serde(default)]
    conference: Vec<Conference>,
    #[serde(default)]
    ring_group: Vec<RingGroup>,
    #[serde(default)]
    feature_codes: FeatureCodes,
    #[serde(default)]
    limits: PbxLimits,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileExtension {
    number: String,
    #[serde(default)]
    name: String,
    password: Option<String>,
    ha1: Option<String>,
    ha1_sha256: Option<String>,
    record: Option<u8>,
    call_waiting: Option<bool>,
    web_client: Option<bool>,
    desktop_client: Option<bool>,
    #[serde(default)]
    voicemail: bool,
    enabled: Option<bool>,
}

/// A port number, or `false`.
#[derive(Deserialize)]
#[serde(untagged, expecting = "a port must be a number from 0 to 65535, or false")]
enum Port {
    Number(u16),
    Switch(bool),
}

impl Port {
    fn number(&self) -> Option<u16> {
        match self {
            Self::Number(port) => Some(*port),
            Self::Switch(true) => Some(0),
            Self::Switch(false) => None,
        }
    }
}

impl File {
    fn into_config(self, text: &str) -> Result<PbxConfig, ConfigError> {
        let default = PbxConfig::default();
        let mut extensions: Vec<Extension> = Vec::new();
        for entry in self.extension {
            let start = entry.span().start;
            let extension = entry.into_inner().into_extension().map_err(|e| e.at(text, start))?;
            extension.check().map_err(|e| e.at(text, start))?;
            if extensions.iter().any(|other| other.number() == extension.number()) {
                return Err(duplicate(extension.number()).at(text, start));
            }
            extensions.push(extension);
        }
        let bind = self.bind.unwrap_or(default.bind);
        // Beyond loopback there is no plain listener, unless it is asked for, and refused.
        let ws_port = default.ws_port.filter(|_| bind.is_loopback());
        let config = PbxConfig {
            bind,
            ws_port: self.ws_port.map_or(ws_port, |port| port.number()),
            wss_port: self.wss_port.map_or(default.wss_port, |port| port.number()),
            domain: self.domain.unwrap_or(default.domain),
            realm: self.realm,
            extensions,
            no_answer: self.no_answer_s.map_or(default.no_answer, Duration::from_secs),
            data_dir: self.data_dir,
            recordings: self.recordings,
            record_feature_code: self.record_feature_code.unwrap_or(default.record_feature_code),
            pseries: self.pseries,
            conferences: self.conference,
            ring_groups: self.ring_group,
            feature_codes: self.feature_codes,
            limits: self.limits,
        };
        config.check()?;
        Ok(config)
    }
}

impl FileExtension {
    fn into_extension(self) -> Result<Extension, ConfigError> {
        let Self { number, name, password, ha1, ha1_sha256, record, voicemail, .. } = self;
        let (call_waiting, enabled) = (self.call_waiting.unwrap_or(true), self.enabled.unwrap_or(true));
        let (web, desktop) = (self.web_client.unwrap_or(true), self.desktop_client.unwrap_or(true));
        let permissions = match record {
            None | Some(2) => RecordPermissions::All,
            Some(1) => RecordPermissions::PauseResume,
            Some(0) => RecordPermissions::None,
            Some(other) => {
                return Err(ConfigError::new(
                    format!("record = {other} of extension {number} is out of range"),
                    "choose 0 (nothing), 1 (pause and resume) or 2 (all)",
                ));
            }
        };
        let name = if name.is_empty() { number.clone() } else { name };
        let settled = |extension: Extension| {
            extension
                .enabled(enabled)
                .record(permissions)
                .call_waiting(call_waiting)
                .clients(web, desktop)
                .voicemail(voicemail)
        };
        match (password, ha1, ha1_sha256) {
            (Some(password), None, None) => Ok(settled(Extension::new(number, name, password))),
            (None, None, None) => Err(ConfigError::new(
                format!("extension {number} has no password"),
                "add password = \"…\" (or ha1 = \"…\", the hash of number:realm:password)",
            )),
            (None, md5, sha256) => {
                let (md5, sha256) = (md5.map(Secret::new), sha256.map(Secret::new));
                Ok(settled(Extension::with_hashes(number, name, md5, sha256)))
            }
            (Some(_), ..) => {
                Err(ConfigError::new(format!("extension {number} has a password and a ha1"), "leave one of them out"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        PbxConfig::parse(text).expect_err("wrong").to_string()
    }

    #[test]
    fn a_whole_file_is_read() {
        let config = PbxConfig::parse(
            "bind = \"::1\"\nws_port = 5066\nwss_port = false\ndomain = \"pbx.example\"\nno_answer_s = 20\n\
             [[extension]]\nnumber = \"2000\"\nname = \"Zoë\"\npassword = \"correct horse\"\n\
             [limits]\ncalls = 7\n",
        )
        .expect("right");
        assert_eq!((config.ws_port, config.wss_port), (Some(5066), None));
        assert_eq!((config.realm(), config.no_answer.as_secs(), config.limits.calls), ("pbx.example", 20, 7));
        assert_eq!(config.limits.bindings, 10);
        assert_eq!((config.extensions[0].number(), config.extensions[0].name()), ("2000", "Zoë"));
        assert!(!format!("{config:?}").contains("horse"));
    }

    #[test]
    fn what_is_said_of_the_api_is_read() {
        let text = "[pseries]\ncompany = \"ACME\"\nplan = \"cn\"\ncloud = true\nclient_secret = \"hunter2hunter2\"\n";
        let config = PbxConfig::parse(text).expect("right");
        assert_eq!((config.pseries.company.as_str(), config.pseries.cloud), ("ACME", true));
        assert_eq!(config.pseries.plan, crate::pseries::PlanMode::Cn);
        assert!(!format!("{config:?}").contains("hunter2"));
        assert!(error("[pseries]\nplan = \"de\"\n").contains("cn"));
        assert!(error("[pseries]\nturn_port = 0\n").contains("1 to 65535"));
        assert!(error("[pseries]\ntopic = 1\n").starts_with("line 2: "));
    }

    #[test]
    fn beyond_loopback_a_file_has_no_plain_port_unless_it_asks_for_one() {
        let port = |text: &str| PbxConfig::parse(text).expect("right").ws_port;
        assert_eq!(port("bind = \"0.0.0.0\""), None);
        assert_eq!(port("bind = \"0.0.0.0\"\nws_port = 5066"), Some(5066));
        assert_eq!(port("bind = \"127.0.0.2\""), Some(0));
    }

    #[test]
    fn what_is_said_of_recording_is_read() {
        let extension = |number: u32, record: &str| {
            format!("[[extension]]\nnumber = \"{number}\"\nha1 = \"{}\"\n{record}\n", "0".repeat(32))
        };
        let extensions: String =
            [(1, ""), (2, "record = 0"), (3, "record = 1"), (4, "record = 2")].map(|(n, r)| extension(n, r)).concat();
        let text = format!("recordings = \"calls\"\nrecord_feature_code = \"**9\"\n{extensions}");
        let config = PbxConfig::parse(&text).expect("right");
        assert_eq!((config.recordings, config.record_feature_code.as_str()), (Some("calls".into()), "**9"));
        let permissions: Vec<_> = config.extensions.iter().map(Extension::record_permissions).collect();
        use RecordPermissions::{All, None, PauseResume};
        assert_eq!(permissions, [All, None, PauseResume, All]);
        let default = PbxConfig::parse("").expect("right");
        assert_eq!((default.recordings, default.record_feature_code.as_str()), (Option::None, "*1"));
    }

    #[test]
    fn what_an_extension_may_do_is_read() {
        let of = |lines: &str| {
            let text = format!("[[extension]]\nnumber = \"1\"\npassword = \"correct horse\"\n{lines}\n");
            let extension = PbxConfig::parse(&text).expect("right").extensions.remove(0);
            let clients = (extension.has_web_client(), extension.has_desktop_client());
            (extension.is_enabled(), extension.has_call_waiting(), clients, extension.has_voicemail())
        };
        assert_eq!(of(""), (true, true, (true, true), false));
        assert_eq!(of("enabled = false\ncall_waiting = false"), (false, false, (true, true), false));
        assert_eq!(of("web_client = false\nvoicemail = true"), (true, true, (false, true), true));
        assert_eq!(of("desktop_client = false"), (true, true, (true, false), false));
    }

    #[test]
    fn the_documented_example_is_right() {
        let docs = include_str!("config.rs");
        let example: String = docs
            .split("```toml")
            .nth(1)
            .and_then(|rest| rest.split("```").next())
            .expect("there is one")
            .lines()
            .map(|line| line.trim_start_matches("///").to_owned() + "\n")
            .collect();
        let config = PbxConfig::parse(&example).expect("right");
        assert_eq!(config.extensions.len(), 2);
    }

    #[test]
    fn errors_name_the_line_and_the_fix() {
        let unknown = error("bind = \"127.0.0.1\"\nwsport = 1\n");
        assert!(unknown.starts_with("line 2: ") && unknown.contains("wsport"), "{unknown}");
        let port = error("ws_port = 70000\n");
        assert!(port.starts_with("line 1: ") && port.contains("0 to 65535"), "{port}");
        let service = error("domain = \"a\"\n\n[[extension]]\nnumber = \"600\"\npassword = \"x\"\n");
        assert!(service.starts_with("line 3: ") && service.contains("service"), "{service}");
        let twice =
            error("[[extension]]\nnumber = \"1\"\npassword = \"x\"\n[[extension]]\nnumber = \"1\"\npassword = \"x\"\n");
        assert!(twice.starts_with("line 4: ") && twice.contains("twice"), "{twice}");
        let bare = error("[[extension]]\nnumber = \"1\"\n");
        assert!(bare.contains("password ="), "{bare}");
        assert!(error("no_answer_s = 0").contains("1 to 3600"));
        assert!(error("record_feature_code = \"1x\"").contains("cannot be dialled"));
        assert!(error("record_feature_code = \"\"").contains("cannot be dialled"));
        assert!(error("recordings = \"\"").contains("name a directory"));
        let record = error("[[extension]]\nnumber = \"1\"\npassword = \"x\"\nrecord = 3\n");
        assert!(record.starts_with("line 1: ") && record.contains("0 (nothing)"), "{record}");
        assert!(error("[limits]\ncalls = 0").contains("1 to 10000"));
        assert!(error("[[extension]]\nnumber = \"1\"\nha1 = \"zz\"").contains("32 hex digits"));
        assert!(error("bind = \"nowhere\"").starts_with("line 1: "));
    }

    #[test]
    fn beyond_loopback_known_passwords_are_refused() {
        let open = PbxConfig { bind: IpAddr::V4(Ipv4Addr::UNSPECIFIED), ws_port: None, ..PbxConfig::default() };
        let Err(PbxError::WeakPasswords { extensions, .. }) = open.clone().finish() else { panic!("taken") };
        assert_eq!(extensions.len(), 10);
        let own = PbxConfig { extensions: vec![Extension::new("1", "", "correct horse")], ..open.clone() };
        assert!(own.clone().finish().is_ok());
        let plain = PbxConfig { ws_port: Some(0), ..own };
        assert!(matches!(plain.finish(), Err(PbxError::PlainBeyondLoopback { .. })));
        let short = PbxConfig { extensions: vec![Extension::new("1", "", "short")], ..open };
        assert!(short.finish().is_err());
        assert!(PbxConfig::default().finish().is_ok());
    }
}
