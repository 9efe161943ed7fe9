//! Packs of which a part can't be read: what can is written into packs of its own, and they go.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde::Serialize;

use super::index::Index;
use super::pack::Packed;
use super::reader::opened;
use super::{BlobId, Repository};
use crate::error::{Kind, Result};

/// What was saved of damaged packs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Salvaged {
    /// The packs, which are gone now.
    pub packs: u64,
    /// Blobs of them that are in packs of their own now.
    pub blobs: u64,
    /// Blobs that are lost, unless the site still has what was in them.
    pub lost: u64,
}

impl Repository {
    /// Writes what can be read of damaged packs anew, and removes them. For those who hold the lock of a prune.
    ///
    /// # Errors
    /// The store fails: what isn't written anew yet is still there.
    pub fn salvage(&self, damaged: &BTreeSet<BlobId>) -> Result<Salvaged> {
        let mut writable = self.index_for_writing()?;
        let (mut index, mut packs) = (Index::default(), BTreeMap::new());
        let mut files = self.index_files(&mut |pack, blobs: Vec<Packed>| {
            if damaged.contains(&pack) {
                packs.insert(pack, blobs);
            } else {
                index.add(pack, blobs);
            }
        })?;
        let writer = self.writer(index);
        let mut salvaged = Salvaged::default();
        for (pack, blobs) in &packs {
            let mut bytes = match self.store.get(&pack.pack_path()) {
                Ok(bytes) => bytes.to_vec(),
                Err(error) if error.kind == Kind::Damaged => Vec::new(),
                Err(error) => return Err(error),
            };
            let mut out = Vec::new();
            for blob in blobs {
                let start = blob.offset as usize;
                let sealed = bytes.get_mut(start..start + blob.length as usize);
                let good = sealed
                    .and_then(|sealed| opened(&self.sealer, sealed, blob, &mut out))
                    .is_some_and(|()| blob.id == BlobId::of(&out));
                if good {
                    writer.again(blob, &out)?;
                    salvaged.blobs += 1;
                } else {
                    salvaged.lost += 1;
                }
            }
        }
        writer.finish()?;
        writable.stale.extend(self.superseded(&packs.keys().copied().collect(), &HashSet::new(), &mut files.read)?);
        // Before the index: a damaged pack that no file of that has would be listed again, as if it were whole.
        for pack in packs.keys() {
            self.store.delete(&pack.pack_path())?;
            salvaged.packs += 1;
        }
        self.forget(&writable)?;
        Ok(salvaged)
    }
}
