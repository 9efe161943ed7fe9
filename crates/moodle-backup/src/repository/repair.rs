//! The index as a run needs it that writes: it names every pack that is stored, and none that isn't.
//!
//! A run that was killed leaves whole packs that no file of the index has: they are listed, so that what they have isn't
//! sent again. Packs that are gone or not whole are taken out: so what they had counts as not stored, for this program
//! and for restic, and whoever still has it stores it again.

use std::collections::{BTreeSet, HashSet};

use super::index::{Index, IndexFile};
use super::stored::{Broken, Stored, named};
use super::{BlobId, Repository, unpacked};
use crate::error::{Error, Kind, Result};

/// The index for a run that writes.
#[derive(Debug)]
pub struct Writable {
    /// What is stored.
    pub index: Index,
    /// The files that it is read from.
    pub files: BTreeSet<BlobId>,
    /// Packs that it no longer names.
    pub lost: Vec<Broken>,
}

impl Repository {
    /// Reads the index, and makes it as it should be. What a killed run left half-written is removed. For those who hold
    /// the lock for writing.
    ///
    /// # Errors
    /// The store fails.
    pub fn index_for_writing(&self) -> Result<Writable> {
        ["data", "index", "snapshots"].into_iter().try_for_each(|folder| self.store.sweep(folder))?;
        let Stored { mut index, broken: lost, damaged, unlisted, mut files } = self.stored()?;
        let found = IndexFile { packs: self.at_their_ends(&unlisted)?, packs_to_delete: Vec::new() };
        if !found.packs.is_empty() {
            tracing::info!(packs = found.packs.len(), "packs that no file of the index has are listed");
            files.insert(unpacked::write(&self.store, &self.sealer, "index", &found)?);
            for pack in found.packs {
                index.add(pack.id, pack.blobs.into_iter().map(Into::into));
            }
        }
        // The packs that these had are listed by now.
        for problem in &damaged {
            self.store.delete(&problem.path)?;
        }
        if !lost.is_empty() {
            self.take_out(&lost.iter().map(|pack| pack.id).collect(), &mut files)?;
        }
        Ok(Writable { index, files, lost })
    }

    /// Writes files of the index anew that name packs which aren't there: first the new one, then the old one goes.
    pub(super) fn take_out(&self, lost: &HashSet<BlobId>, files: &mut BTreeSet<BlobId>) -> Result<()> {
        for id in files.clone() {
            let path = format!("index/{id}");
            let mut file: IndexFile = unpacked::read(&self.store, &self.sealer, &path)?;
            let before = file.packs.len();
            file.packs.retain(|pack| !lost.contains(&pack.id));
            if file.packs.len() == before {
                continue;
            }
            if !(file.packs.is_empty() && file.packs_to_delete.is_empty()) {
                files.insert(unpacked::write(&self.store, &self.sealer, "index", &file)?);
            }
            self.store.delete(&path)?;
            files.remove(&id);
        }
        Ok(())
    }

    /// Asserts that each pack of an index is stored with its size, and that these files of the index are: the last thing
    /// to do before a snapshot is written that needs them.
    ///
    /// # Errors
    /// One isn't, or the store fails.
    pub fn assert_stored(&self, index: &Index, files: &BTreeSet<BlobId>) -> Result<()> {
        let ids = |folder: &str| -> Result<HashSet<(BlobId, u64)>> {
            let listed = self.store.list(folder)?;
            Ok(listed.iter().filter_map(|entry| Some((named(entry)?, entry.size))).collect())
        };
        let packs = ids("data")?;
        let lost = index.packs().filter(|pack| !packs.contains(pack)).map(|(id, _)| id.pack_path());
        let listed: BTreeSet<BlobId> = ids("index")?.into_iter().map(|(id, _)| id).collect();
        let lost: Vec<String> = lost.chain(files.difference(&listed).map(|id| format!("index/{id}"))).collect();
        let Some(first) = lost.first() else { return Ok(()) };
        let what = format!(
            "{} files of {} were lost while the backup was made, {first} among them: no snapshot is written",
            lost.len(),
            self.store.location()
        );
        Err(Error::new(Kind::Damaged, what, "find out who deletes there, and run the same command again: it goes on"))
    }
}
