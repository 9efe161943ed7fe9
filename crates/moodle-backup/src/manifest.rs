//! What a snapshot says about itself: `moodle-backup/manifest.json` in it.
//!
//! A snapshot's tree, as stock restic shows it:
//!
//! ```text
//! moodle-backup/manifest.json    this
//! moodle-backup/pool/ab          what the pool has below `ab`: 28 bytes a file, sorted: SHA-1, size (u64, little endian)
//! database/…                     what `crate::database` wrote, loadable with the database's own tools
//! moodledata/filedir/ab/cd/abcd… the pool, as Moodle has it
//! moodledata/…                   what else the dataroot holds and nobody can make again (lang/, repository/, …)
//! config/config.php              the site's configuration
//! ```

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The version of this format; a reader refuses a higher one.
pub const FORMAT: u32 = 1;

/// Everything about a snapshot that isn't file content.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: u32,
    /// The version of this program.
    pub program: String,
    /// When the database was as it is in the snapshot (RFC 3339, UTC).
    pub taken: jiff::Timestamp,
    /// The Moodle site.
    pub site: SiteFacts,
    /// The database.
    pub database: Option<DatabaseFacts>,
    /// The file pool.
    pub pool: Option<PoolFacts>,
    /// What else the dataroot holds; nothing: the snapshot is older than this field.
    pub dataroot: Option<DatarootFacts>,
}

/// What Moodle says of itself.
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq)]
pub struct SiteFacts {
    /// `$release`, as `5.1+ (Build: 20251017)`.
    pub release: String,
    /// `$version` of the code, as `2025100600.02`.
    pub code_version: String,
    /// `version` in the `config` table: what the database was upgraded to.
    pub database_version: String,
    /// `$branch`, as `501`.
    pub branch: String,
    /// `allversionshash` in the `config` table.
    pub all_versions_hash: String,
    /// `$CFG->wwwroot`.
    pub wwwroot: String,
    /// `$CFG->dataroot`.
    pub dataroot: String,
    /// SHA-256 of `$CFG->passwordsaltmain` or of `siteidentifier` where it has none, in hex: tells sites apart, gives nothing away.
    pub salt_fingerprint: String,
    /// Installed plugins with the versions the database has, as `mod_quiz` → `2025100600`.
    pub plugins: BTreeMap<String, String>,
}

/// A database as it was dumped.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct DatabaseFacts {
    /// `mariadb`, `mysqli` or `pgsql`: Moodle's `$CFG->dbtype`.
    pub dbtype: String,
    /// What the server says it is.
    pub server: String,
    /// The database's collation.
    pub collation: String,
    /// `$CFG->prefix`.
    pub prefix: String,
    /// How the view of all connections was made one: `flush-tables-with-read-lock`, `lock-tables`, `exported-snapshot`, `single-connection`.
    pub consistency: String,
    /// The tables, sorted by name.
    pub tables: Vec<TableFacts>,
    /// What is in the database and not in the dump, by kind and name (`view mdl_x`).
    pub left_out: Vec<String>,
}

/// A table as it was dumped.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct TableFacts {
    /// Its name, prefix included.
    pub name: String,
    /// How many rows were written.
    pub rows: u64,
    /// The files with its rows, in order, below `database/`.
    pub files: Vec<FileFacts>,
}

/// A file that was written.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct FileFacts {
    /// Its path below the folder that the context names.
    pub path: String,
    /// Its size in bytes.
    pub size: u64,
    /// SHA-256 of its content, in hex.
    pub sha256: String,
}

/// The pool as it is in the snapshot.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct PoolFacts {
    /// How many distinct contents the database lists.
    pub files: u64,
    /// Their sizes, added up.
    pub bytes: u64,
    /// Where content is: in the snapshot (`value`), or in an object store that is only named (`reference`).
    pub held: Held,
    /// Contents that the database lists and that neither the pool nor the trash had, as often as it was asked: the site itself lacks them.
    pub missing: Vec<String>,
}

/// The dataroot without the pool, as it is in the snapshot.
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq)]
pub struct DatarootFacts {
    /// How many files.
    pub files: u64,
    /// Their sizes, added up.
    pub bytes: u64,
    /// What is there and not in the snapshot, with the reason; beside the folders that Moodle makes again.
    pub left_out: Vec<String>,
}

/// Where the pool's content is.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub enum Held {
    /// In the snapshot.
    Value,
    /// In the object store with this location, which the snapshot only names.
    Reference(String),
}
