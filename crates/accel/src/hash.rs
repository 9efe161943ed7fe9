//! SHA-1 and SHA-256 of bytes and of files.

pub(crate) mod lanes;

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use sha1::Digest as _;

/// How much of a file is read at a time, in bytes.
const BUFFER_BYTES: usize = 128 * 1024;

/// A digest of `N` bytes, shown and parsed as lower-case hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest<const N: usize>([u8; N]);

/// The digest that names the objects of a Moodle file pool.
pub type Sha1 = Digest<20>;

/// The digest used for exports and release artifacts.
pub type Sha256 = Digest<32>;

impl<const N: usize> Digest<N> {
    /// The digest's bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; N] {
        &self.0
    }
}

impl<const N: usize> From<[u8; N]> for Digest<N> {
    fn from(bytes: [u8; N]) -> Self {
        Self(bytes)
    }
}

impl<const N: usize> fmt::Display for Digest<N> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl<const N: usize> fmt::Debug for Digest<N> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Digest({self})")
    }
}

impl<const N: usize> FromStr for Digest<N> {
    type Err = ParseDigestError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || ParseDigestError { text: text.to_owned(), digits: 2 * N };
        if text.len() != 2 * N {
            return Err(invalid());
        }
        let mut bytes = [0; N];
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            *byte =
                hex_value(pair[0]).zip(hex_value(pair[1])).map(|(high, low)| high << 4 | low).ok_or_else(invalid)?;
        }
        Ok(Self(bytes))
    }
}

fn hex_value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

/// The text is not a digest of the expected length in lower-case hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a digest: {digits} lower-case hexadecimal digits are expected")]
pub struct ParseDigestError {
    text: String,
    digits: usize,
}

/// A file could not be read to its end.
#[derive(Debug, thiserror::Error)]
#[error("cannot hash {}", path.display())]
pub struct HashFileError {
    /// The file as the caller named it.
    pub path: PathBuf,
    /// What the operating system said.
    pub source: io::Error,
}

/// Return the SHA-1 of `bytes`.
#[must_use]
pub fn sha1(bytes: &[u8]) -> Sha1 {
    Digest(sha1::Sha1::digest(bytes).into())
}

/// Return the SHA-256 of `bytes`.
#[must_use]
pub fn sha256(bytes: &[u8]) -> Sha256 {
    Digest(sha2::Sha256::digest(bytes).into())
}

/// Return the SHA-1 of the file at `path`, which is streamed and never held in memory.
///
/// # Errors
/// [`HashFileError`] if the file cannot be opened or read.
pub fn sha1_file(path: &Path) -> Result<Sha1, HashFileError> {
    let (digest, _) =
        StreamHasher::new().sha1_file(path).map_err(|source| HashFileError { path: path.into(), source })?;
    Ok(digest)
}

/// Return the SHA-256 of the file at `path`, which is streamed and never held in memory.
///
/// # Errors
/// [`HashFileError`] if the file cannot be opened or read.
pub fn sha256_file(path: &Path) -> Result<Sha256, HashFileError> {
    let (digest, _) = StreamHasher::new()
        .file::<sha2::Sha256, 32>(path)
        .map_err(|source| HashFileError { path: path.into(), source })?;
    Ok(digest)
}

/// Hashes files one after the other through the same buffer.
pub(crate) struct StreamHasher {
    buffer: Box<[u8]>,
}

impl StreamHasher {
    pub(crate) fn new() -> Self {
        Self { buffer: vec![0; BUFFER_BYTES].into_boxed_slice() }
    }

    /// Return the SHA-1 of the file and its length in bytes.
    pub(crate) fn sha1_file(&mut self, path: &Path) -> io::Result<(Sha1, u64)> {
        self.file::<sha1::Sha1, 20>(path)
    }

    fn file<H, const N: usize>(&mut self, path: &Path) -> io::Result<(Digest<N>, u64)>
    where
        H: sha1::Digest,
        [u8; N]: From<sha1::digest::Output<H>>,
    {
        let mut file = File::open(path)?;
        let mut hasher = H::new();
        let mut length = 0;
        loop {
            match file.read(&mut self.buffer) {
                Ok(0) => return Ok((Digest(hasher.finalize().into()), length)),
                Ok(count) => {
                    hasher.update(&self.buffer[..count]);
                    length += count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}
