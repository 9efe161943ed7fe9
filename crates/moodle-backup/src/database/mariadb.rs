//! MariaDB and MySQL: a consistent view on several connections, rows as `LOAD DATA` reads them.

mod dump;
mod load;
mod table;
mod target;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use mysql::prelude::Queryable as _;
use mysql::{Conn, OptsBuilder, SslOpts};
use secrecy::ExposeSecret as _;

pub(super) use self::load::load;
pub(super) use self::target::Target;

use super::target::LIST;
use super::{Connection, Listing, Tls, View, no_moodle, tls};
use crate::error::{Error, Kind, Result};

/// A moment without writes is waited for no longer than this: a long query of the site would hold all others up.
const LOCK_SECONDS: u32 = 5;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

pub(super) fn open(connection: &Connection, jobs: usize) -> Result<Box<dyn View>> {
    dump::MariaDbView::open(connection, jobs).map(|view| Box::new(view) as Box<dyn View>)
}

pub(super) fn listing(connection: &Connection) -> Result<Listing> {
    listed(&mut moodle(connection, "files")?, &connection.prefix, "")
}

pub(super) fn config(connection: &Connection, names: &[&str]) -> Result<BTreeMap<String, String>> {
    configured(&mut moodle(connection, "config")?, &connection.prefix, names)
}

/// Connects to a database that has this table of Moodle's.
fn moodle(connection: &Connection, name: &str) -> Result<Conn> {
    let mut client = connected(connection)?;
    let name = format!("{}{name}", connection.prefix);
    if table::names(&mut client)?.contains(&name) { Ok(client) } else { Err(no_moodle(connection, &name)) }
}

/// Tells whether a load goes on or was broken off.
pub(super) fn is_loading(connection: &Connection) -> Result<bool> {
    Ok(table::names(&mut connected(connection)?)?.iter().any(|name| name == LIST))
}

/// Connects, with all set so that bytes come and go as the server has them.
fn connected(connection: &Connection) -> Result<Conn> {
    let mut options = OptsBuilder::new()
        .user(Some(&connection.user))
        .pass(Some(connection.password.expose_secret()))
        .db_name(Some(&connection.database))
        .prefer_socket(false)
        .stmt_cache_size(0)
        .tcp_connect_timeout(Some(CONNECT_TIMEOUT))
        .tcp_keepalive_time_ms(Some(30_000));
    options = if Path::new(&connection.host).is_absolute() {
        options.socket(Some(&connection.host))
    } else {
        options.ip_or_hostname(Some(&connection.host)).tcp_port(connection.port.unwrap_or(3306))
    };
    options = options.ssl_opts(encryption(&connection.tls)?);
    let place = format!("{} at {}", connection.database, connection.host);
    let mut client = Conn::new(options).map_err(|error| {
        let said = said(&error);
        let fix = tls::fix(&said, "see host, port, user and password");
        Error::new(Kind::Database, format!("the database {place} can't be reached"), fix).because(said)
    })?;
    let settings = [
        "SET NAMES binary",
        "SET SESSION time_zone = '+00:00', sql_mode = 'NO_AUTO_VALUE_ON_ZERO', net_read_timeout = 3600, net_write_timeout = 3600",
        // A view is held while files are copied.
        "SET SESSION wait_timeout = 604800",
    ];
    for setting in settings {
        run(&mut client, setting)?;
    }
    // No server knows all of these.
    for limit in
        ["max_statement_time", "max_execution_time", "idle_transaction_timeout", "idle_readonly_transaction_timeout"]
    {
        client.query_drop(format!("SET SESSION {limit} = 0")).ok();
    }
    Ok(client)
}

/// Returns the driver's options of an encrypted connection; nothing: it isn't to be encrypted.
fn encryption(tls: &Tls) -> Result<Option<SslOpts>> {
    match tls {
        Tls::Off => Ok(None),
        Tls::Preferred => {
            let what = "TLS where the server has it is PostgreSQL's alone";
            Err(Error::new(Kind::Usage, what, "choose `require` or `verify-full`, or leave it out"))
        }
        Tls::Unverified => Ok(Some(SslOpts::default().with_danger_accept_invalid_certs(true))),
        Tls::Verified(file) => {
            tls::authorities(file.as_deref())?;
            Ok(Some(SslOpts::default().with_root_cert_path(file.clone())))
        }
    }
}

/// Runs a statement that gives no rows.
fn run(client: &mut Conn, statement: &str) -> Result<()> {
    client.query_drop(statement).map_err(|error| failed(&error, statement))
}

/// Returns the rows of a query, each value as bytes; NULL is empty.
fn rows(client: &mut Conn, query: &str) -> Result<Vec<Vec<Vec<u8>>>> {
    let found = client.query_iter(query).map_err(|error| failed(&error, query))?;
    found.map(|row| Ok(row.map_err(|error| failed(&error, query))?.unwrap().into_iter().map(bytes).collect())).collect()
}

fn bytes(value: mysql::Value) -> Vec<u8> {
    match value {
        mysql::Value::Bytes(bytes) => bytes,
        mysql::Value::NULL => Vec::new(),
        other => other.as_sql(true).into_bytes(),
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Returns what the server or the connection said, without the names that Rust has for it.
fn said(error: &mysql::Error) -> String {
    match error {
        mysql::Error::MySqlError(error) => error.to_string(),
        mysql::Error::DriverError(error) => error.to_string(),
        mysql::Error::CodecError(error) => error.to_string(),
        mysql::Error::IoError(error) => error.to_string(),
        mysql::Error::TlsError(error) => error.to_string(),
        other => other.to_string(),
    }
}

/// Says what the server said, and what to do about what can be said of it.
fn failed(error: &mysql::Error, statement: &str) -> Error {
    let code = if let mysql::Error::MySqlError(said) = error { said.code } else { 0 };
    let fix = match code {
        // ER_TABLE_DEF_CHANGED, ER_NO_SUCH_TABLE
        1412 | 1146 => "tables were changed meanwhile: back up again when no upgrade or installation runs",
        // ER_DBACCESS_DENIED_ERROR, ER_TABLEACCESS_DENIED_ERROR, ER_SPECIFIC_ACCESS_DENIED_ERROR
        1044 | 1142 | 1227 => "grant this user the right",
        // ER_LOCK_WAIT_TIMEOUT
        1205 => "stop who uses the tables, as the site itself or a backup of it",
        // ER_DISK_FULL, ER_RECORD_FILE_FULL
        1021 | 1114 => "make room for the database and run the same again",
        _ => "see the server's log",
    };
    let short: String = statement.chars().take(120).collect();
    Error::new(Kind::Database, format!("the database refuses `{short}`"), fix).because(said(error))
}

fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// Returns a text as a literal of SQL.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

fn configured(client: &mut Conn, prefix: &str, names: &[&str]) -> Result<BTreeMap<String, String>> {
    let wanted: Vec<_> = names.iter().map(|name| literal(name)).collect();
    let table = quoted(&format!("{prefix}config"));
    let query = format!("SELECT name, value FROM {table} WHERE name IN ({})", wanted.join(", "));
    Ok(rows(client, &query)?.into_iter().map(|row| (text(&row[0]), text(&row[1]))).collect())
}

/// Returns the contents that the table `files` lists, of the rows that `restriction` (a WHERE) leaves. The size that an
/// alias has is that of what it stands for, and may lag behind.
fn listed(client: &mut Conn, prefix: &str, restriction: &str) -> Result<Listing> {
    let files = quoted(&format!("{prefix}files"));
    let query = format!(
        "SELECT contenthash, COALESCE(MIN(IF(referencefileid IS NULL, filesize, NULL)), MIN(filesize)), \
         COALESCE(MAX(IF(referencefileid IS NULL, filesize, NULL)), MIN(filesize)) FROM {files} f {restriction} GROUP BY contenthash ORDER BY contenthash"
    );
    let found = client.query_iter(&query).map_err(|error| failed(&error, &query))?;
    let mut all = Listing::default();
    for row in found {
        let row: Vec<_> = row.map_err(|error| failed(&error, &query))?.unwrap().into_iter().map(bytes).collect();
        all.add(&row[0], &row[1], &row[2]);
    }
    Ok(all.sorted())
}
