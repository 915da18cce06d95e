//! The PBX says that we cannot go on: the program hears it first, and then everything ends.

use futures_util::{FutureExt as _, StreamExt as _};
use offhook::{CallOptions, CdrQuery, ClientKind, Operator, PbxError, PbxEvent, PhoneError, PhoneEvent};
use serde_json::{Value, json};

use crate::support::{Answer, Server, Subscription, call, soon};

/// Tells it, and checks everything that follows. `code`: the error's number.
async fn ends(server: &Server, operator: Operator, mut subscription: Subscription, tell: (u32, Value), code: i32) {
    let mut events = operator.pbx.events();
    let mut phone_events = operator.phone.events();
    let session = call(&operator).await;
    subscription.tell(tell.0, tell.1).await;

    // Once anything of the end can be seen, the reason can be read.
    soon("the call's end", session.ended()).await;
    let first = events.next().now_or_never().flatten();
    assert!(
        matches!(&first, Some(PbxEvent::RuntimeError { code: found, message }) if *found == code && !message.is_empty())
    );
    assert_eq!(soon("the end", events.next()).await, Some(PbxEvent::Destroyed));
    assert_eq!(soon("the stream's end", events.next()).await, None);
    soon("the phone's last event", async { while phone_events.next().await.is_some() {} }).await;
    soon("unregistered", server.pbx.load_when(|load| load.registrations == 0 && load.calls == 0)).await.expect("a PBX");

    // All that is left are handles that say no.
    assert!(operator.pbx.is_destroyed() && !operator.phone.is_registered());
    assert!(operator.phone.sessions().is_empty());
    assert_eq!(operator.phone.connect().await, Err(PhoneError::Stopped));
    assert!(matches!(operator.phone.call("1001", CallOptions::default()).await, Err(PhoneError::Stopped)));
    assert!(session.hold().await.is_err());
    assert_eq!(operator.pbx.cdr_query(CdrQuery::new(1, 1)).await, Err(PbxError::Destroyed));
    assert_eq!(operator.pbx.logout().await, Err(PbxError::Destroyed));
    assert_eq!(operator.pbx.extension_number(), "1000");
    soon("nothing to destroy", operator.destroy()).await;
    while subscription.next().await.is_some() {}
    drop(subscription);
    server.connections(0).await;
}

async fn ends_with(tell: (u32, Value), code: i32) {
    let mut server = Server::start().await;
    let (operator, subscription) = server.operator().await;
    ends(&server, operator, subscription, tell, code).await;
}

#[tokio::test]
async fn logged_in_elsewhere() {
    ends_with((10_000, json!({ "username": "1000" })), -107).await;
}

#[tokio::test]
async fn extension_deleted() {
    ends_with((20_007, json!({ "ext_num": "1000" })), -108).await;
}

#[tokio::test]
async fn web_client_disabled() {
    ends_with((20_015, json!({ "enb_web_client": 0 })), -106).await;
}

#[tokio::test]
async fn sdk_plan_disabled() {
    ends_with((20_153, json!({ "enable": 0 })), -110).await;
}

#[tokio::test]
async fn desktop_client_disabled() {
    let mut server = Server::start().await;
    let operator = soon("logging in", server.init().user_agent(ClientKind::WebPc).connect()).await.expect("logged in");
    let mut subscription = server.subscription().await;
    subscription.topics().await;
    ends(&server, operator, subscription, (20_013, json!({ "enb_desktop_client": 0 })), -106).await;
}

#[tokio::test]
async fn client_of_a_pbx_of_the_other_plan_disabled() {
    let mut server = Server::start().await;
    let product = json!({ "base_oem_id": "1", "product_name": "P550", "version": "37.12.0.20" });
    server.answer("pbx/getproduct", [Answer::Json(json!({ "product": product }))]);
    let global = json!({ "enb_internal_client": 1, "record_feature_code": "*1" });
    server.answer("extension/getpersonalglobal", [Answer::Json(global)]);
    let (operator, subscription) = server.operator().await;
    ends(&server, operator, subscription, (20_082, json!({ "enb_internal_client": 0 })), -106).await;
}

/// The token is lost and the signature is no longer good.
#[tokio::test]
async fn a_new_login_is_wanted_and_refused() {
    let mut server = Server::start().await;
    let (operator, subscription) = server.operator().await;
    server.answer("login", [Answer::Json(json!({ "errcode": 20_001, "errmsg": "WRONG SIGNATURE" }))]);
    ends(&server, operator, subscription, (20_010, json!({})), -109).await;
    assert_eq!(server.asked("login").len(), 2);
}

/// Callbacks run on tasks of their own, and still the one of the reason runs before those of what follows.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn callbacks_hear_the_reason_first() {
    let mut server = Server::start().await;
    for _ in 0..5 {
        let (operator, mut subscription) = server.operator().await;
        let session = call(&operator).await;
        let (log, mut heard) = tokio::sync::mpsc::unbounded_channel();
        let (of_session, of_phone) = (log.clone(), log.clone());
        session
            .on(move |event| {
                if event.is_final() {
                    let _ = of_session.send("ended");
                }
            })
            .detach();
        operator
            .phone
            .on(move |event| {
                if matches!(event, PhoneEvent::DeleteSession { .. }) {
                    let _ = of_phone.send("deleted");
                }
            })
            .detach();
        operator
            .pbx
            .on(move |event| {
                // One that takes its time.
                std::thread::yield_now();
                let _ = log.send(event.name());
            })
            .detach();
        subscription.tell(10_000, json!({ "username": "1000" })).await;
        let mut order = Vec::new();
        soon("everything", async {
            while let Some(name) = heard.recv().await {
                order.push(name);
            }
        })
        .await;
        assert_eq!(order.first(), Some(&"runtimeError"), "{order:?}");
        order.sort_unstable();
        assert_eq!(order, ["deleted", "destroyed", "ended", "runtimeError"]);
    }
}

/// What is not for us ends nothing.
#[tokio::test]
async fn what_is_said_of_others_ends_nothing() {
    let mut server = Server::start().await;
    let (operator, mut subscription) = server.operator().await;
    let mut events = operator.pbx.events();
    subscription.tell(10_000, json!({ "username": "1001" })).await;
    subscription.tell(20_007, json!({ "ext_num": "1001" })).await;
    subscription.tell(20_013, json!({ "enb_desktop_client": 0 })).await;
    subscription.tell(20_015, json!({ "enb_web_client": 1 })).await;
    let cdr = json!({ "date": "2026-11-26", "time": "07:30:00", "timestamp": 1, "number": "1001", "talk_duration": 2 });
    subscription.tell(20_049, json!({ "ext_num": "1000", "personal_cdr": cdr })).await;
    let event = soon("the change of the CDR", events.next()).await;
    assert!(matches!(event, Some(PbxEvent::CdrChange(_))), "{event:?}");
    assert!(!operator.pbx.is_destroyed());
}
