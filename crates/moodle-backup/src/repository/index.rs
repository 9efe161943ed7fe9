//! Which blob is where: the index in memory, about 50 bytes a blob, and its files.
//!
//! Source: <https://github.com/restic/restic/blob/master/doc/design.rst#indexing>.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::BlobId;
use super::pack::Packed;

/// Where a blob is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Located {
    pub(super) blob: Packed,
    /// The number of its pack in [`Index::packs`].
    pub(super) pack: u32,
}

/// All blobs of a repository.
#[derive(Clone, Default)]
pub struct Index {
    packs: Vec<BlobId>,
    /// Sorted by id.
    blobs: Vec<Located>,
}

impl std::fmt::Debug for Index {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Index({} blobs in {} packs)", self.blobs.len(), self.packs.len())
    }
}

impl Index {
    /// Tells whether a blob is stored.
    #[must_use]
    pub fn contains(&self, id: &BlobId) -> bool {
        self.located(id).is_some()
    }

    /// Returns a blob's length in bytes before compression and encryption; nothing: it isn't stored.
    #[must_use]
    pub fn length(&self, id: &BlobId) -> Option<u32> {
        self.located(id).map(|found| found.blob.plain())
    }

    pub(super) fn located(&self, id: &BlobId) -> Option<&Located> {
        self.blobs.binary_search_by(|blob| blob.blob.id.cmp(id)).ok().map(|place| &self.blobs[place])
    }

    pub(super) fn pack(&self, number: u32) -> &BlobId {
        &self.packs[number as usize]
    }

    /// Returns the packs with the blobs that the index has in them, in the order of their places.
    pub(super) fn by_pack(&self) -> HashMap<BlobId, Vec<Packed>> {
        let mut found: HashMap<BlobId, Vec<Packed>> = self.packs.iter().map(|id| (*id, Vec::new())).collect();
        for located in &self.blobs {
            if let Some(blobs) = found.get_mut(self.pack(located.pack)) {
                blobs.push(located.blob);
            }
        }
        for blobs in found.values_mut() {
            blobs.sort_by_key(|blob| blob.offset);
        }
        found
    }

    /// Adds packs; [`sorted`](Self::sorted) has to come before anything is looked up.
    pub(super) fn add(&mut self, id: BlobId, blobs: impl IntoIterator<Item = Packed>) {
        let pack = u32::try_from(self.packs.len()).unwrap_or(u32::MAX);
        self.packs.push(id);
        self.blobs.extend(blobs.into_iter().map(|blob| Located { blob, pack }));
    }

    pub(super) fn sorted(mut self) -> Self {
        self.blobs.sort_unstable_by_key(|located| (located.blob.id, located.pack));
        self
    }
}

/// A file of the index, as restic reads it.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct IndexFile {
    pub(super) packs: Vec<IndexPack>,
    /// Packs that a prune of rustic marked, which restic knows nothing of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) packs_to_delete: Vec<IndexPack>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct IndexPack {
    pub(super) id: BlobId,
    pub(super) blobs: Vec<IndexBlob>,
    /// When it was written, or marked: rustic's own, which restic knows nothing of. So a prune sees how young it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) time: Option<jiff::Timestamp>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct IndexBlob {
    id: BlobId,
    #[serde(rename = "type")]
    kind: BlobKind,
    offset: u32,
    length: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    uncompressed_length: Option<u32>,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum BlobKind {
    Data,
    Tree,
}

impl From<Packed> for IndexBlob {
    fn from(blob: Packed) -> Self {
        Self {
            id: blob.id,
            kind: if blob.tree { BlobKind::Tree } else { BlobKind::Data },
            offset: blob.offset,
            length: blob.length,
            uncompressed_length: (blob.raw != 0).then_some(blob.raw),
        }
    }
}

impl From<IndexBlob> for Packed {
    fn from(blob: IndexBlob) -> Self {
        Self {
            id: blob.id,
            tree: blob.kind == BlobKind::Tree,
            offset: blob.offset,
            length: blob.length,
            raw: blob.uncompressed_length.unwrap_or(0),
        }
    }
}
