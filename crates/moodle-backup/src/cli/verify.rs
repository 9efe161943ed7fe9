//! `moodle-backup verify`: that snapshots are whole, readable, and become a site again.

use std::path::PathBuf;

use clap::Args;
use moodle_backup::error::{Error, Kind, Result};
use moodle_backup::site::{self, Site};
use moodle_backup::verify::{self, Rehearsal, Request};

use super::Context;
use super::address::Target;
use super::list::short;
use super::report::{Report, bytes, checked, count, duration, many};

/// Verifies snapshots: --closure (what is done without an option, and with --data), --data, --rehearse, or several of them.
#[derive(Args, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of the command line")]
pub(crate) struct Verify {
    /// `latest`, or the start of a snapshot's id; without it, all snapshots.
    snapshot: Option<String>,
    /// Every content that the database listed is in the snapshot with its size, and all that it needs is stored.
    #[arg(long)]
    closure: bool,
    /// Read all that is stored again, and compare every hash.
    #[arg(long)]
    data: bool,
    /// With --data: write what can be read of damaged packs into new ones, and remove the damaged ones.
    #[arg(long, requires = "data")]
    repair: bool,
    /// Load the newest of them into the empty database --to-db, dump it again, compare, and empty it.
    #[arg(long, requires = "to_db")]
    rehearse: bool,
    #[command(flatten)]
    target: Target,
    /// With --rehearse: the Moodle tree whose own checks are run on that database.
    #[arg(long, value_name = "DIR", requires = "rehearse")]
    code: Option<PathBuf>,
    /// Compare with the site whose config.php is in this folder: how much it lists that isn't in the snapshot yet.
    #[arg(long, value_name = "DIR")]
    site: Option<PathBuf>,
}

impl Verify {
    pub(crate) fn run(&self, context: &Context) -> Result<Report> {
        let rehearse = match (self.rehearse, self.target.connection()?) {
            (true, Some(database)) => Some(Rehearsal { database, code: self.code.clone() }),
            (false, Some(_)) => {
                return Err(Error::new(
                    Kind::Usage,
                    "--to-db has no meaning without --rehearse",
                    "add --rehearse, or use `restore`",
                ));
            }
            _ => None,
        };
        let tls = self.target.tls(self.site.as_ref())?;
        let options = self.site.clone().map(|dir| site::Options { dir: Some(dir), tls, ..site::Options::default() });
        let request = Request {
            snapshot: self.snapshot.clone(),
            closure: self.closure || self.data || !self.rehearse,
            data: self.data,
            repair: self.repair,
            rehearse,
            site: options.as_ref().map(Site::open).transpose()?,
            jobs: context.options.jobs(),
            wait: context.options.wait,
        };
        let outcome = verify::run(&context.repository()?, &request, context.progress())?;
        let report = Report::new(&outcome, text(&outcome))
            .figure("bytes", outcome.bytes_read)
            .figure("pool_files", outcome.contents)
            .figure("problems", outcome.problems.len() as u64);
        Ok(Report { exit_code: outcome.exit_code(), ..report })
    }
}

fn line(problem: &verify::Problem) -> String {
    let mut names = problem.snapshots.iter().map(|id| short(id));
    match (names.len(), names.next_back()) {
        (_, None) => problem.what.clone(),
        (1, Some(last)) => format!("{} (snapshot {last})", problem.what),
        (all, Some(last)) => format!("{} ({} snapshots, the last {last})", problem.what, count(all as u64)),
    }
}

fn text(outcome: &verify::Outcome) -> String {
    let mut lines: Vec<String> = outcome.problems.iter().map(line).collect();
    lines.extend(outcome.checks.as_ref().map(checked));
    if let Some(salvaged) = outcome.salvaged {
        lines.push(format!(
            "{} damaged packs are given up: {} blobs of them are saved, {} are not; back up now, and verify again",
            count(salvaged.packs),
            count(salvaged.blobs),
            count(salvaged.lost)
        ));
    }
    if let Some(since) = outcome.listed_since {
        lines.push(format!("the site lists {} more than the snapshot", many(since, "content")));
    }
    if let Some(rows) = outcome.rows {
        lines.push(format!("{} loaded and dumped again", many(rows, "row")));
    }
    lines.push(format!(
        "{}, {}, {} read in {}: {}",
        many(outcome.snapshots.len() as u64, "snapshot"),
        many(outcome.contents, "content"),
        bytes(outcome.bytes_read),
        duration(outcome.seconds),
        if outcome.problems.is_empty() {
            "nothing is wrong".to_owned()
        } else {
            many(outcome.problems.len() as u64, "problem")
        }
    ));
    lines.join("\n")
}
