//! A CA, and a server's certificate that it signed.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

/// Of a server, and of the CA that signed it.
#[derive(Debug)]
pub struct Certificate {
    /// Of the CA, DER.
    pub authority: Vec<u8>,
    /// Of the server, PEM.
    pub server: String,
    /// The server's key, PEM.
    pub key: String,
}

impl Certificate {
    /// For a server at this address.
    pub fn make(address: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "offhook interop CA");
        let key = KeyPair::generate().expect("a key");
        let authority = params.self_signed(&key).expect("signs itself").der().to_vec();
        let issuer = Issuer::new(params, key);
        let mut server = CertificateParams::new(vec![address.to_owned()]).expect("a name");
        server.distinguished_name.push(DnType::CommonName, "offhook interop");
        let key = KeyPair::generate().expect("a key");
        let signed = server.signed_by(&key, &issuer).expect("is signed");
        Self { authority, server: signed.pem(), key: key.serialize_pem() }
    }
}
