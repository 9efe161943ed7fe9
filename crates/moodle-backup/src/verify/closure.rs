//! Closure: each content that the database listed is in the snapshot, with its size, and all its blobs are in the index.

use super::Outcome;
use crate::create::gather::difference;
use crate::database::{self, Listed};
use crate::error::Result;
use crate::progress::{Progress, Unit};
use crate::repository::tree::{Node, NodeKind};
use crate::repository::{BlobId, Index};
use crate::site::Site;
use crate::snapshot::Opened;

/// How many trees are loaded at once.
const TREES: usize = 4096;

/// Compares a snapshot's lists with its trees, and those with the index.
pub(super) fn snapshot(
    opened: &Opened<'_>,
    index: &Index,
    site: Option<&Site>,
    outcome: &mut Outcome,
    progress: &dyn Progress,
) -> Result<()> {
    let id = &opened.snapshot.id;
    let listed = opened.pool()?;
    let referenced = opened.referenced()?;
    progress.phase("closure", listed.len() as u64, Unit::Files);
    let mut stored: Vec<Listed> = Vec::with_capacity(listed.len());
    let mut check = |path: &str, node: &Node| {
        if node.kind != NodeKind::File {
            return;
        }
        let mut size = Some(0);
        for blob in &node.content {
            let length = index.length(blob);
            size = size.zip(length).map(|(size, length)| size + u64::from(length));
            if length.is_none() {
                outcome.missing(format!("snapshot {id}: {path} needs blob {blob}, which the index doesn't have"));
            }
        }
        if size.is_some_and(|size| size != node.size) {
            outcome.damaged(format!("snapshot {id}: {path} has {} bytes, and its blobs have not", node.size));
        }
        if let (true, Ok(hash)) = (path.starts_with("moodledata/filedir/"), node.name.parse::<accel::hash::Sha1>()) {
            stored.push(Listed { hash: *hash.as_bytes(), size: node.size });
            progress.advance(1);
        }
    };
    walk(opened, &mut check)?;
    stored.sort_unstable();
    outcome.contents += listed.len() as u64;
    for lacking in difference(&listed, &stored) {
        outcome.missing(format!("snapshot {id}: content {} is listed and not stored", hex::encode(lacking.hash)));
    }
    for surplus in difference(&stored, &listed) {
        outcome.damaged(format!("snapshot {id}: content {} is stored and not listed", hex::encode(surplus.hash)));
    }
    if let Some(pool) = &opened.manifest.pool {
        let known = (listed.len() + referenced.len() + pool.missing.len()) as u64;
        if known != pool.files {
            outcome.missing(format!(
                "snapshot {id}: the database listed {} contents, and {known} are accounted for",
                pool.files
            ));
        }
        for hash in &pool.missing {
            progress.note(&format!("snapshot {id}: the site itself lacked {hash} then"));
        }
    }
    if let Some(site) = site {
        let mut all = [listed, referenced].concat();
        all.sort_unstable();
        let now = database::listing(&site.database)?.contents;
        outcome.listed_since = Some(difference(&now, &all).len() as u64);
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
