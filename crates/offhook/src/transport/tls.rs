//! TLS to the server, always verified: by the system's roots, by a CA of the user's, or by a pinned certificate.

use std::sync::{Arc, OnceLock};

use offhook_core::{PhoneError, TransportError};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use sha2::{Digest, Sha256};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::Target;

/// Whose certificates are taken. Clones share what is made of it at the first connection: reading the system's
/// certificates takes a while, and sessions are resumed.
#[derive(Debug, Clone)]
pub(crate) struct Trust {
    in_whom: InWhom,
    config: Arc<OnceLock<Arc<ClientConfig>>>,
}

#[derive(Debug, Clone)]
enum InWhom {
    /// Those signed by a CA of the operating system.
    System,
    /// Those signed by one of these.
    Authorities(Vec<CertificateDer<'static>>),
    /// Exactly the one with this SHA-256.
    Pinned([u8; 32]),
}

impl Trust {
    /// The operating system's CAs.
    pub(crate) fn system() -> Self {
        InWhom::System.into()
    }

    /// CA certificates in PEM.
    pub(crate) fn authorities(pem: &[u8]) -> Result<Self, PhoneError> {
        let refuse = |detail: &str| PhoneError::InvalidArgument { detail: format!("the CA certificate: {detail}") };
        let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
        match found {
            Ok(found) if found.is_empty() => Err(refuse("there is no PEM certificate in it")),
            Ok(found) => Ok(InWhom::Authorities(found).into()),
            Err(error) => Err(refuse(&error.to_string())),
        }
    }

    /// The SHA-256 of a certificate in hexadecimal, with or without colons.
    pub(crate) fn pinned(fingerprint: &str) -> Result<Self, PhoneError> {
        let refuse = || PhoneError::InvalidArgument {
            detail: "the pinned certificate: give its SHA-256 fingerprint as 64 hexadecimal digits".to_owned(),
        };
        let digits: Vec<u32> = fingerprint
            .chars()
            .filter(|c| *c != ':')
            .map(|c| c.to_digit(16))
            .collect::<Option<_>>()
            .ok_or_else(refuse)?;
        let bytes = digits.chunks(2).map(|pair| match pair {
            [high, low] => u8::try_from(high * 16 + low).ok(),
            _ => None,
        });
        let bytes: Vec<u8> = bytes.collect::<Option<_>>().ok_or_else(refuse)?;
        bytes.try_into().map(|bytes| InWhom::Pinned(bytes).into()).map_err(|_| refuse())
    }

    async fn config(&self) -> Result<Arc<ClientConfig>, String> {
        if let Some(config) = self.config.get() {
            return Ok(Arc::clone(config));
        }
        let in_whom = self.in_whom.clone();
        let made = tokio::task::spawn_blocking(move || config(&in_whom)).await;
        let made = made.map_err(|error| error.to_string())??;
        // Two may have made it at once: one is as good as the other.
        Ok(Arc::clone(self.config.get_or_init(|| Arc::new(made))))
    }
}

impl From<InWhom> for Trust {
    fn from(in_whom: InWhom) -> Self {
        Self { in_whom, config: Arc::default() }
    }
}

pub(super) async fn connect(target: &Target, tcp: TcpStream) -> Result<TlsStream<TcpStream>, TransportError> {
    let host = || target.host().to_owned();
    let failed = |detail: String| TransportError::Tls { host: host(), detail };
    let name = ServerName::try_from(host()).map_err(|error| failed(error.to_string()))?;
    let config = target.trust.config().await.map_err(failed)?;
    let connected = TlsConnector::from(config).connect(name, tcp).await;
    connected.map_err(|error| match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(why)) => {
            TransportError::Certificate { host: host(), detail: describe(why) }
        }
        _ => failed(error.to_string()),
    })
}

fn describe(why: &CertificateError) -> String {
    match why {
        // A bad signature is that of another CA of the same name.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "it is not signed by a CA that is trusted here".to_owned()
        }
        CertificateError::NotValidForNameContext { presented, .. } => {
            let names = presented.iter().take(5).map(|name| name.chars().take(80).collect());
            format!("it is for another host name ({})", names.collect::<Vec<String>>().join(", "))
        }
        CertificateError::NotValidForName => "it is for another host name".to_owned(),
        CertificateError::ExpiredContext { time, not_after } => {
            format!("it has expired, {} days ago", time.as_secs().saturating_sub(not_after.as_secs()) / 86_400)
        }
        CertificateError::Expired => "it has expired".to_owned(),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => "it is not valid yet".to_owned(),
        CertificateError::ApplicationVerificationFailure => "it is not the pinned one".to_owned(),
        other => format!("{other:?}"),
    }
}

fn config(in_whom: &InWhom) -> Result<ClientConfig, String> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let roots = match in_whom {
        InWhom::Pinned(fingerprint) => {
            let verifier = Arc::new(Pinned { fingerprint: *fingerprint, provider });
            return Ok(builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth());
        }
        InWhom::Authorities(authorities) => {
            let mut roots = RootCertStore::empty();
            for authority in authorities {
                roots.add(authority.clone()).map_err(|error| format!("the CA certificate: {error}"))?;
            }
            roots
        }
        InWhom::System => {
            let mut roots = RootCertStore::empty();
            // Some systems hold certificates that do not parse; the others count.
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if roots.is_empty() {
                return Err("this system has no CA certificates: install ca-certificates, or give one".to_owned());
            }
            roots
        }
    };
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// Takes one certificate, whatever its name and dates: the user knows it. That the server holds its key is verified as
/// ever.
#[derive(Debug)]
struct Pinned {
    fingerprint: [u8; 32],
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if <[u8; 32]>::from(Sha256::digest(end_entity)) == self.fingerprint {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(CertificateError::ApplicationVerificationFailure.into())
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_read_as_tools_print_them() {
        let colons = (0..32).map(|n| format!("{n:02X}")).collect::<Vec<_>>().join(":");
        let Ok(Trust { in_whom: InWhom::Pinned(bytes), .. }) = Trust::pinned(&colons) else { panic!("a fingerprint") };
        assert_eq!(bytes.to_vec(), (0..32).collect::<Vec<u8>>());
        for bad in ["", "00", &"0".repeat(63), &"0".repeat(66), &"g".repeat(64)] {
            assert!(Trust::pinned(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_ca_that_is_none_is_refused() {
        assert!(Trust::authorities(b"hello").is_err());
    }
}
