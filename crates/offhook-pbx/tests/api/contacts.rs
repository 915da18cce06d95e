//! GET `/api/v1.0/contacts/matchall`.

use serde_json::{Value, json};

use crate::support::Server;

async fn name_of(server: &Server, token: &str, number: &str) -> String {
    let answer = server.get(&format!("/api/v1.0/contacts/matchall?number={number}"), token).await.ok();
    answer["name"].as_str().expect("a name").to_owned()
}

#[tokio::test]
async fn a_number_is_matched_with_contacts_and_extensions() {
    let server = Server::start().await;
    let contact = json!({ "name": "Grace", "numbers": ["+49 30 123-456"], "company": "Navy" });
    server.admin("POST", "contacts", contact).await.ok();
    let token = server.login("1000").await;
    assert_eq!(name_of(&server, &token, "%2B4930123456").await, "Grace");
    assert_eq!(name_of(&server, &token, "1001").await, "Ben");
    assert_eq!(name_of(&server, &token, "4711").await, "");
    let company = server.get("/api/v1.0/contacts/matchall?number=%2B4930123456", &token).await.ok();
    assert_eq!(company["company"], "Navy");
}

#[tokio::test]
async fn a_contact_of_one_extension_is_not_seen_by_another() {
    let server = Server::start().await;
    let mine = json!({ "name": "Mother", "numbers": ["555"], "owner": "1000" });
    server.admin("POST", "contacts", mine).await.ok();
    let (own, other) = (server.login("1000").await, server.login("1001").await);
    assert_eq!(name_of(&server, &own, "555").await, "Mother");
    assert_eq!(name_of(&server, &other, "555").await, "");
}

#[tokio::test]
async fn the_contacts_of_an_extension_go_with_it() {
    let server = Server::start().await;
    for number in ["1000", "2000"] {
        let added = json!({ "number": "2000", "name": "Yan", "password": "the first one's" });
        if number == "2000" {
            server.admin("POST", "extensions", added).await.ok();
        }
        let own = json!({ "name": "Mother", "numbers": ["555"], "owner": number });
        server.admin("POST", "contacts", own).await.ok();
        assert_eq!(name_of(&server, &server.login(number).await, "555").await, "Mother", "{number}");
    }
    let everybodys = json!({ "name": "ACME", "numbers": ["777"] });
    server.admin("POST", "contacts", everybodys).await.ok();
    server.admin("DELETE", "extensions/1000", Value::Null).await.ok();
    // Nobody configured this one, so it is gone.
    server.admin("POST", "extensions/2000/reset", Value::Null).await.ok();
    for number in ["1000", "2000"] {
        let next = json!({ "number": number, "name": "Zoe", "password": "the next one's" });
        server.admin("POST", "extensions", next).await.ok();
        let token = server.login(number).await;
        assert_eq!(name_of(&server, &token, "555").await, "", "{number}");
        assert_eq!(name_of(&server, &token, "777").await, "ACME", "{number}");
    }
}

#[tokio::test]
async fn what_is_no_number_matches_nobody() {
    let server = Server::start().await;
    let token = server.login("1000").await;
    for number in ["'%20OR%201=1%20--", "%25", "_", "%22%3B%20DROP%20TABLE%20contact%3B", "x".repeat(64).as_str()] {
        assert_eq!(name_of(&server, &token, number).await, "", "{number}");
    }
    for query in ["", "?number=", &format!("?number={}", "1".repeat(65)), "?number=1&number=2", "?number=1%0d%0a2"] {
        server.get(&format!("/api/v1.0/contacts/matchall{query}"), &token).await.refused(40002);
    }
    assert_eq!(name_of(&server, &token, "1001").await, "Ben");
}
