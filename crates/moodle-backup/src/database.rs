//! Dumps and loads of MariaDB, MySQL and PostgreSQL: one consistent view, many connections.

mod held;
mod mariadb;
mod neighbours;
mod postgres;
mod target;
mod tls;

use std::collections::BTreeMap;
use std::io::{Read, Write};

use secrecy::SecretString;

pub use self::target::{Foreseen, Loaded, foreseen, lasting, load, tables, undo};
pub use self::tls::Tls;
use crate::error::{Error, Kind, Result};
use crate::manifest::{DatabaseFacts, FileFacts};
use crate::progress::Progress;

/// How a database is reached.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Moodle's `$CFG->dbtype`, reduced to what matters here.
    pub kind: Server,
    /// A host's name or address, or the absolute path of a socket (PostgreSQL: of its folder).
    pub host: String,
    /// Nothing: the usual port.
    pub port: Option<u16>,
    /// Who connects.
    pub user: String,
    /// Never printed.
    pub password: SecretString,
    /// The database.
    pub database: String,
    /// PostgreSQL's schema; nothing: the first of its search path.
    pub schema: Option<String>,
    /// `$CFG->prefix`: tables without it are not Moodle's.
    pub prefix: String,
    /// Whether the connection is encrypted, and whose certificates count.
    pub tls: Tls,
}

/// The kinds of servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Server {
    /// MariaDB.
    MariaDb,
    /// MySQL and Aurora.
    MySql,
    /// PostgreSQL.
    PostgreSql,
}

/// A content that the `files` table lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listed {
    /// Its SHA-1.
    pub hash: [u8; 20],
    /// Its size in bytes.
    pub size: u64,
}

/// What the `files` table lists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// Each content with each size that its rows say, sorted: usually one, and no other can be had.
    pub contents: Vec<Listed>,
    /// What stands in place of a hash and is none, or has no size: no content can have this name.
    pub odd: Vec<String>,
}

/// Takes the files of a dump, from many threads at once.
pub trait Sink: Sync {
    /// Opens the file with this path below `database/`.
    ///
    /// # Errors
    /// As the implementation has them.
    fn file<'a>(&'a self, path: &str) -> Result<Box<dyn SinkFile + 'a>>;
}

/// A file of a dump while it is written; one that is dropped before [`close`](Self::close) is as if it never was.
pub trait SinkFile: Write {
    /// Ends the file.
    ///
    /// # Errors
    /// As the implementation has them.
    fn close(self: Box<Self>) -> Result<FileFacts>;
}

/// Gives the files of a dump back, to many threads at once.
pub trait Source: Sync {
    /// Opens the file with this path below `database/`.
    ///
    /// # Errors
    /// As the implementation has them; there is no such file.
    fn file<'a>(&'a self, path: &str) -> Result<Box<dyn Read + Send + 'a>>;
}

/// One view of the database, the same on all its connections, for as long as the value lives.
pub trait View: Send {
    /// When it was as it is here, by the server's clock.
    fn taken(&self) -> jiff::Timestamp;

    /// Lists what the `files` table lists.
    ///
    /// # Errors
    /// The database fails.
    fn listing(&mut self) -> Result<Listing>;

    /// Returns the `config` table's values with these names.
    ///
    /// # Errors
    /// The database fails.
    fn config(&mut self, names: &[&str]) -> Result<BTreeMap<String, String>>;

    /// Returns installed plugins with their versions (`config_plugins`, name `version`).
    ///
    /// # Errors
    /// The database fails.
    fn plugins(&mut self) -> Result<BTreeMap<String, String>>;

    /// Returns the contents that the files of a course have: those of the course's context and all contexts below it.
    ///
    /// # Errors
    /// The database fails, or has no such course.
    fn course_files(&mut self, course: u64) -> Result<Listing>;

    /// Writes all tables into `sink`, and ends the view. It fails when the tables' definitions changed meanwhile.
    ///
    /// # Errors
    /// The database fails, tables changed, a table can't be read consistently, `sink` fails.
    fn dump(self: Box<Self>, sink: &dyn Sink, progress: &dyn Progress) -> Result<DatabaseFacts>;
}

/// How tables are loaded.
#[derive(Clone, Copy, Debug, Default)]
pub struct RestoreOptions {
    /// How many connections load at once.
    pub jobs: usize,
    /// Whether tables of the same names are replaced.
    pub overwrite: bool,
    /// What becomes of others with the prefix.
    pub other_tables: OtherTables,
}

/// What becomes of tables with the prefix that a dump lacks: another site's whose prefix begins alike, or a plugin's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OtherTables {
    /// Nothing is loaded beside them.
    #[default]
    Refuse,
    /// They stay.
    Keep,
    /// They are dropped.
    Drop,
}

/// What was loaded.
#[derive(Clone, Debug)]
pub struct Restored {
    /// Rows by table.
    pub tables: BTreeMap<String, u64>,
}

/// Opens one view of the database on `jobs` connections.
///
/// # Errors
/// The database can't be reached, no consistent view can be had, or a restore goes on in it or was broken off.
pub fn open(connection: &Connection, jobs: usize) -> Result<Box<dyn View>> {
    let view = view(connection, jobs)?;
    // A restore that begins after the view is taken is none of its concern, or changes tables, which the dump notices.
    if is_loading(connection)? {
        let what = format!("a restore into the database {} goes on or was broken off", connection.database);
        let fix = "wait until it has ended; one that was killed is to be run again: it begins by undoing what it did";
        return Err(Error::new(Kind::Database, what, fix));
    }
    Ok(view)
}

/// Tells whether a load goes on in a database or was broken off.
///
/// # Errors
/// The database fails.
pub fn is_loading(connection: &Connection) -> Result<bool> {
    match connection.kind {
        Server::PostgreSql => postgres::is_loading(connection),
        Server::MariaDb | Server::MySql => mariadb::is_loading(connection),
    }
}

fn view(connection: &Connection, jobs: usize) -> Result<Box<dyn View>> {
    match connection.kind {
        Server::PostgreSql => postgres::open(connection, jobs),
        Server::MariaDb | Server::MySql => mariadb::open(connection, jobs),
    }
}

/// Lists what the `files` table lists now.
///
/// # Errors
/// The database fails.
pub fn listing(connection: &Connection) -> Result<Listing> {
    match connection.kind {
        Server::PostgreSql => postgres::listing(connection),
        Server::MariaDb | Server::MySql => mariadb::listing(connection),
    }
}

/// Returns the `config` table's values with these names, as they are now.
///
/// # Errors
/// The database fails.
pub fn config(connection: &Connection, names: &[&str]) -> Result<BTreeMap<String, String>> {
    match connection.kind {
        Server::PostgreSql => postgres::config(connection, names),
        Server::MariaDb | Server::MySql => mariadb::config(connection, names),
    }
}

/// Says that a database lacks a table that every Moodle has.
fn no_moodle(connection: &Connection, table: &str) -> Error {
    let Connection { database, prefix, .. } = connection;
    Error::new(
        Kind::Database,
        format!("the database {database} has no table {table}: no Moodle with the prefix {prefix:?} is there"),
        "see dbname and prefix in config.php, or give --db-name, --db-prefix and, for PostgreSQL, --db-schema",
    )
}

/// Loads a dump as [`load`] does, and drops what it replaces.
///
/// # Errors
/// As [`load`].
pub fn restore(
    connection: &Connection,
    facts: &DatabaseFacts,
    source: &dyn Source,
    options: RestoreOptions,
    progress: &dyn Progress,
) -> Result<Restored> {
    load(connection, facts, source, options, progress)?.keep()
}

/// Says that a file of a dump can't be read, for the reason that the repository gives where it gives one.
pub(crate) fn unread(path: &str, error: std::io::Error) -> Error {
    let said = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    let damaged = || (Kind::Damaged, "`moodle-backup verify --data` names what is damaged".to_owned());
    let (kind, fix) = said.map_or_else(damaged, |said| (said.kind, said.fix.clone()));
    Error::new(kind, format!("database/{path} can't be read"), fix).because(error)
}

/// Returns a file of a dump that is text.
pub(crate) fn text(source: &dyn Source, path: &str) -> Result<String> {
    let mut text = String::new();
    source.file(path)?.read_to_string(&mut text).map_err(|error| unread(path, error))?;
    Ok(text)
}

/// The SHA-1 of nothing.
const EMPTY: &[u8] = b"da39a3ee5e6b4b0d3255bfef95601890afd80709";

impl Listing {
    /// Adds a row: a content, and the least and the greatest of its sizes.
    fn add(&mut self, hash: &[u8], least: &[u8], greatest: &[u8]) {
        let mut bytes = [0; 20];
        let size = |text: &[u8]| std::str::from_utf8(text).ok().and_then(|text| text.parse::<u64>().ok());
        match (hex::decode_to_slice(hash, &mut bytes), size(least), size(greatest)) {
            // Moodle gives it to aliases, with the size of what they stand for.
            (Ok(()), ..) if hash == EMPTY => self.contents.push(Listed { hash: bytes, size: 0 }),
            (Ok(()), Some(least), Some(greatest)) => {
                self.contents.push(Listed { hash: bytes, size: least });
                if greatest != least {
                    self.contents.push(Listed { hash: bytes, size: greatest });
                }
            }
            _ => self.odd.push(String::from_utf8_lossy(hash).into_owned()),
        }
    }

    fn sorted(mut self) -> Self {
        self.contents.sort_unstable();
        self.contents.dedup();
        self
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Error as Io, ErrorKind};

    use super::unread;
    use crate::error::{Error, Kind};

    #[test]
    fn a_store_that_fails_is_no_damage_of_a_file_that_is_read_from_it() {
        let error = unread("a/1.tsv", Io::other(Error::new(Kind::Store, "the bucket is away", "wait")));
        assert_eq!((error.kind, error.fix.as_str()), (Kind::Store, "wait"));
        assert_eq!(error.to_string(), "database/a/1.tsv can't be read: the bucket is away");
        assert_eq!(unread("a/1.tsv", ErrorKind::InvalidData.into()).kind, Kind::Damaged);
    }
}
