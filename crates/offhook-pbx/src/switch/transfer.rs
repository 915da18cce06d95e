//! REFER (RFC 3515, RFC 5589): a device has the other side of its call connected elsewhere.
//!
//! Each device talks to the PBX only, so the PBX places the new call itself, for the leg across from the transferor's:
//!
//! | while | comes | then |
//! | --- | --- | --- |
//! | the target rings | its answer | transferee and target are bridged; NOTIFY 200; the transferor leaves, or is hung up |
//! | the target rings | a refusal, or nothing | NOTIFY with its status; the original call goes on |
//! | the target rings | the transferee hangs up | the target is cancelled, NOTIFY 487 |
//! | the target rings | the transferor hangs up | the transfer goes on; if nothing comes of it, the transferee is hung up |
//! | the target rings | another REFER | 491 |
//! | the call is not answered | REFER | 491 |

use offhook_sip::message::{HeadersExt as _, Request};
use offhook_sip::{
    CallKey, ConnectionId, HeaderField, Millis, Modify, ModifyMethod, ReferTo, Replaces, RequestId, RequestOutcome,
    TransactionId,
};

use super::call::{Call, Due, Leg, Side};
use super::{Switch, Turn, bridge, crossing, headers};
use crate::events::{CallId, PbxEvent};
use crate::media::{LegId, MediaAction, Sound};
use crate::service::Service;

/// A transferor that was told of the success hangs up in so long, or is hung up.
const LEAVE_MS: Millis = 5_000;

/// What a call was made for: a REFER.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refer {
    /// The call in which the REFER came.
    original: CallId,
    /// Who sent it.
    transferor: LegId,
    /// Who waits for the target.
    transferee: Transferee,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Transferee {
    Leg(LegId),
    /// A number that the PBX answers itself.
    Service(Service),
}

impl Switch {
    /// A REFER in a call.
    pub(super) fn refer(
        &mut self,
        turn: &mut Turn<'_>,
        transaction: TransactionId,
        connection: ConnectionId,
        key: CallKey,
        request: &Request,
    ) {
        let respond = |turn: &mut Turn<'_>, status| {
            crossing("respond", turn.agent.respond(turn.now, transaction, status, Vec::new(), None));
        };
        let Some(transferor) = self.leg_of(key) else { return respond(turn, 481) };
        let Some((original, call)) = self.call_of(transferor) else { return respond(turn, 481) };
        let is_its_own = turn.agent.call(key).is_some_and(|view| view.connection == connection);
        let owner = self.legs.get(&transferor).map(|leg| leg.extension.as_str()).unwrap_or_default();
        if !is_its_own && !self.auth.is_on(connection, owner) {
            // Who has learnt the dialog's tags cannot take the call.
            return respond(turn, 403);
        }
        let transferee = match (call.service, call.across(transferor)) {
            (Some(service), _) => Some(Transferee::Service(service)),
            (None, across) => across.map(Transferee::Leg),
        };
        let is_free = call.answered.is_some() && call.referring.is_none() && !call.over;
        let Some(transferee) = transferee.filter(|_| is_free) else { return respond(turn, 491) };
        let values = request.headers.texts("Refer-To");
        let refer_to = match values.as_slice() {
            [one] => ReferTo::parse(one),
            _ => None,
        };
        let Some(refer_to) = refer_to else { return respond(turn, 400) };
        let number = refer_to.target.user();
        if number.is_empty() {
            return respond(turn, 400);
        }
        respond(turn, 202);
        if let Some(leg) = self.legs.get_mut(&transferor) {
            leg.refer_id = cseq(request);
            leg.owed = None;
        }
        // RFC 3515 §2.4.4: a NOTIFY follows at once.
        self.notify(turn, transferor, 100);
        let refer = Refer { original, transferor, transferee };
        match refer_to.replaces {
            Some(replaces) => self.join(turn, &refer, &replaces),
            None => self.place(turn, refer, &number),
        }
    }

    /// A transfer's target rings: the transferor is told, once for each status.
    pub(super) fn target_rings(&mut self, turn: &mut Turn<'_>, id: CallId, status: u16) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let Some(transferor) = call.refer.as_ref().map(|refer| refer.transferor) else { return };
        if std::mem::replace(&mut call.relayed, status) != status {
            self.notify(turn, transferor, status);
        }
    }

    /// A transfer's target has answered, and its media is ready: it is connected with the transferee.
    pub(super) fn complete_transfer(&mut self, turn: &mut Turn<'_>, id: CallId) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let Some(target) = call.winner.filter(|winner| self.legs.get(winner).is_some_and(|leg| leg.ready)) else {
            return;
        };
        let Some(refer) = call.refer.take() else { return };
        match refer.transferee {
            Transferee::Leg(transferee) => self.pair(turn, id, transferee, target),
            Transferee::Service(service) => self.pair_with_service(turn, id, target, service),
        }
        self.leave(turn, &refer);
    }

    /// Nothing comes of a transfer: the call in which it was wanted goes on.
    pub(super) fn transfer_failed(&mut self, turn: &mut Turn<'_>, id: CallId, status: u16) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let Some(refer) = call.refer.take() else { return };
        for callee in call.callees.clone() {
            self.hangup(turn, callee, Some((487, "Not transferred")));
        }
        self.conclude(turn.now, id, status);
        self.drop_if_empty(id);
        if let Some(original) = self.calls.get_mut(&refer.original) {
            original.referring = None;
        }
        self.notify(turn, refer.transferor, status);
        let Transferee::Leg(transferee) = refer.transferee else { return };
        match self.legs.get(&refer.transferor).map(|leg| leg.hold) {
            Some(true) => self.play(transferee, Sound::Music),
            Some(false) => self.play(transferee, Sound::Relay),
            None => self.hangup(turn, transferee, Some((status, "Not transferred"))),
        }
    }

    /// A leg is over in whose call a REFER is being carried out. Says whether the other leg stays.
    pub(super) fn gone_while_referring(&mut self, turn: &mut Turn<'_>, leg: LegId) -> bool {
        let Some(id) = self.call_of(leg).and_then(|(_, call)| call.referring) else { return false };
        let Some(refer) = self.calls.get(&id).and_then(|call| call.refer.clone()) else { return false };
        if refer.transferor == leg {
            return true;
        }
        self.transfer_failed(turn, id, 487);
        false
    }

    /// What a NOTIFY could not tell while its receiver was away.
    pub(super) fn notify_owed(&mut self, turn: &mut Turn<'_>, leg: LegId) {
        if let Some(status) = self.legs.get_mut(&leg).and_then(|leg| leg.owed.take()) {
            self.notify(turn, leg, status);
        }
    }

    /// A NOTIFY is over. One that was lost with its connection is owed.
    pub(super) fn notified(&mut self, request: RequestId, outcome: &RequestOutcome) {
        let Some((leg, status)) = self.notifies.remove(&request) else { return };
        if matches!(outcome, RequestOutcome::ConnectionLost)
            && let Some(leg) = self.legs.get_mut(&leg)
        {
            leg.owe(status);
        }
    }

    /// Whether this leg has sent a REFER that is being carried out.
    pub(super) fn is_transferring(&self, leg: LegId) -> bool {
        let id = self.call_of(leg).and_then(|(_, call)| call.referring);
        let refer = id.and_then(|id| self.calls.get(&id)?.refer.as_ref());
        refer.is_some_and(|refer| refer.transferor == leg)
    }

    /// Calls the target of a blind transfer.
    fn place(&mut self, turn: &mut Turn<'_>, refer: Refer, number: &str) {
        let service = Service::of(number);
        if service.is_none() && self.auth.extension(number).is_none() {
            return self.notify(turn, refer.transferor, 404);
        }
        if self.stopping || self.calls.len() >= self.max_calls {
            return self.notify(turn, refer.transferor, 503);
        }
        let (original, transferee) = (refer.original, refer.transferee);
        let id = self.new_joint_call(turn, &refer, number);
        if let Some(call) = self.calls.get_mut(&id) {
            call.refer = Some(refer);
        }
        if let Some(original) = self.calls.get_mut(&original) {
            original.referring = Some(id);
        }
        if let Transferee::Leg(leg) = transferee {
            self.play(leg, Sound::Music);
        }
        match (service, transferee) {
            (Some(service), _) => self.refer_to_service(turn, id, service),
            (None, Transferee::Leg(leg)) => self.ring_for(turn, id, Some(leg)),
            (None, Transferee::Service(_)) => self.ring_for(turn, id, None),
        }
    }

    /// A transfer to a number that the PBX answers itself.
    fn refer_to_service(&mut self, turn: &mut Turn<'_>, id: CallId, service: Service) {
        let transferee = self.calls.get(&id).and_then(|call| call.refer.as_ref()).map(|refer| refer.transferee);
        if matches!(transferee, Some(Transferee::Service(_)) | None) {
            // Two services have nobody to talk to.
            return self.transfer_failed(turn, id, 488);
        }
        let until = |ms: Millis| turn.now.saturating_add(ms);
        let (after, status) = match service {
            Service::Echo | Service::Tone | Service::Music => {
                let Some(Transferee::Leg(leg)) = transferee else { return self.transfer_failed(turn, id, 488) };
                let Some(refer) = self.calls.get_mut(&id).and_then(|call| call.refer.take()) else { return };
                self.pair_with_service(turn, id, leg, service);
                return self.leave(turn, &refer);
            }
            Service::Busy => return self.transfer_failed(turn, id, 486),
            Service::Forbidden => return self.transfer_failed(turn, id, 403),
            Service::Unavailable => return self.transfer_failed(turn, id, 503),
            Service::RingsForever => (until(self.no_answer_ms), 480),
            Service::NoAnswer => (until(super::service::SHORT_RING_MS), 480),
            Service::EarlyMedia => (until(super::service::PLAY_MS), 603),
        };
        self.target_rings(turn, id, 180);
        self.set_deadline(id, Some((after, Due::Refuse(status))));
    }

    /// An attended transfer: connects the far ends of the transferor's two calls.
    fn join(&mut self, turn: &mut Turn<'_>, refer: &Refer, replaces: &Replaces) {
        let Some((consultation, mine)) = self.replaced(turn, refer, replaces) else {
            // Not as the answer to the REFER: a 481 to that would end the call in which it came.
            return self.notify(turn, refer.transferor, 481);
        };
        let Some(call) = self.calls.get(&consultation) else { return };
        let far = match (call.service, call.across(mine)) {
            (Some(service), _) => Transferee::Service(service),
            (None, Some(leg)) => Transferee::Leg(leg),
            (None, None) => return self.notify(turn, refer.transferor, 481),
        };
        if matches!((refer.transferee, far), (Transferee::Service(_), Transferee::Service(_))) {
            return self.notify(turn, refer.transferor, 488);
        }
        let number = if call.caller == Some(mine) { call.to.clone() } else { call.from.clone() };
        let id = self.new_joint_call(turn, refer, &number);
        match (refer.transferee, far) {
            (Transferee::Leg(leg), Transferee::Leg(target)) => {
                self.pair(turn, id, leg, target);
                self.tell_identity(turn, target, leg);
            }
            (Transferee::Leg(leg), Transferee::Service(service))
            | (Transferee::Service(service), Transferee::Leg(leg)) => self.pair_with_service(turn, id, leg, service),
            (Transferee::Service(_), Transferee::Service(_)) => {}
        }
        self.leave(turn, refer);
        self.conclude(turn.now, consultation, 200);
        self.hangup(turn, mine, None);
    }

    /// The transferor's own leg of the call that a Replaces names, if that is a call of the transferor's.
    fn replaced(&self, turn: &Turn<'_>, refer: &Refer, replaces: &Replaces) -> Option<(CallId, LegId)> {
        let owner = &self.legs.get(&refer.transferor)?.extension;
        let Replaces { call_id, to_tag, from_tag, .. } = replaces;
        let find = |local: &str, remote: &str| turn.agent.find_dialog(call_id, local, remote);
        // Some clients (JsSIP) name the tags of a call that they were called in the wrong way round.
        let key = find(to_tag, from_tag).or_else(|| find(from_tag, to_tag))?;
        let named = self.leg_of(key)?;
        let (id, call) = self.call_of(named)?;
        if id == refer.original
            || call.answered.is_none()
            || call.over
            || call.referring.is_some()
            || replaces.early_only
        {
            return None;
        }
        let is_own = |leg: &LegId| self.legs.get(leg).is_some_and(|leg| leg.extension == *owner);
        let mine = Some(named).filter(is_own).or_else(|| call.across(named).filter(is_own))?;
        Some((id, mine))
    }

    /// A call of the transferee's with the target.
    fn new_joint_call(&mut self, turn: &Turn<'_>, refer: &Refer, to: &str) -> CallId {
        let id = CallId(self.new_id());
        let from = match refer.transferee {
            Transferee::Leg(leg) => self.legs.get(&leg).map(|leg| leg.extension.clone()).unwrap_or_default(),
            Transferee::Service(service) => service.number().to_owned(),
        };
        self.tell(PbxEvent::CallStarted { call: id, from: from.clone(), to: to.to_owned() });
        self.calls.insert(id, Call::without_caller(&from, to, turn.now));
        id
    }

    /// Makes two legs one call, whichever they were in.
    fn pair(&mut self, turn: &mut Turn<'_>, id: CallId, caller: LegId, target: LegId) {
        self.move_leg(turn, caller, id, Side::Caller);
        self.move_leg(turn, target, id, Side::Callee);
        if let Some(call) = self.calls.get_mut(&id) {
            call.caller = Some(caller);
            call.callees = vec![target];
            call.winner = Some(target);
        }
        self.set_deadline(id, None);
        self.answered(turn, id);
        self.connect(caller, target);
        for (leg, across) in [(caller, target), (target, caller)] {
            let holds = self.legs.get(&leg).is_some_and(|leg| leg.hold);
            self.media(MediaAction::Watch { leg, on: !holds });
            if holds {
                self.play(across, Sound::Music);
            }
        }
        self.tell_identity(turn, caller, target);
    }

    /// Makes a call of one leg and a service.
    fn pair_with_service(&mut self, turn: &mut Turn<'_>, id: CallId, leg: LegId, service: Service) {
        self.move_leg(turn, leg, id, Side::Caller);
        if let Some(call) = self.calls.get_mut(&id) {
            call.caller = Some(leg);
            call.service = Some(service);
        }
        self.set_deadline(id, None);
        self.answered(turn, id);
        self.media(MediaAction::Unbridge { leg });
        let holds = self.legs.get(&leg).is_some_and(|leg| leg.hold);
        self.media(MediaAction::Watch { leg, on: !holds });
        self.begin_service(turn, id, leg);
    }

    /// Takes a leg out of its call into another, as it is.
    fn move_leg(&mut self, turn: &mut Turn<'_>, leg: LegId, id: CallId, side: Side) {
        if let Some((from, _)) = self.call_of(leg).filter(|(from, _)| *from != id) {
            self.end_recording(turn, from);
        }
        let Some(known) = self.legs.get_mut(&leg) else { return };
        let from = std::mem::replace(&mut known.call, id);
        known.side = side;
        if let Some(call) = self.calls.get_mut(&from) {
            call.callees.retain(|&callee| callee != leg);
            for role in [&mut call.caller, &mut call.early, &mut call.winner] {
                if *role == Some(leg) {
                    *role = None;
                }
            }
        }
        if from != id {
            self.drop_if_empty(from);
        }
    }

    /// The transfer has succeeded: the transferor has nobody to talk to any more.
    fn leave(&mut self, turn: &mut Turn<'_>, refer: &Refer) {
        self.conclude(turn.now, refer.original, 200);
        if let Some(call) = self.calls.get_mut(&refer.original) {
            call.referring = None;
            call.service = None;
        }
        self.notify(turn, refer.transferor, 200);
        self.set_deadline(refer.original, Some((turn.now.saturating_add(LEAVE_MS), Due::Leave)));
    }

    /// Tells a device whom it is connected with now (RFC 3311, RFC 5876).
    fn tell_identity(&self, turn: &mut Turn<'_>, leg: LegId, with: LegId) {
        let Some(key) = self.legs.get(&leg).and_then(|leg| leg.key) else { return };
        let Some(address) = self.legs.get(&with).and_then(|with| self.address_of(&with.extension)) else { return };
        let headers = headers::identity(&address).into_iter().collect();
        let update = Modify { method: ModifyMethod::Update, offer: None, headers };
        crossing("update", turn.agent.modify(turn.now, key, update));
    }

    /// Tells the transferor what becomes of its REFER; later, if it is away.
    fn notify(&mut self, turn: &mut Turn<'_>, leg: LegId, status: u16) {
        let Some(known) = self.legs.get_mut(&leg) else { return };
        let Some(key) = known.key else { return };
        let state = if status < 200 { "active;expires=180" } else { "terminated;reason=noresource" };
        let event = known.refer_id.map_or_else(|| "refer".to_owned(), |id| format!("refer;id={id}"));
        let headers = [("Event", event.as_str()), ("Subscription-State", state)];
        let headers = headers.iter().filter_map(|(name, value)| HeaderField::new(name, value).ok()).collect();
        let body = format!("SIP/2.0 {status} {}\r\n", phrase(status)).into_bytes();
        let body = Some(("message/sipfrag;version=2.0".to_owned(), body));
        match crossing("notify", turn.agent.request(turn.now, key, "NOTIFY", headers, body)) {
            Some(request) => {
                self.notifies.insert(request, (leg, status));
            }
            None => known.owe(status),
        }
    }

    fn drop_if_empty(&mut self, id: CallId) {
        let is_empty = self
            .calls
            .get(&id)
            .is_some_and(|call| call.caller.is_none() && call.callees.is_empty() && call.refer.is_none());
        if is_empty {
            self.set_deadline(id, None);
            self.calls.remove(&id);
        }
    }

    /// Rings the devices of a transfer's target.
    fn ring_for(&mut self, turn: &mut Turn<'_>, id: CallId, transferee: Option<LegId>) {
        let known: Option<&Leg> = transferee.and_then(|leg| self.legs.get(&leg));
        let from = known.and_then(|leg| Some(turn.agent.call(leg.key?)?.connection));
        let codecs = bridge::preference(known.and_then(|leg| leg.offer.as_deref()));
        self.ring_bindings(turn, id, from, &codecs);
    }
}

impl Leg {
    /// What could not be told: the last of it, which is the final status if there is one.
    fn owe(&mut self, status: u16) {
        self.owed = self.owed.max(Some(status));
    }
}

fn cseq(request: &Request) -> Option<u32> {
    request.headers.text("CSeq")?.split_ascii_whitespace().next()?.parse().ok()
}

fn phrase(status: u16) -> &'static str {
    match status {
        100 => "Trying",
        180 => "Ringing",
        183 => "Session Progress",
        200 => "OK",
        403 => "Forbidden",
        404 => "Not Found",
        480 => "Temporarily Unavailable",
        481 => "Call/Transaction Does Not Exist",
        486 => "Busy Here",
        487 => "Request Terminated",
        503 => "Service Unavailable",
        603 => "Decline",
        _ if status < 200 => "Progress",
        _ => "Failed",
    }
}
