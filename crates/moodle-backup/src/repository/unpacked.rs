//! Files that are one encrypted JSON document: index, locks.
//!
//! Source: <https://github.com/restic/restic/blob/master/doc/design.rst#unpacked-data-format>.

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::BlobId;
use super::reader::AFTER_DAMAGE;
use super::seal::Sealer;
use crate::error::{Error, Kind, Result};
use crate::store::Store;

/// What a compressed document begins with.
const COMPRESSED: u8 = 2;

/// Writes a document into a folder under the name that its content gives it; returns that.
pub(super) fn write(store: &Store, sealer: &Sealer, folder: &str, document: &impl Serialize) -> Result<BlobId> {
    let (id, sealed) = sealed(sealer, document)?;
    store.put(&format!("{folder}/{id}"), sealed)?;
    Ok(id)
}

/// Writes a document as [`write`] does, where nothing is yet.
pub(super) fn create(store: &Store, sealer: &Sealer, folder: &str, document: &impl Serialize) -> Result<BlobId> {
    let (id, sealed) = sealed(sealer, document)?;
    // Nobody else can have written these bytes: what is there is what an attempt wrote whose answer got lost.
    store.create(&format!("{folder}/{id}"), sealed)?;
    Ok(id)
}

fn sealed(sealer: &Sealer, document: &impl Serialize) -> Result<(BlobId, Bytes)> {
    let failed =
        |error: std::io::Error| Error::new(Kind::Local, "a document can't be written", "report it").because(error);
    let json = serde_json::to_vec(document).map_err(|error| failed(error.into()))?;
    let mut plain = vec![COMPRESSED];
    plain.extend(zstd::bulk::compress(&json, 3).map_err(failed)?);
    let mut sealed = Vec::new();
    sealer.seal(&plain, &mut sealed);
    Ok((BlobId::of(&sealed), Bytes::from(sealed)))
}

/// Reads a document.
pub(super) fn read<T: DeserializeOwned>(store: &Store, sealer: &Sealer, path: &str) -> Result<T> {
    let sealed = store.get(path)?;
    let damaged = |what: &str| {
        let what = format!("{path} of {} is damaged: {what}", store.location());
        Error::new(Kind::Damaged, what, AFTER_DAMAGE)
    };
    let name = path.rsplit('/').next().unwrap_or(path);
    if BlobId::of(&sealed).to_string() != name {
        return Err(damaged("its content isn't what its name says"));
    }
    let mut sealed = sealed.to_vec();
    let plain = sealer.open(&mut sealed).ok_or_else(|| damaged("it can't be decrypted"))?;
    let parsed = match plain.split_first() {
        Some((&COMPRESSED, packed)) => {
            let json = zstd::stream::decode_all(packed).map_err(|_| damaged("it can't be decompressed"))?;
            serde_json::from_slice(&json)
        }
        _ => serde_json::from_slice(plain),
    };
    parsed.map_err(|error| damaged("it isn't what it should be").because(error))
}
