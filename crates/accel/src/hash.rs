//! SHA-1 and SHA-256 of bytes, of files and of what comes piece by piece.

pub(crate) mod lanes;
mod many;

use std::fmt;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::mem;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use sha1::Digest as _;

pub use many::{sha1_many, sha256_many};

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

/// Tell whether this processor has instructions for SHA-1 and SHA-256. Hashes use them by themselves.
#[must_use]
pub fn has_instructions() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::arch::is_x86_feature_detected!("sha");
    #[cfg(target_arch = "aarch64")]
    return std::arch::is_aarch64_feature_detected!("sha2");
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    return false;
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

/// A digest function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// SHA-1: 40 hexadecimal digits.
    Sha1,
    /// SHA-256: 64 hexadecimal digits.
    Sha256,
}

/// A digest of content that comes piece by piece.
#[derive(Clone, Debug)]
pub struct Hasher(State);

#[derive(Clone, Debug)]
enum State {
    Sha1(sha1::Sha1),
    Sha256(sha2::Sha256),
}

/// The digest of an [`Algorithm`] that is chosen while the program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Checksum {
    /// A SHA-1.
    Sha1(Sha1),
    /// A SHA-256.
    Sha256(Sha256),
}

impl Checksum {
    /// The digest's bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Sha1(digest) => digest.as_bytes(),
            Self::Sha256(digest) => digest.as_bytes(),
        }
    }
}

impl Algorithm {
    /// How many bytes a digest has.
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }

    /// Return the digest of `bytes`.
    #[must_use]
    pub fn digest(self, bytes: &[u8]) -> Checksum {
        match self {
            Self::Sha1 => Checksum::Sha1(sha1(bytes)),
            Self::Sha256 => Checksum::Sha256(sha256(bytes)),
        }
    }

    /// Return the digest of the file at `path`, which is streamed and never held in memory.
    ///
    /// # Errors
    /// [`HashFileError`] if the file cannot be opened or read.
    pub fn digest_file(self, path: &Path) -> Result<Checksum, HashFileError> {
        match self {
            Self::Sha1 => sha1_file(path).map(Checksum::Sha1),
            Self::Sha256 => sha256_file(path).map(Checksum::Sha256),
        }
    }
}

impl Hasher {
    /// Begin with empty content.
    #[must_use]
    pub fn new(algorithm: Algorithm) -> Self {
        Self(match algorithm {
            Algorithm::Sha1 => State::Sha1(sha1::Sha1::new()),
            Algorithm::Sha256 => State::Sha256(sha2::Sha256::new()),
        })
    }

    /// Append `bytes` to the content.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            State::Sha1(state) => state.update(bytes),
            State::Sha256(state) => state.update(bytes),
        }
    }

    /// Return the digest of the content, and begin anew with empty content.
    pub fn finish(&mut self) -> Checksum {
        match &mut self.0 {
            State::Sha1(state) => Checksum::Sha1(Digest(mem::take(state).finalize().into())),
            State::Sha256(state) => Checksum::Sha256(Digest(mem::take(state).finalize().into())),
        }
    }
}

/// What copying a file came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copied {
    /// The SHA-1 of the content.
    pub sha1: Sha1,
    /// The length of the content in bytes.
    pub length: u64,
}

/// A file could not be copied. There is no new file then, unless removing it failed too.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The source cannot be opened or read.
    #[error("cannot read {}", path.display())]
    Source {
        /// The source as the caller named it.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// There is something at the target already. It was left alone.
    #[error("{} exists already", path.display())]
    Exists {
        /// The target as the caller named it.
        path: PathBuf,
    },
    /// The target cannot be made or written.
    #[error("cannot write {}", path.display())]
    Target {
        /// The target as the caller named it.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

/// Copy the file `source` to a new file `target` and hash it on the way: its content is read once.
///
/// The target is created exclusively and gets exactly the permissions `mode`, whatever the umask. It is not synced.
///
/// # Errors
/// [`CopyError`] if the source cannot be read, or the target exists or cannot be written.
pub fn copy_hashed(source: &Path, target: &Path, mode: u32) -> Result<Copied, CopyError> {
    let mut reader = File::open(source).map_err(|error| CopyError::Source { path: source.into(), source: error })?;
    let writer = OpenOptions::new().write(true).create_new(true).mode(mode & 0o700).open(target);
    let mut writer = writer.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => CopyError::Exists { path: target.into() },
        _ => CopyError::Target { path: target.into(), source: error },
    })?;
    let unwritable = |error| CopyError::Target { path: target.into(), source: error };
    let copied = pump(&mut reader, &mut writer, source, target)
        .and_then(|copied| writer.set_permissions(Permissions::from_mode(mode)).map_err(unwritable).and(Ok(copied)));
    if copied.is_err() {
        // What failed is already known, and says more than this could.
        let _ = fs::remove_file(target);
    }
    copied
}

fn pump(reader: &mut File, writer: &mut File, source: &Path, target: &Path) -> Result<Copied, CopyError> {
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut hasher = sha1::Sha1::new();
    let mut length = 0;
    loop {
        let count =
            read(reader, &mut buffer).map_err(|error| CopyError::Source { path: source.into(), source: error })?;
        if count == 0 {
            return Ok(Copied { sha1: Digest(hasher.finalize().into()), length });
        }
        hasher.update(&buffer[..count]);
        length += count as u64;
        writer.write_all(&buffer[..count]).map_err(|error| CopyError::Target { path: target.into(), source: error })?;
    }
}

/// Read once, as often as a signal interrupts it.
fn read(file: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match file.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            outcome => return outcome,
        }
    }
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
            let count = read(&mut file, &mut self.buffer)?;
            if count == 0 {
                return Ok((Digest(hasher.finalize().into()), length));
            }
            hasher.update(&self.buffer[..count]);
            length += count as u64;
        }
    }
}
