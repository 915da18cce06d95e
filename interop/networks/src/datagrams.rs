//! Numbered datagrams from one network namespace to another, and when each came; see [`Remote`](crate::Remote).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tokio::net::UdpSocket;
use tokio::time::Instant;

use crate::remote::lines;

/// Sends with `{"do": "send", "to": …, "count": …, "every_ms": …}`; `got` tells what came, in the order of arrival: each as
/// `[number, ms since the sending began]`. `config.listen` is an address with a port.
pub async fn serve_datagrams(config: &str) {
    let config: Value = serde_json::from_str(config).expect("a configuration");
    let socket = UdpSocket::bind(config["listen"].as_str().expect("an address")).await.expect("the address is ours");
    let mut lines = lines();
    let (mut got, mut datagram) = (Vec::new(), [0; 64]);
    loop {
        tokio::select! {
            received = socket.recv_from(&mut datagram) => {
                let Ok((16, _)) = received else { continue };
                let number = |at: usize| u64::from_be_bytes(datagram[at..at + 8].try_into().expect("8 bytes"));
                got.push(json!([number(0), (micros() - number(8)) as f64 / 1_000.0]));
            }
            line = lines.recv() => {
                let Some(line) = line else { return };
                let request: Value = serde_json::from_str(&line).expect("a request");
                if request["do"] == "send" {
                    send(&socket, &request).await;
                }
                println!("{}", json!({"got": got}));
            }
        }
    }
}

async fn send(socket: &UdpSocket, request: &Value) {
    let to = request["to"].as_str().expect("an address");
    let number = |name: &str| request[name].as_u64().expect("a number");
    // First the stamp: where the process is held up between the two, packets may seem late, and none too early.
    let stamp = micros();
    let (begun, every) = (Instant::now(), Duration::from_millis(number("every_ms")));
    for n in 0..number("count") {
        tokio::time::sleep_until(begun + every * n as u32).await;
        let datagram = [n.to_be_bytes(), stamp.to_be_bytes()].concat();
        socket.send_to(&datagram, to).await.expect("there is a way");
    }
}

fn micros() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as u64)
}
