//! A SIP user agent that is not ours, and does what it should not: it answers late, more than once or never, forks, changes
//! the session at bad moments, wants the offer from us, sends no ACK, counts wrongly, and says things that are no SIP.
//!
//! It keeps no promise, so nothing is checked at its end. The phones that talk to it must keep all of theirs.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::random::Random;
use crate::server::{header, response};

/// What a peer does, and after how many milliseconds.
pub(crate) type Plan = Vec<(u64, Deed)>;

#[derive(Debug, Clone)]
pub(crate) enum Deed {
    /// It says this.
    Send(Bytes),
    /// It does something in this call.
    Act(String),
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) name: String,
    /// It only listens: what it says is given by hand.
    pub(crate) by_hand: bool,
    /// It says nothing any more.
    pub(crate) silent: bool,
    /// What it heard, when it is played by hand.
    pub(crate) heard: Vec<String>,
    random: Random,
    dialogs: BTreeMap<String, Dialog>,
    numbers: u64,
}

/// What it knows of a call.
#[derive(Debug, Clone, Default)]
struct Dialog {
    /// Values of From and To in its requests.
    local: String,
    remote: String,
    /// Request-URI of its requests.
    target: String,
    cseq: u64,
    /// The last INVITE that came, for answers at the wrong time.
    invite: String,
    /// The Via and Request-URI of its own INVITE.
    invited: Option<(String, String)>,
    offered: bool,
    established: bool,
    acts: u64,
}

impl Peer {
    pub(crate) fn new(name: &str, by_hand: bool, random: Random) -> Self {
        let (dialogs, heard) = (BTreeMap::new(), Vec::new());
        Self { name: name.to_owned(), by_hand, silent: false, heard, random, dialogs, numbers: 0 }
    }

    /// Its REGISTER, when it is connected.
    pub(crate) fn register(&mut self) -> Bytes {
        let name = &self.name;
        self.numbers += 1;
        Bytes::from(format!(
            "REGISTER sip:server.sim SIP/2.0\r\nVia: SIP/2.0/WSS {name}.invalid;branch=z9hG4bK{name}r{n}\r\nFrom: <sip:{name}@server.sim>;tag=r\r\n\
             To: <sip:{name}@server.sim>\r\nCall-ID: register-{name}\r\nCSeq: {n} REGISTER\r\nContact: <sip:{name}@{name}.invalid>\r\n\
             Expires: 3600\r\nContent-Length: 0\r\n\r\n",
            n = self.numbers
        ))
    }

    /// Whether it has had to do with a call.
    pub(crate) fn knows(&self, call: &str) -> bool {
        self.dialogs.contains_key(call)
    }

    /// Calls somebody.
    pub(crate) fn call(&mut self, whom: &str) -> Plan {
        self.numbers += 1;
        let (name, n) = (self.name.clone(), self.numbers);
        let id = format!("{name}-{n}");
        let offered = !self.random.per_mille(250);
        let dialog = Dialog {
            local: format!("<sip:{name}@server.sim>;tag={name}{n}"),
            remote: format!("<sip:{whom}@server.sim>"),
            target: format!("sip:{whom}@server.sim"),
            cseq: 1 + self.random.below(1_000),
            offered,
            ..Dialog::default()
        };
        self.dialogs.insert(id.clone(), dialog);
        let body = if offered { self.description() } else { String::new() };
        let invite = self.request(&id, "INVITE", "", &body);
        let text = String::from_utf8_lossy(&invite).into_owned();
        if let (Some(via), Some(dialog)) = (header(&text, "Via"), self.dialogs.get_mut(&id)) {
            dialog.invited = Some((via.to_owned(), dialog.target.clone()));
        }
        let mut plan = vec![(0, Deed::Send(invite.clone()))];
        match self.random.below(8) {
            0 => {
                // Gives up, at any time: before anything came, while it rings, as it is answered.
                let after = self.random.below(8_000);
                plan.extend(self.of_invite(&id, "CANCEL").map(|cancel| (after, Deed::Send(cancel))));
            }
            1 => plan.push((self.random.below(600), Deed::Send(invite))),
            2 => plan.push((self.random.below(3_000), Deed::Act(id))),
            _ => {}
        }
        plan
    }

    /// What it makes of a message.
    pub(crate) fn receive(&mut self, data: &Bytes) -> Plan {
        let Ok(text) = std::str::from_utf8(data) else { return Plan::new() };
        if self.by_hand {
            self.heard.push(text.to_owned());
            return Plan::new();
        }
        let (Some(id), Some(cseq), false) = (header(text, "Call-ID"), header(text, "CSeq"), self.silent) else {
            return Plan::new();
        };
        let (id, method) = (id.to_owned(), cseq.split(' ').nth(1).unwrap_or("").to_owned());
        if text.starts_with("SIP/2.0 ") {
            let status = text.get(8..11).and_then(|status| status.parse().ok()).unwrap_or(0);
            return self.answered(text, &id, &method, status);
        }
        let tagged = header(text, "To").is_some_and(|to| to.contains(";tag="));
        match method.as_str() {
            "INVITE" if !tagged => self.invited(text, &id),
            "ACK" => Plan::new(),
            _ => self.asked(text, &id, &method),
        }
    }

    /// Does something in a call.
    pub(crate) fn act(&mut self, id: &str) -> Plan {
        let Some(dialog) = self.dialogs.get_mut(id).filter(|_| !self.silent) else { return Plan::new() };
        dialog.acts += 1;
        let (last, invite) = (dialog.acts > 6, dialog.invite.clone());
        let send = |data: Bytes| (0, Deed::Send(data));
        let mut plan = match if last { 0 } else { self.random.below(20) } {
            0 | 1 => vec![send(self.request(id, "BYE", "", ""))],
            2 | 3 => vec![send(self.offer(id, "INVITE"))],
            4 => vec![send(self.request(id, "INVITE", "", ""))],
            5 => vec![send(self.offer(id, "UPDATE"))],
            6 => vec![send(self.request(id, "UPDATE", "P-Asserted-Identity: \"Someone\" <sip:77@server.sim>\r\n", ""))],
            7 => {
                let info = "Content-Type: application/dtmf-relay\r\n";
                vec![send(self.request(id, "INFO", info, "Signal=5\r\nDuration=160\r\n"))]
            }
            8 => {
                let to = [
                    "<sip:1000@server.sim>",
                    "<sip:1001@server.sim?Replaces=none%3Bto-tag%3Da%3Bfrom-tag%3Db>",
                    "<sip:>",
                ];
                let to = self.random.pick(&to).copied().unwrap_or_default();
                vec![send(self.request(id, "REFER", &format!("Refer-To: {to}\r\n"), ""))]
            }
            9 => vec![send(self.request(
                id,
                "NOTIFY",
                "Event: refer\r\nSubscription-State: active\r\n",
                "SIP/2.0 200 OK\r\n",
            ))],
            10 => {
                // Out of order.
                if let Some(dialog) = self.dialogs.get_mut(id) {
                    dialog.cseq = dialog.cseq.saturating_sub(3);
                }
                vec![send(self.offer(id, "INVITE")), send(self.request(id, "INFO", "", ""))]
            }
            11 => {
                let right = self.dialogs.get(id).map(|dialog| dialog.remote.clone()).unwrap_or_default();
                let bye = self.request(id, "BYE", "", "");
                let text = String::from_utf8_lossy(&bye).replace(&right, "<sip:x@server.sim>;tag=wrong");
                vec![send(Bytes::from(text))]
            }
            12 => {
                let info = self.request(id, "INFO", "", "");
                let cut = info.len().saturating_sub(usize::try_from(self.random.below(120)).unwrap_or(0));
                vec![send(info.slice(..cut)), send(Bytes::from_static(b"\xff\xfe no SIP at all")), send(Bytes::new())]
            }
            13 if !invite.is_empty() => vec![self.answer(0, &invite, "200 OK", "late", "", "v=0\r\n")],
            14 if !invite.is_empty() => vec![self.answer(0, &invite, "603 Decline", "late", "", "")],
            15 => vec![send(self.offer(id, "INVITE")), send(self.request(id, "BYE", "", ""))],
            16 => vec![send(self.offer(id, "INVITE")), send(self.offer(id, "UPDATE")), send(self.offer(id, "INVITE"))],
            17 => vec![send(self.request(id, "OPTIONS", "", "")), send(self.request(id, "FROBNICATE", "", ""))],
            18 => self.of_invite(id, "CANCEL").map(|cancel| (0, Deed::Send(cancel))).into_iter().collect(),
            _ => Plan::new(),
        };
        if !last {
            plan.push((self.random.below(9_000), Deed::Act(id.to_owned())));
        }
        plan
    }

    // --- as the called ---

    fn invited(&mut self, text: &str, id: &str) -> Plan {
        let contact = header(text, "Contact").and_then(|contact| contact.split('<').nth(1)?.split('>').next());
        let from = header(text, "From").unwrap_or_default();
        self.numbers += 1;
        let tag = format!("{}{}", self.name, self.numbers);
        let dialog = Dialog {
            local: format!("<sip:{}@server.sim>;tag={tag}", self.name),
            remote: from.to_owned(),
            target: contact.unwrap_or("sip:nobody@server.sim").to_owned(),
            cseq: self.random.below(1_000),
            invite: text.to_owned(),
            ..Dialog::default()
        };
        self.dialogs.insert(id.to_owned(), dialog);
        let sdp = self.description();
        let other = self.description();
        let late = self.random.below(9_000);
        let act = |after| (after, Deed::Act(id.to_owned()));
        match self.random.below(16) {
            0 => Plan::new(),
            1 => vec![self.answer(0, text, "100 Trying", "", "", "")],
            2 => vec![self.answer(10, text, "180 Ringing", &tag, "", ""), act(late)],
            3 => {
                const REFUSALS: [&str; 14] = [
                    "300 Choices",
                    "302 Moved",
                    "400 Bad",
                    "401 Unauthorized",
                    "404 Not Found",
                    "407 Proxy",
                    "408 Timeout",
                    "423 Brief",
                    "480 Away",
                    "486 Busy Here",
                    "491 Pending",
                    "503 Down",
                    "603 Decline",
                    "699 What",
                ];
                let refusal = self.random.pick(&REFUSALS).copied().unwrap_or("500 Error");
                vec![self.answer(late / 3, text, refusal, &tag, "", "")]
            }
            4 => vec![self.answer(5, text, "200 OK", &tag, "", ""), act(late)],
            5 => vec![self.answer(5, text, "200 OK", &tag, "", "no description"), act(late)],
            6 => vec![
                // Two branches ring with early media, a third answers, and one of the first answers, too.
                self.answer(10, text, "180 Ringing", &format!("{tag}a"), "", ""),
                self.answer(20, text, "183 Progress", &format!("{tag}b"), "", &other),
                self.answer(late, text, "200 OK", &tag, "", &sdp),
                self.answer(late + 3, text, "200 OK", &format!("{tag}b"), "", &other),
                act(late + 500),
            ],
            7 => vec![
                self.answer(10, text, "183 Progress", &tag, "Require: 100rel\r\nRSeq: 1\r\n", &sdp),
                self.answer(late, text, "200 OK", &tag, "", &sdp),
                act(late),
            ],
            8 => vec![
                // Answered, and hung up before the ACK can come.
                self.answer(late, text, "200 OK", &tag, "", &sdp),
                (late + 1, Deed::Send(self.request(id, "BYE", "", ""))),
            ],
            9 => vec![
                self.answer(late, text, "200 OK", &tag, "", &sdp),
                self.answer(late, text, "200 OK", &tag, "", &sdp),
                self.answer(late + 700, text, "180 Ringing", &tag, "", ""),
                act(late + self.random.below(2_000)),
            ],
            10 => vec![
                self.answer(5, text, "180 Ringing", &tag, "", ""),
                (late, Deed::Send(self.offer(id, "UPDATE"))),
                (late + 2, Deed::Send(self.request(id, "BYE", "", ""))),
                self.answer(late + 300, text, "480 Away", &tag, "", ""),
            ],
            _ => {
                let timer = ["", "Session-Expires: 90;refresher=uac\r\n", "Session-Expires: 90;refresher=uas\r\n"];
                let timer = self.random.pick(&timer).copied().unwrap_or_default();
                vec![
                    self.answer(0, text, "100 Trying", "", "", ""),
                    self.answer(20, text, "180 Ringing", &tag, "P-Asserted-Identity: <sip:88@server.sim>\r\n", ""),
                    self.answer(late / 2, text, "200 OK", &tag, timer, &sdp),
                    act(late / 2 + self.random.below(20_000)),
                ]
            }
        }
    }

    /// A request in a dialog, or one that is in none.
    fn asked(&mut self, text: &str, id: &str, method: &str) -> Plan {
        let sdp = self.description();
        let late = self.random.below(5_000);
        let luck = self.random.below(10);
        match (method, luck) {
            // Nothing at all.
            (_, 0) => Plan::new(),
            ("INVITE" | "UPDATE", 1) => vec![self.answer(late, text, "491 Request Pending", "", "", "")],
            ("INVITE" | "UPDATE", 2) => vec![self.answer(late, text, "488 Not Acceptable", "", "", "")],
            ("INVITE", 3) => vec![self.answer(0, text, "100 Trying", "", "", "")],
            ("INVITE" | "UPDATE", 4) => vec![self.answer(late, text, "200 OK", "", "", "")],
            ("INVITE", 5) => vec![
                // Crosses with one of its own, and with its end.
                (0, Deed::Send(self.offer(id, "INVITE"))),
                self.answer(late, text, "200 OK", "", "", &sdp),
            ],
            ("INVITE" | "INFO" | "REFER" | "UPDATE", 6) => vec![
                (0, Deed::Send(self.request(id, "BYE", "", ""))),
                self.answer(late / 10, text, "487 Terminated", "", "", ""),
            ],
            ("INVITE" | "UPDATE", _) => vec![self.answer(late / 5, text, "200 OK", "", "", &sdp)],
            ("CANCEL", 1..=6) => {
                let invite = self.dialogs.get(id).map(|dialog| dialog.invite.clone()).unwrap_or_default();
                vec![
                    self.answer(0, text, "200 OK", "", "", ""),
                    self.answer(late / 5, &invite, "487 Request Terminated", "cancelled", "", ""),
                ]
            }
            ("CANCEL", 7) => {
                let invite = self.dialogs.get(id).map(|dialog| dialog.invite.clone()).unwrap_or_default();
                vec![
                    self.answer(0, text, "200 OK", "", "", ""),
                    self.answer(late, &invite, "200 OK", "crossed", "", &sdp),
                ]
            }
            ("REFER", 1) => vec![self.answer(late, text, "603 Decline", "", "", "")],
            ("REFER", 2) => vec![self.answer(0, text, "202 Accepted", "", "", "")],
            ("REFER", _) => {
                let outcome = ["200 OK", "486 Busy Here", "503 Service Unavailable"];
                let outcome = self.random.pick(&outcome).copied().unwrap_or("200 OK");
                let state = "Event: refer\r\nContent-Type: message/sipfrag\r\nSubscription-State: ";
                let trying = self.request(id, "NOTIFY", &format!("{state}active\r\n"), "SIP/2.0 100 Trying\r\n");
                let over =
                    self.request(id, "NOTIFY", &format!("{state}terminated\r\n"), &format!("SIP/2.0 {outcome}\r\n"));
                vec![
                    (0, Deed::Send(trying)),
                    self.answer(1, text, "202 Accepted", "", "", ""),
                    (2 + late, Deed::Send(over)),
                ]
            }
            (_, 1) => vec![self.answer(late, text, "481 Gone", "", "", "")],
            (_, 2) => vec![self.answer(late, text, "500 Error", "", "", "")],
            (_, 3) => vec![self.answer(20_000 + late * 5, text, "200 OK", "", "", "")],
            _ => vec![self.answer(0, text, "200 OK", "", "", "")],
        }
    }

    // --- as the caller ---

    fn answered(&mut self, text: &str, id: &str, method: &str, status: u16) -> Plan {
        if method != "INVITE" || status < 200 {
            return Plan::new();
        }
        if status >= 300 {
            let ack = self.of_invite(id, "ACK").filter(|_| !self.random.per_mille(200));
            return ack.map(|ack| (0, Deed::Send(ack))).into_iter().collect();
        }
        let Some(dialog) = self.dialogs.get_mut(id) else { return Plan::new() };
        let first = !std::mem::replace(&mut dialog.established, true);
        if let Some(to) = header(text, "To").filter(|_| dialog.invited.is_some() && first) {
            dialog.remote = to.to_owned();
            let contact = header(text, "Contact").and_then(|contact| contact.split('<').nth(1)?.split('>').next());
            dialog.target = contact.unwrap_or("sip:nobody@server.sim").to_owned();
        }
        let needs_answer = first && dialog.invited.is_some() && !dialog.offered;
        let number = header(text, "CSeq").and_then(|cseq| cseq.split(' ').next()).unwrap_or("1").to_owned();
        let body = if needs_answer && !self.random.per_mille(200) { self.description() } else { String::new() };
        let ack = self.numbered(id, "ACK", &number, "", &body);
        let mut plan = match self.random.below(10) {
            0 => Plan::new(),
            1 => vec![(self.random.below(4_000), Deed::Send(ack))],
            2 => vec![(0, Deed::Send(ack.clone())), (5, Deed::Send(ack))],
            _ => vec![(0, Deed::Send(ack))],
        };
        if first {
            plan.push((self.random.below(15_000), Deed::Act(id.to_owned())));
        }
        plan
    }

    // --- messages ---

    fn answer(&mut self, after: u64, request: &str, status: &str, tag: &str, extra: &str, body: &str) -> (u64, Deed) {
        let tag = if tag.is_empty() { "t" } else { tag };
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        let extra = format!("Contact: <sip:{0}@{0}.invalid>\r\n{extra}{kind}", self.name);
        (after, Deed::Send(response(request, status, tag, &extra, body)))
    }

    fn offer(&mut self, id: &str, method: &str) -> Bytes {
        let body = self.description();
        self.request(id, method, "", &body)
    }

    fn request(&mut self, id: &str, method: &str, extra: &str, body: &str) -> Bytes {
        let cseq = self.dialogs.get_mut(id).map_or(1, |dialog| {
            dialog.cseq += 1;
            dialog.cseq
        });
        self.numbered(id, method, &cseq.to_string(), extra, body)
    }

    fn numbered(&mut self, id: &str, method: &str, cseq: &str, extra: &str, body: &str) -> Bytes {
        self.numbers += 1;
        let dialog = self.dialogs.get(id).cloned().unwrap_or_default();
        let (name, n) = (&self.name, self.numbers);
        let kind = match (body.is_empty(), extra.contains("Content-Type")) {
            (false, false) if method == "NOTIFY" => "Content-Type: message/sipfrag\r\n",
            (false, false) => "Content-Type: application/sdp\r\n",
            _ => "",
        };
        Bytes::from(format!(
            "{method} {} SIP/2.0\r\nVia: SIP/2.0/WSS {name}.invalid;branch=z9hG4bK{name}{n}\r\nMax-Forwards: 70\r\nFrom: {}\r\nTo: {}\r\n\
             Call-ID: {id}\r\nCSeq: {cseq} {method}\r\nContact: <sip:{name}@{name}.invalid>\r\n{extra}{kind}Content-Length: {}\r\n\r\n{body}",
            dialog.target,
            dialog.local,
            dialog.remote,
            body.len()
        ))
    }

    /// CANCEL, or the ACK of a refusal: as its INVITE was (RFC 3261 §9.1, §17.1.1.3).
    fn of_invite(&mut self, id: &str, method: &str) -> Option<Bytes> {
        let (via, target) = self.dialogs.get(id)?.invited.clone()?;
        let dialog = self.dialogs.get(id)?;
        let cseq = dialog.cseq;
        Some(Bytes::from(format!(
            "{method} {target} SIP/2.0\r\nVia: {via}\r\nMax-Forwards: 70\r\nFrom: {}\r\nTo: {}\r\nCall-ID: {id}\r\nCSeq: {cseq} {method}\r\nContent-Length: 0\r\n\r\n",
            dialog.local, dialog.remote
        )))
    }

    fn description(&mut self) -> String {
        const DIRECTIONS: [&str; 6] = ["sendrecv", "sendrecv", "sendrecv", "sendonly", "inactive", "recvonly"];
        let direction = self.random.pick(&DIRECTIONS).copied().unwrap_or("sendrecv");
        self.numbers += 1;
        format!(
            "v=0\r\no=- 9 {} IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na={direction}\r\n",
            self.numbers
        )
    }
}
