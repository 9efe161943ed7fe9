//! Who may do what at the same time, by restic's own lock files below `locks/`.
//!
//! A lock is an encrypted file that says who (host, process), since when and for what. To take one: write it, list the
//! others, and if one of them forbids it, remove the own one again: so of two runs that come at once never both
//! go on. Pruning forbids everything beside it, as restic's exclusive lock does; [`Purpose::Create`] forbids
//! another create; reading and stock restic's backups forbid only pruning. A lock is written again every five minutes.
//! One that is older than 30 minutes is nobody's, and so is one of this host whose process is gone: both are removed.

use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{RecvTimeoutError, Sender};
use jiff::{SignedDuration, Timestamp};
use rand::RngExt as _;
use serde::{Deserialize, Serialize};

use super::seal::Sealer;
use super::unpacked;
use crate::error::{Error, Kind, Result};
use crate::store::Store;

const REFRESH: Duration = Duration::from_mins(5);
const STALE: SignedDuration = SignedDuration::from_mins(30);
/// Of two runs that come at once, both step back: so a run tries so often before it says that another has the lock.
const TRIES: u32 = 4;

/// What a lock is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// Making a snapshot.
    Create,
    /// Reading snapshots.
    Read,
    /// Removing what no snapshot needs.
    Prune,
}

/// A lock as it is stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Stored {
    time: Timestamp,
    #[serde(default)]
    exclusive: bool,
    #[serde(default)]
    hostname: String,
    #[serde(default)]
    username: String,
    #[serde(default)]
    pid: i32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    purpose: Option<Purpose>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    since: Option<Timestamp>,
}

/// A lock, held until it is dropped.
pub struct Lock {
    stop: Option<Sender<()>>,
    refresher: Option<JoinHandle<()>>,
}

impl std::fmt::Debug for Lock {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Lock")
    }
}

/// The locks that this process holds: location and path.
static HELD: Mutex<Vec<(String, String)>> = Mutex::new(Vec::new());

/// Removes all locks that this process holds in a store.
pub(super) fn release(store: &Store) {
    let mine: Vec<_> = {
        let mut held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
        held.extract_if(.., |(location, _)| location == store.location()).collect()
    };
    for (_, path) in mine {
        if let Err(error) = store.delete(&path) {
            tracing::warn!(%error, "the lock can't be removed");
        }
    }
}

pub(super) fn take(store: &Store, sealer: &Sealer, purpose: Purpose, wait: Option<Duration>) -> Result<Lock> {
    let begun = Instant::now();
    let mut tries = 0;
    loop {
        let mut lock = Stored {
            time: Timestamp::now(),
            exclusive: purpose == Purpose::Prune,
            hostname: hostname(),
            username: std::env::var("USER").unwrap_or_default(),
            pid: std::process::id().cast_signed(),
            purpose: Some(purpose),
            since: None,
        };
        lock.since = Some(lock.time);
        let path = match write(store, sealer, &lock) {
            Ok(path) => path,
            Err(error) if purpose == Purpose::Read => {
                tracing::warn!(%error, "reading without a lock: a prune at the same time may disturb it");
                return Ok(Lock { stop: None, refresher: None });
            }
            Err(error) => return Err(error),
        };
        let found = conflict(store, sealer, &path, &lock);
        if let Ok(None) = found {
            return Ok(hold(store.clone(), sealer.clone(), lock, path));
        }
        if let Err(error) = remove(store, &path) {
            tracing::warn!(%error, "the lock can't be removed");
        }
        let Some(other) = found? else { continue };
        tries += 1;
        let left = wait.map(|wait| wait.saturating_sub(begun.elapsed()));
        if left.map_or(tries >= TRIES, |left| left.is_zero()) {
            return Err(held_by(store, &other));
        }
        let longest = if wait.is_some() { 2000 } else { 200 };
        let pause = Duration::from_millis(rand::rng().random_range(50..=longest));
        std::thread::sleep(left.map_or(pause, |left| pause.min(left)));
    }
}

fn held_by(store: &Store, other: &Stored) -> Error {
    let what = match (other.purpose, other.exclusive) {
        (Some(Purpose::Create), _) => "makes a snapshot",
        (Some(Purpose::Prune), _) => "prunes",
        (Some(Purpose::Read), _) => "reads",
        (None, true) => "holds an exclusive lock of restic's",
        (None, false) => "uses restic",
    };
    let since = other.since.unwrap_or(other.time).strftime("%Y-%m-%d %H:%M:%S UTC");
    Error::new(
        Kind::Locked,
        format!(
            "The repository at {} is in use: process {} on {} {what} since {since}",
            store.location(),
            other.pid,
            other.hostname,
        ),
        "Wait for it, with --wait for example; the lock of a run that died is taken over by itself after 30 minutes",
    )
}

fn write(store: &Store, sealer: &Sealer, lock: &Stored) -> Result<String> {
    let path = format!("locks/{}", unpacked::write(store, sealer, "locks", lock)?);
    HELD.lock().unwrap_or_else(PoisonError::into_inner).push((store.location().to_owned(), path.clone()));
    Ok(path)
}

fn remove(store: &Store, path: &str) -> Result<()> {
    HELD.lock().unwrap_or_else(PoisonError::into_inner).retain(|(_, held)| held != path);
    store.delete(path)
}

/// Returns a lock that forbids the own one.
fn conflict(store: &Store, sealer: &Sealer, own: &str, mine: &Stored) -> Result<Option<Stored>> {
    for entry in store.list("locks")? {
        if entry.path == own {
            continue;
        }
        let Ok(other) = unpacked::read::<Stored>(store, sealer, &entry.path) else {
            if store.list("locks")?.iter().all(|again| again.path != entry.path) {
                continue;
            }
            // Nobody can know what it says: it counts as long as a lock that isn't written again does.
            if Timestamp::now().duration_since(entry.modified) > STALE {
                forget(store, &entry.path);
                continue;
            }
            return Err(Error::new(
                Kind::Locked,
                format!("The lock {} can't be read", entry.path),
                "Remove it when no other run uses the repository, or wait for 30 minutes",
            ));
        };
        if is_stale(&other) {
            tracing::warn!(host = other.hostname, pid = other.pid, "the lock of a run that is gone no longer counts");
            forget(store, &entry.path);
        } else if forbids(&other, mine) {
            return Ok(Some(other));
        }
    }
    Ok(None)
}

/// Removes a lock that is nobody's. Who may not delete there only reads past it.
fn forget(store: &Store, path: &str) {
    if let Err(error) = store.delete(path) {
        tracing::warn!(%error, "a lock that is nobody's stays");
    }
}

fn forbids(other: &Stored, mine: &Stored) -> bool {
    let both_create = other.purpose == Some(Purpose::Create) && mine.purpose == Some(Purpose::Create);
    other.exclusive || mine.exclusive || both_create
}

fn is_stale(lock: &Stored) -> bool {
    Timestamp::now().duration_since(lock.time) > STALE || (hostname() == lock.hostname && is_gone(lock.pid))
}

fn is_gone(pid: i32) -> bool {
    rustix::process::Pid::from_raw(pid)
        .is_none_or(|pid| rustix::process::test_kill_process(pid) == Err(rustix::io::Errno::SRCH))
}

/// Returns this host's name.
pub(super) fn hostname() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

fn hold(store: Store, sealer: Sealer, mut lock: Stored, mut path: String) -> Lock {
    let (stop, stopped) = crossbeam_channel::bounded::<()>(0);
    let refresher = std::thread::spawn(move || {
        while stopped.recv_timeout(REFRESH) == Err(RecvTimeoutError::Timeout) {
            lock.time = Timestamp::now();
            let refreshed = write(&store, &sealer, &lock).and_then(|new| {
                let old = std::mem::replace(&mut path, new);
                remove(&store, &old)
            });
            if let Err(error) = refreshed {
                tracing::warn!(%error, "the lock can't be written again");
            }
        }
        if let Err(error) = remove(&store, &path) {
            tracing::warn!(%error, "the lock can't be removed");
        }
    });
    Lock { stop: Some(stop), refresher: Some(refresher) }
}

impl Drop for Lock {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(refresher) = self.refresher.take() {
            _ = refresher.join();
        }
    }
}
