//! The phone's PBX: its commands, and what its answers and notifications do to the phone.

use offhook_sip::Credentials;

use super::Phone;
use crate::call_id::CallId;
use crate::events::PhoneEvent;
use crate::io::{CommandId, Input, Now, Output};
use crate::pbx::{CallStatusNotice, CdrQuery, Contact, Effect, LoggedIn, PbxError, PbxEvent, PbxOperator};
use crate::recording::RecordMethod;
use crate::session::{LOOK_UP_MS, Session};

impl Phone {
    /// The phone of a PBX that took us in, not started. Its subscription is opened with the first outputs: poll them.
    #[must_use]
    pub fn with_pbx(logged_in: LoggedIn) -> Self {
        let mut phone = Self::new(logged_in.config().clone());
        phone.waiting_offered = logged_in.personal.call_waiting;
        phone.out.keep_for_pbx();
        let seed = phone.random.seed();
        phone.pbx = Some(Box::new(PbxOperator::new(logged_in, seed, &mut phone.out)));
        phone.stirred = true;
        phone
    }

    /// Its PBX, if it has one.
    #[must_use]
    pub fn pbx(&self) -> Option<&PbxOperator> {
        self.pbx.as_deref()
    }

    /// Whether the PBX's plan includes video.
    #[must_use]
    pub fn video_plan(&self) -> bool {
        self.pbx.as_ref().is_some_and(|pbx| pbx.logged_in.services.video)
    }

    /// Asks the PBX for a page of the list of calls. Ended by exactly one [`Output::Cdr`], in at most 10 s.
    ///
    /// # Errors
    /// [`PbxError::InvalidQuery`], also when 16 queries wait already; [`PbxError::Destroyed`] after the end, and of a
    /// phone without a PBX. Later: [`PbxError::Network`], [`PbxError::Api`], [`PbxError::Destroyed`].
    pub fn cdr_query(&mut self, now: Now, query: CdrQuery) -> Result<CommandId, PbxError> {
        query.check()?;
        let command = self.command();
        let pbx = self.pbx.as_mut().ok_or(PbxError::Destroyed)?;
        pbx.cdr_query(now.mono, command, query, &mut self.out)?;
        self.settle_down(now);
        Ok(command)
    }

    /// Ends the calls, unregisters, logs out of the PBX and closes the subscription, in at most 10 s. Settled when that is
    /// done; [`PbxEvent::Destroyed`] comes before it. Of a phone without a PBX: as [`disconnect`](Self::disconnect).
    pub fn logout(&mut self, now: Now) -> CommandId {
        if self.pbx.is_none() {
            return self.disconnect(now);
        }
        let command = self.command();
        self.leave(now, None);
        if !self.pbx.as_mut().is_some_and(|pbx| pbx.wait_for_end(command)) {
            self.out.settle(command, Ok(()));
        }
        self.settle_down(now);
        command
    }

    /// Puts a line of the driver into the log that goes to the PBX (at most 500 characters are kept). Nothing happens
    /// without a PBX, or when its log is off.
    pub fn note(&mut self, now: Now, line: &str) {
        if let Some(pbx) = &mut self.pbx {
            pbx.note(now, line);
            self.settle_down(now);
        }
    }

    // --- inside ---

    pub(super) fn on_pbx_input(&mut self, now: Now, input: Input) {
        let Some(pbx) = &mut self.pbx else { return };
        match input {
            Input::Http { id, result } => pbx.on_http(now.mono, id, result, &mut self.out),
            Input::Subscription(input) => pbx.on_subscription(now, input, &mut self.out),
            _ => {}
        }
    }

    /// The next thing that the PBX wants of the phone is done; `false`: there is none.
    pub(super) fn next_effect(&mut self, now: Now) -> bool {
        let Some(effect) = self.pbx.as_mut().and_then(|pbx| pbx.effects.pop_front()) else { return false };
        match effect {
            Effect::Fatal(error) => self.leave(now, Some(&error)),
            Effect::RecordCode(code) => {
                // Who records otherwise does so by the program's own word.
                if let RecordMethod::FeatureCode(known) = &mut self.config.record {
                    *known = code;
                }
            }
            Effect::IceServers(servers) => self.config.ice_servers = servers,
            Effect::RecordPermissions(permissions) => self.change_record_permissions(permissions),
            Effect::CallWaiting(offered) => self.waiting_offered = offered,
            Effect::VideoPlan(video_plan) => self.event(PhoneEvent::VideoPlanChange { video_plan }),
            Effect::Register(credentials) => self.on_new_credentials(now, credentials),
            Effect::Fetched(result) => self.on_register_info(now, result),
            Effect::CallStatus(status) => self.on_call_status(now, &status),
            Effect::Found { number, contact } => self.on_found(now, &number, &contact),
            Effect::Cdr { command, result } => self.out.push(Output::Cdr { command, result }),
        }
        true
    }

    /// Hands the PBX what the calls have for it, and goes on with its end. `true`: there is more to work off.
    pub(super) fn settle_pbx(&mut self, now: Now) -> bool {
        let Some(pbx) = &mut self.pbx else { return false };
        let (reports, lines) = self.out.take_for_pbx();
        for report in reports {
            pbx.report(&report);
        }
        for line in lines {
            pbx.note(now, &line);
        }
        pbx.upload(now.mono, &mut self.out);
        if !pbx.is_destroyed() {
            return false;
        }
        self.stop_if_idle(now);
        let calls = !self.sessions.is_empty();
        let Some(pbx) = &mut self.pbx else { return false };
        if let Some(commands) = pbx.go_on_leaving(now.mono, calls, &mut self.out) {
            self.out.push(Output::Pbx(PbxEvent::Destroyed));
            for command in commands {
                self.out.settle(command, Ok(()));
            }
        }
        !self.out.own_results.is_empty() || !self.sip.is_worked_off()
    }

    /// Asks who the far ends are whose number is new.
    pub(super) fn look_up_new_numbers(&mut self, now: Now) {
        if self.pbx.is_none() {
            return;
        }
        let wanting = self.sessions.iter_mut().filter(|session| !session.is_finished());
        let wanting: Vec<(CallId, String)> = wanting
            .filter_map(|session| {
                let wanted = session.take_wanted_look_up();
                wanted.then(|| (session.call_id().clone(), session.status().number.clone()))
            })
            .collect();
        for (call_id, number) in wanting {
            let Some((contact, avatar)) = self.contact(now, &number) else { return };
            self.with_session(now, &call_id, |session, ctx| session.on_contact(ctx, &contact, avatar));
        }
    }

    /// Looks the far end of a call up that nobody was told of yet: what is known is in its status; for the rest, the
    /// INVITE waits a moment, or the telling of it (`true` is returned then).
    pub(super) fn look_up_first(&mut self, now: Now, session: &mut Session, inbound: bool) -> bool {
        let Some((contact, avatar)) = self.contact(now, &session.status().number.clone()) else { return false };
        session.know(&contact, avatar);
        if !contact.complete {
            session.await_look_up(now.mono + LOOK_UP_MS, inbound);
        }
        inbound && !contact.complete
    }

    fn contact(&mut self, now: Now, number: &str) -> Option<(Contact, Option<String>)> {
        let pbx = self.pbx.as_mut()?;
        let contact = pbx.look_up(now.mono, number, &mut self.out);
        let avatar = contact.photo.as_ref().map(|photo| pbx.photo_url(photo));
        Some((contact, avatar))
    }

    fn on_found(&mut self, now: Now, number: &str, contact: &Contact) {
        let Some(pbx) = &self.pbx else { return };
        let avatar = contact.photo.as_ref().map(|photo| pbx.photo_url(photo));
        for call_id in self.call_ids(|session| session.status().number == number) {
            self.with_session(now, &call_id, |session, ctx| session.on_contact(ctx, contact, avatar.clone()));
        }
    }

    fn on_call_status(&mut self, now: Now, status: &CallStatusNotice) {
        let ours = |session: &Session| {
            let call_id = session.call_id().as_str();
            call_id == status.caller_call_id || call_id == status.callee_call_id
        };
        for call_id in self.call_ids(ours) {
            self.with_session(now, &call_id, |session, ctx| {
                session.set_conference_at_server(ctx.out, status.conference);
                if let Some(record) = status.record {
                    session.on_record_status(ctx, record);
                }
            });
        }
    }

    fn on_register_info(&mut self, now: Now, result: Result<Credentials, PbxError>) {
        match result {
            Ok(credentials) => self.register_once_more(now, credentials),
            Err(error) => self.register_info_failed(now, &error),
        }
    }

    /// Begins to end phone and operator, the error told first.
    fn leave(&mut self, now: Now, error: Option<&PbxError>) {
        let Some(pbx) = self.pbx.as_mut().filter(|pbx| !pbx.is_destroyed()) else { return };
        if let Some(error) = error {
            pbx.note(now, &format!("runtimeError {} {error}", error.code()));
            self.out.push(Output::Pbx(PbxEvent::RuntimeError { code: error.code(), message: error.to_string() }));
        }
        let disconnect = self.out.own_command();
        self.stop(now, disconnect);
        if let Some(pbx) = &mut self.pbx {
            pbx.leave(now.mono, disconnect);
        }
    }
}
