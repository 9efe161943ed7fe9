//! All that is stored, read again: what the repository says it is, what the pool's names say, what the manifest says.

use std::collections::{BTreeSet, HashMap};
use std::io::Read as _;
use std::sync::{Mutex, PoisonError};

use accel::hash::{Algorithm, Hasher, Sha1, sha1};

use super::Outcome;
use crate::database::{self, Source as _};
use crate::error::{Kind, Result};
use crate::progress::Progress;
use crate::repository::{BlobId, Index, Repository, SnapshotFiles};
use crate::snapshot::Opened;

/// What the pool's contents should be.
#[derive(Default)]
pub(super) struct Expected {
    /// Contents of one blob, and their names: sorted up to [`sorted`](Self::sorted).
    single: Vec<(BlobId, Sha1)>,
    sorted: usize,
    /// Contents of several.
    several: HashMap<Sha1, Vec<BlobId>>,
}

impl Expected {
    /// Makes room for so many contents in all: a vector would double while it grows, and both halves are large.
    pub(super) fn expect(&mut self, count: usize) {
        self.single.reserve_exact(count.saturating_sub(self.single.len()));
    }

    /// Adds a content.
    pub(super) fn add(&mut self, hash: Sha1, content: &[BlobId]) {
        match content {
            [only] if self.names(only).all(|known| *known != hash) => {
                if self.single.len() == self.single.capacity() {
                    // A vector would double, and half of it would stay empty.
                    self.single.reserve_exact(1024.max(self.single.len() / 8));
                }
                self.single.push((*only, hash));
            }
            [_] => {}
            _ => {
                self.several.insert(hash, content.to_vec());
            }
        }
    }

    /// Makes what was added findable.
    pub(super) fn settle(&mut self) {
        self.single.sort_unstable_by_key(|(blob, hash)| (*blob, *hash.as_bytes()));
        self.single.dedup();
        self.sorted = self.single.len();
    }

    /// The names that a blob has: more than one, where all but one lie.
    fn names<'a>(&'a self, blob: &'a BlobId) -> impl Iterator<Item = &'a Sha1> {
        let sorted = &self.single[..self.sorted];
        let first = sorted.partition_point(|(other, _)| other < blob);
        sorted[first..].iter().take_while(move |(other, _)| other == blob).map(|(_, hash)| hash)
    }

    /// Reads everything in the repository, and compares contents with their names; returns the packs that are damaged.
    pub(super) fn check(
        &self,
        repository: &Repository,
        files: &SnapshotFiles,
        index: &Index,
        outcome: &mut Outcome,
        progress: &dyn Progress,
    ) -> Result<BTreeSet<BlobId>> {
        let reader = repository.reader(index);
        let lying = Mutex::new(Vec::new());
        let checked = repository.check_each(files, index, progress, &|id, bytes| {
            if self.names(id).next().is_some() {
                let is = sha1(bytes);
                let wrong = self.names(id).filter(|hash| **hash != is);
                lying.lock().unwrap_or_else(PoisonError::into_inner).extend(wrong.copied());
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
        Ok(checked.damaged)
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
            let length = reader.read(&mut buffer).map_err(|error| database::unread(&file.path, error))?;
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
