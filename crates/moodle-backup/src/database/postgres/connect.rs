//! Connections, and what their errors mean.

use std::path::{Path, PathBuf};
use std::time::Duration;

use postgres::config::SslMode;
use postgres::error::SqlState;
use postgres::{Client, Config, NoTls};
use rustls::ClientConfig;
use secrecy::ExposeSecret as _;
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::database::{Connection, Tls, tls};
use crate::error::{Error, Kind, Result};

/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// Connects.
pub(super) fn connect(connection: &Connection) -> Result<Client> {
    let mut config = Config::new();
    config
        .user(&connection.user)
        .password(connection.password.expose_secret())
        .dbname(&connection.database)
        .application_name("moodle-backup")
        .connect_timeout(PATIENCE)
        .keepalives_idle(Duration::from_mins(1));
    if connection.host.starts_with('/') {
        config.host_path(&connection.host);
    } else {
        config.host(&connection.host);
    }
    if let Some(port) = connection.port {
        config.port(port);
    }
    let connected = match &connection.tls {
        tls if connection.host.starts_with('/') || *tls == Tls::Off => config.ssl_mode(SslMode::Disable).connect(NoTls),
        Tls::Preferred => preferred(&mut config)?,
        tls => config.ssl_mode(SslMode::Require).connect(MakeRustlsConnect::new(settings(tls)?)),
    };
    connected.map_err(|error| {
        let place = match connection.port {
            Some(port) => format!("{}:{port}", connection.host),
            None => connection.host.clone(),
        };
        let fix = "check the --db-… options, or what config.php says, and that the server lets this machine in";
        let what = format!("the database {} at {place} can't be opened as {}", connection.database, connection.user);
        let said = said(&error);
        Error::new(Kind::Database, what, tls::fix(&said, fix)).because(said)
    })
}

/// Connects with TLS, and without where that is what fails: a server's may be too old, or may refuse this user by it.
fn preferred(config: &mut Config) -> Result<std::result::Result<Client, postgres::Error>> {
    let tls = MakeRustlsConnect::new(Tls::Preferred.settings()?);
    let refused = |error: &postgres::Error| error.code() == Some(&SqlState::INVALID_AUTHORIZATION_SPECIFICATION);
    let first = match config.ssl_mode(SslMode::Prefer).connect(tls) {
        Err(error) if refused(&error) || error.to_string().contains("TLS") => error,
        ended => return Ok(ended),
    };
    let second = config.ssl_mode(SslMode::Disable).connect(NoTls);
    Ok(second.map_err(|second| if refused(&second) { first } else { second }))
}

/// Returns the settings of TLS, with the authorities that libpq, and so Moodle, takes where none are given.
fn settings(tls: &Tls) -> Result<ClientConfig> {
    let named = || std::env::var_os("PGSSLROOTCERT").filter(|name| !name.is_empty()).map(PathBuf::from);
    let usual =
        || Some(Path::new(&std::env::var_os("HOME")?).join(".postgresql/root.crt")).filter(|file| file.is_file());
    match tls {
        Tls::Verified(None) => {
            Tls::Verified(named().or_else(usual).filter(|file| file != Path::new("system"))).settings()
        }
        tls => tls.settings(),
    }
}

/// Returns the schema with Moodle's tables: the one that was named, or the first of the search path.
pub(super) fn schema_of(client: &mut Client, connection: &Connection) -> Result<String> {
    if let Some(schema) = &connection.schema {
        return Ok(schema.clone());
    }
    let schema: Option<String> = client
        .query_one("SELECT current_schema()::text", &[])
        .map_err(|error| failed("the database has no schema that can be used", "", &error))?
        .get(0);
    schema.ok_or_else(|| {
        Error::new(
            Kind::Database,
            format!("no schema of the search path is in the database {}", connection.database),
            "name the schema by --db-schema",
        )
    })
}

/// Makes an error of what the server or the connection said.
pub(super) fn failed(what: &str, fix: &str, error: &postgres::Error) -> Error {
    Error::new(Kind::Database, what, fix).because(said(error))
}

fn said(error: &postgres::Error) -> String {
    match error.as_db_error() {
        Some(said) => {
            let detail = said.detail().map(|detail| format!(" ({detail})")).unwrap_or_default();
            format!("{}{detail}", said.message())
        }
        None => std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string),
    }
}
