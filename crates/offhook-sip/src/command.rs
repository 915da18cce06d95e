//! The parameters of the [`Agent`](crate::Agent)'s commands.

use crate::auth::Credentials;
use crate::header::HeaderField;
use crate::name_addr::{NameAddr, Uri};

/// A registration to make and keep: [`Agent::register`](crate::Agent::register).
#[derive(Debug, Clone)]
pub struct Register {
    /// Request-URI: the registrar's domain, `sip:example.com`.
    pub registrar: Uri,
    /// To and From: the address of record, `sip:1000@example.com`.
    pub aor: NameAddr,
    /// Our Contact, with its parameters (`+sip.instance`, `reg-id` …) but without `expires`.
    pub contact: NameAddr,
    /// Seconds asked for. 423 raises it to the registrar's minimum by itself.
    pub expires_s: u32,
    /// User and password, or HA1.
    pub credentials: Option<Credentials>,
    /// More headers for every REGISTER.
    pub headers: Vec<HeaderField>,
}

/// A call to make: [`Agent::invite`](crate::Agent::invite).
#[derive(Debug, Clone)]
pub struct Invite {
    /// Request-URI.
    pub target: Uri,
    /// From, without tag.
    pub from: NameAddr,
    /// To, without tag. Usually the target.
    pub to: NameAddr,
    /// Our Contact in this dialog.
    pub contact: NameAddr,
    /// Call-ID; made up when `None`.
    pub call_id: Option<String>,
    /// Route headers to send it with (RFC 3261 §12.2.1.1; a service route), topmost first.
    pub route: Vec<Uri>,
    /// More headers.
    pub headers: Vec<HeaderField>,
    /// The SDP offer; `None` asks the far end for one (late offer).
    pub offer: Option<String>,
    /// For 401/407, here and later in the dialog.
    pub credentials: Option<Credentials>,
    /// CANCEL the call when no final response came this long after the INVITE was sent. Milliseconds; `None`: never.
    pub no_answer_ms: Option<u64>,
}

/// A provisional response to an inbound call: [`Agent::ring`](crate::Agent::ring).
#[derive(Debug, Clone, Default)]
pub struct Ring {
    /// 101–199; 0 means 180.
    pub status: u16,
    /// Early media: the answer to the INVITE's offer.
    pub sdp: Option<String>,
    /// Our Contact in this dialog; the URI that the INVITE was sent to when `None`.
    pub contact: Option<NameAddr>,
    /// More headers.
    pub headers: Vec<HeaderField>,
}

/// The 200 to an inbound call: [`Agent::accept`](crate::Agent::accept).
#[derive(Debug, Clone)]
pub struct Accept {
    /// The answer; or the offer, when the INVITE had none.
    pub sdp: String,
    /// Our Contact in this dialog.
    pub contact: NameAddr,
    /// More headers.
    pub headers: Vec<HeaderField>,
    /// For 401/407 to our requests in the dialog.
    pub credentials: Option<Credentials>,
}

/// A change of an established session: [`Agent::modify`](crate::Agent::modify).
#[derive(Debug, Clone)]
pub struct Modify {
    /// With which request.
    pub method: ModifyMethod,
    /// The offer. A re-INVITE always has one here; an UPDATE may come without (identity, session refresh).
    pub offer: Option<String>,
    /// More headers.
    pub headers: Vec<HeaderField>,
}

/// Which request changes a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModifyMethod {
    /// re-INVITE (RFC 3261 §14).
    Invite,
    /// UPDATE (RFC 3311).
    Update,
}

/// A request outside any dialog: [`Agent::request_outside`](crate::Agent::request_outside).
#[derive(Debug, Clone)]
pub struct OutOfDialog {
    /// `OPTIONS`, `MESSAGE`, `NOTIFY` … (not INVITE, ACK, CANCEL, BYE).
    pub method: String,
    /// Request-URI.
    pub target: Uri,
    /// From, without tag.
    pub from: NameAddr,
    /// To.
    pub to: NameAddr,
    /// More headers.
    pub headers: Vec<HeaderField>,
    /// Content type and body.
    pub body: Option<(String, Vec<u8>)>,
    /// For 401/407.
    pub credentials: Option<Credentials>,
}
