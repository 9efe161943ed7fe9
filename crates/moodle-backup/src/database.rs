//! Dumps and loads of MariaDB, MySQL and PostgreSQL: one consistent view, many connections.

use std::io::{Read, Write};

use secrecy::SecretString;

use crate::error::Result;
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
    /// Whether the connection must be encrypted, and whose certificates count.
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

/// Encryption of a connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Tls {
    /// None.
    #[default]
    Off,
    /// With certificates of the usual authorities, or of those in a PEM file.
    On(Option<std::path::PathBuf>),
}

/// A content that the `files` table lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listed {
    /// Its SHA-1.
    pub hash: [u8; 20],
    /// Its size in bytes.
    pub size: u64,
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

    /// Lists what the `files` table lists: each content once, sorted by hash. Rows whose size disagrees are an error.
    ///
    /// # Errors
    /// The database fails.
    fn listing(&mut self) -> Result<Vec<Listed>>;

    /// Returns the `config` table's values with these names.
    ///
    /// # Errors
    /// The database fails.
    fn config(&mut self, names: &[&str]) -> Result<std::collections::BTreeMap<String, String>>;

    /// Returns installed plugins with their versions (`config_plugins`, name `version`).
    ///
    /// # Errors
    /// The database fails.
    fn plugins(&mut self) -> Result<std::collections::BTreeMap<String, String>>;

    /// Returns the contents that the files of a course have: those of the course's context and all contexts below it.
    ///
    /// # Errors
    /// The database fails, or has no such course.
    fn course_files(&mut self, course: u64) -> Result<Vec<Listed>>;

    /// Writes all tables into `sink`, and ends the view. It fails when the tables' definitions changed meanwhile.
    ///
    /// # Errors
    /// The database fails, tables changed, a table can't be read consistently, `sink` fails.
    fn dump(self: Box<Self>, sink: &dyn Sink, progress: &dyn Progress) -> Result<DatabaseFacts>;
}

// The helper who writes the databases replaces what follows.
#[expect(missing_docs, clippy::missing_errors_doc, unused_variables, reason = "not there yet")]
mod to_come {
    use std::collections::BTreeMap;

    use super::{Connection, DatabaseFacts, Listed, Progress, Result, Source, View};

    fn later<T>() -> Result<T> {
        Err(crate::error::Error::new(crate::error::Kind::Database, "databases can't be read yet", ""))
    }

    pub fn open(connection: &Connection, jobs: usize) -> Result<Box<dyn View>> {
        later()
    }

    pub fn listing(connection: &Connection) -> Result<Vec<Listed>> {
        later()
    }

    pub fn config(connection: &Connection, names: &[&str]) -> Result<BTreeMap<String, String>> {
        later()
    }

    pub fn tables(connection: &Connection) -> Result<Vec<String>> {
        later()
    }

    pub fn clear(connection: &Connection, facts: &DatabaseFacts) -> Result<()> {
        later()
    }

    #[derive(Clone, Copy, Debug)]
    pub struct RestoreOptions {
        pub jobs: usize,
        pub overwrite: bool,
    }

    #[derive(Clone, Debug)]
    pub struct Restored {
        pub tables: BTreeMap<String, u64>,
    }

    pub fn restore(
        connection: &Connection,
        facts: &DatabaseFacts,
        source: &dyn Source,
        options: RestoreOptions,
        progress: &dyn Progress,
    ) -> Result<Restored> {
        later()
    }
}

pub use to_come::{RestoreOptions, Restored, clear, config, listing, open, restore, tables};
