//! Reading blobs: one at a time, or many in the order in which packs have them.

#![expect(clippy::cast_possible_truncation, reason = "a stretch is read into memory, so its length fits")]

use std::cell::RefCell;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use zstd::bulk::Decompressor;

use super::BlobId;
use super::index::{Index, Located};
use super::pack::Packed;
use super::seal::Sealer;
use super::tree::Tree;
use crate::error::{Error, Kind, Result};
use crate::store::Store;

/// Unwanted bytes between two wanted blobs that are read rather than asked around.
const GAP: u64 = 256 << 10;
/// No request asks for more.
const MOST: u64 = 32 << 20;

/// What to do about something that is stored and damaged.
pub(super) const AFTER_DAMAGE: &str =
    "moodle-backup verify --data names all that is damaged; docs/backup.md says what then";

/// Takes a blob by its place among those that were asked for.
type Take<'a> = &'a (dyn Fn(usize, &[u8]) -> Result<()> + Sync);

/// Is told of a blob that isn't stored or is damaged, by its place.
type Lost<'a> = &'a (dyn Fn(usize, Error) -> Result<()> + Sync);

/// Reads a repository's blobs; may be used from many threads.
pub struct Reader<'a> {
    pub(super) store: &'a Store,
    pub(super) sealer: &'a Sealer,
    pub(super) index: &'a Index,
}

impl std::fmt::Debug for Reader<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Reader({:?})", self.index)
    }
}

thread_local! {
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

/// A blob that is asked for: of a million of them there is one of these each, and nothing else.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Wanted {
    pack: u32,
    offset: u32,
    length: u32,
    /// Its place in what was asked for.
    place: u32,
}

/// A piece of a pack that is read at once.
struct Stretch {
    pack: u32,
    start: u64,
    end: u64,
    /// Which of the wanted blobs, in the order of the packs, are in it.
    wanted: Range<usize>,
}

impl Reader<'_> {
    /// Tells whether the index has a blob.
    #[must_use]
    pub fn has(&self, id: &BlobId) -> bool {
        self.index.contains(id)
    }

    /// Returns a blob.
    ///
    /// # Errors
    /// It isn't stored or is damaged, or the store fails.
    pub fn blob(&self, id: &BlobId) -> Result<Vec<u8>> {
        let found = self.find(id)?;
        let start = u64::from(found.blob.offset);
        let path = self.index.pack(found.pack).pack_path();
        let sealed = self.store.get_range(&path, start..start + u64::from(found.blob.length))?;
        let mut out = Vec::new();
        opened(self.sealer, &mut sealed.to_vec(), &found.blob, &mut out).ok_or_else(|| damaged(&path, &found.blob))?;
        Ok(out)
    }

    /// Returns a folder.
    ///
    /// # Errors
    /// It isn't stored or is damaged, or the store fails.
    pub fn tree(&self, id: &BlobId) -> Result<Tree> {
        Tree::parse(&self.blob(id)?)
    }

    /// Hands each blob to `take` with its position in `blobs`: in the order in which packs have them, each pack once,
    /// several at a time.
    ///
    /// # Errors
    /// A blob isn't stored or is damaged, the store fails, `take` fails: the first of these ends it.
    pub fn each(&self, blobs: &[BlobId], take: Take<'_>) -> Result<()> {
        self.each_sound(blobs, take, &|_, error| Err(error))
    }

    /// Hands out blobs as [`each`](Self::each) does, and those that aren't stored or are damaged to `lost`, with the reason:
    /// they end it only when that says so.
    ///
    /// # Errors
    /// The store, `take` or `lost` fails: the first of these ends it.
    pub fn each_sound(&self, blobs: &[BlobId], take: Take<'_>, lost: Lost<'_>) -> Result<()> {
        let wanted = self.wanted(blobs, lost)?;
        let stretches = stretches(&wanted);
        let (next, failure) = (AtomicUsize::new(0), Mutex::new(None));
        let threads = std::thread::available_parallelism().map_or(2, |count| count.get().min(8)).min(stretches.len());
        let work = || {
            let mut out = Vec::new();
            while let Some(stretch) = stretches.get(next.fetch_add(1, Ordering::Relaxed)) {
                let done = self.stretch(stretch, blobs, &wanted[stretch.wanted.clone()], &mut out, (take, lost));
                if let Err(error) = done {
                    failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                    next.store(stretches.len(), Ordering::Relaxed);
                }
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(work);
            }
        });
        failure.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
    }

    fn stretch(
        &self,
        stretch: &Stretch,
        blobs: &[BlobId],
        wanted: &[Wanted],
        out: &mut Vec<u8>,
        (take, lost): (Take<'_>, Lost<'_>),
    ) -> Result<()> {
        let path = self.index.pack(stretch.pack).pack_path();
        let read = match self.store.get_range(&path, stretch.start..stretch.end) {
            Err(Error { kind: Kind::Damaged, what, fix, .. }) => {
                let said = || Error::new(Kind::Damaged, what.as_str(), fix.as_str());
                return wanted.iter().try_for_each(|wanted| lost(wanted.place as usize, said()));
            }
            read => read?,
        };
        let mut bytes = read.try_into_mut().unwrap_or_else(|shared| shared.as_ref().into());
        let mut before = None;
        for Wanted { offset, place, .. } in wanted {
            let Located { blob, .. } = self.find(&blobs[*place as usize])?;
            let is_sound = match before {
                Some((last, is_sound)) if last == offset => is_sound,
                _ => {
                    let start = (u64::from(blob.offset) - stretch.start) as usize;
                    let sealed = &mut bytes[start..start + blob.length as usize];
                    opened(self.sealer, sealed, &blob, out).is_some()
                }
            };
            before = Some((offset, is_sound));
            if is_sound {
                take(*place as usize, out)?;
            } else {
                lost(*place as usize, damaged(&path, &blob))?;
            }
        }
        Ok(())
    }

    /// Returns where blobs are, in the order of the packs.
    fn wanted(&self, blobs: &[BlobId], lost: Lost<'_>) -> Result<Vec<Wanted>> {
        let mut wanted = Vec::with_capacity(blobs.len());
        for (place, id) in (0..).zip(blobs) {
            match self.find(id) {
                Ok(Located { blob, pack }) => {
                    wanted.push(Wanted { pack, offset: blob.offset, length: blob.length, place });
                }
                Err(error) => lost(place as usize, error)?,
            }
        }
        wanted.sort_unstable();
        Ok(wanted)
    }

    fn find(&self, id: &BlobId) -> Result<Located> {
        self.index.located(id).ok_or_else(|| {
            let what = format!("the blob {id} isn't stored in {}", self.store.location());
            Error::new(Kind::Damaged, what, AFTER_DAMAGE)
        })
    }
}

/// Cuts what is wanted into pieces that are read at once.
fn stretches(wanted: &[Wanted]) -> Vec<Stretch> {
    let mut stretches: Vec<Stretch> = Vec::new();
    for (at, Wanted { pack, offset, length, .. }) in wanted.iter().enumerate() {
        let (start, end) = (u64::from(*offset), u64::from(*offset) + u64::from(*length));
        match stretches.last_mut() {
            Some(last) if last.pack == *pack && start <= last.end + GAP && end - last.start <= MOST => {
                last.end = last.end.max(end);
                last.wanted.end = at + 1;
            }
            _ => stretches.push(Stretch { pack: *pack, start, end, wanted: at..at + 1 }),
        }
    }
    stretches
}

/// Decrypts and decompresses a blob into `out`; nothing: it is damaged.
pub(super) fn opened(sealer: &Sealer, sealed: &mut [u8], blob: &Packed, out: &mut Vec<u8>) -> Option<()> {
    let plain = sealer.open(sealed)?;
    out.clear();
    if blob.raw == 0 {
        out.extend_from_slice(plain);
        return Some(());
    }
    out.reserve(blob.raw as usize);
    let length = DECOMPRESSOR.with_borrow_mut(|slot| {
        if slot.is_none() {
            *slot = Decompressor::new().ok();
        }
        slot.as_mut()?.decompress_to_buffer(plain, out).ok()
    })?;
    (length == blob.raw as usize).then_some(())
}

fn damaged(path: &str, blob: &Packed) -> Error {
    let what = format!("{path} is damaged at byte {}: the blob {} in it can't be decrypted", blob.offset, blob.id);
    Error::new(Kind::Damaged, what, AFTER_DAMAGE)
}
