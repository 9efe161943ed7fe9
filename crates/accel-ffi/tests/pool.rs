//! The pool functions as a C caller sees them.
#![expect(clippy::unwrap_used, reason = "a pool that cannot be made fails the test")]

use std::ffi::c_char;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::ptr::{null, null_mut};

use accel::hash::sha1;
use accel::pool::object_path;
use accel_ffi::pool::{
    AccelPool, AccelPoolProgress, AccelPoolState, accel_pool_advance, accel_pool_free, accel_pool_open, accel_pool_take,
};
use accel_ffi::status::{AccelStatus, accel_last_error};
use tempfile::TempDir;

fn pool() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for content in [&b""[..], b"one", b"two"] {
        put(folder.path(), &object_path(sha1(content)), content);
    }
    put(folder.path(), &object_path(sha1(b"three")), b"thr33");
    put(folder.path(), Path::new("stray"), b"");
    folder
}

fn put(root: &Path, path: &Path, content: &[u8]) {
    let full = root.join(path);
    fs::create_dir_all(full.parent().unwrap()).unwrap();
    fs::write(full, content).unwrap();
}

fn open(root: &Path, units: &[u16], threads: u32) -> (i32, *mut AccelPool) {
    let root = root.as_os_str().as_bytes();
    let mut handle = null_mut();
    // SAFETY: all pointers are to live memory of the given lengths.
    let status = unsafe {
        accel_pool_open(root.as_ptr().cast(), root.len(), units.as_ptr(), units.len(), threads, 0, &raw mut handle)
    };
    (status, handle)
}

fn last_error() -> String {
    let mut buffer = [0; 300];
    // SAFETY: the buffer has this size.
    let length = unsafe { accel_last_error(buffer.as_mut_ptr().cast::<c_char>(), buffer.len()) };
    String::from_utf8(buffer[..length].to_vec()).unwrap()
}

fn advance(handle: *mut AccelPool) -> AccelPoolProgress {
    let mut progress = AccelPoolProgress::default();
    loop {
        // SAFETY: the handle is open, and the progress lives.
        assert_eq!(unsafe { accel_pool_advance(handle, 1, &raw mut progress) }, 0);
        if progress.state != AccelPoolState::Working as i32 {
            return progress;
        }
    }
}

fn take(handle: *mut AccelPool, objects: &mut [u8], findings: &mut [u8]) -> i32 {
    let [one, other] = [objects, findings].map(|buffer| (buffer.as_mut_ptr().cast(), buffer.len()));
    // SAFETY: the handle is open, and the buffers have these sizes.
    unsafe { accel_pool_take(handle, one.0, one.1, other.0, other.1) }
}

#[test]
fn units_come_one_by_one_with_their_objects_and_findings() {
    let folder = pool();
    let three = sha1(b"three");
    let (status, handle) = open(folder.path(), &[three.as_bytes()[0].into(), 256], 2);
    assert_eq!(status, 0);
    let progress = advance(handle);
    assert_eq!((progress.state, progress.unit), (AccelPoolState::Ready as i32, three.as_bytes()[0].into()));
    assert_eq!((progress.unit_files, progress.unit_bytes, progress.unit_vanished), (1, 5, 0));
    let (mut objects, mut findings) = (vec![0; progress.unit_objects_length], vec![0; progress.unit_findings_length]);
    assert_eq!(take(handle, &mut objects, &mut findings), 0);
    assert_eq!(objects, [&three.as_bytes()[..], &5_u64.to_le_bytes()].concat());
    let expected = format!("corrupt\0{}\0{}\0", object_path(three).display(), sha1(b"thr33"));
    assert_eq!(findings, expected.as_bytes());
    let progress = advance(handle);
    assert_eq!((progress.unit, progress.unit_objects_length), (256, 0));
    let mut findings = vec![0; progress.unit_findings_length];
    // SAFETY: the handle is open; what has no content may be NULL.
    let status = unsafe { accel_pool_take(handle, null_mut(), 0, findings.as_mut_ptr().cast(), findings.len()) };
    assert_eq!((status, &findings[..]), (0, &b"foreign\0stray\0\0"[..]));
    let done = advance(handle);
    assert_eq!((done.state, done.bytes_read), (AccelPoolState::Done as i32, 5));
    // SAFETY: the handle is open and not used again.
    assert_eq!(unsafe { accel_pool_free(handle) }, 0);
}

#[test]
fn a_buffer_that_is_too_small_gets_nothing_and_the_unit_can_be_taken_again() {
    let folder = pool();
    let unit = sha1(b"three").as_bytes()[0].into();
    let (_, handle) = open(folder.path(), &[unit], 1);
    let progress = advance(handle);
    let (mut objects, mut findings) =
        (vec![7; progress.unit_objects_length], vec![7; progress.unit_findings_length - 1]);
    assert_eq!(take(handle, &mut objects, &mut findings), AccelStatus::BufferTooSmall as i32);
    assert!(objects.iter().chain(&findings).all(|byte| *byte == 7));
    assert!(last_error().contains("findings"), "{}", last_error());
    findings.push(7);
    assert_eq!(take(handle, &mut objects, &mut findings), 0);
    // SAFETY: the handle is open; NULL is refused before it is written to.
    assert_eq!(unsafe { accel_pool_take(handle, null_mut(), 99, null_mut(), 99) }, AccelStatus::NullPointer as i32);
    advance(handle);
    assert_eq!(take(handle, &mut objects, &mut findings), AccelStatus::BadArgument as i32);
    assert_eq!(last_error(), "no unit is ready");
    // SAFETY: the handle is open and not used again.
    unsafe { accel_pool_free(handle) };
}

#[test]
fn what_makes_no_sense_is_refused_with_words() {
    let folder = pool();
    for (units, threads, word) in [(vec![257], 1, "257"), (vec![0], 0, "threads"), (vec![0], 257, "threads")] {
        let (status, handle) = open(folder.path(), &units, threads);
        assert_eq!(status, AccelStatus::BadArgument as i32);
        assert!(handle.is_null());
        assert!(last_error().contains(word), "{}", last_error());
    }
    let (status, _) = open(&folder.path().join("missing"), &[0], 1);
    assert_eq!(status, AccelStatus::Io as i32);
    assert!(last_error().contains("missing") && last_error().contains("No such file"), "{}", last_error());
    assert_eq!(open(Path::new(""), &[0], 1).0, AccelStatus::BadArgument as i32);
}

#[test]
fn null_is_refused_where_something_is_needed_and_may_be_freed() {
    let mut handle = null_mut();
    let mut progress = AccelPoolProgress::default();
    let null_pointer = AccelStatus::NullPointer as i32;
    // SAFETY: NULL is allowed by these functions, and all else lives.
    unsafe {
        assert_eq!(accel_pool_open(null(), 3, [0].as_ptr(), 1, 1, 0, &raw mut handle), null_pointer);
        assert_eq!(accel_pool_open(c"/".as_ptr(), 1, null(), 1, 1, 0, &raw mut handle), null_pointer);
        assert_eq!(accel_pool_open(c"/".as_ptr(), 1, [0].as_ptr(), 1, 1, 0, null_mut()), null_pointer);
        assert_eq!(accel_pool_advance(null_mut(), 1, &raw mut progress), null_pointer);
        assert_eq!(accel_pool_take(null_mut(), null_mut(), 0, null_mut(), 0), null_pointer);
        assert_eq!(accel_pool_free(null_mut()), 0);
    }
    assert!(handle.is_null());
}

#[test]
fn a_handle_is_freed_in_the_middle_of_its_work() {
    let folder = pool();
    let (status, handle) = open(folder.path(), &(0..=256).collect::<Vec<_>>(), 3);
    assert_eq!(status, 0);
    advance(handle);
    // SAFETY: the handle is open and not used again.
    assert_eq!(unsafe { accel_pool_free(handle) }, 0);
}
