//! The secrets of the open and the admin API: configured, built in on loopback, or made and kept in the data directory.

use std::fmt;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use offhook_sip::Secret;

use super::{Kept, token};
use crate::config::PbxConfig;
use crate::error::PbxError;
use crate::pseries::PSeries;

/// On loopback, where nothing is configured.
const CLIENT_SECRET: &str = "offhook-secret";
const ADMIN_TOKEN: &str = "offhook-admin";

/// What no secret beyond loopback may be.
const KNOWN: [&str; 4] = [CLIENT_SECRET, ADMIN_TOKEN, "changeme", "password"];

/// The shortest secret taken beyond loopback, bytes.
const SHORTEST: usize = 16;
const LONGEST: usize = 256;

const CLIENT_SECRET_FILE: &str = "client-secret";
const ADMIN_TOKEN_FILE: &str = "admin-token";
const SIGNING_KEY_FILE: &str = "signing-key";

/// The secrets in force.
#[derive(Clone)]
pub(crate) struct Secrets {
    pub(crate) client_secret: Secret,
    pub(crate) admin_token: Secret,
    /// Of login signatures.
    pub(crate) signing_key: [u8; 32],
    /// Where those are that were made by the PBX.
    pub(crate) client_secret_file: Option<PathBuf>,
    pub(crate) admin_token_file: Option<PathBuf>,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { client_secret: _, admin_token: _, signing_key: _, client_secret_file, admin_token_file } = self;
        f.debug_struct("Secrets")
            .field("client_secret_file", client_secret_file)
            .field("admin_token_file", admin_token_file)
            .finish_non_exhaustive()
    }
}

impl Secrets {
    /// Takes what is configured, or what the data directory has; what is missing there is made.
    /// One that was set at run time (`kept`) is needed no more.
    pub(crate) fn open(config: &PbxConfig, kept: &Kept) -> Result<Self, PbxError> {
        let PSeries { client_secret, admin_token, .. } = &config.pseries;
        let (client_secret, client_secret_file) = match kept.client_secret {
            Some(_) => (token::random()?, None),
            None => choose(config, "client_secret", client_secret.as_ref(), CLIENT_SECRET, CLIENT_SECRET_FILE)?,
        };
        let (admin_token, admin_token_file) = match kept.admin_token {
            Some(_) => (token::random()?, None),
            None => choose(config, "admin_token", admin_token.as_ref(), ADMIN_TOKEN, ADMIN_TOKEN_FILE)?,
        };
        let key = match &config.data_dir {
            Some(dir) => of_file(dir, SIGNING_KEY_FILE)?,
            None => token::random()?,
        };
        // Whatever its length: the key is what it hashes to.
        let signing_key = token::TokenHash::of(key.expose()).bytes();
        Ok(Self { client_secret, admin_token, signing_key, client_secret_file, admin_token_file })
    }
}

/// Whether a secret is too short, known, or cannot be sent.
pub(super) fn is_weak(secret: &str) -> bool {
    let fits = (SHORTEST..=LONGEST).contains(&secret.len()) && secret.chars().all(|c| c.is_ascii_graphic());
    !fits || KNOWN.contains(&secret)
}

fn choose(
    config: &PbxConfig,
    key: &'static str,
    configured: Option<&Secret>,
    built_in: &str,
    file: &str,
) -> Result<(Secret, Option<PathBuf>), PbxError> {
    let weak = || PbxError::WeakSecrets { bind: config.bind, secret: key };
    match configured {
        Some(secret) if config.bind.is_loopback() || !is_weak(secret.expose()) => Ok((secret.clone(), None)),
        Some(_) => Err(weak()),
        None if config.bind.is_loopback() => Ok((Secret::from(built_in), None)),
        None => {
            let dir = config.data_dir.as_deref().ok_or_else(weak)?;
            let secret = of_file(dir, file)?;
            if is_weak(secret.expose()) {
                return Err(weak());
            }
            Ok((secret, Some(dir.join(file))))
        }
    }
}

/// The first line of a file in the data directory; a file that is missing is made, for its owner's eyes only.
fn of_file(dir: &Path, name: &str) -> Result<Secret, PbxError> {
    let path = dir.join(name);
    let failed = |e: std::io::Error| PbxError::DataDir { path: path.clone(), reason: e.to_string() };
    match std::fs::read_to_string(&path) {
        Ok(text) => {
            let line = text.lines().next().unwrap_or_default();
            if !(SHORTEST..=LONGEST).contains(&line.len()) {
                let reason = "it holds no secret: remove it to have a new one made".to_owned();
                return Err(PbxError::DataDir { path, reason });
            }
            Ok(Secret::from(line))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            std::fs::create_dir_all(dir).map_err(failed)?;
            let secret = token::random()?;
            write_private(&path, secret.expose()).map_err(failed)?;
            Ok(secret)
        }
        Err(error) => Err(failed(error)),
    }
}

/// Whole or not at all, whenever the machine stops.
fn write_private(path: &Path, line: &str) -> std::io::Result<()> {
    let new = path.with_extension("new");
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let mut file = options.open(&new)?;
    writeln!(file, "{line}")?;
    file.sync_all()?;
    std::fs::rename(&new, path)
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    fn config(bind: Ipv4Addr, data_dir: Option<&Path>) -> PbxConfig {
        PbxConfig { bind: IpAddr::V4(bind), data_dir: data_dir.map(Path::to_owned), ..PbxConfig::default() }
    }

    fn open(config: &PbxConfig) -> Result<Secrets, PbxError> {
        Secrets::open(config, &Kept::default())
    }

    #[test]
    fn on_loopback_the_known_ones_do_and_beyond_it_they_do_not() {
        let local = open(&config(Ipv4Addr::LOCALHOST, None)).expect("on loopback");
        assert_eq!((local.client_secret.expose(), local.admin_token.expose()), (CLIENT_SECRET, ADMIN_TOKEN));
        let beyond = config(Ipv4Addr::UNSPECIFIED, None);
        let refused = |config: &PbxConfig| open(config).expect_err("refused").to_string();
        assert!(refused(&beyond).contains("client_secret") && refused(&beyond).contains("data_dir"));
        let mut configured = beyond;
        configured.pseries.client_secret = Some("offhook-secret-of-mine".into());
        assert!(refused(&configured).contains("admin_token"));
        for weak in ["offhook-admin", "short"] {
            configured.pseries.admin_token = Some(weak.into());
            assert!(refused(&configured).contains("16"), "{weak}");
        }
        configured.pseries.admin_token = Some("an-admin-token-of-mine".into());
        assert!(open(&configured).is_ok());
    }

    #[test]
    fn they_are_not_shown() {
        let mut secrets = open(&config(Ipv4Addr::LOCALHOST, None)).expect("on loopback");
        secrets.signing_key = [211; 32];
        let shown = format!("{secrets:?}");
        assert!(!shown.contains("211") && !shown.contains(CLIENT_SECRET) && !shown.contains(ADMIN_TOKEN), "{shown}");
    }

    #[test]
    fn with_a_data_directory_they_are_made_once_and_private() {
        let dir = std::env::temp_dir().join(format!("offhook-pbx-secrets-{}", std::process::id()));
        let config = config(Ipv4Addr::UNSPECIFIED, Some(&dir));
        let first = open(&config).expect("made");
        let second = open(&config).expect("read");
        assert_eq!(first.client_secret.expose(), second.client_secret.expose());
        assert_eq!(first.signing_key, second.signing_key);
        assert_ne!(first.client_secret.expose(), first.admin_token.expose());
        #[cfg(unix)]
        for file in [CLIENT_SECRET_FILE, ADMIN_TOKEN_FILE, SIGNING_KEY_FILE] {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(std::fs::metadata(dir.join(file)).expect("there").permissions().mode() & 0o777, 0o600);
        }
        std::fs::write(dir.join(ADMIN_TOKEN_FILE), "\n").expect("written");
        let broken = open(&config).expect_err("empty").to_string();
        assert!(broken.contains("admin-token") && broken.contains("remove"), "{broken}");
        std::fs::remove_dir_all(&dir).expect("removed");
    }
}
