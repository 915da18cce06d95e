//! A phone with two ways to its server, as network namespaces: a cable and a radio, say.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::namespaces::{add, forget, ip, veth};

/// A client with the interfaces `one` and `two`, and a server that both lead to. Dropping it removes everything.
#[derive(Debug)]
pub struct Homes {
    prefix: String,
}

impl Homes {
    /// Where the server listens: reached by either interface.
    pub const SERVER: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 9);

    /// Builds it; the client uses `one`.
    pub fn build() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let this = Self { prefix: format!("ohm{}-{number}", std::process::id()) };
        let (client, server) = (this.client(), this.server());
        add(&client);
        add(&server);
        ip(&["-n", &server, "addr", "add", &format!("{}/32", Self::SERVER), "dev", "lo"]);
        for (name, third) in [("one", 1), ("two", 2)] {
            let net = format!("10.8.{third}");
            veth(&client, name, &format!("{net}.2/24"), &server, &format!("to-{name}"), &format!("{net}.1/24"));
        }
        this.route("one", 100);
        this.route("two", 200);
        this
    }

    /// Namespace of the phone.
    pub fn client(&self) -> String {
        format!("{}c", self.prefix)
    }

    /// Namespace of the server.
    pub fn server(&self) -> String {
        format!("{}s", self.prefix)
    }

    /// The client's way by this interface; of several, the one with the smallest metric is taken.
    pub fn route(&self, name: &str, metric: u32) {
        let third = if name == "one" { 1 } else { 2 };
        let (via, metric) = (format!("10.8.{third}.1"), metric.to_string());
        ip(&["-n", &self.client(), "route", "add", "default", "via", &via, "dev", name, "metric", &metric]);
    }

    /// Takes an interface of the client away, or brings it back; its routes are gone then.
    pub fn set(&self, name: &str, up: bool) {
        ip(&["-n", &self.client(), "link", "set", name, if up { "up" } else { "down" }]);
    }

    /// Gives an interface of the client another address, as a network with new DHCP leases does.
    pub fn renumber(&self, name: &str, from: &str, to: &str) {
        ip(&["-n", &self.client(), "addr", "del", from, "dev", name]);
        ip(&["-n", &self.client(), "addr", "add", to, "dev", name]);
    }
}

impl Drop for Homes {
    fn drop(&mut self) {
        for part in ["c", "s"] {
            forget(&format!("{}{part}", self.prefix));
        }
    }
}
