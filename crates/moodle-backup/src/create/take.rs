//! Contents on their way from the pool, the trash or an object store into the repository.

use std::cell::RefCell;
use std::sync::Mutex;

use accel::hash::sha1_many;

use super::gather::{BATCH_BYTES, Place, Source, Taken};
use super::objects::ObjectPool;
use super::pool_trees::Record;
use super::{PoolMode, Request};
use crate::database::Listed;
use crate::error::{Error, Kind, Result};
use crate::repository::{BlobId, Writer};
use crate::site::pool::{Attributes, Content, PIECE_BYTES, Pool};

thread_local! {
    /// Each thread reads into the same memory all the time.
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Copies contents.
pub(super) struct Taker<'a> {
    writer: &'a Writer,
    pool: Option<Pool>,
    objects: Option<ObjectPool>,
    mode: PoolMode,
    /// What a content of an object store has in a restored pool.
    made: Attributes,
    records: Mutex<Vec<Record>>,
    referenced: Mutex<Vec<Listed>>,
}

impl<'a> Taker<'a> {
    pub(super) fn open(request: &Request, made: Attributes, writer: &'a Writer) -> Result<Self> {
        let site = &request.site;
        let objects = match (&site.object_pool, &site.file_system) {
            (Some(location), _) => Some(ObjectPool::open(location, request.pool == PoolMode::Reference)?),
            (None, Some(class)) => {
                return Err(Error::new(
                    Kind::Site,
                    format!("the site keeps its files by {class}, and where that is was not said"),
                    "give --object-pool s3://BUCKET/PREFIX, or --object-pool none where all files are local",
                ));
            }
            (None, None) => None,
        };
        // A site whose files are all in a store may have no local pool.
        let pool = match Pool::open(&site.filedir, &site.trashdir) {
            Err(_) if objects.is_some() => None,
            pool => Some(pool?),
        };
        let empty = || Mutex::new(Vec::new());
        Ok(Self {
            writer,
            pool,
            objects,
            mode: request.pool,
            made,
            records: empty(),
            referenced: Mutex::new(Vec::new()),
        })
    }

    pub(super) fn pool(&self) -> Option<&Pool> {
        self.pool.as_ref()
    }

    /// Returns what was copied, sorted.
    pub(super) fn records(&self) -> Vec<Record> {
        let mut records = std::mem::take(&mut *self.records.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
        records.sort_unstable_by_key(|record| record.listed);
        records
    }

    /// Returns what of `listed` stays in the object store, sorted.
    pub(super) fn referenced(&self, listed: &[Listed]) -> Vec<Listed> {
        let mut referenced =
            std::mem::take(&mut *self.referenced.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
        referenced.sort_unstable();
        referenced.retain(|referenced| listed.binary_search(referenced).is_ok());
        referenced
    }

    fn record(&self, record: Record) {
        self.records.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(record);
    }

    fn local(&self, trash: bool, listed: Listed) -> Result<Taken> {
        let Some(pool) = &self.pool else {
            return Ok(Taken::Absent);
        };
        let mut blobs = Vec::new();
        let content = BUFFER.with_borrow_mut(|buffer| {
            pool.read(trash, listed, buffer, &mut |piece| {
                blobs.push(self.writer.data(piece, true)?);
                Ok(())
            })
        })?;
        Ok(match content {
            Content::Absent => Taken::Absent,
            Content::Corrupt => {
                let place = if trash { "trash" } else { "pool" };
                tracing::warn!(hash = %hex::encode(listed.hash), place, "a content is not what its name says");
                Taken::Corrupt
            }
            Content::Whole(attributes) => {
                self.record(Record { listed, attributes, content: blobs.into() });
                Taken::Stored
            }
        })
    }

    /// Copies contents of which several fit into memory: their digests are computed side by side.
    fn small(&self, pool: &Pool, contents: &[(usize, Listed)], taken: &mut [Taken], bytes: &mut Vec<u8>) -> Result<()> {
        bytes.clear();
        let mut read = Vec::with_capacity(contents.len());
        for (place, listed) in contents {
            let start = bytes.len();
            match pool.append(*listed, bytes)? {
                Content::Whole(attributes) => read.push((*place, *listed, attributes, start..bytes.len())),
                Content::Absent => {}
                Content::Corrupt => taken[*place] = Taken::Corrupt,
            }
        }
        let slices: Vec<&[u8]> = read.iter().map(|(_, _, _, range)| &bytes[range.clone()]).collect();
        let right: Vec<bool> = sha1_many(&slices)
            .iter()
            .zip(&read)
            .map(|(hash, (_, listed, _, _))| *hash.as_bytes() == listed.hash)
            .collect();
        let stored: Vec<&[u8]> = slices
            .into_iter()
            .zip(&right)
            .filter_map(|(slice, right)| (*right && !slice.is_empty()).then_some(slice))
            .collect();
        let mut ids = self.writer.data_many(&stored, true)?.into_iter();
        for ((place, listed, attributes, range), right) in read.into_iter().zip(right) {
            if !right {
                tracing::warn!(hash = %hex::encode(listed.hash), "a content is not what its name says");
                taken[place] = Taken::Corrupt;
                continue;
            }
            let content: Vec<BlobId> = if range.is_empty() { Vec::new() } else { ids.next().into_iter().collect() };
            self.record(Record { listed, attributes, content: content.into() });
            taken[place] = Taken::Stored;
        }
        Ok(())
    }

    fn object(&self, listed: Listed) -> Result<Taken> {
        let Some(objects) = &self.objects else {
            return Ok(Taken::Absent);
        };
        if self.mode == PoolMode::Reference {
            let taken = objects.refer(listed)?;
            if taken == Taken::Stored {
                self.referenced.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(listed);
            }
            return Ok(taken);
        }
        let mut blobs = Vec::new();
        let taken = objects.read(listed, &mut |piece| {
            blobs.push(self.writer.data(piece, true)?);
            Ok(())
        })?;
        if taken == Taken::Stored {
            self.record(Record { listed, attributes: self.made, content: blobs.into() });
        }
        Ok(taken)
    }
}

impl Source for Taker<'_> {
    fn expect(&self, count: usize) {
        // A vector would double while it grows, and both halves are many megabytes.
        self.records.lock().unwrap_or_else(std::sync::PoisonError::into_inner).reserve_exact(count);
    }

    fn take(&self, place: Place, listed: Listed) -> Result<Taken> {
        match place {
            Place::Pool => self.local(false, listed),
            Place::Trash => self.local(true, listed),
            Place::Objects => self.object(listed),
        }
    }

    fn take_many(&self, contents: &[Listed]) -> Result<Vec<Taken>> {
        let mut taken = vec![Taken::Absent; contents.len()];
        let Some(pool) = &self.pool else {
            return Ok(taken);
        };
        let mut batch = Vec::new();
        let mut bytes = 0;
        for (place, listed) in contents.iter().enumerate() {
            if listed.size > PIECE_BYTES as u64 {
                taken[place] = self.local(false, *listed)?;
                continue;
            }
            if bytes + listed.size > BATCH_BYTES {
                BUFFER.with_borrow_mut(|buffer| self.small(pool, &batch, &mut taken, buffer))?;
                batch.clear();
                bytes = 0;
            }
            batch.push((place, *listed));
            bytes += listed.size;
        }
        BUFFER.with_borrow_mut(|buffer| self.small(pool, &batch, &mut taken, buffer))?;
        Ok(taken)
    }
}
