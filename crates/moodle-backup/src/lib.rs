//! Backs up a whole Moodle site, and brings it back: database, file pool and configuration in one encrypted,
//! deduplicated repository that stock `restic` reads, too.
//!
//! [`store`] keeps named bytes in a folder or an object store; [`repository`] makes a restic repository of them;
//! [`database`] reads and writes MariaDB, MySQL and PostgreSQL; [`site`] knows what Moodle keeps where. [`create`],
//! [`restore`] and [`verify`] are what a user does with them, one file each.

#![forbid(unsafe_code)]

pub mod bench;
pub mod create;
pub mod database;
pub mod diff;
pub mod error;
pub mod manifest;
pub mod progress;
pub mod prune;
pub mod repository;
pub mod restore;
pub mod site;
pub mod sites;
pub mod snapshot;
pub mod store;
pub mod verify;
