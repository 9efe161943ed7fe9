//! All that is stored, read again: what the repository says it is, what the pool's names say, what the manifest says.

use std::collections::HashMap;
use std::io::Read as _;
use std::sync::Mutex;

use accel::hash::{Algorithm, Hasher, Sha1, sha1};

use super::Outcome;
use crate::database::Source as _;
use crate::error::{Error, Kind, Result};
use crate::progress::Progress;
use crate::repository::tree::NodeKind;
use crate::repository::{BlobId, Repository};
use crate::snapshot::Opened;

/// Reads everything in the repository.
pub(super) fn everything(repository: &Repository, outcome: &mut Outcome, progress: &dyn Progress) -> Result<()> {
    let checked = repository.check(progress)?;
    outcome.bytes_read += checked.bytes;
    for problem in checked.problems {
        outcome.damaged(format!("{}: {}", problem.path, problem.what));
    }
    Ok(())
}

/// Compares the pool's contents with their names, and the dump's files with the manifest.
pub(super) fn snapshot(opened: &Opened<'_>, outcome: &mut Outcome, progress: &dyn Progress) -> Result<()> {
    dump(opened, outcome)?;
    pool(opened, outcome, progress)
}

fn dump(opened: &Opened<'_>, outcome: &mut Outcome) -> Result<()> {
    let Some(facts) = &opened.manifest.database else {
        return Ok(());
    };
    let id = &opened.snapshot.id;
    let dump = opened.dump()?;
    let mut buffer = vec![0; 1 << 20];
    for file in facts.tables.iter().flat_map(|table| &table.files) {
        // The id of a file's only blob is its SHA-256, and every blob was compared with its id.
        if dump.blobs(&file.path).is_some_and(|blobs| matches!(blobs, [only] if only.to_string() == file.sha256)) {
            continue;
        }
        let mut hasher = Hasher::new(Algorithm::Sha256);
        let mut reader = dump.file(&file.path)?;
        let mut size = 0;
        loop {
            let length = reader.read(&mut buffer).map_err(|error| {
                Error::new(Kind::Damaged, format!("database/{} can't be read", file.path), "").because(error)
            })?;
            if length == 0 {
                break;
            }
            hasher.update(&buffer[..length]);
            size += length as u64;
        }
        if size != file.size || hex::encode(hasher.finish().as_bytes()) != file.sha256 {
            outcome.damaged(format!("snapshot {id}: database/{} is not what the manifest says", file.path));
        }
    }
    Ok(())
}

fn pool(opened: &Opened<'_>, outcome: &mut Outcome, progress: &dyn Progress) -> Result<()> {
    let id = &opened.snapshot.id;
    let mut single: HashMap<BlobId, Sha1> = HashMap::new();
    let mut several = Vec::new();
    let mut ids: Vec<BlobId> = opened.node("moodledata/filedir")?.and_then(|node| node.subtree).into_iter().collect();
    while !ids.is_empty() {
        let mut next = Vec::new();
        for node in opened.trees(&ids)?.into_iter().flat_map(|tree| tree.nodes) {
            next.extend(node.subtree);
            let Ok(hash) = node.name.parse::<Sha1>() else {
                continue;
            };
            match node.content.as_slice() {
                [only] => {
                    single.insert(*only, hash);
                }
                _ if node.kind == NodeKind::File => several.push((hash, node.content)),
                _ => {}
            }
        }
        ids = next;
    }
    let (blobs, hashes): (Vec<BlobId>, Vec<Sha1>) = single.into_iter().unzip();
    let lying = Mutex::new(Vec::new());
    opened.reader.each(&blobs, &|at, bytes| {
        if sha1(bytes) != hashes[at] {
            lying.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(hashes[at]);
        }
        progress.advance(bytes.len() as u64);
        Ok(())
    })?;
    let mut lying = lying.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    for (hash, blobs) in several {
        let mut hasher = Hasher::new(Algorithm::Sha1);
        for blob in &blobs {
            hasher.update(&opened.reader.blob(blob)?);
        }
        if hasher.finish().as_bytes() != hash.as_bytes() {
            lying.push(hash);
        }
    }
    for hash in lying {
        outcome.damaged(format!("snapshot {id}: content {hash} has another SHA-1"));
    }
    Ok(())
}
