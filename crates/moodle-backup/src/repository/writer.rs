//! Writing blobs: hashed, compressed and encrypted in the thread that brings them, packed, and sent by threads of its own.
//!
//! A pack is in the index only after it is stored, and a file of the index is written every few packs: a run that is
//! killed leaves whole packs, and what its index has isn't sent again.

#![expect(clippy::cast_possible_truncation, reason = "a pack and each blob are far smaller than 4 GiB")]

use std::cell::RefCell;
use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use accel::hash::sha256_many;
use bytes::Bytes;
use crossbeam_channel::{Receiver, Sender};
use serde::Serialize;
use zstd::bulk::Compressor;

use super::index::{Index, IndexFile, IndexPack};
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
/// A file of the index is written after so many packs, or so long.
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
    known: Index,
    claimed: [Mutex<HashSet<BlobId>>; SHARDS],
    /// The packs that fill up now: of data, of trees.
    filling: [Mutex<Filled>; 2],
    stored: Mutex<Stored>,
    failure: Mutex<Option<Error>>,
    blobs: AtomicU64,
    bytes: AtomicU64,
    sent: AtomicU64,
}

const SHARDS: usize = 16;

#[derive(Default)]
struct Filled {
    content: Vec<u8>,
    blobs: Vec<Packed>,
}

struct Stored {
    new: Vec<(BlobId, Vec<Packed>)>,
    /// The first of [`new`](Self::new) that no file of the index has.
    unlisted: usize,
    listed_at: Instant,
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
            known,
            claimed: Default::default(),
            filling: Default::default(),
            stored: Mutex::new(Stored { new: Vec::new(), unlisted: 0, listed_at: Instant::now() }),
            failure: Mutex::default(),
            blobs: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            sent: AtomicU64::new(0),
        });
        let (queue, packs) = crossbeam_channel::bounded(1);
        let sender = |packs: Receiver<Filled>, shared: Arc<Shared>| {
            std::thread::spawn(move || {
                for pack in packs {
                    if let Err(error) = shared.send(pack) {
                        locked(&shared.failure).get_or_insert(error);
                    }
                }
            })
        };
        let senders = (0..SENDERS).map(|_| sender(packs.clone(), Arc::clone(&shared))).collect();
        Self { shared, queue: Some(queue), senders }
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
        let ids = sha256_many(contents).into_iter().map(|digest| BlobId(*digest.as_bytes()));
        ids.zip(contents).map(|(id, bytes)| self.named(id, bytes, false, compress)).collect()
    }

    /// Stores a folder, unless it is there; returns its id.
    ///
    /// # Errors
    /// The store failed, now or before; a date can't be written.
    pub fn tree(&self, tree: &Tree) -> Result<BlobId> {
        self.blob(&tree.to_bytes()?, true, true)
    }

    fn blob(&self, bytes: &[u8], tree: bool, compress: bool) -> Result<BlobId> {
        self.named(BlobId::of(bytes), bytes, tree, compress)
    }

    fn named(&self, id: BlobId, bytes: &[u8], tree: bool, compress: bool) -> Result<BlobId> {
        let shared = &self.shared;
        if shared.known.contains(&id) || !locked(&shared.claimed[usize::from(id.0[0]) % SHARDS]).insert(id) {
            return Ok(id);
        }
        shared.blobs.fetch_add(1, Ordering::Relaxed);
        shared.bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        let full = SCRATCH.with_borrow_mut(|scratch| {
            let squeezed = compress && scratch.squeeze(bytes)?;
            scratch.sealed.clear();
            shared.sealer.seal(if squeezed { &scratch.squeezed } else { bytes }, &mut scratch.sealed);
            let mut filling = locked(&shared.filling[usize::from(tree)]);
            let (offset, length) = (filling.content.len() as u32, scratch.sealed.len() as u32);
            filling.content.extend_from_slice(&scratch.sealed);
            filling.blobs.push(Packed { id, tree, offset, length, raw: if squeezed { bytes.len() as u32 } else { 0 } });
            let full = filling.content.len() >= pack::FULL || filling.blobs.len() >= pack::MOST_BLOBS;
            Ok::<_, Error>(full.then(|| std::mem::take(&mut *filling)))
        })?;
        full.map_or(Ok(()), |full| self.hand_over(full))?;
        Ok(id)
    }

    fn hand_over(&self, pack: Filled) -> Result<()> {
        if let Some(error) = locked(&self.shared.failure).take() {
            return Err(error);
        }
        let stopped =
            || Error::new(Kind::Store, "what sends packs has stopped", "run the same command again: it goes on");
        self.queue.as_ref().ok_or_else(stopped)?.send(pack).map_err(|_| stopped())
    }

    /// Stores what is still in memory and the index of all; returns the index and what was written.
    ///
    /// # Errors
    /// The store failed, now or before.
    pub fn finish(mut self) -> Result<(Index, Written)> {
        for filling in &self.shared.filling {
            let pack = std::mem::take(&mut *locked(filling));
            if !pack.blobs.is_empty() {
                self.hand_over(pack)?;
            }
        }
        self.stop();
        let shared = &self.shared;
        if let Some(error) = locked(&shared.failure).take() {
            return Err(error);
        }
        let mut stored = locked(&shared.stored);
        shared.list(&mut stored)?;
        let mut index = shared.known.clone();
        for (id, blobs) in std::mem::take(&mut stored.new) {
            index.add(id, blobs);
        }
        let written = Written {
            blobs: shared.blobs.load(Ordering::Relaxed),
            bytes: shared.bytes.load(Ordering::Relaxed),
            stored: shared.sent.load(Ordering::Relaxed),
        };
        Ok((index.sorted(), written))
    }

    fn stop(&mut self) {
        drop(self.queue.take());
        for sender in self.senders.drain(..) {
            sender.join().ok();
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Shared {
    fn send(&self, pack: Filled) -> Result<()> {
        let Filled { mut content, blobs } = pack;
        pack::close(&mut content, &blobs, &self.sealer);
        let id = BlobId::of(&content);
        let length = content.len() as u64;
        self.store.put(&id.pack_path(), Bytes::from(content))?;
        self.sent.fetch_add(length, Ordering::Relaxed);
        let mut stored = locked(&self.stored);
        stored.new.push((id, blobs));
        if stored.new.len() - stored.unlisted >= INDEX_PACKS || stored.listed_at.elapsed() >= INDEX_TIME {
            self.list(&mut stored)?;
        }
        Ok(())
    }

    /// Writes a file of the index for the packs that none has yet.
    fn list(&self, stored: &mut Stored) -> Result<()> {
        let packs = &stored.new[stored.unlisted..];
        if packs.is_empty() {
            return Ok(());
        }
        let time = Some(jiff::Timestamp::now());
        let packs = packs.iter().map(|(id, blobs)| IndexPack {
            id: *id,
            blobs: blobs.iter().map(|blob| (*blob).into()).collect(),
            time,
        });
        let file = IndexFile { packs: packs.collect(), packs_to_delete: Vec::new() };
        unpacked::write(&self.store, &self.sealer, "index", &file)?;
        stored.unlisted = stored.new.len();
        stored.listed_at = Instant::now();
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
