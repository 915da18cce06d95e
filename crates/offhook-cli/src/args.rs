//! The command line.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Parser, Subcommand};
use offhook::DtmfMode;

use crate::ctl::args::CtlArgs;
use crate::doctor::args::DoctorArgs;
use crate::exit::EXIT_CODES;

/// A softphone, a PBX and a proof that both work, in one command.
#[derive(Debug, Parser)]
#[command(name = "offhook", version, after_help = EXIT_CODES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,

    /// Log to standard error; more with RUST_LOG, e.g. RUST_LOG=offhook_sip=trace.
    #[arg(long, short, global = true)]
    pub verbose: bool,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a real call between two phones through the embedded PBX and prove that speech arrived.
    #[command(after_help = EXIT_CODES)]
    Demo(DemoArgs),
    /// Run the embedded PBX.
    #[command(after_help = EXIT_CODES)]
    Pbx(PbxArgs),
    /// Call a number.
    #[command(after_help = EXIT_CODES)]
    Call(CallArgs),
    /// Wait for calls and answer them.
    #[command(after_help = EXIT_CODES)]
    Answer(AnswerArgs),
    /// Look at everything a call needs, from DNS to the sound of an echo, and say what is wrong and what to do.
    #[command(after_help = EXIT_CODES)]
    Doctor(DoctorArgs),
    /// List the microphones and loudspeakers, and try them. Needs a build with `--features devices`.
    #[command(after_help = EXIT_CODES)]
    Devices(DevicesArgs),
}

/// Which microphone and loudspeakers a call uses.
#[derive(Debug, Args)]
pub struct SoundArgs {
    /// Talk through the microphone and loudspeakers of this machine. Needs a build with `--features devices`.
    #[arg(long)]
    pub devices: bool,

    /// This microphone, by name or identity (see `offhook devices`), instead of the system's default.
    #[arg(long, value_name = "NAME", requires = "devices")]
    pub microphone: Option<String>,

    /// This loudspeaker, by name or identity, instead of the system's default.
    #[arg(long, value_name = "NAME", requires = "devices")]
    pub speaker: Option<String>,

    /// Ring on this loudspeaker, by name or identity, instead of the one for calls.
    #[arg(long, value_name = "NAME", requires = "devices")]
    pub ring_on: Option<String>,
}

/// `offhook devices`.
#[derive(Debug, Args)]
pub struct DevicesArgs {
    /// Show how loud a microphone is, for so long, e.g. 10s.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub meter: Option<Duration>,

    /// Play a tone of a second on a loudspeaker.
    #[arg(long)]
    pub tone: bool,

    /// The microphone for --meter, by name or identity, instead of the system's default.
    #[arg(long, value_name = "NAME", requires = "meter")]
    pub microphone: Option<String>,

    /// The loudspeaker for --tone, by name or identity, instead of the system's default.
    #[arg(long, value_name = "NAME", requires = "tone")]
    pub speaker: Option<String>,

    /// Print JSON objects, one a line.
    #[arg(long)]
    pub json: bool,
}

/// `offhook demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Print one JSON object and nothing else on standard output.
    #[arg(long)]
    pub json: bool,

    /// Where the recordings and report.html go.
    #[arg(long, value_name = "DIR", default_value = "offhook-demo")]
    pub out: PathBuf,
}

/// `offhook pbx`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct PbxArgs {
    /// Instead of running one: change one that runs.
    #[command(subcommand)]
    pub command: Option<PbxCommand>,

    /// Address to listen on [default: 127.0.0.1]. Beyond loopback only with passwords of your own (--config), and only wss.
    #[arg(long, value_name = "ADDRESS")]
    pub bind: Option<IpAddr>,

    /// Port for ws:// and http://; 0 takes a free one [default: 8088, or what --config says; none beyond loopback].
    #[arg(long, value_name = "N")]
    pub port: Option<u16>,

    /// Port for wss:// and https://; 0 takes a free one [default: 8089, or what --config says].
    #[arg(long, value_name = "N")]
    pub tls_port: Option<u16>,

    /// Extensions and limits from a TOML file, instead of 1000–1009.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// What is kept from run to run: certificate, call records, changes, secrets. Without it each run begins anew.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,

    /// Serve no web phone at http://ADDRESS:PORT/.
    #[arg(long)]
    pub no_web_phone: bool,

    /// Print one JSON object a line.
    #[arg(long)]
    pub json: bool,

    /// End when standard input is closed: for a parent process that must not leave a PBX behind.
    #[arg(long, hide = true)]
    pub until_stdin_closes: bool,
}

/// `offhook pbx …`.
#[derive(Debug, Subcommand)]
pub enum PbxCommand {
    /// Change a PBX while it runs: extensions, contacts, settings; see what it does.
    #[command(after_help = EXIT_CODES)]
    Ctl(CtlArgs),
}

/// Where and as whom to register.
#[derive(Debug, Args)]
pub struct ServerArgs {
    /// The server: ws://host:port/path or wss://host:port/path.
    #[arg(long, value_name = "URL", value_parser = server_url, required_unless_present = "pbx", conflicts_with = "pbx")]
    pub server: Option<String>,

    /// Log in to this P-Series PBX instead: https://host:port, or http:// on this machine.
    #[arg(long, value_name = "URL")]
    pub pbx: Option<String>,

    /// The user (extension) to register or log in as.
    #[arg(long, value_name = "USER", value_parser = user)]
    pub user: String,

    /// With --pbx: a file with the login signature in its first line. Without it the password is given, which
    /// `offhook pbx` takes too.
    #[arg(long, value_name = "FILE", conflicts_with = "server")]
    pub signature_file: Option<PathBuf>,

    /// The password. Seen by everybody on this computer: better --password-file or the environment.
    #[arg(long, value_name = "PASSWORD", env = "OFFHOOK_PASSWORD", hide_env_values = true)]
    pub password: Option<String>,

    /// A file with the password in its first line. It counts before the environment.
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,

    /// Trust the certificates in this PEM file instead of the system's.
    #[arg(long, value_name = "FILE", conflicts_with = "pin")]
    pub ca: Option<PathBuf>,

    /// Trust exactly the certificate with this SHA-256 fingerprint (64 hex digits, colons allowed).
    #[arg(long, value_name = "SHA256", value_parser = fingerprint)]
    pub pin: Option<String>,
}

/// STUN and TURN servers of the calls.
#[derive(Debug, Args)]
pub struct IceArgs {
    /// Ask this STUN server how the call is seen from outside; may be given several times.
    #[arg(long, value_name = "stun:HOST[:PORT]")]
    pub stun: Vec<String>,

    /// Take a relay address of this TURN server; may be given several times: `turn:HOST[:PORT][?transport=udp|tcp]`, or
    /// `turns:HOST[:PORT]`.
    #[arg(long, value_name = "URL", requires = "turn_user")]
    pub turn: Vec<String>,

    /// The user at the TURN servers.
    #[arg(long, value_name = "USER", requires = "turn")]
    pub turn_user: Option<String>,

    /// The password at the TURN servers. Seen by everybody on this computer: better --turn-password-file or the environment.
    #[arg(long, value_name = "PASSWORD", env = "OFFHOOK_TURN_PASSWORD", hide_env_values = true)]
    pub turn_password: Option<String>,

    /// A file with the password at the TURN servers in its first line. It counts before the environment.
    #[arg(long, value_name = "FILE")]
    pub turn_password_file: Option<PathBuf>,

    /// Call through the TURN servers only.
    #[arg(long, requires = "turn")]
    pub relay: bool,
}

impl ServerArgs {
    /// Where it is, as it was given.
    pub(crate) fn url(&self) -> &str {
        self.pbx.as_deref().or(self.server.as_deref()).unwrap_or_default()
    }
}

/// `offhook call`.
#[derive(Debug, Args)]
pub struct CallArgs {
    /// The number or SIP address to call.
    pub number: String,

    /// Where and as whom to register.
    #[command(flatten)]
    pub server: ServerArgs,

    /// STUN and TURN servers.
    #[command(flatten)]
    pub ice: IceArgs,

    /// Microphone and loudspeakers.
    #[command(flatten)]
    pub sound: SoundArgs,

    /// Play this WAV file to the far end; silence without it.
    #[arg(long, value_name = "WAV")]
    pub play: Option<PathBuf>,

    /// Record what is heard to this WAV file (16-bit mono).
    #[arg(long, value_name = "WAV")]
    pub record: Option<PathBuf>,

    /// Send these tones once the call is up: 0-9 * # A-D, and `,` for a pause of 2 s.
    #[arg(long, value_name = "TONES", value_parser = tones)]
    pub dtmf: Option<String>,

    /// How --dtmf sends them: rfc4733 (telephone-events), info (SIP INFO) or in-band (tones in the audio).
    #[arg(long, value_name = "HOW", value_parser = dtmf_mode, default_value = "rfc4733")]
    pub dtmf_mode: DtmfMode,

    /// Put the call on hold for 2 s when it has been up this long, e.g. 5s.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub hold_after: Option<Duration>,

    /// Transfer the far end to this number or SIP address, when --transfer-after says.
    #[arg(long, value_name = "NUMBER", requires = "transfer_after")]
    pub transfer_to: Option<String>,

    /// When to transfer: after the call has been up this long, e.g. 3s.
    #[arg(long, value_name = "TIME", value_parser = duration, requires = "transfer_to")]
    pub transfer_after: Option<Duration>,

    /// Call the number of --transfer-to first, and transfer when it has answered.
    #[arg(long, requires = "transfer_to")]
    pub transfer_attended: bool,

    /// Hang up when the call has been up this long, e.g. 10s, 1m30s, 500ms. Without it the call ends
    /// with the far end, with Ctrl-C, or when the file of --play has ended.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub duration: Option<Duration>,

    /// Print one JSON event a line, and a summary as the last.
    #[arg(long)]
    pub json: bool,
}

/// `offhook answer`.
#[derive(Debug, Args)]
pub struct AnswerArgs {
    /// Where and as whom to register.
    #[command(flatten)]
    pub server: ServerArgs,

    /// STUN and TURN servers.
    #[command(flatten)]
    pub ice: IceArgs,

    /// Microphone and loudspeakers.
    #[command(flatten)]
    pub sound: SoundArgs,

    /// Send back what is heard.
    #[arg(long, conflicts_with = "play")]
    pub echo: bool,

    /// Play this WAV file to the caller; silence without it.
    #[arg(long, value_name = "WAV")]
    pub play: Option<PathBuf>,

    /// Record what is heard to this WAV file (16-bit mono); a later call replaces it.
    #[arg(long, value_name = "WAV")]
    pub record: Option<PathBuf>,

    /// End after the first call.
    #[arg(long)]
    pub once: bool,

    /// Print one JSON event a line, and a summary as the last.
    #[arg(long)]
    pub json: bool,
}

/// A password is given once: a file counts before the environment, but not beside the option.
///
/// # Errors
/// Both are on the command line.
pub(crate) fn one_password(matches: &ArgMatches) -> Result<(), clap::Error> {
    let Some((_, command)) = matches.subcommand() else { return Ok(()) };
    // Not every subcommand has these.
    let given = |id| {
        command.try_contains_id(id).is_ok_and(|there| there)
            && command.value_source(id) == Some(ValueSource::CommandLine)
    };
    for (password, file, name) in
        [("password", "password_file", "password"), ("turn_password", "turn_password_file", "turn-password")]
    {
        if given(password) && given(file) {
            let text = format!("--{name} and --{name}-file are both given: leave one out\n");
            return Err(clap::Error::raw(ErrorKind::ArgumentConflict, text));
        }
    }
    Ok(())
}

/// `500ms`, `10s`, `1m30s`, `2h`; a bare number is seconds. At most a day.
fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is no time; write for example 500ms, 10s or 1m30s");
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, tail) = rest.split_at(digits);
        let unit_end = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_end);
        let number: f64 = number.parse().map_err(|_| wrong())?;
        let seconds = match unit {
            "ms" => 0.001,
            "s" => 1.0,
            "m" | "min" => 60.0,
            "h" => 3_600.0,
            "" if total.is_zero() => 1.0,
            _ => return Err(wrong()),
        };
        let part = number * seconds;
        if !(0.0..=86_400.0).contains(&part) {
            return Err(format!("{text:?} is longer than a day"));
        }
        total += Duration::from_secs_f64(part);
        rest = tail;
    }
    if text.is_empty() || total.is_zero() {
        return Err(wrong());
    }
    Ok(total)
}

fn tones(text: &str) -> Result<String, String> {
    let wrong = text.chars().find(|c| !"0123456789*#ABCD,".contains(*c));
    match wrong {
        Some(c) => Err(format!("{c:?} is no tone; use 0-9 * # A-D and , for a pause")),
        None if text.is_empty() => Err("no tones given".to_owned()),
        None if text.len() > 64 => Err("more than 64 tones".to_owned()),
        None => Ok(text.to_owned()),
    }
}

fn dtmf_mode(text: &str) -> Result<DtmfMode, String> {
    match text {
        "rfc4733" => Ok(DtmfMode::Rfc4733),
        "info" => Ok(DtmfMode::Info),
        "in-band" => Ok(DtmfMode::InBand),
        _ => Err("write rfc4733, info or in-band".to_owned()),
    }
}

fn server_url(text: &str) -> Result<String, String> {
    let lower = text.to_ascii_lowercase();
    let host = lower.strip_prefix("wss://").or_else(|| lower.strip_prefix("ws://"));
    match host {
        Some(host) if !host.is_empty() && !host.starts_with(['/', ':']) => Ok(text.to_owned()),
        _ => Err("write it as ws://host:port/path or wss://host:port/path".to_owned()),
    }
}

fn user(text: &str) -> Result<String, String> {
    if text.is_empty() { Err("give the extension, such as 1000".to_owned()) } else { Ok(text.to_owned()) }
}

fn fingerprint(text: &str) -> Result<String, String> {
    let hex: String = text.chars().filter(|c| *c != ':').collect();
    if hex.len() == 64 && hex.chars().all(|c| c.is_ascii_hexdigit()) {
        Ok(hex.to_ascii_lowercase())
    } else {
        Err("a SHA-256 fingerprint has 64 hex digits (`offhook pbx` prints its own)".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn durations() {
        assert_eq!(duration("10s"), Ok(Duration::from_secs(10)));
        assert_eq!(duration("1m30s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("2.5"), Ok(Duration::from_millis(2_500)));
        for wrong in ["", "0s", "s", "10x", "-1s", "1..2s", "25h", "10 s", "5s5"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn tones_are_checked() {
        assert_eq!(tones("12#,*A"), Ok("12#,*A".to_owned()));
        for wrong in ["", "12x", "e", "1 2"] {
            assert!(tones(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn ways_to_send_tones_are_checked() {
        assert_eq!(dtmf_mode("in-band"), Ok(DtmfMode::InBand));
        assert!(dtmf_mode("inband").is_err());
    }

    #[test]
    fn addresses_and_fingerprints_are_checked() {
        assert!(server_url("wss://pbx.example/ws").is_ok());
        for wrong in ["", "http://a", "ws://", "wss:///x", "pbx.example"] {
            assert!(server_url(wrong).is_err(), "{wrong}");
        }
        let pin = "AB:".repeat(31) + "CD";
        assert_eq!(fingerprint(&pin), Ok("ab".repeat(31) + "cd"));
        assert!(fingerprint("abcd").is_err());
    }
}
