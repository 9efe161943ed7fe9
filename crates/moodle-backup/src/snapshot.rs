//! A snapshot that is read: its manifest, its pool's lists, its trees.

pub(crate) mod mode;
pub(crate) mod rows;

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::database::{Listed, Source};
use crate::error::{Error, Kind, Result};
use crate::manifest::{FORMAT, Manifest};
use crate::repository::tree::{Node, NodeKind, Tree};
use crate::repository::{BlobId, Index, Lock, Purpose, Reader, Repository, Snapshot};

/// The folder in a snapshot with what it says of itself.
pub const ABOUT: &str = "moodle-backup";

/// How many bytes a line of a pool list has: a SHA-1 and a size.
const LINE: usize = 28;
/// How many bytes of a pool's lists are loaded at once.
const LISTS_BYTES: u64 = 4 << 20;

/// A snapshot of a site.
pub struct Opened<'a> {
    /// As the repository has it.
    pub snapshot: Snapshot,
    /// What it says of itself.
    pub manifest: Manifest,
    /// Reads its contents.
    pub reader: Reader<'a>,
    index: &'a Index,
    root: Tree,
}

impl std::fmt::Debug for Opened<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Opened").field("id", &self.snapshot.id).finish_non_exhaustive()
    }
}

impl<'a> Opened<'a> {
    /// Opens a snapshot.
    ///
    /// # Errors
    /// This program didn't make it, or a newer one did.
    pub fn open(repository: &'a Repository, index: &'a Index, snapshot: Snapshot) -> Result<Self> {
        let reader = repository.reader(index);
        let root = reader.tree(&snapshot.tree)?;
        let foreign = || {
            Error::new(
                Kind::Refused,
                format!("the snapshot {} is none of a Moodle site: it has no {ABOUT}/manifest.json", snapshot.id),
                "`moodle-backup list` shows those that are; stock restic restores the others",
            )
        };
        let about = folder(&root, ABOUT).map(|id| reader.tree(&id)).transpose()?.ok_or_else(foreign)?;
        let manifest = read(&reader, about.node("manifest.json").ok_or_else(foreign)?)?;
        let version: serde_json::Value = serde_json::from_slice(&manifest).map_err(|error| foreign().because(error))?;
        if version.get("format").and_then(serde_json::Value::as_u64).is_none_or(|format| format > u64::from(FORMAT)) {
            return Err(Error::new(
                Kind::Refused,
                format!("the snapshot {} was made by a newer moodle-backup", snapshot.id),
                format!(
                    "take the version that its manifest names: {}",
                    version["program"].as_str().unwrap_or("unknown")
                ),
            ));
        }
        let manifest = serde_json::from_value(version).map_err(|error| {
            Error::new(
                Kind::Damaged,
                format!("the manifest of snapshot {} can't be read", snapshot.id),
                "take another snapshot",
            )
            .because(error)
        })?;
        Ok(Self { snapshot, manifest, reader, index, root })
    }

    /// Returns what lies at a path like `moodledata/filedir`; nothing: there is nothing.
    ///
    /// # Errors
    /// A tree can't be read.
    pub fn node(&self, path: &str) -> Result<Option<Node>> {
        let mut tree = self.root.clone();
        let mut parts = path.split('/').peekable();
        while let Some(part) = parts.next() {
            let Some(found) = tree.node(part) else {
                return Ok(None);
            };
            if parts.peek().is_none() {
                return Ok(Some(found.clone()));
            }
            let Some(below) = found.subtree else {
                return Ok(None);
            };
            tree = self.reader.tree(&below)?;
        }
        Ok(None)
    }

    /// Returns the tree at a path; nothing: there is none.
    ///
    /// # Errors
    /// A tree can't be read.
    pub fn tree(&self, path: &str) -> Result<Option<Tree>> {
        match self.node(path)?.and_then(|node| node.subtree) {
            Some(id) => self.reader.tree(&id).map(Some),
            None => Ok(None),
        }
    }

    /// Returns the contents that the pool has in the snapshot, sorted.
    ///
    /// # Errors
    /// A list is damaged.
    pub fn pool(&self) -> Result<Vec<Listed>> {
        self.lists("pool")
    }

    /// Returns the contents that the snapshot only refers to, sorted.
    ///
    /// # Errors
    /// A list is damaged.
    pub fn referenced(&self) -> Result<Vec<Listed>> {
        self.lists("referenced")
    }

    fn lists(&self, name: &str) -> Result<Vec<Listed>> {
        let Some(tree) = self.tree(&format!("{ABOUT}/{name}"))? else {
            return Ok(Vec::new());
        };
        let size: u64 = tree.nodes.iter().map(|node| node.size).sum();
        let mut all = Vec::with_capacity(usize::try_from(size).unwrap_or_default() / LINE);
        // Hashes are spread evenly, so lists are about equally long.
        let at_once = tree.nodes.len() as u64 * LISTS_BYTES / size.max(1);
        for part in tree.nodes.chunks(usize::try_from(at_once.max(1)).unwrap_or(usize::MAX)) {
            let blobs: Vec<BlobId> = part.iter().flat_map(|node| node.content.iter().copied()).collect();
            let pieces = Mutex::new(vec![Vec::new(); blobs.len()]);
            self.reader.each(&blobs, &|at, bytes| {
                lock(&pieces)[at] = bytes.to_vec();
                Ok(())
            })?;
            let mut pieces = pieces.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner).into_iter();
            for node in part {
                let bytes: Vec<u8> = pieces.by_ref().take(node.content.len()).flatten().collect();
                all.extend(parse_list(&bytes).ok_or_else(|| {
                    Error::new(
                        Kind::Damaged,
                        format!("{ABOUT}/{name}/{} of snapshot {} is no list of contents", node.name, self.snapshot.id),
                        "take another snapshot",
                    )
                })?);
            }
        }
        Ok(all)
    }

    /// Returns how many bytes a blob has.
    ///
    /// # Errors
    /// It isn't stored.
    pub fn length(&self, blob: &BlobId) -> Result<u32> {
        self.index.length(blob).ok_or_else(|| {
            Error::new(
                Kind::Damaged,
                format!("the snapshot {} needs blob {blob}, which isn't stored", self.snapshot.id),
                "`moodle-backup verify --data` names what is damaged",
            )
        })
    }

    /// Loads many trees at once.
    ///
    /// # Errors
    /// A tree can't be read.
    pub fn trees(&self, ids: &[BlobId]) -> Result<Vec<Tree>> {
        let trees = Mutex::new(vec![Tree::default(); ids.len()]);
        self.reader.each(ids, &|at, bytes| {
            let tree = Tree::parse(bytes)?;
            lock(&trees)[at] = tree;
            Ok(())
        })?;
        Ok(trees.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    /// Loads many trees at once; nothing: that one is damaged or isn't stored any more.
    ///
    /// # Errors
    /// The store fails.
    pub fn sound_trees(&self, ids: &[BlobId]) -> Result<Vec<Option<Tree>>> {
        let trees = Mutex::new(vec![None; ids.len()]);
        let take = |at: usize, bytes: &[u8]| {
            let tree = Tree::parse(bytes).ok();
            lock(&trees)[at] = tree;
            Ok(())
        };
        self.reader.each_sound(ids, &take, &|_, _| Ok(()))?;
        Ok(trees.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    /// Returns the whole content of a file.
    ///
    /// # Errors
    /// It is damaged.
    pub fn read(&self, node: &Node) -> Result<Vec<u8>> {
        read(&self.reader, node)
    }

    /// Returns the files of the dump, to be read by a restore.
    ///
    /// # Errors
    /// A tree can't be read.
    pub fn dump(&self) -> Result<Dump<'_, 'a>> {
        self.dump_of(|_| true)
    }

    /// Returns of them those in the folders of tables that are `wanted`, and those of all tables.
    fn dump_of(&self, wanted: impl Fn(&str) -> bool) -> Result<Dump<'_, 'a>> {
        let mut files = BTreeMap::new();
        if let Some(tree) = self.tree("database")? {
            let mut rest = vec![(String::new(), tree)];
            while let Some((path, tree)) = rest.pop() {
                for node in tree.nodes {
                    let path = format!("{path}{}", node.name);
                    match node.subtree {
                        Some(_) if !wanted(&path) => {}
                        Some(below) => rest.push((format!("{path}/"), self.reader.tree(&below)?)),
                        None => {
                            files.insert(path, node.content);
                        }
                    }
                }
            }
        }
        Ok(Dump { reader: &self.reader, files })
    }
}

/// How many manifests are read at once.
const AT_ONCE: usize = 8;

/// Returns what each of many snapshots says of itself; nothing: it is another program's, or can't be read.
#[must_use]
pub fn manifests(repository: &Repository, index: &Index, snapshots: &[Snapshot]) -> Vec<Option<Manifest>> {
    let found = Mutex::new(vec![None; snapshots.len()]);
    let next = AtomicUsize::new(0);
    let work = || {
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(snapshot) = snapshots.get(at) else { return };
            if !snapshot.is_of_moodle() {
                continue;
            }
            match Opened::open(repository, index, snapshot.clone()) {
                Ok(opened) => lock(&found)[at] = Some(opened.manifest),
                Err(error) => tracing::warn!(%error, "the manifest of {} can't be read", snapshot.id),
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..snapshots.len().min(AT_ONCE) {
            scope.spawn(work);
        }
    });
    found.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Keeps what is read from being removed meanwhile; `wait` is how long a run that removes is waited for. A repository
/// that can't be written to is read without.
///
/// # Errors
/// Another run removes what nobody needs just now.
pub fn lock_for_reading(repository: &Repository, wait: Option<Duration>) -> Result<Option<Lock>> {
    match repository.lock(Purpose::Read, wait) {
        Ok(lock) => Ok(Some(lock)),
        Err(error) if error.kind == Kind::Store => {
            tracing::warn!(%error, "the repository is read without a lock");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// The files of a dump.
pub struct Dump<'s, 'a> {
    reader: &'s Reader<'a>,
    files: BTreeMap<String, Vec<BlobId>>,
}

impl Dump<'_, '_> {
    /// Returns the blobs of a file; nothing: there is none.
    #[must_use]
    pub fn blobs(&self, path: &str) -> Option<&[BlobId]> {
        self.files.get(path).map(Vec::as_slice)
    }

    /// Fails when a file isn't stored in the packs of the reader's index.
    ///
    /// # Errors
    /// One isn't.
    pub fn is_stored(&self) -> Result<()> {
        let lacking = |blobs: &Vec<BlobId>| blobs.iter().any(|blob| !self.reader.has(blob));
        let Some((path, _)) = self.files.iter().find(|(_, blobs)| lacking(blobs)) else { return Ok(()) };
        Err(Error::new(
            Kind::Damaged,
            format!("database/{path} of the snapshot isn't stored any more"),
            "take another snapshot: `moodle-backup verify` names what is missing",
        ))
    }
}

impl std::fmt::Debug for Dump<'_, '_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Dump").field("files", &self.files.len()).finish_non_exhaustive()
    }
}

impl Source for Dump<'_, '_> {
    fn file<'b>(&'b self, path: &str) -> Result<Box<dyn Read + Send + 'b>> {
        let blobs = self.files.get(path).ok_or_else(|| {
            Error::new(Kind::Damaged, format!("the snapshot has no database/{path}"), "take another snapshot")
        })?;
        Ok(Box::new(Pieces { reader: self.reader, blobs, piece: Vec::new(), at: 0 }))
    }
}

struct Pieces<'b, 'a> {
    reader: &'b Reader<'a>,
    blobs: &'b [BlobId],
    piece: Vec<u8>,
    at: usize,
}

impl Read for Pieces<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        while self.at == self.piece.len() {
            let Some((next, rest)) = self.blobs.split_first() else {
                return Ok(0);
            };
            self.piece = self.reader.blob(next).map_err(std::io::Error::other)?;
            self.at = 0;
            self.blobs = rest;
        }
        let length = buffer.len().min(self.piece.len() - self.at);
        buffer[..length].copy_from_slice(&self.piece[self.at..self.at + length]);
        self.at += length;
        Ok(length)
    }
}

/// Returns the id of the folder with a name.
#[must_use]
pub fn folder(tree: &Tree, name: &str) -> Option<BlobId> {
    tree.node(name).filter(|node| node.kind == NodeKind::Dir).and_then(|node| node.subtree)
}

/// Writes a list of contents as the pool lists have it.
#[must_use]
pub fn write_list(listed: &[Listed]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(listed.len() * LINE);
    for listed in listed {
        bytes.extend_from_slice(&listed.hash);
        bytes.extend_from_slice(&listed.size.to_le_bytes());
    }
    bytes
}

/// Reads a list of contents; nothing: it is none.
#[must_use]
pub fn parse_list(bytes: &[u8]) -> Option<Vec<Listed>> {
    if !bytes.len().is_multiple_of(LINE) {
        return None;
    }
    bytes
        .chunks_exact(LINE)
        .map(|line| {
            let (hash, size) = line.split_first_chunk::<20>()?;
            Some(Listed { hash: *hash, size: u64::from_le_bytes(*size.first_chunk()?) })
        })
        .collect()
}

fn read(reader: &Reader<'_>, node: &Node) -> Result<Vec<u8>> {
    let mut all = Vec::new();
    for blob in &node.content {
        all.extend(reader.blob(blob)?);
    }
    Ok(all)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
