//! Whether the target of a restore is the site that the snapshot is of.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use accel::hash::sha256;
use rustix::fs::{Mode, OFlags};
use secrecy::ExposeSecret as _;

use super::Request;
use crate::database::{self, Connection};
use crate::error::{Error, Kind, Result};
use crate::repository::{Repository, Snapshot};
use crate::sites::{self, LATEST};
use crate::snapshot::Opened;
use crate::snapshot::rows::{Table, unescaped};

/// The name of a setting of Moodle that tells a site from others, and that its copies have, too.
const IDENTIFIER: &str = "siteidentifier";

/// The configuration of Moodle's caches, which has a hash of the identifier: what tells whose a dataroot is.
const CACHES: &str = "muc/config.php";

/// More bytes than it has before that hash.
const MOST: u64 = 1 << 16;

/// Returns the snapshot that is meant: the latest is that of the target's own site, where its address is known and nobody
/// said which site is meant.
pub(super) fn snapshot(repository: &Repository, request: &Request) -> Result<Snapshot> {
    match &request.address {
        Some(address) if request.snapshot == LATEST && !repository.is_of_one_site() => {
            sites::latest_at(repository, address, || fingerprint(request))
        }
        _ => sites::find(repository, &request.snapshot),
    }
}

/// Returns what tells the target's site from others that had its address; nothing: neither its config.php nor its database
/// says it.
fn fingerprint(request: &Request) -> Result<Option<String>> {
    let own = match (&request.salt, &request.database) {
        (Some(salt), _) => Some(salt.expose_secret().to_owned()),
        (None, Some(connection)) => theirs(connection)?.filter(|identifier| !identifier.is_empty()),
        (None, None) => None,
    };
    Ok(own.map(|own| sha256(own.as_bytes()).to_string()))
}

/// Returns why the target is another site than the snapshot's. Who types the whole id of a snapshot means it so.
pub(super) fn refusal(opened: &Opened<'_>, request: &Request) -> Result<Option<Error>> {
    let id = &opened.snapshot.id;
    if request.snapshot == *id {
        return Ok(None);
    }
    let wwwroot = &opened.manifest.site.wwwroot;
    let of = if wwwroot.is_empty() { "a site without an address" } else { wwwroot };
    let refused = |what: String| {
        let fix = format!("to put what {of} had there all the same, name the snapshot by its whole id: {id}");
        Ok(Some(Error::refused(what, fix)))
    };
    if let Some(address) = &request.address
        && !sites::same_address(wwwroot, address)
    {
        return refused(format!("the snapshot is of {of}, and the target is the site {address}"));
    }
    if let (true, Some(connection), Some(facts)) = (request.overwrite, &request.database, &opened.manifest.database)
        && connection.prefix == facts.prefix
        && let (Some(ours), Some(theirs)) = (stored(opened)?, theirs(connection)?)
        && ours != theirs
    {
        let database = &connection.database;
        return refused(if theirs.is_empty() {
            format!("nothing tells that the database {database} is that of {of}: it has no {IDENTIFIER}")
        } else {
            format!(
                "the snapshot is of {of}, and the database {database} is that of another site: its {IDENTIFIER} differs"
            )
        });
    }
    if let (true, None, Some(folder)) = (request.overwrite, &request.database, &request.folder)
        && let (Some(ours), Some(theirs)) = (of_caches(opened, request.allow_missing)?, of_caches_in(folder))
        && ours != theirs
    {
        let folder = folder.display();
        return refused(format!("the snapshot is of {of}, and {folder} belongs to another site: {CACHES} says so"));
    }
    Ok(None)
}

/// Returns the hash of the identifier that Moodle's caches have in the snapshot; nothing: there is none.
fn of_caches(opened: &Opened<'_>, allow_missing: bool) -> Result<Option<String>> {
    let config = || match opened.node(&format!("moodledata/{CACHES}"))? {
        Some(node) => opened.read(&node).map(|config| hash(&config)),
        None => Ok(None),
    };
    match config() {
        Err(error) if error.kind == Kind::Damaged && allow_missing => Ok(None),
        found => found,
    }
}

/// Returns that in a folder; nothing: it is no dataroot.
fn of_caches_in(folder: &Path) -> Option<String> {
    // Others may have put a pipe there.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(folder.join(CACHES), flags, Mode::empty()).ok()?);
    let mut config = Vec::new();
    file.take(MOST).read_to_end(&mut config).ok()?;
    hash(&config)
}

/// Reads the hash of the identifier, which is the first that Moodle writes.
fn hash(config: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(config);
    let (_, rest) = text.split_once("'siteidentifier' => '")?;
    rest.split_once('\'').map(|(hash, _)| hash.to_owned()).filter(|hash| hash != "unknown")
}

/// Returns the identifier that the snapshot's database has; nothing: it has none.
fn stored(opened: &Opened<'_>) -> Result<Option<String>> {
    let prefix = opened.manifest.database.as_ref().map(|facts| facts.prefix.as_str()).unwrap_or_default();
    let name = format!("{prefix}config");
    if !opened.manifest.database.iter().flat_map(|facts| &facts.tables).any(|table| table.name == name) {
        return Ok(None);
    }
    let table = Table::open(opened, "config")?;
    let columns = table.columns(["name", "value"])?;
    let mut found = None;
    table.each(&mut |cells| {
        let [name, value] = columns.map(|column| cells.get(column).copied().unwrap_or_default());
        if name == IDENTIFIER {
            found = Some(unescaped(value));
        }
        Ok(())
    })?;
    Ok(found)
}

/// Returns the identifier that a database has, empty where Moodle's table lacks it; nothing: there is no such table.
fn live(connection: &Connection) -> Result<Option<String>> {
    let config = format!("{}config", connection.prefix);
    if !database::tables(connection)?.contains(&config) {
        return Ok(None);
    }
    Ok(Some(database::config(connection, &[IDENTIFIER])?.remove(IDENTIFIER).unwrap_or_default()))
}

/// Returns the identifier of the site whose database it is: what a restore that was killed has loaded doesn't count, and
/// what it has set aside does.
fn theirs(connection: &Connection) -> Result<Option<String>> {
    let Some(lasting) = database::lasting(connection, &format!("{}config", connection.prefix))? else {
        return Ok(None);
    };
    match live(&lasting)? {
        // It was killed before it set anything aside.
        None => live(connection),
        found => Ok(found),
    }
}
