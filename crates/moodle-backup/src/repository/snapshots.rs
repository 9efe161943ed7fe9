//! The files below `snapshots/`, one by one: one that is damaged takes nothing from the others.

use rustic_core::repofile::SnapshotFile;

use super::check::Problem;
use super::{Repository, Snapshot, unpacked};
use crate::error::{Kind, Result};

/// The snapshots of a repository.
#[derive(Default)]
pub(crate) struct SnapshotFiles {
    /// Those that can be read, the oldest first.
    pub(crate) files: Vec<SnapshotFile>,
    /// Those that can't.
    pub(crate) damaged: Vec<Problem>,
}

impl Repository {
    /// Reads all snapshots' own files.
    ///
    /// # Errors
    /// The store fails; damage is no error.
    pub(crate) fn snapshot_files(&self) -> Result<SnapshotFiles> {
        let mut all = SnapshotFiles::default();
        for entry in self.store.list("snapshots")? {
            let Some(id) = entry.path.rsplit('/').next().and_then(|name| name.parse().ok()) else { continue };
            match unpacked::read::<SnapshotFile>(&self.store, &self.sealer, &entry.path) {
                Ok(file) => all.files.push(SnapshotFile { id, ..file }),
                Err(error) if error.kind == Kind::Damaged => {
                    if self.store.size(&entry.path)?.is_none() {
                        // It was given up just now.
                        continue;
                    }
                    let what = format!("{}: this snapshot can't be restored", error.what);
                    all.damaged.push(Problem { path: entry.path, what });
                }
                Err(error) => return Err(error),
            }
        }
        all.files.sort_by_cached_key(|file| (file.time.timestamp(), file.id.to_hex().as_str().to_owned()));
        Ok(all)
    }

    /// Returns what those are that are seen.
    pub(crate) fn seen(&self, files: &[SnapshotFile]) -> Vec<Snapshot> {
        files.iter().filter(|file| self.sees(file.tags.iter())).map(Snapshot::of).collect()
    }
}
