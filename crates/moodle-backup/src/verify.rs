//! `moodle-backup verify`: that what is stored is what was listed, that it can be read, and that it becomes a site again.

mod closure;
mod data;
mod rehearse;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::database::Connection;
use crate::error::{Kind, Result};
use crate::progress::Progress;
use crate::repository::Repository;
use crate::restore::Checks;
use crate::site::Site;
use crate::snapshot::{Opened, lock_for_reading};

/// What is to be verified.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// `latest`, or the start of a snapshot's id; nothing: all snapshots.
    pub snapshot: Option<String>,
    /// Lists, trees and index are compared.
    pub closure: bool,
    /// All that is stored is read again.
    pub data: bool,
    /// The database is loaded into another one and compared.
    pub rehearse: Option<Rehearsal>,
    /// The live site to compare with.
    pub site: Option<Site>,
    /// How many threads and connections work.
    pub jobs: usize,
    /// How long another run is waited for; nothing: not at all.
    pub wait: Option<Duration>,
}

/// Where a restore is rehearsed.
#[derive(Clone, Debug)]
pub struct Rehearsal {
    /// An empty database, which is emptied again.
    pub database: Connection,
    /// The Moodle tree whose own checks are run.
    pub code: Option<PathBuf>,
}

/// What was found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Outcome {
    /// The snapshots that were looked at.
    pub snapshots: Vec<String>,
    /// How long it took.
    pub seconds: f64,
    /// Contents that were compared.
    pub contents: u64,
    /// Bytes that were read.
    pub bytes_read: u64,
    /// Of a live site: contents that it lists now and the snapshot hasn't.
    pub listed_since: Option<u64>,
    /// Of a rehearsal: rows that were loaded, dumped again and compared.
    pub rows: Option<u64>,
    /// Of a rehearsal: what Moodle's checks said.
    pub checks: Option<Checks>,
    /// What is wrong.
    pub problems: Vec<Problem>,
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// `missing`: a snapshot isn't whole; `damaged`: what is stored can't be read as it was.
    pub kind: ProblemKind,
    /// What and where.
    pub what: String,
}

/// The kinds of problems.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProblemKind {
    /// A snapshot isn't whole.
    Missing,
    /// What is stored can't be read as it was.
    Damaged,
}

impl Outcome {
    /// Returns 0, or the exit code that goes with the worst problem.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        let has = |kind| self.problems.iter().any(|problem| problem.kind == kind);
        if has(ProblemKind::Damaged) {
            Kind::Damaged.exit_code()
        } else if has(ProblemKind::Missing) {
            Kind::Closure.exit_code()
        } else {
            0
        }
    }

    fn missing(&mut self, what: impl Into<String>) {
        self.problems.push(Problem { kind: ProblemKind::Missing, what: what.into() });
    }

    fn damaged(&mut self, what: impl Into<String>) {
        self.problems.push(Problem { kind: ProblemKind::Damaged, what: what.into() });
    }
}

/// Verifies; what is wrong is in the outcome, and no error.
///
/// # Errors
/// The repository can't be opened, the database for the rehearsal fails.
pub fn run(repository: &Repository, request: &Request, progress: &dyn Progress) -> Result<Outcome> {
    let begun = Instant::now();
    let mut outcome = Outcome::default();
    let _lock = lock_for_reading(repository, request.wait)?;
    let index = repository.index()?;
    let snapshots = match &request.snapshot {
        Some(name) => vec![repository.find(name)?],
        None => repository.snapshots()?,
    };
    let newest = snapshots.last().map(|snapshot| snapshot.id.clone());
    let mut expected = data::Expected::default();
    for snapshot in snapshots {
        if !snapshot.tags.iter().any(|tag| tag == crate::create::TAG) {
            progress.note(&format!("the snapshot {} is none of this program: only its data is verified", snapshot.id));
            continue;
        }
        let id = snapshot.id.clone();
        outcome.snapshots.push(id.clone());
        let opened = match Opened::open(repository, &index, snapshot) {
            Ok(opened) => opened,
            Err(error) => {
                outcome.damaged(format!("snapshot {id}: {error}"));
                continue;
            }
        };
        let mut looks = Ok(());
        if request.closure {
            looks = closure::snapshot(&opened, &index, request.site.as_ref(), &mut outcome, progress);
        }
        if request.data {
            looks = looks.and_then(|()| data::dump(&opened, &mut outcome)).and_then(|()| expected.add(&opened));
        }
        if let Err(error) = looks {
            outcome.damaged(format!("snapshot {id}: {error}"));
        }
        if let (true, Some(rehearsal)) = (newest.as_ref() == Some(&id), &request.rehearse) {
            rehearse::run(&opened, rehearsal, request.jobs, &mut outcome, progress)?;
        }
    }
    if request.data {
        expected.check(repository, &repository.reader(&index), &mut outcome, progress)?;
    }
    outcome.seconds = begun.elapsed().as_secs_f64();
    Ok(outcome)
}
