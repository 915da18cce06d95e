//! `offhook doctor`: everything that a call needs, looked at one thing after the other.

pub mod args;
mod call;
mod report;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use offhook::{CallOptions, DtmfMode, IceProbeError, IceServer, Probe, TransportError, TurnError, probe_ice_server};

use self::args::DoctorArgs;
use self::report::{Found, Name, Report};
use crate::args::ServerArgs;
use crate::devices::Chosen;
use crate::exit::{Failure, Reason};
use crate::ice;
use crate::server::{self, Line, of_transport};
use crate::signal::Interrupt;

/// A STUN or TURN server answers within this time.
const ICE_SERVER: Duration = Duration::from_secs(5);
/// A certificate that ends sooner than this is told of, seconds.
const EXPIRES_SOON: u64 = 14 * 86_400;

/// Looks at everything and tells it.
pub(crate) async fn run(args: DoctorArgs) -> Result<(), Failure> {
    let mut interrupt = Interrupt::install();
    let options = ice::options(&args.ice)?;
    let mut report = Report::new(args.json);
    tokio::select! {
        () = examine(&args, options, &mut report) => {}
        () = interrupt.wait() => return Err(Failure::new(Reason::Interrupted, "interrupted before all was looked at")),
    }
    report.finish()
}

async fn examine(args: &DoctorArgs, options: CallOptions, report: &mut Report) {
    let line = line(&args.server, report).await;
    ice_servers(&options.ice_servers, report).await;
    match &line {
        Some(_) if args.no_call => skip(report, "not wanted (--no-call)"),
        Some(line) => call::examine(args, options, line, report).await,
        None => skip(report, "there is no registration to call with"),
    }
    if let Some(line) = line {
        report.begin("unregistering");
        line.end().await;
    }
}

fn skip(report: &mut Report, why: &str) {
    report.begin("");
    for name in [Name::Call, Name::Ice, Name::Media, Name::Quality] {
        report.end(name, &Found::Skipped(why.to_owned()));
    }
}

/// The way to the server, and the registration there. Of the steps after one that failed nothing is said.
async fn line(args: &ServerArgs, report: &mut Report) -> Option<Line> {
    let mut steps = vec![Name::Dns, Name::Tcp, Name::Tls, Name::WebSocket, Name::Register];
    if args.pbx.is_some() {
        steps.insert(3, Name::Login);
    }
    let mut reached = 0;
    let line = walk(args, report, &mut reached).await;
    report.begin("");
    for name in steps.into_iter().skip(reached) {
        report.end(name, &Found::Skipped("needs what failed before".to_owned()));
    }
    line
}

/// `reached`: how many checks were made.
async fn walk(args: &ServerArgs, report: &mut Report, reached: &mut usize) -> Option<Line> {
    let mut end = |report: &mut Report, name, found: &Found| {
        *reached += 1;
        report.end(name, found)
    };
    report.begin("looking the server up");
    let mut probe = match probe(args, &websocket_url(args.url())) {
        Ok(probe) => probe,
        Err(failure) => {
            end(report, Name::Dns, &Found::of(&failure, "write the address as it is shown"));
            return None;
        }
    };
    if !end(report, Name::Dns, &dns(&mut probe).await) {
        return None;
    }
    report.begin("connecting");
    if !end(report, Name::Tcp, &tcp(&mut probe).await) {
        return None;
    }
    report.begin("TLS");
    let found = tls(args, &mut probe).await;
    end(report, Name::Tls, &found);
    if matches!(found, Found::Failed { .. }) {
        return None;
    }
    let line = if args.pbx.is_some() {
        report.begin("logging in");
        let opened = server::in_time(args, server::open(args, DtmfMode::default(), Chosen::none())).await;
        let found = match &opened {
            Ok(line) => {
                Found::Ok(format!("logged in as extension {}", line.pbx().map_or("", |pbx| pbx.extension_number())))
            }
            Err(failure) => Found::of(failure, "check --user, and make a new login signature at the PBX's open API"),
        };
        end(report, Name::Login, &found);
        let line = opened.ok()?;
        let number = line.pbx().map_or("", |pbx| pbx.extension_number()).to_owned();
        let url = format!("{}/ws?exten={number}", websocket_url(args.url()).trim_end_matches('/'));
        probe = self::probe(args, &url).ok()?;
        // The connection of before was for the API.
        let _ = dns(&mut probe).await;
        let _ = tcp(&mut probe).await;
        let _ = tls(args, &mut probe).await;
        Some(line)
    } else {
        None
    };
    report.begin("WebSocket");
    if !end(report, Name::WebSocket, &websocket(&mut probe).await) {
        end_of(line).await;
        return None;
    }
    report.begin("registering");
    let registered = server::in_time(args, async {
        let line = match line {
            Some(line) => line,
            None => server::open(args, DtmfMode::default(), Chosen::none()).await?,
        };
        match line.start(args).await {
            Ok(()) => Ok(line),
            Err(failure) => {
                line.end().await;
                Err(failure)
            }
        }
    })
    .await;
    let found = match &registered {
        Ok(_) => Found::Ok(format!("{} is registered", args.user)),
        Err(failure) => Found::of(
            failure,
            match failure.reason() {
                Reason::Authentication => {
                    "give the user and password of an extension that exists there and may use a web client"
                }
                Reason::Usage => "give what it asks for",
                _ => "look at the server's log: it took the connection and not the REGISTER",
            },
        ),
    };
    end(report, Name::Register, &found);
    registered.ok()
}

async fn end_of(line: Option<Line>) {
    if let Some(line) = line {
        line.end().await;
    }
}

fn probe(args: &ServerArgs, url: &str) -> Result<Probe, Failure> {
    let usage = |error: offhook::PhoneError| Failure::new(Reason::Usage, error.to_string());
    server::builder(args, url)?.probe().map_err(usage)
}

/// The same place as a WebSocket's: a PBX is given by the URL of its API.
fn websocket_url(url: &str) -> String {
    match url.split_once("://") {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => format!("wss://{rest}"),
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => format!("ws://{rest}"),
        _ => url.to_owned(),
    }
}

async fn dns(probe: &mut Probe) -> Found {
    let name = probe.address();
    match probe.resolve().await {
        Ok([]) => failed(Reason::Unreachable, format!("{name} has no address"), "check the server's name"),
        Ok(addresses) => {
            let mut found: Vec<String> = addresses.iter().take(4).map(|address| address.ip().to_string()).collect();
            found.dedup();
            Found::Ok(format!("{name} is {}", found.join(", ")))
        }
        Err(error) => transport(&error, "check the server's name, and that this machine's DNS knows it"),
    }
}

async fn tcp(probe: &mut Probe) -> Found {
    let begun = std::time::Instant::now();
    match probe.connect().await {
        Ok(address) => Found::Ok(format!("connected to {address} in {} ms", begun.elapsed().as_millis())),
        Err(error) => transport(
            &error,
            "start the server, check the port, and that no firewall is in between (a refused connection is a wrong port, \
             no answer is a firewall)",
        ),
    }
}

async fn tls(args: &ServerArgs, probe: &mut Probe) -> Found {
    if !probe.is_secure() {
        if probe.is_loopback() {
            return Found::Skipped("no TLS, on this machine".to_owned());
        }
        let detail = "no TLS: others on the way see passwords' digests, and who calls whom".to_owned();
        return Found::Warning { detail, advice: "use wss://".to_owned() };
    }
    let certificate = match probe.secure().await {
        Ok(certificate) => certificate,
        Err(error) => {
            let advice = match &error {
                TransportError::Certificate { detail, .. } if detail.contains("another host name") => {
                    "use the name that the certificate is for, or give the server one for this name"
                }
                TransportError::Certificate { detail, .. } if detail.contains("expired") => {
                    "renew the server's certificate"
                }
                TransportError::Certificate { detail, .. } if detail.contains("not valid yet") => {
                    "check the clock of this machine"
                }
                TransportError::Certificate { .. } => {
                    "give the CA that signed it with --ca, or the certificate's own fingerprint with --pin; a server that \
                     browsers use needs a certificate of a public CA, with its chain"
                }
                _ => "check that this is the port for wss://",
            };
            return transport(&error, advice);
        }
    };
    let whose = if args.pin.is_some() {
        "the pinned certificate"
    } else if args.ca.is_some() {
        "certificate signed by the CA of --ca, for this name"
    } else {
        "certificate signed by a CA of this system, for this name"
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    match certificate.not_after.map(|end| end.saturating_sub(now)) {
        Some(left) if left < EXPIRES_SOON => {
            let detail = format!("{whose}, but it expires in {} days", left / 86_400);
            Found::Warning { detail, advice: "renew it in time: phones do not connect after that".to_owned() }
        }
        Some(left) => Found::Ok(format!("{whose}, valid for {} days", left / 86_400)),
        None => Found::Ok(whose.to_owned()),
    }
}

async fn websocket(probe: &mut Probe) -> Found {
    match probe.upgrade().await {
        Ok(()) => Found::Ok("speaks SIP over WebSocket (subprotocol sip)".to_owned()),
        Err(error) => {
            let text = error.to_string();
            let sip = text.contains("ubProtocol") || text.contains("ubprotocol");
            transport(
                &error,
                if text.contains("wss://") {
                    "write wss:// instead of ws://, or the port for ws://"
                } else if sip {
                    "a WebSocket is there, but not for SIP: check the path, and switch SIP over WebSocket on at the server"
                } else {
                    "check the path of the URL (often /ws), and that the server has SIP over WebSocket switched on"
                },
            )
        }
    }
}

fn transport(error: &TransportError, advice: &str) -> Found {
    Found::of(&of_transport(error), advice)
}

fn failed(reason: Reason, detail: impl Into<String>, advice: &str) -> Found {
    Found::Failed { reason, detail: detail.into(), advice: advice.to_owned() }
}

/// Each STUN and TURN server by itself.
async fn ice_servers(servers: &[IceServer], report: &mut Report) {
    let is_turn = |server: &IceServer| server.urls.iter().any(|url| url.to_ascii_lowercase().starts_with("turn"));
    for (name, turn, option) in [(Name::Stun, false, "--stun"), (Name::Turn, true, "--turn")] {
        let mut any = false;
        for server in servers.iter().filter(|server| is_turn(server) == turn) {
            any = true;
            report.begin(if turn { "TURN" } else { "STUN" });
            report.end(name, &ice_server(server, turn).await);
        }
        if !any {
            report.begin("");
            report.end(name, &Found::Skipped(format!("none given ({option})")));
        }
    }
}

async fn ice_server(server: &IceServer, turn: bool) -> Found {
    let url = server.urls.first().map_or("", String::as_str);
    let (username, credential) = (server.username.as_deref(), server.credential.as_ref());
    match probe_ice_server(url, username, credential, ICE_SERVER).await {
        Ok(address) if turn => Found::Ok(format!("{url} relays from {address}")),
        Ok(address) => Found::Ok(format!("{url} sees this machine at {}", address.ip())),

        Err(IceProbeError::Server(error)) => {
            let (reason, advice) = match &error {
                TurnError::Unauthorized | TurnError::Forbidden => {
                    (Reason::Authentication, "check --turn-user and the password, and that they are not out of date")
                }
                TurnError::Silent => (
                    Reason::Timeout,
                    "check host and port; if they are right, a firewall drops it: let UDP out, or use turn: with \
                     ?transport=tcp, or turns: on port 443",
                ),
                TurnError::Tls(_) => {
                    (Reason::Tls, "give the TURN server a certificate for its name that this system trusts")
                }
                TurnError::Unreachable(_) => (Reason::Unreachable, "start the server, and check host and port"),
                _ => (Reason::Unreachable, "look at the log of the TURN server"),
            };
            let detail = match (&error, turn) {
                (TurnError::Silent, false) => format!("{url} does not answer"),
                _ => format!("{url}: {error}"),
            };
            failed(reason, detail, advice)
        }
        Err(error) => failed(Reason::Usage, error.to_string(), "write it as --help shows"),
    }
}
