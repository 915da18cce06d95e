//! REFER (RFC 3515, RFC 5589): a device has the other side of its call connected elsewhere. The feature code of a blind
//! transfer does the same, without anything to notify: the transferor hears how it goes.
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
use offhook_sip::{CallKey, HeaderField, Millis, ReferTo, Replaces, RequestId, RequestOutcome, TransactionId};

use super::call::{Due, Hosted, Leg};
use super::replace::NOT_THERE;
use super::{Switch, Turn, crossing};
use crate::events::CallId;
use crate::media::{LegId, Sound};
use crate::service::Service;

/// A transferor that was told of the success hangs up in so long, or is hung up.
const LEAVE_MS: Millis = 5_000;

/// Why a service is not transferred to another, as whoever wanted it is told.
const NOBODY: &str = "Two services cannot be joined";

/// What a call was made for: a REFER.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refer {
    /// The call in which the REFER came.
    original: CallId,
    /// Who sent it.
    transferor: LegId,
    /// Who waits for the target.
    transferee: Transferee,
    /// It was a feature code.
    by_code: bool,
}

/// Who waits for the target of a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transferee {
    Leg(LegId),
    /// What of the PBX answers.
    Hosted(Hosted),
}

impl Refer {
    /// By a feature code.
    pub(super) fn by_code(original: CallId, transferor: LegId, transferee: LegId) -> Self {
        Self { original, transferor, transferee: Transferee::Leg(transferee), by_code: true }
    }

    pub(super) fn original(&self) -> CallId {
        self.original
    }

    pub(super) fn transferee(&self) -> Transferee {
        self.transferee
    }
}

impl Switch {
    /// A REFER in a call: of who is in it, which `elsewhere` has made sure of.
    pub(super) fn refer(&mut self, turn: &mut Turn<'_>, transaction: TransactionId, key: CallKey, request: &Request) {
        let respond = |turn: &mut Turn<'_>, status| {
            crossing("respond", turn.agent.respond(turn.now, transaction, status, Vec::new(), None));
        };
        let Some(transferor) = self.leg_of(key) else { return respond(turn, 481) };
        let Some((original, call)) = self.call_of(transferor) else { return respond(turn, 481) };
        let transferee = match (call.hosted, call.across(transferor)) {
            // Whoever came in its place would hear the messages, or leave one.
            (Some(Hosted::Deposit | Hosted::Mailbox), _) => return respond(turn, 403),
            (Some(hosted), _) => Some(Transferee::Hosted(hosted)),
            (None, across) => across.map(Transferee::Leg),
        };
        let is_free = call.is_free();
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
        let refer = Refer { original, transferor, transferee, by_code: false };
        match refer_to.replaces {
            Some(replaces) => self.join(turn, &refer, &replaces),
            None => self.place(turn, refer, &number),
        }
    }

    /// A transfer's target rings: the transferor is told, once for each status.
    pub(super) fn target_rings(&mut self, turn: &mut Turn<'_>, id: CallId, status: u16) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let Some((transferor, by_code)) = call.refer.as_ref().map(|refer| (refer.transferor, refer.by_code)) else {
            return;
        };
        if std::mem::replace(&mut call.relayed, status) == status {
            return;
        }
        if by_code { self.play(transferor, Sound::Ringback) } else { self.notify(turn, transferor, status) }
    }

    /// The feature code of a blind transfer: `across` goes to the number.
    pub(super) fn transfer_blind(
        &mut self,
        turn: &mut Turn<'_>,
        original: CallId,
        transferor: LegId,
        across: LegId,
        number: &str,
    ) {
        self.place(turn, Refer::by_code(original, transferor, across), number);
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
            Transferee::Hosted(hosted) => self.pair_with_hosted(turn, id, target, hosted),
        }
        self.leave(turn, &refer);
    }

    /// Nothing comes of a transfer: the call in which it was wanted goes on.
    pub(super) fn transfer_failed(&mut self, turn: &mut Turn<'_>, id: CallId, status: u16) {
        self.transfer_failed_as(turn, id, status, phrase(status));
    }

    fn transfer_failed_as(&mut self, turn: &mut Turn<'_>, id: CallId, status: u16, words: &str) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let Some(refer) = call.refer.take() else { return };
        let callees = call.callees.clone();
        // First: with the last leg that was not called yet the call is gone.
        self.conclude(turn.now, id, status);
        for callee in callees {
            self.hangup(turn, callee, Some((487, "Not transferred")));
        }
        self.drop_if_empty(id);
        if let Some(original) = self.calls.get_mut(&refer.original) {
            original.referring = None;
        }
        self.report_failure_as(turn, &refer, status, words);
        let Transferee::Leg(transferee) = refer.transferee else { return };
        if !self.legs.contains_key(&refer.transferor) {
            self.hangup(turn, transferee, Some((status, "Not transferred")));
        }
    }

    /// Tells the transferor; both sides of the original call hear each other again.
    fn report_failure(&mut self, turn: &mut Turn<'_>, refer: &Refer, status: u16) {
        self.report_failure_as(turn, refer, status, phrase(status));
    }

    fn report_failure_as(&mut self, turn: &mut Turn<'_>, refer: &Refer, status: u16, words: &str) {
        if refer.by_code {
            return self.code_failed(refer.original, refer.transferor);
        }
        self.notify_as(turn, refer.transferor, status, words);
        self.restore(refer.original);
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
    pub(super) fn notified(&mut self, turn: &mut Turn<'_>, request: RequestId, outcome: &RequestOutcome) {
        let Some((leg, refer_id, status)) = self.notifies.remove(&request) else { return };
        // Nothing follows the outcome, or a later REFER (RFC 6665 §4.4.1).
        let is_news = status >= 200 || self.is_transferring(leg);
        if matches!(outcome, RequestOutcome::ConnectionLost)
            && let Some(known) = self.legs.get_mut(&leg).filter(|leg| is_news && leg.refer_id == refer_id)
        {
            known.owe(status);
            // Its receiver may be back before the loss is noticed.
            self.notify_owed(turn, leg);
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
        let Some(route) = self.route(number) else { return self.report_failure(turn, &refer, 404) };
        let transferor = self.legs.get(&refer.transferor).map(|leg| leg.extension.clone()).unwrap_or_default();
        if !self.has_room_for_a_call(&transferor) {
            return self.report_failure(turn, &refer, 503);
        }
        let (original, transferee) = (refer.original, refer.transferee);
        let id = self.new_referred_call(turn, &refer, number);
        if let Some(call) = self.calls.get_mut(&id) {
            call.refer = Some(refer);
        }
        if let Some(original) = self.calls.get_mut(&original) {
            original.referring = Some(id);
        }
        if let Transferee::Leg(leg) = transferee {
            self.play(leg, Sound::Music);
        }
        self.lead(turn, id, route);
    }

    fn new_referred_call(&mut self, turn: &Turn<'_>, refer: &Refer, to: &str) -> CallId {
        match refer.transferee {
            Transferee::Leg(leg) => self.new_joint_call(turn, leg, to),
            Transferee::Hosted(hosted) => {
                let number = self.number_of(hosted);
                self.new_call_without_caller(turn, &number, to)
            }
        }
    }

    /// Who has a target called, as it is told (RFC 3892).
    pub(super) fn referred_by(&self, refer: &Refer) -> Option<HeaderField> {
        let address = self.address_of(&self.legs.get(&refer.transferor)?.extension)?;
        HeaderField::new("Referred-By", &address.to_string()).ok()
    }

    /// The leg that the PBX rings for, in a call that has or will have this.
    pub(super) fn waits_for(&self, id: CallId) -> Option<LegId> {
        let call = self.calls.get(&id)?;
        match call.refer.as_ref().map(|refer| refer.transferee) {
            Some(Transferee::Leg(leg)) => Some(leg),
            Some(Transferee::Hosted(_)) => None,
            None => call.caller,
        }
    }

    /// A transfer to a number that the PBX answers itself.
    pub(super) fn refer_to_hosted(&mut self, turn: &mut Turn<'_>, id: CallId, hosted: Hosted) {
        let Some(Transferee::Leg(leg)) =
            self.calls.get(&id).and_then(|call| call.refer.as_ref()).map(Refer::transferee)
        else {
            return self.transfer_failed_as(turn, id, 488, NOBODY);
        };
        let until = |ms: Millis| turn.now.saturating_add(ms);
        let (after, status) = match hosted {
            Hosted::Room(room) if !self.has_seat(room) => return self.transfer_failed(turn, id, 486),
            Hosted::Service(Service::Busy) => return self.transfer_failed(turn, id, 486),
            Hosted::Service(Service::Forbidden) => return self.transfer_failed(turn, id, 403),
            Hosted::Service(Service::Unavailable) => return self.transfer_failed(turn, id, 503),
            Hosted::Service(Service::RingsForever) => (until(self.no_answer_ms), 480),
            Hosted::Service(Service::NoAnswer) => (until(super::service::SHORT_RING_MS), 480),
            Hosted::Service(Service::EarlyMedia) => (until(super::service::PLAY_MS), 603),
            Hosted::Service(Service::Echo | Service::Tone | Service::Music)
            | Hosted::Room(_)
            | Hosted::Deposit
            | Hosted::Mailbox => {
                let Some(refer) = self.calls.get_mut(&id).and_then(|call| call.refer.take()) else { return };
                self.pair_with_hosted(turn, id, leg, hosted);
                return self.leave(turn, &refer);
            }
        };
        self.target_rings(turn, id, 180);
        self.set_deadline(id, Some((after, Due::Refuse(status))));
    }

    /// An attended transfer: connects the far ends of the transferor's two calls.
    fn join(&mut self, turn: &mut Turn<'_>, refer: &Refer, replaces: &Replaces) {
        let (consultation, mine) = match self.replaced(turn, refer, replaces) {
            Ok(replaced) => replaced,
            // Not as the answer to the REFER: a 481 to that would end the call in which it came.
            Err(status) => return self.notify(turn, refer.transferor, status),
        };
        let Some(call) = self.calls.get(&consultation) else { return };
        let far = match (call.hosted, call.across(mine)) {
            (Some(hosted), _) => Transferee::Hosted(hosted),
            (None, Some(leg)) => Transferee::Leg(leg),
            (None, None) => return self.notify(turn, refer.transferor, 481),
        };
        let is_nobody = matches!((refer.transferee, far), (Transferee::Hosted(_), Transferee::Hosted(_)));
        if is_nobody {
            return self.notify_as(turn, refer.transferor, 488, NOBODY);
        }
        if matches!(far, Transferee::Hosted(Hosted::Deposit | Hosted::Mailbox)) {
            return self.notify_as(turn, refer.transferor, 488, "A mailbox is heard by its own extension only");
        }
        let number = if call.caller == Some(mine) { call.to.clone() } else { call.from.clone() };
        let id = self.new_referred_call(turn, refer, &number);
        match (refer.transferee, far) {
            (Transferee::Leg(leg), Transferee::Leg(target)) => {
                self.pair(turn, id, leg, target);
                self.tell_identity(turn, target, leg);
            }
            (Transferee::Leg(leg), Transferee::Hosted(hosted)) | (Transferee::Hosted(hosted), Transferee::Leg(leg)) => {
                self.pair_with_hosted(turn, id, leg, hosted)
            }
            (Transferee::Hosted(_), Transferee::Hosted(_)) => {}
        }
        self.leave(turn, refer);
        self.conclude(turn.now, consultation, 200);
        self.hangup(turn, mine, None);
    }

    /// The transferor's own leg of the call that a Replaces names, if that is a call of the transferor's.
    fn replaced(&self, turn: &Turn<'_>, refer: &Refer, replaces: &Replaces) -> Result<(CallId, LegId), u16> {
        let transferor = self.legs.get(&refer.transferor).ok_or(NOT_THERE)?;
        let (id, mine) = self.own_leg_of(turn, replaces, &transferor.extension)?;
        if id == refer.original { Err(NOT_THERE) } else { Ok((id, mine)) }
    }

    /// The transfer has succeeded: the transferor has nobody to talk to any more.
    pub(super) fn leave(&mut self, turn: &mut Turn<'_>, refer: &Refer) {
        self.leave_room(refer.transferor);
        self.conclude(turn.now, refer.original, 200);
        if let Some(call) = self.calls.get_mut(&refer.original) {
            call.referring = None;
            call.hosted = None;
        }
        if refer.by_code {
            return self.hangup(turn, refer.transferor, Some((200, "Call transferred")));
        }
        self.notify(turn, refer.transferor, 200);
        self.set_deadline(refer.original, Some((turn.now.saturating_add(LEAVE_MS), Due::Leave)));
    }

    /// Tells the transferor what becomes of its REFER; later, if it is away.
    fn notify(&mut self, turn: &mut Turn<'_>, leg: LegId, status: u16) {
        self.notify_as(turn, leg, status, phrase(status));
    }

    fn notify_as(&mut self, turn: &mut Turn<'_>, leg: LegId, status: u16, words: &str) {
        let Some(known) = self.legs.get_mut(&leg) else { return };
        let Some(key) = known.key else { return };
        let state = if status < 200 { "active;expires=180" } else { "terminated;reason=noresource" };
        let event = known.refer_id.map_or_else(|| "refer".to_owned(), |id| format!("refer;id={id}"));
        let headers = [("Event", event.as_str()), ("Subscription-State", state)];
        let headers = headers.iter().filter_map(|(name, value)| HeaderField::new(name, value).ok()).collect();
        let body = format!("SIP/2.0 {status} {words}\r\n").into_bytes();
        let body = Some(("message/sipfrag;version=2.0".to_owned(), body));
        match crossing("notify", turn.agent.request(turn.now, key, "NOTIFY", headers, body)) {
            Some(request) => {
                self.notifies.insert(request, (leg, known.refer_id, status));
            }
            None => known.owe(status),
        }
    }
}

impl Leg {
    /// What could not be told: the last of it, which is the final status if there is one.
    fn owe(&mut self, status: u16) {
        self.owed = self.owed.max(Some(status));
    }
}

pub(super) fn cseq(request: &Request) -> Option<u32> {
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
        488 => "Not Acceptable Here",
        503 => "Service Unavailable",
        603 => "Decline",
        _ if status < 200 => "Progress",
        _ => "Failed",
    }
}
