//! What a load changes of a database, besides the load itself.

use std::collections::BTreeSet;

use mysql::Conn;
use mysql::prelude::Queryable as _;

use super::{LOCK_SECONDS, connected, literal, load, quoted, rows, run, table, text};
use crate::database::target::LIST;
use crate::database::{Connection, Source};
use crate::error::{Error, Kind, Result};
use crate::manifest::{DatabaseFacts, TableFacts};

/// A table that is set aside has this before its name: one character, because names may have nearly all that servers
/// allow.
const ASIDE: char = '~';
/// How many characters servers allow in a name.
const LONGEST_NAME: usize = 64;
/// How long whoever uses the tables is waited for.
const TABLE_SECONDS: u32 = 60;
/// How many tables a statement drops.
const PART: usize = 50;

/// Statements about tables that aren't there: the server looks at the rights first, and nothing happens.
const PROBES: [(&str, &str); 4] = [
    ("CREATE", "CREATE TABLE `~` LIKE `~~`"),
    ("INSERT", "INSERT INTO `~` () VALUES ()"),
    ("ALTER", "ALTER TABLE `~` COMMENT ''"),
    ("DROP", "DROP TABLE `~`"),
];

/// A database that is loaded into.
pub(crate) struct Target {
    connection: Connection,
    client: Conn,
}

impl Target {
    pub(crate) fn open(connection: &Connection) -> Result<Self> {
        let mut client = connected(connection)?;
        run(&mut client, &format!("SET SESSION foreign_key_checks = 0, lock_wait_timeout = {TABLE_SECONDS}"))?;
        Ok(Self { connection: connection.clone(), client })
    }

    /// Returns which of `names` are there.
    fn there(&mut self, names: impl IntoIterator<Item = String>) -> Result<Vec<String>> {
        let there: BTreeSet<String> = table::names(&mut self.client)?.into_iter().collect();
        Ok(names.into_iter().filter(|name| there.contains(name)).collect())
    }

    fn rename(&mut self, names: &[(String, String)]) -> Result<()> {
        if names.is_empty() {
            return Ok(());
        }
        let pairs: Vec<String> = names.iter().map(|(from, to)| format!("{} TO {}", quoted(from), quoted(to))).collect();
        // The server renames all of them or, when one can't be, none.
        run(&mut self.client, &format!("RENAME TABLE {}", pairs.join(", ")))
    }

    /// Gives other names to foreign keys of tables: a database has each name once. A key that is named after its table
    /// changes its name with it.
    fn rename_keys(&mut self, tables: &[String], renamed: impl Fn(&str) -> Option<String>) -> Result<()> {
        let query = "SELECT DISTINCT TABLE_NAME FROM information_schema.REFERENTIAL_CONSTRAINTS \
                     WHERE CONSTRAINT_SCHEMA = DATABASE()";
        let found = rows(&mut self.client, query)?;
        for table in found.iter().map(|row| text(&row[0])).filter(|table| tables.contains(table)) {
            let definition = rows(&mut self.client, &format!("SHOW CREATE TABLE {}", quoted(&table)))?;
            let definition = definition.first().map(|row| text(&row[1])).unwrap_or_default();
            let changes: Vec<String> = keys(&definition)
                .filter_map(|(name, key)| {
                    let renamed = renamed(name)?;
                    Some(format!("DROP FOREIGN KEY `{name}`, ADD CONSTRAINT `{renamed}` FOREIGN KEY {key}"))
                })
                .collect();
            if !changes.is_empty() {
                run(&mut self.client, &format!("ALTER TABLE {} {}", quoted(&table), changes.join(", ")))?;
            }
        }
        Ok(())
    }

    fn dropped(&mut self, names: &[String]) -> Result<()> {
        for part in names.chunks(PART) {
            let list: Vec<String> = part.iter().map(|name| quoted(name)).collect();
            run(&mut self.client, &format!("DROP TABLE IF EXISTS {}", list.join(", ")))?;
        }
        Ok(())
    }

    /// Says which rights are lacking, or why nobody may write.
    fn forbidden(&mut self) -> Option<Error> {
        let denied = PROBES.into_iter().filter_map(|(right, statement)| match self.client.query_drop(statement) {
            // ER_TABLE_EXISTS_ERROR, ER_BAD_TABLE_ERROR, ER_NO_SUCH_TABLE
            Err(mysql::Error::MySqlError(said)) if ![1050, 1051, 1146].contains(&said.code) => {
                Some((right, said.message))
            }
            _ => None,
        });
        let (rights, said): (Vec<&str>, Vec<String>) = denied.unzip();
        said.first().map(|said| {
            let (user, database) = (&self.connection.user, &self.connection.database);
            let rights = rights.join(", ");
            Error::refused(
                format!("the user {user} can't {rights} tables in the database {database}: {said}"),
                "grant this user the rights that Moodle's documentation names",
            )
        })
    }

    /// Returns character sets and collations of a dump that the server doesn't know.
    fn unknown(&mut self, definitions: &[String]) -> BTreeSet<String> {
        let used: BTreeSet<String> = definitions.iter().flat_map(|definition| collations(definition)).collect();
        let mut unknown = BTreeSet::new();
        for name in used {
            let (set, collation) = match name.split_once('_') {
                Some((set, _)) => (set, format!(" COLLATE {name}")),
                None => (name.as_str(), String::new()),
            };
            // ER_UNKNOWN_CHARACTER_SET, ER_UNKNOWN_COLLATION
            if let Err(mysql::Error::MySqlError(said)) =
                self.client.query_drop(format!("SELECT CONVERT('' USING {set}){collation}"))
                && [1115, 1273].contains(&said.code)
            {
                unknown.insert(name);
            }
        }
        unknown
    }
}

impl crate::database::target::Target for Target {
    fn lock(&mut self) -> Result<bool> {
        let query = format!("SELECT GET_LOCK(CONCAT('moodle-backup ', MD5(DATABASE())), {LOCK_SECONDS})");
        match rows(&mut self.client, &query) {
            Ok(got) => Ok(got.first().is_none_or(|row| row[0] == b"1")),
            Err(error) => {
                tracing::warn!(%error, "this server has no locks that keep a second restore away");
                Ok(true)
            }
        }
    }

    fn names(&mut self) -> Result<Vec<String>> {
        let mut names = table::names(&mut self.client)?;
        let prefix = &self.connection.prefix;
        names.retain(|name| name.starts_with(prefix) && (prefix.starts_with(ASIDE) || !name.starts_with(ASIDE)));
        names.sort_unstable();
        Ok(names)
    }

    fn made(&self, facts: &DatabaseFacts, _: &dyn Source) -> Result<Vec<String>> {
        Ok(facts.tables.iter().map(|table| table.name.clone()).collect())
    }

    fn objections(
        &mut self,
        facts: &DatabaseFacts,
        source: &dyn Source,
        _: &[String],
        jobs: usize,
    ) -> Result<Vec<Error>> {
        let mut reasons: Vec<Error> = self.forbidden().into_iter().collect();
        let unknown = self.unknown(&definitions(facts, source, jobs)?);
        if !unknown.is_empty() {
            let names: Vec<String> = unknown.into_iter().collect();
            let names = names.join(", ");
            reasons.push(Error::refused(
                format!("the server doesn't know {names}, which the dump of {} needs", facts.server),
                "restore on a server of the same make",
            ));
        }
        Ok(reasons)
    }

    fn bound(&mut self, names: &[String]) -> Result<Vec<String>> {
        let query = "SELECT TABLE_NAME, CONSTRAINT_NAME, REFERENCED_TABLE_NAME, TABLE_SCHEMA = DATABASE(), \
                     REFERENCED_TABLE_SCHEMA = DATABASE() FROM information_schema.KEY_COLUMN_USAGE \
                     WHERE REFERENCED_TABLE_NAME IS NOT NULL AND (TABLE_SCHEMA = DATABASE() OR REFERENCED_TABLE_SCHEMA = DATABASE())";
        let keys = rows(&mut self.client, query)?;
        let is_one = |name: &[u8], is_here: &[u8]| is_here == b"1" && names.contains(&text(name));
        let foreign = keys.iter().filter(|row| {
            let (own, needs) = (is_one(&row[0], &row[3]), is_one(&row[2], &row[4]));
            // While the tables are set aside, their keys have longer names.
            if own { text(&row[1]).chars().count() >= LONGEST_NAME } else { needs }
        });
        let foreign = foreign.map(|row| format!("foreign key {} of {}", text(&row[1]), text(&row[0])));
        let query = "SELECT EVENT_OBJECT_TABLE, TRIGGER_NAME FROM information_schema.TRIGGERS \
                     WHERE EVENT_OBJECT_SCHEMA = DATABASE()";
        let triggers = rows(&mut self.client, query)?;
        let triggers = triggers.iter().filter(|row| names.contains(&text(&row[0])));
        let triggers = triggers.map(|row| format!("trigger {} of {}", text(&row[1]), text(&row[0])));
        let bound: BTreeSet<String> = foreign.chain(triggers).collect();
        Ok(bound.into_iter().collect())
    }

    fn list(&mut self) -> Result<Option<Vec<(String, String)>>> {
        if self.there([LIST.to_owned()])?.is_empty() {
            return Ok(None);
        }
        let found = rows(&mut self.client, &format!("SELECT name, todo FROM {} ORDER BY name", quoted(LIST)))?;
        Ok(Some(found.iter().map(|row| (text(&row[0]), text(&row[1]))).collect()))
    }

    fn make_list(&mut self) -> Result<()> {
        let columns = "name varbinary(256) NOT NULL, todo varbinary(20) NOT NULL, PRIMARY KEY (name, todo)";
        run(&mut self.client, &format!("CREATE TABLE {} ({columns}) ENGINE=InnoDB", quoted(LIST)))
    }

    fn quoted(&self, name: &str) -> String {
        quoted(name)
    }

    fn literal(&self, text: &str) -> String {
        literal(text)
    }

    fn run(&mut self, statement: &str) -> Result<()> {
        run(&mut self.client, statement)
    }

    fn set_aside(&mut self, names: &[String]) -> Result<()> {
        let pairs: Vec<_> = names.iter().map(|name| (name.clone(), aside(name))).collect();
        self.rename(&pairs)?;
        let asides: Vec<String> = pairs.into_iter().map(|(_, aside)| aside).collect();
        self.rename_keys(&asides, |name| (!name.starts_with(ASIDE)).then(|| aside(name)))
    }

    fn put_back(&mut self, names: &[String]) -> Result<()> {
        let there = self.there(names.iter().map(|name| aside(name)))?;
        let pairs: Vec<_> = there.into_iter().map(|name| (name.clone(), name[ASIDE.len_utf8()..].to_owned())).collect();
        self.rename(&pairs)?;
        self.rename_keys(names, |name| name.strip_prefix(ASIDE).map(str::to_owned))
    }

    fn drop(&mut self, names: &[String]) -> Result<()> {
        self.dropped(names)
    }

    fn drop_aside(&mut self, names: &[String]) -> Result<()> {
        self.dropped(&names.iter().map(|name| aside(name)).collect::<Vec<_>>())
    }

    fn inherit(&mut self) -> Result<()> {
        // Grants are by name, and tables have no owners.
        Ok(())
    }
}

fn aside(name: &str) -> String {
    format!("{ASIDE}{name}")
}

/// Returns the foreign keys in a definition, each with its name and what makes it, as SQL has them.
fn keys(definition: &str) -> impl Iterator<Item = (&str, &str)> {
    definition.lines().filter_map(|line| {
        let key = line.trim_start().strip_prefix("CONSTRAINT `")?;
        key.trim_end_matches(',').split_once("` FOREIGN KEY ")
    })
}

/// Reads the statements that make the tables.
fn definitions(facts: &DatabaseFacts, source: &dyn Source, jobs: usize) -> Result<Vec<String>> {
    let read = |part: &[TableFacts]| -> Result<Vec<String>> {
        part.iter().map(|table| load::script(source, &format!("{}/table.sql", table.name))).collect()
    };
    let size = facts.tables.len().div_ceil(jobs).max(1);
    std::thread::scope(|scope| {
        let threads: Vec<_> = facts.tables.chunks(size).map(|part| scope.spawn(move || read(part))).collect();
        let stopped = |_| Err(Error::new(Kind::Local, "a thread has stopped", "report it"));
        let parts = threads.into_iter().map(|thread| thread.join().unwrap_or_else(stopped));
        parts.collect::<Result<Vec<_>>>().map(|parts| parts.into_iter().flatten().collect())
    })
}

/// Returns the names of character sets and collations in a definition.
fn collations(definition: &str) -> BTreeSet<String> {
    let mut quote = None;
    let is_code = |letter: &char| {
        if quote.is_some() {
            quote = quote.filter(|quote| quote != letter);
            return false;
        }
        quote = Some(*letter).filter(|letter| matches!(letter, '\'' | '`'));
        quote.is_none()
    };
    let code: String = definition.chars().filter(is_code).collect();
    let words: Vec<&str> = code
        .split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
        .filter(|word| !word.is_empty())
        .collect();
    let pairs = words.windows(2).filter(|pair| matches!(pair[0], "SET" | "CHARSET" | "COLLATE"));
    pairs.map(|pair| pair[1].to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::collations;

    #[test]
    fn character_sets_and_collations_are_found_outside_of_texts() {
        let definition = "CREATE TABLE `CHARSET x` (\n  `a` varchar(9) CHARACTER SET latin1 COLLATE latin1_bin DEFAULT 'it''s `\
                          COLLATE none'\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_ai_ci COMMENT='CHARSET=no'";
        let found = collations(definition);
        assert_eq!(Vec::from_iter(found), ["latin1", "latin1_bin", "utf8mb4", "utf8mb4_0900_ai_ci"]);
    }
}
