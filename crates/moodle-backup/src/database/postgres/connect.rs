//! Connections, and what their errors mean.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use postgres::config::SslMode;
use postgres::{Client, Config, NoTls};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use secrecy::ExposeSecret as _;
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::database::{Connection, Tls};
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
    let client = match &connection.tls {
        Tls::Off => config.ssl_mode(SslMode::Disable).connect(NoTls),
        Tls::On(authorities) => {
            let tls = MakeRustlsConnect::new(encryption(authorities.as_deref())?);
            config.ssl_mode(SslMode::Require).connect(tls)
        }
    };
    client.map_err(|error| {
        let place = match connection.port {
            Some(port) => format!("{}:{port}", connection.host),
            None => connection.host.clone(),
        };
        failed(
            &format!("the database {} at {place} can't be opened as {}", connection.database, connection.user),
            "check the --db-… options, or what config.php says, and that the server lets this machine in",
            &error,
        )
    })
}

fn encryption(authorities: Option<&Path>) -> Result<rustls::ClientConfig> {
    let mut roots = rustls::RootCertStore::empty();
    match authorities {
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some(path) => {
            let unread = || {
                Error::new(
                    Kind::Usage,
                    format!("{} has no certificates that can be read", path.display()),
                    "give a PEM file with the certificate of the authority",
                )
            };
            for certificate in CertificateDer::pem_file_iter(path).map_err(|error| unread().because(error))? {
                let certificate = certificate.map_err(|error| unread().because(error))?;
                roots.add(certificate).map_err(|error| unread().because(error))?;
            }
            if roots.is_empty() {
                return Err(unread());
            }
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::new(Kind::Database, "TLS can't be had", "").because(error))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
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
    let said = match error.as_db_error() {
        Some(said) => {
            let detail = said.detail().map(|detail| format!(" ({detail})")).unwrap_or_default();
            format!("{}{detail}", said.message())
        }
        None => std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string),
    };
    Error::new(Kind::Database, what, fix).because(said)
}
