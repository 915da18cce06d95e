//! New calls: who calls, whom, and whether that may be.

use offhook_sip::message::{HeadersExt as _, Request};
use offhook_sip::{CallKey, ConnectionId, HeaderField, Uri};

use super::auth::Challenge;
use super::call::{Call, Leg, Side};
use super::{Switch, Turn, crossing, headers};
use crate::events::{CallId, PbxEvent};
use crate::media::LegId;
use crate::service::Service;

/// When a caller whom there is no room for may try again, seconds.
const RETRY_AFTER_S: &str = "10";

/// Where a number leads.
enum Route {
    Service(Service),
    Extension,
}

impl Switch {
    /// An INVITE came.
    pub(super) fn incoming(
        &mut self,
        turn: &mut Turn<'_>,
        key: CallKey,
        connection: ConnectionId,
        request: &Request,
        offer: Option<String>,
    ) {
        let reject = |turn: &mut Turn<'_>, status: u16, headers: Vec<HeaderField>| {
            crossing("reject", turn.agent.reject(turn.now, key, status, headers));
        };
        let sip_call_id = request.headers.text("Call-ID").unwrap_or_default();
        let target = String::from_utf8_lossy(&request.uri.to_bytes()).into_owned();
        let number = Uri::parse(&target).map(|uri| uri.user()).unwrap_or_default();
        let claimed = request.headers.address("From").map(|from| from.uri().user()).unwrap_or_default();
        let user = match self.auth.check(turn.now, connection, request, Challenge::Proxy, &claimed) {
            Ok(user) => user,
            Err(denied) => return reject(turn, denied.status, denied.headers),
        };
        if user != claimed {
            // One extension cannot call as another.
            self.record_refused(turn.now, &user, &number, sip_call_id, 403);
            return reject(turn, 403, Vec::new());
        }
        if self.stopping || self.calls.len() >= self.max_calls {
            let retry = HeaderField::new("Retry-After", RETRY_AFTER_S);
            self.record_refused(turn.now, &user, &number, sip_call_id, 503);
            return reject(turn, 503, retry.into_iter().collect());
        }
        let route = match Service::of(&number) {
            Some(service) => Route::Service(service),
            None if self.auth.extension(&number).is_some() => Route::Extension,
            None => {
                self.record_refused(turn.now, &user, &number, sip_call_id, 404);
                return reject(turn, 404, Vec::new());
            }
        };

        let (id, caller) = self.new_call(turn, &user, &number, key);
        if let Some(leg) = self.legs.get_mut(&caller) {
            leg.offer = offer;
            leg.sip_call_id = sip_call_id;
            leg.carried = headers::carried(&request.headers);
        }
        match route {
            Route::Service(service) => self.serve(turn, id, service),
            Route::Extension => self.ring_devices(turn, id, connection),
        }
    }

    fn new_call(&mut self, turn: &Turn<'_>, from: &str, to: &str, key: CallKey) -> (CallId, LegId) {
        let (id, caller) = (CallId(self.new_id()), LegId(self.new_id()));
        let mut leg = Leg::new(id, Side::Caller, from);
        leg.key = Some(key);
        self.legs.insert(caller, leg);
        self.keys.insert(key, caller);
        self.calls.insert(id, Call::new(from, to, turn.now, caller));
        self.tell(PbxEvent::CallStarted { call: id, from: from.to_owned(), to: to.to_owned() });
        (id, caller)
    }
}
