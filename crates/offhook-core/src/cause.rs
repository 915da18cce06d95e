//! Why a call or a registration ended: the strings that SIP/WebRTC users know.

use std::fmt;

use offhook_sip::{Originator, Termination, TerminationKind};
use serde::{Serialize, Serializer};

/// Why a call ended, or a registration failed. [`Display`](fmt::Display) and serialisation give the contract's string.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// The connection to the server was lost, or there was none.
    ConnectionError,
    /// The request was never answered.
    RequestTimeout,
    /// A SIP status that has no cause of its own.
    SipFailureCode,
    /// A fault in this program.
    InternalError,
    /// 486, 600.
    Busy,
    /// 403, 603, or refused by this side.
    Rejected,
    /// 300–302, 305, 380.
    Redirected,
    /// 480, 410, 408, 430.
    Unavailable,
    /// 404, 604.
    NotFound,
    /// 484, 424.
    AddressIncomplete,
    /// 488, 606.
    IncompatibleSdp,
    /// The answer had no SDP.
    MissingSdp,
    /// 401, 407: wrong or missing password.
    AuthenticationError,
    /// BYE.
    Terminated,
    /// The peer connection failed.
    WebRtcError,
    /// CANCEL, or hung up before it was answered; 487.
    Canceled,
    /// It rang, but nobody answered.
    NoAnswer,
    /// The INVITE's own time ran out.
    Expires,
    /// Our 200 was never acknowledged.
    NoAck,
    /// The far end does not know the dialog any more, or did not answer in it.
    DialogError,
    /// The user or the system does not let us use the microphone.
    UserDeniedMediaAccess,
    /// An SDP could not be used.
    BadMediaDescription,
    /// No media came for too long.
    RtpTimeout,
}

impl Cause {
    /// The contract's string.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ConnectionError => "Connection Error",
            Self::RequestTimeout => "Request Timeout",
            Self::SipFailureCode => "SIP Failure Code",
            Self::InternalError => "Internal Error",
            Self::Busy => "Busy",
            Self::Rejected => "Rejected",
            Self::Redirected => "Redirected",
            Self::Unavailable => "Unavailable",
            Self::NotFound => "Not Found",
            Self::AddressIncomplete => "Address Incomplete",
            Self::IncompatibleSdp => "Incompatible SDP",
            Self::MissingSdp => "Missing SDP",
            Self::AuthenticationError => "Authentication Error",
            Self::Terminated => "Terminated",
            Self::WebRtcError => "WebRTC Error",
            Self::Canceled => "Canceled",
            Self::NoAnswer => "No Answer",
            Self::Expires => "Expires",
            Self::NoAck => "No ACK",
            Self::DialogError => "Dialog Error",
            Self::UserDeniedMediaAccess => "User Denied Media Access",
            Self::BadMediaDescription => "Bad Media Description",
            Self::RtpTimeout => "RTP Timeout",
        }
    }

    /// The cause that a final response of this status stands for.
    #[must_use]
    pub fn from_status(status: u16) -> Self {
        match status {
            486 | 600 => Self::Busy,
            403 | 603 => Self::Rejected,
            300..=302 | 305 | 380 => Self::Redirected,
            480 | 410 | 408 | 430 => Self::Unavailable,
            404 | 604 => Self::NotFound,
            484 | 424 => Self::AddressIncomplete,
            488 | 606 => Self::IncompatibleSdp,
            401 | 407 => Self::AuthenticationError,
            487 => Self::Canceled,
            _ => Self::SipFailureCode,
        }
    }

    /// The cause and the code (see [`failed`](crate::events::Failed)) of a call's end as signalling saw it.
    pub(crate) fn of_call(termination: &Termination) -> (Self, Option<u16>) {
        let local = termination.originator == Originator::Local;
        match termination.kind {
            TerminationKind::Bye => (Self::Terminated, None),
            // Our own CANCEL is a decision of ours and has no status; theirs may give one in a Reason header.
            TerminationKind::Canceled => (Self::Canceled, termination.status.filter(|_| !local)),
            TerminationKind::Rejected if local => (Self::Rejected, termination.status),
            TerminationKind::Rejected => {
                (termination.status.map_or(Self::SipFailureCode, Self::from_status), termination.status)
            }
            TerminationKind::AuthenticationFailed => (Self::AuthenticationError, termination.status),
            // RFC 4028 §10 treats a missing refresh like an unanswered request.
            TerminationKind::RequestTimeout | TerminationKind::SessionExpired => (Self::RequestTimeout, None),
            TerminationKind::NoAnswer => (Self::NoAnswer, None),
            TerminationKind::NoAck => (Self::NoAck, None),
            TerminationKind::ConnectionLost => (Self::ConnectionError, None),
            TerminationKind::DialogError => (Self::DialogError, termination.status),
            TerminationKind::Expired => (Self::Expires, None),
            _ => (Self::InternalError, termination.status),
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Cause {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(kind: TerminationKind, originator: Originator, status: Option<u16>) -> (Cause, Option<u16>) {
        Cause::of_call(&Termination { established: false, originator, kind, status, reason: None, response: None })
    }

    #[test]
    fn every_status_of_the_contract_has_its_cause() {
        let table: [(&[u16], &str); 9] = [
            (&[486, 600], "Busy"),
            (&[403, 603], "Rejected"),
            (&[300, 301, 302, 305, 380], "Redirected"),
            (&[480, 410, 408, 430], "Unavailable"),
            (&[404, 604], "Not Found"),
            (&[484, 424], "Address Incomplete"),
            (&[488, 606], "Incompatible SDP"),
            (&[401, 407], "Authentication Error"),
            (&[400, 500, 503, 513, 699, 304], "SIP Failure Code"),
        ];
        for (statuses, cause) in table {
            for &status in statuses {
                let got = ended(TerminationKind::Rejected, Originator::Remote, Some(status));
                assert_eq!((got.0.as_str(), got.1), (cause, Some(status)));
            }
        }
    }

    #[test]
    fn every_way_to_end_has_its_cause() {
        use Originator::{Local, Remote, System};
        use TerminationKind as K;
        let table = [
            (K::Bye, Remote, None, "Terminated", None),
            (K::Bye, Local, None, "Terminated", None),
            (K::Canceled, Local, Some(487), "Canceled", None),
            (K::Canceled, Remote, None, "Canceled", None),
            (K::Canceled, Remote, Some(200), "Canceled", Some(200)),
            (K::Rejected, Local, Some(486), "Rejected", Some(486)),
            (K::AuthenticationFailed, Remote, Some(407), "Authentication Error", Some(407)),
            (K::RequestTimeout, System, None, "Request Timeout", None),
            (K::SessionExpired, System, None, "Request Timeout", None),
            (K::NoAnswer, System, None, "No Answer", None),
            (K::NoAck, System, None, "No ACK", None),
            (K::ConnectionLost, System, None, "Connection Error", None),
            (K::DialogError, Remote, Some(481), "Dialog Error", Some(481)),
            (K::Expired, System, None, "Expires", None),
        ];
        for (kind, originator, status, cause, code) in table {
            let got = ended(kind, originator, status);
            assert_eq!((got.0.as_str(), got.1), (cause, code), "{kind:?} by {originator:?}");
        }
    }
}
