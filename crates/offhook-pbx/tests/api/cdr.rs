//! GET `/api/v1.0/cdr/searchpersonal`.

use serde_json::{Value, json};

use crate::sip::{Client, offer};
use crate::support::{Server, Socket};

/// Calls, and waits for the final response.
async fn call(server: &Server, from: &str, to: &str) -> u16 {
    let (sdp, _peer, _events) = offer().await;
    let mut phone = Client::connect(&server.pbx).await;
    let invite = phone.request("INVITE", &format!("sip:{to}@localhost"), from, to).sdp(&sdp);
    phone.authenticated(invite, from, &format!("secret-{from}")).await.status
}

async fn rows(server: &Server, token: &str, query: &str) -> Vec<Value> {
    let answer = server.get(&format!("/api/v1.0/cdr/searchpersonal{query}"), token).await.ok();
    answer["personal_cdr_list"].as_array().expect("a list").clone()
}

/// The records of so many calls are written when they have been told.
async fn told(socket: &mut Socket, count: usize) {
    for _ in 0..count {
        socket.told(20049).await;
    }
}

#[tokio::test]
async fn a_row_has_every_field() {
    let server = Server::start().await;
    let token = server.login("1001").await;
    let mut socket = server.subscribe(&token, &[20049]).await;
    // Nobody is registered as 1001: a missed call.
    assert_eq!(call(&server, "1000", "1001").await, 480);
    told(&mut socket, 1).await;
    let rows = rows(&server, &token, "?page=1&page_size=10&sort_by=time&order_by=desc&status=0").await;
    let [row] = rows.as_slice() else { panic!("one row: {rows:?}") };
    assert!(row["id"].is_i64() && row["timestamp"].as_i64().is_some_and(|s| s > 1_700_000_000), "{row}");
    let (date, time) = (row["date"].as_str().expect("date"), row["time"].as_str().expect("time"));
    assert!(date.len() == 10 && time.len() == 8, "{row}");
    assert_eq!((&row["number"], &row["number_type"], &row["status"]), (&json!("1000"), &json!("extension"), &json!(2)));
    let extension = &row["extension"];
    assert_eq!((&extension["ext_num"], &extension["caller_id_name"]), (&json!("1000"), &json!("Ada")));
    assert!(extension["ext_id"].is_i64() && extension["photo"].is_string());
    assert!(extension["status"].is_string() && extension["presence_status"].is_string());
    assert_eq!((&row["talk_duration"], &row["disposition"]), (&json!(0), &json!("NO ANSWER")));
    for field in ["call_type", "uniqueid", "dcontext", "caller_id", "clid"] {
        assert!(row[field].as_str().is_some_and(|text| !text.is_empty()), "{field}: {row}");
    }
}

#[tokio::test]
async fn rows_are_filtered_sorted_and_paged() {
    let server = Server::start().await;
    let token = server.login("1000").await;
    let mut socket = server.subscribe(&token, &[20049]).await;
    for to in ["1001", "1002", "1001", "604"] {
        call(&server, "1000", to).await;
        told(&mut socket, 1).await;
    }
    call(&server, "1003", "1000").await;
    told(&mut socket, 1).await;
    let numbers =
        |rows: Vec<Value>| rows.iter().map(|row| row["number"].as_str().expect("text").to_owned()).collect::<Vec<_>>();
    let (server, token) = (&server, token.as_str());
    let get = |query: &'static str| async move { numbers(rows(server, token, query).await) };

    assert_eq!(get("").await, ["1003", "604", "1001", "1002", "1001"]);
    assert_eq!(get("?order_by=asc&sort_by=id").await, ["1001", "1002", "1001", "604", "1003"]);
    assert_eq!(get("?page=2&page_size=2").await, ["1001", "1002"]);
    assert_eq!(get("?page=9&page_size=2").await, [""; 0]);
    assert_eq!(get("?status=3&number=1001").await, ["1001", "1001"]);
    assert_eq!(get("?status=2").await, ["1003"]);
    assert_eq!(get("?status=1").await, [""; 0]);
    assert_eq!(get("?number=00&order_by=asc").await, ["1001", "1002", "1001", "1003"]);
    assert_eq!(get("?number=").await.len(), 5);
    for injection in ["?number='%20OR%201=1%20--", "?number=%25", "?number=_"] {
        assert_eq!(get(injection).await, [""; 0], "{injection}");
    }
    let page = server.get("/api/v1.0/cdr/searchpersonal?page=1&page_size=2", token).await.ok();
    assert_eq!(page["total_number"], 5);
}

#[tokio::test]
async fn an_extension_sees_its_own_calls_only() {
    let server = Server::start().await;
    let (caller, callee, other) = (server.login("1000").await, server.login("1001").await, server.login("1002").await);
    let mut socket = server.subscribe(&callee, &[20049]).await;
    call(&server, "1000", "1001").await;
    told(&mut socket, 1).await;
    for query in ["", "?number=1000", "?ext_num=1000", "?extension=1000&number=1001"] {
        assert!(rows(&server, &other, query).await.is_empty(), "{query}");
    }
    assert_eq!(rows(&server, &caller, "").await[0]["status"], 3);
    assert_eq!(rows(&server, &callee, "").await[0]["status"], 2);
}

/// The administrator's list stays whole.
#[tokio::test]
async fn whoever_gets_a_deleted_number_sees_no_calls_of_before() {
    let server = Server::start().await;
    let callee = server.login("1001").await;
    let mut socket = server.subscribe(&callee, &[20049]).await;
    call(&server, "1000", "1001").await;
    told(&mut socket, 1).await;
    assert_eq!(rows(&server, &callee, "").await.len(), 1);
    server.admin("DELETE", "extensions/1001", Value::Null).await.ok();
    let next = json!({ "number": "1001", "name": "Zoe", "password": "the next one's" });
    server.admin("POST", "extensions", next).await.ok();
    let callee = server.login("1001").await;
    assert!(rows(&server, &callee, "").await.is_empty(), "of before");

    let mut socket = server.subscribe(&callee, &[20049]).await;
    call(&server, "1002", "1001").await;
    told(&mut socket, 1).await;
    let own = rows(&server, &callee, "").await;
    assert_eq!(own.iter().map(|row| &row["number"]).collect::<Vec<_>>(), ["1002"]);
    let all = server.admin("GET", "extensions/1001/cdrs", Value::Null).await.ok();
    assert_eq!(all["total_number"], 2);
    // Its own go with a deletion too, also of one that no configuration has.
    server.admin("DELETE", "extensions/1001", Value::Null).await.ok();
    server.admin("POST", "extensions/1001/reset", Value::Null).await.ok();
    assert!(rows(&server, &server.login("1001").await, "").await.is_empty(), "of before");
}

#[tokio::test]
async fn wrong_parameters_are_refused_and_not_guessed() {
    let server = Server::start().await;
    let token = server.login("1000").await;
    for wrong in [
        "page=0",
        "page=-1",
        "page=one",
        "page=1e3",
        "page=%2B1",
        "page=4294967296",
        "page_size=0",
        "page_size=1001",
        "page_size=",
        "sort_by=name",
        "sort_by=time%3B%20DROP%20TABLE%20cdr",
        "order_by=sideways",
        "order_by=DESC",
        "status=4",
        "status=all",
        "page=1&page=2",
        "number=1%00",
    ] {
        server.get(&format!("/api/v1.0/cdr/searchpersonal?{wrong}"), &token).await.refused(40002);
    }
    let long = "1".repeat(65);
    server.get(&format!("/api/v1.0/cdr/searchpersonal?number={long}"), &token).await.refused(40002);
    assert!(rows(&server, &token, "?page=1&page_size=1000&sort_by=id").await.is_empty());
}
