//! Session timers (RFC 4028): both ends notice when the other has gone without saying so.

use super::CallTimer;
use crate::agent::{Agent, Fault, Owner, TimerKey, TxId};
use crate::config::SessionTimer;
use crate::event::{CallKey, Event};
use crate::header::HeaderField;
use crate::message::{Headers, HeadersExt as _, Method, Request, Response};

/// A refresh that was refused for a passing reason (491, 500) is tried again after this.
const TRY_AGAIN_MS: u64 = 10_000;

/// The longest interval taken, seconds: above, the timer would not tell anything within a day.
const MAX_INTERVAL_S: u32 = 86_400;

#[derive(Debug)]
pub(super) struct SessionTimerState {
    enabled: bool,
    /// What we ask for, seconds.
    wanted_s: u32,
    /// The largest minimum heard of, ours included, seconds.
    min_se_s: u32,
    /// What was agreed; `None`: no session timer.
    agreed: Option<Agreed>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Agreed {
    interval_s: u32,
    we_refresh: bool,
}

impl SessionTimerState {
    /// With what was agreed in an earlier life: interval in seconds, and whether we refresh.
    pub(super) fn resumed(fresh: Self, agreed: Option<(u32, bool)>) -> Self {
        let agreed = agreed.filter(|_| fresh.enabled).map(|(interval_s, we_refresh)| Agreed {
            interval_s: interval_s.clamp(fresh.min_se_s, MAX_INTERVAL_S),
            we_refresh,
        });
        Self { agreed, ..fresh }
    }

    /// What was agreed: interval in seconds, and whether we refresh.
    pub(super) fn agreed(&self) -> Option<(u32, bool)> {
        self.agreed.map(|agreed| (agreed.interval_s, agreed.we_refresh))
    }

    /// For an INVITE.
    pub(super) fn offer_fields(&self) -> Vec<HeaderField> {
        self.fields(None)
    }

    /// For a re-INVITE or UPDATE: who refreshes stays so (§7.4).
    pub(super) fn refresh_fields(&self) -> Vec<HeaderField> {
        self.fields(self.agreed.map(|agreed| if agreed.we_refresh { "uac" } else { "uas" }))
    }

    fn fields(&self, refresher: Option<&str>) -> Vec<HeaderField> {
        if !self.enabled {
            return Vec::new();
        }
        let interval = self.agreed.map_or(self.wanted_s, |agreed| agreed.interval_s).max(self.min_se_s);
        let refresher = refresher.map(|r| format!(";refresher={r}")).unwrap_or_default();
        [("Session-Expires", format!("{interval}{refresher}")), ("Min-SE", self.min_se_s.to_string())]
            .iter()
            .filter_map(|(name, value)| HeaderField::unreserved(name, value).ok())
            .collect()
    }

    /// 422: their minimum becomes ours. `false` when it says nothing new.
    pub(super) fn raise_minimum(&mut self, headers: &Headers) -> bool {
        match headers.number("Min-SE") {
            Some(minimum) if minimum > self.min_se_s && minimum <= MAX_INTERVAL_S => {
                self.min_se_s = minimum;
                true
            }
            _ => false,
        }
    }

    /// The UAS's part (§9): agrees on interval and refresher, and gives the headers of the 2xx; or refuses with the
    /// minimum for a 422.
    pub(super) fn negotiate(&mut self, headers: &Headers, config: &SessionTimer) -> Result<Vec<HeaderField>, u32> {
        if !self.enabled {
            return Ok(Vec::new());
        }
        let peer_supports = headers.has_token("Supported", "timer") || headers.has_token("Require", "timer");
        let asked = headers.number("Session-Expires");
        let floor = headers.number("Min-SE").unwrap_or(0).clamp(90, MAX_INTERVAL_S);
        self.min_se_s = self.min_se_s.max(floor);
        if let Some(asked) = asked
            && asked < config.min_se_s
            && peer_supports
        {
            return Err(config.min_se_s);
        }
        // Never above what was asked for, never below anybody's minimum.
        let interval_s = asked.unwrap_or(config.expires_s).min(config.expires_s.max(floor)).max(self.min_se_s);
        let peer_refreshes = match refresher(headers) {
            Some("uac") => true,
            Some(_) => false,
            // §9: ours to choose, if they can at all. They asked for the timer, so they refresh it.
            None => peer_supports && asked.is_some(),
        } && peer_supports;
        self.agreed = Some(Agreed { interval_s, we_refresh: !peer_refreshes });
        let who = if peer_refreshes { "uac" } else { "uas" };
        let mut fields = Vec::new();
        fields.extend(HeaderField::unreserved("Session-Expires", &format!("{interval_s};refresher={who}")));
        if peer_refreshes {
            // §9: then the UAC must know that it is to refresh.
            fields.extend(HeaderField::new("Require", "timer"));
        }
        Ok(fields)
    }

    /// The UAC's part (§7.2): takes over what the 2xx says. Without Session-Expires there is no timer.
    fn take_over(&mut self, headers: &Headers) {
        self.agreed = match headers.number("Session-Expires") {
            Some(interval_s) if self.enabled && interval_s > 0 => Some(Agreed {
                interval_s: interval_s.clamp(self.min_se_s.min(90), MAX_INTERVAL_S),
                we_refresh: refresher(headers) != Some("uas"),
            }),
            _ => None,
        };
    }
}

/// Who refreshes, as the header says it.
fn refresher(headers: &Headers) -> Option<&'static str> {
    let text = headers.text("Session-Expires")?.to_ascii_lowercase();
    let value = text.split(';').find_map(|part| part.trim().strip_prefix("refresher=").map(str::to_owned))?;
    match value.trim() {
        "uac" => Some("uac"),
        "uas" => Some("uas"),
        _ => None,
    }
}

impl Agent {
    pub(super) fn new_session(&self) -> SessionTimerState {
        let config = self.config.session_timer;
        SessionTimerState {
            enabled: config.enabled,
            wanted_s: config.expires_s,
            min_se_s: config.min_se_s.max(90),
            agreed: None,
        }
    }

    /// After a 2xx to a request of ours.
    pub(super) fn session_from_answer(&mut self, key: CallKey, headers: &Headers) {
        if let Some(call) = self.calls.get_mut(&key) {
            call.session.take_over(headers);
            self.start_session_timers(key);
        }
    }

    /// The session timer's part of accepting a request of theirs: the headers of the 2xx. `None`: refused with 422.
    pub(super) fn accept_session(&mut self, key: CallKey, tx: TxId, request: &Request) -> Option<Vec<HeaderField>> {
        let config = self.config.session_timer;
        let call = self.calls.get_mut(&key)?;
        match call.session.negotiate(&request.headers, &config) {
            Ok(fields) => Some(fields),
            Err(minimum) => {
                let field = HeaderField::unreserved("Min-SE", &minimum.to_string());
                self.answer(tx, 422, field.ok().as_slice(), None, None);
                None
            }
        }
    }

    /// The interval begins anew.
    pub(super) fn start_session_timers(&mut self, key: CallKey) {
        self.timers.clear(TimerKey::Call(key, CallTimer::Refresh));
        self.timers.clear(TimerKey::Call(key, CallTimer::SessionExpires));
        let Some(agreed) = self.calls.get(&key).and_then(|call| call.session.agreed) else { return };
        let interval = u64::from(agreed.interval_s) * 1_000;
        // §10: the refresher at half the interval; the other gives up a third of it, at most 32 s, before the end.
        let patience = if agreed.we_refresh { interval } else { interval - (interval / 3).min(32_000) };
        self.timers.set(TimerKey::Call(key, CallTimer::SessionExpires), self.now + patience);
        if agreed.we_refresh {
            self.timers.set(TimerKey::Call(key, CallTimer::Refresh), self.now + interval / 2);
        }
    }

    pub(super) fn refresh_session(&mut self, key: CallKey) {
        let again = self.now + TRY_AGAIN_MS;
        let Some(call) = self.calls.get(&key) else { return };
        let busy = call.local_modify.is_some() || call.remote_modify.is_some() || !self.is_up(call.connection);
        if busy || call.state != super::CallState::Established {
            // Whatever is going on refreshes the session by itself, or fails; if not, there is time for another try.
            self.timers.set(TimerKey::Call(key, CallTimer::Refresh), again);
            return;
        }
        if !call.allows_update {
            self.timers.set(TimerKey::Call(key, CallTimer::Refresh), again);
            return self.event(Event::RefreshNeeded { call: key });
        }
        let mut fields = call.session.refresh_fields();
        fields.extend(self.capabilities());
        if self.send_in_dialog(key, Method::Update, &fields, None, Owner::Refresh(key)).is_err() {
            self.timers.set(TimerKey::Call(key, CallTimer::Refresh), again);
        }
    }

    pub(crate) fn refresh_response(&mut self, key: CallKey, response: Response) {
        let again = self.now + TRY_AGAIN_MS;
        let Some(call) = self.calls.get_mut(&key) else { return };
        match response.status.code() {
            100..=199 => {}
            200..=299 => {
                call.dialog.retarget(&response.headers);
                self.session_from_answer(key, &response.headers);
            }
            422 if call.session.raise_minimum(&response.headers) => self.refresh_session(key),
            status @ (408 | 481) => self.dialog_gone(key, status),
            405 | 501 => {
                call.allows_update = false;
                self.refresh_session(key);
            }
            _ => self.timers.set(TimerKey::Call(key, CallTimer::Refresh), again),
        }
    }

    pub(crate) fn refresh_fault(&mut self, key: CallKey, fault: Fault) {
        match fault {
            Fault::Timeout => self.dialog_gone(key, 408),
            Fault::ConnectionLost => {
                let again = self.now + TRY_AGAIN_MS;
                if self.calls.contains_key(&key) {
                    self.timers.set(TimerKey::Call(key, CallTimer::Refresh), again);
                }
            }
        }
    }
}
