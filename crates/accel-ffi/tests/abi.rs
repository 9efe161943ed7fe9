//! The exported functions as C calls them: through raw pointers, with good and bad arguments.
//!
//! `cargo test` shows what they answer, valgrind that they touch no memory but what they were given.
#![expect(clippy::unwrap_used, reason = "a test that can't prepare its input fails")]

use std::ffi::{CStr, c_char};
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::ptr;

use accel_ffi::hash::{
    AccelAlgorithm, AccelHasher, accel_hash_bytes, accel_hash_copy, accel_hash_file, accel_hash_finish,
    accel_hash_free, accel_hash_has_instructions, accel_hash_new, accel_hash_update,
};
use accel_ffi::status::{AccelStatus, accel_last_error};
use accel_ffi::{ABI_VERSION, accel_abi_version, accel_version};
use proptest::prelude::*;

const OK: i32 = AccelStatus::Ok as i32;
const NULL: i32 = AccelStatus::NullPointer as i32;
const ARGUMENT: i32 = AccelStatus::BadArgument as i32;
const SMALL: i32 = AccelStatus::BufferTooSmall as i32;
const NOT_FOUND: i32 = AccelStatus::NotFound as i32;
const EXISTS: i32 = AccelStatus::Exists as i32;
const IO: i32 = AccelStatus::Io as i32;

const SHA1: i32 = AccelAlgorithm::Sha1 as i32;
const SHA256: i32 = AccelAlgorithm::Sha256 as i32;

const SHA1_OF_ABC: &str = "a9993e364706816aba3e25717850c26c9cd0d89d";
const SHA256_OF_ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

/// Return the text of the last error, from a buffer that is not a byte longer.
fn last_error() -> String {
    // SAFETY: NULL is allowed, nothing is written then.
    let length = unsafe { accel_last_error(ptr::null_mut(), 0) };
    let mut text = vec![0u8; length];
    // SAFETY: the buffer has as many bytes as are given.
    assert_eq!(unsafe { accel_last_error(text.as_mut_ptr().cast(), text.len()) }, length);
    String::from_utf8(text).unwrap()
}

fn hash_bytes(algorithm: i32, data: &[u8], capacity: usize) -> (i32, Vec<u8>) {
    let mut digest = vec![0u8; capacity];
    // SAFETY: slice and buffer have as many bytes as are given.
    let status =
        unsafe { accel_hash_bytes(algorithm, data.as_ptr().cast(), data.len(), digest.as_mut_ptr().cast(), capacity) };
    (status, digest)
}

fn hash_file(algorithm: i32, path: &Path) -> (i32, String) {
    let mut digest = [0u8; 64];
    let (path, length) = pointer(path);
    // SAFETY: path and buffer have as many bytes as are given.
    let status = unsafe { accel_hash_file(algorithm, path, length, digest.as_mut_ptr().cast(), digest.len()) };
    (status, text(&digest))
}

fn copy(source: &Path, target: &Path) -> (i32, String, u64) {
    let (mut digest, mut bytes) = ([0u8; 40], 0);
    let ((from, from_length), (to, to_length)) = (pointer(source), pointer(target));
    // SAFETY: paths and buffer have as many bytes as are given, and `bytes` is written to.
    let status = unsafe {
        accel_hash_copy(from, from_length, to, to_length, 0o640, digest.as_mut_ptr().cast(), 40, &raw mut bytes)
    };
    (status, text(&digest), bytes)
}

fn pointer(path: &Path) -> (*const c_char, usize) {
    let bytes = path.as_os_str().as_bytes();
    (bytes.as_ptr().cast(), bytes.len())
}

/// Return what was written to a buffer of zeros.
fn text(buffer: &[u8]) -> String {
    String::from_utf8(buffer.iter().copied().take_while(|byte| *byte != 0).collect()).unwrap()
}

#[test]
fn the_library_says_its_interface_and_version() {
    assert_eq!(accel_abi_version(), ABI_VERSION);
    // SAFETY: it is a constant that ends with a 0.
    let version = unsafe { CStr::from_ptr(accel_version()) };
    assert_eq!(version.to_str().unwrap(), env!("CARGO_PKG_VERSION"));
    assert!([0, 1].contains(&accel_hash_has_instructions()));
}

#[test]
fn bytes_are_hashed() {
    assert_eq!(hash_bytes(SHA1, b"abc", 40), (OK, SHA1_OF_ABC.into()));
    assert_eq!(hash_bytes(SHA256, b"abc", 64), (OK, SHA256_OF_ABC.into()));
}

#[test]
fn null_is_nothing_where_the_length_is_0_and_an_error_elsewhere() {
    let mut digest = [0u8; 40];
    let buffer: *mut c_char = digest.as_mut_ptr().cast();
    // SAFETY: NULL is allowed with the length 0 and answered by an error with others; the buffer has 40 bytes.
    unsafe {
        assert_eq!(accel_hash_bytes(SHA1, ptr::null(), 1, buffer, 40), NULL);
        assert!(last_error().contains("NULL"), "{}", last_error());
        assert_eq!(accel_hash_bytes(SHA1, ptr::null(), 0, ptr::null_mut(), 40), NULL);
        assert_eq!(accel_hash_file(SHA1, ptr::null(), 1, buffer, 40), NULL);
        assert_eq!(accel_hash_new(SHA1, ptr::null_mut()), NULL);
        assert_eq!(accel_hash_update(ptr::null_mut(), ptr::null(), 0), NULL);
        assert_eq!(accel_hash_finish(ptr::null_mut(), buffer, 40), NULL);
        accel_hash_free(ptr::null_mut());
        assert_eq!(digest, [0; 40], "errors write nothing");
        assert_eq!(accel_hash_bytes(SHA1, ptr::null(), 0, buffer, 40), OK);
    }
    assert_eq!(text(&digest), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
}

#[test]
fn a_length_that_no_memory_has_is_an_error() {
    let mut digest = [0u8; 40];
    // SAFETY: the length is refused before anything is read.
    let status = unsafe { accel_hash_bytes(SHA1, b"abc".as_ptr().cast(), usize::MAX, digest.as_mut_ptr().cast(), 40) };
    assert_eq!(status, ARGUMENT);
}

#[test]
fn a_path_without_characters_or_with_a_0_is_an_error() {
    assert_eq!(hash_file(SHA1, Path::new("")).0, ARGUMENT);
    assert_eq!(hash_file(SHA1, Path::new("a\0b")).0, ARGUMENT);
}

#[test]
fn a_file_is_hashed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "abc").unwrap();
    assert_eq!(hash_file(SHA1, &file), (OK, SHA1_OF_ABC.to_owned()));
    assert_eq!(hash_file(SHA256, &file), (OK, SHA256_OF_ABC.to_owned()));
    assert_eq!(hash_file(SHA1, folder.path()), (IO, String::new()));
    assert!(last_error().contains(folder.path().to_str().unwrap()), "{}", last_error());
    assert_eq!(hash_file(SHA1, &folder.path().join("missing")), (NOT_FOUND, String::new()));
}

#[test]
fn a_copy_is_hashed_and_never_overwrites() {
    let folder = tempfile::tempdir().unwrap();
    let (source, target) = (folder.path().join("source"), folder.path().join("target"));
    fs::write(&source, "abc").unwrap();
    assert_eq!(copy(&source, &target), (OK, SHA1_OF_ABC.to_owned(), 3));
    assert_eq!(fs::read(&target).unwrap(), b"abc");
    assert_eq!(fs::metadata(&target).unwrap().permissions().mode() & 0o777, 0o640);
    fs::write(&source, "other").unwrap();
    assert_eq!(copy(&source, &target).0, EXISTS);
    assert_eq!(fs::read(&target).unwrap(), b"abc");
    let new = folder.path().join("new");
    assert_eq!(copy(&folder.path().join("missing"), &new).0, NOT_FOUND);
    assert_eq!(copy(folder.path(), &new).0, IO);
    assert!(!new.exists(), "what could not be read to its end leaves no file");
}

#[test]
fn an_error_is_told_to_the_thread_that_made_it() {
    assert_eq!(hash_file(SHA1, Path::new("/missing/here")).0, NOT_FOUND);
    std::thread::spawn(|| {
        assert_eq!(last_error(), "");
        assert_eq!(hash_file(SHA1, Path::new("/missing/there")).0, NOT_FOUND);
    })
    .join()
    .unwrap();
    assert!(last_error().contains("/missing/here"), "{}", last_error());
}

proptest! {
    #[test]
    fn any_algorithm_and_capacity_give_a_digest_or_an_error(
        algorithm in 0i32..5,
        data in proptest::collection::vec(any::<u8>(), 0..300),
        capacity in 0usize..100,
    ) {
        let (status, digest) = hash_bytes(algorithm, &data, capacity);
        let expected = match algorithm {
            SHA1 => accel::hash::sha1(&data).to_string(),
            SHA256 => accel::hash::sha256(&data).to_string(),
            _ => String::new(),
        };
        if expected.is_empty() {
            prop_assert_eq!(status, ARGUMENT);
        } else if capacity < expected.len() {
            prop_assert_eq!((status, digest), (SMALL, vec![0; capacity]));
        } else {
            prop_assert_eq!(status, OK);
            let (written, rest) = digest.split_at(expected.len());
            prop_assert_eq!(written, expected.as_bytes());
            prop_assert!(rest.iter().all(|byte| *byte == 0), "nothing is written behind the digest");
        }
    }

    #[test]
    fn pieces_have_the_digest_of_the_whole(
        pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 0..6),
    ) {
        let mut hasher: *mut AccelHasher = ptr::null_mut();
        // SAFETY: the handle is live until it is freed, once; slices and buffers have as many bytes as are given.
        unsafe {
            prop_assert_eq!(accel_hash_new(SHA256, &raw mut hasher), OK);
            for _ in 0..2 {
                let mut digest = [0u8; 64];
                for piece in &pieces {
                    prop_assert_eq!(accel_hash_update(hasher, piece.as_ptr().cast(), piece.len()), OK);
                }
                prop_assert_eq!(accel_hash_finish(hasher, digest.as_mut_ptr().cast(), 64), OK);
                prop_assert_eq!(text(&digest), accel::hash::sha256(&pieces.concat()).to_string(), "it begins anew");
            }
            accel_hash_free(hasher);
        }
    }
}

#[cfg(feature = "faults")]
mod faults {
    use accel_ffi::faults::accel_faults_arm;

    use super::*;

    const PANIC: i32 = AccelStatus::Panic as i32;

    #[test]
    fn a_panic_becomes_a_status_and_the_library_goes_on() {
        for fault in [1, 2] {
            accel_faults_arm(fault);
            assert_eq!(hash_bytes(SHA1, b"abc", 40), (PANIC, vec![0; 40]));
            assert!(last_error().contains("panicked"), "{}", last_error());
            accel_faults_arm(0);
            assert_eq!(hash_bytes(SHA1, b"abc", 40), (OK, SHA1_OF_ABC.into()));
        }
    }
}
