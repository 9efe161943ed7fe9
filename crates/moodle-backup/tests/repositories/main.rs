//! What repositories stand: kills, other runs, prunes, stores that fail.
#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

mod failures;
#[cfg(feature = "faults")]
mod inits;
#[cfg(feature = "faults")]
mod kills;
mod locks;
mod prunes;
#[cfg(feature = "faults")]
#[path = "../support/site.rs"]
#[allow(dead_code, unreachable_pub, missing_docs, reason = "these tests take a part of it")]
#[allow(clippy::allow_attributes, reason = "what is used differs from test to test")]
mod site;
mod sizes;
mod support;
