//! Packs: files of many encrypted blobs, with an encrypted list of them and its length at the end.
//!
//! Source: <https://github.com/restic/restic/blob/master/doc/design.rst#pack-format>.

#![expect(clippy::cast_possible_truncation, reason = "a pack is far smaller than 4 GiB")]

use super::BlobId;
use super::seal::{OVERHEAD, Sealer};

/// A pack this large is written; the last ones of a run are smaller.
pub(super) const FULL: usize = 16 << 20;
/// No more blobs go into a pack, so that its list stays small.
pub(super) const MOST_BLOBS: usize = 40_000;

/// A blob in a pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Packed {
    pub(super) id: BlobId,
    pub(super) tree: bool,
    /// Where it begins.
    pub(super) offset: u32,
    /// Its length there, encrypted.
    pub(super) length: u32,
    /// Its length before it was compressed; 0: it isn't.
    pub(super) raw: u32,
}

impl Packed {
    /// Its length when it is decrypted and decompressed.
    pub(super) fn plain(&self) -> u32 {
        if self.raw == 0 { self.length.saturating_sub(OVERHEAD as u32) } else { self.raw }
    }
}

/// Returns how many bytes a pack of these blobs has.
pub(super) fn size(blobs: &[Packed]) -> u64 {
    let listed = |blob: &Packed| if blob.raw == 0 { 37 } else { 41 };
    let each = |blob: &Packed| u64::from(blob.length) + listed(blob);
    blobs.iter().map(each).sum::<u64>() + OVERHEAD as u64 + 4
}

/// Appends the list of `blobs` to a pack's content.
pub(super) fn close(content: &mut Vec<u8>, blobs: &[Packed], sealer: &Sealer) {
    let mut list = Vec::with_capacity(blobs.len() * 41);
    for blob in blobs {
        list.push(u8::from(blob.tree) + if blob.raw == 0 { 0 } else { 2 });
        list.extend_from_slice(&blob.length.to_le_bytes());
        if blob.raw != 0 {
            list.extend_from_slice(&blob.raw.to_le_bytes());
        }
        list.extend_from_slice(&blob.id.0);
    }
    let before = content.len();
    sealer.seal(&list, content);
    let length = (content.len() - before) as u32;
    content.extend_from_slice(&length.to_le_bytes());
}

/// Reads the list at the end of a whole pack; nothing: it is damaged.
pub(super) fn list(content: &[u8], sealer: &Sealer) -> Option<Vec<Packed>> {
    let (rest, length) = content.split_last_chunk::<4>()?;
    let start = rest.len().checked_sub(u32::from_le_bytes(*length) as usize)?;
    list_of(&content[start..], start as u64, sealer)
}

/// Reads the list of a pack's blobs from what begins there, after so many bytes.
pub(super) fn list_of(end: &[u8], start: u64, sealer: &Sealer) -> Option<Vec<Packed>> {
    let (sealed, _) = end.split_last_chunk::<4>()?;
    let mut sealed = sealed.to_vec();
    let mut list: &[u8] = sealer.open(&mut sealed)?;
    let (mut blobs, mut offset) = (Vec::new(), 0_u32);
    while let Some((kind, rest)) = list.split_first() {
        let (length, rest) = rest.split_first_chunk::<4>()?;
        let length = u32::from_le_bytes(*length);
        let (raw, rest) = if *kind >= 2 {
            let (raw, rest) = rest.split_first_chunk::<4>()?;
            (u32::from_le_bytes(*raw), rest)
        } else {
            (0, rest)
        };
        let (id, rest) = rest.split_first_chunk::<32>()?;
        blobs.push(Packed { id: BlobId(*id), tree: kind % 2 == 1, offset, length, raw });
        offset = offset.checked_add(length)?;
        list = rest;
    }
    (u64::from(offset) == start).then_some(blobs)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

    use rustic_core::repofile::MasterKey;

    use super::*;

    #[test]
    fn the_list_of_a_pack_is_read_back_and_every_flipped_byte_of_it_is_noticed() {
        let sealer = Sealer::new(&MasterKey::new()).unwrap();
        let mut content = Vec::new();
        sealer.seal(b"content", &mut content);
        let first = content.len() as u32;
        sealer.seal(b"tree", &mut content);
        let second = content.len() as u32 - first;
        let blobs = [
            Packed { id: BlobId([1; 32]), tree: false, offset: 0, length: first, raw: 0 },
            Packed { id: BlobId([2; 32]), tree: true, offset: first, length: second, raw: 99 },
        ];
        let start = content.len();
        close(&mut content, &blobs, &sealer);
        assert_eq!(list(&content, &sealer).unwrap(), blobs);
        for place in start..content.len() {
            let mut damaged = content.clone();
            damaged[place] ^= 0x10;
            assert_ne!(list(&damaged, &sealer).as_deref(), Some(blobs.as_slice()), "byte {place}");
        }
    }
}
