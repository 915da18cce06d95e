//! What the daemons say of themselves: Kamailio over JSON-RPC, rtpengine over its ng protocol.

use std::io;
use std::net::{Ipv4Addr, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(5);

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A contact in Kamailio's location table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisteredAt {
    /// Whose.
    pub user: String,
    /// The Contact's URI.
    pub contact: String,
    /// Its connection, as `sip:127.0.0.1:4711;transport=ws`.
    pub connection: String,
}

/// What rtpengine knows of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Media {
    /// RTP packets that it passed on, both ways.
    pub packets: u64,
    /// Its own ports in the call.
    pub ports: Vec<u16>,
    /// Where the phones' packets come from.
    pub phones: Vec<u16>,
    /// Protocol of each side, as `UDP/TLS/RTP/SAVPF`.
    pub protocols: Vec<String>,
}

/// Asks Kamailio.
pub(crate) fn kamailio(run_dir: &Path, method: &str, params: &Value) -> io::Result<Value> {
    let own = run_dir.join(format!("client-{}.sock", NEXT.fetch_add(1, Ordering::Relaxed)));
    let socket = UnixDatagram::bind(&own)?;
    let answer = (|| {
        socket.set_read_timeout(Some(PATIENCE))?;
        let call = json!({ "jsonrpc": "2.0", "method": method, "params": params, "id": 1 });
        socket.send_to(call.to_string().as_bytes(), run_dir.join("rpc.sock"))?;
        let mut buffer = vec![0; 64 * 1024];
        let length = socket.recv(&mut buffer)?;
        let answer: Value = serde_json::from_slice(buffer.get(..length).unwrap_or_default())?;
        match answer.get("result") {
            Some(result) => Ok(result.clone()),
            None => Err(io::Error::other(answer.to_string())),
        }
    })();
    std::fs::remove_file(&own)?;
    answer
}

/// Asks rtpengine.
pub(crate) fn rtpengine(port: u16, command: &Value) -> io::Result<Value> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.connect((Ipv4Addr::LOCALHOST, port))?;
    // A cookie that was there already is answered with what was said then.
    let cookie = format!("{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    socket.send(format!("{cookie} {command}").as_bytes())?;
    let mut buffer = vec![0; 64 * 1024];
    let length = socket.recv(&mut buffer)?;
    let answer = buffer.get(cookie.len() + 1..length).unwrap_or_default();
    Ok(serde_json::from_slice(answer)?)
}

/// The location table, out of `ul.dump`.
pub(crate) fn registered(dump: &Value) -> Vec<RegisteredAt> {
    let mut found = Vec::new();
    for domain in list(&dump["Domains"]) {
        for aor in list(&domain["Domain"]["AoRs"]) {
            let user = text(&aor["Info"]["AoR"]);
            for contact in list(&aor["Info"]["Contacts"]) {
                let contact = &contact["Contact"];
                let (address, connection) = (text(&contact["Address"]), text(&contact["Received"]));
                found.push(RegisteredAt { user: user.clone(), contact: address, connection });
            }
        }
    }
    found
}

/// One call, out of `query`; `None`: there is no such call.
pub(crate) fn media(answer: &Value) -> Option<Media> {
    if answer["result"] != "ok" {
        return None;
    }
    let packets = answer["totals"]["RTP"]["packets"].as_u64()?;
    let (mut ports, mut phones, mut protocols) = (Vec::new(), Vec::new(), Vec::new());
    for tag in answer["tags"].as_object()?.values() {
        for media in list(&tag["medias"]) {
            protocols.push(text(&media["protocol"]));
            for stream in list(&media["streams"]) {
                ports.extend(port(&stream["local port"]));
                phones.extend(port(&stream["endpoint"]["port"]));
            }
        }
    }
    Some(Media { packets, ports, phones, protocols })
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn port(value: &Value) -> Option<u16> {
    u16::try_from(value.as_u64()?).ok()
}
