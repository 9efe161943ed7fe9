//! `moodle-backup verify`: that what is stored is what was listed, that it can be read, and that it becomes a site again.

mod closure;
mod data;
mod rehearse;

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::create::gather::difference;
use crate::database::{self, Connection};
use crate::error::{Error, Kind, Result};
use crate::progress::Progress;
use crate::repository::{Purpose, Repository, Salvaged, Snapshot};
use crate::restore::Checks;
use crate::site::Site;
use crate::sites::{self, LATEST};
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
    /// What can be read of damaged packs is written anew, and they are removed.
    pub repair: bool,
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
    /// Of a live site: contents that it lists now and its newest snapshot hasn't.
    pub listed_since: Option<u64>,
    /// Of a rehearsal: rows that were loaded, dumped again and compared.
    pub rows: Option<u64>,
    /// Of a rehearsal: what Moodle's checks said.
    pub checks: Option<Checks>,
    /// Of a repair: what was saved of packs in which something is wrong.
    pub salvaged: Option<Salvaged>,
    /// What is wrong; of a repair: what was wrong before it.
    pub problems: Vec<Problem>,
    #[serde(skip)]
    places: HashMap<String, usize>,
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// `missing`: a snapshot isn't whole; `damaged`: what is stored can't be read as it was.
    pub kind: ProblemKind,
    /// What and where.
    pub what: String,
    /// The snapshots that show it; none: it is wrong whatever they need.
    pub snapshots: Vec<String>,
}

/// The kinds of problems.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProblemKind {
    /// A snapshot isn't whole.
    Missing,
    /// What is stored can't be read as it was.
    Damaged,
    /// Moodle's own checks fail after a restore, or can't be run.
    Checks,
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
        } else if has(ProblemKind::Checks) {
            Kind::Checks.exit_code()
        } else {
            0
        }
    }

    fn damaged(&mut self, what: impl Into<String>) {
        self.wrong(ProblemKind::Damaged, None, what.into());
    }

    fn missing_in(&mut self, snapshot: &str, what: impl Into<String>) {
        self.wrong(ProblemKind::Missing, Some(snapshot), what.into());
    }

    fn damaged_in(&mut self, snapshot: &str, what: impl Into<String>) {
        self.wrong(ProblemKind::Damaged, Some(snapshot), what.into());
    }

    /// Adds a problem; what several snapshots show is one.
    fn wrong(&mut self, kind: ProblemKind, snapshot: Option<&str>, what: String) {
        let place = *self.places.entry(what.clone()).or_insert(self.problems.len());
        if place == self.problems.len() {
            self.problems.push(Problem { kind, what, snapshots: Vec::new() });
        }
        self.problems[place].snapshots.extend(snapshot.map(str::to_owned));
    }
}

/// Verifies; what is wrong is in the outcome, and no error.
///
/// # Errors
/// There is nothing to verify, the store fails, the database of the site or of the rehearsal fails.
pub fn run(repository: &Repository, request: &Request, progress: &dyn Progress) -> Result<Outcome> {
    let begun = Instant::now();
    let mut outcome = Outcome::default();
    let _lock = if request.repair {
        Some(repository.lock(Purpose::Prune, request.wait)?)
    } else {
        lock_for_reading(repository, request.wait)?
    };
    // Before the index: a snapshot that comes later may need what the index hasn't yet.
    let named = request.snapshot.as_ref().map(|name| sites::find(repository, name)).transpose()?;
    let rehearsed = match (&request.rehearse, &named) {
        (None, _) => None,
        (Some(_), Some(named)) => Some(named.id.clone()),
        (Some(_), None) => match sites::find(repository, LATEST) {
            Err(error) if error.kind == Kind::Damaged => {
                outcome.damaged(format!("nothing is rehearsed: {error}"));
                None
            }
            found => Some(found?.id),
        },
    };
    let files = repository.snapshot_files()?;
    let stored = repository.stored()?;
    let mut problems = stored.problems();
    let snapshots = if let Some(named) = named {
        vec![named]
    } else {
        problems.extend(files.damaged.iter().cloned());
        repository.seen(&files.files)
    };
    // Reading everything finds these, too.
    for problem in problems.into_iter().filter(|_| !request.data) {
        outcome.damaged(problem.to_string());
    }
    let (ours, foreign): (Vec<_>, Vec<_>) = snapshots.into_iter().partition(Snapshot::is_of_moodle);
    for snapshot in foreign {
        progress.note(&format!("the snapshot {} is none of this program: only its data is verified", snapshot.id));
    }
    let (mut expected, mut of_site) = (data::Expected::default(), None);
    for snapshot in ours {
        let id = snapshot.id.clone();
        outcome.snapshots.push(id.clone());
        let looks = Opened::open(repository, &stored.index, snapshot).and_then(|opened| {
            if request.closure || request.data {
                let expected = request.data.then_some(&mut expected);
                closure::snapshot(&opened, &stored.index, expected, &mut outcome, progress)?;
            }
            if request.data {
                data::dump(&opened, &mut outcome)?;
            }
            Ok(opened)
        });
        let opened = match looks {
            Err(error) if error.kind == Kind::Damaged => {
                outcome.damaged_in(&id, error.to_string());
                continue;
            }
            looks => looks?,
        };
        if let (true, Some(rehearsal)) = (rehearsed.as_ref() == Some(&id), &request.rehearse) {
            rehearse::run(&opened, rehearsal, request.jobs, &mut outcome, progress)?;
        }
        if request.site.as_ref().is_some_and(|site| site.wwwroot == opened.manifest.site.wwwroot) {
            of_site = Some(opened);
        }
    }
    if request.data {
        let damaged = expected.check(repository, &files, &stored.index, &mut outcome, progress)?;
        if request.repair {
            outcome.salvaged = Some(repository.salvage(&damaged)?);
        }
    }
    done(&outcome, request, repository)?;
    if let Some(site) = &request.site {
        outcome.listed_since = Some(since(site, of_site.as_ref(), repository)?);
    }
    outcome.seconds = begun.elapsed().as_secs_f64();
    Ok(outcome)
}

/// "Nothing is wrong" needs something that was looked at.
fn done(outcome: &Outcome, request: &Request, repository: &Repository) -> Result<()> {
    if !outcome.problems.is_empty() {
        return Ok(());
    }
    let location = repository.store().location();
    if outcome.snapshots.is_empty() {
        let what = match &request.snapshot {
            Some(name) => format!("the snapshot {name} in {location} is none of a Moodle site"),
            None => format!("there is no snapshot of a Moodle site in {location}"),
        };
        let fix = "moodle-backup create makes one; what other programs stored, restic check --read-data verifies";
        return Err(Error::new(Kind::Repository, what, fix));
    }
    Ok(())
}

/// Counts what the site lists that came after its newest snapshot.
fn since(site: &Site, newest: Option<&Opened<'_>>, repository: &Repository) -> Result<u64> {
    let Some(opened) = newest else {
        let what = format!("no snapshot of {} is among those that were verified", site.wwwroot);
        let fix = format!("moodle-backup list shows which sites {} is for", repository.store().location());
        return Err(Error::new(Kind::Repository, what, fix));
    };
    let mut all = [opened.pool()?, opened.referenced()?].concat();
    all.sort_unstable();
    Ok(difference(&database::listing(&site.database)?.contents, &all).len() as u64)
}
