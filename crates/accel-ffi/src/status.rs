//! Outcomes of calls: codes, the text of the last error, and the guard that keeps panics in.

use std::any::Any;
use std::cell::RefCell;
use std::error::Error;
use std::ffi::c_char;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What a call came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub enum AccelStatus {
    /// All went well.
    Ok = 0,
    /// A pointer is NULL that must not be.
    NullPointer = -1,
    /// An argument has a value that makes no sense.
    BadArgument = -2,
    /// The caller's buffer is too small for the result; nothing was written.
    BufferTooSmall = -3,
    /// A file or folder that must be there is not.
    NotFound = -4,
    /// A file is there that must not be.
    Exists = -5,
    /// The operating system refused to read or write.
    Io = -6,
    /// A defect of the library: it panicked.
    Panic = -7,
    /// The library leaves the work to PHP, since its own result might differ.
    LeftToPhp = -8,
}

/// Why a call failed: the code for the caller, the text for a person.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// The code that the call returns.
    pub status: AccelStatus,
    /// What [`accel_last_error`] will say.
    pub message: String,
}

impl Failure {
    /// Describe a failure.
    pub fn new(status: AccelStatus, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }

    /// Describe a failure by an error and all of its causes, `outer: inner`.
    #[must_use]
    pub fn of(status: AccelStatus, error: &dyn Error) -> Self {
        let mut message = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            message = format!("{message}: {cause}");
            source = cause.source();
        }
        Self { status, message }
    }
}

thread_local! {
    static LAST_ERROR: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Run the body of an exported function: return its code, keep the text of its error, and turn a panic into
/// [`AccelStatus::Panic`].
///
/// Whatever a panic leaves half done must be safe to use or to free: a handle that is not has to be made anew.
pub(crate) fn guard(body: impl FnOnce() -> Result<(), Failure>) -> i32 {
    let guarded = AssertUnwindSafe(|| {
        #[cfg(feature = "faults")]
        crate::faults::strike();
        body()
    });
    let outcome = catch_unwind(guarded).unwrap_or_else(|payload| {
        let failure = Failure::new(AccelStatus::Panic, format!("the library panicked: {}", panic_text(&*payload)));
        discard(payload);
        Err(failure)
    });
    match outcome {
        Ok(()) => AccelStatus::Ok as i32,
        Err(failure) => {
            LAST_ERROR.with_borrow_mut(|text| *text = failure.message);
            failure.status as i32
        }
    }
}

fn panic_text(payload: &(dyn Any + Send)) -> &str {
    match (payload.downcast_ref::<&str>(), payload.downcast_ref::<String>()) {
        (Some(text), _) => text,
        (_, Some(text)) => text,
        _ => "no reason given",
    }
}

/// Drop a panic's payload, whose own drop may panic again: then it is leaked.
fn discard(payload: Box<dyn Any + Send>) {
    if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(again);
    }
}

/// Write the text of the last error on this thread to `buffer`, as UTF-8 without a 0 byte at its end and cut at a
/// character if it is longer than `capacity` bytes. Return the length of the whole text in bytes, which is 0 if there
/// was no error yet.
///
/// # Safety
/// `buffer` must be valid for writes of `capacity` bytes; it may be NULL, then nothing is written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn accel_last_error(buffer: *mut c_char, capacity: usize) -> usize {
    LAST_ERROR.with_borrow(|text| {
        if !buffer.is_null() {
            let shown = &text[..text.floor_char_boundary(capacity)];
            // SAFETY: `shown` has at most `capacity` bytes, for which the caller's buffer is valid, and is this
            // thread's own memory, so the two don't overlap.
            unsafe { buffer.cast::<u8>().copy_from_nonoverlapping(shown.as_ptr(), shown.len()) };
        }
        text.len()
    })
}
