//! Packs that a killed run left without an index: listed, so that what they have isn't sent again.

use std::collections::HashSet;

use super::index::{Index, IndexFile, IndexPack};
use super::{BlobId, Repository, pack, unpacked};
use crate::error::{Error, Kind, Result};
use crate::store::Entry;

impl Repository {
    /// Reads the index as [`index`](Self::index) does, and adds packs that no file of it lists: a run that was killed
    /// left them, whole, before it wrote the index. What it left half-written is removed. For those who hold the lock for writing.
    ///
    /// # Errors
    /// A file of the index is damaged, or the store fails.
    pub fn index_with_leftovers(&self) -> Result<Index> {
        ["data", "index", "snapshots"].into_iter().try_for_each(|folder| self.store.sweep(folder))?;
        let (index, mut listed) = self.read_index()?;
        let mut file = IndexFile::default();
        let mut named = listed.clone();
        for entry in self.store.list("data")? {
            let Some(id) = entry.path.rsplit('/').next().and_then(|name| name.parse::<BlobId>().ok()) else { continue };
            named.remove(&id);
            if listed.insert(id)
                && let Some(pack) = self.leftover(id, &entry)?
            {
                file.packs.push(pack);
            }
        }
        if let Some(lost) = named.iter().next() {
            let what =
                format!("{} packs of {} are gone, {} among them", named.len(), self.store.location(), lost.pack_path());
            return Err(Error::new(
                Kind::Damaged,
                what,
                "bring them back; or `restic repair index` (before 0.16: rebuild-index), and back up again with --full",
            ));
        }
        if file.packs.is_empty() {
            return Ok(index);
        }
        tracing::info!(packs = file.packs.len(), "going on where a run was killed");
        unpacked::write(&self.store, &self.sealer, "index", &file)?;
        self.index()
    }

    /// Reads the list at the end of a pack; nothing: it has none, so it is no pack.
    fn leftover(&self, id: BlobId, entry: &Entry) -> Result<Option<IndexPack>> {
        let Some(end) = entry.size.checked_sub(4) else { return Ok(None) };
        let length = self.store.get_range(&entry.path, end..entry.size)?;
        let length = u64::from(u32::from_le_bytes(length[..].try_into().unwrap_or_default()));
        let Some(start) = end.checked_sub(length) else { return Ok(None) };
        let list = self.store.get_range(&entry.path, start..entry.size)?;
        let blobs = pack::list_of(&list, start, &self.sealer);
        let time = Some(jiff::Timestamp::now());
        Ok(blobs.map(|blobs| IndexPack { id, blobs: blobs.into_iter().map(Into::into).collect(), time }))
    }

    /// Returns the index, and all packs that it names, those among them that are marked for deletion.
    pub(super) fn read_index(&self) -> Result<(Index, HashSet<BlobId>)> {
        let (mut index, mut marked) = (Index::default(), Vec::new());
        let mut seen = HashSet::new();
        for entry in self.store.list("index")? {
            let file: IndexFile = unpacked::read(&self.store, &self.sealer, &entry.path)?;
            for pack in file.packs {
                if seen.insert(pack.id) {
                    index.add(pack.id, pack.blobs.into_iter().map(Into::into));
                }
            }
            marked.extend(file.packs_to_delete.into_iter().map(|pack| pack.id));
        }
        seen.extend(marked);
        Ok((index, seen))
    }
}
