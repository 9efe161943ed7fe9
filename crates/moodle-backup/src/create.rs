//! `moodle-backup create`.
