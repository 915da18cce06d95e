//! How it ends: logged out, destroyed, or dropped; nothing is left behind.

use futures_util::StreamExt as _;
use offhook::{CallOptions, CdrQuery, PbxError, PbxEvent, PhoneError};

use crate::support::{Answer, Server, TOKEN, call, eventually, soon, until};

#[tokio::test]
async fn logging_out_ends_the_calls_gives_the_token_back_and_is_heard() {
    let mut server = Server::start().await;
    let (operator, mut subscription) = server.operator().await;
    let session = call(&operator).await;
    let mut events = operator.pbx.events();
    soon("logging out", operator.pbx.logout()).await.expect("logged out");
    soon("the call's end", session.ended()).await;
    assert_eq!(server.request("logout", 1).await.header("authorization"), Some(TOKEN));
    assert_eq!(soon("the last event", events.next()).await, Some(PbxEvent::Destroyed));
    assert_eq!(soon("the stream's end", events.next()).await, None);
    assert_eq!(subscription.next().await, None);
    soon("unregistered", server.pbx.load_when(|load| load.registrations == 0)).await.expect("the PBX lives");
    eventually("the end", || operator.pbx.is_destroyed()).await;
    assert_eq!(operator.pbx.logout().await, Err(PbxError::Destroyed));
    drop(subscription);
    server.connections(0).await;
}

#[tokio::test]
async fn destroying_is_silent_and_can_be_done_again() {
    let mut server = Server::start().await;
    let (operator, _subscription) = server.operator().await;
    let session = call(&operator).await;
    let (mut events, mut phone_events) = (operator.pbx.events(), operator.phone.events());
    let clone = operator.clone();
    tokio::join!(soon("the end", operator.destroy()), soon("the same end", clone.pbx.destroy()));
    assert_eq!(soon("the stream's end", events.next()).await, None);
    assert_eq!(soon("the stream's end", phone_events.next()).await, None);
    soon("the call's end", session.ended()).await;
    soon("nothing", operator.destroy()).await;
    assert!(matches!(operator.phone.call("1001", CallOptions::default()).await, Err(PhoneError::Stopped)));
    server.request("logout", 1).await;
}

/// The phone can be shut down and started again as often as one likes.
#[tokio::test]
async fn the_pbx_stays_when_the_phone_is_shut_down() {
    let mut server = Server::start().await;
    let (operator, _subscription) = server.operator().await;
    for _ in 0..2 {
        soon("registering", operator.phone.connect()).await.expect("registered");
        soon("the shutdown", operator.phone.shutdown()).await;
        soon("a query", operator.pbx.cdr_query(CdrQuery::new(1, 10))).await.expect("still there");
    }
    assert!(server.asked("logout").is_empty());
}

#[tokio::test]
async fn dropping_every_handle_leaves_neither_task_nor_socket() {
    let mut server = Server::start().await;
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let before = tasks();
    let (operator, subscription) = server.operator().await;
    let session = call(&operator).await;
    let events = operator.pbx.events();
    let listener = operator.pbx.on(|_| ());
    let offhook::Operator { phone, pbx } = operator;
    drop(phone);
    drop(pbx);
    server.request("logout", 1).await;
    soon("unregistered", server.pbx.load_when(|load| load.registrations == 0 && load.connections == 0))
        .await
        .expect("the PBX lives");
    soon("the call's end", session.ended()).await;
    drop((subscription, events, listener));
    server.connections(0).await;
    eventually("no task is left", || tasks() <= before).await;
}

/// Everything that somebody waits for is settled by the end.
#[tokio::test]
async fn what_is_waited_for_is_settled() {
    let mut server = Server::start().await;
    let (operator, _subscription) = server.operator().await;
    server.answer("cdr/searchpersonal", [Answer::Never]);
    server.answer("logout", [Answer::Never]);
    let queries: Vec<_> = (1..4).map(|page| operator.pbx.cdr_query(CdrQuery::new(page, 10))).collect();
    server.request("cdr/searchpersonal", 3).await;
    let logout = operator.pbx.logout();
    for query in queries {
        assert_eq!(soon("a query", query).await, Err(PbxError::Destroyed));
    }
    // The PBX does not answer: it is given up.
    soon("logging out", logout).await.expect("logged out as far as we can");
    server.connections(1).await;
}

/// The runtime's end is everybody's end: nobody waits for what does not come.
#[test]
fn a_runtime_that_ends_settles_everything() {
    // One worker each: no task runs any more as the runtime ends. With two, one may still run as another is gone on which it
    // depends, and settle the query with that.
    let runtime =
        || tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let (outer, inner) = (runtime(), runtime());
    let mut server = outer.block_on(Server::start());
    let (operator, _subscription) = outer.block_on(async {
        let init = server.init();
        let operator = inner.spawn(init.connect()).await.expect("no panic").expect("logged in");
        (operator, server.subscription().await)
    });
    let mut events = operator.pbx.events();
    server.answer("cdr/searchpersonal", [Answer::Never]);
    let query = operator.pbx.cdr_query(CdrQuery::new(1, 10));
    outer.block_on(server.request("cdr/searchpersonal", 1));
    inner.shutdown_background();
    outer.block_on(async {
        assert_eq!(soon("the query", query).await, Err(PbxError::Destroyed));
        soon("the stream's end", async { while events.next().await.is_some() {} }).await;
        soon("nothing", operator.destroy()).await;
    });
}

#[tokio::test]
async fn events_wait_for_the_first_who_listens() {
    let mut server = Server::start().await;
    let (operator, mut subscription) = server.operator().await;
    let message = serde_json::json!({ "username": "1000" });
    subscription.tell(10_000, message).await;
    eventually("the end", || operator.pbx.is_destroyed()).await;
    let mut events = operator.pbx.events();
    until("the reason", &mut events, |event| matches!(event, PbxEvent::RuntimeError { code: -107, .. })).await;
}
