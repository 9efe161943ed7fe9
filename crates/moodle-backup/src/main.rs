//! The program `moodle-backup`.

#![forbid(unsafe_code)]

fn main() {}
