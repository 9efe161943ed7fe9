//! Packs that a killed run left without an index: listed, so that what they have isn't sent again.

use super::index::{Index, IndexFile};
use super::{Repository, unpacked};
use crate::error::{Error, Kind, Result};

impl Repository {
    /// Reads the index as [`index`](Self::index) does, and adds packs that no file of it lists: a run that was killed
    /// left them, whole, before it wrote the index. What it left half-written is removed. For those who hold the lock for writing.
    ///
    /// # Errors
    /// Packs are gone or not whole, or the store fails.
    pub fn index_with_leftovers(&self) -> Result<Index> {
        ["data", "index", "snapshots"].into_iter().try_for_each(|folder| self.store.sweep(folder))?;
        let stored = self.stored()?;
        if let Some(lost) = stored.broken.first() {
            let what = format!(
                "{} packs of {} are gone or not whole, {} among them: {lost}",
                stored.broken.len(),
                self.store.location(),
                lost.path()
            );
            return Err(Error::new(
                Kind::Damaged,
                what,
                "bring them back; or `restic repair index` (before 0.16: rebuild-index), and back up again with --full",
            ));
        }
        let file = IndexFile { packs: self.at_their_ends(&stored.unlisted)?, packs_to_delete: Vec::new() };
        if file.packs.is_empty() {
            return Ok(stored.index);
        }
        tracing::info!(packs = file.packs.len(), "going on where a run was killed");
        unpacked::write(&self.store, &self.sealer, "index", &file)?;
        self.index()
    }
}
