//! The server between the phones: what it can be told, and the one that a [`World`](crate::World) has by itself.

use std::collections::BTreeMap;
use std::fmt::Debug;

use bytes::Bytes;

/// A connection, as the server numbers them. Never the same twice in one world.
pub type ConnectionId = u64;

/// Messages to send: on which connection, and what.
pub type Replies = Vec<(ConnectionId, Bytes)>;

/// A SIP server without sockets and clock. Implement it to put a server of your own between the phones of a world
/// ([`World::with_server`](crate::World::with_server)). Times are milliseconds of the world's clock.
pub trait Server: Debug {
    /// A phone connected.
    fn connected(&mut self, now: u64, connection: ConnectionId, replies: &mut Replies);

    /// One whole WebSocket message came.
    fn received(&mut self, now: u64, connection: ConnectionId, data: &Bytes, replies: &mut Replies);

    /// A connection is gone.
    fn disconnected(&mut self, now: u64, connection: ConnectionId, replies: &mut Replies);

    /// It goes down and comes up again knowing nobody; every connection is gone already.
    fn restart(&mut self, now: u64);

    /// When [`on_time`](Self::on_time) wants to be called; `None`: never.
    fn next_timeout(&self) -> Option<u64>;

    /// That time has come.
    fn on_time(&mut self, now: u64, replies: &mut Replies);

    /// How many dialogs of phones it is an end of itself; `None`: it is no end of any, and passes Call-IDs on unchanged,
    /// so that both ends of a call can be compared.
    fn dialogs(&self) -> Option<usize>;
}

/// A registrar and a stateless proxy (RFC 3261 §16.11).
///
/// It knows no call. So what the phones do to each other is theirs alone, and it can be restarted in the middle of
/// anything.
#[derive(Debug, Default)]
pub(crate) struct Proxy {
    /// User → connection.
    users: BTreeMap<String, ConnectionId>,
    /// `user@host` of a Contact → user: where requests in a dialog go.
    contacts: BTreeMap<String, String>,
    replies: u64,
}

impl Server for Proxy {
    fn connected(&mut self, _now: u64, _connection: ConnectionId, _replies: &mut Replies) {}

    fn received(&mut self, _now: u64, connection: ConnectionId, data: &Bytes, replies: &mut Replies) {
        replies.extend(self.receive(connection, data));
    }

    fn disconnected(&mut self, _now: u64, connection: ConnectionId, _replies: &mut Replies) {
        self.users.retain(|_, c| *c != connection);
    }

    fn restart(&mut self, _now: u64) {
        self.users.clear();
    }

    fn next_timeout(&self) -> Option<u64> {
        None
    }

    fn on_time(&mut self, _now: u64, _replies: &mut Replies) {}

    fn dialogs(&self) -> Option<usize> {
        None
    }
}

impl Proxy {
    /// What is sent on for a message that came: to whom, and what.
    fn receive(&mut self, from: ConnectionId, data: &Bytes) -> Option<(ConnectionId, Bytes)> {
        let text = std::str::from_utf8(data).ok()?;
        if text == "\r\n\r\n" {
            return Some((from, Bytes::from_static(b"\r\n")));
        }
        let first = text.split("\r\n").next()?;
        if first.starts_with("SIP/2.0 ") {
            return self.response(text);
        }
        let mut words = first.split(' ');
        let (method, uri) = (words.next()?, words.next()?);
        if method == "REGISTER" {
            let reply = self.register(from, text)?;
            return Some((from, reply));
        }
        let address = uri.strip_prefix("sip:")?.split([';', '?', '>']).next()?;
        let user = match self.contacts.get(address) {
            Some(user) => user.clone(),
            None => address.split('@').next()?.to_owned(),
        };
        match self.users.get(&user) {
            Some(to) => Some((*to, forward(from, text)?)),
            None if method == "ACK" => None,
            None => {
                let known = self.contacts.values().any(|known| *known == user);
                let status = if known { "480 Temporarily Unavailable" } else { "404 Not Found" };
                self.replies += 1;
                Some((from, reply(text, status, &format!("server{}", self.replies), "")))
            }
        }
    }

    fn register(&mut self, from: ConnectionId, text: &str) -> Option<Bytes> {
        let to = header(text, "To")?;
        let user = to.split("sip:").nth(1)?.split(['@', '>', ';']).next()?.to_owned();
        let contact = header(text, "Contact")?;
        let address = contact.split("sip:").nth(1)?.split(['>', ';']).next()?.to_owned();
        if header(text, "Expires") == Some("0") {
            self.users.remove(&user);
            return Some(reply(text, "200 OK", "registrar", ""));
        }
        self.contacts.insert(address, user.clone());
        self.users.insert(user, from);
        Some(reply(text, "200 OK", "registrar", &format!("Contact: {contact}\r\n")))
    }

    /// Takes our Via off and sends it where that Via says.
    fn response(&self, text: &str) -> Option<(ConnectionId, Bytes)> {
        let via = header(text, "Via")?;
        let to: ConnectionId = via.split(";conn=").nth(1)?.split([';', ',']).next()?.parse().ok()?;
        let start = text.find("\r\nVia:")?;
        let end = start + 2 + text[start + 2..].find("\r\n")?;
        Some((to, Bytes::from(format!("{}{}", &text[..start], &text[end..]))))
    }
}

/// Puts our Via on top. The branch is made of theirs, so that a CANCEL and the ACK of a refusal find their INVITE.
fn forward(from: ConnectionId, text: &str) -> Option<Bytes> {
    let via = header(text, "Via")?;
    let branch = via.split("branch=").nth(1)?.split(';').next()?;
    let at = text.find("\r\n")? + 2;
    let ours = format!("Via: SIP/2.0/WSS proxy.sim;branch={branch}.{from};conn={from}\r\n");
    Some(Bytes::from(format!("{}{ours}{}", &text[..at], &text[at..])))
}

/// A response without a body.
fn reply(request: &str, status: &str, tag: &str, extra: &str) -> Bytes {
    response(request, status, tag, extra, "")
}

/// A response to a request: `extra` are whole header lines.
pub(crate) fn response(request: &str, status: &str, tag: &str, extra: &str, body: &str) -> Bytes {
    let mut out = format!("SIP/2.0 {status}\r\n");
    for line in request.split("\r\n").skip(1).take_while(|line| !line.is_empty()) {
        let name = line.split(':').next().unwrap_or("");
        if ["Via", "From", "Call-ID", "CSeq"].contains(&name) {
            out.push_str(line);
            out.push_str("\r\n");
        } else if name == "To" {
            let tagged = line.contains(";tag=");
            out.push_str(line);
            out.push_str(&if tagged { "\r\n".to_owned() } else { format!(";tag={tag}\r\n") });
        }
    }
    out.push_str(extra);
    out.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
    Bytes::from(out)
}

/// The value of the first header of this name.
pub(crate) fn header<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.split("\r\n").skip(1).take_while(|line| !line.is_empty()).find_map(|line| {
        let (found, value) = line.split_once(':')?;
        (found == name).then(|| value.trim())
    })
}
