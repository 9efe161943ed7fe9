//! The connection that keeps other restores away from a database for as long as a load takes, which may be hours.

use std::time::Duration;

use crossbeam_channel::RecvTimeoutError;

use super::Connection;
use super::target::{LIST, Target, open, settle};
use crate::error::{Error, Kind, Result};

/// How long the connection is idle at most: servers and proxies end those that are idle for minutes.
const PAUSE: Duration = Duration::from_secs(10);

/// What the row of the list is for that tells this run from others.
const RUN: &str = "run";

/// A database with the lock on it.
pub(super) struct Held {
    connection: Connection,
    target: Box<dyn Target>,
    /// Tells this run from others.
    run: String,
}

impl Held {
    /// Takes the lock.
    pub(super) fn new(connection: &Connection) -> Result<Self> {
        let mut target = open(connection)?;
        if !target.lock()? {
            let what = format!("another restore into the database {} goes on", connection.database);
            return Err(Error::new(Kind::Locked, what, "wait until it has ended"));
        }
        let run = format!("{:032x}", rand::random::<u128>());
        Ok(Self { connection: connection.clone(), target, run })
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    pub(super) fn target(&mut self) -> &mut dyn Target {
        self.target.as_mut()
    }

    /// Makes the list, with this run's row.
    pub(super) fn make_list(&mut self) -> Result<()> {
        self.target.make_list()?;
        self.note(std::slice::from_ref(&self.run.clone()), RUN)
    }

    /// Adds rows to the list.
    pub(super) fn note(&mut self, names: &[String], todo: &str) -> Result<()> {
        if names.is_empty() {
            return Ok(());
        }
        let rows: Vec<String> = names.iter().map(|name| format!("({}, '{todo}')", self.target.literal(name))).collect();
        let list = self.target.quoted(LIST);
        self.target.run(&format!("INSERT INTO {list} (name, todo) VALUES {}", rows.join(", ")))
    }

    /// Connects anew where the connection has ended, and fails when another run came in between.
    pub(super) fn reach(&mut self) -> Result<()> {
        if self.target.run("SELECT 1").is_ok() {
            return Ok(());
        }
        let mut fresh = Self::new(&self.connection)?.target;
        let list = fresh.list()?.unwrap_or_default();
        if !list.iter().any(|(name, todo)| todo == RUN && *name == self.run) {
            let what = format!("another restore came into the database {} meanwhile", self.connection.database);
            return Err(Error::new(Kind::Locked, what, "see what is in it, and run this again"));
        }
        self.target = fresh;
        Ok(())
    }

    /// Works while a thread keeps the connection alive.
    pub(super) fn during<T>(&mut self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        std::thread::scope(|scope| {
            let (stop, stopped) = crossbeam_channel::bounded::<()>(0);
            scope.spawn(move || {
                while stopped.recv_timeout(PAUSE) == Err(RecvTimeoutError::Timeout) {
                    if let Err(error) = self.reach() {
                        tracing::warn!(%error, "the connection that keeps other restores away is lost");
                    }
                }
            });
            let done = work();
            drop(stop);
            done
        })
    }

    /// Undoes what failed, and returns the error with what is left to do.
    pub(super) fn undone(mut self, mut error: Error) -> Error {
        if let Err(second) = self.reach().and_then(|()| settle(self.target.as_mut())) {
            tracing::warn!(%second, database = self.connection.database, "a broken-off restore isn't undone yet");
            "the database isn't as it was before, either: mend it and run the same again, which begins with that"
                .clone_into(&mut error.fix);
        }
        error
    }
}
