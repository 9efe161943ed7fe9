//! A pool in an object store, in the layout of `tool_objectfs`: `ab/cd/abcd…` below the location.

use accel::hash::{Algorithm, Hasher};

use super::gather::Taken;
use crate::database::Listed;
use crate::error::Result;
use crate::site::pool::{PIECE_BYTES, path};
use crate::store::Store;

/// A pool in an object store.
pub(super) struct ObjectPool {
    store: Store,
    /// What it had when it was opened, sorted; only where it is referred to.
    has: Vec<Listed>,
}

impl ObjectPool {
    /// Opens the store at `location`, and lists it where its content is only referred to.
    pub(super) fn open(location: &str, list: bool) -> Result<Self> {
        let store = Store::open(location)?;
        let mut has = Vec::new();
        if list {
            for first in 0..=u8::MAX {
                has.extend(store.list(&format!("{first:02x}"))?.into_iter().filter_map(|entry| {
                    let name = entry.path.rsplit('/').next()?;
                    let hash = *name.parse::<accel::hash::Sha1>().ok()?.as_bytes();
                    (entry.path == path(name)).then_some(Listed { hash, size: entry.size })
                }));
            }
            has.sort_unstable();
        }
        Ok(Self { store, has })
    }

    /// Says whether the store has a content with its size: by the list, and where that has it not, by asking, because
    /// contents are moved there all the time.
    pub(super) fn refer(&self, listed: Listed) -> Result<Taken> {
        if self.has.binary_search(&listed).is_ok() {
            return Ok(Taken::Stored);
        }
        Ok(match self.store.size(&path(&hex::encode(listed.hash)))? {
            Some(size) if size == listed.size => Taken::Stored,
            Some(_) => Taken::Corrupt,
            None => Taken::Absent,
        })
    }

    /// Reads a content in pieces.
    pub(super) fn read(&self, listed: Listed, piece: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<Taken> {
        let path = path(&hex::encode(listed.hash));
        let Some(size) = self.store.size(&path)? else {
            return Ok(Taken::Absent);
        };
        if size != listed.size {
            return Ok(Taken::Corrupt);
        }
        let mut hasher = Hasher::new(Algorithm::Sha1);
        let mut at = 0;
        while at < size {
            let end = size.min(at + PIECE_BYTES as u64);
            let bytes = self.store.get_range(&path, at..end)?;
            hasher.update(&bytes);
            piece(&bytes)?;
            at = end;
        }
        Ok(if hasher.finish().as_bytes() == listed.hash { Taken::Stored } else { Taken::Corrupt })
    }
}
