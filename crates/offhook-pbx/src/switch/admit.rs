//! New calls: who calls, whom, and whether that may be.

use offhook_sip::message::{HeadersExt as _, Request};
use offhook_sip::{CallKey, ConnectionId, HeaderField, Uri};

use super::auth::Challenge;
use super::call::{Call, Due, Hosted, Leg, Side};
use super::status::Failure;
use super::{Switch, Turn, crossing, headers};
use crate::events::{CallId, PbxEvent};
use crate::media::{LegId, RoomId};
use crate::service::Service;

/// When a caller whom there is no room for may try again, seconds.
const RETRY_AFTER_S: &str = "10";

/// An extension may have so many, as long as there are any.
const FEW_CALLS: usize = 10;

/// So often an INVITE may be passed on (RFC 3261 §8.1.1.6).
pub(super) const MOST_FORWARDS: u8 = 70;

/// Where a number leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route {
    Hosted(Hosted),
    Extension,
    /// By its place in the configuration.
    Group(usize),
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
        let user = match self.authenticate(turn.now, connection, request, Challenge::Proxy, &claimed) {
            Ok(user) => user,
            Err(denied) => return reject(turn, denied.status, denied.headers),
        };
        if user != claimed {
            // One extension cannot call as another.
            self.record_refused(turn.now, &user, &number, sip_call_id, 403);
            return reject(turn, 403, Vec::new());
        }
        if !self.has_room_for_a_call(&user) {
            let retry = HeaderField::new("Retry-After", RETRY_AFTER_S);
            self.record_refused(turn.now, &user, &number, sip_call_id, 503);
            return reject(turn, 503, retry.into_iter().collect());
        }
        let Some(route) = self.route(&number) else {
            self.record_refused(turn.now, &user, &number, sip_call_id, 404);
            return reject(turn, 404, Vec::new());
        };

        let hops =
            request.headers.number("Max-Forwards").map_or(MOST_FORWARDS, |hops| hops.min(MOST_FORWARDS.into()) as u8);
        if hops == 0 && !matches!(route, Route::Hosted(_)) {
            // §16.3 step 3: somebody passes calls on to each other.
            self.record_refused(turn.now, &user, &number, sip_call_id, 483);
            return reject(turn, 483, Vec::new());
        }

        let (id, caller) = self.new_call(turn, &user, &number, key);
        if let Some(leg) = self.legs.get_mut(&caller) {
            leg.offer = offer;
            leg.sip_call_id = sip_call_id;
            leg.carried = headers::carried(&request.headers);
        }
        if let Some(call) = self.calls.get_mut(&id) {
            call.max_forwards = hops.saturating_sub(1);
        }
        let replaces = request.headers.texts("Replaces");
        if !replaces.is_empty() {
            return self.replace(turn, id, &replaces);
        }
        self.lead(turn, id, route);
    }

    /// Whether there may be one more call that this extension makes. One that makes many has no more than are left for all
    /// others: whatever some take, there is room for who needs little.
    pub(super) fn has_room_for_a_call(&self, number: &str) -> bool {
        let left = self.max_calls.saturating_sub(self.calls.len());
        if self.stopping || left == 0 {
            return false;
        }
        let has = self.calls.values().filter(|call| call.from == number).count();
        has < FEW_CALLS || has < left
    }

    /// Where a number leads.
    pub(super) fn route(&self, number: &str) -> Option<Route> {
        if let Some(service) = Service::of(number) {
            return Some(Route::Hosted(Hosted::Service(service)));
        }
        if self.auth.extension(number).is_some() {
            return Some(Route::Extension);
        }
        if self.mailboxes.is_some() && self.codes.voicemail == number {
            return Some(Route::Hosted(Hosted::Mailbox));
        }
        let room = self.rooms.iter().position(|room| room.number == number);
        let group = || self.groups.iter().position(|group| group.number == number);
        room.map(|room| Route::Hosted(Hosted::Room(RoomId(room)))).or_else(|| group().map(Route::Group))
    }

    /// Leads a call there: a new one, one of a transfer, or one that a ring group sends on.
    pub(super) fn lead(&mut self, turn: &mut Turn<'_>, id: CallId, route: Route) {
        let is_transfer = self.calls.get(&id).is_some_and(|call| call.refer.is_some());
        match route {
            Route::Hosted(hosted) if is_transfer => self.refer_to_hosted(turn, id, hosted),
            Route::Hosted(hosted) => self.serve(turn, id, hosted),
            Route::Extension => self.ring_extension(turn, id),
            Route::Group(group) => self.hunt(turn, id, group),
        }
    }

    fn ring_extension(&mut self, turn: &mut Turn<'_>, id: CallId) {
        let Some(number) = self.calls.get(&id).map(|call| call.target.clone()) else { return };
        if self.is_busy(&number, id) {
            return self.unreached(turn, id, Failure::of(486));
        }
        let targets = self.devices(turn, id, &number);
        if targets.is_empty() {
            return self.unreached(turn, id, Failure::of(480));
        }
        self.ring(turn, id, targets);
        self.set_deadline(id, Some((turn.now.saturating_add(self.no_answer_ms), Due::NoAnswer)));
    }

    /// Whether an extension takes no call beside another one, and is in another than this one.
    pub(super) fn is_busy(&self, number: &str, id: CallId) -> bool {
        let takes_one = self.auth.extension(number).is_some_and(|extension| !extension.has_call_waiting());
        let is_over = |call: CallId| self.calls.get(&call).is_none_or(|call| call.over);
        takes_one && self.legs.values().any(|leg| leg.extension == number && leg.call != id && !is_over(leg.call))
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
