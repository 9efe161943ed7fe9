//! Writing blobs: hashed, compressed and encrypted in the thread that brings them, packed, and sent by threads of its own.
//!
//! A pack is in the index only after it is stored, and a file of the index is written every few packs: a run that is
//! killed leaves whole packs, and what its index has isn't sent again.

#![expect(clippy::cast_possible_truncation, reason = "a pack and each blob are far smaller than 4 GiB")]

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use accel::hash::sha256_many;
use bytes::Bytes;
use crossbeam_channel::{Receiver, Sender};
use serde::Serialize;
use zstd::bulk::Compressor;

use super::index::{self, Index, IndexFile, IndexPack};
use super::pack::{self, Packed};
use super::seal::{OVERHEAD, Sealer};
use super::tree::Tree;
use super::{BlobId, unpacked};
use crate::error::{Error, Kind, Result};
use crate::store::Store;

/// How hard it is tried: of zstd's levels, the one that takes least time on text and still packs it well.
const LEVEL: i32 = 2;
/// Larger content is tried with a piece of this size first.
const SAMPLE: usize = 32 << 10;
/// Threads that send packs.
const SENDERS: usize = 2;
/// A file of the index is written when it is [`index::FULL`], after so many packs, or so long.
const INDEX_PACKS: usize = 32;
const INDEX_TIME: Duration = Duration::from_mins(1);

/// What a run wrote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Written {
    /// Blobs that weren't there yet.
    pub blobs: u64,
    /// Their bytes.
    pub bytes: u64,
    /// What they take in the store.
    pub stored: u64,
}

/// Takes blobs, from many threads.
pub struct Writer {
    shared: Arc<Shared>,
    queue: Option<Sender<Filled>>,
    senders: Vec<JoinHandle<()>>,
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Writer")
    }
}

struct Shared {
    store: Store,
    sealer: Sealer,
    /// What is stored, and what is about to be.
    index: Mutex<Index>,
    /// The packs that fill up now: of data, of trees.
    filling: [Mutex<Filled>; 2],
    unlisted: Mutex<Unlisted>,
    failed: AtomicBool,
    failure: Mutex<Option<Error>>,
    blobs: AtomicU64,
    bytes: AtomicU64,
    sent: AtomicU64,
}

#[derive(Default)]
struct Filled {
    /// Its number in the index, from its first blob on.
    number: Option<u32>,
    content: Vec<u8>,
    blobs: Vec<Packed>,
}

/// Packs that are stored and that no file of the index has.
struct Unlisted {
    packs: Vec<IndexPack>,
    since: Instant,
    /// The files that were written.
    files: Vec<BlobId>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch::default());
}

#[derive(Default)]
struct Scratch {
    compressor: Option<Compressor<'static>>,
    squeezed: Vec<u8>,
    sealed: Vec<u8>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Writer {
    pub(super) fn new(store: Store, sealer: Sealer, known: Index) -> Self {
        let shared = Arc::new(Shared {
            store,
            sealer,
            index: Mutex::new(known),
            filling: Default::default(),
            unlisted: Mutex::new(Unlisted { packs: Vec::new(), since: Instant::now(), files: Vec::new() }),
            failed: AtomicBool::new(false),
            failure: Mutex::default(),
            blobs: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            sent: AtomicU64::new(0),
        });
        let mut writer = Self { shared, queue: None, senders: Vec::new() };
        writer.start();
        writer
    }

    fn start(&mut self) {
        let (queue, packs) = crossbeam_channel::bounded(1);
        let sender = |packs: Receiver<Filled>, shared: Arc<Shared>| {
            std::thread::spawn(move || {
                for pack in packs {
                    if let Err(error) = shared.send(pack) {
                        locked(&shared.failure).get_or_insert(error);
                        shared.failed.store(true, Ordering::Relaxed);
                    }
                }
            })
        };
        self.queue = Some(queue);
        self.senders = (0..SENDERS).map(|_| sender(packs.clone(), Arc::clone(&self.shared))).collect();
    }

    /// Stores content, unless it is there; returns its id. With `compress` it is compressed where that pays.
    ///
    /// # Errors
    /// The store failed, now or before.
    pub fn data(&self, bytes: &[u8], compress: bool) -> Result<BlobId> {
        self.blob(bytes, false, compress)
    }

    /// Stores many contents, as [`data`](Self::data) does each: their digests are computed side by side.
    ///
    /// # Errors
    /// The store failed, now or before.
    pub fn data_many(&self, contents: &[&[u8]], compress: bool) -> Result<Vec<BlobId>> {
        // Files are of all lengths: a processor's own instructions are faster than lanes that empty one by one.
        let ids: Vec<BlobId> = if accel::hash::has_instructions() {
            contents.iter().map(|bytes| BlobId::of(bytes)).collect()
        } else {
            sha256_many(contents).into_iter().map(|digest| BlobId(*digest.as_bytes())).collect()
        };
        ids.into_iter().zip(contents).map(|(id, bytes)| self.named(id, bytes, false, compress)).collect()
    }

    /// Stores a folder, unless it is there; returns its id.
    ///
    /// # Errors
    /// The store failed, now or before; a date can't be written.
    pub fn tree(&self, tree: &Tree) -> Result<BlobId> {
        self.blob(&tree.to_bytes()?, true, true)
    }

    /// Stores what a blob of another pack has.
    pub(super) fn again(&self, blob: &Packed, bytes: &[u8]) -> Result<()> {
        self.named(blob.id, bytes, blob.tree, true).map(drop)
    }

    fn blob(&self, bytes: &[u8], tree: bool, compress: bool) -> Result<BlobId> {
        self.named(BlobId::of(bytes), bytes, tree, compress)
    }

    fn named(&self, id: BlobId, bytes: &[u8], tree: bool, compress: bool) -> Result<BlobId> {
        let shared = &self.shared;
        shared.sound()?;
        if !locked(&shared.index).claim(&id, tree) {
            return Ok(id);
        }
        shared.blobs.fetch_add(1, Ordering::Relaxed);
        shared.bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        // Whoever brings the same takes it for stored from now on: so no error here leaves a writer that goes on.
        let full = SCRATCH
            .with_borrow_mut(|scratch| {
                let squeezed = compress && scratch.squeeze(bytes)?;
                scratch.sealed.clear();
                shared.sealer.seal(if squeezed { &scratch.squeezed } else { bytes }, &mut scratch.sealed);
                let length = scratch.sealed.len() as u32;
                let raw = if squeezed { bytes.len() as u32 } else { 0 };
                Ok(shared.fill(Packed { id, tree, offset: 0, length, raw }, &scratch.sealed))
            })
            .inspect_err(|_: &Error| shared.failed.store(true, Ordering::Relaxed))?;
        full.map_or(Ok(()), |full| self.hand_over(full))?;
        Ok(id)
    }

    fn hand_over(&self, pack: Filled) -> Result<()> {
        self.shared.sound()?;
        let stopped =
            || Error::new(Kind::Store, "what sends packs has stopped", "run the same command again: it goes on");
        self.queue.as_ref().ok_or_else(stopped)?.send(pack).map_err(|_| stopped())
    }

    /// Stores what is still in memory and the index of all; returns the index and what was written.
    ///
    /// # Errors
    /// The store failed, now or before.
    pub fn finish(mut self) -> Result<(Index, Written)> {
        self.drain()?;
        let shared = &self.shared;
        let index = std::mem::take(&mut *locked(&shared.index));
        let written = Written {
            blobs: shared.blobs.load(Ordering::Relaxed),
            bytes: shared.bytes.load(Ordering::Relaxed),
            stored: shared.sent.load(Ordering::Relaxed),
        };
        Ok((index, written))
    }

    /// Stores what is still in memory and the index of all, and goes on; returns the files of the index that it wrote.
    ///
    /// # Errors
    /// The store failed, now or before.
    pub fn flush(&mut self) -> Result<Vec<BlobId>> {
        self.drain()?;
        self.start();
        Ok(locked(&self.shared.unlisted).files.clone())
    }

    fn drain(&mut self) -> Result<()> {
        for filling in &self.shared.filling {
            let pack = std::mem::take(&mut *locked(filling));
            if !pack.blobs.is_empty() {
                self.hand_over(pack)?;
            }
        }
        self.stop();
        self.shared.sound()?;
        self.shared.list(&mut locked(&self.shared.unlisted))
    }

    fn stop(&mut self) {
        drop(self.queue.take());
        for sender in self.senders.drain(..) {
            if sender.join().is_err() {
                self.shared.failed.store(true, Ordering::Relaxed);
            }
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Shared {
    /// Returns the error that a sender had; to those who ask after the first, that there was one.
    fn sound(&self) -> Result<()> {
        if !self.failed.load(Ordering::Relaxed) {
            return Ok(());
        }
        let stopped =
            || Error::new(Kind::Store, "writing ended with an earlier error", "run the same command again: it goes on");
        Err(locked(&self.failure).take().unwrap_or_else(stopped))
    }

    /// Appends a blob to the pack of its kind; returns the pack when it is full.
    fn fill(&self, mut blob: Packed, sealed: &[u8]) -> Option<Filled> {
        let mut filling = locked(&self.filling[usize::from(blob.tree)]);
        blob.offset = filling.content.len() as u32;
        filling.content.extend_from_slice(sealed);
        filling.blobs.push(blob);
        let mut index = locked(&self.index);
        let number = *filling.number.get_or_insert_with(|| index.new_pack());
        index.place(number, &blob);
        let full = filling.content.len() >= pack::FULL || filling.blobs.len() >= pack::MOST_BLOBS;
        full.then(|| std::mem::take(&mut *filling))
    }

    fn send(&self, pack: Filled) -> Result<()> {
        let Filled { number, mut content, blobs } = pack;
        if self.failed.load(Ordering::Relaxed) {
            return Ok(());
        }
        pack::close(&mut content, &blobs, &self.sealer);
        let id = BlobId::of(&content);
        let length = content.len() as u64;
        self.store.put(&id.pack_path(), Bytes::from(content))?;
        self.sent.fetch_add(length, Ordering::Relaxed);
        if let Some(number) = number {
            locked(&self.index).name(number, id, length);
        }
        let mut unlisted = locked(&self.unlisted);
        let blobs = blobs.into_iter().map(Into::into).collect();
        unlisted.packs.push(IndexPack { id, blobs, time: Some(jiff::Timestamp::now()) });
        let blobs: usize = unlisted.packs.iter().map(|pack| pack.blobs.len()).sum();
        if unlisted.packs.len() >= INDEX_PACKS || blobs >= index::FULL || unlisted.since.elapsed() >= INDEX_TIME {
            self.list(&mut unlisted)?;
        }
        Ok(())
    }

    /// Writes a file of the index for the packs that none has yet.
    fn list(&self, unlisted: &mut Unlisted) -> Result<()> {
        unlisted.since = Instant::now();
        if unlisted.packs.is_empty() {
            return Ok(());
        }
        let file = IndexFile { packs: std::mem::take(&mut unlisted.packs), packs_to_delete: Vec::new() };
        unlisted.files.push(unpacked::write(&self.store, &self.sealer, "index", &file)?);
        Ok(())
    }
}

impl Scratch {
    /// Compresses `bytes` into [`squeezed`](Self::squeezed); false: that isn't worth it.
    fn squeeze(&mut self, bytes: &[u8]) -> Result<bool> {
        // Less than this the frame's own head outweighs.
        if bytes.len() < 32 {
            return Ok(false);
        }
        if bytes.len() > 4 * SAMPLE {
            let middle = bytes.len() / 2;
            let sample = self.compressed(&bytes[middle..middle + SAMPLE])?;
            if sample > SAMPLE - SAMPLE / 32 {
                return Ok(false);
            }
        }
        let length = self.compressed(bytes)?;
        Ok(length + OVERHEAD / 4 < bytes.len())
    }

    fn compressed(&mut self, bytes: &[u8]) -> Result<usize> {
        let failed = |error: std::io::Error| Error::new(Kind::Local, "zstd fails", "report it").because(error);
        if self.compressor.is_none() {
            self.compressor = Some(Compressor::new(LEVEL).map_err(failed)?);
        }
        let Some(compressor) = &mut self.compressor else { return Ok(bytes.len()) };
        self.squeezed.clear();
        self.squeezed.reserve(zstd::zstd_safe::compress_bound(bytes.len()));
        compressor.compress_to_buffer(bytes, &mut self.squeezed).map_err(failed)
    }
}
