//! Registering, and being refused.

use offhook::{Cause, PhoneError, TransportError};
use offhook_interop_kamailio::Scene;

use crate::support::{Over, all_gone, at, builder, eventually, soon};

#[tokio::test]
async fn phones_register_over_ws_and_over_wss_and_leave_no_contact_behind() {
    let scene = Scene::start();
    let (alice, bob) = (at(&scene, "1000", Over::Ws).await, at(&scene, "1001", Over::Wss).await);
    assert!(alice.phone.is_registered() && bob.phone.is_registered());
    let mut registered = scene.registered();
    registered.sort_by(|a, b| a.user.cmp(&b.user));
    let known: Vec<_> = registered.iter().map(|at| at.user.split('@').next().unwrap_or_default()).collect();
    assert_eq!(known, ["1000", "1001"], "{registered:?}");
    for contact in &registered {
        assert!(contact.contact.contains(".invalid;transport=ws"), "{contact:?}");
        assert!(contact.connection.starts_with("sip:127.0.0.1:"), "{contact:?}");
    }
    all_gone(&scene, [alice, bob]).await;
}

#[tokio::test]
async fn a_phone_that_vanishes_without_a_word_is_forgotten() {
    let scene = Scene::start();
    let runtime = std::thread::spawn({
        let builder = builder(&scene, "1000", Over::Ws);
        move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            let phone = runtime.block_on(builder.connect()).expect("registers");
            // Its runtime goes down under it: the connection closes, and no REGISTER takes the contact away.
            runtime.shutdown_background();
            drop(phone);
        }
    });
    tokio::task::spawn_blocking(move || runtime.join()).await.expect("runs").expect("registers");
    eventually("the contact goes with its connection", || scene.registered().is_empty()).await;
}

#[tokio::test]
async fn a_wrong_password_is_refused_as_such() {
    let scene = Scene::start();
    for over in [Over::Ws, Over::Wss] {
        let refused = soon(builder(&scene, "1000", over).password("guessed").connect()).await.map(drop);
        let Err(error @ PhoneError::Registration { cause, status, .. }) = refused else { panic!("{refused:?}") };
        assert_eq!((cause, status), (Cause::AuthenticationError, Some(401)));
        assert!(error.to_string().contains("wrong user name or password"), "{error}");
    }
    assert_eq!(scene.registered(), []);
}

#[tokio::test]
async fn an_unknown_user_and_another_ones_address_are_refused() {
    let scene = Scene::start();
    let unknown = soon(builder(&scene, "4711", Over::Ws).connect()).await.map(drop);
    assert!(
        matches!(unknown, Err(PhoneError::Registration { cause: Cause::AuthenticationError, status: Some(401), .. })),
        "{unknown:?}"
    );
    // A right password, but for another address.
    let stolen = builder(&scene, "1000", Over::Ws).authorization_user("1001").password("secret-1001");
    let stolen = soon(stolen.connect()).await.map(drop);
    assert!(matches!(stolen, Err(PhoneError::Registration { .. })), "{stolen:?}");
    assert_eq!(scene.registered(), []);
}

#[tokio::test]
async fn the_servers_certificate_is_verified() {
    let scene = Scene::start();
    let strange = builder(&scene, "1000", Over::Wss).ca_certificate(scene.other_authority());
    let of_the_system = offhook::Phone::builder().server(scene.wss()).user("1000").password("secret-1000");
    for untrusting in [strange, of_the_system] {
        let refused = soon(untrusting.connect()).await.map(drop);
        let Err(PhoneError::Transport(TransportError::Certificate { host, detail })) = refused else {
            panic!("{refused:?}")
        };
        assert_eq!(host, "127.0.0.1");
        assert!(detail.contains("not signed by a CA that is trusted"), "{detail}");
    }
    assert_eq!(scene.registered(), []);
    let trusting = at(&scene, "1000", Over::Wss).await;
    assert!(trusting.phone.is_registered());
    all_gone(&scene, [trusting]).await;
}
