//! All that is stored, read again: what the repository says it is, what the pool's names say, what the manifest says.

use std::collections::HashMap;
use std::io::Read as _;
use std::sync::{Mutex, PoisonError};

use accel::hash::{Algorithm, Hasher, Sha1, sha1};

use super::Outcome;
use crate::database::Source as _;
use crate::error::{Error, Kind, Result};
use crate::progress::Progress;
use crate::repository::tree::NodeKind;
use crate::repository::{BlobId, Reader, Repository};
use crate::snapshot::Opened;

/// What the pool's contents should be.
#[derive(Default)]
pub(super) struct Expected {
    /// Contents of one blob, and their names.
    single: HashMap<BlobId, Sha1>,
    /// Contents of several.
    several: HashMap<Sha1, Vec<BlobId>>,
}

impl Expected {
    /// Adds what a snapshot has.
    pub(super) fn add(&mut self, opened: &Opened<'_>) -> Result<()> {
        let top = opened.node("moodledata/filedir")?.and_then(|node| node.subtree);
        let mut ids: Vec<BlobId> = top.into_iter().collect();
        while !ids.is_empty() {
            let mut next = Vec::new();
            for node in opened.trees(&ids)?.into_iter().flat_map(|tree| tree.nodes) {
                next.extend(node.subtree);
                let Ok(hash) = node.name.parse::<Sha1>() else {
                    continue;
                };
                match node.content.as_slice() {
                    [only] => {
                        self.single.insert(*only, hash);
                    }
                    _ if node.kind == NodeKind::File => {
                        self.several.insert(hash, node.content);
                    }
                    _ => {}
                }
            }
            ids = next;
        }
        Ok(())
    }

    /// Reads everything in the repository, and compares contents with their names.
    pub(super) fn check(
        &self,
        repository: &Repository,
        reader: &Reader<'_>,
        outcome: &mut Outcome,
        progress: &dyn Progress,
    ) -> Result<()> {
        let lying = Mutex::new(Vec::new());
        let checked = repository.check_each(progress, &|id, bytes| {
            if let Some(hash) = self.single.get(id)
                && sha1(bytes) != *hash
            {
                lying.lock().unwrap_or_else(PoisonError::into_inner).push(*hash);
            }
        })?;
        outcome.bytes_read += checked.bytes;
        for problem in checked.problems {
            outcome.damaged(problem.to_string());
        }
        let mut lying = lying.into_inner().unwrap_or_else(PoisonError::into_inner);
        'several: for (hash, blobs) in &self.several {
            let mut hasher = Hasher::new(Algorithm::Sha1);
            for blob in blobs {
                match reader.blob(blob) {
                    Ok(bytes) => {
                        hasher.update(&bytes);
                    }
                    // It was named before.
                    Err(error) if error.kind == Kind::Damaged => continue 'several,
                    Err(error) => return Err(error),
                }
            }
            if hasher.finish().as_bytes() != hash.as_bytes() {
                lying.push(*hash);
            }
        }
        for hash in lying {
            outcome.damaged(format!("content {hash} has another SHA-1"));
        }
        Ok(())
    }
}

/// Compares the dump's files with the manifest.
pub(super) fn dump(opened: &Opened<'_>, outcome: &mut Outcome) -> Result<()> {
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
                // What the repository says is the error, not that it came by way of a reader.
                error.downcast::<Error>().unwrap_or_else(|error| {
                    Error::new(Kind::Local, format!("database/{} can't be read", file.path), "").because(error)
                })
            })?;
            if length == 0 {
                break;
            }
            hasher.update(&buffer[..length]);
            size += length as u64;
        }
        if size != file.size || hex::encode(hasher.finish().as_bytes()) != file.sha256 {
            outcome.damaged_in(id, format!("database/{} is not what the manifest says", file.path));
        }
    }
    Ok(())
}
