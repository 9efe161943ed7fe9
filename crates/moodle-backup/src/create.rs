//! `moodle-backup create`: a snapshot of a whole site that goes on meanwhile.
//!
//! The order is what makes a snapshot right: contents are copied before and after the view of the database is taken
//! ([`gather`]), the dump comes from that very view, and the snapshot's own file is written last, when all that it
//! refers to is stored. A run that is killed leaves stored blobs, which the next run finds; it leaves no snapshot.

mod content;
mod dataroot;
pub mod gather;
mod last;
mod objects;
mod pool_trees;
mod take;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

use accel::hash::sha256;
use secrecy::ExposeSecret as _;
use serde::Serialize;

use self::content::{DumpSink, MADE, file_node, folder_node, store};
pub use self::dataroot::LEFT_OUT;
use self::gather::{Failure, Gathered, World, gather};
use self::last::{Kept, Last};
use self::pool_trees::{Before, PoolTrees};
use self::take::Taker;
use crate::database::{self, Listed, Listing, View};
use crate::error::{Error, Kind, Result};
use crate::manifest::{FORMAT, Held, Manifest, PoolFacts, SiteFacts};
use crate::progress::{Progress, Unit};
use crate::repository::tree::{Node, Tree};
use crate::repository::{BlobId, Broken, Lock, NewSnapshot, Purpose, Repository, SITE, Snapshot, Writer, Written};
use crate::restore;
use crate::site::Site;
use crate::site::pool::Attributes;
use crate::snapshot::{ABOUT, write_list};

/// The tag of all snapshots of this program.
pub const TAG: &str = "moodle-backup";

/// How many views of the database are taken, where nobody says otherwise, before missing content counts as missing.
pub const ROUNDS: usize = 3;

/// How many missing contents an error names.
const NAMED: usize = 10;

/// What is to be backed up, and how.
#[derive(Clone, Debug)]
pub struct Request {
    /// The site.
    pub site: Site,
    /// What happens with content that is in an object store.
    pub pool: PoolMode,
    /// How many threads and connections work.
    pub jobs: usize,
    /// Content that the site itself lacks is recorded instead of being an error.
    pub allow_missing: bool,
    /// What of the dataroot can't be read is left out instead of being an error; never a content that is listed.
    pub allow_unreadable: bool,
    /// Nothing is taken over from the last snapshot: all is read again.
    pub full: bool,
    /// How many views of the database are taken before missing content counts as missing.
    pub rounds: usize,
    /// More tags for the snapshot.
    pub tags: Vec<String>,
    /// The name of this machine.
    pub hostname: String,
    /// How long to wait for another run; nothing: not at all.
    pub wait: Option<Duration>,
}

/// What happens with content that is in an object store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PoolMode {
    /// It is copied.
    #[default]
    Value,
    /// It stays there, and the snapshot says where; what is only in local folders is copied.
    Reference,
}

/// What was done.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// The snapshot's id.
    pub snapshot: String,
    /// When the database was as it is in the snapshot.
    pub taken: jiff::Timestamp,
    /// How long it took.
    pub seconds: f64,
    /// The pool.
    pub pool: PoolCounts,
    /// Tables.
    pub tables: u64,
    /// Their rows.
    pub rows: u64,
    /// The bytes of the dump.
    pub database_bytes: u64,
    /// Files of the dataroot beside the pool.
    pub dataroot_files: u64,
    /// Their bytes.
    pub dataroot_bytes: u64,
    /// What of the dataroot is not in the snapshot, with the reason.
    pub left_out: Vec<String>,
    /// What of the database is not in the dump, as views, or another site whose prefix begins alike.
    pub left_out_of_database: Vec<String>,
    /// Packs of the repository that were gone or not whole; what the site still had of them is stored again.
    pub lost_packs: u64,
    /// Blobs that were not in the repository before.
    pub new_blobs: u64,
    /// Their bytes.
    pub new_bytes: u64,
    /// What they take in the repository, compressed and encrypted.
    pub stored_bytes: u64,
}

/// What was done with the pool.
#[derive(Clone, Debug, Default, Serialize)]
pub struct PoolCounts {
    /// Contents that the database lists.
    pub listed: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Contents that were copied in this run.
    pub copied: u64,
    /// Their bytes.
    pub copied_bytes: u64,
    /// Contents of the last snapshot that are no longer listed.
    pub gone: u64,
    /// Contents that stay in the object store.
    pub referenced: u64,
    /// How many views of the database it took.
    pub views: u64,
    /// Hashes that the database lists and the site lacks.
    pub missing: Vec<String>,
}

/// Makes a snapshot.
///
/// # Errors
/// The site, the database or the repository fails, or the site lacks content (`Kind::Closure`).
pub fn run(repository: &Repository, request: &Request, progress: &dyn Progress) -> Result<Outcome> {
    run_on(repository, request, &mut Live { request }, progress)
}

/// A database that can be backed up.
pub trait Database: World<View = Box<dyn View>> {
    /// Returns `siteidentifier` of the table `config`.
    ///
    /// # Errors
    /// The database fails, or has none.
    fn identifier(&mut self) -> Result<String>;
}

/// Makes a snapshot with a database of any make.
///
/// # Errors
/// As [`run`].
pub fn run_on(
    repository: &Repository,
    request: &Request,
    database: &mut dyn Database,
    progress: &dyn Progress,
) -> Result<Outcome> {
    let begun = Instant::now();
    let lock = locked(repository, request)?;
    let Identity { fingerprint, tag } = Identity::of(&request.site, database)?;
    let writable = repository.index_for_writing()?;
    tell_lost(&writable.lost);
    let previous = previous(repository, &tag)?;
    let last = match previous.filter(|_| !request.full) {
        Some(snapshot) => Last::open(repository, &writable, &snapshot, progress)?,
        None => None,
    };
    let Kept { have, records: kept } = last.as_ref().map(|last| last.pool(progress)).transpose()?.unwrap_or_default();
    let known = known_missing(last.as_ref());
    let mut writer = repository.writer(writable.index.clone());
    let moodles = Moodles::of(&request.site);
    let taker = Taker::open(request, moodles.file, &writer)?;
    let options = gather::Options { jobs: request.jobs, rounds: request.rounds, known: &known };
    let gathered = gather(database, &taker, have.clone(), options, progress)?;
    complain(&gathered.failed, &gathered.odd, request)?;
    let copied = taker.records();
    let referenced = taker.referenced(&gathered.listed);
    let Gathered { mut view, listed, odd, failed, views } = gathered;
    let listed_files = (listed.len() + odd.len()) as u64;
    let listed_bytes = listed.iter().map(|listed| listed.size).sum();
    let held = held(listed, &failed, &referenced);
    let taken = view.taken();
    let site = site_facts(view.as_mut(), request, fingerprint)?;
    let sink = DumpSink::new(&writer);
    let facts = view.dump(&sink, progress)?;

    progress.phase("dataroot", 0, Unit::Bytes);
    let own = repository.store().folder().and_then(|folder| std::fs::metadata(folder).ok());
    let walk = dataroot::Walk::new(&writer, request, last.as_ref(), own.as_ref(), progress);
    let (mut moodledata, dataroot) = walk.run()?;

    progress.phase("trees", 0, Unit::Files);
    let before = match last.as_ref().filter(|last| last.is_whole()) {
        Some(last) => Some(Before::new(&last.opened, &have)?),
        None => None,
    };
    let counts = (copied.len() as u64, copied.iter().map(|record| record.listed.size).sum());
    let mut records = copied;
    records.extend(kept);
    records.sort_unstable_by_key(|record| record.listed);
    let context =
        pool_trees::Context { writer: &writer, pool: taker.pool(), made: moodles.folder, before: before.as_ref() };
    let pool = pool_trees::write(context, &held, &records, request.jobs)?;
    let missing: Vec<String> = failed.iter().map(|failure| hex::encode(failure.listed.hash)).chain(odd).collect();
    let manifest = Manifest {
        format: FORMAT,
        program: env!("CARGO_PKG_VERSION").to_owned(),
        taken,
        site,
        database: Some(facts),
        pool: Some(PoolFacts {
            files: listed_files,
            bytes: listed_bytes,
            held: held_in(request),
            missing: missing.clone(),
        }),
        dataroot: Some(dataroot),
    };
    let PoolTrees { filedir, lists } = pool;
    moodledata.push(folder_node("filedir", on_disk(&request.site.filedir, moodles.folder), writer.tree(&filedir)?));
    let mut root = vec![
        folder_node(
            "moodledata",
            on_disk(&request.site.dataroot, moodles.folder),
            writer.tree(&Tree::new(moodledata))?,
        ),
        sink.finish(MADE)?,
        config(&writer, request)?,
    ];
    let lists = writer.tree(&lists)?;
    // What is written from here on is taken over by nobody.
    let files: BTreeSet<BlobId> = writable.files.iter().copied().chain(writer.flush()?).collect();
    root.push(about(&writer, &manifest, lists, &referenced, &files)?);
    let tree = writer.tree(&Tree::new(root))?;
    let (index, written) = writer.finish()?;
    repository.assert_stored(&index, &files)?;
    let snapshot = repository.commit(NewSnapshot {
        tree: Some(tree),
        taken,
        paths: vec![request.site.dataroot.display().to_string()],
        tags: [TAG.to_owned(), tag].into_iter().chain(request.tags.iter().cloned()).collect(),
        hostname: request.hostname.clone(),
        parent: last.as_ref().map(|last| last.opened.snapshot.id.clone()),
    })?;
    if let Err(error) = repository.forget(&writable) {
        tracing::warn!("{error}; {}", error.fix);
    }
    drop(lock);
    let counted = PoolCounts {
        listed: listed_files,
        bytes: listed_bytes,
        copied: counts.0,
        copied_bytes: counts.1,
        gone: gather::difference(&have, &held).len() as u64,
        referenced: referenced.len() as u64,
        views: views as u64,
        missing,
    };
    let seconds = begun.elapsed().as_secs_f64();
    Ok(Outcome { lost_packs: writable.lost.len() as u64, ..outcome(snapshot, manifest, counted, &written, seconds) })
}

/// Keeps others away, where no restore writes to the site's folders or was broken off there.
fn locked(repository: &Repository, request: &Request) -> Result<Lock> {
    let lock = repository.lock(Purpose::Create, request.wait)?;
    restore::left_in(&request.site.dataroot)?;
    restore::left_in(&request.site.filedir)?;
    Ok(lock)
}

/// What tells a site from others.
struct Identity {
    /// It gives nothing away.
    fingerprint: String,
    /// A copy of the site has the same salt and identifier, and another address.
    tag: String,
}

impl Identity {
    fn of(site: &Site, database: &mut dyn Database) -> Result<Self> {
        let identifier = database.identifier()?;
        let salt = site.salt.as_ref().map_or(identifier.as_str(), |salt| salt.expose_secret());
        let tag = format!("{SITE}{}", sha256(format!("{salt}\n{}", site.wwwroot).as_bytes()));
        Ok(Self { fingerprint: sha256(salt.as_bytes()).to_string(), tag })
    }
}

fn held_in(request: &Request) -> Held {
    match (&request.site.object_pool, request.pool) {
        (Some(location), PoolMode::Reference) => Held::Reference(location.clone()),
        _ => Held::Value,
    }
}

fn outcome(snapshot: Snapshot, manifest: Manifest, pool: PoolCounts, written: &Written, seconds: f64) -> Outcome {
    let tables = manifest.database.as_ref().map(|facts| facts.tables.as_slice()).unwrap_or_default();
    let dataroot = manifest.dataroot.unwrap_or_default();
    Outcome {
        snapshot: snapshot.id,
        taken: manifest.taken,
        seconds,
        pool,
        rows: tables.iter().map(|table| table.rows).sum(),
        database_bytes: tables.iter().flat_map(|table| &table.files).map(|file| file.size).sum(),
        tables: tables.len() as u64,
        dataroot_files: dataroot.files,
        dataroot_bytes: dataroot.bytes,
        left_out: dataroot.left_out,
        left_out_of_database: manifest.database.as_ref().map(|facts| facts.left_out.clone()).unwrap_or_default(),
        lost_packs: 0,
        new_blobs: written.blobs,
        new_bytes: written.bytes,
        stored_bytes: written.stored,
    }
}

/// The database of the site.
struct Live<'a> {
    request: &'a Request,
}

impl Database for Live<'_> {
    fn identifier(&mut self) -> Result<String> {
        let connection = &self.request.site.database;
        let identifier = database::config(connection, &["siteidentifier"])?.remove("siteidentifier");
        identifier.filter(|identifier| !identifier.is_empty()).ok_or_else(|| {
            let table = format!("{}config", connection.prefix);
            Error::new(
                Kind::Database,
                format!(
                    "the table {table} of the database {} has no siteidentifier, which a Moodle has from its installation on",
                    connection.database
                ),
                format!(
                    "end the installation or the restore that was broken off; where the row alone is lost, an older \
                     snapshot has it: `moodle-backup cat latest database/{table}/0.tsv`"
                ),
            )
        })
    }
}

impl World for Live<'_> {
    type View = Box<dyn View>;

    fn now(&mut self) -> Result<Listing> {
        database::listing(&self.request.site.database)
    }

    fn view(&mut self) -> Result<(Self::View, Listing)> {
        let mut view = database::open(&self.request.site.database, self.request.jobs)?;
        let listing = view.listing()?;
        Ok((view, listing))
    }
}

/// What Moodle gives the folders and files that it makes, where the site has none to look at.
#[derive(Clone, Copy)]
struct Moodles {
    folder: Attributes,
    file: Attributes,
}

impl Moodles {
    fn of(site: &Site) -> Self {
        let Attributes { uid, gid, .. } = on_disk(&site.dataroot, MADE);
        let folder = Attributes { mode: site.directory_permissions, uid, gid, ..MADE };
        // As `$CFG->filepermissions` follows from `$CFG->directorypermissions`.
        Self { folder, file: Attributes { mode: folder.mode & 0o666, ..folder } }
    }
}

fn on_disk(path: &Path, otherwise: Attributes) -> Attributes {
    std::fs::metadata(path).map_or(otherwise, |metadata| Attributes::of(&metadata))
}

/// Says which packs are gone.
fn tell_lost(lost: &[Broken]) {
    let Some(first) = lost.first() else { return };
    let packs = if lost.len() == 1 { "1 pack is".to_owned() } else { format!("{} packs are", lost.len()) };
    // With --quiet, too: storage that loses packs is no small matter.
    tracing::error!(
        "{packs} not stored as the index says ({}: {first}): what the site still has of them is stored again; \
         `moodle-backup verify` names older snapshots that lack something now, for which `verify --data --repair` saves what \
         is sound in packs that are there",
        first.path()
    );
}

/// Returns the last snapshot of the site.
fn previous(repository: &Repository, tag: &str) -> Result<Option<Snapshot>> {
    Ok(repository.snapshots()?.into_iter().rev().find(|snapshot| snapshot.tags.iter().any(|other| other == tag)))
}

fn known_missing(last: Option<&Last<'_>>) -> Vec<[u8; 20]> {
    let missing = last.and_then(|last| last.opened.manifest.pool.as_ref()).map(|pool| pool.missing.as_slice());
    let mut hashes: Vec<[u8; 20]> = missing
        .unwrap_or_default()
        .iter()
        .filter_map(|text| text.parse::<accel::hash::Sha1>().ok())
        .map(|hash| *hash.as_bytes())
        .collect();
    hashes.sort_unstable();
    hashes
}

/// Content that the site lacks is an error, unless it may be.
fn complain(failed: &[Failure], odd: &[String], request: &Request) -> Result<()> {
    let count = failed.len() + odd.len();
    if count == 0 || request.allow_missing {
        return Ok(());
    }
    let failed = failed.iter().map(|failure| {
        let Listed { hash, size } = failure.listed;
        let what =
            if failure.corrupt { format!("corrupt: not {size} bytes with this hash") } else { "missing".to_owned() };
        format!("{} ({what})", hex::encode(hash))
    });
    let odd = odd.iter().map(|name| format!("{name:?} (corrupt: no hash with a size)"));
    let named: Vec<String> = failed.chain(odd).take(NAMED).collect();
    let more = if count > NAMED { format!(" and {} more", count - NAMED) } else { String::new() };
    let contents = if count == 1 { "1 content".to_owned() } else { format!("{count} contents") };
    Err(Error::new(
        Kind::Closure,
        format!("the database lists {contents} that neither the pool nor the trash has: {}{more}", named.join(", ")),
        "bring the files back (an older snapshot may have them: `moodle-backup restore --file HASH`), correct or delete \
         the rows of the table `files` that name them, or back up without them by --allow-missing",
    ))
}

/// Returns what is listed, not missing and not only referred to.
fn held(mut listed: Vec<Listed>, failed: &[Failure], referenced: &[Listed]) -> Vec<Listed> {
    listed.retain(|listed| {
        failed.binary_search_by_key(listed, |failure| failure.listed).is_err()
            && referenced.binary_search(listed).is_err()
    });
    listed
}

fn site_facts(view: &mut dyn View, request: &Request, fingerprint: String) -> Result<SiteFacts> {
    let mut values: BTreeMap<String, String> = view.config(&["version", "release", "branch", "allversionshash"])?;
    let mut value = |name: &str| values.remove(name).unwrap_or_default();
    let versions = request.site.versions.as_ref();
    Ok(SiteFacts {
        release: value("release"),
        code_version: versions.map(|versions| versions.version.clone()).unwrap_or_default(),
        database_version: value("version"),
        branch: value("branch"),
        all_versions_hash: value("allversionshash"),
        wwwroot: request.site.wwwroot.clone(),
        dataroot: request.site.dataroot.display().to_string(),
        salt_fingerprint: fingerprint,
        plugins: view.plugins()?,
    })
}

/// The folder with what the snapshot says of itself.
fn about(
    writer: &Writer,
    manifest: &Manifest,
    lists: BlobId,
    referenced: &[Listed],
    files: &BTreeSet<BlobId>,
) -> Result<Node> {
    let made = Attributes { seconds: manifest.taken.as_second(), ..MADE };
    let manifest = serde_json::to_vec_pretty(manifest).map_err(|error| {
        Error::new(Kind::Local, "the manifest can't be written", "report this as a bug").because(error)
    })?;
    let file = Attributes { mode: 0o600, ..made };
    let files: Vec<u8> = files.iter().flat_map(|id| id.0).collect();
    let mut nodes = vec![
        file_node("manifest.json", file, manifest.len() as u64, store(writer, &manifest)?),
        file_node(last::INDEX, file, files.len() as u64, store(writer, &files)?),
        folder_node("pool", MADE, lists),
    ];
    if !referenced.is_empty() {
        let bytes = write_list(referenced);
        let list = file_node("all", file, bytes.len() as u64, store(writer, &bytes)?);
        nodes.push(folder_node("referenced", MADE, writer.tree(&Tree::new(vec![list]))?));
    }
    Ok(folder_node(ABOUT, made, writer.tree(&Tree::new(nodes))?))
}

fn config(writer: &Writer, request: &Request) -> Result<Node> {
    let mut nodes = Vec::new();
    if let Some(path) = &request.site.config {
        let unreadable = |error: std::io::Error| {
            Error::new(Kind::Site, format!("{} can't be read", path.display()), "").because(error)
        };
        let bytes = std::fs::read(path).map_err(unreadable)?;
        let attributes = Attributes::of(&std::fs::metadata(path).map_err(unreadable)?);
        nodes.push(file_node("config.php", attributes, bytes.len() as u64, store(writer, &bytes)?));
    }
    Ok(folder_node("config", MADE, writer.tree(&Tree::new(nodes))?))
}
