//! A CA, and a server's certificate that it signed.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

/// Everything in PEM.
pub(crate) struct Certificate {
    /// Of the CA.
    pub(crate) authority: String,
    /// Of the server.
    pub(crate) server: String,
    /// The server's key.
    pub(crate) key: String,
}

/// For a server at 127.0.0.1.
pub(crate) fn make() -> Certificate {
    let authority = authority();
    let mut server = CertificateParams::new(vec!["127.0.0.1".to_owned(), "localhost".to_owned()]).expect("names");
    server.distinguished_name.push(DnType::CommonName, "offhook interop");
    let key = KeyPair::generate().expect("a key");
    let signed = server.signed_by(&key, &authority.issuer).expect("is signed");
    Certificate { authority: authority.pem, server: signed.pem(), key: key.serialize_pem() }
}

/// The certificate of a CA that signed nothing, of the same name as the one that did.
pub(crate) fn stranger() -> String {
    authority().pem
}

struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

fn authority() -> Authority {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, "offhook interop CA");
    let key = KeyPair::generate().expect("a key");
    let pem = params.self_signed(&key).expect("signs itself").pem();
    Authority { pem, issuer: Issuer::new(params, key) }
}
