//! The kernels of [`accel`] as a C library, `libaccel_ffi.so`, which PHP loads through its FFI.
//!
//! This is the only crate of the workspace with `unsafe` code. Each concern has its module and its functions are named
//! `accel_<concern>_<verb>`. `include/accel.h` is generated from this code and committed, as is the plugin's copy of it;
//! `tests/header.rs` fails when one is out of date and says how to write both anew.
//!
//! What every exported function keeps to:
//!
//! - it returns a code of [`AccelStatus`](status::AccelStatus), and the text of an error is kept for
//!   [`accel_last_error`](status::accel_last_error) on the same thread;
//! - its body runs in `status::guard`, so a panic never crosses the boundary;
//! - results go into the caller's buffers, or into an opaque handle that has its own free function;
//! - no thread outlives the call that started it: PHP-FPM forks, and threads don't survive that.

#[cfg(not(panic = "unwind"))]
compile_error!("accel-ffi turns panics into error codes: build it with panic = \"unwind\"");

mod argument;
#[cfg(feature = "faults")]
pub mod faults;
pub mod grade;
pub mod hash;
pub mod pool;
pub mod status;

use std::ffi::{CStr, c_char};

/// The version of the interface. It grows with every change of a function, an added one included: what calls the library
/// refuses one with another number, and so never meets one that lacks what it calls.
pub const ABI_VERSION: u32 = 1;

const VERSION: &CStr = match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
    Ok(version) => version,
    Err(_) => panic!("a version holds no 0 byte"),
};

/// Return the version of the interface, which a caller compares with the one it was written for.
#[unsafe(no_mangle)]
pub const extern "C" fn accel_abi_version() -> u32 {
    ABI_VERSION
}

/// Return the version of the library, such as 0.1.0, as text that ends in a 0 byte and stays valid.
#[unsafe(no_mangle)]
pub const extern "C" fn accel_version() -> *const c_char {
    VERSION.as_ptr()
}
