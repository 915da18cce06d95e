//! Dialogs (RFC 3261 §12): who talks to whom, over which route, at which sequence number.

use crate::message::{Headers, HeadersExt as _};
use crate::name_addr::{NameAddr, Uri};

/// One dialog, early or confirmed, of a call.
#[derive(Debug, Clone)]
pub(crate) struct Dialog {
    pub(crate) call_id: String,
    pub(crate) local_tag: String,
    pub(crate) remote_tag: Option<String>,
    /// Without tags.
    pub(crate) local: NameAddr,
    pub(crate) remote: NameAddr,
    pub(crate) local_cseq: u32,
    pub(crate) remote_cseq: Option<u32>,
    pub(crate) remote_target: Uri,
    /// Route header values, topmost first.
    pub(crate) route: Vec<String>,
    /// Our Contact.
    pub(crate) contact: NameAddr,
}

impl Dialog {
    pub(crate) fn next_cseq(&mut self) -> u32 {
        self.local_cseq += 1;
        self.local_cseq
    }

    /// Takes tag, target and route set out of a 1xx or 2xx to our INVITE (§12.1.2): the route set is the
    /// Record-Route in reverse order.
    pub(crate) fn learn_from_response(&mut self, headers: &Headers) {
        if let Some(to) = headers.address("To") {
            self.remote_tag = to.tag().map(str::to_owned);
        }
        self.retarget(headers);
        self.route = record_route(headers);
        self.route.reverse();
    }

    /// A new Contact of the far end (§12.2.1.2, target refresh).
    pub(crate) fn retarget(&mut self, headers: &Headers) {
        if let Some(contact) = headers.address("Contact")
            && contact.uri().is_sip()
        {
            self.remote_target = contact.uri().clone();
        }
    }

    /// The Request-URI and Route headers of a request in this dialog (§12.2.1.1), strict first hops included.
    pub(crate) fn request_route(&self) -> (Uri, Vec<String>) {
        let strict = self
            .route
            .first()
            .and_then(|first| NameAddr::parse(first).ok())
            .filter(|first| !first.uri().has_param("lr"));
        match strict {
            None => (self.remote_target.clone(), self.route.clone()),
            Some(first) => {
                let mut route: Vec<String> = self.route.iter().skip(1).cloned().collect();
                route.push(format!("<{}>", self.remote_target));
                (first.uri().clone(), route)
            }
        }
    }
}

/// The Record-Route of a message, one value each, in order.
pub(crate) fn record_route(headers: &Headers) -> Vec<String> {
    headers.addresses("Record-Route").iter().map(ToString::to_string).collect()
}

/// The number of a CSeq header.
pub(crate) fn cseq(headers: &Headers) -> Option<u32> {
    headers.number("CSeq")
}
