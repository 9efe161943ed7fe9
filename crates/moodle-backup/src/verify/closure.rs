//! Closure: each content that the database listed is in the snapshot, with its size, and all its blobs are stored.

use super::Outcome;
use super::data::Expected;
use crate::database::Listed;
use crate::error::Result;
use crate::progress::{Progress, Unit};
use crate::repository::tree::{Node, NodeKind};
use crate::repository::{BlobId, Index};
use crate::snapshot::Opened;

/// How many trees are loaded at once.
const TREES: usize = 1024;

/// How many files of a snapshot are named that aren't whole.
const NAMED: u64 = 10;

/// Compares a snapshot's lists with its trees, and those with what is stored; adds the pool's contents to `expected`.
pub(super) fn snapshot(
    opened: &Opened<'_>,
    index: &Index,
    mut expected: Option<&mut Expected>,
    outcome: &mut Outcome,
    progress: &dyn Progress,
) -> Result<()> {
    let id = &opened.snapshot.id;
    let listed = opened.pool()?;
    let referenced = opened.referenced()?;
    progress.phase("closure", listed.len() as u64, Unit::Files);
    if let Some(expected) = &mut expected {
        expected.expect(listed.len());
    }
    let (mut stored, mut surplus) = (vec![false; listed.len()], Vec::new());
    let mut broken = 0;
    let mut check = |path: &str, node: &Node| {
        if let Some(below) = node.subtree.filter(|below| !index.contains_tree(below)) {
            outcome.damaged_in(id, format!("{path} can't be restored: the folder {below} isn't stored"));
        }
        if node.kind != NodeKind::File {
            return;
        }
        let lacking = node.content.iter().find(|blob| !index.contains(blob));
        let size: u64 = node.content.iter().filter_map(|blob| index.length(blob)).map(u64::from).sum();
        let what = match lacking {
            Some(blob) => Some(format!("{path} can't be restored: its blob {blob} isn't stored")),
            None => (size != node.size).then(|| format!("{path} has {} bytes, and its blobs have {size}", node.size)),
        };
        if let Some(what) = what {
            broken += 1;
            if broken <= NAMED {
                outcome.damaged_in(id, what);
            }
        }
        if let (true, Ok(hash)) = (path.starts_with("moodledata/filedir/"), node.name.parse::<accel::hash::Sha1>()) {
            let found = Listed { hash: *hash.as_bytes(), size: node.size };
            match listed.binary_search(&found) {
                Ok(place) => stored[place] = true,
                Err(_) => surplus.push(found),
            }
            if let Some(expected) = &mut expected {
                expected.add(hash, &node.content);
            }
            progress.advance(1);
        }
    };
    walk(opened, &mut check)?;
    if broken > NAMED {
        outcome.damaged_in(id, format!("{} more files can't be restored", broken - NAMED));
    }
    if let Some(expected) = expected {
        expected.settle();
    }
    outcome.contents += listed.len() as u64;
    for (lacking, _) in listed.iter().zip(&stored).filter(|(_, stored)| !**stored) {
        outcome.missing_in(id, format!("content {} is listed and not stored", hex::encode(lacking.hash)));
    }
    for surplus in surplus {
        outcome.damaged_in(id, format!("content {} is stored and not listed", hex::encode(surplus.hash)));
    }
    if let Some(pool) = &opened.manifest.pool {
        let known = (listed.len() + referenced.len() + pool.missing.len()) as u64;
        if known != pool.files {
            let what = format!("the database listed {} contents, and {known} are accounted for", pool.files);
            outcome.missing_in(id, what);
        }
        for hash in &pool.missing {
            progress.note(&format!("snapshot {id}: the site itself lacked {hash} then"));
        }
    }
    Ok(())
}

/// Calls `check` for everything in the snapshot.
fn walk(opened: &Opened<'_>, check: &mut dyn FnMut(&str, &Node)) -> Result<()> {
    let mut level: Vec<(String, BlobId)> = vec![(String::new(), opened.snapshot.tree)];
    while !level.is_empty() {
        let mut next = Vec::new();
        for part in level.chunks(TREES) {
            let ids: Vec<BlobId> = part.iter().map(|(_, id)| *id).collect();
            for ((path, _), tree) in part.iter().zip(opened.trees(&ids)?) {
                for node in tree.nodes {
                    let path = format!("{path}{}", node.name);
                    check(&path, &node);
                    if let Some(below) = node.subtree {
                        next.push((format!("{path}/"), below));
                    }
                }
            }
        }
        level = next;
    }
    Ok(())
}
