//! How everything in a repository is encrypted: AES-256 in counter mode with Poly1305-AES, as restic does.
//!
//! Source: <https://github.com/restic/restic/blob/master/doc/design.rst#keys-encryption-and-mac>.

use std::fmt;

use aes256ctr_poly1305aes::Aes256CtrPoly1305Aes;
use aes256ctr_poly1305aes::aead::{AeadInPlace, generic_array::GenericArray};
use rand::RngExt as _;
use rustic_core::repofile::MasterKey;

/// What encryption adds: a nonce before, a tag after.
pub(super) const OVERHEAD: usize = NONCE + TAG;
const NONCE: usize = 16;
const TAG: usize = 16;

/// Encrypts and decrypts with a repository's master key.
#[derive(Clone)]
pub(super) struct Sealer(Box<[u8; 64]>);

impl fmt::Debug for Sealer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Sealer(…)")
    }
}

impl Sealer {
    pub(super) fn new(key: &MasterKey) -> Option<Self> {
        let joined = [key.encrypt.as_slice(), &key.mac.k, &key.mac.r].concat();
        Some(Self(Box::new(joined.try_into().ok()?)))
    }

    /// Appends `plain`, encrypted, to `out`.
    pub(super) fn seal(&self, plain: &[u8], out: &mut Vec<u8>) {
        let mut nonce = [0; NONCE];
        rand::rng().fill(&mut nonce);
        out.reserve(plain.len() + OVERHEAD);
        out.extend_from_slice(&nonce);
        let start = out.len();
        out.extend_from_slice(plain);
        let cipher = Aes256CtrPoly1305Aes::new(GenericArray::from_slice(self.0.as_slice()));
        let tag = cipher.encrypt_in_place_detached(GenericArray::from_slice(&nonce), &[], &mut out[start..]);
        // Only messages of more than 256 GiB are refused.
        out.extend_from_slice(&tag.unwrap_or_default());
    }

    /// Decrypts `sealed` in place and returns the plain bytes in it; nothing: it isn't as it was written.
    pub(super) fn open<'a>(&self, sealed: &'a mut [u8]) -> Option<&'a mut [u8]> {
        let length = sealed.len().checked_sub(OVERHEAD)?;
        let (nonce, rest) = sealed.split_at_mut(NONCE);
        let (plain, tag) = rest.split_at_mut(length);
        let cipher = Aes256CtrPoly1305Aes::new(GenericArray::from_slice(self.0.as_slice()));
        let (nonce, tag) = (GenericArray::from_slice(nonce), GenericArray::from_slice(tag));
        cipher.decrypt_in_place_detached(nonce, &[], plain, tag).ok()?;
        Some(plain)
    }
}
