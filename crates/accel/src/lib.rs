//! Kernels for the two things Moodle computes in bulk: content hashes and course grades.
//!
//! [`hash`] digests bytes and files, [`pool`] checks a whole Moodle file pool on several threads, [`grade`] aggregates
//! the grades of a grade category, and [`formula`] evaluates calculated grades. Every number of the last two is meant to
//! equal the one that Moodle 5.1 (build 20251017) computes, to the last bit; the crate's README says how that is tested.

#![forbid(unsafe_code)]

pub mod formula;
pub mod grade;
pub mod hash;
pub mod pool;

/// The example in the README compiles and holds.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
