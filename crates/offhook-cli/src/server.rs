//! Registering with a server, and what to say when something about it goes wrong.

use std::future::Future;
use std::path::Path;
use std::time::Duration;

use futures_util::{FutureExt as _, StreamExt as _};
use offhook::{
    CallEnd, CallOptions, Cause, ClientKind, DtmfMode, EventStream, HttpFailure, Init, MediaError, Operator, PbxError,
    PbxEvent, PbxOperator, Phone, PhoneBuilder, PhoneError, TransportError,
};

use crate::args::ServerArgs;
use crate::devices::Chosen;
use crate::exit::{Failure, Reason};

/// Connecting and registering take at most this long.
const CONNECT_TIME: Duration = Duration::from_secs(20);

/// Connects and registers; `options` are those of all calls.
pub(crate) async fn connect(
    args: &ServerArgs,
    options: CallOptions,
    dtmf: DtmfMode,
    devices: Chosen,
) -> Result<Line, Failure> {
    in_time(args, async {
        let line = Line { options, ..open(args, dtmf, devices).await? };
        match line.start(args).await {
            Ok(()) => Ok(line),
            Err(failure) => {
                line.end().await;
                Err(failure)
            }
        }
    })
    .await
}

/// A step of connecting, within the time for all of it.
pub(crate) async fn in_time<T>(
    args: &ServerArgs,
    step: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    tokio::time::timeout(CONNECT_TIME, step).await.unwrap_or_else(|_| {
        let (url, seconds) = (args.url(), CONNECT_TIME.as_secs());
        let message = format!("{url} did not register us within {seconds} s: is it a SIP registrar?");
        Err(Failure::new(Reason::Timeout, message))
    })
}

/// A phone that is not registered yet; at a PBX, logged in.
pub(crate) async fn open(args: &ServerArgs, dtmf: DtmfMode, devices: Chosen) -> Result<Line, Failure> {
    match &args.pbx {
        Some(url) => log_in(args, url, dtmf, devices).await,
        None => phone(args, dtmf, devices),
    }
}

/// A phone's builder for this server, or another URL at the same place.
pub(crate) fn builder(args: &ServerArgs, url: &str) -> Result<PhoneBuilder, Failure> {
    let builder = Phone::builder().server(url).user(&args.user);
    Ok(match trust(args)? {
        Trust::System => builder,
        Trust::Ca(pem) => builder.ca_certificate(pem),
        Trust::Pin(pin) => builder.pin_certificate(pin),
    })
}

/// A phone that is registered, and the PBX that it came with.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) phone: Phone,
    /// What calls are made and answered with.
    pub(crate) options: CallOptions,
    pbx: Option<(PbxOperator, EventStream<PbxEvent>)>,
}

impl Line {
    /// Connects and registers.
    pub(crate) async fn start(&self, args: &ServerArgs) -> Result<(), Failure> {
        self.phone.connect().await.map_err(|error| of_phone(&error, args))
    }

    /// The PBX that it came with.
    pub(crate) fn pbx(&self) -> Option<&PbxOperator> {
        self.pbx.as_ref().map(|(pbx, _)| pbx)
    }

    /// Hangs up, unregisters and, at a PBX, logs out.
    pub(crate) async fn end(self) {
        match &self.pbx {
            // It may have ended by itself.
            Some((pbx, _)) => drop(pbx.logout().await),
            None => self.phone.shutdown().await,
        }
    }

    /// Why the PBX has ended everything, if it has. It is told once.
    pub(crate) fn why_gone(&mut self) -> Option<Failure> {
        let (_, events) = self.pbx.as_mut()?;
        // An error is there before anything that follows from it.
        while let Some(Some(event)) = events.next().now_or_never() {
            if let PbxEvent::RuntimeError { code, message } = event {
                return Some(Failure::new(Reason::Authentication, format!("{message} ({code})")));
            }
        }
        None
    }
}

fn phone(args: &ServerArgs, dtmf: DtmfMode, devices: Chosen) -> Result<Line, Failure> {
    let builder = builder(args, args.url())?.dtmf_mode(dtmf).password(password(args)?);
    let builder = builder.warn_silent_input(devices.are_used());
    let builder = devices.for_phone(builder);
    let phone = builder.build().map_err(|error| of_phone(&error, args))?;
    Ok(Line { phone, options: CallOptions::default(), pbx: None })
}

async fn log_in(args: &ServerArgs, url: &str, dtmf: DtmfMode, devices: Chosen) -> Result<Line, Failure> {
    let trust = trust(args)?;
    let secret = match &args.signature_file {
        Some(path) => first_line("--signature-file", path)?,
        None => password(args)?,
    };
    let mut init = Init::new(url, &args.user, secret).user_agent(ClientKind::WebPc).dtmf_mode(dtmf);
    init = init.warn_silent_input(devices.are_used());
    init = match trust {
        Trust::System => init,
        Trust::Ca(pem) => init.ca_certificate(pem),
        Trust::Pin(pin) => init.pin_certificate(pin),
    };
    let Operator { phone, pbx } = devices.for_pbx(init).connect().await.map_err(|error| of_pbx(&error, args))?;
    let events = pbx.events();
    Ok(Line { phone, options: CallOptions::default(), pbx: Some((pbx, events)) })
}

/// Whose certificates are taken.
enum Trust {
    System,
    Ca(Vec<u8>),
    Pin(String),
}

fn trust(args: &ServerArgs) -> Result<Trust, Failure> {
    let lower = args.url().to_ascii_lowercase();
    if (lower.starts_with("ws://") || lower.starts_with("http://")) && (args.ca.is_some() || args.pin.is_some()) {
        let message = "--ca and --pin need a wss:// server or an https:// PBX: without TLS there is no certificate";
        return Err(Failure::new(Reason::Usage, message));
    }
    if let Some(path) = &args.ca {
        let pem = std::fs::read(path);
        return pem.map(Trust::Ca).map_err(|e| Failure::new(Reason::Usage, format!("--ca {}: {e}", path.display())));
    }
    Ok(args.pin.clone().map_or(Trust::System, Trust::Pin))
}

fn password(args: &ServerArgs) -> Result<String, Failure> {
    if let Some(path) = &args.password_file {
        return first_line("--password-file", path);
    }
    let signature = if args.pbx.is_some() { "--signature-file FILE or " } else { "" };
    let message = format!("no password: set OFFHOOK_PASSWORD, or give {signature}--password-file FILE");
    args.password.clone().ok_or_else(|| Failure::new(Reason::Usage, message))
}

pub(crate) fn first_line(option: &str, path: &Path) -> Result<String, Failure> {
    let usage = |what: String| Failure::new(Reason::Usage, format!("{option} {}: {what}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|e| usage(e.to_string()))?;
    match text.lines().next() {
        Some(line) if !line.is_empty() => Ok(line.to_owned()),
        _ => Err(usage("its first line is empty".to_owned())),
    }
}

/// What a refused command or registration means.
pub(crate) fn of_phone(error: &PhoneError, args: &ServerArgs) -> Failure {
    let user = &args.user;
    let server = args.url();
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

/// What a refused log-in at a PBX means.
fn of_pbx(error: &PbxError, args: &ServerArgs) -> Failure {
    let reason = match error {
        PbxError::InvalidUrl { .. } | PbxError::NotHttps { .. } | PbxError::InvalidArgument { .. } => Reason::Usage,
        PbxError::GetProduct { failure: Some(failure), .. } | PbxError::Network { failure, .. } => match failure {
            HttpFailure::Tls { .. } => {
                return Failure::new(Reason::Tls, format!("{error} (--ca FILE or --pin SHA256)"));
            }
            HttpFailure::Timeout => Reason::Timeout,
            _ => Reason::Unreachable,
        },
        PbxError::GetProduct { failure: None, .. } => Reason::Unreachable,
        PbxError::Api { request: "login", errmsg, .. } => {
            let (pbx, user) = (args.url(), &args.user);
            let what = match &args.signature_file {
                Some(_) => "the login signature",
                None => {
                    "the password (a PBX other than `offhook pbx` may take a login signature only: --signature-file FILE)"
                }
            };
            let message = format!("{pbx} refused {user} ({errmsg}): check --user and {what}");
            return Failure::new(Reason::Authentication, message);
        }
        PbxError::PersonalNotFound
        | PbxError::ClientDisabled { .. }
        | PbxError::SdkPlanDisabled
        | PbxError::LoggedInElsewhere
        | PbxError::ExtensionDeleted
        | PbxError::ReLogin { .. } => Reason::Authentication,
        _ => Reason::Failed,
    };
    Failure::new(reason, error.to_string())
}

pub(crate) fn of_transport(error: &TransportError) -> Failure {
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
        _ if status.is_some_and(|status| (500..600).contains(&status)) => (
            Reason::Refused,
            format!(
                "the server cannot connect the call to {what} now{said}: try again later, or look at the server's log"
            ),
        ),
        other => (Reason::Refused, format!("{what} refused the call: {}{said}", other.as_str())),
    };
    Failure::new(reason, message)
}

/// What a fault of the media means.
pub(crate) fn of_media(error: &MediaError) -> Failure {
    Failure::new(Reason::Media, error.to_string())
}
