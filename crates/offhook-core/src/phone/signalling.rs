//! What the SIP agent gives out: sends the phone's own things on, and hands each call what is its.

use offhook_sip::message::{HeadersExt, Method, Request};
use offhook_sip::{CallKey, Event, HeaderField, NameAddr, Output as SipOutput, Ring, TransactionId};

use super::Phone;
use crate::call_id::CallId;
use crate::config::CallOptions;
use crate::events::PhoneEvent;
use crate::identity::{self, Identity};
use crate::io::{Now, Output};
use crate::session::Session;

/// The methods a phone takes in requests.
const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, UPDATE, INFO, OPTIONS, MESSAGE, REFER, NOTIFY";

impl Phone {
    pub(super) fn on_sip_output(&mut self, now: Now, output: SipOutput) {
        match output {
            SipOutput::Transmit { connection, data } => {
                if self.sip.connection == Some(connection) {
                    self.out.push(Output::Transmit(data));
                }
            }
            SipOutput::Disconnect { connection, reason } => {
                if self.sip.connection == Some(connection) {
                    tracing::warn!(?reason, "the server's connection is given up");
                    self.drop_link();
                }
            }
            SipOutput::Event(event) => self.on_sip_event(now, event),
            SipOutput::Timeout(_) => {}
        }
    }

    fn on_sip_event(&mut self, now: Now, event: Event) {
        match event {
            Event::Registered { .. } => self.on_registered(now),
            Event::Undelivered { bye } => self.keep_farewell(now, bye),
            Event::RegistrationFailed { failure, .. } => self.on_registration_failed(now, failure),
            Event::Unregistered { .. } => self.on_unregistered(now),
            Event::Incoming { call, request, offer, .. } => self.on_incoming(now, call, &request, offer),
            Event::Provisional { call, early, status, answer, response } => {
                self.with_call(now, call, |s, ctx| s.on_provisional(ctx, early, status, answer, &response));
            }
            Event::Accepted { call, early, sdp, response } => {
                self.with_call(now, call, |s, ctx| s.on_accepted(ctx, early, sdp, &response));
            }
            Event::Confirmed { call, answer } => {
                self.with_call(now, call, |s, ctx| s.on_confirmed(ctx, answer));
            }
            Event::Terminated { call, termination } => {
                self.with_call(now, call, |s, ctx| s.on_terminated(ctx, &termination));
            }
            Event::RemoteOffer { call, offer, request, .. } => {
                self.with_call(now, call, |s, ctx| s.on_remote_offer(ctx, offer, &request.method, &request.headers));
            }
            Event::RemoteAnswer { call, answer } => {
                self.with_call(now, call, |s, ctx| s.on_remote_answer(ctx, answer));
            }
            Event::RemoteOfferAbandoned { call } => {
                self.with_call(now, call, |s, ctx| s.on_remote_offer_abandoned(ctx));
            }
            Event::Modified { call, outcome } => {
                self.with_call(now, call, |s, ctx| s.on_modified(ctx, outcome));
            }
            Event::ModifyRetry { call } => {
                self.with_call(now, call, |s, ctx| s.on_modify_retry(ctx));
            }
            Event::RefreshNeeded { call } => {
                self.with_call(now, call, |s, ctx| s.on_refresh_needed(ctx));
            }
            Event::Updated { call, request } => {
                self.with_call(now, call, |s, ctx| s.on_updated(ctx, &request.headers));
            }
            Event::Request { transaction, call, request, .. } => self.on_request(now, transaction, call, &request),
            Event::Response { request, call: Some(call), outcome } => {
                self.with_call(now, call, |s, ctx| s.on_response(ctx, request, &outcome));
            }
            _ => {}
        }
    }

    fn on_incoming(&mut self, now: Now, call: CallKey, request: &Request, offer: Option<String>) {
        let replaced = match self.replaced_by(request) {
            Ok(replaced) => replaced,
            Err(status) => {
                let _ = self.sip.run(|agent| agent.reject(now.mono, call, status, Vec::new()));
                return;
            }
        };
        let full = (self.is_max_call() && replaced.is_none()) || self.link.is_stopping();
        let call_id = request.headers.text("Call-ID").map(CallId::new);
        let (Some(call_id), false) = (call_id.filter(|id| self.session(id).is_none()), full) else {
            // An error means that the caller gave up in this instant.
            let _ = self.sip.run(|agent| agent.reject(now.mono, call, 486, Vec::new()));
            return;
        };
        let from = request.headers.address("From").map(|from: NameAddr| Identity::of(&from));
        let identity = identity::asserted(&request.headers).or(from);
        let identity = identity.unwrap_or(Identity { number: "anonymous".to_owned(), name: None });
        let company = identity::company(&request.headers);
        let no_answer = self.config.no_answer_ms;
        let mut session = Session::inbound(now, call_id.clone(), call, &identity, company, offer, no_answer);
        let told_later = match replaced {
            None => self.look_up_first(now, &mut session, true),
            // It is answered at once.
            Some(ref replaced) => {
                session.want_look_up();
                if let Some(replaced) = self.session(replaced) {
                    session.follow(replaced);
                }
                false
            }
        };
        self.sessions.push(session);
        let ring = Ring { contact: Some(self.sip.contact.clone()), ..Ring::default() };
        let _ = self.sip.run(|agent| agent.ring(now.mono, call, ring));
        if told_later {
            return;
        }
        self.event(PhoneEvent::NewRtcSession { call_id: call_id.clone() });
        match replaced {
            // The user has this call already; only its far end changes (RFC 3891 §3: answered at once).
            Some(replaced) => {
                self.with_session(now, &call_id, |session, ctx| {
                    session.replace(replaced);
                    session.answer(ctx, None, CallOptions::default(), Vec::new());
                });
            }
            None => self.event(PhoneEvent::Incoming { call_id }),
        }
    }

    fn on_request(&mut self, now: Now, transaction: TransactionId, call: Option<CallKey>, request: &Request) {
        let told = call.filter(|_| matches!(request.method, Method::Info | Method::Message));
        let (status, headers) = match (&request.method, call) {
            (Method::Info | Method::Message, Some(_)) => (200, Vec::new()),
            (Method::Refer, Some(call)) => (self.on_refer(now, call, request), Vec::new()),
            (Method::Notify, Some(call)) => {
                let known = self.with_call(now, call, |session, ctx| session.on_notify(ctx, request));
                (if known == Some(true) { 200 } else { 481 }, Vec::new())
            }
            // RFC 6665 §4.1.3: we have no subscription that it could belong to.
            (Method::Notify, None) => (481, Vec::new()),
            _ => (405, HeaderField::new("Allow", ALLOW).into_iter().collect()),
        };
        // An error means that the agent answered it already, its time being over.
        let _ = self.sip.run(|agent| agent.respond(now.mono, transaction, status, headers, None));
        self.dial_referred(now);
        if let Some(call) = told {
            self.with_call(now, call, |session, ctx| match request.method {
                Method::Info => session.on_info(ctx, request),
                _ => session.on_message(ctx, request),
            });
        }
    }
}
