//! `/ws?exten=NUMBER`: the SIP socket of one extension.

use tokio_tungstenite::tungstenite::Message;

use crate::sip::{Client, offer};
use crate::support::{Call, Server};

async fn connect(server: &Server, query: &str) -> Client {
    Client::connect_to(&format!("ws://{}/ws{query}", server.authority)).await
}

#[tokio::test]
async fn the_extension_that_is_named_registers_and_calls() {
    let server = Server::start().await;
    let mut phone = connect(&server, "?exten=1000").await;
    let register = phone.request("REGISTER", "sip:localhost", "1000", "1000").header("Expires: 600");
    assert_eq!(phone.authenticated(register, "1000", "secret-1000").await.status, 200);
    let (sdp, _peer, _events) = offer().await;
    let invite = phone.request("INVITE", "sip:604@localhost", "1000", "604").sdp(&sdp);
    assert_eq!(phone.authenticated(invite, "1000", "secret-1000").await.status, 486);
}

#[tokio::test]
async fn another_extension_is_refused_403_whatever_its_password() {
    let server = Server::start().await;
    for query in ["?exten=1000", "?exten=4711", "?exten=1001%0d%0a", "?exten=%2A"] {
        let mut phone = connect(&server, query).await;
        let register = phone.request("REGISTER", "sip:localhost", "1001", "1001").header("Expires: 600");
        assert_eq!(phone.ask(&register).await.status, 403, "{query}");
        let (sdp, _peer, _events) = offer().await;
        let invite = phone.request("INVITE", "sip:604@localhost", "1001", "604").sdp(&sdp);
        assert_eq!(phone.ask(&invite).await.status, 403, "{query}");
    }
    let mut phone = connect(&server, "").await;
    let register = phone.request("REGISTER", "sip:localhost", "1001", "1001").header("Expires: 600");
    assert_eq!(phone.authenticated(register, "1001", "secret-1001").await.status, 200);
}

/// The credentials of another do not help either: who sends is who From says.
#[tokio::test]
async fn the_credentials_of_another_are_refused() {
    let server = Server::start().await;
    let mut phone = connect(&server, "?exten=1000").await;
    let register = phone.request("REGISTER", "sip:localhost", "1000", "1000").header("Expires: 600");
    assert_eq!(phone.authenticated(register, "1001", "secret-1001").await.status, 403);
}

#[tokio::test]
async fn an_exten_that_is_no_number_or_there_twice_is_no_socket() {
    let server = Server::start().await;
    for query in ["?exten=", "?exten=1000&exten=1001", &format!("?exten={}", "1".repeat(33))] {
        let call = Call::new("GET", &format!("/ws{query}"))
            .header("connection", "Upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
            .header("sec-websocket-protocol", "sip");
        let reply = server.send(call).await;
        assert_eq!(reply.status, 400, "{query}: {reply:?}");
    }
}

#[tokio::test]
async fn a_heartbeat_on_the_sip_socket_disturbs_nothing() {
    let server = Server::start().await;
    let mut phone = connect(&server, "?exten=1000").await;
    for _ in 0..3 {
        phone.send_frame(Message::text("heartbeat")).await.expect("open");
    }
    phone.assert_served().await;
}
