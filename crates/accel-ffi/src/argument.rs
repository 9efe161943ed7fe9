//! Arguments of exported functions: raw pointers in, references or a failure out.

use std::ffi::{OsStr, c_char};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::slice;

use crate::status::{AccelStatus, Failure};

fn null(name: &str) -> Failure {
    Failure::new(AccelStatus::NullPointer, format!("{name} is NULL"))
}

/// Return the `length` bytes at `data`.
///
/// # Safety
/// If `data` isn't NULL it must be valid for reads of `length` bytes, which nothing writes to during `'a`.
pub(crate) unsafe fn bytes<'a>(name: &str, data: *const c_char, length: usize) -> Result<&'a [u8], Failure> {
    if length == 0 {
        return Ok(&[]);
    }
    if data.is_null() {
        return Err(null(name));
    }
    if isize::try_from(length).is_err() {
        return Err(Failure::new(AccelStatus::BadArgument, format!("{name} cannot have {length} bytes")));
    }
    // SAFETY: not NULL, not larger than any object can be, and valid for reads by the caller's promise. Bytes have no
    // alignment and no invalid values.
    Ok(unsafe { slice::from_raw_parts(data.cast(), length) })
}

/// Return the path of `length` bytes at `data`.
///
/// # Safety
/// As for [`bytes`].
pub(crate) unsafe fn path<'a>(name: &str, data: *const c_char, length: usize) -> Result<&'a Path, Failure> {
    // SAFETY: the caller's promise is the same.
    let bytes = unsafe { bytes(name, data, length) }?;
    if bytes.is_empty() {
        return Err(Failure::new(AccelStatus::BadArgument, format!("{name} is empty")));
    }
    if bytes.contains(&0) {
        return Err(Failure::new(AccelStatus::BadArgument, format!("{name} holds a 0 byte")));
    }
    Ok(Path::new(OsStr::from_bytes(bytes)))
}

/// Return what `pointer` points to, for writing.
///
/// # Safety
/// If `pointer` isn't NULL it must be aligned, valid for reads and writes of an initialised `T`, and nothing else may
/// use that during `'a`.
pub(crate) unsafe fn exclusive<'a, T>(name: &str, pointer: *mut T) -> Result<&'a mut T, Failure> {
    // SAFETY: NULL is seen to by `as_mut`, all else is the caller's promise.
    unsafe { pointer.as_mut() }.ok_or_else(|| null(name))
}

/// Tell whether a result of `needed` bytes can be written to a buffer of the caller.
pub(crate) fn room(name: &str, buffer: *mut c_char, capacity: usize, needed: usize) -> Result<(), Failure> {
    if buffer.is_null() {
        return Err(null(name));
    }
    if capacity < needed {
        let message = format!("{name} has {capacity} bytes, the result needs {needed}");
        return Err(Failure::new(AccelStatus::BufferTooSmall, message));
    }
    Ok(())
}

/// Write a result to a buffer of the caller.
///
/// # Safety
/// If `buffer` isn't NULL it must be valid for writes of `capacity` bytes.
pub(crate) unsafe fn write(name: &str, buffer: *mut c_char, capacity: usize, result: &[u8]) -> Result<(), Failure> {
    room(name, buffer, capacity, result.len())?;
    // SAFETY: `room` saw that the buffer isn't NULL and that the result fits; the result is memory of this library.
    unsafe { buffer.cast::<u8>().copy_from_nonoverlapping(result.as_ptr(), result.len()) };
    Ok(())
}
