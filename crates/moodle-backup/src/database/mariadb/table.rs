//! What tables are like.

use std::collections::HashSet;

use mysql::Conn;

use super::{literal, quoted, rows, text};
use crate::database::neighbours;
use crate::error::{Error, Kind, Result};

/// A table, as the server's catalogue has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) name: String,
    pub(super) engine: String,
    /// About how many bytes a row has.
    pub(super) row_bytes: u64,
    /// About how many bytes all have.
    pub(super) bytes: u64,
    /// When it was made; TRUNCATE makes it anew.
    pub(super) made: String,
    /// Its definition, without the value that its next id will have.
    pub(super) definition: String,
    /// That value.
    pub(super) next_id: Option<u64>,
}

/// Returns the names of all tables of the database, Moodle's or not.
pub(super) fn names(client: &mut Conn) -> Result<Vec<String>> {
    let query = "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_TYPE = 'BASE TABLE'";
    Ok(rows(client, query)?.iter().map(|row| text(&row[0])).collect())
}

/// Returns the names of a site's tables, without those of a load that goes on.
pub(super) fn own(client: &mut Conn, prefix: &str) -> Result<Vec<String>> {
    let mut names = neighbours::own(names(client)?, prefix);
    names.retain(|name| !name.starts_with('~'));
    Ok(names)
}

/// Returns a site's tables, sorted by name.
pub(super) fn all(client: &mut Conn, prefix: &str) -> Result<Vec<Table>> {
    let own: HashSet<String> = own(client, prefix)?.into_iter().collect();
    let query = "SELECT TABLE_NAME, ENGINE, AVG_ROW_LENGTH, DATA_LENGTH, CREATE_TIME FROM information_schema.TABLES \
                 WHERE TABLE_SCHEMA = DATABASE() AND TABLE_TYPE = 'BASE TABLE' ORDER BY TABLE_NAME";
    let mut found = Vec::new();
    for row in rows(client, query)? {
        let name = text(&row[0]);
        if !own.contains(&name) {
            continue;
        }
        if name.contains(['/', '\n']) || name.starts_with('.') {
            let what = format!("the table {name:?} has a name that no file can have");
            return Err(Error::new(Kind::Database, what, "rename it: it is none of Moodle's"));
        }
        let number = |bytes: &[u8]| text(bytes).parse().unwrap_or(0);
        found.push(Table {
            name,
            engine: text(&row[1]),
            row_bytes: number(&row[2]),
            bytes: number(&row[3]),
            made: text(&row[4]),
            definition: String::new(),
            next_id: None,
        });
    }
    for table in &mut found {
        let definition = rows(client, &format!("SHOW CREATE TABLE {}", quoted(&table.name)))?;
        let definition = definition.first().and_then(|row| row.get(1)).map(|bytes| text(bytes)).unwrap_or_default();
        (table.definition, table.next_id) = apart(&definition);
    }
    Ok(found)
}

/// Takes the value that the next id will have out of a definition.
fn apart(definition: &str) -> (String, Option<u64>) {
    // It stands among the table's options before any text.
    let options = definition.find("\n)").unwrap_or(definition.len());
    let Some((before, after)) = definition[options..].split_once(" AUTO_INCREMENT=") else {
        return (definition.to_owned(), None);
    };
    let digits = after.bytes().take_while(u8::is_ascii_digit).count();
    if before.contains('\'') {
        return (definition.to_owned(), None);
    }
    (format!("{}{before}{}", &definition[..options], &after[digits..]), after[..digits].parse().ok())
}

impl Table {
    /// Returns the statement that makes the table with its primary key alone, and the one that adds its other indexes
    /// and says which id is next: the rows with the highest ones may be gone.
    ///
    /// `all` are the tables of the dump: one that a foreign key binds has its indexes from the beginning.
    pub(super) fn statements(&self, all: &[Self]) -> (String, Option<String>) {
        // Columns, keys and checks, a line each; behind them the options and partitions.
        let (head, rest) = self.definition.split_once('\n').unwrap_or((&self.definition, ""));
        let (body, options) = rest.split_once("\n)").unwrap_or((rest, ""));
        let lines: Vec<&str> = body.lines().map(|line| line.trim_end_matches(',')).collect();
        let later = is_counted_by_its_primary_key(&lines) && !self.is_bound(all);
        let (indexes, kept): (Vec<&str>, Vec<&str>) = lines.iter().partition(|line| later && is_index(line));
        let made = format!("{head}\n{}\n){options}", kept.join(",\n"));
        let mut added: Vec<_> = indexes.iter().map(|index| format!("ADD {}", index.trim_start())).collect();
        added.extend(self.next_id.map(|next| format!("AUTO_INCREMENT={next}")));
        let added = (!added.is_empty()).then(|| format!("ALTER TABLE {} {}", quoted(&self.name), added.join(", ")));
        (made, added)
    }

    /// Whether the table has a foreign key, or one of another table leads to it.
    fn is_bound(&self, all: &[Self]) -> bool {
        let here = format!(" REFERENCES {} (", quoted(&self.name));
        let is_foreign = |line: &&str| line.starts_with("  CONSTRAINT ") && line.contains(" FOREIGN KEY (");
        self.definition.lines().any(|line| is_foreign(&line))
            || all.iter().flat_map(|table| table.definition.lines()).filter(is_foreign).any(|line| line.contains(&here))
    }
}

fn is_index(line: &str) -> bool {
    ["  KEY ", "  UNIQUE KEY ", "  FULLTEXT KEY ", "  SPATIAL KEY "].iter().any(|start| line.starts_with(start))
}

/// Whether there is a primary key, and no next id that is taken from another one.
fn is_counted_by_its_primary_key(lines: &[&str]) -> bool {
    let Some(primary) = lines.iter().find_map(|line| line.strip_prefix("  PRIMARY KEY (")) else { return false };
    // What comes behind a quote is a comment's text.
    let is_counted = |line: &str| line.split('\'').next().is_some_and(|kind| kind.contains(" AUTO_INCREMENT"));
    let counted = lines.iter().find(|line| line.starts_with("  `") && is_counted(line));
    counted.and_then(|line| name(line)).is_none_or(|counted| name(primary) == Some(counted))
}

/// Returns the name that a column's line or the columns of a key begin with, as SQL has it.
fn name(text: &str) -> Option<&str> {
    let text = text.trim_start().strip_prefix('`')?;
    let mut end = text.find('`')?;
    while text[end..].starts_with("``") {
        end += 2 + text[end + 2..].find('`')?;
    }
    Some(&text[..end])
}

/// A column whose values are written.
#[derive(Clone, Debug)]
pub(super) struct Column {
    pub(super) name: String,
    /// What selects it.
    pub(super) expression: String,
}

/// The columns of a table, and the one by whose ranges it is cut.
#[derive(Clone, Debug)]
pub(super) struct Columns {
    pub(super) all: Vec<Column>,
    /// The primary key, where it is one integer.
    pub(super) key: Option<String>,
    /// All columns of the primary key.
    pub(super) order: Vec<String>,
}

impl Columns {
    pub(super) fn of(client: &mut Conn, table: &str) -> Result<Self> {
        let query = format!(
            "SELECT COLUMN_NAME, DATA_TYPE, EXTRA, COLUMN_KEY FROM information_schema.COLUMNS \
             WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = {} ORDER BY ORDINAL_POSITION",
            literal(table)
        );
        let (mut all, mut keys, mut integers) = (Vec::new(), Vec::new(), 0);
        for row in rows(client, &query)? {
            let (name, kind, extra, key) = (text(&row[0]), text(&row[1]), text(&row[2]), text(&row[3]));
            if extra.to_uppercase().contains("GENERATED") && !extra.to_uppercase().contains("DEFAULT_GENERATED") {
                continue;
            }
            // Written out, a single-precision number has six digits, which are too few.
            let expression = if kind == "float" { format!("{} + 0E0", quoted(&name)) } else { quoted(&name) };
            if key == "PRI" {
                integers += usize::from(kind.ends_with("int"));
                keys.push(name.clone());
            }
            all.push(Column { name, expression });
        }
        let key = (keys.len() == 1 && integers == 1).then(|| keys[0].clone());
        Ok(Self { all, key, order: keys })
    }

    pub(super) fn names(&self) -> String {
        self.all.iter().map(|column| quoted(&column.name)).collect::<Vec<_>>().join(", ")
    }

    pub(super) fn expressions(&self) -> String {
        self.all.iter().map(|column| column.expression.clone()).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indexes_are_taken_out_of_a_definition_and_the_rest_is_a_statement() {
        let definition = "CREATE TABLE `mdl_t` (\n  `id` bigint(10) NOT NULL AUTO_INCREMENT,\n  `key` varchar(9) DEFAULT 'KEY ',\n  \
                          PRIMARY KEY (`id`),\n  UNIQUE KEY `u` (`key`),\n  KEY `k` (`key`,`id`)\n) ENGINE=InnoDB AUTO_INCREMENT=7 \
                          DEFAULT CHARSET=utf8mb4 COMMENT='a, b'";
        let (definition, next_id) = apart(definition);
        let table = Table {
            name: "mdl_t".into(),
            engine: "InnoDB".into(),
            row_bytes: 0,
            bytes: 0,
            made: String::new(),
            definition,
            next_id,
        };
        let (made, added) = table.statements(&[]);
        assert_eq!(
            made,
            "CREATE TABLE `mdl_t` (\n  `id` bigint(10) NOT NULL AUTO_INCREMENT,\n  `key` varchar(9) DEFAULT 'KEY ',\n  \
             PRIMARY KEY (`id`)\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COMMENT='a, b'"
        );
        let expected = "ALTER TABLE `mdl_t` ADD UNIQUE KEY `u` (`key`), ADD KEY `k` (`key`,`id`), AUTO_INCREMENT=7";
        assert_eq!(added.as_deref(), Some(expected));
    }
}
