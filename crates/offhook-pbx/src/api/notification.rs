//! What subscribers are told, as it is written: `{type, msg: "<JSON text>"}`.

use serde_json::{Value, json};

use crate::notice::{CallStatus, RecordState};

/// One notification.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Notification {
    /// Its number, which is its topic too.
    pub(crate) topic: u32,
    message: Value,
}

/// Logged in elsewhere.
pub(crate) const ELSEWHERE: u32 = 10000;
/// The extension was deleted.
pub(crate) const DELETED: u32 = 20007;
/// The digits that switch recording.
pub(crate) const RECORD_CODE: u32 = 20008;
/// Log in again.
pub(crate) const RELOGIN: u32 = 20010;
/// Whether desktop clients may log in.
pub(crate) const DESKTOP_CLIENT: u32 = 20013;
/// Whether clients in a browser may log in.
pub(crate) const WEB_CLIENT: u32 = 20015;
/// What the extension may do about recording.
pub(crate) const RECORD_PERMISSIONS: u32 = 20047;
/// What a call is doing.
pub(crate) const CALL_STATUS: u32 = 20048;
/// A call's record was written.
pub(crate) const CDR: u32 = 20049;
/// The licences.
pub(crate) const LICENCES: u32 = 20053;
/// Where STUN is.
pub(crate) const NAT: u32 = 20065;
/// What to register with.
pub(crate) const REGISTER_INFO: u32 = 20066;
/// In mode cn: whether clients may be used.
pub(crate) const INTERNAL_CLIENT: u32 = 20082;
/// Another machine has taken over.
pub(crate) const HOT_STANDBY: u32 = 20104;
/// Whether a second call is taken.
pub(crate) const CALL_WAITING: u32 = 20135;
/// Whether the plan of the SDK is on.
pub(crate) const SDK_PLAN: u32 = 20153;
/// Log in again; since firmware 37.12.0.10.
pub(crate) const SDK_RELOGIN: u32 = 20154;

impl Notification {
    /// With what its message says.
    pub(crate) fn new(topic: u32, message: Value) -> Self {
        Self { topic, message }
    }

    /// 10000.
    pub(crate) fn logged_in_elsewhere(username: &str) -> Self {
        Self::new(ELSEWHERE, json!({ "username": username }))
    }

    /// 20048.
    pub(crate) fn call_status(status: &CallStatus) -> Self {
        let record = match status.record {
            RecordState::Stop => "stop",
            RecordState::Recording => "recording",
            RecordState::Pause => "pause",
        };
        Self::new(
            CALL_STATUS,
            json!({
                "call_feature": if status.is_conference { "conference" } else { "" },
                "caller_origin_number": status.caller,
                "caller_sip_callid": status.caller_sip_call_id,
                "callee_origin_number": status.callee,
                "callee_sip_callid": status.callee_sip_call_id,
                "record_status": record,
            }),
        )
    }

    /// As it is sent.
    pub(crate) fn text(&self) -> String {
        json!({ "type": self.topic, "msg": self.message.to_string() }).to_string()
    }
}

/// 0 or 1, as flags are written.
pub(crate) fn flag(on: bool) -> u8 {
    on.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_json_within_json() {
        let text = Notification::new(RECORD_CODE, json!({ "record_feature_code": "*1" })).text();
        assert_eq!(text, r#"{"msg":"{\"record_feature_code\":\"*1\"}","type":20008}"#);
    }
}
