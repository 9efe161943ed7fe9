//! Digests of bytes, of files, of what comes piece by piece, and of a file while it is copied.
//!
//! A digest is written as lower-case hexadecimal digits without a 0 byte: 40 for SHA-1, 64 for SHA-256.

use std::ffi::c_char;
use std::io;

use accel::hash::{Algorithm, Checksum, CopyError, Hasher, copy_hashed, has_instructions};

use crate::argument;
use crate::status::{AccelStatus, Failure, guard};

/// A digest function, by the number that calls take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub enum AccelAlgorithm {
    /// SHA-1: 40 hexadecimal digits.
    Sha1 = 1,
    /// SHA-256: 64 hexadecimal digits.
    Sha256 = 2,
}

/// A digest of content that comes piece by piece.
pub struct AccelHasher {
    algorithm: Algorithm,
    state: Hasher,
}

/// Return 1 if this processor has instructions for SHA-1 and SHA-256, which all calls then use, and 0 if not.
#[unsafe(no_mangle)]
pub extern "C" fn accel_hash_has_instructions() -> i32 {
    i32::from(has_instructions())
}

/// Write the digest of the `length` bytes at `data` to `digest`.
///
/// # Safety
/// `data` must be valid for reads of `length` bytes, and `digest` for writes of `capacity` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn accel_hash_bytes(
    algorithm: i32,
    data: *const c_char,
    length: usize,
    digest: *mut c_char,
    capacity: usize,
) -> i32 {
    guard(|| {
        let algorithm = known(algorithm)?;
        // SAFETY: the caller promises that `data` can be read for `length` bytes.
        let bytes = unsafe { argument::bytes("data", data, length) }?;
        // SAFETY: the caller promises that `digest` can be written for `capacity` bytes.
        unsafe { write_digits(digest, capacity, algorithm.digest(bytes)) }
    })
}

/// Write the digest of the file at `path`, which is streamed, to `digest`.
///
/// # Safety
/// `path` must be valid for reads of `path_length` bytes, and `digest` for writes of `capacity` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn accel_hash_file(
    algorithm: i32,
    path: *const c_char,
    path_length: usize,
    digest: *mut c_char,
    capacity: usize,
) -> i32 {
    guard(|| {
        let algorithm = known(algorithm)?;
        room(digest, capacity, algorithm)?;
        // SAFETY: the caller promises that `path` can be read for `path_length` bytes.
        let path = unsafe { argument::path("path", path, path_length) }?;
        let checksum = algorithm.digest_file(path).map_err(|error| Failure::of(io_status(&error.source), &error))?;
        // SAFETY: the caller promises that `digest` can be written for `capacity` bytes.
        unsafe { write_digits(digest, capacity, checksum) }
    })
}

/// Copy the file at `source` to a new file at `target`, and write the SHA-1 of its content to `sha1` and its length in
/// bytes to `length`: the content is read once.
///
/// The target is created exclusively, `ACCEL_STATUS_EXISTS` says that something is there already, and gets exactly the
/// permissions `mode`, such as 0644, whatever the umask. It is not synced. After any failure there is no target, unless
/// it was there before. This is what an ingest into Moodle's file pool is made of: copy to a temporary name in the
/// pool's folder, then rename to the name that the SHA-1 gives.
///
/// # Safety
/// `source` and `target` must be valid for reads of their lengths, `sha1` for writes of `capacity` bytes, and `length`
/// for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn accel_hash_copy(
    source: *const c_char,
    source_length: usize,
    target: *const c_char,
    target_length: usize,
    mode: u32,
    sha1: *mut c_char,
    capacity: usize,
    length: *mut u64,
) -> i32 {
    guard(|| {
        room(sha1, capacity, Algorithm::Sha1)?;
        // SAFETY: the caller promises that `length` can be written, and that nothing else uses it during the call.
        let length = unsafe { argument::exclusive("length", length) }?;
        // SAFETY: the caller promises that `source` can be read for `source_length` bytes.
        let source = unsafe { argument::path("source", source, source_length) }?;
        // SAFETY: the caller promises that `target` can be read for `target_length` bytes.
        let target = unsafe { argument::path("target", target, target_length) }?;
        if mode & !0o777 != 0 {
            return Err(Failure::new(AccelStatus::BadArgument, format!("{mode:o} is no mode of a file")));
        }
        let copied = copy_hashed(source, target, mode).map_err(|error| Failure::of(copy_status(&error), &error))?;
        *length = copied.length;
        // SAFETY: the caller promises that `sha1` can be written for `capacity` bytes.
        unsafe { write_digits(sha1, capacity, Checksum::Sha1(copied.sha1)) }
    })
}

/// Make a hasher with empty content and store it in `hasher`. It is freed with `accel_hash_free`.
///
/// # Safety
/// `hasher` must be valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn accel_hash_new(algorithm: i32, hasher: *mut *mut AccelHasher) -> i32 {
    guard(|| {
        let algorithm = known(algorithm)?;
        // SAFETY: the caller promises that `hasher` can be written, and that nothing else uses it during the call.
        let place = unsafe { argument::exclusive("hasher", hasher) }?;
        *place = Box::into_raw(Box::new(AccelHasher { algorithm, state: Hasher::new(algorithm) }));
        Ok(())
    })
}

/// Append the `length` bytes at `data` to the content of a hasher.
///
/// # Safety
/// `hasher` must come from `accel_hash_new` and not be freed, and `data` must be valid for reads of `length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn accel_hash_update(hasher: *mut AccelHasher, data: *const c_char, length: usize) -> i32 {
    guard(|| {
        // SAFETY: the caller promises that `hasher` is one of ours, which no other call uses.
        let hasher = unsafe { argument::exclusive("hasher", hasher) }?;
        // SAFETY: the caller promises that `data` can be read for `length` bytes.
        hasher.state.update(unsafe { argument::bytes("data", data, length) }?);
        Ok(())
    })
}

/// Write the digest of a hasher's content to `digest`. The hasher then begins anew with empty content.
///
/// # Safety
/// `hasher` must come from `accel_hash_new` and not be freed, and `digest` must be valid for writes of `capacity` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn accel_hash_finish(hasher: *mut AccelHasher, digest: *mut c_char, capacity: usize) -> i32 {
    guard(|| {
        // SAFETY: the caller promises that `hasher` is one of ours, which no other call uses.
        let hasher = unsafe { argument::exclusive("hasher", hasher) }?;
        room(digest, capacity, hasher.algorithm)?;
        // SAFETY: the caller promises that `digest` can be written for `capacity` bytes.
        unsafe { write_digits(digest, capacity, hasher.state.finish()) }
    })
}

/// Free a hasher. NULL is let pass.
///
/// # Safety
/// `hasher` must be NULL, or come from `accel_hash_new` and not be freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn accel_hash_free(hasher: *mut AccelHasher) {
    if !hasher.is_null() {
        // SAFETY: the caller promises that `hasher` came out of `Box::into_raw` in `accel_hash_new`, and is used no more.
        // Dropping it runs no code that could panic.
        drop(unsafe { Box::from_raw(hasher) });
    }
}

fn known(algorithm: i32) -> Result<Algorithm, Failure> {
    match algorithm {
        number if number == AccelAlgorithm::Sha1 as i32 => Ok(Algorithm::Sha1),
        number if number == AccelAlgorithm::Sha256 as i32 => Ok(Algorithm::Sha256),
        number => Err(Failure::new(AccelStatus::BadArgument, format!("there is no algorithm {number}"))),
    }
}

fn room(digest: *mut c_char, capacity: usize, algorithm: Algorithm) -> Result<(), Failure> {
    argument::room("the buffer of the digest", digest, capacity, 2 * algorithm.bytes())
}

/// Write a digest's hexadecimal digits to a buffer of the caller.
///
/// # Safety
/// If `digest` isn't NULL it must be valid for writes of `capacity` bytes.
unsafe fn write_digits(digest: *mut c_char, capacity: usize, checksum: Checksum) -> Result<(), Failure> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = [0; 64];
    let bytes = checksum.as_bytes();
    for (pair, byte) in text.chunks_exact_mut(2).zip(bytes) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 0xf)];
    }
    // SAFETY: the caller's promise is the same.
    unsafe { argument::write("the buffer of the digest", digest, capacity, &text[..2 * bytes.len()]) }
}

fn io_status(error: &io::Error) -> AccelStatus {
    match error.kind() {
        io::ErrorKind::NotFound => AccelStatus::NotFound,
        _ => AccelStatus::Io,
    }
}

fn copy_status(error: &CopyError) -> AccelStatus {
    match error {
        CopyError::Source { source, .. } | CopyError::Target { source, .. } => io_status(source),
        CopyError::Exists { .. } => AccelStatus::Exists,
    }
}
