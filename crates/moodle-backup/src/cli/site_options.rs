//! The options that say where a site's parts are.

use std::path::PathBuf;

use clap::Args;
use moodle_backup::error::Result;
use moodle_backup::site;

use super::address;

/// What is given here wins over the site's config.php.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Site (what is given wins over its config.php)")]
pub(crate) struct SiteOptions {
    /// The folder with the site's config.php, which is read and not run.
    #[arg(long, value_name = "DIR", env = "MOODLE_BACKUP_SITE")]
    site: Option<PathBuf>,
    /// The folder with Moodle's files.
    #[arg(long, value_name = "DIR")]
    dataroot: Option<PathBuf>,
    /// The file pool, where it isn't `filedir` in the dataroot.
    #[arg(long, value_name = "DIR")]
    filedir: Option<PathBuf>,
    /// The address of the site.
    #[arg(long, value_name = "URL", value_parser = address::website)]
    wwwroot: Option<String>,
    /// The object store that holds the pool of a site with an alternative file system, as `s3://BUCKET/PREFIX`.
    #[arg(long, value_name = "LOCATION")]
    object_pool: Option<String>,
    /// `mariadb`, `mysqli`, `auroramysql` or `pgsql`.
    #[arg(long, value_name = "TYPE")]
    db_type: Option<String>,
    /// The host of the database.
    #[arg(long, value_name = "HOST")]
    db_host: Option<String>,
    /// Its port.
    #[arg(long, value_name = "PORT")]
    db_port: Option<u16>,
    /// Its socket (PostgreSQL: the folder of it), in place of a host and port.
    #[arg(long, value_name = "PATH")]
    db_socket: Option<String>,
    /// The name of the database.
    #[arg(long, value_name = "NAME")]
    db_name: Option<String>,
    /// Who connects.
    #[arg(long, value_name = "USER")]
    db_user: Option<String>,
    /// A file with the password in its first line [or: `MOODLE_BACKUP_DB_PASSWORD`].
    #[arg(long, value_name = "FILE")]
    db_password_file: Option<PathBuf>,
    /// What the names of Moodle's tables begin with.
    #[arg(long, value_name = "PREFIX")]
    db_prefix: Option<String>,
    /// PostgreSQL's schema.
    #[arg(long, value_name = "SCHEMA")]
    db_schema: Option<String>,
    #[command(flatten)]
    encryption: address::Encryption,
}

impl SiteOptions {
    /// Returns them with the password read.
    ///
    /// # Errors
    /// The file with the password can't be read, or options contradict each other.
    pub(crate) fn options(&self) -> Result<site::Options> {
        let given = self.clone();
        Ok(site::Options {
            dbpass: address::password(given.db_password_file.as_ref())?,
            dir: given.site,
            dataroot: given.dataroot,
            filedir: given.filedir,
            wwwroot: given.wwwroot,
            object_pool: given.object_pool,
            dbtype: given.db_type,
            dbhost: given.db_host,
            dbport: given.db_port,
            dbname: given.db_name,
            dbuser: given.db_user,
            prefix: given.db_prefix,
            dbsocket: given.db_socket,
            schema: given.db_schema,
            tls: given.encryption.tls()?,
        })
    }
}
