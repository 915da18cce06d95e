//! Starting, and why not.

use std::net::{IpAddr, Ipv4Addr};

use offhook_pbx::{Extension, Pbx, PbxError};

use crate::support::{Phone, pbx};

#[tokio::test]
async fn a_port_in_use_is_named() {
    let first = pbx().await;
    let port = first.ws_address().expect("ws is on").port();
    let error = Pbx::builder().ws_port(port).start().await.expect_err("taken");
    let address = first.ws_address().expect("ws is on");
    assert_eq!(error, PbxError::PortInUse { listener: "ws", address });
    assert!(error.to_string().contains(&port.to_string()) && error.to_string().contains("another port"), "{error}");
}

#[tokio::test]
async fn beyond_loopback_it_wants_passwords_of_your_own() {
    let everywhere = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    let error = Pbx::builder().bind(everywhere).start().await.expect_err("built-in passwords");
    assert_eq!(error.code(), "weak-passwords");
    let own = Extension::new("2000", "Zoë", "correct horse");
    let mut pseries = offhook_pbx::PSeries::default();
    pseries.client_secret = Some("a-client-secret-of-my-own".into());
    pseries.admin_token = Some("an-admin-token-of-my-own".into());
    let builder = Pbx::builder().bind(everywhere).ws_port(None).extension(own).pseries(pseries);
    builder.start().await.expect("own passwords and secrets, and no plain listener").shutdown().await;
}

#[tokio::test]
async fn an_address_that_is_not_here_is_named() {
    let elsewhere: IpAddr = "192.0.2.1".parse().expect("an address");
    let own = Extension::new("2000", "Zoë", "correct horse");
    let mut pseries = offhook_pbx::PSeries::default();
    pseries.client_secret = Some("a-client-secret-of-my-own".into());
    pseries.admin_token = Some("an-admin-token-of-my-own".into());
    let builder = Pbx::builder().bind(elsewhere).ws_port(None).extension(own).pseries(pseries);
    let error = builder.start().await.expect_err("not here");
    assert!(matches!(error, PbxError::Listen { .. }), "{error:?}");
}

#[tokio::test]
async fn a_configuration_file_that_is_wrong_or_missing_is_named() {
    let dir = std::env::temp_dir().join(format!("offhook-pbx-setup-{}", std::process::id()));
    std::fs::create_dir_all(&dir).expect("made");
    let path = dir.join("pbx.toml");
    let missing = Pbx::builder().config_file(&path).start().await.expect_err("missing").to_string();
    assert!(missing.contains("pbx.toml") && missing.contains("check the path"), "{missing}");
    std::fs::write(&path, "ws_port = 0\nno_answer = 3\n").expect("written");
    let wrong = Pbx::builder().config_file(&path).start().await.expect_err("wrong").to_string();
    assert!(wrong.contains("line 2") && wrong.contains("no_answer"), "{wrong}");
    std::fs::write(&path, "wss_port = false\n[[extension]]\nnumber = \"1000\"\npassword = \"secret-1000\"\n")
        .expect("written");
    let pbx = Pbx::builder().config_file(&path).start().await.expect("right");
    assert!(pbx.wss_url().is_none());
    assert_eq!(pbx.extensions().len(), 1);
    drop(Phone::new(&pbx, "1000").await);
    std::fs::remove_dir_all(&dir).expect("removed");
}

#[tokio::test]
async fn both_listeners_off_is_refused() {
    let error = Pbx::builder().ws_port(None).wss_port(None).start().await.expect_err("nothing to listen on");
    assert_eq!(error, PbxError::NoListener);
}

#[tokio::test]
async fn passwords_are_not_printed() {
    let pbx = Pbx::builder().extension(Extension::new("2000", "Zoë", "correct horse")).start().await.expect("starts");
    assert!(!format!("{pbx:?}").contains("horse"));
}
