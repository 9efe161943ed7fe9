//! A panic never leaves the library.
#![cfg(feature = "faults")]

use std::ptr::null_mut;

use accel_ffi::faults::accel_faults_arm;
use accel_ffi::hash::{AccelAlgorithm, accel_hash_bytes, accel_hash_finish, accel_hash_new};
use accel_ffi::status::{AccelStatus, accel_last_error};

fn hash() -> i32 {
    let mut digest = [0; 40];
    let algorithm = AccelAlgorithm::Sha1 as i32;
    // SAFETY: both buffers are as long as told.
    unsafe { accel_hash_bytes(algorithm, c"abc".as_ptr(), 3, digest.as_mut_ptr(), 40) }
}

fn last_error() -> String {
    let mut text = [0; 100];
    // SAFETY: the buffer is as long as told.
    let length = unsafe { accel_last_error(text.as_mut_ptr().cast(), 100) };
    String::from_utf8_lossy(&text[..length]).into_owned()
}

#[test]
fn a_panic_is_a_status_and_the_next_call_works() {
    accel_faults_arm(1);
    assert_eq!(hash(), AccelStatus::Panic as i32);
    assert_eq!(last_error(), "the library panicked: a fault that a test asked for");
    accel_faults_arm(0);
    assert_eq!(hash(), AccelStatus::Ok as i32);
}

#[test]
fn a_panic_while_a_panic_is_put_away_is_a_status_too() {
    accel_faults_arm(2);
    assert_eq!(hash(), AccelStatus::Panic as i32);
    assert_eq!(last_error(), "the library panicked: no reason given");
    accel_faults_arm(0);
    assert_eq!(hash(), AccelStatus::Ok as i32);
}

#[test]
fn a_panic_makes_no_hasher() {
    let mut hasher = null_mut();
    accel_faults_arm(1);
    // SAFETY: the pointer's place is a local variable; a NULL hasher is let pass as an error.
    unsafe {
        assert_eq!(accel_hash_new(AccelAlgorithm::Sha1 as i32, &raw mut hasher), AccelStatus::Panic as i32);
        assert!(hasher.is_null());
        assert_eq!(accel_hash_finish(hasher, null_mut(), 0), AccelStatus::Panic as i32);
    }
    accel_faults_arm(0);
}
