//! kill −9 at any moment: no record of a call is lost whose BYE was answered.

use offhook_media::{Addresses, Direction, Peer, PeerConfig};
use tokio::sync::mpsc;

use crate::caller::call_until_cut;
use crate::support::{Site, soon};

/// Changes the moments of the kills.
const SEED: u64 = 20_260_417;

const ROUNDS: u64 = 10;
const CALLERS: u64 = 6;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pbx_that_is_killed_at_any_moment_has_the_records_of_all_calls_that_it_acknowledged() {
    let site = Site::new();
    // Media never flows: what is offered only has to be in order.
    let (peer, _events) = Peer::spawn(PeerConfig::new("caller").addresses(Addresses::Loopback)).expect("media");
    let sdp = peer.create_offer(Direction::SendRecv).await.expect("an offer");
    let mut random = SEED;
    let mut acknowledged = Vec::new();
    for round in 0..ROUNDS {
        let pbx = site.start();
        let (told, mut acknowledgements) = mpsc::unbounded_channel();
        let callers: Vec<_> = (0..CALLERS)
            .map(|n| {
                let told = told.clone();
                let user = (1000 + n).to_string();
                let seed = round * CALLERS + n + 1;
                let tell = move || told.send(()).expect("somebody waits");
                tokio::spawn(call_until_cut(site.url.clone(), user, sdp.clone(), seed, tell))
            })
            .collect();
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // Between any two messages: it is a number of them, not a time, that decides.
        for _ in 0..1 + (random >> 33) % 40 {
            soon(acknowledgements.recv()).await.expect("callers go on");
        }
        // SIGKILL, at once.
        drop(pbx);
        for caller in callers {
            acknowledged.extend(soon(caller).await.expect("a caller"));
        }
    }
    assert!(acknowledged.len() as u64 >= ROUNDS, "{}", acknowledged.len());

    // It starts again, and has them all.
    let pbx = site.start();
    let database = site.database();
    let mut find = database
        .prepare("SELECT count(*), min(disposition) FROM cdr WHERE sip_call_id = ?1 AND status = 3")
        .expect("the table");
    for call_id in &acknowledged {
        let (count, disposition): (i64, Option<String>) =
            find.query_row([call_id], |row| Ok((row.get(0)?, row.get(1)?))).expect("a row");
        assert_eq!((count, disposition.as_deref()), (1, Some("ANSWERED")), "{call_id} of {}", acknowledged.len());
    }
    let twice: i64 = database
        .query_row("SELECT count(*) - count(DISTINCT uniqueid) FROM cdr", [], |row| row.get(0))
        .expect("a number");
    assert_eq!(twice, 0, "each call has a name of its own, over all starts");
    let state: String = database.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("checked");
    assert_eq!(state, "ok");
    drop(pbx);
}
