//! Who may do what at the same time.
//!
//! There is one lock for what writes snapshots and one for prune; each is an object that is created only where it isn't
//! there, so of two runs one gets it and the other waits or says who has it. The holder writes it anew every minute. It
//! is taken over when its process is gone, on the same host, or when nobody wrote it for ten minutes. Backups and prune
//! may run at the same time: prune deletes only what was marked a day ago. Beside it lies a lock as restic has it, so
//! that stock restic neither prunes nor removes anything meanwhile.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::seal::Sealer;
use super::{BlobId, unpacked};
use crate::error::{Error, Kind, Result};
use crate::store::Store;

const REFRESH: Duration = Duration::from_mins(1);
/// Not refreshed for so long: nobody holds it.
const STALE_SECONDS: i64 = 600;
/// restic takes a lock for stale after half an hour.
const RESTIC_REFRESH: Duration = Duration::from_mins(5);
const RESTIC_STALE_SECONDS: i64 = 1800;
const ASK_AGAIN: Duration = Duration::from_secs(2);

/// What a lock is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Writing a snapshot.
    Create,
    /// Reading: keeps stock restic from removing what is read.
    Read,
    /// Removing what no snapshot needs.
    Prune,
}

impl Purpose {
    const fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Read => "read",
            Self::Prune => "prune",
        }
    }
}

/// The objects of the locks that are held.
#[derive(Clone, Default)]
pub(super) struct Held(Arc<Mutex<BTreeSet<String>>>);

impl Held {
    fn add(&self, path: &str) {
        self.paths().insert(path.to_owned());
    }

    fn remove(&self, store: &Store, path: &str) {
        store.delete(path).ok();
        self.paths().remove(path);
    }

    /// Deletes all of them.
    pub(super) fn release(&self, store: &Store) {
        for path in std::mem::take(&mut *self.paths()) {
            store.delete(&path).ok();
        }
    }

    fn paths(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A lock, until it is dropped.
pub struct Lock {
    store: Store,
    held: Held,
    path: Option<String>,
    stop: Option<Sender<()>>,
    refresher: Option<JoinHandle<String>>,
}

impl std::fmt::Debug for Lock {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Lock({:?})", self.path)
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Holder {
    host: String,
    pid: u32,
    since: Timestamp,
    refreshed: Timestamp,
    purpose: String,
    token: String,
}

/// A lock as restic writes it.
#[derive(Serialize, Deserialize)]
struct Restic {
    time: Timestamp,
    exclusive: bool,
    hostname: String,
    username: String,
    pid: u32,
}

impl Lock {
    pub(super) fn take(
        store: &Store,
        sealer: &Sealer,
        held: &Held,
        purpose: Purpose,
        wait: Option<Duration>,
    ) -> Result<Self> {
        let begun = Instant::now();
        let path = (purpose != Purpose::Read).then(|| format!("moodle-backup/locks/{}", purpose.name()));
        let me = Holder::me(purpose);
        while let Some(path) = &path {
            let Some(other) = contended(store, path, &me)? else { break };
            if begun.elapsed() >= wait.unwrap_or_default() {
                return Err(other.holds(store));
            }
            std::thread::sleep(ASK_AGAIN.min(wait.unwrap_or_default()));
        }
        if let Some(path) = &path {
            held.add(path);
        }
        let (stop, told) = channel();
        let mut lock = Self { store: store.clone(), held: held.clone(), path, stop: Some(stop), refresher: None };
        refuse_exclusive(store, sealer)?;
        let (place, at, held) = (store.clone(), lock.path.clone(), held.clone());
        let sealer = sealer.clone();
        let first = unpacked::write(store, &sealer, "locks", &Restic::now())?;
        held.add(&path_of(&first));
        lock.refresher = Some(std::thread::spawn(move || {
            let (mut restic, mut written) = (path_of(&first), Instant::now());
            while told.recv_timeout(REFRESH) == Err(RecvTimeoutError::Timeout) {
                if let Some(at) = &at {
                    let now = Holder { refreshed: Timestamp::now(), ..me.clone() };
                    if let Err(error) = place.put(at, now.bytes()) {
                        tracing::warn!(%error, "the lock can't be refreshed");
                    }
                }
                if written.elapsed() >= RESTIC_REFRESH
                    && let Ok(new) = unpacked::write(&place, &sealer, "locks", &Restic::now())
                {
                    held.add(&path_of(&new));
                    held.remove(&place, &restic);
                    (restic, written) = (path_of(&new), Instant::now());
                }
            }
            restic
        }));
        Ok(lock)
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(path) = self.refresher.take().and_then(|refresher| refresher.join().ok()) {
            self.held.remove(&self.store, &path);
        }
        if let Some(path) = &self.path {
            self.held.remove(&self.store, path);
        }
    }
}

fn path_of(id: &BlobId) -> String {
    format!("locks/{id}")
}

/// Takes the lock; returns who holds it where somebody does.
fn contended(store: &Store, path: &str, me: &Holder) -> Result<Option<Holder>> {
    if store.create(path, me.bytes())? {
        return Ok(None);
    }
    let read = || -> Result<Option<Holder>> {
        match store.get(path) {
            Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
            Err(error) if error.kind == Kind::Damaged => Ok(None),
            Err(error) => Err(error),
        }
    };
    let Some(other) = read()? else { return Ok(Some(Holder { host: "unknown".into(), ..me.clone() })) };
    if !other.gone() {
        return Ok(Some(other));
    }
    tracing::warn!(host = other.host, pid = other.pid, "taking over the lock of a run that is gone");
    if read()?.is_some_and(|again| again.token == other.token) {
        store.delete(path)?;
    }
    store.create(path, me.bytes())?;
    let now = read()?;
    Ok(now.filter(|now| now.token != me.token))
}

/// Refuses when stock restic prunes, or removes, or writes a new index.
fn refuse_exclusive(store: &Store, sealer: &Sealer) -> Result<()> {
    for entry in store.list("locks")? {
        let Ok(lock) = unpacked::read::<Restic>(store, sealer, &entry.path) else { continue };
        let age = Timestamp::now().as_second() - lock.time.as_second();
        if lock.exclusive && age < RESTIC_STALE_SECONDS {
            let what = format!("restic holds {} alone: process {} on {}", store.location(), lock.pid, lock.hostname);
            return Err(Error::new(Kind::Locked, what, "wait for it, or `restic unlock` if it is gone"));
        }
    }
    Ok(())
}

impl Holder {
    fn me(purpose: Purpose) -> Self {
        let (host, now) = (hostname(), Timestamp::now());
        let token = format!("{:032x}", rand::random::<u128>());
        Self { host, pid: std::process::id(), since: now, refreshed: now, purpose: purpose.name().into(), token }
    }

    fn bytes(&self) -> Bytes {
        serde_json::to_vec(self).unwrap_or_default().into()
    }

    fn gone(&self) -> bool {
        let dead = self.host == hostname() && !Path::new(&format!("/proc/{}", self.pid)).exists();
        dead || Timestamp::now().as_second() - self.refreshed.as_second() > STALE_SECONDS
    }

    fn holds(&self, store: &Store) -> Error {
        let what = format!(
            "another run ({}) holds {}: process {} on {}, since {}",
            self.purpose,
            store.location(),
            self.pid,
            self.host,
            self.since
        );
        Error::new(Kind::Locked, what, "wait for it with --wait 10m; a run that died is noticed after 10 minutes")
    }
}

impl Restic {
    fn now() -> Self {
        let username = std::env::var("USER").unwrap_or_default();
        Self { time: Timestamp::now(), exclusive: false, hostname: hostname(), username, pid: std::process::id() }
    }
}

/// Returns this host's name.
pub(super) fn hostname() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}
