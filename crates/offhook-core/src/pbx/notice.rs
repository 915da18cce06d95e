//! Notifications of the subscription, read.

use super::event::CdrChange;
use super::json::{self, Value};
use super::product::Product;
use super::settings::{RegisterInfo, Services, record_permissions};
use crate::recording::RecordPermissions;
use crate::status::RecordStatus;

/// Subscribed to on every firmware.
const TOPICS: [u32; 15] = [
    10_000, 20_007, 20_008, 20_010, 20_013, 20_015, 20_047, 20_048, 20_049, 20_053, 20_065, 20_066, 20_082, 20_104,
    20_135,
];
/// And from this firmware on.
const LATER_TOPICS: [u32; 2] = [20_153, 20_154];
const LATER_FIRMWARE: [u32; 4] = [37, 12, 0, 10];

/// What to subscribe to.
pub(crate) fn topics(product: &Product) -> Vec<u32> {
    let later = if product.is_at_least(LATER_FIRMWARE) { &LATER_TOPICS[..] } else { &[] };
    TOPICS.iter().chain(later).copied().collect()
}

/// What the PBX tells.
#[derive(Debug)]
pub(crate) enum Notice {
    /// The subscription is to be made again (errcode −3, or 20104).
    SubscribeAgain,
    /// Somebody logged in.
    LoggedIn {
        username: String,
    },
    /// The extension of this number is deleted; `None`: ours.
    ExtensionDeleted {
        number: Option<String>,
    },
    RecordCode(String),
    /// The token is no longer good.
    LogInAgain,
    DesktopClient(bool),
    WebClient(bool),
    InternalClient(bool),
    RecordPermissions(RecordPermissions),
    CallStatus(CallStatus),
    CdrChange(CdrChange),
    Services(Services),
    /// What `getpersonalglobal` said of STUN is another.
    Stun(Value),
    RegisterInfo(RegisterInfo),
    CallWaiting(bool),
    SdkPlan(bool),
}

/// What a call is doing, told of both its legs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CallStatus {
    pub(crate) caller_call_id: String,
    pub(crate) callee_call_id: String,
    pub(crate) conference: bool,
    /// `None`: it says nothing of recording.
    pub(crate) record: Option<RecordStatus>,
}

impl Notice {
    /// `None`: nothing for us. The error says what is wrong with it.
    pub(crate) fn read(message: &Value) -> Result<Option<Self>, &'static str> {
        match json::number(message, "errcode") {
            None | Some(0) => {}
            Some(-3) => return Ok(Some(Self::SubscribeAgain)),
            Some(-2) => return Ok(None),
            Some(_) => return Err("it has an errcode that is not known"),
        }
        let Some(kind) = json::number(message, "type") else {
            // The answer to a subscription has no type.
            return if message.get("errcode").is_some() { Ok(None) } else { Err("it has no type") };
        };
        let parsed;
        let msg = match message.get("msg") {
            Some(Value::String(text)) => {
                parsed = Value::parse(text).unwrap_or_default();
                &parsed
            }
            Some(other) => other,
            None => &Value::Null,
        };
        Self::of(kind, msg).ok_or("its msg lacks what its type needs")
    }

    /// `None`: what the type needs is missing.
    fn of(kind: i64, msg: &Value) -> Option<Option<Self>> {
        let flag = |name| json::flag(msg, name);
        Some(Some(match kind {
            10_000 => Self::LoggedIn { username: json::filled(msg, "username")? },
            20_007 => {
                Self::ExtensionDeleted { number: json::filled(msg, "ext_num").or_else(|| json::filled(msg, "number")) }
            }
            20_008 => {
                let code = json::filled(msg, "record_feature_code")?;
                Self::RecordCode(crate::tones::parse(&code).ok()?)
            }
            20_010 | 20_154 => Self::LogInAgain,
            20_013 => Self::DesktopClient(flag("enb_desktop_client")?),
            20_015 => Self::WebClient(flag("enb_web_client")?),
            20_047 => Self::RecordPermissions(record_permissions(msg)?),
            20_048 => Self::CallStatus(CallStatus::read(msg)?),
            20_049 => Self::CdrChange(cdr_change(msg)?),
            20_053 => Self::Services(Services::read(msg)?),
            20_065 if msg.is_object() => Self::Stun(msg.clone()),
            20_065 => return None,
            20_066 => Self::RegisterInfo(RegisterInfo::read(msg, ["reg_name", "reg_password"])?),
            20_082 => Self::InternalClient(flag("enb_internal_client")?),
            20_104 => Self::SubscribeAgain,
            20_135 => Self::CallWaiting(flag("enb_call_waiting")?),
            20_153 => Self::SdkPlan(flag("enable")?),
            _ => return Some(None),
        }))
    }
}

impl CallStatus {
    fn read(msg: &Value) -> Option<Self> {
        let call_id = |name| json::text(msg, name).unwrap_or_default();
        let (caller_call_id, callee_call_id) = (call_id("caller_sip_callid"), call_id("callee_sip_callid"));
        if caller_call_id.is_empty() && callee_call_id.is_empty() {
            return None;
        }
        let conference = json::text(msg, "call_feature").is_some_and(|feature| feature == "conference");
        let record = match json::text(msg, "record_status").unwrap_or_default().to_ascii_lowercase().as_str() {
            "recording" | "record" | "start" | "resume" | "on" | "1" => Some(RecordStatus::Recording),
            "pause" | "paused" | "2" => Some(RecordStatus::Pause),
            "stop" | "stopped" | "off" | "none" | "0" => Some(RecordStatus::Stop),
            _ => None,
        };
        Some(Self { caller_call_id, callee_call_id, conference, record })
    }
}

fn cdr_change(msg: &Value) -> Option<CdrChange> {
    let parsed;
    let cdr = match msg.get("personal_cdr")? {
        Value::String(text) => {
            parsed = Value::parse(text)?;
            &parsed
        }
        other => other,
    };
    cdr.is_object().then(|| CdrChange {
        ext_num: json::text(msg, "ext_num").unwrap_or_default(),
        date: json::text(cdr, "date").unwrap_or_default(),
        time: json::text(cdr, "time").unwrap_or_default(),
        timestamp: json::number(cdr, "timestamp").unwrap_or(0),
        number: json::text(cdr, "number").unwrap_or_default(),
        talk_duration: json::unsigned(cdr, "talk_duration").unwrap_or(0),
    })
}
