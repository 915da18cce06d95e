//! `offhook pbx`.

use std::io::Read as _;
use std::net::SocketAddr;

use offhook_pbx::{Pbx, PbxBuilder, PbxConfig, PbxError, PbxEvent};
use serde::Serialize;

use crate::args::{PbxArgs, PbxCommand};
use crate::exit::{Failure, Reason};
use crate::output::Output;
use crate::signal::Interrupt;
use crate::web_phone;

/// Ports without a configuration file and without `--port`, `--tls-port`.
const WS_PORT: u16 = 8088;
const WSS_PORT: u16 = 8089;

/// Runs a PBX until Ctrl-C.
pub(crate) async fn run(mut args: PbxArgs) -> Result<(), Failure> {
    if let Some(PbxCommand::Ctl(ctl)) = args.command.take() {
        return crate::ctl::run(ctl).await;
    }
    let output = Output::new(args.json);
    let mut interrupt = Interrupt::install();
    let closed = stdin_closed(args.until_stdin_closes);
    let config_file = args.config.is_some();
    let pbx = builder(&args)?.start().await.map_err(|e| failure(&e, config_file))?;
    let mut events = pbx.events();
    let listening = Listening::new(&pbx, &args);
    output.tell(&listening, || listening.text());

    tokio::pin!(closed);
    loop {
        tokio::select! {
            () = interrupt.wait() => break,
            () = &mut closed => break,
            event = events.next() => match event {
                Some(event) => output.tell(&event, || text(&event)),
                None => return Err(Failure::new(Reason::Failed, "the PBX stopped by itself; RUST_LOG=offhook_pbx=debug says why")),
            },
        }
    }
    pbx.shutdown().await;
    Ok(())
}

/// What the command line and the configuration file say together.
fn builder(args: &PbxArgs) -> Result<PbxBuilder, Failure> {
    let mut builder = Pbx::builder();
    if let Some(path) = &args.config {
        let config = PbxConfig::read(path).map_err(|e| Failure::new(Reason::Usage, e.to_string()))?;
        builder = builder.config(config);
    } else {
        // Beyond loopback there is no plain listener, unless it is asked for, and refused.
        let is_local = args.bind.is_none_or(|bind| bind.is_loopback());
        builder = builder.ws_port(is_local.then_some(WS_PORT)).wss_port(WSS_PORT);
    }
    if let Some(bind) = args.bind {
        builder = builder.bind(bind);
    }
    if let Some(port) = args.port {
        builder = builder.ws_port(port);
    }
    if let Some(port) = args.tls_port {
        builder = builder.wss_port(port);
    }
    if let Some(dir) = &args.data {
        builder = builder.data_dir(dir);
    }
    if !args.no_web_phone {
        builder = builder.site(web_phone::site()?);
    }
    Ok(builder)
}

fn failure(error: &PbxError, config_file: bool) -> Failure {
    let reason = match error {
        PbxError::Config(_) | PbxError::NoListener => Reason::Usage,
        _ => Reason::Bind,
    };
    let message = match error {
        PbxError::PortInUse { listener, address } => {
            let option = if *listener == "wss" { "--tls-port" } else { "--port" };
            format!(
                "port {} on {} is in use: stop the other program, or choose another port with {option} (0 takes a free one)",
                address.port(),
                address.ip()
            )
        }
        PbxError::WeakPasswords { .. } if !config_file => {
            format!("{error} (--config FILE)")
        }
        other => other.to_string(),
    };
    Failure::new(reason, message)
}

/// Resolves when standard input ends; never if that does not matter.
async fn stdin_closed(matters: bool) {
    if !matters {
        return std::future::pending().await;
    }
    let (sender, closed) = tokio::sync::oneshot::channel::<()>();
    // Not `spawn_blocking`: the runtime would wait for it at its end.
    std::thread::spawn(move || {
        let mut buffer = [0; 256];
        while std::io::stdin().read(&mut buffer).is_ok_and(|count| count > 0) {}
        drop(sender);
    });
    let _ = closed.await;
}

/// The first thing told.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename = "listening")]
struct Listening {
    pid: u32,
    ws: Option<String>,
    wss: Option<String>,
    fingerprint: String,
    certificate: Option<String>,
    /// The `pbxURL` of clients.
    api: Vec<String>,
    /// Where a browser finds the phone; none when it was switched off or not built in.
    web_phone: Vec<String>,
    client_id: String,
    /// Where the secrets are, if the PBX has made them.
    client_secret_file: Option<String>,
    admin_token_file: Option<String>,
    extensions: Vec<String>,
    /// Whatever can be dialled that is no extension.
    services: Vec<ServiceLine>,
    /// For a human: title and text of lines that gather more of them.
    #[serde(skip)]
    gathered: Vec<(&'static str, String)>,
    /// So many of them have a line each.
    #[serde(skip)]
    alone: usize,
    #[serde(skip)]
    secrets: Secrets,
    #[serde(skip)]
    built_in: bool,
    #[serde(skip)]
    address: Option<SocketAddr>,
}

/// Where the secrets of the API are, in words.
#[derive(Debug)]
struct Secrets {
    client: String,
    admin: String,
}

impl Secrets {
    fn of(pbx: &Pbx) -> Self {
        let place = |file: Option<&std::path::Path>, secret: &str, built_in: &str| match file {
            Some(path) => format!("in {}", path.display()),
            // Everybody knows it: it is taken on loopback only.
            None if secret == built_in => built_in.to_owned(),
            None => "as configured or set".to_owned(),
        };
        Self {
            client: place(pbx.client_secret_file(), pbx.client_secret().expose(), "offhook-secret"),
            admin: place(pbx.admin_token_file(), pbx.admin_token().expose(), "offhook-admin"),
        }
    }
}

/// Something that can be dialled.
#[derive(Debug, Serialize)]
struct ServiceLine {
    number: String,
    does: String,
}

impl ServiceLine {
    fn new(number: impl Into<String>, does: impl Into<String>) -> Self {
        Self { number: number.into(), does: does.into() }
    }

    /// Those that have a line of their own for a human.
    fn services(pbx: &Pbx) -> Vec<Self> {
        pbx.services().iter().map(|service| Self::new(service.number(), service.description())).collect()
    }

    fn rooms(pbx: &Pbx) -> Vec<Self> {
        let does =
            |name: &str| if name.is_empty() { "conference room".to_owned() } else { format!("conference room {name}") };
        pbx.conferences().iter().map(|room| Self::new(&room.number, does(&room.name))).collect()
    }

    fn groups(pbx: &Pbx) -> Vec<Self> {
        pbx.ring_groups()
            .iter()
            .map(|group| Self::new(&group.number, format!("rings {}", group.members.join(", "))))
            .collect()
    }

    /// What has a place for what it keeps.
    fn codes(pbx: &Pbx) -> Vec<Self> {
        let codes = pbx.feature_codes();
        let in_call = [
            (codes.blind_transfer.as_str(), "in a call: transfers to the number that follows"),
            (&codes.attended_transfer, "in a call: asks the number that follows, and transfers when one hangs up"),
            (&codes.take_back, "meanwhile: back to who waits"),
        ];
        let voicemail = pbx.voicemail_number().map(|number| Self::new(number, "voicemail: one's own messages"));
        let record = pbx.record_feature_code().map(|code| Self::new(code, "in a call: recording on and off"));
        let in_call = in_call.into_iter().map(|(code, does)| Self::new(code, does));
        voicemail.into_iter().chain(in_call).chain(record).collect()
    }
}

impl Listening {
    fn new(pbx: &Pbx, args: &PbxArgs) -> Self {
        let api: Vec<String> = [pbx.http_url(), pbx.https_url()].into_iter().flatten().collect();
        let has_phone = web_phone::IS_THERE && !args.no_web_phone;
        let mut services = ServiceLine::services(pbx);
        let (alone, rooms, groups, codes) =
            (services.len(), ServiceLine::rooms(pbx), ServiceLine::groups(pbx), ServiceLine::codes(pbx));
        let numbers =
            |lines: &[ServiceLine]| lines.iter().map(|line| line.number.clone()).collect::<Vec<_>>().join(", ");
        let told = codes.iter().map(|code| format!("{} {}", code.number, code.does)).collect::<Vec<_>>().join("; ");
        let gathered = [("conferences", numbers(&rooms)), ("groups", numbers(&groups)), ("codes", told)];
        services.extend(rooms.into_iter().chain(groups).chain(codes));
        Self {
            pid: std::process::id(),
            ws: pbx.ws_url(),
            wss: pbx.wss_url(),
            fingerprint: pbx.certificate_sha256().iter().map(|b| format!("{b:02x}")).collect(),
            certificate: args.data.as_ref().map(|dir| dir.join("certificate.pem").display().to_string()),
            web_phone: api.iter().filter(|_| has_phone).map(|url| format!("{url}/")).collect(),
            api,
            client_id: pbx.client_id().to_owned(),
            client_secret_file: pbx.client_secret_file().map(|path| path.display().to_string()),
            admin_token_file: pbx.admin_token_file().map(|path| path.display().to_string()),
            secrets: Secrets::of(pbx),
            extensions: pbx.extensions().iter().map(|e| e.number().to_owned()).collect(),
            services,
            gathered: gathered.into_iter().filter(|(_, text)| !text.is_empty()).collect(),
            alone,
            built_in: args.config.is_none(),
            address: pbx.ws_address().or(pbx.wss_address()),
        }
    }

    fn text(&self) -> String {
        let mut lines = Vec::new();
        for (index, url) in self.web_phone.iter().enumerate() {
            lines.push(format!("{:<12} {url}", if index == 0 { "web phone" } else { "" }));
        }
        for url in [&self.ws, &self.wss].into_iter().flatten() {
            lines.push(format!("listening on {url}"));
        }
        lines.push(format!("certificate  SHA-256 {}", self.fingerprint));
        if let Some(path) = &self.certificate {
            lines.push(format!("             {path}"));
        }
        for (index, url) in self.api.iter().enumerate() {
            lines.push(format!("{:<12} {url}", if index == 0 { "API" } else { "" }));
        }
        lines.push(format!("client id    {}, secret {}", self.client_id, self.secrets.client));
        lines.push(format!("admin token  {} (offhook pbx ctl)", self.secrets.admin));
        lines.push(format!("extensions   {}", self.extensions.join(", ")));
        if self.built_in {
            lines.push("passwords    secret- and the number, e.g. secret-1000".to_owned());
        }
        for (index, service) in self.services.iter().take(self.alone).enumerate() {
            let title = if index == 0 { "services" } else { "" };
            lines.push(format!("{title:<12} {} {}", service.number, service.does));
        }
        for (title, text) in &self.gathered {
            lines.push(format!("{title:<12} {text}"));
        }
        if self.address.is_some_and(|a| !a.ip().is_loopback()) {
            lines.push("reachable from other machines".to_owned());
        }
        lines.push("Ctrl-C ends it".to_owned());
        lines.join("\n")
    }
}

/// An event for a human.
fn text(event: &PbxEvent) -> String {
    match event {
        PbxEvent::Registered { extension, bindings } => format!("{extension} registered ({})", devices(*bindings)),
        PbxEvent::Unregistered { extension, bindings } => {
            format!("{extension} unregistered ({} left)", devices(*bindings))
        }
        PbxEvent::CallStarted { from, to, .. } => format!("{from} calls {to}"),
        PbxEvent::CallAnswered { from, to, .. } => format!("{to} answers {from}"),
        PbxEvent::CallEnded { from, to, status, duration_ms, .. } => {
            format!("{from} → {to} ended after {:.1} s ({status})", *duration_ms as f64 / 1000.0)
        }
        PbxEvent::Recording { on: true, by, file, .. } => format!("{by} has the call recorded into {file}"),
        PbxEvent::Recording { by, .. } => format!("{by} pauses the recording"),
        PbxEvent::RecordingComplete { file, .. } => format!("{file} is complete"),
        PbxEvent::RecordingFailed { reason, .. } => format!("a call cannot be recorded: {reason}"),
        PbxEvent::CdrFailed { reason, .. } => format!("the record of a call is lost: {reason}"),
        PbxEvent::Missed { events } => format!("{events} events came faster than they could be printed"),
        other => format!("{other:?}"),
    }
}

fn devices(count: usize) -> String {
    if count == 1 { "1 device".to_owned() } else { format!("{count} devices") }
}
