//! A bad path between two network namespaces: a TUN device in each, and a program in user space between them that does to each
//! packet what `offhook-netem` decides from a seed. Whatever runs in the namespaces suffers it: calls, Chromium, coturn.

use std::io::{BufRead, BufReader, Write};
use std::net::Ipv4Addr;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use offhook_netem::{Link, Profile, Scenario};
use serde_json::{Value, json};
use tappers::{DeviceState, Interface, Tun};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::namespaces::{add, forget, ip};
use crate::remote::lines;

/// Of the devices: what fits through every path.
const MTU: &str = "1500";
const LONGEST: usize = 2_000;
/// Packets read and not yet looked at.
const WAITING: usize = 1_000;

/// Two namespaces that nothing but a bad path connects. Dropping it removes everything.
#[derive(Debug)]
pub struct BadPath {
    prefix: String,
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl BadPath {
    /// The address of the left namespace.
    pub const LEFT: Ipv4Addr = Ipv4Addr::new(10, 7, 0, 1);
    /// The address of the right one.
    pub const RIGHT: Ipv4Addr = Ipv4Addr::new(10, 7, 0, 2);

    /// Builds it with `program`, which is `offhook-network-link`: a scenario of `offhook-netem` each way. The way from left to right
    /// has its chances from `seed`, the other one from the next seed. Time begins now.
    pub fn build(program: &str, scenario: &str, seed: u64) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let prefix = format!("ohb{}-{number}", std::process::id());
        let (left, right) = (format!("{prefix}l"), format!("{prefix}r"));
        add(&left);
        add(&right);
        // util-linux: the kernel sends the signal when the thread that started it is gone.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--", program, &left, &right, scenario, &seed.to_string()]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the link");
        let input = child.stdin.take().expect("piped");
        let output = BufReader::new(child.stdout.take().expect("piped"));
        let mut path = Self { prefix, child, input, output };
        assert_eq!(path.line(), json!("ready"));
        path
    }

    /// Name of the left namespace.
    pub fn left(&self) -> String {
        format!("{}l", self.prefix)
    }

    /// Name of the right namespace.
    pub fn right(&self) -> String {
        format!("{}r", self.prefix)
    }

    /// What has happened so far: `ms` since it began, and of each way (`right`, `left`: where to) how many packets were `sent` and
    /// how many `arrived`, copies included.
    pub fn counters(&mut self) -> Value {
        writeln!(self.input).and_then(|()| self.input.flush()).expect("the link listens");
        self.line()
    }

    fn line(&mut self) -> Value {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("the link answers");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("the link ended: {line:?}: {error}"))
    }
}

impl Drop for BadPath {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        forget(&self.left());
        forget(&self.right());
    }
}

/// One way: where packets come from, and what is under way.
struct Way {
    link: Link<Vec<u8>>,
    sent: u64,
    arrived: u64,
}

impl Way {
    fn new(profile: &Profile, seed: u64) -> Self {
        Self { link: Link::new(profile.clone(), seed), sent: 0, arrived: 0 }
    }

    fn take(&mut self, now: Duration, packet: Vec<u8>) {
        self.sent += 1;
        self.link.send(now, packet.len(), packet);
    }

    fn give(&mut self, now: Duration, device: &Tun) {
        while let Some(packet) = self.link.receive(now) {
            self.arrived += 1;
            // A TUN device takes what it is given at once; one of a namespace that is about to go takes nothing.
            let _ = device.send(&packet);
        }
    }
}

/// The program between them: connects two network namespaces until its input ends.
///
/// `arguments` are their names, a scenario's and a seed.
pub async fn serve_link(arguments: &[String]) {
    let [left, right, scenario, seed] = arguments else { panic!("LEFT RIGHT SCENARIO SEED are wanted") };
    let scenario = Scenario::named(scenario).unwrap_or_else(|| panic!("what is {scenario}?"));
    let seed: u64 = seed.parse().expect("a number");
    let (one, mut from_left) = device(left, BadPath::LEFT);
    let (two, mut from_right) = device(right, BadPath::RIGHT);
    let [mut to_right, mut to_left] = [seed, seed + 1].map(|seed| Way::new(&scenario.profile, seed));
    let mut lines = lines();
    println!("{}", json!("ready"));
    let begun = Instant::now();
    loop {
        let next = to_right.link.next().into_iter().chain(to_left.link.next()).min();
        let due = begun + next.unwrap_or(Duration::from_secs(1_000_000));
        tokio::select! {
            Some(packet) = from_left.recv() => to_right.take(begun.elapsed(), packet),
            Some(packet) = from_right.recv() => to_left.take(begun.elapsed(), packet),
            () = tokio::time::sleep_until(due) => {}
            line = lines.recv() => {
                if line.is_none() {
                    return;
                }
                let way = |way: &Way| json!({"sent": way.sent, "arrived": way.arrived});
                let ms = begun.elapsed().as_millis() as u64;
                println!("{}", json!({"ms": ms, "right": way(&to_right), "left": way(&to_left)}));
            }
        }
        to_right.give(begun.elapsed(), &two);
        to_left.give(begun.elapsed(), &one);
    }
}

/// A TUN device in this namespace, with this address, and what that sends. It is made here and moved there: the program keeps
/// hold of it.
fn device(namespace: &str, address: Ipv4Addr) -> (Arc<Tun>, mpsc::Receiver<Vec<u8>>) {
    let name: String = namespace.chars().rev().take(15).collect::<Vec<_>>().into_iter().rev().collect();
    let mut tun = Tun::new_named(Interface::new(name.as_str()).expect("a name")).expect("a TUN device: root is needed");
    tun.set_state(DeviceState::Down).expect("it is ours");
    ip(&["link", "set", "dev", &name, "netns", namespace]);
    let to = |rest: &[&str]| ip(&[&["-n", namespace], rest].concat());
    to(&["addr", "add", &format!("{address}/30"), "dev", &name]);
    // Nothing of its own may be sent by the kernel: each packet takes its chance.
    to(&["link", "set", "dev", &name, "addrgenmode", "none"]);
    to(&["link", "set", "dev", &name, "mtu", MTU, "up"]);
    let tun = Arc::new(tun);
    let (sender, packets) = mpsc::channel(WAITING);
    let reader = Arc::clone(&tun);
    // It waits in the kernel for as long as the program runs.
    std::thread::spawn(move || {
        let mut packet = vec![0; LONGEST];
        while let Ok(length) = reader.recv(&mut packet) {
            if sender.blocking_send(packet[..length].to_vec()).is_err() {
                return;
            }
        }
    });
    (tun, packets)
}
