//! The client against a server that writes bytes.

use offhook_core::pbx::HttpMethod;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::transport::Trust;

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
/// Far above what anything takes.
const PATIENCE: Duration = Duration::from_secs(20);

struct Server(TcpListener);

impl Server {
    async fn start() -> (Self, Client) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}/api", listener.local_addr().expect("bound"));
        let target = Target::http(&url, Trust::system(), PATIENCE).expect("loopback");
        (Self(listener), Client::new(target).expect("a host"))
    }

    async fn accept(&self) -> Peer {
        Peer(soon(self.0.accept()).await.expect("a connection").0)
    }
}

/// The server's end of one connection.
struct Peer(TcpStream);

impl Peer {
    /// The head of the next request; `None` when the client closed.
    async fn head(&mut self) -> Option<String> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match soon(self.0.read_u8()).await {
                Ok(byte) => head.push(byte),
                Err(_) => return None,
            }
        }
        Some(String::from_utf8(head).expect("UTF-8"))
    }

    async fn answer(&mut self, bytes: &[u8]) {
        // The client may have had enough.
        let _ = self.0.write_all(bytes).await;
    }
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("it takes too long")
}

fn get(path: &str) -> HttpRequest {
    HttpRequest {
        method: HttpMethod::Get,
        path_and_query: path.to_owned(),
        headers: vec![("Authorization".to_owned(), "token".to_owned())],
        body: None,
        deadline_ms: 10_000,
    }
}

fn post(path: &str) -> HttpRequest {
    let headers = vec![("Content-Type".to_owned(), "application/json".to_owned())];
    HttpRequest { method: HttpMethod::Post, body: Some(b"{\"a\":1}".to_vec()), headers, ..get(path) }
}

/// What the client makes of this answer, after which the server closes the connection.
async fn made_of(answer: &[u8]) -> Result<HttpResponse, HttpFailure> {
    let (server, client) = Server::start().await;
    let request = client.send(get("/x"));
    let serve = async {
        let mut peer = server.accept().await;
        peer.head().await.expect("a request");
        peer.answer(answer).await;
    };
    soon(async { tokio::join!(request, serve) }).await.0
}

#[tokio::test]
async fn a_request_is_written_as_it_should_be_and_its_connection_used_again() {
    let (server, client) = Server::start().await;
    let serve = async {
        let mut peer = server.accept().await;
        let first = peer.head().await.expect("a request");
        peer.answer(OK).await;
        let second = peer.head().await.expect("on the same connection");
        let mut body = [0; 7];
        peer.0.read_exact(&mut body).await.expect("a body");
        peer.answer(OK).await;
        (peer, first, second, body)
    };
    let ask = async {
        let first = client.send(get("/v1.0/pbx/getproduct?host=h")).await.expect("answered");
        assert_eq!((first.status, first.body.as_ref()), (200, &b"{}"[..]));
        client.send(post("/v1.0/login")).await.expect("answered");
    };
    let ((_peer, first, second, body), ()) = soon(async { tokio::join!(serve, ask) }).await;
    let host = format!("host: {}\r\n", server.0.local_addr().expect("bound"));
    assert!(first.starts_with("GET /api/v1.0/pbx/getproduct?host=h HTTP/1.1\r\n"), "{first}");
    assert!(first.contains(&host) && first.contains("authorization: token\r\n"), "{first}");
    assert!(!first.contains("content-length"), "{first}");
    assert!(second.starts_with("POST /api/v1.0/login HTTP/1.1\r\n"), "{second}");
    assert_eq!(second.matches("content-type: application/json\r\n").count(), 1);
    assert!(second.contains("content-length: 7\r\n"));
    assert_eq!(&body, b"{\"a\":1}");
}

#[tokio::test]
async fn a_connection_that_the_server_has_closed_is_replaced() {
    for request in [get("/again"), post("/again")] {
        let (server, client) = Server::start().await;
        let serve = async {
            let mut peer = server.accept().await;
            peer.head().await.expect("a request");
            peer.answer(OK).await;
            drop(peer);
            let mut peer = server.accept().await;
            peer.head().await.expect("the request, again");
            peer.answer(OK).await;
            peer
        };
        let ask = async {
            client.send(get("/first")).await.expect("answered");
            // The client sees it closed, or not yet: both must do.
            while client.0.kept.lock().expect("no panic").iter().any(Connection::is_open) {
                tokio::task::yield_now().await;
            }
            client.send(request).await.expect("answered on another connection");
        };
        soon(async { tokio::join!(serve, ask) }).await;
    }
}

/// RFC 9110 §9.2.2: what changes something is not sent twice.
#[tokio::test]
async fn a_request_lost_with_its_connection_is_repeated_only_if_that_does_no_harm() {
    for (request, repeated) in [(get("/second"), true), (post("/second"), false)] {
        let (server, client) = Server::start().await;
        let serve = async {
            let mut peer = server.accept().await;
            peer.head().await.expect("a request");
            peer.answer(OK).await;
            peer.head().await.expect("another");
            drop(peer);
            if repeated {
                let mut peer = server.accept().await;
                peer.head().await.expect("the same again");
                peer.answer(OK).await;
            }
        };
        let ask = async {
            client.send(get("/first")).await.expect("answered");
            client.send(request).await
        };
        let ((), outcome) = soon(async { tokio::join!(serve, ask) }).await;
        match outcome {
            Ok(_) => assert!(repeated),
            Err(failure) => assert!(!repeated && matches!(failure, HttpFailure::Broken { .. }), "{failure:?}"),
        }
    }
}

#[tokio::test]
async fn redirects_and_errors_are_answers() {
    for (status, answer) in [
        (302, &b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"[..]),
        (401, b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"),
        (500, b"HTTP/1.1 500 X\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n"),
        (200, b"HTTP/1.0 200 OK\r\n\r\nuntil the end"),
    ] {
        assert_eq!(made_of(answer).await.map(|response| response.status), Ok(status));
    }
}

#[tokio::test]
async fn an_answer_above_a_mebibyte_is_refused_whichever_way_it_comes() {
    let chunk = format!("100000\r\n{}\r\n", "x".repeat(1 << 20));
    let announced = b"HTTP/1.1 200 OK\r\nContent-Length: 1048577\r\n\r\n".to_vec();
    let chunked = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}{chunk}").into_bytes();
    let unannounced = format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat((1 << 20) + 1)).into_bytes();
    let head = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(1 << 20)).into_bytes();
    for answer in [announced, chunked, unannounced, head] {
        assert_eq!(made_of(&answer).await, Err(HttpFailure::TooLarge));
    }
    let most = format!("HTTP/1.1 200 OK\r\nContent-Length: 1048576\r\n\r\n{}", "x".repeat(1 << 20));
    assert_eq!(made_of(most.as_bytes()).await.map(|response| response.body.len()), Ok(1 << 20));
}

#[tokio::test]
async fn an_answer_that_breaks_off_or_is_no_http_is_a_broken_connection() {
    for answer in [
        &b""[..],
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
    ] {
        let outcome = made_of(answer).await;
        assert!(matches!(outcome, Err(HttpFailure::Broken { .. })), "{outcome:?}");
    }
}

#[tokio::test]
async fn a_server_that_does_not_answer_costs_the_deadline_and_the_connection() {
    let (server, client) = Server::start().await;
    let request = client.send(HttpRequest { deadline_ms: 100, ..get("/x") });
    let serve = async {
        let mut peer = server.accept().await;
        peer.head().await.expect("a request");
        assert_eq!(peer.head().await, None, "the client closes it");
    };
    let (outcome, ()) = soon(async { tokio::join!(request, serve) }).await;
    assert_eq!(outcome, Err(HttpFailure::Timeout));
}

#[tokio::test]
async fn a_few_requests_are_on_their_way_at_once_and_the_others_wait() {
    let (server, client) = Server::start().await;
    let requests: Vec<_> = (0..CONNECTIONS + 3).map(|_| tokio::spawn(client.send(get("/x")))).collect();
    let mut peers = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut peer = server.accept().await;
        peer.head().await.expect("a request");
        peers.push(peer);
    }
    assert_eq!(client.0.permits.available_permits(), 0);
    let serving = peers.into_iter().map(|mut peer| {
        tokio::spawn(async move {
            peer.answer(OK).await;
            while peer.head().await.is_some() {
                peer.answer(OK).await;
            }
        })
    });
    let serving: Vec<_> = serving.collect();
    let more = tokio::spawn(async move {
        loop {
            let mut peer = server.accept().await;
            tokio::spawn(async move {
                while peer.head().await.is_some() {
                    peer.answer(OK).await;
                }
            });
        }
    });
    for request in requests {
        soon(request).await.expect("no panic").expect("answered");
    }
    more.abort();
    drop(client);
    for served in serving {
        soon(served).await.expect("closed with the client");
    }
}

#[tokio::test]
async fn what_cannot_be_put_into_a_request_is_not_sent() {
    let (_server, client) = Server::start().await;
    let split = HttpRequest { headers: vec![("X".to_owned(), "a\r\nY: b".to_owned())], ..get("/x") };
    let blank = get("/a b");
    for request in [split, blank] {
        assert!(matches!(client.send(request).await, Err(HttpFailure::NotSent { .. })));
    }
}

#[tokio::test]
async fn nobody_there_is_said_so() {
    let (server, client) = Server::start().await;
    drop(server);
    assert!(matches!(client.send(get("/x")).await, Err(HttpFailure::Unreachable { .. })));
}
