//! Which files of a target are already as the snapshot has them, when a restore goes on.
//!
//! Only their bytes tell: with `overwrite` a file of the same size and time may be older than the restore, and damaged;
//! and after a failure of power not all that was written is there.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt as _;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rustix::fs::{Mode, OFlags};

use super::{Batch, Item, Place};
use crate::repository::BlobId;
use crate::site::pool::Attributes;

impl Batch {
    /// Tells of each file whether it is there below `root` with the snapshot's bytes and attributes; the `owner` counts
    /// where it can be set.
    pub(super) fn sound(&self, root: &OwnedFd, owner: bool) -> Vec<bool> {
        let mut rest = (&*self.blobs, &*self.places);
        let files: Vec<_> = self
            .items
            .iter()
            .map(|item| {
                let ((blobs, places), count) = (rest, item.blobs as usize);
                rest = (&blobs[count..], &places[count..]);
                (item, &blobs[..count], &places[..count], AtomicBool::new(false))
            })
            .collect();
        let next = AtomicUsize::new(0);
        let work = || {
            let mut bytes = Vec::new();
            while let Some((item, blobs, places, sound)) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                let is_sound = is_sound(root, owner, item, blobs, places, &mut bytes).unwrap_or(false);
                sound.store(is_sound, Ordering::Relaxed);
            }
        };
        let threads = std::thread::available_parallelism().map_or(2, |count| count.get().min(8));
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(work);
            }
        });
        files.into_iter().map(|(.., sound)| sound.into_inner()).collect()
    }
}

/// Nothing and an error: it isn't there, or can't be read.
fn is_sound(
    root: &OwnedFd,
    owner: bool,
    item: &Item,
    blobs: &[BlobId],
    places: &[Place],
    bytes: &mut Vec<u8>,
) -> std::io::Result<bool> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::openat(root, &*item.path, flags, Mode::empty())?);
    let metadata = file.metadata()?;
    let there = Attributes::of(&metadata);
    let (uid, gid) = if owner { (item.attributes.uid, item.attributes.gid) } else { (there.uid, there.gid) };
    if !metadata.is_file() || metadata.len() != item.size || there != (Attributes { uid, gid, ..item.attributes }) {
        return Ok(false);
    }
    let ends = places.iter().skip(1).map(|place| place.offset).chain([item.size]);
    for ((blob, place), end) in blobs.iter().zip(places).zip(ends) {
        let Some(length) = end.checked_sub(place.offset).and_then(|length| usize::try_from(length).ok()) else {
            return Ok(false);
        };
        bytes.resize(length, 0);
        file.read_exact_at(bytes, place.offset)?;
        if BlobId::of(bytes) != *blob {
            return Ok(false);
        }
    }
    Ok(true)
}
