//! TLS with the PBX's own certificate.

use std::sync::Arc;

use offhook_pbx::Pbx;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::support::{Phone, assert_nothing_left, handshake, pbx};

async fn connect(pbx: &Pbx, trusted: &str, name: &str) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(trusted.as_bytes()).expect("PEM")).expect("a certificate");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(pbx.wss_address().expect("wss is on")).await?;
    let name = ServerName::try_from(name.to_owned()).expect("a name");
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

#[tokio::test]
async fn who_trusts_the_certificate_registers_and_calls() {
    let pbx = pbx().await;
    for name in ["localhost", "127.0.0.1"] {
        let stream = connect(&pbx, pbx.certificate_pem(), name).await.expect("trusted");
        let url = pbx.wss_url().expect("wss is on");
        let (socket, _) = tokio_tungstenite::client_async(handshake(&url), stream).await.expect("the handshake");
        let mut phone = Phone::on(socket, "1000");
        phone.register().await;
        let call = phone.call("600").await;
        phone.hang_up(&call).await;
        drop(phone);
        assert_nothing_left(&pbx).await;
    }
}

#[tokio::test]
async fn who_trusts_another_certificate_does_not_connect() {
    let (pbx, other) = (pbx().await, pbx().await);
    let error = connect(&pbx, other.certificate_pem(), "localhost").await.expect_err("not trusted");
    assert!(error.to_string().contains("certificate"), "{error}");
    assert!(connect(&pbx, pbx.certificate_pem(), "elsewhere.example").await.is_err(), "another name");
}

#[tokio::test]
async fn the_fingerprint_is_that_of_the_certificate_shown() {
    let pbx = pbx().await;
    let stream = connect(&pbx, pbx.certificate_pem(), "localhost").await.expect("trusted");
    let (_, session) = stream.get_ref();
    let shown = session.peer_certificates().and_then(<[_]>::first).expect("a certificate");
    let pinned = CertificateDer::from_pem_slice(pbx.certificate_pem().as_bytes()).expect("PEM");
    assert_eq!(*shown, pinned);
    let digest: [u8; 32] =
        sha2::Digest::finalize(sha2::Digest::chain_update(<sha2::Sha256 as sha2::Digest>::new(), shown)).into();
    assert_eq!(pbx.certificate_sha256(), digest);
}
