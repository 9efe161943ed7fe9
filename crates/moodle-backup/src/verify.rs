//! `moodle-backup verify`.
