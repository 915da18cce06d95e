//! The PBX's own certificate.

use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, SanType};
use rustls::ServerConfig;
use rustls::client::verify_server_name;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::ParsedCertificate;
use sha2::{Digest as _, Sha256};

use crate::error::PbxError;

const CERTIFICATE_FILE: &str = "certificate.pem";
const KEY_FILE: &str = "key.pem";

/// A certificate, and what a TLS server needs of it.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pem: String,
    sha256: [u8; 32],
    config: Arc<ServerConfig>,
}

impl Identity {
    /// Reads it from the data directory, or makes one (and keeps it there).
    pub(crate) fn open(data_dir: Option<&Path>, bind: IpAddr, domain: &str) -> Result<Self, PbxError> {
        let Some(dir) = data_dir else {
            let (certificate, key) = make(bind, domain)?;
            return Self::from_pem(&certificate, &key);
        };
        let at = |path: &Path, e: std::io::Error| PbxError::DataDir { path: path.to_owned(), reason: e.to_string() };
        std::fs::create_dir_all(dir).map_err(|e| at(dir, e))?;
        let (certificate_path, key_path) = (dir.join(CERTIFICATE_FILE), dir.join(KEY_FILE));
        let exists = |path: &Path| path.try_exists().map_err(|e| at(path, e));
        if exists(&certificate_path)? && exists(&key_path)? {
            let certificate = std::fs::read_to_string(&certificate_path).map_err(|e| at(&certificate_path, e))?;
            let key = std::fs::read_to_string(&key_path).map_err(|e| at(&key_path, e))?;
            let kept = Self::from_pem(&certificate, &key)?;
            if !bind.is_unspecified() && !kept.is_for(bind) {
                // It may be pinned, so it is not replaced unasked.
                let file = certificate_path.display();
                tracing::warn!(%bind, "the kept certificate does not name this address: remove {file} to have one made that does");
            }
            return Ok(kept);
        }
        let (certificate, key) = make(bind, domain)?;
        // The key first: a certificate without a key is made anew, and never the other way round.
        write_private(&key_path, &key).map_err(|e| at(&key_path, e))?;
        std::fs::write(&certificate_path, &certificate).map_err(|e| at(&certificate_path, e))?;
        Self::from_pem(&certificate, &key)
    }

    /// The certificate, PEM.
    pub(crate) fn pem(&self) -> &str {
        &self.pem
    }

    /// SHA-256 over the certificate's DER.
    pub(crate) fn sha256(&self) -> [u8; 32] {
        self.sha256
    }

    /// For the TLS acceptor.
    pub(crate) fn server_config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }

    /// Whether a client that checks names accepts it at this address.
    fn is_for(&self, address: IpAddr) -> bool {
        let name = ServerName::IpAddress(address.into());
        CertificateDer::from_pem_slice(self.pem.as_bytes()).is_ok_and(|certificate| {
            ParsedCertificate::try_from(&certificate).is_ok_and(|parsed| verify_server_name(&parsed, &name).is_ok())
        })
    }

    fn from_pem(certificate: &str, key: &str) -> Result<Self, PbxError> {
        let wrong = |reason: String| PbxError::Certificate { reason };
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(certificate.as_bytes())
            .collect::<Result<_, _>>()
            .map_err(|e| wrong(format!("{CERTIFICATE_FILE}: {e}")))?;
        let leaf = chain.first().ok_or_else(|| wrong(format!("{CERTIFICATE_FILE} holds no certificate")))?;
        let sha256 = Sha256::digest(leaf).into();
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|e| wrong(format!("{KEY_FILE}: {e}")))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|e| wrong(e.to_string()))?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(|e| wrong(e.to_string()))?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { pem: certificate.to_owned(), sha256, config: Arc::new(config) })
    }
}

/// A self-signed certificate and its key, PEM, good for ten years.
fn make(bind: IpAddr, domain: &str) -> Result<(String, String), PbxError> {
    let wrong = |e: rcgen::Error| PbxError::Certificate { reason: e.to_string() };
    let mut names = vec!["localhost".to_owned()];
    if domain.parse::<IpAddr>().is_err() && domain.is_ascii() && !domain.contains(['[', ':', '_']) {
        names.push(domain.to_owned());
    }
    names.dedup();
    let mut params = CertificateParams::new(names).map_err(wrong)?;
    let mut addresses = vec![IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
    if !bind.is_unspecified() && !addresses.contains(&bind) {
        addresses.push(bind);
    }
    params.subject_alt_names.extend(addresses.into_iter().map(SanType::IpAddress));
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "offhook PBX");
    let year = this_year();
    params.not_before = rcgen::date_time_ymd(year - 1, 1, 1);
    params.not_after = rcgen::date_time_ymd(year + 10, 1, 1);
    let key = KeyPair::generate().map_err(wrong)?;
    let certificate = params.self_signed(&key).map_err(wrong)?;
    Ok((certificate.pem(), key.serialize_pem()))
}

fn this_year() -> i32 {
    /// Mean length of a Gregorian year, seconds.
    const YEAR_S: u64 = 31_556_952;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    1970 + i32::try_from(now / YEAR_S).unwrap_or(0)
}

/// Readable by its owner only, from the moment on which it exists.
fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
        options.mode(0o600);
        if path.exists() {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
        }
    }
    options.open(path)?.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kept_certificate_is_used_again_and_its_key_is_private() {
        let dir = std::env::temp_dir().join(format!("offhook-pbx-tls-{}", std::process::id()));
        let bind = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let first = Identity::open(Some(&dir), bind, "pbx.example").expect("made");
        let second = Identity::open(Some(&dir), bind, "pbx.example").expect("read");
        assert_eq!(first.pem(), second.pem());
        assert_eq!(first.sha256(), second.sha256());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = std::fs::metadata(dir.join(KEY_FILE)).expect("there").permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        std::fs::write(dir.join(KEY_FILE), "garbage").expect("written");
        let broken = Identity::open(Some(&dir), bind, "pbx.example").expect_err("garbage").to_string();
        assert!(broken.contains("key.pem") && broken.contains("remove"), "{broken}");
        std::fs::remove_dir_all(&dir).expect("removed");
    }

    #[test]
    fn a_certificate_names_loopback_and_the_address_listened_on() {
        let address = |text: &str| text.parse::<IpAddr>().expect("an address");
        let own = Identity::open(None, address("192.0.2.7"), "pbx.example").expect("made");
        assert!(["127.0.0.1", "::1", "192.0.2.7"].into_iter().all(|text| own.is_for(address(text))));
        assert!(!own.is_for(address("192.0.2.8")));
    }

    #[test]
    fn without_a_directory_each_start_has_its_own() {
        let open = || Identity::open(None, IpAddr::V4(Ipv4Addr::UNSPECIFIED), "localhost").expect("made");
        assert_ne!(open().sha256(), open().sha256());
    }
}
