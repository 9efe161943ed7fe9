//! Deaths at a chosen operation, for tests that kill the program everywhere: only with the feature `faults`.
//!
//! `MOODLE_BACKUP_FAULT=before:7` aborts before the seventh write or deletion, `after:7` after it, `half:7` when half of
//! it is written (into a folder: as the temporary file that a killed writer leaves).

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

static OPERATIONS: AtomicU64 = AtomicU64::new(0);

/// An operation that began.
pub(super) struct Point {
    dies_after: bool,
}

impl Point {
    /// Counts the operation, and dies where it is the one to die at.
    pub(super) fn reached(folder: Option<&Path>, path: &str, bytes: &[u8]) -> Self {
        let number = OPERATIONS.fetch_add(1, Ordering::SeqCst) + 1;
        let wanted = std::env::var("MOODLE_BACKUP_FAULT").unwrap_or_default();
        let (when, at) = wanted.split_once(':').unwrap_or_default();
        let here = at.parse() == Ok(number);
        match when {
            "before" if here => std::process::abort(),
            "half" if here => {
                if let Some(folder) = folder {
                    let file = folder.join(format!("{path}#1"));
                    file.parent().map(std::fs::create_dir_all);
                    std::fs::write(file, &bytes[..bytes.len() / 2]).ok();
                }
                std::process::abort()
            }
            _ => Self { dies_after: here && when == "after" },
        }
    }

    /// The operation is done.
    pub(super) fn passed(self) {
        if self.dies_after {
            std::process::abort();
        }
    }
}
