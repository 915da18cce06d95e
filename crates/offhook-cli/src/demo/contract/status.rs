//! The status.

use offhook::events::SessionEvent;
use offhook::{CallState, CallStatus, CommunicationType, PhoneEvent};

use super::{Expected, Finding, Hold, Recorded};

pub(super) fn check(expected: &Expected, log: &[Recorded]) -> Finding {
    let changes: Vec<(&CallStatus, &CallStatus)> = log
        .iter()
        .filter_map(|recorded| match &recorded.event {
            PhoneEvent::Session(SessionEvent::StatusChange { new_status, old_status, .. }) => {
                Some((&**old_status, &**new_status))
            }
            _ => None,
        })
        .collect();
    let Some((first, _)) = changes.first() else {
        return Err("statusChange never came".to_owned());
    };
    let mut snapshots = vec![*first];
    for (old, new) in &changes {
        if old == new {
            return Err("statusChange came although nothing changed".to_owned());
        }
        if snapshots.last().is_some_and(|last| last != old) {
            return Err("the old status of a statusChange is not the new one of the change before".to_owned());
        }
        snapshots.push(new);
    }
    each(expected, &snapshots)?;

    let outbound = expected.side == CommunicationType::Outbound;
    let states: &[CallState] = if outbound {
        &[CallState::Calling, CallState::Ringing, CallState::Talking]
    } else {
        &[CallState::Connecting, CallState::Talking]
    };
    sequence("callStatus", &snapshots, |s| s.call_status, states)?;
    let held = |by: Hold| if expected.hold == by { &[false, true, false][..] } else { &[false] };
    sequence("isHold", &snapshots, |s| s.is_hold, held(Hold::Local))?;
    sequence("isRemoteHold", &snapshots, |s| s.is_remote_hold, held(Hold::Remote))?;
    let ring: &[bool] = if outbound { &[false] } else { &[true, false] };
    sequence("isRing", &snapshots, |s| s.is_ring, ring)?;
    Ok(format!("{} changes, each with its own snapshots", changes.len()))
}

/// What holds for every snapshot.
fn each(expected: &Expected, snapshots: &[&CallStatus]) -> Result<(), String> {
    for status in snapshots {
        if status.number != expected.peer {
            return Err(format!("number is {:?} instead of {}", status.number, expected.peer));
        }
        if status.communication_type != expected.side {
            return Err(format!("communicationType is {:?}", status.communication_type));
        }
        if status.is_video || status.is_mute || status.is_transfer || status.is_conference {
            return Err("isVideo, isMute, isTransfer or isConference is set".to_owned());
        }
        if status.call_start_time == 0 {
            return Err("callStartTime is not set".to_owned());
        }
    }
    Ok(())
}

/// The values a field took, each change once, are the wanted ones.
fn sequence<T: PartialEq + std::fmt::Debug>(
    name: &str,
    snapshots: &[&CallStatus],
    field: impl Fn(&CallStatus) -> T,
    wanted: &[T],
) -> Result<(), String> {
    let mut seen: Vec<T> = snapshots.iter().map(|s| field(s)).collect();
    seen.dedup();
    if seen == wanted { Ok(()) } else { Err(format!("{name} went through {seen:?} instead of {wanted:?}")) }
}
