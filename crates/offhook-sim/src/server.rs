//! The server between the phones: a registrar and a stateless proxy (RFC 3261 §16.11).
//!
//! It knows no call. So what the phones do to each other is theirs alone, and it can be restarted in the middle of
//! anything.

use std::collections::BTreeMap;

use bytes::Bytes;

/// A connection, as the server numbers them.
pub(crate) type ConnectionId = u64;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Server {
    /// User → connection.
    users: BTreeMap<String, ConnectionId>,
    /// `user@host` of a Contact → user: where requests in a dialog go.
    contacts: BTreeMap<String, String>,
    replies: u64,
}

impl Server {
    /// Forgets everybody.
    pub(crate) fn restart(&mut self) {
        self.users.clear();
    }

    pub(crate) fn disconnected(&mut self, connection: ConnectionId) {
        self.users.retain(|_, c| *c != connection);
    }

    /// What is sent on for a message that came: to whom, and what.
    pub(crate) fn receive(&mut self, from: ConnectionId, data: &Bytes) -> Option<(ConnectionId, Bytes)> {
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

/// A response of the server's own.
fn reply(request: &str, status: &str, tag: &str, extra: &str) -> Bytes {
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
    out.push_str("Content-Length: 0\r\n\r\n");
    Bytes::from(out)
}

/// The value of the first header of this name.
fn header<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.split("\r\n").skip(1).take_while(|line| !line.is_empty()).find_map(|line| {
        let (found, value) = line.split_once(':')?;
        (found == name).then(|| value.trim())
    })
}
