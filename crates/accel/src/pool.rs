//! Verification of a Moodle file pool.
//!
//! Moodle keeps the content of every uploaded file once, in a file named by the SHA-1 of that content and placed in
//! two folders named by its first four digits: `filedir/da/39/da39a3ee5e6b4b0d3255bfef95601890afd80709`. Layout and
//! odd corners are those of Moodle 5.1's `lib/filestorage/file_system_filedir.php`: `warning.txt` in the root is
//! Moodle's own note, `<hash>.tmp` beside an object is an upload in progress or one that died, and `jackpot/` in the
//! root keeps both contents of a SHA-1 collision.

use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::io;
use std::num::NonZeroUsize;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::hash::{Sha1, StreamHasher};

/// What the root of a pool may hold beside its objects.
const WARNING_FILE: &str = "warning.txt";
const COLLISION_FOLDER: &str = "jackpot";

/// Something in the pool that is not an intact object in its place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The path relative to the root of the pool.
    pub path: PathBuf,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What can be wrong with a name in the pool.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Problem {
    /// The content does not have the hash that the name promises.
    Corrupt {
        /// The hash of what is there.
        actual: Sha1,
    },
    /// An object lies in a folder where Moodle will not look for it.
    Misplaced {
        /// The path, relative to the root, where it belongs.
        expected: PathBuf,
    },
    /// A temporary file of an upload that is still running or was cut off.
    Leftover,
    /// One side of a SHA-1 collision that Moodle has put away.
    Collision,
    /// A file or folder that Moodle did not make.
    Foreign,
    /// The operating system refused to read it.
    Unreadable {
        /// What the operating system said.
        reason: String,
    },
}

/// The result of one walk over a pool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// How many objects were read to their end, intact or not.
    pub objects: u64,
    /// How many bytes these objects have.
    pub bytes: u64,
    /// How many names were listed but gone when they were to be read, as happens on a live site.
    pub vanished: u64,
    /// All findings, ordered by path and then by problem.
    pub findings: Vec<Finding>,
}

/// A pool that cannot be verified at all.
#[derive(Debug, thiserror::Error)]
#[error("cannot list the file pool {}", root.display())]
pub struct PoolError {
    /// The root as the caller named it.
    pub root: PathBuf,
    /// What the operating system said.
    pub source: io::Error,
}

/// Hash every object of the pool at `root` on `threads` threads and report what is not as it should be.
///
/// Links are followed: a pool may be spread over several disks. The report is the same for any number of threads.
///
/// # Errors
/// [`PoolError`] if `root` cannot be listed. What cannot be read below it is a finding.
///
/// # Panics
/// If a worker thread panics, with that panic.
pub fn verify(root: &Path, threads: NonZeroUsize) -> Result<Report, PoolError> {
    let names = list(root).map_err(|source| PoolError { root: root.into(), source })?;
    let next = AtomicUsize::new(0);
    let workers = threads.get().min(names.len()).max(1);
    let mut report = thread::scope(|scope| {
        let handles: Vec<_> =
            (0..workers).map(|_| scope.spawn(|| Walker::new(root).take_turns(&names, &next))).collect();
        handles.into_iter().fold(Report::default(), |mut whole, handle| {
            let part = handle.join().unwrap_or_else(|panic| resume_unwind(panic));
            whole.objects += part.objects;
            whole.bytes += part.bytes;
            whole.vanished += part.vanished;
            whole.findings.extend(part.findings);
            whole
        })
    });
    report.findings.sort_unstable();
    Ok(report)
}

/// Return the path, relative to the root of a pool, at which Moodle keeps the object `hash`.
#[must_use]
pub fn object_path(hash: Sha1) -> PathBuf {
    let name = hash.to_string();
    [&name[..2], &name[2..4], &name].iter().collect()
}

fn list(folder: &Path) -> io::Result<Vec<PathBuf>> {
    fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.file_name().into())).collect()
}

/// One thread's share of a walk: paths go in relative to the root, findings come out.
struct Walker<'a> {
    root: &'a Path,
    hasher: StreamHasher,
    report: Report,
}

impl<'a> Walker<'a> {
    fn new(root: &'a Path) -> Self {
        Self { root, hasher: StreamHasher::new(), report: Report::default() }
    }

    fn take_turns(mut self, names: &[PathBuf], next: &AtomicUsize) -> Report {
        while let Some(name) = names.get(next.fetch_add(1, Ordering::Relaxed)) {
            self.root_entry(name);
        }
        self.report
    }

    fn root_entry(&mut self, path: &Path) {
        let Some(metadata) = self.read(path, |full| fs::metadata(full)) else { return };
        if metadata.is_dir() && path == Path::new(COLLISION_FOLDER) {
            self.each_child(path, |walker, child| walker.find(child, Problem::Collision));
        } else if metadata.is_dir() && is_pool_folder(path) {
            self.each_child(path, Self::first_level_entry);
        } else if !(metadata.is_file() && path == Path::new(WARNING_FILE)) {
            self.file(path, &metadata);
        }
    }

    fn first_level_entry(&mut self, path: &Path) {
        let Some(metadata) = self.read(path, |full| fs::metadata(full)) else { return };
        if metadata.is_dir() && is_pool_folder(path) {
            self.each_child(path, Self::second_level_entry);
        } else {
            self.file(path, &metadata);
        }
    }

    fn second_level_entry(&mut self, path: &Path) {
        if let Some(metadata) = self.read(path, |full| fs::metadata(full)) {
            self.file(path, &metadata);
        }
    }

    fn file(&mut self, path: &Path, metadata: &Metadata) {
        let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
        if !metadata.is_file() {
            self.find(path, Problem::Foreign);
        } else if let Ok(hash) = name.parse::<Sha1>() {
            self.object(path, hash);
        } else if name.strip_suffix(".tmp").is_some_and(|stem| stem.parse::<Sha1>().is_ok()) {
            self.find(path, Problem::Leftover);
        } else {
            self.find(path, Problem::Foreign);
        }
    }

    fn object(&mut self, path: &Path, promised: Sha1) {
        let expected = object_path(promised);
        if path != expected {
            self.find(path, Problem::Misplaced { expected });
        }
        let full = self.root.join(path);
        match self.hasher.sha1_file(&full) {
            Ok((actual, length)) => {
                self.report.objects += 1;
                self.report.bytes += length;
                if actual != promised {
                    self.find(path, Problem::Corrupt { actual });
                }
            }
            Err(error) => self.refused(path, &error),
        }
    }

    fn each_child(&mut self, folder: &Path, mut visit: impl FnMut(&mut Self, &Path)) {
        for name in self.read(folder, list).unwrap_or_default() {
            visit(self, &folder.join(name));
        }
    }

    fn read<T>(&mut self, path: &Path, read: impl FnOnce(&Path) -> io::Result<T>) -> Option<T> {
        read(&self.root.join(path)).map_err(|error| self.refused(path, &error)).ok()
    }

    fn refused(&mut self, path: &Path, error: &io::Error) {
        let dangling = || self.root.join(path).symlink_metadata().is_ok();
        if error.kind() == io::ErrorKind::NotFound && !dangling() {
            self.report.vanished += 1;
        } else {
            self.find(path, Problem::Unreadable { reason: error.to_string() });
        }
    }

    fn find(&mut self, path: &Path, problem: Problem) {
        self.report.findings.push(Finding { path: path.into(), problem });
    }
}

/// Tell whether the last part of `path` is two lower-case hexadecimal digits.
fn is_pool_folder(path: &Path) -> bool {
    let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
    name.parse::<crate::hash::Digest<1>>().is_ok()
}
