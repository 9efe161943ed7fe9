//! The index as a run needs it that writes: it names every pack that is stored, and none that isn't.
//!
//! A run that was killed leaves whole packs that no file of the index has, and packs may come back that were taken out:
//! they are listed, so that what they have isn't sent again. What packs had that are gone or not whole counts as not
//! stored, so whoever still has it stores it again. They may only be away for a moment, so the files of the index that
//! name them go last, when there is a new snapshot: [`Repository::forget`]. A pack that is there and not whole keeps its
//! place in the index until [`Repository::salvage`]: nothing else says where in it a blob is that is sound.

use std::collections::{BTreeSet, HashSet};

use super::ends::Blobs;
use super::index::{FULL, Index, IndexFile, IndexPack};
use super::stored::{Broken, Stored, named};
use super::{BlobId, Repository, unpacked};
use crate::error::{Error, Kind, Result};

/// The index for a run that writes.
#[derive(Debug)]
pub struct Writable {
    /// What is stored.
    pub index: Index,
    /// The files that have all of it, and name no pack that is lost.
    pub files: BTreeSet<BlobId>,
    /// Packs that aren't stored as the index says.
    pub lost: Vec<Broken>,
    /// Files of the index that nothing is lost without: they name packs that aren't there, or can't be read.
    pub(super) stale: Vec<String>,
}

impl Repository {
    /// Reads the index, and lists what it lacks. What a killed run left half-written is removed. For those who hold the
    /// lock for writing.
    ///
    /// # Errors
    /// The store fails, or has none of its packs.
    pub fn index_for_writing(&self) -> Result<Writable> {
        let stored = self.stored_whole()?;
        self.assert_not_bare(&stored)?;
        let Stored { index, broken: lost, damaged, unlisted, mut files } = stored;
        ["data", "index", "snapshots"].into_iter().try_for_each(|folder| self.store.sweep(folder))?;
        if !unlisted.is_empty() {
            tracing::info!(packs = unlisted.len(), "packs that no file of the index has are listed");
            self.list(unlisted, &mut files)?;
        }
        let mut stale: Vec<String> = damaged.into_iter().map(|problem| problem.path).collect();
        let (cut, gone): (Vec<_>, Vec<_>) = lost.iter().partition(|pack| pack.found.is_some());
        let [cut, gone] = [cut, gone].map(|packs| packs.into_iter().map(|pack| pack.id).collect());
        stale.extend(self.superseded(&gone, &cut, &mut files)?);
        Ok(Writable { index, files, lost, stale })
    }

    /// Lists packs that no file of the index has.
    fn list(&self, packs: Vec<(BlobId, Blobs)>, files: &mut BTreeSet<BlobId>) -> Result<()> {
        let (mut file, mut blobs, mut rest) = (IndexFile::default(), 0, packs.len());
        for (id, packed) in packs {
            blobs += packed.len();
            rest -= 1;
            let packed = packed.iter().copied().map(Into::into).collect();
            file.packs.push(IndexPack { id, blobs: packed, time: Some(jiff::Timestamp::now()) });
            if blobs >= FULL || rest == 0 {
                files.insert(unpacked::write(&self.store, &self.sealer, "index", &std::mem::take(&mut file))?);
                blobs = 0;
            }
        }
        Ok(())
    }

    /// Asserts that not all packs are away, as where a volume isn't mounted.
    ///
    /// # Errors
    /// The index names packs, and none is there.
    pub(crate) fn assert_not_bare(&self, stored: &Stored) -> Result<()> {
        let Stored { index, broken, .. } = stored;
        if broken.is_empty() || index.packs().next().is_some() || broken.iter().any(|pack| pack.found.is_some()) {
            return Ok(());
        }
        let (packs, location) = (broken.len(), self.store.location());
        let what = format!("none of the {packs} packs that the index of {location} names is in its data/");
        let fix = "if they are only away (a volume that isn't mounted, a copy that isn't complete), bring them back; if \
                   they are lost, make another repository in an empty place";
        Err(Error::new(Kind::Store, what, fix))
    }

    /// Lists anew what those files of the index have beside `gone` and `cut` packs that name some: `files` has the new
    /// ones in their place. Returns those that nothing needs any more, for they name none that is only cut.
    pub(super) fn superseded(
        &self,
        gone: &HashSet<BlobId>,
        cut: &HashSet<BlobId>,
        files: &mut BTreeSet<BlobId>,
    ) -> Result<Vec<String>> {
        if gone.is_empty() && cut.is_empty() {
            return Ok(Vec::new());
        }
        let lost = |pack: &IndexPack| gone.contains(&pack.id) || cut.contains(&pack.id);
        let read = |id: &BlobId| unpacked::read::<IndexFile>(&self.store, &self.sealer, &format!("index/{id}"));
        let (mut naming, mut listed, mut marked) = (Vec::new(), HashSet::new(), HashSet::new());
        for id in files.clone() {
            let file = read(&id)?;
            if file.packs.iter().any(lost) {
                files.remove(&id);
                naming.push(id);
            } else {
                listed.extend(file.packs.iter().map(|pack| pack.id));
                marked.extend(file.packs_to_delete.iter().map(|pack| pack.id));
            }
        }
        let mut stale = Vec::new();
        for id in naming {
            let mut file = read(&id)?;
            if !file.packs.iter().any(|pack| cut.contains(&pack.id)) {
                stale.push(format!("index/{id}"));
            }
            file.packs.retain(|pack| !lost(pack) && listed.insert(pack.id));
            file.packs_to_delete.retain(|pack| marked.insert(pack.id));
            if !(file.packs.is_empty() && file.packs_to_delete.is_empty()) {
                files.insert(unpacked::write(&self.store, &self.sealer, "index", &file)?);
            }
        }
        Ok(stale)
    }

    /// Removes the files of the index that name packs that aren't there, or can't be read.
    ///
    /// # Errors
    /// The store fails.
    pub fn forget(&self, writable: &Writable) -> Result<()> {
        writable.stale.iter().try_for_each(|path| self.store.delete(path))
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
