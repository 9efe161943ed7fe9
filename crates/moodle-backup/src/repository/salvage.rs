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
    /// The packs, which the index has no more.
    pub packs: u64,
    /// Blobs of them, of those that no sound pack has, that are in packs of their own now.
    pub blobs: u64,
    /// Blobs that are lost: no pack has them, unless the site still has what was in them.
    pub lost: u64,
}

impl Repository {
    /// Writes what can be read of damaged packs anew, and removes them. For those who hold the lock of a prune.
    ///
    /// # Errors
    /// The store fails: what isn't written anew yet is still there.
    pub fn salvage(&self, damaged: &BTreeSet<BlobId>) -> Result<Salvaged> {
        let mut writable = self.index_for_writing()?;
        let lost: HashSet<BlobId> = writable.lost.iter().map(|pack| pack.id).collect();
        let (mut index, mut packs) = (Index::default(), BTreeMap::new());
        let mut files = self.index_files(&mut |pack, blobs: Vec<Packed>| {
            if damaged.contains(&pack) {
                packs.insert(pack, blobs);
            } else if !lost.contains(&pack) {
                index.add(pack, blobs);
            }
        })?;
        let is_elsewhere =
            |blob: &&Packed| if blob.tree { index.contains_tree(&blob.id) } else { index.contains(&blob.id) };
        let elsewhere = packs.values().flatten().filter(is_elsewhere);
        let mut saved: BTreeSet<_> = elsewhere.map(|blob| (blob.id, blob.tree)).collect();
        let (known, mut named) = (saved.len(), saved.clone());
        let writer = self.writer(index);
        let mut unread = BTreeSet::new();
        for (pack, blobs) in &packs {
            let bytes = match self.store.get(&pack.pack_path()) {
                Ok(bytes) => bytes,
                Err(error) if error.kind == Kind::Damaged => {
                    unread.insert(*pack);
                    Bytes::new()
                }
                Err(error) => return Err(error),
            };
            let mut out = Vec::new();
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
                named.insert(name);
                if good {
                    writer.again(blob, &out)?;
                    saved.insert(name);
                }
            }
        }
        writer.finish()?;
        writable.stale.extend(self.superseded(&packs.keys().copied().collect(), &HashSet::new(), &mut files.read)?);
        // Before the index: a damaged pack that no file of that has would be listed again, as if it were whole.
        // One that couldn't be read may only be away: if it comes back, the next backup lists it.
        for pack in packs.keys().filter(|pack| !unread.contains(pack)) {
            self.store.delete(&pack.pack_path())?;
        }
        self.forget(&writable)?;
        let (blobs, lost) = ((saved.len() - known) as u64, (named.len() - saved.len()) as u64);
        Ok(Salvaged { packs: packs.len() as u64, blobs, lost })
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

    fn repository() -> (tempfile::TempDir, Repository) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().to_str().unwrap()).unwrap();
        let repository = Repository::init(store, &NewKey::Passphrase("correct horse".into())).unwrap();
        (folder, repository)
    }

    #[test]
    fn what_the_list_at_a_packs_end_has_and_the_index_has_not_is_saved_too() {
        let (_folder, repository) = repository();
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

    #[test]
    fn what_another_pack_has_is_not_lost() {
        let (_folder, repository) = repository();
        let write = |contents: &[&[u8]]| {
            let writer = repository.writer(Index::default());
            let ids: Vec<BlobId> = contents.iter().map(|content| writer.data(content, false).unwrap()).collect();
            writer.finish().unwrap();
            ids
        };
        let ids = write(&[b"one", b"two"]);
        let pack = repository.store().list("data").unwrap().remove(0);
        write(&[b"one"]);
        repository.store().put(&pack.path, Bytes::from(vec![0; usize::try_from(pack.size).unwrap()])).unwrap();
        let salvaged = repository.salvage(&BTreeSet::from([named(&pack).unwrap()])).unwrap();
        assert_eq!(salvaged, Salvaged { packs: 1, blobs: 0, lost: 1 });
        let index = repository.index().unwrap();
        assert!(index.contains(&ids[0]) && !index.contains(&ids[1]));
    }

    #[test]
    fn a_pack_that_was_only_away_is_not_removed() {
        let (folder, repository) = repository();
        for content in [b"one", b"two"] {
            let writer = repository.writer(Index::default());
            writer.data(content, false).unwrap();
            writer.finish().unwrap();
        }
        let pack = repository.store().list("data").unwrap().remove(0);
        let (there, away) = (folder.path().join(&pack.path), folder.path().join("away"));
        std::fs::rename(&there, &away).unwrap();
        let salvaged = repository.salvage(&BTreeSet::from([named(&pack).unwrap()])).unwrap();
        assert_eq!(salvaged, Salvaged { packs: 1, blobs: 0, lost: 1 });
        std::fs::rename(&away, &there).unwrap();
        assert_eq!(repository.stored().unwrap().problems(), []);
        assert!([b"one", b"two"].iter().all(|content| repository.index().unwrap().contains(&BlobId::of(*content))));
    }
}
