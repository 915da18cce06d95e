//! TCP to a server that has several addresses, of which some may be dead (RFC 8305).

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::net::TcpStream;

/// From one attempt to the next, while the one before says nothing (RFC 8305 §5).
const STAGGER: Duration = Duration::from_millis(250);

/// A connection to the address that takes it first; the other attempts are dropped.
///
/// # Errors
/// What became of each address.
pub(super) async fn dial(addresses: &[SocketAddr]) -> Result<TcpStream, String> {
    race(addresses, TcpStream::connect).await
}

async fn race<T, F>(addresses: &[SocketAddr], connect: impl Fn(SocketAddr) -> F) -> Result<T, String>
where
    F: Future<Output = io::Result<T>>,
{
    let mut left = interleaved(addresses).into_iter();
    let mut attempts = FuturesUnordered::new();
    let mut failed = Vec::new();
    loop {
        // Each turn begins one more: when its time has come, or as soon as one has failed.
        match left.next() {
            Some(address) => {
                let attempt = connect(address);
                attempts.push(async move { attempt.await.map_err(|error| (address, error)) });
            }
            None if attempts.is_empty() => return Err(describe(&failed)),
            None => {}
        }
        let more = left.len() > 0;
        tokio::select! {
            Some(outcome) = attempts.next() => match outcome {
                Ok(connected) => return Ok(connected),
                Err(refused) => failed.push(refused),
            },
            () = tokio::time::sleep(STAGGER), if more => {}
        }
    }
}

/// In the order given, but with the families in turn: one of them may lead nowhere (RFC 8305 §4).
fn interleaved(addresses: &[SocketAddr]) -> Vec<SocketAddr> {
    let first = addresses.first().map(SocketAddr::is_ipv6);
    let (one, other): (Vec<SocketAddr>, Vec<_>) =
        addresses.iter().copied().partition(|address| Some(address.is_ipv6()) == first);
    let (mut one, mut other) = (one.into_iter(), other.into_iter());
    let mut order = Vec::with_capacity(addresses.len());
    while order.len() < addresses.len() {
        order.extend([one.next(), other.next()].into_iter().flatten());
    }
    order
}

fn describe(failed: &[(SocketAddr, io::Error)]) -> String {
    match failed {
        [] => "its name has no address".to_owned(),
        // It is in the URL, or said by its name.
        [(_, error)] => error.to_string(),
        several => {
            let each: Vec<_> = several.iter().map(|(address, error)| format!("{}: {error}", address.ip())).collect();
            each.join(", ")
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    fn addresses<const N: usize>(texts: [&str; N]) -> [SocketAddr; N] {
        texts.map(|text| text.parse().expect("an address"))
    }

    /// At port 1 they are silent, at 2 they refuse, at 3 they connect. Also gives which were tried.
    async fn tried<const N: usize>(texts: [&str; N]) -> (Result<SocketAddr, String>, Vec<SocketAddr>) {
        let tried = RefCell::new(Vec::new());
        let connect = |address: SocketAddr| {
            tried.borrow_mut().push(address);
            async move {
                match address.port() {
                    1 => std::future::pending().await,
                    2 => Err(io::ErrorKind::ConnectionRefused.into()),
                    _ => Ok(address),
                }
            }
        };
        let result = race(&addresses(texts), connect).await;
        (result, tried.into_inner())
    }

    #[tokio::test]
    async fn a_silent_address_does_not_keep_from_the_next() {
        let all = ["[::1]:1", "[::1]:2", "127.0.0.1:1", "127.0.0.1:3"];
        let (connected, tried) = tried(all).await;
        assert_eq!(connected, Ok(addresses(all)[3]));
        assert_eq!(tried, addresses(["[::1]:1", "127.0.0.1:1", "[::1]:2", "127.0.0.1:3"]));
    }

    #[tokio::test]
    async fn no_other_address_is_tried_if_the_first_connects() {
        let all = ["[::1]:3", "127.0.0.1:3"];
        assert_eq!(tried(all).await, (Ok(addresses(all)[0]), addresses(["[::1]:3"]).to_vec()));
    }

    #[tokio::test]
    async fn every_address_that_failed_is_named() {
        let (failed, _) = tried(["[::1]:2", "127.0.0.1:2"]).await;
        assert_eq!(failed, Err("::1: connection refused, 127.0.0.1: connection refused".to_owned()));
        assert_eq!(tried(["127.0.0.1:2"]).await.0, Err("connection refused".to_owned()));
        assert_eq!(tried([]).await.0, Err("its name has no address".to_owned()));
    }
}
