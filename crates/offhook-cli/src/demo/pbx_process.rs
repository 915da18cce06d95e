//! The demo's PBX: a process of its own, as it is in real life.

use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::exit::{Failure, Reason};

/// It listens within this time.
const START: Duration = Duration::from_secs(15);
/// It ends within this time when it is told to.
const STOP: Duration = Duration::from_secs(4);

/// A running PBX. It is killed with this value, and ends by itself if the demo is killed.
#[derive(Debug)]
pub(super) struct PbxProcess {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    /// `wss://…`
    pub(super) url: String,
    /// SHA-256 of its certificate.
    pub(super) fingerprint: String,
    pub(super) pid: u32,
}

impl PbxProcess {
    /// Starts `offhook pbx` on free ports.
    pub(super) async fn start() -> Result<Self, Failure> {
        let cannot = |why: String| Failure::new(Reason::Bind, format!("cannot start the PBX: {why}"));
        let program = std::env::current_exe().map_err(|e| cannot(e.to_string()))?;
        let mut command = Command::new(program);
        // Ctrl-C in a terminal goes to the whole group: the phones say goodbye first, then the PBX is stopped.
        #[cfg(unix)]
        command.process_group(0);
        let mut child = command
            .args(["pbx", "--json", "--port", "0", "--tls-port", "0", "--until-stdin-closes"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // A log would fill the pipe, which nobody reads before the end: it goes where ours goes.
            .stderr(if std::env::var_os("RUST_LOG").is_some() { Stdio::inherit() } else { Stdio::piped() })
            .kill_on_drop(true)
            .spawn()
            .map_err(|e| cannot(e.to_string()))?;
        let stdout = child.stdout.take().ok_or_else(|| cannot("no standard output".to_owned()))?;
        let mut lines = BufReader::new(stdout).lines();
        let listening = match tokio::time::timeout(START, lines.next_line()).await {
            Ok(Ok(Some(line))) => serde_json::from_str::<Value>(&line).map_err(|e| cannot(e.to_string()))?,
            Ok(_) => return Err(cannot(how_it_ended(&mut child).await)),
            Err(_) => return Err(cannot(format!("it does not listen within {} s", START.as_secs()))),
        };
        let text = |key: &str| {
            let value = listening.get(key).and_then(Value::as_str);
            value.map(ToOwned::to_owned).ok_or_else(|| cannot(format!("it does not tell its {key}")))
        };
        Ok(Self { url: text("wss")?, fingerprint: text("fingerprint")?, pid: child.id().unwrap_or(0), child, lines })
    }

    /// The next thing it tells; an error when it ended, which it must not. Cancel-safe.
    pub(super) async fn event(&mut self) -> Result<Value, Failure> {
        if let Ok(Some(line)) = self.lines.next_line().await {
            return Ok(serde_json::from_str(&line).unwrap_or(Value::Null));
        }
        let how = how_it_ended(&mut self.child).await;
        Err(Failure::new(Reason::Unreachable, format!("the PBX ended in the middle of the call ({how})")))
    }

    /// Ends it properly, and says whether that worked.
    pub(super) async fn stop(mut self) -> Result<(), Failure> {
        drop(self.child.stdin.take());
        match tokio::time::timeout(STOP, self.child.wait()).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(Failure::new(Reason::Failed, format!("the PBX ended with {status}"))),
            Ok(Err(error)) => Err(Failure::new(Reason::Failed, format!("the PBX: {error}"))),
            Err(_) => {
                // Killed with this value.
                Err(Failure::new(Reason::Timeout, format!("the PBX did not end within {} s", STOP.as_secs())))
            }
        }
    }
}

/// The exit status, and what it said on standard error.
async fn how_it_ended(child: &mut Child) -> String {
    let mut words = String::new();
    if let Some(stderr) = child.stderr.take() {
        let mut stderr = stderr.take(2_000);
        let read = stderr.read_to_string(&mut words);
        // What came until then is enough.
        let _ = tokio::time::timeout(Duration::from_secs(1), read).await;
    }
    let status = match tokio::time::timeout(Duration::from_secs(1), child.wait()).await {
        Ok(Ok(status)) => status.to_string(),
        Ok(Err(error)) => error.to_string(),
        Err(_) => "it closed its output".to_owned(),
    };
    let words = words.trim();
    if words.is_empty() { status } else { format!("{status}: {words}") }
}

/// What an event of the PBX is called and says, for the ladder; none for those that say nothing to a human.
pub(super) fn describe(event: &Value) -> Option<(String, String)> {
    let text = |key: &str| event.get(key).map(|v| v.as_str().map_or_else(|| v.to_string(), ToOwned::to_owned));
    let name = text("event")?;
    let detail = match name.as_str() {
        "registered" | "unregistered" => text("extension")?,
        "call_started" | "call_answered" => format!("{} → {}", text("from")?, text("to")?),
        "call_ended" => {
            format!("{} → {}, {} after {} ms", text("from")?, text("to")?, text("status")?, text("duration_ms")?)
        }
        _ => return None,
    };
    Some((name, detail))
}
