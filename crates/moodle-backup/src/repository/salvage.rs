//! Packs of which a part can't be read: what can is written into packs of its own, and they go.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use bytes::Bytes;
use serde::Serialize;

use super::index::Index;
use super::pack::{self, Packed};
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
            let bytes = match self.store.get(&pack.pack_path()) {
                Ok(bytes) => bytes,
                Err(error) if error.kind == Kind::Damaged => Bytes::new(),
                Err(error) => return Err(error),
            };
            let (mut out, mut saved, mut lost) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
            // The list at its end may know what the index doesn't, or has wrong.
            for blob in blobs.iter().chain(&pack::list(&bytes, &self.sealer).unwrap_or_default()) {
                let (start, name) = (blob.offset as usize, (blob.id, blob.tree));
                if saved.contains(&name) {
                    continue;
                }
                let good = bytes
                    .get(start..start + blob.length as usize)
                    .and_then(|sealed| opened(&self.sealer, &mut sealed.to_vec(), blob, &mut out))
                    .is_some_and(|()| blob.id == BlobId::of(&out));
                if good {
                    writer.again(blob, &out)?;
                    saved.insert(name);
                } else {
                    lost.insert(name);
                }
            }
            salvaged.blobs += saved.len() as u64;
            salvaged.lost += lost.difference(&saved).count() as u64;
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

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

    use std::collections::BTreeSet;

    use super::super::index::IndexFile;
    use super::super::stored::named;
    use super::super::{NewKey, unpacked};
    use super::*;
    use crate::store::Store;

    #[test]
    fn what_the_list_at_a_packs_end_has_and_the_index_has_not_is_saved_too() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().to_str().unwrap()).unwrap();
        let repository = Repository::init(store, &NewKey::Passphrase("correct horse".into())).unwrap();
        let writer = repository.writer(Index::default());
        let [one, two] = [b"one", b"two"].map(|content| writer.data(content, false).unwrap());
        writer.finish().unwrap();
        let listed = repository.store().list("index").unwrap().remove(0);
        let mut file: IndexFile = unpacked::read(&repository.store, &repository.sealer, &listed.path).unwrap();
        file.packs[0].blobs.truncate(1);
        unpacked::write(&repository.store, &repository.sealer, "index", &file).unwrap();
        repository.store().delete(&listed.path).unwrap();

        let pack = named(&repository.store().list("data").unwrap()[0]).unwrap();
        let salvaged = repository.salvage(&BTreeSet::from([pack])).unwrap();
        assert_eq!(salvaged, Salvaged { packs: 1, blobs: 2, lost: 0 });
        let index = repository.index().unwrap();
        assert!(index.contains(&one) && index.contains(&two));
    }
}
