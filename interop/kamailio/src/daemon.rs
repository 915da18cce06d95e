//! A daemon in the foreground, as our child.

use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long it may take to start or to end.
const PATIENCE: Duration = Duration::from_secs(20);
/// Between two looks at a process that tells nothing by itself.
const LOOK: Duration = Duration::from_millis(10);

/// A running daemon, in a process group of its own; dropping it kills the whole group.
#[derive(Debug)]
pub(crate) struct Daemon {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

impl Daemon {
    /// Starts it, its words going to a log file, and waits until it is `ready`. Should this process die, it ends too.
    pub(crate) fn start(command: &mut Command, log: &Path, ready: impl Fn() -> bool) -> Self {
        let program = command.get_program().to_string_lossy().into_owned();
        let name = if program.contains("kamailio") { "kamailio" } else { "rtpengine" };
        let file = File::options().create(true).append(true).open(log).expect("a log file");
        // util-linux: the kernel sends the signal when the thread that started it is gone.
        let mut wrapped = Command::new("setpriv");
        wrapped.args(["--pdeathsig", "TERM", "--"]).arg(command.get_program()).args(command.get_args());
        for (key, value) in command.get_envs() {
            if let Some(value) = value {
                wrapped.env(key, value);
            }
        }
        let output = file.try_clone().expect("a log file");
        let spawned = wrapped.stdin(Stdio::null()).stdout(output).stderr(file).process_group(0).spawn();
        let child = spawned.unwrap_or_else(|error| panic!("setpriv {name}: {error}"));
        let mut daemon = Self { name, child, log: log.to_owned() };
        let begun = Instant::now();
        while !ready() {
            let ended = daemon.child.try_wait().expect("a child");
            assert!(ended.is_none(), "{name} ended at once: is it installed? {}", daemon.words());
            assert!(begun.elapsed() < PATIENCE, "{name} does not start: {}", daemon.words());
            std::thread::sleep(LOOK);
        }
        daemon
    }

    /// Asks it to end, and waits until it has.
    pub(crate) fn stop(mut self) {
        self.signal("TERM");
        let begun = Instant::now();
        while self.child.try_wait().expect("a child").is_none() {
            assert!(begun.elapsed() < PATIENCE, "{} does not end: {}", self.name, self.words());
            std::thread::sleep(LOOK);
        }
    }

    /// Kills it as a crash would: no word to anybody.
    pub(crate) fn crash(self) {
        drop(self);
    }

    /// What it logged.
    pub(crate) fn words(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_else(|error: io::Error| error.to_string())
    }

    fn signal(&self, signal: &str) {
        let group = format!("-{}", self.child.id());
        // A group that is gone already is fine.
        let _ = Command::new("kill").args(["-s", signal, "--", &group]).stderr(Stdio::null()).status();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.signal("KILL");
        let _ = self.child.wait();
    }
}
