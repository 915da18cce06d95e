//! Which addresses this machine has.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often a call looks whether the addresses have changed. A look asks the system once for all calls of the process.
pub const ADDRESS_POLL: Duration = Duration::from_millis(500);

/// Addresses of the interfaces that are up, without loopback and link-local ones; IPv4 first. Asked of the system at most once
/// in [`ADDRESS_POLL`] by the whole process.
#[must_use]
pub fn local_addresses() -> Arc<[IpAddr]> {
    static LATEST: Mutex<Option<(Instant, Arc<[IpAddr]>)>> = Mutex::new(None);
    let mut latest = LATEST.lock().unwrap_or_else(PoisonError::into_inner);
    let now = Instant::now();
    // Somewhat less than the interval, or every second look of a punctual caller would be in vain.
    let fresh = |at: Instant| now.saturating_duration_since(at) < ADDRESS_POLL * 9 / 10;
    if let Some((_, addresses)) = latest.as_ref().filter(|(at, _)| fresh(*at)) {
        return Arc::clone(addresses);
    }
    let addresses: Arc<[IpAddr]> = read().into();
    *latest = Some((now, Arc::clone(&addresses)));
    addresses
}

/// The same, of this moment.
pub(crate) fn read() -> Vec<IpAddr> {
    let Ok(interfaces) = if_addrs::get_if_addrs() else { return Vec::new() };
    let mut ips: Vec<IpAddr> = interfaces
        .into_iter()
        .filter(|interface| interface.is_oper_up() && !interface.is_loopback() && !interface.is_link_local())
        .map(|interface| interface.ip())
        .collect();
    ips.sort_by_key(IpAddr::is_ipv6);
    ips.dedup();
    ips
}
