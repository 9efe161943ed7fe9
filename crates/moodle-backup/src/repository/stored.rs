//! What is really stored: the index, held against one list of the packs.

use std::collections::{BTreeSet, HashMap, HashSet, hash_map};
use std::fmt;

use super::check::Problem;
use super::ends::Blobs;
use super::index::{Index, IndexFile};
use super::pack::{self, Packed};
use super::{BlobId, Repository, unpacked};
use crate::error::{Kind, Result};
use crate::store::Entry;

/// A pack that the index has, and that isn't stored as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    pub(super) id: BlobId,
    /// How many bytes it should have.
    pub expected: u64,
    /// How many it has; nothing: it isn't there.
    pub found: Option<u64>,
}

/// For whom it is looked at what is stored.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    /// Who reads needs all that can be had: also what a pack that is cut short still has.
    Reading,
    /// What is stored in whole packs needn't be stored again.
    Writing,
    /// Other programs of the format know no packs but those of the index.
    Others,
}

/// What is stored.
#[derive(Debug)]
pub struct Stored {
    /// The blobs that are stored.
    pub index: Index,
    /// The packs that aren't.
    pub broken: Vec<Broken>,
    /// Files of the index that can't be read.
    pub damaged: Vec<Problem>,
    /// Packs that no readable file of the index has, by what is written at their ends.
    pub(super) unlisted: Vec<(BlobId, Blobs)>,
    /// The files of the index that can be read.
    pub(super) files: BTreeSet<BlobId>,
}

/// Which packs there are.
pub(super) struct Packs {
    pub(super) files: Files,
    /// What `data/` has.
    listed: Vec<Entry>,
    /// How many of that no readable file of the index has …
    pub(super) others: u64,
    /// … and those of them that are packs.
    unlisted: Vec<(BlobId, Blobs)>,
}

/// What the files of the index say beside where blobs are.
#[derive(Default)]
pub(super) struct Files {
    /// The packs, with the bytes that each should have.
    packs: HashMap<BlobId, u64>,
    /// Packs that a prune has marked for deletion.
    marked: HashSet<BlobId>,
    /// Files that can't be read.
    pub(super) damaged: Vec<Problem>,
    /// Those that can.
    pub(super) read: BTreeSet<BlobId>,
}

impl Broken {
    /// Its path below the store's root.
    #[must_use]
    pub fn path(&self) -> String {
        self.id.pack_path()
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.found {
            None => write!(formatter, "it isn't there"),
            Some(found) => write!(formatter, "it has {found} bytes and not {}", self.expected),
        }
    }
}

impl Stored {
    /// Returns what is wrong with packs and index.
    #[must_use]
    pub fn problems(&self) -> Vec<Problem> {
        let broken = self.broken.iter().map(|pack| Problem { path: pack.path(), what: pack.to_string() });
        self.damaged.iter().cloned().chain(broken).collect()
    }
}

impl Repository {
    /// Reads the index and lists the packs once: a blob counts as stored when its pack is there and long enough by what the
    /// index says, or when no file of the index has its pack, which then says itself what it has.
    ///
    /// # Errors
    /// The store fails; damage is no error.
    pub fn stored(&self) -> Result<Stored> {
        self.stored_for(Side::Reading)
    }

    /// As [`stored`](Self::stored), and of packs that haven't the size that the index gives them nothing counts.
    pub(super) fn stored_whole(&self) -> Result<Stored> {
        self.stored_for(Side::Writing)
    }

    /// As [`stored_whole`](Self::stored_whole), and of packs that no file of the index has nothing counts: so other programs
    /// of the format see it.
    pub(crate) fn listed(&self) -> Result<Stored> {
        self.stored_for(Side::Others)
    }

    fn stored_for(&self, side: Side) -> Result<Stored> {
        let mut index = Index::default();
        let packs = self.packs_for(side, &mut |pack, blobs| index.add(pack, blobs))?;
        let Packs { files, listed, unlisted, .. } = packs;
        let sizes: HashMap<BlobId, u64> = listed.iter().filter_map(|entry| Some((named(entry)?, entry.size))).collect();
        let mut broken: Vec<Broken> = files
            .packs
            .iter()
            .map(|(id, expected)| Broken { id: *id, expected: *expected, found: sizes.get(id).copied() })
            .filter(|pack| pack.found != Some(pack.expected))
            .collect();
        broken.sort_unstable_by_key(|pack| pack.id);
        if !broken.is_empty() {
            // Another pack may have a blob, too: of those that several have the index holds one.
            index = Index::default();
            let found: HashMap<BlobId, u64> = broken.iter().map(|pack| (pack.id, pack.found.unwrap_or(0))).collect();
            let mut cut = Vec::new();
            self.packs_for(side, &mut |pack, mut blobs| match found.get(&pack) {
                None => index.add(pack, blobs),
                Some(size) if side == Side::Reading => {
                    blobs.retain(|blob| u64::from(blob.offset) + u64::from(blob.length) <= *size);
                    cut.push((pack, blobs));
                }
                Some(_) => {}
            })?;
            for (pack, blobs) in cut {
                index.add(pack, blobs);
            }
        }
        Ok(Stored { index, broken, damaged: files.damaged, unlisted, files: files.read })
    }

    /// Reads which blob is where. What a prune has marked for deletion isn't in it, so it is written again.
    ///
    /// # Errors
    /// The store fails.
    pub fn index(&self) -> Result<Index> {
        let Stored { index, damaged, .. } = self.stored()?;
        if let Some(problem) = damaged.first() {
            tracing::warn!("{}; the ends of the packs are read in its place", problem.what);
        }
        Ok(index)
    }

    /// Hands over each pack once with its blobs: those of the index, and those that no file of it has, by what is written
    /// at their ends.
    pub(super) fn packs(&self, take: &mut dyn FnMut(BlobId, Vec<Packed>)) -> Result<Packs> {
        self.packs_for(Side::Reading, take)
    }

    fn packs_for(&self, side: Side, take: &mut dyn FnMut(BlobId, Vec<Packed>)) -> Result<Packs> {
        let files = self.index_files(take)?;
        // After the index: so a pack that a backup stores just now is never thought to be gone.
        let listed = self.store.list("data")?;
        let others = files.unlisted(&listed);
        let unlisted = if side == Side::Others { Vec::new() } else { self.at_their_ends(&others)? };
        for (pack, blobs) in &unlisted {
            take(*pack, blobs.to_vec());
        }
        Ok(Packs { files, listed, others: others.len() as u64, unlisted })
    }

    /// Reads all files of the index; hands over each pack once with its blobs.
    pub(super) fn index_files(&self, take: &mut dyn FnMut(BlobId, Vec<Packed>)) -> Result<Files> {
        let mut files = Files::default();
        for entry in self.store.list("index")? {
            let file: IndexFile = match unpacked::read(&self.store, &self.sealer, &entry.path) {
                Ok(file) => file,
                Err(error) if error.kind == Kind::Damaged => {
                    // A run that ends just now removes those that nothing needs any more.
                    if self.store.list("index")?.iter().all(|other| other.path != entry.path) {
                        continue;
                    }
                    files.damaged.push(Problem { path: entry.path, what: error.what });
                    continue;
                }
                Err(error) => return Err(error),
            };
            files.read.extend(named(&entry));
            for pack in file.packs {
                if let hash_map::Entry::Vacant(place) = files.packs.entry(pack.id) {
                    let blobs: Vec<_> = pack.blobs.into_iter().map(Into::into).collect();
                    place.insert(pack::size(&blobs));
                    take(pack.id, blobs);
                }
            }
            files.marked.extend(file.packs_to_delete.into_iter().map(|pack| pack.id));
        }
        Ok(files)
    }
}

impl Files {
    /// Counts the packs that are marked for deletion and no longer named otherwise.
    pub(super) fn marked(&self) -> u64 {
        self.marked.iter().filter(|id| !self.packs.contains_key(id)).count() as u64
    }

    /// Returns those packs that no file has.
    fn unlisted(&self, listed: &[Entry]) -> Vec<Entry> {
        let is =
            |entry: &&Entry| named(entry).is_some_and(|id| !self.packs.contains_key(&id) && !self.marked.contains(&id));
        listed.iter().filter(is).cloned().collect()
    }
}

/// Returns the id that a file is named by; nothing: its name is none.
pub(super) fn named(entry: &Entry) -> Option<BlobId> {
    entry.path.rsplit('/').next()?.parse().ok()
}
