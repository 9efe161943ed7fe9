//! What is really stored: the index, held against one list of the packs.

use std::collections::{HashMap, HashSet};
use std::fmt;

use super::check::Problem;
use super::index::{Index, IndexFile, IndexPack};
use super::{BlobId, Repository, pack, unpacked};
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

/// What is stored.
#[derive(Debug)]
pub struct Stored {
    /// The blobs of packs that are there with their size, and no others.
    pub index: Index,
    /// The packs that aren't.
    pub broken: Vec<Broken>,
    /// Files of the index that can't be read; the packs that they listed are read at their ends.
    pub damaged: Vec<Problem>,
    /// Packs that no readable file of the index has.
    pub(super) unlisted: Vec<Entry>,
}

/// The files of the index.
#[derive(Default)]
struct Files {
    index: Index,
    /// The packs, with the bytes that each should have.
    packs: HashMap<BlobId, u64>,
    /// Packs that a prune has marked for deletion.
    marked: HashSet<BlobId>,
    damaged: Vec<Problem>,
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
    /// Reads the index and lists the packs once: a blob counts as stored when its pack is there with the size that the
    /// index gives it.
    ///
    /// # Errors
    /// The store fails; damage is no error.
    pub fn stored(&self) -> Result<Stored> {
        let mut files = self.index_files(&HashSet::new())?;
        // After the index: so a pack that a backup stores just now is never thought to be gone.
        let listed = self.store.list("data")?;
        let mut unlisted = Vec::new();
        let mut sizes = HashMap::new();
        for entry in listed {
            let Some(id) = entry.path.rsplit('/').next().and_then(|name| name.parse::<BlobId>().ok()) else { continue };
            sizes.insert(id, entry.size);
            if !files.packs.contains_key(&id) && !files.marked.contains(&id) {
                unlisted.push(entry);
            }
        }
        let mut broken: Vec<Broken> = files
            .packs
            .iter()
            .map(|(id, expected)| Broken { id: *id, expected: *expected, found: sizes.get(id).copied() })
            .filter(|pack| pack.found != Some(pack.expected))
            .collect();
        broken.sort_unstable_by_key(|pack| pack.id);
        if !broken.is_empty() {
            // Another pack may have a blob, too: of those that several have the index holds one.
            files = self.index_files(&broken.iter().map(|pack| pack.id).collect())?;
        }
        let Files { mut index, damaged, .. } = files;
        if !damaged.is_empty() {
            for pack in self.at_their_ends(&unlisted)? {
                index.add(pack.id, pack.blobs.into_iter().map(Into::into));
            }
        }
        Ok(Stored { index, broken, damaged, unlisted })
    }

    /// Reads which blob is where. What a prune has marked for deletion isn't in it, so it is written again.
    ///
    /// # Errors
    /// The store fails.
    pub fn index(&self) -> Result<Index> {
        let files = self.index_files(&HashSet::new())?;
        let Some(problem) = files.damaged.first() else { return Ok(files.index) };
        tracing::warn!("{}; the ends of the packs are read in its place", problem.what);
        Ok(self.stored()?.index)
    }

    /// Reads the lists that packs have at their ends; what has none is no pack.
    pub(super) fn at_their_ends(&self, packs: &[Entry]) -> Result<Vec<IndexPack>> {
        packs.iter().filter_map(|entry| self.at_its_end(entry).transpose()).collect()
    }

    fn at_its_end(&self, entry: &Entry) -> Result<Option<IndexPack>> {
        let Some(id) = entry.path.rsplit('/').next().and_then(|name| name.parse().ok()) else { return Ok(None) };
        let Some(end) = entry.size.checked_sub(4) else { return Ok(None) };
        let length = self.store.get_range(&entry.path, end..entry.size)?;
        let length = u64::from(u32::from_le_bytes(length[..].try_into().unwrap_or_default()));
        let Some(start) = end.checked_sub(length) else { return Ok(None) };
        let list = self.store.get_range(&entry.path, start..entry.size)?;
        let blobs = pack::list_of(&list, start, &self.sealer);
        let time = Some(jiff::Timestamp::now());
        Ok(blobs.map(|blobs| IndexPack { id, blobs: blobs.into_iter().map(Into::into).collect(), time }))
    }

    /// Reads all files of the index, but not what they say of some packs.
    fn index_files(&self, without: &HashSet<BlobId>) -> Result<Files> {
        let mut files = Files::default();
        for entry in self.store.list("index")? {
            let file: IndexFile = match unpacked::read(&self.store, &self.sealer, &entry.path) {
                Ok(file) => file,
                Err(error) if error.kind == Kind::Damaged => {
                    files.damaged.push(Problem { path: entry.path, what: error.to_string() });
                    continue;
                }
                Err(error) => return Err(error),
            };
            for pack in file.packs.into_iter().filter(|pack| !without.contains(&pack.id)) {
                if let std::collections::hash_map::Entry::Vacant(place) = files.packs.entry(pack.id) {
                    let blobs: Vec<_> = pack.blobs.into_iter().map(Into::into).collect();
                    place.insert(pack::size(&blobs));
                    files.index.add(pack.id, blobs);
                }
            }
            files.marked.extend(file.packs_to_delete.into_iter().map(|pack| pack.id));
        }
        Ok(files)
    }
}
