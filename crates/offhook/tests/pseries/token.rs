//! A token that is lost is replaced once, with nothing lost.

use offhook::{CdrQuery, PbxError, PbxEvent};
use serde_json::{Value, json};

use crate::support::{Answer, Server, soon, until};

fn lost() -> Answer {
    Answer::Json(json!({ "errcode": 10_004, "errmsg": "TOKEN EXPIRED" }))
}

fn token(token: &str) -> Answer {
    Answer::Json(json!({ "access_token": token }))
}

fn page(total: u32) -> Answer {
    Answer::Json(json!({ "personal_cdr_list": [], "total_number": total }))
}

#[tokio::test]
async fn a_request_that_finds_the_token_lost_is_asked_again_with_a_new_one() {
    let mut server = Server::start().await;
    let (operator, mut subscription) = server.operator().await;
    server.answer("login", [token("token-2")]);
    server.answer("cdr/searchpersonal", [lost(), page(7)]);
    let found = soon("a page", operator.pbx.cdr_query(CdrQuery::new(1, 10))).await.expect("answered in the end");
    assert_eq!(found.total_number, 7);
    assert_eq!(server.request("cdr/searchpersonal", 2).await.header("authorization"), Some("token-2"));
    assert_eq!(operator.pbx.token().expose(), "token-2");
    // The subscription moves to the new token.
    assert_eq!(subscription.next().await, None);
    let mut subscription = server.subscription().await;
    assert_eq!(subscription.asked.query, "access_token=token-2");
    assert!(!subscription.topics().await.is_empty());
}

#[tokio::test]
async fn a_subscription_that_finds_the_token_lost_has_it_replaced() {
    for status in [401, 403] {
        let mut server = Server::start().await;
        server.refuse_subscriptions([status]);
        server.answer("login", [token("token-1"), token("token-2")]);
        let operator = soon("logging in", server.init().connect()).await.expect("logged in");
        assert_eq!(server.request("subscribe", 1).await.query, "access_token=token-1");
        assert_eq!(server.subscription().await.asked.query, "access_token=token-2");
        assert!(!operator.pbx.is_destroyed());
    }
}

#[tokio::test]
async fn a_token_that_is_lost_again_at_once_is_the_end() {
    let mut server = Server::start().await;
    let (operator, _subscription) = server.operator().await;
    let mut events = operator.pbx.events();
    server.answer("login", [token("token-2")]);
    server.answer("cdr/searchpersonal", [lost()]);
    let outcome = soon("an error", operator.pbx.cdr_query(CdrQuery::new(1, 10))).await;
    assert!(matches!(outcome, Err(PbxError::Destroyed | PbxError::Api { .. })), "{outcome:?}");
    until("the error", &mut events, |event| matches!(event, PbxEvent::RuntimeError { code: -109, .. })).await;
    until("the end", &mut events, |event| *event == PbxEvent::Destroyed).await;
    assert_eq!(server.asked("login").len(), 2);
    let logins: Vec<Value> = server.asked("login").into_iter().map(|asked| asked.body).collect();
    assert_eq!(logins[0], logins[1]);
}
