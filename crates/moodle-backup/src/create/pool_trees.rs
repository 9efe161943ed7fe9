//! The pool's folders in a snapshot: those in which nothing changed are taken over from the last snapshot as they are.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::content::{MADE, file_node, folder_node, store};
use crate::database::Listed;
use crate::error::{Error, Kind, Result};
use crate::repository::tree::{Node, Tree};
use crate::repository::{BlobId, Writer};
use crate::site::pool::{Attributes, Pool};
use crate::snapshot::{Opened, folder, mode, write_list};

/// A content that this run copied.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) listed: Listed,
    pub(super) attributes: Attributes,
    pub(super) content: Blobs,
}

/// The blobs of a content: nearly always one.
#[derive(Clone, Debug)]
pub(super) enum Blobs {
    One(BlobId),
    Other(Box<[BlobId]>),
}

impl From<Vec<BlobId>> for Blobs {
    fn from(blobs: Vec<BlobId>) -> Self {
        match blobs.as_slice() {
            [only] => Self::One(*only),
            _ => Self::Other(blobs.into_boxed_slice()),
        }
    }
}

impl Blobs {
    fn to_vec(&self) -> Vec<BlobId> {
        match self {
            Self::One(blob) => vec![*blob],
            Self::Other(blobs) => blobs.to_vec(),
        }
    }
}

/// What the last snapshot has of the pool.
pub(super) struct Before<'a> {
    pub(super) opened: &'a Opened<'a>,
    /// Its contents, sorted.
    pub(super) have: &'a [Listed],
    filedir: Tree,
    lists: Tree,
}

impl<'a> Before<'a> {
    pub(super) fn new(opened: &'a Opened<'a>, have: &'a [Listed]) -> Result<Self> {
        let filedir = opened.tree("moodledata/filedir")?.unwrap_or_default();
        let lists = opened.tree("moodle-backup/pool")?.unwrap_or_default();
        Ok(Self { opened, have, filedir, lists })
    }
}

/// The pool in the new snapshot.
pub(super) struct PoolTrees {
    /// The folder `filedir`.
    pub(super) filedir: Tree,
    /// The folder with its lists.
    pub(super) lists: Tree,
}

/// What the trees of a pool are made of and written to.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    pub(super) writer: &'a Writer,
    /// The pool, where it is local.
    pub(super) pool: Option<&'a Pool>,
    /// What a folder has that neither the pool nor the last snapshot has.
    pub(super) made: Attributes,
    pub(super) before: Option<&'a Before<'a>>,
}

/// Writes the trees of a pool that has `listed`; `records` has what is new. Both are sorted.
pub(super) fn write(context: Context<'_>, listed: &[Listed], records: &[Record], jobs: usize) -> Result<PoolTrees> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Ok((Vec::new(), Vec::new())));
    let run = || loop {
        let first = next.fetch_add(1, Ordering::Relaxed);
        let Ok(first) = u8::try_from(first) else {
            return;
        };
        let part = Part { context, listed: below(listed, &[first]), records, first };
        let written = part.write();
        let mut done = done.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match (&mut *done, written) {
            (Ok((folders, lists)), Ok((folder, list))) => {
                folders.extend(folder);
                lists.extend(list);
            }
            (Ok(_), Err(error)) => {
                *done = Err(error);
                return;
            }
            (Err(_), _) => return,
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..jobs {
            scope.spawn(run);
        }
        run();
    });
    let (folders, lists) = done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)?;
    Ok(PoolTrees { filedir: Tree::new(folders), lists: Tree::new(lists) })
}

/// The contents whose hashes begin with the same byte.
struct Part<'a> {
    context: Context<'a>,
    listed: &'a [Listed],
    records: &'a [Record],
    first: u8,
}

impl Part<'_> {
    fn write(&self) -> Result<(Option<Node>, Option<Node>)> {
        let name = format!("{:02x}", self.first);
        let old = self.context.before.map(|before| below(before.have, &[self.first]));
        if self.listed.is_empty() {
            return Ok((None, None));
        }
        let old_folder = self.context.before.and_then(|before| before.filedir.node(&name));
        let old_list = self.context.before.and_then(|before| before.lists.node(&name));
        if let (true, Some(folder), Some(list)) = (old == Some(self.listed), old_folder, old_list) {
            return Ok((Some(folder.clone()), Some(list.clone())));
        }
        let bytes = write_list(self.listed);
        let list = file_node(
            &name,
            Attributes { mode: 0o600, ..MADE },
            bytes.len() as u64,
            store(self.context.writer, &bytes)?,
        );
        let old_tree =
            match (self.context.before, self.context.before.and_then(|before| folder(&before.filedir, &name))) {
                (Some(before), Some(id)) => before.opened.reader.tree(&id)?,
                _ => Tree::default(),
            };
        let mut folders = Vec::new();
        let mut rest = self.listed;
        while let Some(next) = rest.first() {
            let prefix = [next.hash[0], next.hash[1]];
            let (here, after) = rest.split_at(rest.partition_point(|listed| listed.hash[..2] <= prefix[..]));
            rest = after;
            folders.push(self.folder(prefix, here, &old_tree)?);
        }
        let tree = self.context.writer.tree(&Tree { nodes: folders })?;
        let attributes = self.attributes(&name, old_folder);
        Ok((Some(folder_node(&name, attributes, tree)), Some(list)))
    }

    /// Writes `ab/cd`.
    fn folder(&self, prefix: [u8; 2], listed: &[Listed], old_tree: &Tree) -> Result<Node> {
        let name = format!("{:02x}", prefix[1]);
        let old = self.context.before.map(|before| below(before.have, &prefix));
        let old_node = old_tree.node(&name);
        if let (true, Some(node)) = (old == Some(listed), old_node) {
            return Ok(node.clone());
        }
        let old_files = match (self.context.before, folder(old_tree, &name)) {
            (Some(before), Some(id)) => before.opened.reader.tree(&id)?,
            _ => Tree::default(),
        };
        let mut files = Vec::with_capacity(listed.len());
        for listed in listed {
            let name = hex::encode(listed.hash);
            files.push(match self.records.binary_search_by_key(listed, |record| record.listed) {
                Ok(at) => {
                    let record = &self.records[at];
                    file_node(&name, record.attributes, listed.size, record.content.to_vec())
                }
                Err(_) => old_files.node(&name).filter(|node| node.size == listed.size).cloned().ok_or_else(|| {
                    Error::new(
                        Kind::Damaged,
                        format!("the last snapshot lists {name} and doesn't have it"),
                        "run `moodle-backup create --full`, which takes nothing over, and `moodle-backup verify`",
                    )
                })?,
            });
        }
        let tree = self.context.writer.tree(&Tree { nodes: files })?;
        let path = format!("{:02x}/{name}", prefix[0]);
        Ok(folder_node(&name, self.attributes(&path, old_node), tree))
    }

    fn attributes(&self, path: &str, old: Option<&Node>) -> Attributes {
        let known = || old.map(mode::attributes);
        self.context.pool.and_then(|pool| pool.folder(path)).or_else(known).unwrap_or(self.context.made)
    }
}

/// Returns the contents whose hashes begin with `prefix`.
fn below<'l>(listed: &'l [Listed], prefix: &[u8]) -> &'l [Listed] {
    let start = listed.partition_point(|listed| listed.hash[..prefix.len()] < *prefix);
    let end = listed.partition_point(|listed| listed.hash[..prefix.len()] <= *prefix);
    &listed[start..end]
}
