//! Who is logged in: access tokens, each of one extension and one kind of client.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use offhook_sip::Secret;
use tokio::sync::watch;
use tokio::time::Instant;

use super::notification::Notification;
use super::token::{self, TokenHash};
use crate::error::PbxError;
use crate::limit::{Bucket, Rate};

/// Subscription sockets of one token: of more, the one that was opened first is closed.
const SOCKETS: usize = 4;

/// Call reports of one client.
const REPORTS: Rate = Rate { burst: 20, every: Duration::from_secs(5) };

/// Requests of one client, whatever they are.
const REQUESTS: Rate = Rate { burst: 300, every: Duration::from_millis(20) };

/// Batches of a client's log.
const LOGS: Rate = Rate { burst: 20, every: Duration::from_secs(2) };

/// The kinds of clients. One extension can be logged in with one of each at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum ClientKind {
    /// `login_source` null: in a browser.
    Web,
    /// `login_source` `webpc`: on a desktop.
    Desktop,
}

impl ClientKind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Web => "web",
            Self::Desktop => "desktop",
        }
    }
}

/// Why a session ends: what its client is told last, if anything.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct End(pub(crate) Option<Notification>);

/// One client that is logged in.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) extension: String,
    pub(crate) kind: ClientKind,
    token: TokenHash,
    ends_at: Instant,
    used: Mutex<Instant>,
    end: watch::Sender<Option<End>>,
    sockets: Mutex<VecDeque<watch::Sender<bool>>>,
    requests: Mutex<Bucket>,
    reports: Mutex<Bucket>,
    logs: Mutex<Bucket>,
}

impl Session {
    /// Resolves when the session is over, with what the client is told last.
    pub(crate) fn ended(&self) -> watch::Receiver<Option<End>> {
        self.end.subscribe()
    }

    /// Whether it is over.
    pub(crate) fn is_over(&self) -> bool {
        self.end.borrow().is_some()
    }

    /// A socket was opened; the result says when it has to make room.
    pub(crate) fn socket_opened(&self) -> watch::Receiver<bool> {
        let (sender, receiver) = watch::channel(false);
        let mut sockets = locked(&self.sockets);
        sockets.retain(|socket| !socket.is_closed());
        while sockets.len() >= SOCKETS {
            if let Some(oldest) = sockets.pop_front() {
                // It may be gone already.
                let _ = oldest.send(true);
            }
        }
        sockets.push_back(sender);
        receiver
    }

    /// Whether it may ask for something now.
    pub(crate) fn request(&self, now: Instant) -> Result<(), u64> {
        locked(&self.requests).take(now)
    }

    /// Whether it may send a call report now.
    pub(crate) fn report(&self) -> Result<(), u64> {
        locked(&self.reports).take(Instant::now())
    }

    /// Whether it may send lines of its log now.
    pub(crate) fn log(&self) -> Result<(), u64> {
        locked(&self.logs).take(Instant::now())
    }

    /// When it ends whatever happens.
    pub(crate) fn ends_at(&self) -> Instant {
        self.ends_at
    }

    /// It was used now.
    pub(crate) fn touch(&self, now: Instant) {
        *locked(&self.used) = now;
    }

    fn is_good(&self, now: Instant, idle: Duration) -> bool {
        now < self.ends_at && now < *locked(&self.used) + idle
    }

    fn finish(&self, end: End) {
        // Nobody may have a socket.
        self.end.send_replace(Some(end));
    }
}

/// All that are logged in: at most two of each extension.
#[derive(Debug)]
pub(crate) struct Sessions {
    life: Duration,
    idle: Duration,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    by_token: HashMap<TokenHash, Arc<Session>>,
    by_client: HashMap<(String, ClientKind), TokenHash>,
}

impl Sessions {
    pub(crate) fn new(life: Duration, idle: Duration) -> Self {
        Self { life, idle, table: Mutex::default() }
    }

    /// A client logged in. One of the same kind that was logged in before is told that, and is not any more.
    pub(crate) fn open(&self, now: Instant, extension: &str, kind: ClientKind) -> Result<Secret, PbxError> {
        let access = token::random()?;
        let hash = TokenHash::of(access.expose());
        let session = Arc::new(Session {
            extension: extension.to_owned(),
            kind,
            token: hash,
            ends_at: now + self.life,
            used: Mutex::new(now),
            end: watch::channel(None).0,
            sockets: Mutex::default(),
            requests: Mutex::new(Bucket::full(REQUESTS, now)),
            reports: Mutex::new(Bucket::full(REPORTS, now)),
            logs: Mutex::new(Bucket::full(LOGS, now)),
        });
        let mut table = locked(&self.table);
        table.sweep(now, self.idle);
        if let Some(before) = table.by_client.insert((extension.to_owned(), kind), hash)
            && let Some(before) = table.by_token.remove(&before)
        {
            before.finish(End(Some(Notification::logged_in_elsewhere(extension))));
        }
        table.by_token.insert(hash, session);
        Ok(access)
    }

    /// The session of a token that is good, which counts as using it.
    pub(crate) fn find(&self, now: Instant, access: &str) -> Option<Arc<Session>> {
        let mut table = locked(&self.table);
        let session = Arc::clone(table.by_token.get(&TokenHash::of(access))?);
        if !session.is_good(now, self.idle) {
            table.remove(&session).finish(End(None));
            return None;
        }
        session.touch(now);
        Some(session)
    }

    /// Ends one.
    pub(crate) fn close(&self, session: &Arc<Session>, end: End) {
        locked(&self.table).remove(session).finish(end);
    }

    /// Ends those of an extension; `kind` none: all. Gives how many.
    pub(crate) fn close_of(&self, extension: &str, kind: Option<ClientKind>, end: &End) -> usize {
        let mut table = locked(&self.table);
        let kinds = [ClientKind::Web, ClientKind::Desktop].into_iter().filter(|k| kind.is_none_or(|kind| kind == *k));
        kinds
            .filter_map(|kind| {
                let hash = table.by_client.remove(&(extension.to_owned(), kind))?;
                table.by_token.remove(&hash)
            })
            .map(|session| session.finish(end.clone()))
            .count()
    }

    /// Ends all.
    pub(crate) fn close_all(&self, end: &End) {
        let mut table = locked(&self.table);
        table.by_client.clear();
        for (_, session) in table.by_token.drain() {
            session.finish(end.clone());
        }
    }

    /// Which kinds of clients an extension is logged in with.
    pub(crate) fn kinds_of(&self, now: Instant, extension: &str) -> Vec<&'static str> {
        let table = locked(&self.table);
        [ClientKind::Web, ClientKind::Desktop]
            .into_iter()
            .filter(|kind| {
                let hash = table.by_client.get(&(extension.to_owned(), *kind));
                hash.and_then(|hash| table.by_token.get(hash)).is_some_and(|s| s.is_good(now, self.idle))
            })
            .map(ClientKind::name)
            .collect()
    }
}

impl Table {
    fn remove<'a>(&mut self, session: &'a Arc<Session>) -> &'a Arc<Session> {
        self.by_token.remove(&session.token);
        let client = (session.extension.clone(), session.kind);
        if self.by_client.get(&client) == Some(&session.token) {
            self.by_client.remove(&client);
        }
        session
    }

    fn sweep(&mut self, now: Instant, idle: Duration) {
        let over: Vec<_> = self.by_token.values().filter(|session| !session.is_good(now, idle)).cloned().collect();
        for session in over {
            self.remove(&session).finish(End(None));
        }
    }
}

/// A lock; what a panicking thread left is still whole, since nothing between two statements matters here.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn sessions() -> Sessions {
        Sessions::new(24 * HOUR, HOUR)
    }

    #[test]
    fn a_token_is_good_while_it_is_used_and_not_for_ever() {
        let (sessions, mut now) = (sessions(), Instant::now());
        let idle = sessions.open(now, "1000", ClientKind::Web).expect("random");
        let used = sessions.open(now, "1000", ClientKind::Desktop).expect("random");
        for _ in 0..47 {
            now += HOUR / 2;
            assert!(sessions.find(now, used.expose()).is_some());
        }
        assert!(sessions.find(now, idle.expose()).is_none());
        assert_eq!(sessions.kinds_of(now, "1000"), ["desktop"]);
        now += HOUR / 2;
        assert!(sessions.find(now, used.expose()).is_none(), "24 hours are over");
        assert!(sessions.kinds_of(now, "1000").is_empty());
    }

    #[test]
    fn a_second_client_of_the_same_kind_ends_the_first() {
        let (sessions, now) = (sessions(), Instant::now());
        let first = sessions.open(now, "1000", ClientKind::Web).expect("random");
        let ended = sessions.find(now, first.expose()).expect("good").ended();
        let others = [("1000", ClientKind::Desktop), ("1001", ClientKind::Web)];
        let others = others.map(|(extension, kind)| sessions.open(now, extension, kind).expect("random"));
        assert!(ended.borrow().is_none() && sessions.find(now, first.expose()).is_some());
        let second = sessions.open(now, "1000", ClientKind::Web).expect("random");
        assert!(sessions.find(now, first.expose()).is_none() && sessions.find(now, second.expose()).is_some());
        assert_eq!(*ended.borrow(), Some(End(Some(Notification::logged_in_elsewhere("1000")))));
        assert!(others.iter().all(|token| sessions.find(now, token.expose()).is_some()));
    }

    #[test]
    fn requests_are_bounded_for_each_client_by_itself() {
        let (sessions, now) = (sessions(), Instant::now());
        let [one, other] = ["1000", "1001"].map(|extension| {
            let token = sessions.open(now, extension, ClientKind::Web).expect("random");
            sessions.find(now, token.expose()).expect("good")
        });
        assert_eq!((0..1000).filter(|_| one.request(now).is_ok()).count(), 300);
        assert_eq!((one.request(now), other.request(now)), (Err(1), Ok(())));
        assert_eq!(one.request(now + Duration::from_secs(1)), Ok(()));
    }

    #[test]
    fn of_too_many_sockets_the_first_makes_room() {
        let (sessions, now) = (sessions(), Instant::now());
        let token = sessions.open(now, "1000", ClientKind::Web).expect("random");
        let session = sessions.find(now, token.expose()).expect("good");
        let mut sockets: Vec<_> = (0..=SOCKETS).map(|_| session.socket_opened()).collect();
        assert_eq!(sockets.iter().filter(|socket| *socket.borrow()).count(), 1);
        assert!(*sockets[0].borrow());
        sockets.truncate(2);
        let after = session.socket_opened();
        assert!(!*sockets[1].borrow() && !*after.borrow());
    }
}
