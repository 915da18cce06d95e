//! Registering with a server, and what to say when something about it goes wrong.

use std::time::Duration;

use offhook::{CallEnd, Cause, DtmfMode, MediaError, Phone, PhoneError, TransportError};

use crate::args::ServerArgs;
use crate::exit::{Failure, Reason};

/// Connecting and registering take at most this long.
const CONNECT_TIME: Duration = Duration::from_secs(20);

/// Connects and registers.
pub(crate) async fn connect(args: &ServerArgs, dtmf: DtmfMode) -> Result<Phone, Failure> {
    let mut builder = Phone::builder().dtmf_mode(dtmf).server(&args.server).user(&args.user).password(password(args)?);
    let secure = args.server.to_ascii_lowercase().starts_with("wss://");
    if !secure && (args.ca.is_some() || args.pin.is_some()) {
        return Err(Failure::new(Reason::Usage, "--ca and --pin need a wss:// server: ws:// has no certificate"));
    }
    if let Some(path) = &args.ca {
        let pem =
            std::fs::read(path).map_err(|e| Failure::new(Reason::Usage, format!("--ca {}: {e}", path.display())))?;
        builder = builder.ca_certificate(pem);
    }
    if let Some(pin) = &args.pin {
        builder = builder.pin_certificate(pin);
    }
    let connecting = async {
        let phone = builder.build()?;
        phone.connect().await.map(|()| phone)
    };
    match tokio::time::timeout(CONNECT_TIME, connecting).await {
        Ok(Ok(phone)) => Ok(phone),
        Ok(Err(error)) => Err(of_phone(&error, args)),
        Err(_) => Err(Failure::new(
            Reason::Timeout,
            format!("{} did not register us within {} s: is it a SIP registrar?", args.server, CONNECT_TIME.as_secs()),
        )),
    }
}

fn password(args: &ServerArgs) -> Result<String, Failure> {
    if let Some(path) = &args.password_file {
        let text = std::fs::read_to_string(path)
            .map_err(|e| Failure::new(Reason::Usage, format!("--password-file {}: {e}", path.display())))?;
        return match text.lines().next() {
            Some(line) if !line.is_empty() => Ok(line.to_owned()),
            _ => {
                Err(Failure::new(Reason::Usage, format!("--password-file {}: its first line is empty", path.display())))
            }
        };
    }
    args.password
        .clone()
        .ok_or_else(|| Failure::new(Reason::Usage, "no password: set OFFHOOK_PASSWORD, or give --password-file FILE"))
}

/// What a refused command or registration means.
pub(crate) fn of_phone(error: &PhoneError, args: &ServerArgs) -> Failure {
    let user = &args.user;
    let server = &args.server;
    match error {
        PhoneError::Transport(transport) => of_transport(transport),
        PhoneError::Registration {
            cause: Cause::AuthenticationError | Cause::Rejected | Cause::NotFound,
            status,
            ..
        } => {
            let status = status.map(|s| format!(" ({s})")).unwrap_or_default();
            Failure::new(
                Reason::Authentication,
                format!("{server} refused {user}{status}: check --user and the password"),
            )
        }
        PhoneError::Registration { cause: Cause::RequestTimeout, .. } | PhoneError::Timeout => {
            Failure::new(Reason::Timeout, error.to_string())
        }
        PhoneError::Registration { cause: Cause::ConnectionError, .. } | PhoneError::NotConnected => {
            Failure::new(Reason::Unreachable, error.to_string())
        }
        PhoneError::Registration { .. } | PhoneError::Refused { .. } => {
            Failure::new(Reason::Refused, error.to_string())
        }
        PhoneError::InvalidNumber { .. } | PhoneError::InvalidArgument { .. } => {
            Failure::new(Reason::Usage, error.to_string())
        }
        PhoneError::LocalStream { .. } => Failure::new(Reason::Media, error.to_string()),
        PhoneError::Ended { cause, status } => of_cause(*cause, *status, "the call"),
        other => Failure::new(Reason::Failed, other.to_string()),
    }
}

fn of_transport(error: &TransportError) -> Failure {
    let reason = match error {
        TransportError::Certificate { .. } | TransportError::Tls { .. } => Reason::Tls,
        TransportError::Timeout { .. } => Reason::Timeout,
        _ => Reason::Unreachable,
    };
    let message = match error {
        TransportError::Certificate { .. } => format!("{error} (--ca FILE or --pin SHA256)"),
        other => other.to_string(),
    };
    Failure::new(reason, message)
}

/// What the end of a call to `number` means; nothing if it was an ordinary one.
pub(crate) fn of_end(end: &CallEnd, number: &str) -> Option<Failure> {
    match end.cause {
        Cause::Terminated => None,
        Cause::Canceled if end.code.is_none() => None,
        cause => Some(of_cause(cause, end.code, number)),
    }
}

fn of_cause(cause: Cause, status: Option<u16>, what: &str) -> Failure {
    let said = status.map(|s| format!(" ({s})")).unwrap_or_default();
    let (reason, message) = match cause {
        Cause::NotFound => (Reason::Refused, format!("{what} does not exist{said}: check the number")),
        Cause::Busy => (Reason::Refused, format!("{what} is busy{said}: try again later")),
        Cause::Rejected => (Reason::Refused, format!("{what} refused the call{said}")),
        Cause::Unavailable => {
            (Reason::Refused, format!("{what} is not available{said}: is it registered, and does somebody answer?"))
        }
        Cause::AuthenticationError => (
            Reason::Authentication,
            format!("the server refused the call to {what}{said}: check --user and the password"),
        ),
        Cause::NoAnswer | Cause::RequestTimeout | Cause::Expires | Cause::NoAck => {
            (Reason::Timeout, format!("{what} did not answer in time ({}){said}", cause.as_str()))
        }
        Cause::ConnectionError | Cause::DialogError => {
            (Reason::Unreachable, format!("the connection was lost during the call to {what} ({})", cause.as_str()))
        }
        Cause::WebRtcError
        | Cause::RtpTimeout
        | Cause::IncompatibleSdp
        | Cause::MissingSdp
        | Cause::BadMediaDescription
        | Cause::UserDeniedMediaAccess => (
            Reason::Media,
            format!("no sound with {what} ({}){said}: RUST_LOG=offhook_media=debug says more", cause.as_str()),
        ),
        Cause::InternalError => (Reason::Failed, format!("internal error in the call to {what}")),
        other => (Reason::Refused, format!("{what} refused the call: {}{said}", other.as_str())),
    };
    Failure::new(reason, message)
}

/// What a fault of the media means.
pub(crate) fn of_media(error: &MediaError) -> Failure {
    Failure::new(Reason::Media, error.to_string())
}
