//! What packs say of themselves that no file of the index has: the lists of blobs at their ends.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::check::guarded;
use super::pack::{self, Packed};
use super::stored::named;
use super::{BlobId, Repository};
use crate::error::{Kind, Result};
use crate::store::Entry;

/// How much is read of an end at first: most lists are shorter.
const FIRST: u64 = 32 << 10;
/// So many are read at a time.
const READERS: usize = 8;

/// The blobs of a pack.
pub(super) type Blobs = Arc<[Packed]>;

/// What was read already, by the packs' ids and sizes: a command asks more than once.
#[derive(Default)]
pub(super) struct Ends(Mutex<HashMap<(BlobId, u64), Blobs>>);

impl Repository {
    /// Returns those of these files that are packs, with what is in them.
    pub(super) fn at_their_ends(&self, entries: &[Entry]) -> Result<Vec<(BlobId, Blobs)>> {
        let packs: Vec<_> = entries.iter().filter_map(|entry| Some(((named(entry)?, entry.size), entry))).collect();
        let mut unread = packs.clone();
        unread.retain(|(pack, _)| !guarded(&self.ends.0).contains_key(pack));
        let (next, failure) = (AtomicUsize::new(0), Mutex::new(None));
        std::thread::scope(|scope| {
            for _ in 0..READERS.min(unread.len()) {
                scope.spawn(|| {
                    while let Some((pack, entry)) = unread.get(next.fetch_add(1, Ordering::Relaxed)) {
                        match self.at_its_end(entry) {
                            Ok(Some(blobs)) => _ = guarded(&self.ends.0).insert(*pack, blobs.into()),
                            Ok(None) => {}
                            Err(error) => {
                                guarded(&failure).get_or_insert(error);
                                next.store(unread.len(), Ordering::Relaxed);
                            }
                        }
                    }
                });
            }
        });
        if let Some(error) = guarded(&failure).take() {
            return Err(error);
        }
        let read = guarded(&self.ends.0);
        Ok(packs.iter().filter_map(|(pack, _)| Some((pack.0, Arc::clone(read.get(pack)?)))).collect())
    }

    fn at_its_end(&self, entry: &Entry) -> Result<Option<Vec<Packed>>> {
        let read = |start: u64| match self.store.get_range(&entry.path, start..entry.size) {
            // Somebody removed it meanwhile.
            Err(error) if error.kind == Kind::Damaged => Ok(None),
            read => read.map(Some),
        };
        let Some(before) = entry.size.checked_sub(4) else { return Ok(None) };
        let first = entry.size.saturating_sub(FIRST);
        let Some(mut end) = read(first)? else { return Ok(None) };
        let length = end.last_chunk().map_or(0, |length| u32::from_le_bytes(*length));
        let Some(start) = before.checked_sub(u64::from(length)) else { return Ok(None) };
        if start < first {
            let Some(whole) = read(start)? else { return Ok(None) };
            end = whole;
        }
        let list = end.len().checked_sub(length as usize + 4).and_then(|skipped| end.get(skipped..));
        Ok(list.and_then(|list| pack::list_of(list, start, &self.sealer)))
    }
}
