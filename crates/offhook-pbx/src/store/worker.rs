//! A thread that owns a database connection.

use std::fs::File;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::StoreError;

/// Jobs that may wait.
const QUEUE: usize = 4096;

/// Jobs committed together at most.
const GROUP: usize = 256;

/// Tells a writer how its commit went.
type Tell = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

/// Writes, in a transaction that others share.
type Write = Box<dyn FnOnce(&Connection) -> Tell + Send>;

enum Job {
    Write(Write),
    Read(Box<dyn FnOnce(&Connection) + Send>),
    Close(oneshot::Sender<()>),
}

/// The thread. It ends when this is dropped, after what waits is done.
#[derive(Debug)]
pub(super) struct Worker(Queue);

/// Where jobs are handed in.
#[derive(Debug)]
pub(super) struct Queue(Mutex<Option<SyncSender<Job>>>);

impl Worker {
    /// `lock`: kept as long as the connection is open.
    pub(super) fn spawn(name: &str, connection: Connection, lock: Option<File>) -> Result<Self, String> {
        let (sender, jobs) = sync_channel(QUEUE);
        let run = move || run(connection, lock, &jobs);
        std::thread::Builder::new().name(name.to_owned()).spawn(run).map_err(|e| e.to_string())?;
        Ok(Self(Queue(Mutex::new(Some(sender)))))
    }

    pub(super) fn queue(&self) -> &Queue {
        &self.0
    }

    /// Takes no more jobs, and waits for those that it has.
    pub(super) async fn close(&self) {
        let sender = self.0.0.lock().ok().and_then(|mut sender| sender.take());
        let Some(sender) = sender else { return };
        let (done, closed) = oneshot::channel();
        // A full queue: the thread ends when the sender is gone, after what waits is done.
        if sender.try_send(Job::Close(done)).is_ok() {
            let _ = closed.await;
        }
    }
}

impl Queue {
    pub(super) fn write<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<oneshot::Receiver<Result<T, StoreError>>, StoreError> {
        let (tell, told) = oneshot::channel();
        let job = Job::Write(Box::new(move |connection| {
            let result = in_savepoint(connection, job);
            // Who asked may be gone.
            Box::new(move |committed| drop(tell.send(committed.and(result))))
        }));
        self.push(job)?;
        Ok(told)
    }

    pub(super) fn read<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<oneshot::Receiver<Result<T, StoreError>>, StoreError> {
        let (tell, told) = oneshot::channel();
        self.push(Job::Read(Box::new(move |connection| {
            // Nobody reads any more for one that is gone.
            if !tell.is_closed() {
                let _ = tell.send(job(connection));
            }
        })))?;
        Ok(told)
    }

    fn push(&self, job: Job) -> Result<(), StoreError> {
        let sender = self.0.lock().map_err(|_| StoreError::Stopped)?;
        let sender = sender.as_ref().ok_or(StoreError::Stopped)?;
        sender.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => StoreError::Busy,
            TrySendError::Disconnected(_) => StoreError::Stopped,
        })
    }
}

fn run(connection: Connection, lock: Option<File>, jobs: &Receiver<Job>) {
    let closed = serve(&connection, jobs);
    // Who waits for the end may open the file again.
    drop(connection);
    drop(lock);
    if let Some(closed) = closed {
        let _ = closed.send(());
    }
}

/// Gives whom to tell that it is closed, if somebody waits for that.
fn serve(connection: &Connection, jobs: &Receiver<Job>) -> Option<oneshot::Sender<()>> {
    let mut held = None;
    while let Some(first) = held.take().or_else(|| jobs.recv().ok()) {
        match first {
            Job::Read(job) => job(connection),
            Job::Close(done) => return Some(done),
            Job::Write(job) => {
                // What waits is committed with it: a commit costs the same for one and for many.
                let mut group = vec![job];
                while group.len() < GROUP {
                    match jobs.try_recv() {
                        Ok(Job::Write(job)) => group.push(job),
                        Ok(other) => {
                            held = Some(other);
                            break;
                        }
                        Err(_) => break,
                    }
                }
                commit(connection, group);
            }
        }
    }
    None
}

fn commit(connection: &Connection, group: Vec<Write>) {
    let begun = connection.execute_batch("BEGIN IMMEDIATE");
    let tells: Vec<Tell> = group.into_iter().map(|job| job(connection)).collect();
    let committed = begun.and_then(|()| connection.execute_batch("COMMIT")).map_err(StoreError::from);
    if let Err(error) = &committed {
        tracing::error!(%error, "not committed");
        if !connection.is_autocommit() {
            let _ = connection.execute_batch("ROLLBACK");
        }
    }
    for tell in tells {
        tell(committed.clone());
    }
}

/// One job that fails takes nothing with it.
fn in_savepoint<T>(
    connection: &Connection,
    job: impl FnOnce(&Connection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    if connection.is_autocommit() {
        // The transaction did not begin, which all of the group are told.
        return Err(StoreError::Disk { reason: "no transaction".to_owned() });
    }
    connection.execute_batch("SAVEPOINT job")?;
    let result = job(connection);
    if result.is_err() && !connection.is_autocommit() {
        connection.execute_batch("ROLLBACK TO job")?;
    }
    connection.execute_batch("RELEASE job")?;
    result
}
