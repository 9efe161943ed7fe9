//! What Moodle keeps where: configuration, versions, pool, the rest of the dataroot.

pub mod config_php;
pub mod pool;
pub mod versions;

use std::path::{Path, PathBuf};

use secrecy::SecretString;

use self::config_php::Config;
use self::versions::Versions;
use crate::database::{Connection, Server, Tls};
use crate::error::{Error, Kind, Result};

/// What is given instead of a location where all files are local, whatever `alternative_file_system_class` says.
pub const ALL_LOCAL: &str = "none";

/// What Moodle's `lib/setup.php` takes for `$CFG->directorypermissions` where it isn't set.
pub const DIRECTORY_PERMISSIONS: u32 = 0o2777;

/// What a user says about a site; whatever is given wins over its config.php.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The Moodle tree with the config.php; nothing: everything comes from the other options.
    pub dir: Option<PathBuf>,
    /// `$CFG->dataroot`.
    pub dataroot: Option<PathBuf>,
    /// `$CFG->filedir`, where it isn't `filedir` in the dataroot.
    pub filedir: Option<PathBuf>,
    /// `$CFG->wwwroot`.
    pub wwwroot: Option<String>,
    /// The object store that holds the pool, as `s3://bucket/prefix`, of a site with an `alternative_file_system_class`;
    /// or [`ALL_LOCAL`].
    pub object_pool: Option<String>,
    /// `$CFG->dbtype`.
    pub dbtype: Option<String>,
    /// `$CFG->dbhost`.
    pub dbhost: Option<String>,
    /// The port.
    pub dbport: Option<u16>,
    /// `$CFG->dbname`.
    pub dbname: Option<String>,
    /// `$CFG->dbuser`.
    pub dbuser: Option<String>,
    /// `$CFG->dbpass`.
    pub dbpass: Option<SecretString>,
    /// `$CFG->prefix`.
    pub prefix: Option<String>,
    /// The socket instead of a host and port.
    pub dbsocket: Option<String>,
    /// PostgreSQL's schema.
    pub schema: Option<String>,
    /// Encryption of the connection.
    pub tls: Option<Tls>,
}

/// A site, and how its parts are reached.
#[derive(Clone, Debug)]
pub struct Site {
    /// The tree, where it was given.
    pub code: Option<PathBuf>,
    /// The config.php, where there is one.
    pub config: Option<PathBuf>,
    /// `$CFG->wwwroot`.
    pub wwwroot: String,
    /// `$CFG->dataroot`.
    pub dataroot: PathBuf,
    /// The pool.
    pub filedir: PathBuf,
    /// Where contents go that nothing refers to any more.
    pub trashdir: PathBuf,
    /// `$CFG->directorypermissions`.
    pub directory_permissions: u32,
    /// `$CFG->alternative_file_system_class`: the pool is somewhere else, or partly.
    pub file_system: Option<String>,
    /// The object store that holds the pool.
    pub object_pool: Option<String>,
    /// The database.
    pub database: Connection,
    /// `$CFG->passwordsaltmain`, which very old sites have.
    pub salt: Option<SecretString>,
    /// The versions of the code, where the tree was given.
    pub versions: Option<Versions>,
}

impl Site {
    /// Finds out where the parts of a site that is there are.
    ///
    /// # Errors
    /// Something isn't known, or is not there.
    pub fn open(options: &Options) -> Result<Self> {
        let site = Self::planned(options)?;
        if site.dataroot.is_dir() {
            return Ok(site);
        }
        Err(Error::new(
            Kind::Site,
            format!("the dataroot {} is no folder that can be read here", site.dataroot.display()),
            "run this where Moodle's files are mounted, or give --dataroot",
        ))
    }

    /// Finds out where a site's parts are or will be: its dataroot needn't be there yet.
    ///
    /// # Errors
    /// Something isn't known.
    pub fn planned(options: &Options) -> Result<Self> {
        let config = options.dir.as_deref().map(config_php::read).transpose()?;
        let (code, versions) = match &options.dir {
            Some(dir) => {
                let code = tree_of(dir, config.as_ref());
                // A config.php may lie alone, where the code is in another container.
                if versions::public(&code).join("version.php").is_file() {
                    let versions = versions::read(&code)?;
                    (Some(code), Some(versions))
                } else {
                    (None, None)
                }
            }
            None => (None, None),
        };
        Self::with(options, config.as_ref(), code, versions)
    }

    fn with(
        options: &Options,
        config: Option<&Config>,
        code: Option<PathBuf>,
        versions: Option<Versions>,
    ) -> Result<Self> {
        let text = |given: Option<&String>, name: &str, option: &str| -> Result<Option<String>> {
            match (given, config) {
                (Some(given), _) => Ok(Some(given.clone())),
                (None, Some(config)) => config.text(name, option),
                (None, None) => Ok(None),
            }
        };
        let path = |given: Option<&PathBuf>, name: &str, option: &str| -> Result<Option<PathBuf>> {
            match given {
                Some(given) => Ok(Some(given.clone())),
                None => Ok(text(None, name, option)?.map(PathBuf::from)),
            }
        };
        let dataroot = needed(path(options.dataroot.as_ref(), "dataroot", "--dataroot")?, "dataroot", "--dataroot")?;
        let filedir =
            path(options.filedir.as_ref(), "filedir", "--filedir")?.unwrap_or_else(|| dataroot.join("filedir"));
        let trashdir = path(None, "trashdir", "--filedir")?.unwrap_or_else(|| dataroot.join("trashdir"));
        let salt =
            config.map(|config| config.secret("passwordsaltmain", "--site")).transpose().ok().flatten().flatten();
        let permissions = config.and_then(|config| config.text("directorypermissions", "").ok().flatten());
        Ok(Self {
            directory_permissions: permissions
                .and_then(|text| text.parse().ok())
                .map_or(DIRECTORY_PERMISSIONS, |bits: u32| bits & 0o7777),
            config: config.map(|config| config.path.clone()),
            wwwroot: text(options.wwwroot.as_ref(), "wwwroot", "--wwwroot")?.unwrap_or_default(),
            filedir,
            trashdir,
            dataroot,
            file_system: match &options.object_pool {
                Some(_) => None,
                None => text(None, "alternative_file_system_class", "--object-pool")?,
            },
            object_pool: options.object_pool.clone().filter(|location| location != ALL_LOCAL),
            database: connection(options, config)?,
            salt,
            code,
            versions,
        })
    }
}

/// Reads how the database is reached.
///
/// # Errors
/// Something isn't known, or Moodle has no such kind of database.
pub fn connection(options: &Options, config: Option<&Config>) -> Result<Connection> {
    let text = |given: Option<&String>, name: &str, option: &str| -> Result<Option<String>> {
        match (given, config) {
            (Some(given), _) => Ok(Some(given.clone())),
            (None, Some(config)) => config.text(name, option),
            (None, None) => Ok(None),
        }
    };
    let extra = |name: &str, option: &str| -> Result<Option<String>> {
        config.map_or(Ok(None), |config| config.database_option(name, option))
    };
    let dbtype = needed(text(options.dbtype.as_ref(), "dbtype", "--db-type")?, "dbtype", "--db-type")?;
    let kind = match dbtype.as_str() {
        "mariadb" => Server::MariaDb,
        "mysqli" | "auroramysql" => Server::MySql,
        "pgsql" => Server::PostgreSql,
        other => {
            return Err(Error::new(
                Kind::Site,
                format!("the dbtype is {other:?}, which this program can't read"),
                "it reads mariadb, mysqli, auroramysql and pgsql",
            ));
        }
    };
    let host = text(options.dbhost.as_ref(), "dbhost", "--db-host")?.unwrap_or_else(|| "localhost".to_owned());
    let socket = match &options.dbsocket {
        Some(socket) => Some(socket.clone()),
        // It stands in place of a host.
        None if options.dbhost.is_some() => None,
        None => extra("dbsocket", "--db-socket")?,
    };
    // Moodle takes `true` for the server's usual socket.
    let socket = socket.filter(|socket| socket != "0").map(|socket| match (socket.as_str(), kind) {
        ("1", Server::PostgreSql) => "/var/run/postgresql".to_owned(),
        ("1", _) => "/run/mysqld/mysqld.sock".to_owned(),
        _ => socket,
    });
    let port = match options.dbport {
        Some(port) => Some(port),
        None => match extra("dbport", "--db-port")?.filter(|port| port != "0") {
            Some(port) => Some(port.parse().map_err(|_| {
                Error::new(
                    Kind::Site,
                    format!("the database's port is {port:?}"),
                    "give a number from 1 to 65535 by --db-port",
                )
            })?),
            None => None,
        },
    };
    let tls = match (&options.tls, extra("ssl", "--db-tls")) {
        (Some(tls), _) => tls.clone(),
        (None, Ok(Some(mode))) => Tls::configured(&mode, kind).ok_or_else(|| {
            let what = format!("$CFG->dboptions['ssl'] is {mode:?}, which Moodle doesn't take for {dbtype}");
            Error::new(Kind::Site, what, "correct it, or give --db-tls")
        })?,
        (None, Ok(None)) => Tls::usual(kind),
        // PostgreSQL's is encrypted all the same wherever it can be.
        (None, Err(error)) if kind == Server::PostgreSql => {
            tracing::warn!("{}; it is taken for unset: --db-tls says what holds", error.what);
            Tls::usual(kind)
        }
        (None, Err(error)) => return Err(error),
    };
    let password = match (&options.dbpass, config) {
        (Some(password), _) => Some(password.clone()),
        (None, Some(config)) => config.secret("dbpass", "--db-password-file")?,
        (None, None) => None,
    };
    Ok(Connection {
        kind,
        host: socket.unwrap_or(host),
        port,
        user: needed(text(options.dbuser.as_ref(), "dbuser", "--db-user")?, "dbuser", "--db-user")?,
        password: password.unwrap_or_default(),
        database: needed(text(options.dbname.as_ref(), "dbname", "--db-name")?, "dbname", "--db-name")?,
        schema: match &options.schema {
            Some(schema) => Some(schema.clone()),
            None => extra("dbschema", "--db-schema")?,
        },
        prefix: match &options.prefix {
            Some(prefix) => prefix.clone(),
            None => text(None, "prefix", "--db-prefix")?
                .unwrap_or_else(|| if config.is_some() { String::new() } else { "mdl_".to_owned() }),
        },
        tls,
    })
}

fn needed<T>(value: Option<T>, name: &str, option: &str) -> Result<T> {
    value.ok_or_else(|| {
        Error::new(
            Kind::Site,
            format!("the site's {name} is not known: there is no $CFG->{name}"),
            format!("give --site the folder with the site's config.php, or {option}"),
        )
    })
}

/// The tree that a config.php belongs to: the folder itself, or the one above `public/`.
fn tree_of(dir: &Path, config: Option<&Config>) -> PathBuf {
    let folder = if dir.is_dir() { Some(dir) } else { config.and_then(|config| config.path.parent()) };
    let folder = folder.unwrap_or(dir);
    match folder.parent() {
        Some(parent) if folder.ends_with("public") && parent.join("lib/components.json").is_file() => parent.to_owned(),
        _ => folder.to_owned(),
    }
}
