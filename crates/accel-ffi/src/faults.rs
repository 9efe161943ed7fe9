//! Failures on purpose, so that a caller can be shown to survive them.

use std::cell::Cell;
use std::panic::panic_any;

/// How the guarded calls of a thread fail.
#[derive(Clone, Copy)]
enum Fault {
    /// Not at all.
    None,
    /// They panic.
    Panic,
    /// They panic with something that panics again when it is dropped.
    PanicTwice,
}

thread_local! {
    static FAULT: Cell<Fault> = const { Cell::new(Fault::None) };
}

struct Grenade;

impl Drop for Grenade {
    fn drop(&mut self) {
        panic!("the payload of a panic panicked");
    }
}

/// Fail as this thread was armed to.
pub(crate) fn strike() {
    match FAULT.get() {
        Fault::None => {}
        Fault::Panic => panic!("a fault that a test asked for"),
        Fault::PanicTwice => panic_any(Grenade),
    }
}

/// Make every call of this thread from now on panic: 1 panics, 2 panics again while the first is put away, any other
/// number ends it.
#[unsafe(no_mangle)]
pub extern "C" fn accel_faults_arm(fault: i32) {
    FAULT.set(match fault {
        1 => Fault::Panic,
        2 => Fault::PanicTwice,
        _ => Fault::None,
    });
}
