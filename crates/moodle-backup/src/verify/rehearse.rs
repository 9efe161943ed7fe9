//! A restore that is rehearsed: the dump is loaded into a database that has none of its tables, dumped again, and both
//! dumps are compared.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hasher as _};
use std::io::{Read, Write};
use std::sync::{Mutex, PoisonError};

use accel::hash::{Algorithm, Hasher};

use super::{Outcome, ProblemKind, Rehearsal};
use crate::database::{self, Loaded, Sink, SinkFile, Source as _};
use crate::error::{Error, Kind, Result};
use crate::manifest::{FileFacts, TableFacts};
use crate::progress::Progress;
use crate::restore::{checks, is_of};
use crate::snapshot::Opened;

/// Loads, dumps, compares, and discards what was loaded, whatever came of it.
pub(super) fn run(
    opened: &Opened<'_>,
    rehearsal: &Rehearsal,
    jobs: usize,
    outcome: &mut Outcome,
    progress: &dyn Progress,
) -> Result<()> {
    let id = &opened.snapshot.id;
    let Some(facts) = &opened.manifest.database else {
        outcome.missing_in(id, "there is no database in it to rehearse with");
        return Ok(());
    };
    if let Some(code) = &rehearsal.code
        && !is_of(code, &rehearsal.database)
    {
        let what = format!("the config.php in {} doesn't name the database of the rehearsal", code.display());
        return Err(Error::new(Kind::Usage, what, "leave out --code: Moodle's own checks would look at another site"));
    }
    let options = database::RestoreOptions { jobs, ..database::RestoreOptions::default() };
    let rehearsed = opened
        .dump()
        .and_then(|dump| database::load(&rehearsal.database, facts, &dump, options, progress))
        .and_then(|loaded| {
            outcome.rows = Some(loaded.restored().tables.values().sum());
            let compared = compare(opened, &loaded, rehearsal, jobs, outcome, progress);
            let discarded = loaded.discard();
            compared.and(discarded)
        });
    match rehearsed {
        Err(error) if error.kind == Kind::Damaged => {
            outcome.damaged_in(id, error.to_string());
            Ok(())
        }
        rehearsed => rehearsed,
    }
}

/// Dumps what was loaded again, compares, and runs Moodle's checks.
fn compare(
    opened: &Opened<'_>,
    loaded: &Loaded,
    rehearsal: &Rehearsal,
    jobs: usize,
    outcome: &mut Outcome,
    progress: &dyn Progress,
) -> Result<()> {
    let id = &opened.snapshot.id;
    let lines = Hashes::default();
    let again = loaded.view(jobs)?.dump(&lines, progress)?;
    let lines = lines.tables.into_inner().unwrap_or_else(PoisonError::into_inner);
    let dump = opened.dump()?;
    let there: BTreeMap<&str, &TableFacts> = again.tables.iter().map(|table| (table.name.as_str(), table)).collect();
    for table in opened.manifest.database.iter().flat_map(|facts| &facts.tables) {
        match there.get(table.name.as_str()) {
            None => outcome.damaged_in(id, format!("after a restore {} is not there", table.name)),
            Some(other) if other.rows != table.rows => outcome.damaged_in(
                id,
                format!("after a restore {} has {} rows and not {}", table.name, other.rows, table.rows),
            ),
            // The same rows may be cut into other files: then it is the rows that count.
            Some(other) if other.files != table.files => {
                let mut before = Lines::default();
                for file in &table.files {
                    before.read(dump.file(&file.path)?.as_mut(), &file.path)?;
                }
                if lines.get(&table.name).copied().unwrap_or_default() != before.end() {
                    outcome.damaged_in(id, format!("after a restore {} has other rows", table.name));
                }
            }
            Some(_) => {}
        }
    }
    if let Some(code) = &rehearsal.code {
        let wrong = match checks(code) {
            Ok(checks) => {
                let wrong = (!checks.passed).then(|| "Moodle's own checks fail after a restore".to_owned());
                outcome.checks = Some(checks);
                wrong
            }
            Err(reason) => Some(format!("Moodle's own checks were not run after a restore: {reason}")),
        };
        if let Some(what) = wrong {
            outcome.wrong(ProblemKind::Checks, Some(id), what);
        }
    }
    Ok(())
}

/// Hashes of lines, added up: the same for the same lines in any order and in any files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sum {
    lines: u64,
    sum: u64,
}

/// Adds lines up.
#[derive(Default)]
struct Lines {
    hasher: DefaultHasher,
    begun: bool,
    sum: Sum,
}

impl Lines {
    fn add(&mut self, bytes: &[u8]) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.hasher.write(part);
            self.begun = true;
            if part.ends_with(b"\n") {
                self.end();
            }
        }
    }

    fn end(&mut self) -> Sum {
        if std::mem::take(&mut self.begun) {
            self.sum.lines += 1;
            self.sum.sum = self.sum.sum.wrapping_add(std::mem::take(&mut self.hasher).finish());
        }
        self.sum
    }

    fn read(&mut self, reader: &mut dyn Read, path: &str) -> Result<()> {
        let mut buffer = vec![0; 1 << 20];
        loop {
            let length = reader.read(&mut buffer).map_err(|error| database::unread(path, error))?;
            if length == 0 {
                return Ok(());
            }
            // A piece may end within a line: its parts are hashed as one.
            self.add(&buffer[..length]);
        }
    }
}

/// Takes the files of a dump, and keeps the sums of the tables' lines and the files' hashes only.
#[derive(Default)]
struct Hashes {
    tables: Mutex<BTreeMap<String, Sum>>,
}

struct Hashed<'a> {
    hashes: &'a Hashes,
    path: String,
    size: u64,
    hasher: Hasher,
    lines: Lines,
}

impl Sink for Hashes {
    fn file<'a>(&'a self, path: &str) -> Result<Box<dyn SinkFile + 'a>> {
        let hasher = Hasher::new(Algorithm::Sha256);
        Ok(Box::new(Hashed { hashes: self, path: path.to_owned(), size: 0, hasher, lines: Lines::default() }))
    }
}

impl Write for Hashed<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.hasher.update(bytes);
        self.lines.add(bytes);
        self.size += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl SinkFile for Hashed<'_> {
    fn close(mut self: Box<Self>) -> Result<FileFacts> {
        let sum = self.lines.end();
        if let Some(table) =
            self.path.strip_suffix(".tsv").and_then(|path| path.rsplit_once('/')).map(|(table, _)| table)
        {
            let mut tables = self.hashes.tables.lock().unwrap_or_else(PoisonError::into_inner);
            let all = tables.entry(table.to_owned()).or_default();
            *all = Sum { lines: all.lines + sum.lines, sum: all.sum.wrapping_add(sum.sum) };
        }
        let sha256 = hex::encode(self.hasher.finish().as_bytes());
        Ok(FileFacts { path: self.path, size: self.size, sha256 })
    }
}

#[cfg(test)]
mod tests {
    use super::Lines;

    fn sum(pieces: &[&[u8]]) -> super::Sum {
        let mut lines = Lines::default();
        for piece in pieces {
            lines.add(piece);
        }
        lines.end()
    }

    #[test]
    fn lines_add_up_to_the_same_however_they_are_cut_and_ordered() {
        let whole = sum(&[b"a\tb\nc\nlast"]);
        assert_eq!(sum(&[b"a\t", b"b", b"\nc\n", b"la", b"st"]), whole);
        assert_eq!(sum(&[b"c\na\tb\nlast"]), whole);
        assert_ne!(sum(&[b"a\tb\nd\nlast"]), whole);
        assert_ne!(sum(&[b"a\tb\nc\nc\nlast"]), whole);
    }
}
