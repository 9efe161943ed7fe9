//! `moodle-backup restore`.
