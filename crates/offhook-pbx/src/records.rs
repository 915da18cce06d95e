//! Records of calls on their way to the disk.

use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use offhook_sip::Millis;

use crate::events::CallId;
use crate::outbox::Barrier;
use crate::store::{CdrRecord, CdrRow, Store, StoreError};
use crate::switch::Concluded;
use crate::wall::wall_ms;

/// How long a call's end waits for a disk. RFC 3261 §17.1.2.2 gives the other side up to 32 s for its BYE.
const PATIENCE: Duration = Duration::from_secs(10);

/// All calls are between extensions, or extensions and services.
const CALL_TYPE: &str = "Internal";
const DIAL_PLAN: &str = "internal";

/// How it went with one.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) call: CallId,
    pub(crate) barrier: Barrier,
    /// Its rows, which are on the disk.
    pub(crate) result: Result<Vec<CdrRow>, StoreError>,
}

/// Those that are not written yet.
pub(crate) struct Records {
    store: Store,
    writing: FuturesUnordered<BoxFuture<'static, Written>>,
}

impl Records {
    pub(crate) fn new(store: Store) -> Self {
        Self { store, writing: FuturesUnordered::new() }
    }

    /// Begins to write one. [`next`](Self::next) tells how it went, once for each.
    pub(crate) fn write(&mut self, now: Millis, concluded: Concluded, barrier: Barrier) {
        let call = concluded.call;
        let asked = self.store.write_cdr(record(self.store.run(), wall_ms(), now, concluded));
        let written = async move {
            let result = match asked {
                Err(error) => Err(error),
                Ok(told) => match tokio::time::timeout(PATIENCE, told).await {
                    Ok(told) => told.unwrap_or(Err(StoreError::Stopped)),
                    Err(_) => Err(StoreError::Busy),
                },
            };
            Written { call, barrier, result }
        };
        self.writing.push(written.boxed());
    }

    /// The next that is written, or failed. Cancel-safe; never ends when there is none.
    pub(crate) async fn next(&mut self) -> Written {
        match self.writing.next().await {
            Some(written) => written,
            None => std::future::pending().await,
        }
    }
}

/// The switch's times as those of the wall's clock, of which only the present is known.
fn record(run: i64, wall_ms: u64, now: Millis, call: Concluded) -> CdrRecord {
    let wall = |at: Millis| i64::try_from(wall_ms.saturating_sub(now.saturating_sub(at))).unwrap_or(i64::MAX);
    let start_ms = wall(call.started);
    CdrRecord {
        // The run makes it differ from those of earlier starts, whatever the clock says.
        uniqueid: format!("{}.{run}-{}", start_ms / 1000, call.call.0),
        start_ms,
        answer_ms: call.answered.map(wall),
        end_ms: wall(call.ended),
        caller: call.caller,
        caller_name: call.caller_name,
        callee: call.callee,
        callee_name: call.callee_name,
        call_type: CALL_TYPE.to_owned(),
        disposition: call.disposition,
        dcontext: DIAL_PLAN.to_owned(),
        sip_call_id: call.sip_call_id,
        callee_sip_call_id: call.callee_sip_call_id,
        seen_by: call.seen_by,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbox::Outbox;
    use crate::store::tests::hang;
    use crate::store::{CdrStatus, Disposition, Query};

    fn concluded(call: u64) -> Concluded {
        Concluded {
            call: CallId(call),
            started: 0,
            answered: Some(1_000),
            ended: 3_000,
            caller: "1000".to_owned(),
            caller_name: String::new(),
            callee: "1001".to_owned(),
            callee_name: String::new(),
            disposition: Disposition::Answered,
            sip_call_id: format!("caller-{call}"),
            callee_sip_call_id: format!("callee-{call}"),
            seen_by: vec![("1000".to_owned(), CdrStatus::Outbound)],
        }
    }

    /// The clock jumps to the next timer whenever nothing else is to be done.
    #[tokio::test(start_paused = true)]
    async fn a_disk_that_does_not_answer_holds_the_end_of_a_call_for_ten_seconds() {
        let store = Store::open(None).expect("opened");
        let mut records = Records::new(store.clone());
        let mut outbox = Outbox::default();
        let disk = hang(&store);
        let begun = tokio::time::Instant::now();
        for call in [1, 2] {
            records.write(3_000, concluded(call), outbox.barrier(1));
        }
        for _ in 0..2 {
            let written = records.next().await;
            assert_eq!(written.result, Err(StoreError::Busy), "{:?}", written.call);
            assert_eq!(begun.elapsed(), PATIENCE);
        }

        // What the disk had been given, it writes when it can; the next is on time.
        tokio::time::resume();
        drop(disk);
        records.write(3_000, concluded(3), outbox.barrier(1));
        let written = records.next().await;
        assert_eq!((written.call, written.result.map(|rows| rows.len())), (CallId(3), Ok(1)));
        assert_eq!(store.cdrs("1000", Query::default()).await.map(|page| page.total), Ok(3));
    }
}
