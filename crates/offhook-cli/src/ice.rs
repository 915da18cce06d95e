//! STUN and TURN servers of the command line.

use offhook::{CallOptions, IceServer, IceTransportPolicy, Secret};

use crate::args::IceArgs;
use crate::exit::{Failure, Reason};
use crate::server;

/// What a call is made or answered with, each server by itself.
pub(crate) fn options(args: &IceArgs) -> Result<CallOptions, Failure> {
    let usage = |text: &str| Failure::new(Reason::Usage, text);
    let scheme = |url: &str, schemes: &[&str]| {
        let lower = url.to_ascii_lowercase();
        schemes.iter().any(|scheme| lower.starts_with(scheme))
    };
    if !args.stun.iter().all(|url| scheme(url, &["stun:"])) {
        return Err(usage("--stun: write stun:HOST or stun:HOST:PORT"));
    }
    if !args.turn.iter().all(|url| scheme(url, &["turn:", "turns:"])) {
        return Err(usage("--turn: write turn:HOST[:PORT][?transport=udp|tcp] or turns:HOST[:PORT]"));
    }
    let credential = match (&args.turn_password_file, &args.turn_password) {
        (Some(path), _) => Some(server::first_line("--turn-password-file", path)?),
        (None, given) => given.clone(),
    };
    if !args.turn.is_empty() && credential.is_none() {
        return Err(usage("no password for --turn: set OFFHOOK_TURN_PASSWORD, or give --turn-password-file FILE"));
    }
    let credential = credential.map(Secret::from);
    let stun = args.stun.iter().map(|url| IceServer { urls: vec![url.clone()], username: None, credential: None });
    let turn = args.turn.iter().map(|url| IceServer {
        urls: vec![url.clone()],
        username: args.turn_user.clone(),
        credential: credential.clone(),
    });
    let policy = if args.relay { IceTransportPolicy::Relay } else { IceTransportPolicy::All };
    Ok(CallOptions { ice_servers: stun.chain(turn).collect(), ice_transport_policy: policy, ..CallOptions::default() })
}
