//! Two private networks behind NATs, with a public one between them, as network namespaces.

use std::net::Ipv4Addr;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// What stands between a private network and the public one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nat {
    /// Keeps the port where it can, whatever the destination, and lets in only answers: STUN is enough.
    Friendly,
    /// Another port for each destination: between two of them, only TURN helps.
    Symmetric,
}

/// A public network with coturn's address on it, and a private one on either side. Dropping it removes everything.
#[derive(Debug)]
pub struct Networks {
    prefix: String,
}

impl Networks {
    /// The public address, where a server may listen.
    pub const SERVER: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);

    /// Builds it.
    pub fn build(left: Nat, right: Nat) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let this = Self { prefix: format!("oh{}-{number}", std::process::id()) };
        let public = this.public();
        add(&public);
        for (side, nat, third) in [("l", left, 1), ("r", right, 2)] {
            let (inner, gate) = (format!("{}{side}", this.prefix), format!("{}{side}g", this.prefix));
            add(&inner);
            add(&gate);
            let net = format!("10.9.{third}");
            // 203.0.113.0/30 and 203.0.113.4/30: the public host's addresses are .1 and .5.
            let (outer_host, outer_gate) = (4 * (third - 1) + 1, 4 * (third - 1) + 2);
            veth(&inner, "lan", &format!("{net}.2/24"), &gate, "lan", &format!("{net}.1/24"));
            let (host, outside) = (format!("203.0.113.{outer_host}/30"), format!("203.0.113.{outer_gate}/30"));
            veth(&gate, "wan", &outside, &public, &format!("to-{side}"), &host);
            ip(&["-n", &inner, "route", "add", "default", "via", &format!("{net}.1")]);
            ip(&["-n", &gate, "route", "add", "default", "via", &format!("203.0.113.{outer_host}")]);
            forward(&gate);
            let mut rule = vec!["-t", "nat", "-A", "POSTROUTING", "-o", "wan", "-j", "MASQUERADE"];
            if nat == Nat::Symmetric {
                rule.push("--random-fully");
            }
            iptables(&gate, &rule);
            // As home routers do: what was not asked for is dropped, and leaves no trace in the NAT's table.
            for chain in ["INPUT", "FORWARD"] {
                iptables(&gate, &["-A", chain, "-i", "wan", "-m", "conntrack", "--ctstate", "NEW", "-j", "DROP"]);
            }
        }
        forward(&public);
        // coturn gives up an allocation when there is no route to a peer, as there is everywhere in the real one.
        ip(&["-n", &public, "route", "add", "default", "via", "203.0.113.2"]);
        this
    }

    /// Name of the namespace of the public network.
    pub fn public(&self) -> String {
        format!("{}p", self.prefix)
    }

    /// Name of the namespace of the left private network.
    pub fn left(&self) -> String {
        format!("{}l", self.prefix)
    }

    /// Name of the namespace of the right private network.
    pub fn right(&self) -> String {
        format!("{}r", self.prefix)
    }
}

impl Drop for Networks {
    fn drop(&mut self) {
        for part in ["l", "lg", "r", "rg", "p"] {
            forget(&format!("{}{part}", self.prefix));
        }
    }
}

pub(crate) fn add(namespace: &str) {
    ip(&["netns", "add", namespace]);
    ip(&["-n", namespace, "link", "set", "lo", "up"]);
}

/// One that was not made is gone already.
pub(crate) fn forget(namespace: &str) {
    let _ = Command::new("ip").args(["netns", "del", namespace]).output();
}

/// A cable between two namespaces.
pub(crate) fn veth(a: &str, a_name: &str, a_address: &str, b: &str, b_name: &str, b_address: &str) {
    ip(&["-n", a, "link", "add", a_name, "type", "veth", "peer", "name", b_name, "netns", b]);
    for (namespace, name, address) in [(a, a_name, a_address), (b, b_name, b_address)] {
        ip(&["-n", namespace, "addr", "add", address, "dev", name]);
        ip(&["-n", namespace, "link", "set", name, "up"]);
    }
}

fn forward(namespace: &str) {
    ip(&["netns", "exec", namespace, "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"]);
}

fn iptables(namespace: &str, rule: &[&str]) {
    let mut arguments = vec!["netns", "exec", namespace, "iptables"];
    arguments.extend(rule);
    ip(&arguments);
}

pub(crate) fn ip(arguments: &[&str]) {
    let output = Command::new("ip").args(arguments).output().expect("the command ip");
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ip {}: {words} (root is needed)", arguments.join(" "));
}
