//! `moodle-backup create`.

pub mod gather;
