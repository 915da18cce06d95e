//! Which status one side gets for what happened on the other.

use offhook_sip::message::HeadersExt as _;
use offhook_sip::{HeaderField, Termination, TerminationKind};

/// Header fields of a refusal that mean the same to the caller.
const CARRIED: [&str; 2] = ["Reason", "Retry-After"];

/// Why a callee did not answer, as the caller is told.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Failure {
    pub(super) status: u16,
    pub(super) headers: Vec<HeaderField>,
}

impl Failure {
    pub(super) fn of(status: u16) -> Self {
        Self { status, headers: Vec::new() }
    }

    pub(super) fn from_termination(termination: &Termination) -> Self {
        let status = match (termination.kind, termination.status) {
            (TerminationKind::Rejected, Some(status)) => for_caller(status),
            // Not reached, not answered, or not to be reached by us.
            _ => 480,
        };
        let headers = termination.response.as_ref().map(|response| {
            let field = |name: &str| HeaderField::new(name, &response.headers.text(name)?).ok();
            CARRIED.iter().filter_map(|name| field(name)).collect()
        });
        Self { status, headers: headers.unwrap_or_default() }
    }

    /// The one that the caller is told, of several devices' (in the spirit of RFC 3261 §16.7 step 6): what the user decided
    /// wins over what a device could not do.
    pub(super) fn best(failures: &[Self]) -> Self {
        let rank = |failure: &&Self| match failure.status {
            600.. => 0,
            486 => 1,
            480 => 4,
            500.. => 3,
            _ => 2,
        };
        failures.iter().min_by_key(rank).cloned().unwrap_or_else(|| Self::of(480))
    }
}

/// A device's refusal as the caller gets it.
fn for_caller(status: u16) -> u16 {
    match status {
        // Redirections are not followed, and credentials or a dialog are the PBX's matter, not the caller's.
        300..=399 | 401 | 407 | 408 | 481 | 487 => 480,
        // §16.7: a 503 would keep the caller from calling anybody.
        503 => 500,
        400..=699 => status,
        _ => 500,
    }
}

/// What a Reason header for the other side says, when a leg has ended.
pub(super) fn reason(termination: &Termination) -> Option<(u16, String)> {
    let default = match termination.kind {
        TerminationKind::Bye | TerminationKind::Canceled | TerminationKind::Rejected => None,
        TerminationKind::NoAck => Some((408, "No ACK")),
        TerminationKind::SessionExpired => Some((408, "Session expired")),
        TerminationKind::ConnectionLost => Some((480, "Connection lost")),
        TerminationKind::Expired | TerminationKind::NoAnswer => Some((487, "Expired")),
        _ => Some((500, "Dialog error")),
    };
    match (termination.status, &termination.reason) {
        (Some(status), text) => Some((status, text.clone().unwrap_or_default())),
        (None, _) => default.map(|(status, text)| (status, text.to_owned())),
    }
}

/// The status that says how a call ended.
pub(super) fn outcome(termination: &Termination) -> u16 {
    let default = match termination.kind {
        TerminationKind::Bye => 200,
        TerminationKind::Canceled | TerminationKind::Expired => 487,
        TerminationKind::NoAck | TerminationKind::SessionExpired | TerminationKind::RequestTimeout => 408,
        TerminationKind::NoAnswer | TerminationKind::ConnectionLost => 480,
        _ => 500,
    };
    termination.status.unwrap_or(default)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn best(statuses: &[u16]) -> u16 {
        let failures: Vec<Failure> = statuses.iter().map(|&status| Failure::of(status)).collect();
        Failure::best(&failures).status
    }

    #[test]
    fn what_the_user_decided_wins() {
        assert_eq!(best(&[480, 486]), 486);
        assert_eq!(best(&[486, 603]), 603);
        assert_eq!(best(&[500, 488, 480]), 488);
        assert_eq!(best(&[500, 480]), 500);
        assert_eq!(best(&[]), 480);
    }

    #[test]
    fn what_is_not_the_callers_matter_is_kept_from_it() {
        for (status, told) in [(302, 480), (401, 480), (486, 486), (488, 488), (503, 500), (603, 603), (999, 500)] {
            assert_eq!(for_caller(status), told);
        }
    }
}
