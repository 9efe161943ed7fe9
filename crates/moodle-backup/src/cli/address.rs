//! The address of a database that is restored to, as one word: `mariadb://USER@HOST:PORT/NAME?prefix=mdl_`.

use std::path::PathBuf;

use clap::Args;
use moodle_backup::database::{Connection, Server, Tls};
use moodle_backup::error::{Error, Kind, Result};
use percent_encoding::percent_decode_str;
use secrecy::SecretString;
use url::Url;

/// The variable with the password of the database.
pub(crate) const PASSWORD: &str = "MOODLE_BACKUP_DB_PASSWORD";

const FIX: &str = "write mariadb://USER@HOST:PORT/NAME (or mysqli://, pgsql://), with ?prefix=mdl_, &schema=, &socket=, \
                   &tls=verify-full (or CA.pem, require, prefer, disable) where they are needed";

/// The database that is written to.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Target {
    /// The database to fill, as `mariadb://USER@HOST:PORT/NAME?prefix=mdl_`; its password is read from
    /// `MOODLE_BACKUP_DB_PASSWORD` or --db-password-file.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) to_db: Option<String>,
    /// A file with the password of the database in its first line.
    #[arg(long, value_name = "FILE")]
    db_password_file: Option<PathBuf>,
    #[command(flatten)]
    encryption: Encryption,
}

/// How connections to a database are encrypted.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Encryption {
    /// Encrypt connections to the database: `verify-full` (what --db-tls alone means), `require`, `prefer` (PostgreSQL) or
    /// `disable` [default: what `$CFG->dboptions['ssl']` or an address says, or what Moodle does without].
    #[arg(long, value_name = "MODE", num_args = 0..=1, require_equals = true, default_missing_value = "verify-full",
          value_parser = mode)]
    db_tls: Option<Tls>,
    /// Encrypt them, and trust the authorities in this file.
    #[arg(long, value_name = "FILE.pem")]
    db_tls_ca: Option<PathBuf>,
}

impl Encryption {
    /// Returns how; nothing: it isn't said.
    ///
    /// # Errors
    /// Authorities are given for a mode that asks none.
    pub(crate) fn tls(&self) -> Result<Option<Tls>> {
        match (&self.db_tls, &self.db_tls_ca) {
            (tls, None) => Ok(tls.clone()),
            (None | Some(Tls::Verified(_)), Some(file)) => Ok(Some(Tls::Verified(Some(file.clone())))),
            (Some(_), Some(_)) => Err(Error::new(
                Kind::Usage,
                "--db-tls-ca names authorities, and by that --db-tls nobody asks them",
                "leave one of them out, or give --db-tls=verify-full",
            )),
        }
    }
}

impl Target {
    /// Returns how the database is reached; nothing: none is named.
    ///
    /// # Errors
    /// The address can't be meant, or the password can't be read.
    pub(crate) fn connection(&self) -> Result<Option<Connection>> {
        let Some(address) = &self.to_db else { return Ok(None) };
        let password = password(self.db_password_file.as_ref())?;
        parse(address, password.unwrap_or_default(), self.encryption.tls()?).map(Some)
    }

    /// Returns how connections to a site's database are encrypted; nothing: it isn't said.
    ///
    /// # Errors
    /// As [`Encryption::tls`]; it is said, and there is neither a `site` nor an address.
    pub(crate) fn tls(&self, site: Option<&PathBuf>) -> Result<Option<Tls>> {
        let tls = self.encryption.tls()?;
        if tls.is_some() && site.is_none() && self.to_db.is_none() {
            let what = "--db-tls and --db-tls-ca are about a database, and none is named";
            return Err(Error::new(Kind::Usage, what, "leave them out, or name one"));
        }
        Ok(tls)
    }
}

/// Reads the address of a site as Moodle has it: without a slash at its end.
pub(crate) fn website(text: &str) -> std::result::Result<String, String> {
    match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => {
            Ok(text.trim_end_matches('/').to_owned())
        }
        _ => Err("write an address as https://moodle.example.org".to_owned()),
    }
}

/// Reads a mode of encryption.
fn mode(text: &str) -> std::result::Result<Tls, String> {
    Tls::mode(text).ok_or_else(|| "write verify-full, require, prefer or disable".to_owned())
}

/// Returns the password from a file, or from the environment; nothing: neither has one.
///
/// # Errors
/// The file can't be read.
pub(crate) fn password(file: Option<&PathBuf>) -> Result<Option<SecretString>> {
    let Some(path) = file else {
        return Ok(std::env::var(PASSWORD).ok().map(SecretString::from));
    };
    let text = std::fs::read_to_string(path).map_err(|error| {
        let what = format!("the database's password can't be read from {}", path.display());
        Error::new(Kind::Usage, what, "name a file that this user may read").because(error)
    })?;
    Ok(Some(SecretString::from(text.lines().next().unwrap_or_default())))
}

/// Reads an address; what it says of `tls` wins.
fn parse(address: &str, password: SecretString, tls: Option<Tls>) -> Result<Connection> {
    // An address that can't be read isn't repeated: there may be a password in it.
    let wrong = |what: &str| Error::new(Kind::Usage, format!("the address of the database {what}"), FIX);
    let url = Url::parse(address).map_err(|_| wrong("can't be read"))?;
    let kind = match url.scheme() {
        "mariadb" => Server::MariaDb,
        "mysqli" | "mysql" => Server::MySql,
        "pgsql" | "postgres" | "postgresql" => Server::PostgreSql,
        other => return Err(wrong(&format!("begins with {other}://"))),
    };
    if url.password().is_some() {
        return Err(Error::new(
            Kind::Usage,
            "the address of the database has a password in it, which others see on a command line",
            format!("put it into {PASSWORD} or a file that --db-password-file names, and change it"),
        ));
    }
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let database = decoded(url.path().trim_start_matches('/'));
    if database.is_empty() || database.contains('/') {
        return Err(wrong("names no database"));
    }
    if url.username().is_empty() {
        return Err(wrong("names no user"));
    }
    let mut connection = Connection {
        kind,
        host: url.host_str().filter(|host| !host.is_empty()).unwrap_or("localhost").trim_matches(['[', ']']).to_owned(),
        port: url.port(),
        user: decoded(url.username()),
        password,
        database,
        schema: None,
        prefix: "mdl_".to_owned(),
        tls: tls.unwrap_or_else(|| Tls::usual(kind)),
    };
    for (name, value) in url.query_pairs() {
        match name.as_ref() {
            "prefix" => connection.prefix = value.into_owned(),
            "schema" => connection.schema = Some(value.into_owned()),
            "socket" => connection.host = value.into_owned(),
            "tls" => {
                connection.tls = match mode(&value) {
                    Ok(tls) => tls,
                    Err(_) if value == "on" => Tls::Verified(None),
                    Err(_) if value.contains(['.', '/']) => Tls::Verified(Some(value.as_ref().into())),
                    Err(said) => return Err(wrong(&format!("has tls={value}: {said}, or a file as ./ca"))),
                }
            }
            other => return Err(wrong(&format!("has an unknown part {other}="))),
        }
    }
    Ok(connection)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "what can't be made fails the test")]

    use super::*;

    fn parsed(address: &str) -> Connection {
        parse(address, SecretString::default(), None).unwrap()
    }

    fn refused(address: &str) -> String {
        parse(address, SecretString::default(), None).unwrap_err().what
    }

    #[test]
    fn an_address_names_server_user_database_and_what_else_is_needed() {
        let found = parsed("pgsql://moo%40dle@db.example.org:5433/my%20site?prefix=m_&schema=two&tls=require");
        assert_eq!(found.kind, Server::PostgreSql);
        assert_eq!((found.host.as_str(), found.port), ("db.example.org", Some(5433)));
        assert_eq!((found.user.as_str(), found.database.as_str()), ("moo@dle", "my site"));
        assert_eq!((found.prefix.as_str(), found.schema.as_deref()), ("m_", Some("two")));
        assert_eq!(found.tls, Tls::Unverified);
    }

    #[test]
    fn moodles_prefix_and_the_servers_port_are_what_is_usual() {
        let found = parsed("mariadb://moodle@[::1]/moodle");
        assert_eq!((found.kind, found.host.as_str(), found.port), (Server::MariaDb, "::1", None));
        assert_eq!((found.prefix.as_str(), found.tls), ("mdl_", Tls::Off));
        assert_eq!(parsed("pgsql://moodle@localhost/moodle").tls, Tls::Preferred);
        assert_eq!(parsed("mysqli://moodle@localhost/moodle?socket=/run/mysqld.sock").host, "/run/mysqld.sock");
    }

    #[test]
    fn an_address_says_how_its_connection_is_encrypted() {
        let tls = |value: &str| parsed(&format!("mariadb://moodle@db/moodle?tls={value}")).tls;
        assert_eq!((tls("verify-full"), tls("on")), (Tls::Verified(None), Tls::Verified(None)));
        assert_eq!(tls("disable"), Tls::Off);
        for file in ["ca.pem", "ca.crt", "/etc/ssl/ca"] {
            assert_eq!(tls(file), Tls::Verified(Some(file.into())));
        }
        let given = |address| parse(address, SecretString::default(), Some(Tls::Unverified)).unwrap().tls;
        assert_eq!(given("pgsql://moodle@db/moodle"), Tls::Unverified);
        assert_eq!(given("pgsql://moodle@db/moodle?tls=ca.pem"), Tls::Verified(Some("ca.pem".into())));
        let refused = refused("mariadb://moodle@db/moodle?tls=requier");
        assert!(refused.contains("has tls=requier: write verify-full, require, prefer or disable"), "{refused}");
    }

    #[test]
    fn authorities_are_for_who_is_to_be_verified() {
        let tls =
            |db_tls, db_tls_ca: Option<&str>| Encryption { db_tls, db_tls_ca: db_tls_ca.map(PathBuf::from) }.tls();
        let verified = Some(Tls::Verified(Some("ca.pem".into())));
        assert_eq!(tls(None, Some("ca.pem")).unwrap(), verified);
        assert_eq!(tls(Some(Tls::Verified(None)), Some("ca.pem")).unwrap(), verified);
        assert_eq!(tls(Some(Tls::Unverified), None).unwrap(), Some(Tls::Unverified));
        assert_eq!(tls(Some(Tls::Unverified), Some("ca.pem")).unwrap_err().kind, Kind::Usage);
    }

    #[test]
    fn a_password_in_an_address_is_refused_and_not_repeated() {
        let error = parse("pgsql://moodle:hush@db/moodle", SecretString::default(), None).unwrap_err();
        assert_eq!(error.kind, Kind::Usage);
        assert!(!format!("{error} {}", error.fix).contains("hush"));
        assert!(!refused("moodle:hush@db/moodle").contains("hush"));
    }

    #[test]
    fn the_address_of_a_site_is_one_that_a_browser_opens() {
        assert_eq!(website("https://moodle.example.org/"), Ok("https://moodle.example.org".to_owned()));
        assert_eq!(website("http://localhost:8000/m"), Ok("http://localhost:8000/m".to_owned()));
        for wrong in ["nonsense", "moodle.example.org", "ftp://moodle.example.org", "https://", "/srv", ""] {
            assert!(website(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_address_that_lacks_something_says_what() {
        assert_eq!(refused("oracle://moodle@db/moodle"), "the address of the database begins with oracle://");
        assert_eq!(refused("pgsql://moodle@db"), "the address of the database names no database");
        assert_eq!(refused("pgsql://db/moodle"), "the address of the database names no user");
        assert_eq!(
            refused("pgsql://moodle@db/moodle?prefx=a"),
            "the address of the database has an unknown part prefx="
        );
    }
}
