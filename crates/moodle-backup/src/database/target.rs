//! A database that a dump is loaded into: it is looked at first, and whatever fails leaves it as it was.
//!
//! What the dump replaces is set aside, the dump is loaded, and only then what was set aside is dropped. A table of this
//! program's own, [`LIST`], says at each moment what has to be done should the run be broken off here: the next one
//! begins with that.
//!
//! | row | what the name stands for |
//! | --- | --- |
//! | `drop` | the load that goes on makes it |
//! | `put back` | it was there before, and is set aside |
//! | `drop aside` | it was replaced, and is set aside |
//! | `keep` | it was loaded, and stays |
//! | `run` | the run that goes on, by a number of its own |

use super::held::Held;
use super::{Connection, OtherTables, RestoreOptions, Restored, Server, Source, View, mariadb, postgres, view};
use crate::error::{Error, Result};
use crate::manifest::DatabaseFacts;
use crate::progress::Progress;

/// The table with what is left to do. No table of Moodle begins like this.
pub(super) const LIST: &str = "~moodle-backup";

/// How many names an error tells.
const NAMES: usize = 20;

/// What each kind of server does in its own way. Names are those of tables, and of sequences that no table owns.
pub(super) trait Target: Send {
    /// Keeps other runs away for as long as the connection lasts; false: one is there.
    fn lock(&mut self) -> Result<bool>;
    /// Returns the names with the prefix, sorted, without those of this program.
    fn names(&mut self) -> Result<Vec<String>>;
    /// Returns the names that a dump makes.
    fn made(&self, facts: &DatabaseFacts, source: &dyn Source) -> Result<Vec<String>>;
    /// Returns why the user or the server can't load a dump in place of `replaced`, each as [`Error::refused`] makes it. Nothing is
    /// changed.
    fn objections(
        &mut self,
        facts: &DatabaseFacts,
        source: &dyn Source,
        replaced: &[String],
        jobs: usize,
    ) -> Result<Vec<Error>>;
    /// Returns what isn't among `names`, would go with them, and be in no dump.
    fn bound(&mut self, names: &[String]) -> Result<Vec<String>>;
    /// Returns the rows of the list, name and what is to be done; nothing: there is no list.
    fn list(&mut self) -> Result<Option<Vec<(String, String)>>>;
    /// Makes an empty list.
    fn make_list(&mut self) -> Result<()>;
    /// Returns the list's name, and a text, as SQL has them.
    fn quoted(&self, name: &str) -> String;
    fn literal(&self, text: &str) -> String;
    /// Runs a statement.
    fn run(&mut self, statement: &str) -> Result<()>;
    /// Sets all of these aside at once, or none.
    fn set_aside(&mut self, names: &[String]) -> Result<()>;
    /// Puts those of them back that are set aside, at once.
    fn put_back(&mut self, names: &[String]) -> Result<()>;
    /// Drops those of them that are there.
    fn drop(&mut self, names: &[String]) -> Result<()>;
    /// Drops those of them that are set aside.
    fn drop_aside(&mut self, names: &[String]) -> Result<()>;
    /// Gives what was loaded the owners and grants of what it replaces, which is set aside.
    fn inherit(&mut self) -> Result<()>;
}

/// A dump that is loaded, while what it replaces is still there.
pub struct Loaded {
    held: Held,
    restored: Restored,
}

impl std::fmt::Debug for Loaded {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("Loaded").field(&self.restored).finish()
    }
}

impl Loaded {
    /// Opens a view of what was loaded.
    ///
    /// # Errors
    /// The database fails.
    pub fn view(&self, jobs: usize) -> Result<Box<dyn View>> {
        view(self.held.connection(), jobs)
    }

    /// What was loaded.
    #[must_use]
    pub fn restored(&self) -> &Restored {
        &self.restored
    }

    /// Drops what was replaced.
    ///
    /// # Errors
    /// The database fails.
    pub fn keep(mut self) -> Result<Restored> {
        if let Err(error) = self.held.reach().and_then(|()| decide(self.held.target())) {
            return Err(self.held.undone(error));
        }
        settle(self.held.target()).map_err(|mut error| {
            "what was restored is there; the next restore drops what it replaced".clone_into(&mut error.fix);
            error
        })?;
        Ok(self.restored)
    }

    /// Makes the database what it was before something else failed, and returns the error with what is left to do.
    #[must_use]
    pub fn undone(self, error: Error) -> Error {
        self.held.undone(error)
    }

    /// Makes the database what it was before.
    ///
    /// # Errors
    /// The database fails.
    pub fn discard(mut self) -> Result<()> {
        self.held.reach()?;
        settle(self.held.target())
    }
}

/// Decides that what was loaded stays.
fn decide(target: &mut dyn Target) -> Result<()> {
    target.inherit()?;
    let list = target.quoted(LIST);
    // One statement: before it the load is undone, after it the old tables are dropped, whoever does it.
    target.run(&format!(
        "UPDATE {list} SET todo = CASE todo WHEN 'drop' THEN 'keep' WHEN 'put back' THEN 'drop aside' ELSE todo END"
    ))
}

pub(super) fn open(connection: &Connection) -> Result<Box<dyn Target>> {
    Ok(match connection.kind {
        Server::PostgreSql => Box::new(postgres::Target::open(connection)?),
        Server::MariaDb | Server::MySql => Box::new(mariadb::Target::open(connection)?),
    })
}

/// What loading a dump would come to.
#[derive(Debug, Default)]
pub struct Foreseen {
    /// Why it can't be loaded.
    pub refusals: Vec<Error>,
    /// Tables that the dump lacks and that would be dropped.
    pub dropped: Vec<String>,
}

/// Returns what loading a dump would come to. Nothing is changed.
///
/// # Errors
/// The database can't be reached, or the dump's definitions can't be read.
pub fn foreseen(
    connection: &Connection,
    facts: &DatabaseFacts,
    source: &dyn Source,
    options: RestoreOptions,
) -> Result<Foreseen> {
    if let Some(reason) = of_another_kind(connection, facts) {
        return Ok(Foreseen { refusals: vec![reason], ..Foreseen::default() });
    }
    let Looked { refusals, made, replaced } = look(open(connection)?.as_mut(), connection, facts, source, options)?;
    let dropped = replaced.into_iter().filter(|name| !made.contains(name)).collect();
    Ok(Foreseen { refusals, dropped })
}

fn of_another_kind(connection: &Connection, facts: &DatabaseFacts) -> Option<Error> {
    let other = (facts.dbtype == "pgsql") != (connection.kind == Server::PostgreSql);
    other.then(|| {
        Error::refused(
            format!("the dump is of {}, and loads into the same kind of server only", facts.dbtype),
            "restore it there; from one kind to the other goes Moodle's own admin/cli/dbtransfer.php",
        )
    })
}

/// Returns how a table is reached that stays when what a killed restore left is undone; nothing: it made the table.
///
/// # Errors
/// The database fails.
pub fn lasting(connection: &Connection, table: &str) -> Result<Option<Connection>> {
    let list = open(connection)?.list()?.unwrap_or_default();
    let has = |todo: &str| list.iter().any(|(name, other)| name == table && other == todo);
    if !has("put back") {
        return Ok((!has("drop")).then(|| connection.clone()));
    }
    let mut aside = connection.clone();
    if connection.kind == Server::PostgreSql {
        aside.schema = Some(format!("{}~", connection.schema.as_deref().unwrap_or("public")));
    } else {
        aside.prefix = format!("~{}", connection.prefix);
    }
    Ok(Some(aside))
}

/// Returns the names with the connection's prefix that are in the database.
///
/// # Errors
/// The database fails.
pub fn tables(connection: &Connection) -> Result<Vec<String>> {
    open(connection)?.names()
}

/// Undoes a load that was broken off, or finishes it where all was loaded.
///
/// # Errors
/// One goes on, or the database fails.
pub fn undo(connection: &Connection) -> Result<()> {
    if open(connection)?.list()?.is_none() {
        return Ok(());
    }
    settle(Held::new(connection)?.target())
}

/// Loads a dump: tables, rows in parallel, indexes last. Rows are counted and files hashed on the way.
///
/// # Errors
/// It is refused, a file isn't what the manifest says, or the database fails: then it is as it was before.
pub fn load(
    connection: &Connection,
    facts: &DatabaseFacts,
    source: &dyn Source,
    options: RestoreOptions,
    progress: &dyn Progress,
) -> Result<Loaded> {
    if let Some(reason) = of_another_kind(connection, facts) {
        return Err(reason);
    }
    let mut held = Held::new(connection)?;
    let Looked { refusals, made, replaced } = look(held.target(), connection, facts, source, options)?;
    if let Some(reason) = refusals.into_iter().next() {
        return Err(reason);
    }
    settle(held.target())?;
    held.make_list()?;
    let jobs = options.jobs.max(1);
    let loaded = held
        .note(&replaced, "put back")
        .and_then(|()| held.target().set_aside(&replaced))
        .and_then(|()| held.note(&made, "drop"))
        .and_then(|()| {
            held.during(|| match connection.kind {
                Server::PostgreSql => postgres::load(connection, facts, source, jobs, progress),
                Server::MariaDb | Server::MySql => mariadb::load(connection, facts, source, jobs, progress),
            })
        });
    match loaded {
        Ok(restored) => Ok(Loaded { held, restored }),
        Err(error) => Err(held.undone(error)),
    }
}

/// What a look at a database found.
struct Looked {
    refusals: Vec<Error>,
    made: Vec<String>,
    replaced: Vec<String>,
}

fn look(
    target: &mut dyn Target,
    connection: &Connection,
    facts: &DatabaseFacts,
    source: &dyn Source,
    options: RestoreOptions,
) -> Result<Looked> {
    let mut refusals = Vec::new();
    if facts.prefix != connection.prefix {
        refusals.push(Error::refused(
            format!("the dump's tables begin with {:?} and the target's with {:?}", facts.prefix, connection.prefix),
            format!(
                "write ?prefix={0} behind the address of --to-db, or $CFG->prefix = '{0}' into the config.php",
                facts.prefix
            ),
        ));
    }
    let made = target.made(facts, source)?;
    let there = settled(target)?;
    let (same, others): (Vec<String>, Vec<String>) = there.into_iter().partition(|name| made.contains(name));
    let database = &connection.database;
    if let (Some(first), false) = (same.first(), options.overwrite) {
        refusals.push(Error::refused(
            format!("the database {database} is not empty: {first} is there"),
            "name an empty database; `restore` replaces what is in the targets with --overwrite",
        ));
    }
    if !others.is_empty() && options.other_tables == OtherTables::Refuse {
        let (prefix, others) = (&connection.prefix, told(&others));
        refusals.push(Error::refused(
            format!("the database {database} has tables with the prefix {prefix:?} that the snapshot lacks: {others}"),
            "name another database; `restore` leaves them alone with --other-tables keep, and removes them with --other-tables drop",
        ));
    }
    if !others.is_empty() && options.other_tables == OtherTables::Drop && !options.overwrite {
        let others = told(&others);
        refusals
            .push(Error::refused(format!("--other-tables drop would remove {others}"), "add --overwrite, or say keep"));
    }
    let mut replaced = same;
    if options.other_tables == OtherTables::Drop {
        replaced.extend(others);
    }
    let bound = target.bound(&replaced)?;
    if !bound.is_empty() {
        refusals.push(Error::refused(
            format!("tables that would be replaced are bound: {}", told(&bound)),
            "drop what is named; what of it isn't in the snapshot is to be made again afterwards",
        ));
    }
    refusals.extend(target.objections(facts, source, &replaced, options.jobs.max(1))?);
    Ok(Looked { refusals, made, replaced })
}

fn told(names: &[String]) -> String {
    let more = names.len().saturating_sub(NAMES);
    let told = names[..names.len() - more].join(", ");
    if more > 0 { format!("{told} and {more} more") } else { told }
}

/// Returns the names that are there once [`settle`] is through.
fn settled(target: &mut dyn Target) -> Result<Vec<String>> {
    let (mut names, list) = (target.names()?, target.list()?.unwrap_or_default());
    names.retain(|name| !list.iter().any(|(other, todo)| todo == "drop" && other == name));
    names.extend(list.into_iter().filter(|(_, todo)| todo == "put back").map(|(name, _)| name));
    names.sort_unstable();
    names.dedup();
    Ok(names)
}

/// Does what the list says, and removes it.
pub(super) fn settle(target: &mut dyn Target) -> Result<()> {
    let Some(rows) = target.list()? else { return Ok(()) };
    let of = |wanted: &str| -> Vec<String> {
        rows.iter().filter(|(_, todo)| todo == wanted).map(|(name, _)| name.clone()).collect()
    };
    let list = target.quoted(LIST);
    target.drop(&of("drop"))?;
    // What is put back has the same names.
    target.run(&format!("DELETE FROM {list} WHERE todo = 'drop'"))?;
    target.put_back(&of("put back"))?;
    target.drop_aside(&of("drop aside"))?;
    target.run(&format!("DROP TABLE {list}"))
}
