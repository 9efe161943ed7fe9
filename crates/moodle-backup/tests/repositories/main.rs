//! What repositories stand: kills, other runs, prunes, stores that fail.
#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

mod failures;
#[cfg(feature = "faults")]
mod inits;
#[cfg(feature = "faults")]
mod kills;
mod locks;
mod prunes;
mod sizes;
mod support;
