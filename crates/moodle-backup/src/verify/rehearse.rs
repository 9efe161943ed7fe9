//! A restore that is rehearsed: the dump is loaded into an empty database, dumped again, and both dumps are compared.

use std::collections::BTreeMap;
use std::io::Write;

use accel::hash::{Algorithm, Hasher};

use super::{Outcome, Rehearsal};
use crate::database::{self, Sink, SinkFile};
use crate::error::Result;
use crate::manifest::{FileFacts, TableFacts};
use crate::progress::Progress;
use crate::restore::checks;
use crate::snapshot::Opened;

/// Loads, dumps, compares, and empties the database again.
pub(super) fn run(
    opened: &Opened<'_>,
    rehearsal: &Rehearsal,
    jobs: usize,
    outcome: &mut Outcome,
    progress: &dyn Progress,
) -> Result<()> {
    let id = &opened.snapshot.id;
    let Some(facts) = &opened.manifest.database else {
        outcome.missing(format!("snapshot {id} has no database"));
        return Ok(());
    };
    let options = database::RestoreOptions { jobs, overwrite: false };
    let restored = database::restore(&rehearsal.database, facts, &opened.dump()?, options, progress)?;
    outcome.rows = Some(restored.tables.values().sum());
    let again = database::open(&rehearsal.database, jobs)?.dump(&Hashes, progress)?;
    for difference in compare(&facts.tables, &again.tables) {
        outcome.damaged(format!("snapshot {id}: after a restore {difference}"));
    }
    if let Some(code) = &rehearsal.code {
        let checks = checks(code);
        if !checks.passed {
            outcome.damaged(format!("snapshot {id}: Moodle's own checks fail after a restore"));
        }
        outcome.checks = Some(checks);
    }
    database::clear(&rehearsal.database, facts)
}

/// Says in which tables two dumps differ.
pub(crate) fn compare(left: &[TableFacts], right: &[TableFacts]) -> Vec<String> {
    let right: BTreeMap<&str, &TableFacts> = right.iter().map(|table| (table.name.as_str(), table)).collect();
    let hashes = |table: &TableFacts| table.files.iter().map(|file| file.sha256.clone()).collect::<Vec<_>>();
    left.iter()
        .filter_map(|table| match right.get(table.name.as_str()) {
            None => Some(format!("{} is not there", table.name)),
            Some(other) if other.rows != table.rows => {
                Some(format!("{} has {} rows and not {}", table.name, other.rows, table.rows))
            }
            Some(other) if hashes(other) != hashes(table) => Some(format!("{} has other content", table.name)),
            Some(_) => None,
        })
        .collect()
}

/// Takes the files of a dump and keeps their hashes only.
struct Hashes;

struct Hashed {
    path: String,
    size: u64,
    hasher: Hasher,
}

impl Sink for Hashes {
    fn file<'a>(&'a self, path: &str) -> Result<Box<dyn SinkFile + 'a>> {
        Ok(Box::new(Hashed { path: path.to_owned(), size: 0, hasher: Hasher::new(Algorithm::Sha256) }))
    }
}

impl Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.hasher.update(bytes);
        self.size += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl SinkFile for Hashed {
    fn close(mut self: Box<Self>) -> Result<FileFacts> {
        let sha256 = hex::encode(self.hasher.finish().as_bytes());
        Ok(FileFacts { path: self.path, size: self.size, sha256 })
    }
}
