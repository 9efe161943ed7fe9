//! `moodle-backup bench`: this program beside others, on a site that is made for it.

use std::path::PathBuf;

use clap::Args;
use moodle_backup::bench::dataset::Size;
use moodle_backup::bench::{self, Request, Row};
use moodle_backup::error::{Error, Kind, Result};

use super::Context;
use super::report::{Report, bytes, count};

/// Measures this program beside restic, borg, tar and the databases' own dumps, those of them that are installed.
///
/// The site is made for it, with the same content for the same seed. Its database is in the servers that
/// `MOODLE_BACKUP_MARIADB` and `MOODLE_BACKUP_POSTGRES` name (`mysql://USER:PASSWORD@HOST:PORT`), as
/// `moodle_backup_bench`; whatever has that name there is removed.
#[derive(Args, Debug)]
pub(crate) struct Bench {
    /// Where all of it is made: a folder that isn't there yet, on the disk to be measured.
    #[arg(long, value_name = "FOLDER")]
    folder: PathBuf,
    /// Distinct contents of the pool.
    #[arg(long, default_value_t = 100_000)]
    files: u64,
    /// Bytes of the pool.
    #[arg(long, default_value_t = 2_000_000_000)]
    bytes: u64,
    /// Rows of the log table.
    #[arg(long, default_value_t = 1_000_000)]
    rows: u64,
    /// Small tables.
    #[arg(long, default_value_t = 300)]
    tables: u32,
    /// What chance begins with.
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// How often each leg is run; shown are medians.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Only contestants whose names contain this; repeatable.
    #[arg(long, value_name = "TEXT")]
    only: Vec<String>,
    /// Only parts whose names contain this: pool, mariadb, postgresql; repeatable.
    #[arg(long, value_name = "TEXT")]
    part: Vec<String>,
}

impl Bench {
    pub(crate) fn run(&self, context: &Context) -> Result<Report> {
        let program = std::env::current_exe().map_err(|error| {
            Error::new(Kind::Local, "this program can't be found again", "call it by its path").because(error)
        })?;
        let size = Size { files: self.files, bytes: self.bytes, rows: self.rows, tables: self.tables, seed: self.seed };
        let request = Request {
            size,
            rounds: self.rounds.max(1),
            folder: self.folder.clone(),
            program,
            only: self.only.clone(),
            parts: self.part.clone(),
        };
        let rows = bench::run(&request, context.progress())?;
        Ok(Report::new(&rows, text(&rows)))
    }
}

fn text(rows: &[Row]) -> String {
    let mut lines = vec![format!(
        "{:<11} {:<10} {:<17} {:>9} {:>9} {:>10} {:>10} {:>9}",
        "part", "leg", "who", "wall s", "CPU s", "memory", "stored", "requests"
    )];
    lines.extend(rows.iter().map(|row| {
        let median = row.median();
        format!(
            "{:<11} {:<10} {:<17} {:>9.2} {:>9.2} {:>10} {:>10} {:>9}",
            row.part,
            row.leg,
            row.who,
            median.wall,
            median.cpu,
            bytes(median.peak),
            bytes(row.stored),
            row.requests.map_or_else(|| "-".to_owned(), count)
        )
    }));
    lines.join("\n")
}
