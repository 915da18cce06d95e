//! REGISTER.

use offhook_sip::message::{HeadersExt as _, Request};
use offhook_sip::{ConnectionId, HeaderField, TransactionId};

use super::auth::Challenge;
use super::{Switch, Turn, crossing};
use crate::events::PbxEvent;
use crate::registrar::{Refusal, Registration};

impl Switch {
    pub(super) fn register(
        &mut self,
        turn: &mut Turn<'_>,
        transaction: TransactionId,
        connection: ConnectionId,
        request: &Request,
    ) {
        let (status, headers) = self.registered(turn, connection, request);
        crossing("respond", turn.agent.respond(turn.now, transaction, status, headers, None));
    }

    /// Carries it out, and gives the response.
    fn registered(&mut self, turn: &Turn<'_>, connection: ConnectionId, request: &Request) -> (u16, Vec<HeaderField>) {
        let Some(aor) = request.headers.address("To") else { return (400, Vec::new()) };
        let number = aor.uri().user();
        match self.authenticate(turn.now, connection, request, Challenge::Registrar, &number) {
            Err(denied) => return (denied.status, denied.headers),
            // RFC 3261 §10.3 step 4: nobody registers for somebody else.
            Ok(user) if user != number => return (403, Vec::new()),
            Ok(_) => {}
        }
        let before = self.registrar.bindings(&number).len();
        let result = Registration::read(&request.headers)
            .and_then(|registration| self.registrar.register(turn.now, &number, connection, &registration));
        match result {
            Err(refusal) => refused(refusal),
            Ok(()) => {
                let bindings = self.registrar.bindings(&number).len();
                if bindings > before {
                    self.tell(PbxEvent::Registered { extension: number.clone(), bindings });
                } else if bindings < before {
                    self.tell(PbxEvent::Unregistered { extension: number.clone(), bindings });
                }
                let contacts = self.registrar.contacts(turn.now, &number);
                (200, contacts.iter().map(HeaderField::contact).collect())
            }
        }
    }

    /// Bindings were lost.
    pub(super) fn tell_unregistered(&mut self, extensions: Vec<String>) {
        for extension in extensions {
            let bindings = self.registrar.bindings(&extension).len();
            self.tell(PbxEvent::Unregistered { extension, bindings });
        }
    }
}

fn refused(refusal: Refusal) -> (u16, Vec<HeaderField>) {
    let field = |name: &str, value: &str| HeaderField::new(name, value).into_iter().collect();
    match refusal {
        Refusal::Malformed(why) => {
            tracing::debug!(why, "REGISTER refused");
            (400, Vec::new())
        }
        Refusal::TooBrief(min_s) => (423, field("Min-Expires", &min_s.to_string())),
        Refusal::OutOfOrder => (500, Vec::new()),
        Refusal::TooMany => (503, field("Retry-After", "60")),
    }
}
