//! Beyond loopback: no plain listeners, no known secrets.

use std::net::{IpAddr, Ipv4Addr};

use offhook_pbx::{Extension, PSeries, Pbx, PbxBuilder, PbxError};

const EVERYWHERE: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

fn builder() -> PbxBuilder {
    Pbx::builder().bind(EVERYWHERE).ws_port(None).extension(Extension::new("77", "Eve", "correct horse"))
}

fn with(change: impl FnOnce(&mut PSeries)) -> PSeries {
    let mut pseries = PSeries::default();
    change(&mut pseries);
    pseries
}

#[tokio::test]
async fn plain_http_is_refused() {
    let error = builder().ws_port(0).start().await.expect_err("refused");
    assert_eq!(error, PbxError::PlainBeyondLoopback { bind: EVERYWHERE });
    assert!(error.to_string().contains("wss_port"), "{error}");
}

#[tokio::test]
async fn known_and_short_secrets_are_refused() {
    let good = || Some("a-secret-of-my-own".into());
    let refused = |pseries: PSeries| async move {
        match builder().pseries(pseries).start().await {
            Err(PbxError::WeakSecrets { secret, .. }) => secret,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(refused(PSeries::default()).await, "client_secret");
    assert_eq!(refused(with(|p| p.client_secret = good())).await, "admin_token");
    for weak in ["offhook-admin", "fifteen-letters"] {
        let pseries = with(|p| {
            p.client_secret = good();
            p.admin_token = Some(weak.into());
        });
        assert_eq!(refused(pseries).await, "admin_token");
    }
    let own = with(|p| {
        p.client_secret = good();
        p.admin_token = good();
    });
    let pbx = builder().pseries(own).start().await.expect("it starts");
    assert!(pbx.http_url().is_none() && pbx.https_url().is_some_and(|url| url.starts_with("https://127.0.0.1:")));
    assert_eq!((pbx.client_secret_file(), pbx.admin_token_file()), (None, None));
}

#[tokio::test]
async fn with_a_data_directory_secrets_are_made_and_kept_there() {
    let dir = std::env::temp_dir().join(format!("offhook-api-beyond-{}", std::process::id()));
    let start = || builder().data_dir(&dir).start();
    let pbx = start().await.expect("it starts");
    let file = pbx.admin_token_file().expect("a file").to_owned();
    let kept = std::fs::read_to_string(&file).expect("readable");
    assert_eq!(kept.trim(), pbx.admin_token().expose());
    assert!(kept.trim().len() == 64 && pbx.client_secret().expose() != kept.trim());
    let signature = pbx.login_signature("77").expect("there is 77");
    pbx.shutdown().await;

    let again = start().await.expect("it starts again");
    assert_eq!(again.admin_token().expose(), kept.trim());
    // A signature of before the restart is as good as before.
    assert!(!signature.expose().is_empty());
    assert_eq!(
        again.client_secret_file().map(std::fs::read_to_string).expect("a file").expect("readable").trim().len(),
        64
    );
    again.shutdown().await;
    std::fs::remove_dir_all(&dir).expect("removed");
}

/// A client that kept its signature logs in again after a restart.
#[tokio::test]
async fn a_signature_outlives_a_restart() {
    let dir = std::env::temp_dir().join(format!("offhook-api-restart-{}", std::process::id()));
    let start = || crate::support::Server::of(Pbx::builder().wss_port(None).data_dir(&dir));
    let server = start().await;
    let signature = server.signature("1000").await;
    server.pbx.shutdown().await;
    let server = start().await;
    server.try_login("1000", &signature, serde_json::Value::Null).await.ok();
    server.pbx.shutdown().await;
    std::fs::remove_dir_all(&dir).expect("removed");
}
