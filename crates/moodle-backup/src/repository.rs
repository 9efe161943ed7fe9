//! A restic repository: keys, packs, index, snapshots, lock.
//!
//! `rustic_core` keeps keys, configuration and snapshots, and prunes. What is done for each file is here: see
//! `docs/backup-format.md` for why.

mod check;
mod ends;
mod index;
mod keys;
pub mod lock;
pub mod names;
mod pack;
mod reader;
mod recipients;
mod repair;
mod salvage;
mod seal;
mod snapshots;
mod stored;
pub mod tree;
mod unpacked;
mod writer;

use std::error::Error as _;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rustic_core::repofile::SnapshotFile;
use rustic_core::{
    ConfigOptions, Credentials, Id, OpenStatus, RepositoryBackends, RepositoryOptions, RusticError, SnapshotOptions,
    StringList, TreeId,
};
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use check::{Checked, Problem};
pub use index::Index;
pub use keys::{Key, NewKey, Secret};
pub use lock::{Lock, Purpose};
pub use reader::Reader;
pub use repair::Writable;
pub use salvage::Salvaged;
pub(crate) use snapshots::SnapshotFiles;
pub use stored::{Broken, Stored};
pub use writer::{Writer, Written};

use crate::create::TAG;
use crate::error::{Error, Kind, Result};
use crate::store::{Entry, Store};
use ends::Ends;
use seal::Sealer;

/// What the tag begins with that tells a site from others.
pub const SITE: &str = "site:";

/// How many digits of an id name at least what is to be removed: as many as lists show.
pub const DIGITS: usize = 8;

/// The name of a blob or a file: the SHA-256 of its content.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobId(pub [u8; 32]);

impl BlobId {
    /// Returns the id of a content. Where the processor has no SHA instructions, ring's code is the fastest for one.
    pub(crate) fn of(content: &[u8]) -> Self {
        let digest = ring::digest::digest(&ring::digest::SHA256, content);
        Self(digest.as_ref().try_into().unwrap_or_default())
    }

    fn pack_path(&self) -> String {
        let name = self.to_string();
        format!("data/{}/{name}", &name[..2])
    }
}

impl fmt::Display for BlobId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for BlobId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "BlobId({self})")
    }
}

impl FromStr for BlobId {
    type Err = hex::FromHexError;

    fn from_str(text: &str) -> std::result::Result<Self, Self::Err> {
        let mut id = [0; 32];
        hex::decode_to_slice(text, &mut id).map(|()| Self(id))
    }
}

impl Serialize for BlobId {
    fn serialize<S: Serializer>(&self, to: S) -> std::result::Result<S::Ok, S::Error> {
        let mut text = [0; 64];
        hex::encode_to_slice(self.0, &mut text).map_err(serde::ser::Error::custom)?;
        to.serialize_str(std::str::from_utf8(&text).map_err(serde::ser::Error::custom)?)
    }
}

impl<'a> Deserialize<'a> for BlobId {
    fn deserialize<D: Deserializer<'a>>(from: D) -> std::result::Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = BlobId;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("64 hexadecimal digits")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> std::result::Result<BlobId, E> {
                text.parse().map_err(E::custom)
            }
        }
        from.deserialize_str(Visitor)
    }
}

/// A snapshot in a repository.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Snapshot {
    /// Its id.
    pub id: String,
    /// Its tree.
    pub tree: BlobId,
    /// When what is in it was so.
    pub taken: Timestamp,
    /// The paths that it names as its source.
    pub paths: Vec<String>,
    /// Its tags.
    pub tags: Vec<String>,
    /// The host that made it.
    pub hostname: String,
}

/// A snapshot to be.
#[derive(Clone, Debug, Default)]
pub struct NewSnapshot {
    /// Its tree.
    pub tree: Option<BlobId>,
    /// When what is in it was so.
    pub taken: Timestamp,
    /// The paths that it names as its source.
    pub paths: Vec<String>,
    /// Its tags.
    pub tags: Vec<String>,
    /// The host that makes it.
    pub hostname: String,
    /// The id of the snapshot that it was made from.
    pub parent: Option<String>,
}

/// An open repository.
#[derive(Clone)]
pub struct Repository {
    store: Store,
    sealer: Sealer,
    ends: Arc<Ends>,
    inner: Arc<rustic_core::Repository<OpenStatus>>,
    /// The id of the key that it is open by.
    key: Arc<str>,
    /// The tag of the site whose snapshots alone are seen; nothing: all are.
    only: Option<Arc<str>>,
}

impl fmt::Debug for Repository {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Repository({})", self.store.location())
    }
}

impl Repository {
    /// Returns what an `init` left that was killed, where there is a place for a repository.
    ///
    /// # Errors
    /// There is one already, or other files; the store fails.
    pub fn place(store: &Store) -> Result<Vec<Entry>> {
        let there = store.list("")?;
        if there.iter().any(|entry| entry.path == "config") {
            let what = format!("there is a repository in {} already", store.location());
            return Err(Error::new(Kind::Repository, what, "use it, or name another place"));
        }
        if let Some(entry) = there
            .iter()
            .find(|entry| !entry.path.starts_with("keys/") && !entry.path.starts_with("moodle-backup/keys/"))
        {
            let what = format!("{} isn't empty: {} is there", store.location(), entry.path);
            return Err(Error::new(
                Kind::Repository,
                what,
                "name an empty place; a repository that lost its config can't be made again",
            ));
        }
        Ok(there)
    }

    /// Makes a repository where there is none.
    ///
    /// # Errors
    /// As [`place`](Self::place); the key can't be used.
    pub fn init(store: Store, key: &NewKey) -> Result<Self> {
        let there = Self::place(&store)?;
        // What a run left that was killed before it wrote `config`: a second key would hide a repository of its own.
        ["keys", recipients::FOLDER].into_iter().try_for_each(|folder| store.sweep(folder))?;
        there.iter().try_for_each(|entry| store.delete(&entry.path))?;
        let (passphrase, options) = keys::prepared(&store, key)?;
        let credentials = Credentials::password(passphrase.expose_secret());
        let inner = plain(&store)?
            .init(&credentials, &options, &ConfigOptions::default())
            .map_err(|error| told(&store, "can't be made", &error))?;
        let key = inner.key_id().map(|id| id.to_hex().as_str().to_owned()).unwrap_or_default();
        Self::new(store, inner, key)
    }

    /// Opens a repository.
    ///
    /// # Errors
    /// There is none, it is damaged, the key is wrong, or the store fails.
    pub fn open(store: Store, secret: &Secret) -> Result<Self> {
        let keys = store.list("keys")?;
        let config = store.get("config");
        if config.as_ref().is_err_and(|error| error.kind == Kind::Damaged) {
            let location = store.location();
            return Err(if keys.is_empty() && store.list("data")?.is_empty() {
                Error::new(
                    Kind::Repository,
                    format!("there is no repository in {location}"),
                    "moodle-backup init makes one",
                )
            } else {
                let what = format!("the repository in {location} is half deleted: its file `config` is gone");
                Error::new(
                    Kind::Repository,
                    what,
                    "bring `config` back from a copy of the repository: nothing replaces it",
                )
            });
        }
        let mut config = config?.to_vec();
        if keys.is_empty() {
            let what = format!("the repository in {} is half deleted: its folder `keys` is empty", store.location());
            return Err(Error::new(
                Kind::Repository,
                what,
                "bring `keys` back from a copy of the repository: nothing opens it without",
            ));
        }
        let (key, master) = keys::opened(&store, secret)?;
        if Sealer::new(&master).is_none_or(|sealer| sealer.open(&mut config).is_none()) {
            let what = format!("`config` of {} is damaged, or its `keys` are another repository's", store.location());
            return Err(Error::new(Kind::Damaged, what, "bring both back from one copy of the repository"));
        }
        let inner = plain(&store)?
            .open(&Credentials::Masterkey(master))
            .map_err(|error| told(&store, "can't be opened", &error))?;
        Self::new(store, inner, key)
    }

    fn new(store: Store, inner: rustic_core::Repository<OpenStatus>, key: String) -> Result<Self> {
        let sealer = Sealer::new(&inner.key()).ok_or_else(|| {
            Error::new(
                Kind::Repository,
                format!("the key of {} has a wrong length", store.location()),
                "moodle-backup verify --data",
            )
        })?;
        if inner.config().version != 2 {
            let what = format!("the repository in {} has format {}", store.location(), inner.config().version);
            return Err(Error::new(Kind::Repository, what, "restic migrate upgrade_repo_v2 brings it to format 2"));
        }
        Ok(Self { store, sealer, ends: Arc::default(), inner: Arc::new(inner), key: key.into(), only: None })
    }

    /// The id of the repository, the same for its life.
    #[must_use]
    pub fn id(&self) -> String {
        self.inner.config().id.to_hex().as_str().to_owned()
    }

    /// The store behind it.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// What `rustic_core` makes of it.
    pub(crate) fn rustic(&self) -> &rustic_core::Repository<OpenStatus> {
        &self.inner
    }

    /// Returns the same repository, of which only the snapshots with a site's tag are seen; all else is there as before.
    #[must_use]
    pub fn only(&self, site: &str) -> Self {
        Self { only: Some(format!("{SITE}{site}").into()), ..self.clone() }
    }

    /// Whether only one site's snapshots are seen.
    pub(crate) fn is_of_one_site(&self) -> bool {
        self.only.is_some()
    }

    /// Whether a snapshot with these tags is one of those that are seen.
    pub(crate) fn sees<'a>(&self, mut tags: impl Iterator<Item = &'a String>) -> bool {
        self.only.as_deref().is_none_or(|only| tags.any(|tag| tag == only))
    }

    /// Returns all snapshots that are seen and whose files can be read, the oldest first; those that can't are warned of.
    ///
    /// # Errors
    /// The store fails.
    pub fn snapshots(&self) -> Result<Vec<Snapshot>> {
        let all = self.snapshot_files()?;
        for problem in &all.damaged {
            tracing::warn!("{}", problem.what);
        }
        Ok(self.seen(&all.files))
    }

    /// Returns the snapshot whose id begins with `name`.
    ///
    /// # Errors
    /// There is none or more than one, or the store fails.
    pub fn find(&self, name: &str) -> Result<Snapshot> {
        let wrong = |what: String| Error::new(Kind::Repository, what, "moodle-backup list shows the snapshots");
        let mut fitting = self.snapshots()?.into_iter().filter(|one| !name.is_empty() && one.id.starts_with(name));
        match (fitting.next(), fitting.next()) {
            (Some(found), None) => Ok(found),
            (None, _) => Err(wrong(format!("there is no snapshot {name} in {}", self.store.location()))),
            _ => Err(wrong(format!("several snapshots of {} begin with {name}", self.store.location()))),
        }
    }

    /// Returns what takes blobs that `index` doesn't have.
    #[must_use]
    pub fn writer(&self, index: Index) -> Writer {
        Writer::new(self.store.clone(), self.sealer.clone(), index)
    }

    /// Returns what reads blobs that `index` has.
    #[must_use]
    pub fn reader<'a>(&'a self, index: &'a Index) -> Reader<'a> {
        Reader { store: &self.store, sealer: &self.sealer, index }
    }

    /// Writes a snapshot, whose blobs must all be stored and in a file of the index: what it names can be restored from
    /// then on.
    ///
    /// # Errors
    /// It has no tree, or the store fails.
    pub fn commit(&self, new: NewSnapshot) -> Result<Snapshot> {
        let tree = new.tree.ok_or_else(|| Error::new(Kind::Repository, "a snapshot without a tree", "report it"))?;
        let failed = |error: &RusticError| told(&self.store, "takes no snapshot", error);
        let mut snapshot = SnapshotFile::from_options(&SnapshotOptions::default()).map_err(|error| failed(&error))?;
        snapshot.time = new.taken.to_zoned(TimeZone::UTC);
        snapshot.tree = TreeId::from(Id::new(tree.0));
        snapshot.hostname = if new.hostname.is_empty() { lock::hostname() } else { new.hostname };
        snapshot.program_version = format!("moodle-backup {}", env!("CARGO_PKG_VERSION"));
        // As rustic parses it, a comma would part one item into two.
        let list =
            |items: &[String]| serde_json::from_value::<StringList>(serde_json::json!(items)).unwrap_or_default();
        (snapshot.paths, snapshot.tags) = (list(&new.paths), list(&new.tags));
        if let Some(parent) = new.parent.and_then(|parent| parent.parse::<Id>().ok()) {
            snapshot.parent = Some(parent.into());
        }
        let id = unpacked::create(&self.store, &self.sealer, "snapshots", &snapshot)?;
        Ok(Snapshot { id: id.to_string(), ..Snapshot::of(&snapshot) })
    }

    /// Takes a lock, which excludes what [`lock`] says; `wait` is how long another run is waited for.
    ///
    /// # Errors
    /// Another run holds it, or the store fails.
    pub fn lock(&self, purpose: Purpose, wait: Option<Duration>) -> Result<Lock> {
        lock::take(&self.store, &self.sealer, purpose, wait)
    }

    /// Removes the locks that this process holds in the repository's store: for a program that is about to end.
    pub fn release_locks(&self) {
        lock::release(&self.store);
    }
}

impl Snapshot {
    /// Whether this program made it, of a Moodle site.
    #[must_use]
    pub fn is_of_moodle(&self) -> bool {
        self.tags.iter().any(|tag| tag == TAG)
    }

    /// What tells its site from others; nothing: it is of none.
    #[must_use]
    pub fn site(&self) -> Option<&str> {
        self.tags.iter().find_map(|tag| tag.strip_prefix(SITE))
    }

    pub(crate) fn of(file: &SnapshotFile) -> Self {
        Self {
            id: file.id.to_hex().as_str().to_owned(),
            tree: file.tree.to_hex().as_str().parse().unwrap_or_default(),
            taken: file.time.timestamp(),
            paths: file.paths.iter().cloned().collect(),
            tags: file.tags.iter().cloned().collect(),
            hostname: file.hostname.clone(),
        }
    }
}

fn plain(store: &Store) -> Result<rustic_core::Repository<()>> {
    let mut options = RepositoryOptions::default();
    options.no_cache = true;
    let backends = RepositoryBackends::new(Arc::new(store.clone()), None);
    rustic_core::Repository::new(&options, &backends).map_err(|error| told(store, "can't be opened", &error))
}

/// Says what `rustic_core` said, or the store beneath it.
pub(crate) fn told(store: &Store, what: &str, error: &RusticError) -> Error {
    let mut causes = std::iter::successors(error.source(), |&cause| cause.source());
    if let Some(own) = causes.find_map(|cause| cause.downcast_ref::<Error>()) {
        return Error::new(own.kind, own.to_string(), own.fix.clone());
    }
    Error::new(
        Kind::Repository,
        format!("the repository in {} {what}: {}", store.location(), brief(&error.display_log())),
        "moodle-backup verify --data names what is damaged",
    )
}

/// Returns what is for people in what `rustic_core` says: no contexts, no backtraces.
fn brief(said: &str) -> String {
    let paragraphs = said.split("\n\n").map(str::trim).filter(|one| !one.is_empty());
    let wanted = paragraphs.filter_map(|one| {
        let (head, rest) = one.split_once(":\n").unwrap_or(("", one));
        (!["Context", "Some additional details ...", "Backtrace"].contains(&head)).then_some(rest)
    });
    let kept: Vec<&str> = wanted.take_while(|one| !one.starts_with("For more information")).collect();
    kept.join(": ").split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::brief;

    #[test]
    fn of_what_a_library_says_people_get_the_cause_and_no_backtrace() {
        let said = "Error: error processing {id} (kind: x): caused by: `rustic_core` experienced an error.\n\nMessage:\n\
            Data decryption failed.\n\nFor more information, see: https://example.org\n\nSome additional details ...\n\n\
            Context:\n- nonce: [1]\n\nBacktrace:\n  0: main\n";
        assert_eq!(
            brief(said),
            "Error: error processing {id} (kind: x): caused by: `rustic_core` experienced an error.: Data decryption failed."
        );
    }
}
