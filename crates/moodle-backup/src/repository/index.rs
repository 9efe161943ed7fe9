//! Which blob is where: the index in memory, about 50 bytes a blob, and its files.
//!
//! Source: <https://github.com/restic/restic/blob/master/doc/design.rst#indexing>.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::BlobId;
use super::pack::{self, Packed};
use super::tree::{Node, NodeKind};

const SHARDS: usize = 4096;
const TREE: u32 = 1 << 31;
/// The number of a pack that isn't chosen yet.
const UNDECIDED: u32 = TREE - 1;

/// Where a blob is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Located {
    pub(super) blob: Packed,
    /// The number of its pack in [`Index::packs`].
    pub(super) pack: u32,
}

/// All blobs of a repository. A clone shares what neither changes.
#[derive(Clone)]
pub struct Index {
    /// With their sizes.
    packs: Arc<Vec<(BlobId, u64)>>,
    /// By the first twelve bits of the id, each sorted by id and kind: small enough that a new one is put in its place.
    shards: Vec<Arc<Vec<Entry>>>,
}

#[derive(Clone, Copy)]
struct Entry {
    id: BlobId,
    /// The number of the pack, and [`TREE`].
    pack: u32,
    offset: u32,
    length: u32,
    raw: u32,
}

impl Default for Index {
    fn default() -> Self {
        Self { packs: Arc::default(), shards: vec![Arc::default(); SHARDS] }
    }
}

impl std::fmt::Debug for Index {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let blobs: usize = self.shards.iter().map(|shard| shard.len()).sum();
        write!(formatter, "Index({blobs} blobs in {} packs)", self.packs.len())
    }
}

impl Index {
    /// Tells whether a content is stored.
    #[must_use]
    pub fn contains(&self, id: &BlobId) -> bool {
        self.of_kind(id, false).is_some()
    }

    /// Tells whether a folder is stored: a content with the same bytes is none, for restic it is another blob.
    #[must_use]
    pub fn contains_tree(&self, id: &BlobId) -> bool {
        self.of_kind(id, true).is_some()
    }

    /// Returns a content's length in bytes before compression and encryption; nothing: it isn't stored.
    #[must_use]
    pub fn length(&self, id: &BlobId) -> Option<u32> {
        self.of_kind(id, false).map(|found| found.blob.plain())
    }

    /// Tells whether all of a file's content is stored.
    #[must_use]
    pub fn has(&self, node: &Node) -> bool {
        let lengths = node.content.iter().map(|blob| self.length(blob).map(u64::from));
        lengths.sum::<Option<u64>>().is_some_and(|length| node.kind != NodeKind::File || length == node.size)
    }

    /// Returns where the bytes of this name are, of whatever kind.
    pub(super) fn located(&self, id: &BlobId) -> Option<Located> {
        self.of_kind(id, false).or_else(|| self.of_kind(id, true))
    }

    fn of_kind(&self, id: &BlobId, tree: bool) -> Option<Located> {
        let shard = &self.shards[shard(id)];
        let entry = &shard[find(shard, id, tree).ok()?];
        let pack = entry.pack & !TREE;
        (pack != UNDECIDED).then(|| Located { blob: entry.packed(), pack })
    }

    pub(super) fn pack(&self, number: u32) -> &BlobId {
        &self.packs[number as usize].0
    }

    /// Returns the packs with their sizes.
    pub(super) fn packs(&self) -> impl Iterator<Item = (BlobId, u64)> {
        self.packs.iter().copied()
    }

    /// Adds a pack. Of a blob that several have, the first is taken.
    pub(super) fn add(&mut self, id: BlobId, blobs: impl IntoIterator<Item = Packed>) {
        let pack = self.new_pack();
        let blobs: Vec<Packed> = blobs.into_iter().collect();
        self.name(pack, id, pack::size(&blobs));
        for blob in blobs {
            if self.claim(&blob.id, blob.tree) {
                self.place(pack, &blob);
            }
        }
    }

    /// Counts a pack in, whose id and size follow with [`name`](Self::name).
    pub(super) fn new_pack(&mut self) -> u32 {
        let packs = Arc::make_mut(&mut self.packs);
        packs.push((BlobId::default(), 0));
        u32::try_from(packs.len() - 1).unwrap_or(UNDECIDED)
    }

    pub(super) fn name(&mut self, pack: u32, id: BlobId, size: u64) {
        if let Some(place) = Arc::make_mut(&mut self.packs).get_mut(pack as usize) {
            *place = (id, size);
        }
    }

    /// Notes that a blob gets stored; false: it is, or someone else stores it.
    pub(super) fn claim(&mut self, id: &BlobId, tree: bool) -> bool {
        let shard = &mut self.shards[shard(id)];
        let Err(position) = find(shard, id, tree) else { return false };
        let shard = Arc::make_mut(shard);
        if shard.len() == shard.capacity() {
            // A vector would double, and half of it would stay empty.
            shard.reserve_exact(4.max(shard.len() / 8));
        }
        shard.insert(position, Entry { id: *id, pack: of_kind(UNDECIDED, tree), offset: 0, length: 0, raw: 0 });
        true
    }

    /// Says where a blob is that was claimed.
    pub(super) fn place(&mut self, pack: u32, blob: &Packed) {
        let shard = Arc::make_mut(&mut self.shards[shard(&blob.id)]);
        if let Ok(position) = find(shard, &blob.id, blob.tree) {
            let pack = of_kind(pack, blob.tree);
            shard[position] = Entry { id: blob.id, pack, offset: blob.offset, length: blob.length, raw: blob.raw };
        }
    }
}

impl Entry {
    const fn is_tree(&self) -> bool {
        self.pack & TREE != 0
    }

    const fn packed(&self) -> Packed {
        Packed { id: self.id, tree: self.is_tree(), offset: self.offset, length: self.length, raw: self.raw }
    }
}

fn shard(id: &BlobId) -> usize {
    usize::from(id.0[0]) << 4 | usize::from(id.0[1] >> 4)
}

fn of_kind(pack: u32, tree: bool) -> u32 {
    if tree { pack | TREE } else { pack }
}

fn find(shard: &[Entry], id: &BlobId, tree: bool) -> Result<usize, usize> {
    shard.binary_search_by(|entry| entry.id.cmp(id).then_with(|| entry.is_tree().cmp(&tree)))
}

/// A file of the index gets no more packs when it has so many blobs: restic's own measure, for whoever reads it holds all
/// of it in memory.
pub(super) const FULL: usize = 50_000;

/// A file of the index, as restic reads it.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct IndexFile {
    pub(super) packs: Vec<IndexPack>,
    /// Packs that a prune of rustic marked, which restic knows nothing of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) packs_to_delete: Vec<IndexPack>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct IndexPack {
    pub(super) id: BlobId,
    pub(super) blobs: Vec<IndexBlob>,
    /// When it was written, or marked: rustic's own, which restic knows nothing of. So a prune sees how young it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) time: Option<jiff::Timestamp>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct IndexBlob {
    id: BlobId,
    #[serde(rename = "type")]
    kind: BlobKind,
    offset: u32,
    length: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    uncompressed_length: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
