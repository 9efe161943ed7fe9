//! The last snapshot of a site, of which a run takes over what is stored, and nothing else.
//!
//! A snapshot names the files of the index that it was made on. As long as they are all there, and the packs that they
//! name, nothing of it can be missing: so what didn't change is taken over without a look at the blobs below it. Else
//! its trees are walked, and what isn't stored any more counts as not there: it is read anew.

use std::collections::BTreeSet;

use super::pool_trees::Record;
use crate::database::Listed;
use crate::error::{Error, Kind, Result};
use crate::progress::{Progress, Unit};
use crate::repository::tree::{Node, Tree};
use crate::repository::{BlobId, Index, Repository, Snapshot, Writable};
use crate::snapshot::mode::attributes;
use crate::snapshot::{ABOUT, Opened, folder};

/// The file in [`ABOUT`] with the names of the files of the index, 32 bytes each.
pub(super) const INDEX: &str = "index";

/// How many trees are loaded at once.
const TREES: usize = 4096;

/// The last snapshot of the site.
pub(super) struct Last<'a> {
    pub(super) opened: Opened<'a>,
    index: &'a Index,
    /// All that it needs is stored.
    is_whole: bool,
}

/// What the pool of the last snapshot has.
#[derive(Default)]
pub(super) struct Kept {
    /// Its contents that are stored, sorted.
    pub(super) have: Vec<Listed>,
    /// How they are stored, where their folders can't be taken over.
    pub(super) records: Vec<Record>,
}

impl<'a> Last<'a> {
    /// Opens the last snapshot; nothing: what leads to its contents isn't stored any more.
    pub(super) fn open(
        repository: &'a Repository,
        writable: &'a Writable,
        snapshot: &Snapshot,
        progress: &dyn Progress,
    ) -> Result<Option<Self>> {
        let index = &writable.index;
        let opened = match Opened::open(repository, index, snapshot.clone()) {
            Ok(opened) => opened,
            Err(error) if error.kind == Kind::Damaged => {
                if leads_to_nothing(repository, index, snapshot)? {
                    progress.note(&format!("the last snapshot {} isn't there, so all is read anew", snapshot.id));
                    return Ok(None);
                }
                return Err(unreadable(error));
            }
            Err(error) => return Err(error),
        };
        let mut last = Self { opened, index, is_whole: false };
        let files = last.files()?;
        last.is_whole = !files.is_empty() && files.is_subset(&writable.files);
        Ok(Some(last))
    }

    /// Returns the files of the index that the snapshot was made on; none: it doesn't say.
    fn files(&self) -> Result<BTreeSet<BlobId>> {
        let about = self.tree_at(ABOUT)?.unwrap_or_default();
        let Some(node) = about.node(INDEX).filter(|node| self.has(node)) else { return Ok(BTreeSet::new()) };
        let bytes = self.opened.read(node).map_err(unreadable)?;
        Ok(bytes.chunks_exact(32).filter_map(|id| Some(BlobId(id.try_into().ok()?))).collect())
    }

    /// Tells whether a file's content is stored.
    pub(super) fn has(&self, node: &Node) -> bool {
        self.index.has(node)
    }

    /// Returns a folder; nothing: it isn't stored.
    pub(super) fn tree(&self, id: &BlobId) -> Result<Option<Tree>> {
        self.index.contains_tree(id).then(|| self.opened.reader.tree(id).map_err(unreadable)).transpose()
    }

    /// Returns the folder at a path; nothing: there is none, or it isn't stored.
    pub(super) fn tree_at(&self, path: &str) -> Result<Option<Tree>> {
        let mut tree = self.tree(&self.opened.snapshot.tree)?;
        for part in path.split('/') {
            tree = match tree.and_then(|tree| folder(&tree, part)) {
                Some(id) => self.tree(&id)?,
                None => None,
            };
        }
        Ok(tree)
    }

    /// Tells whether a folder may be taken over for what it is named by.
    pub(super) fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// Returns what of the pool is stored.
    pub(super) fn pool(&self, progress: &dyn Progress) -> Result<Kept> {
        if self.is_whole {
            return Ok(Kept { have: self.opened.pool().map_err(unreadable)?, records: Vec::new() });
        }
        progress.note(&format!(
            "the index was written anew since the last snapshot {}, so what that has is looked through",
            self.opened.snapshot.id
        ));
        progress.phase("the last snapshot", 0, Unit::Files);
        let mut records = Vec::new();
        let filedir = self.tree_at("moodledata/filedir")?.unwrap_or_default();
        let mut level: Vec<BlobId> = filedir.nodes.iter().filter_map(|node| node.subtree).collect();
        while !level.is_empty() {
            level.retain(|id| self.index.contains_tree(id));
            let mut next = Vec::new();
            for part in level.chunks(TREES) {
                let before = records.len();
                for node in self.opened.trees(part).map_err(unreadable)?.into_iter().flat_map(|tree| tree.nodes) {
                    match node.subtree {
                        Some(below) => next.push(below),
                        None if self.has(&node) => records.extend(record(node)),
                        None => {}
                    }
                }
                progress.advance((records.len() - before) as u64);
            }
            level = next;
        }
        records.sort_unstable_by_key(|record| record.listed);
        Ok(Kept { have: records.iter().map(|record| record.listed).collect(), records })
    }
}

/// Returns how a content is stored; nothing: the node is none.
fn record(node: Node) -> Option<Record> {
    let hash = node.name.parse::<accel::hash::Sha1>().ok()?;
    let listed = Listed { hash: *hash.as_bytes(), size: node.size };
    Some(Record { listed, attributes: attributes(&node), content: node.content.into() })
}

/// Tells whether blobs are missing on the way to what a snapshot says of itself: then it isn't damaged but gone.
fn leads_to_nothing(repository: &Repository, index: &Index, snapshot: &Snapshot) -> Result<bool> {
    let reader = repository.reader(index);
    let tree = |id: &BlobId| index.contains_tree(id).then(|| reader.tree(id).map_err(unreadable)).transpose();
    let Some(root) = tree(&snapshot.tree)? else { return Ok(true) };
    let Some(about) = folder(&root, ABOUT) else { return Ok(false) };
    let Some(about) = tree(&about)? else { return Ok(true) };
    Ok(about.nodes.iter().flat_map(|node| &node.content).any(|blob| !index.contains(blob)))
}

/// What is damaged can't be stored again as long as it is there.
fn unreadable(mut error: Error) -> Error {
    if error.kind == Kind::Damaged {
        "moodle-backup verify --data --repair takes out what is damaged; then run the same command again, which stores it \
         anew"
            .clone_into(&mut error.fix);
    }
    error
}
