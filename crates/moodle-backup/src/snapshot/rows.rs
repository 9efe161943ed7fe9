//! The rows of a table in a snapshot's dump, read without a database.

use std::io::{BufRead as _, BufReader};

use super::{Dump, Opened};
use crate::database::{self, Source as _};
use crate::error::{Error, Kind, Result};

/// A table of a dump.
pub(crate) struct Table<'s, 'a> {
    name: String,
    columns: Vec<String>,
    files: Vec<&'s str>,
    dump: Dump<'s, 'a>,
}

impl<'s, 'a> Table<'s, 'a> {
    /// Finds the table whose name is `name` behind the prefix; of the dump nothing else is read.
    pub(crate) fn open(opened: &'s Opened<'a>, name: &str) -> Result<Self> {
        let lacking = |what: &str| {
            Error::new(
                Kind::Damaged,
                format!("the snapshot {} {what} {name}", opened.snapshot.id),
                "take a snapshot that `moodle-backup verify --closure` finds whole",
            )
        };
        let facts = opened.manifest.database.as_ref().ok_or_else(|| lacking("has no database, and so no table"))?;
        let name = format!("{}{name}", facts.prefix);
        let table = facts.tables.iter().find(|table| table.name == name).ok_or_else(|| lacking("has no table"))?;
        let dump = opened.dump_of(|folder| folder == name)?;
        // MariaDB's dumps have each table's definition with its rows, PostgreSQL's have all in one.
        let own = format!("{name}/table.sql");
        let schema = database::text(&dump, if dump.blobs(&own).is_some() { &own } else { "schema.sql" })?;
        let columns = columns(&schema, &name).ok_or_else(|| lacking("doesn't define the table"))?;
        Ok(Self { name, columns, files: table.files.iter().map(|file| file.path.as_str()).collect(), dump })
    }

    /// Returns where columns are in a row.
    pub(crate) fn columns<const N: usize>(&self, names: [&str; N]) -> Result<[usize; N]> {
        let mut places = [0; N];
        for (place, name) in places.iter_mut().zip(names) {
            *place = self.columns.iter().position(|column| column == name).ok_or_else(|| {
                Error::new(
                    Kind::Damaged,
                    format!("the table {} has no column {name}", self.name),
                    "report this as a bug",
                )
            })?;
        }
        Ok(places)
    }

    /// Calls `row` for each row, with its cells as the dump has them.
    pub(crate) fn each(&self, row: &mut dyn FnMut(&[&str]) -> Result<()>) -> Result<()> {
        for path in &self.files {
            let mut reader = BufReader::with_capacity(1 << 20, self.dump.file(path)?);
            let mut line = Vec::new();
            loop {
                line.clear();
                loop {
                    let length = reader.read_until(b'\n', &mut line).map_err(|error| database::unread(path, error))?;
                    // A newline after a backslash belongs to a value.
                    if length == 0 || !is_escaped(&line, line.len() - 1) {
                        break;
                    }
                }
                if line.is_empty() {
                    break;
                }
                let text = String::from_utf8_lossy(line.strip_suffix(b"\n").unwrap_or(&line));
                row(&cells(&text))?;
            }
        }
        Ok(())
    }
}

/// Whether an odd number of backslashes stands before `at`.
fn is_escaped(line: &[u8], at: usize) -> bool {
    line[..at].iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1
}

fn cells(line: &str) -> Vec<&str> {
    let mut cells = Vec::new();
    let mut start = 0;
    for (at, _) in line.match_indices('\t') {
        if !is_escaped(line.as_bytes(), at) {
            cells.push(&line[start..at]);
            start = at + 1;
        }
    }
    cells.push(&line[start..]);
    cells
}

/// Returns a cell without the escapes of tab-separated files.
pub(crate) fn unescaped(cell: &str) -> String {
    let mut text = String::with_capacity(cell.len());
    let mut characters = cell.chars();
    while let Some(character) = characters.next() {
        text.push(match character {
            '\\' => match characters.next() {
                Some('t') => '\t',
                Some('n') => '\n',
                Some('r') => '\r',
                Some('0') => '\0',
                Some('b') => '\u{8}',
                Some('v') => '\u{b}',
                Some('f') => '\u{c}',
                Some(other) => other,
                None => '\\',
            },
            other => other,
        });
    }
    text
}

/// Returns the columns of a table by the statement that makes it.
fn columns(schema: &str, table: &str) -> Option<Vec<String>> {
    let mut lines = schema.lines();
    lines.by_ref().find(|line| {
        line.trim_start().starts_with("CREATE TABLE")
            && [format!("`{table}`"), format!("\"{table}\"")].iter().any(|name| line.contains(name))
    })?;
    let names = lines.map(str::trim).take_while(|line| !line.starts_with(')')).filter_map(|line| {
        let quote = line.chars().next().filter(|quote| matches!(quote, '`' | '"'))?;
        line[1..].split_once(quote).map(|(name, _)| name.to_owned())
    });
    Some(names.collect())
}

#[cfg(test)]
mod tests {
    use super::{cells, columns, is_escaped, unescaped};

    #[test]
    fn a_line_is_cut_at_tabs_that_are_no_part_of_a_value() {
        assert_eq!(cells("1\ta\\\tb\t\\\\\t\\N"), ["1", "a\\\tb", "\\\\", "\\N"]);
        assert_eq!(unescaped("a\\tb\\\\n\\\tc"), "a\tb\\n\tc");
        assert!(is_escaped(b"a\\\n", 2) && !is_escaped(b"a\\\\\n", 3));
    }

    #[test]
    fn a_schema_tells_the_columns_of_both_kinds_of_servers() {
        let schema = "CREATE TABLE `mdl_a` (\n  `x` int,\n  PRIMARY KEY (`x`)\n) ENGINE=InnoDB;\n\
                      CREATE TABLE \"public\".\"mdl_files\" (\n  \"id\" bigint NOT NULL,\n  \"contenthash\" varchar(40)\n);\n";
        assert_eq!(columns(schema, "mdl_files"), Some(vec!["id".to_owned(), "contenthash".to_owned()]));
        assert_eq!(columns(schema, "mdl_a"), Some(vec!["x".to_owned()]));
        assert_eq!(columns(schema, "mdl_file"), None);
    }
}
