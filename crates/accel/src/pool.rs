//! Verification of a Moodle file pool.
//!
//! Moodle keeps the content of every uploaded file once, in a file named by the SHA-1 of that content and placed in
//! two folders named by its first four digits: `filedir/da/39/da39a3ee5e6b4b0d3255bfef95601890afd80709`. Layout and
//! odd corners are those of Moodle 5.1's `lib/filestorage/file_system_filedir.php`: `warning.txt` in the root is
//! Moodle's own note, `<hash>.tmp` beside an object is an upload in progress or one that died, and `jackpot/` in the
//! root keeps both contents of a SHA-1 collision.
//!
//! A pool is verified in units: its 256 top folders and what else lies in its root. [`Scan`] works on them in the
//! given order and hands them out one by one, so that a run can stop after any of them and go on another day.

mod scan;
mod walk;

use std::fmt;
use std::fs;
use std::io;
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::{Path, PathBuf};

use crate::hash::Sha1;

pub use scan::{Progress, Scan};

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

/// A part of a pool that is verified as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unit {
    /// The top folder of this number, `00` to `ff`, with all that is in it.
    Folder(u8),
    /// All that lies in the root itself and is not a top folder.
    Root,
}

impl Unit {
    /// Return all units of a pool: its folders, then the root.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..=u8::MAX).map(Self::Folder).chain([Self::Root])
    }

    /// Return the unit's number: that of the folder, or 256 for the root.
    #[must_use]
    pub fn number(self) -> u16 {
        match self {
            Self::Folder(number) => number.into(),
            Self::Root => 256,
        }
    }

    /// Return the unit of a number, if there is one.
    #[must_use]
    pub fn from_number(number: u16) -> Option<Self> {
        match u8::try_from(number) {
            Ok(folder) => Some(Self::Folder(folder)),
            Err(_) => (number == Self::Root.number()).then_some(Self::Root),
        }
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(number) => write!(formatter, "{number:02x}"),
            Self::Root => formatter.write_str("root"),
        }
    }
}

/// An object that lies where Moodle looks for it, intact or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Object {
    /// The hash that its name promises.
    pub hash: Sha1,
    /// How many bytes it has.
    pub size: u64,
}

/// What was seen in a part of a pool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The objects in their places, ordered by hash.
    pub objects: Vec<Object>,
    /// How many files were read to their end and hashed: the objects, and those that lie in a wrong place.
    pub files: u64,
    /// How many bytes these files have.
    pub bytes: u64,
    /// How many names were listed but gone when they were to be read, as happens on a live site.
    pub vanished: u64,
    /// All findings, ordered by path and then by problem.
    pub findings: Vec<Finding>,
}

impl Report {
    fn add(&mut self, other: Self) {
        self.objects.extend(other.objects);
        self.files += other.files;
        self.bytes += other.bytes;
        self.vanished += other.vanished;
        self.findings.extend(other.findings);
    }

    fn sort(&mut self) {
        self.objects.sort_unstable();
        self.findings.sort_unstable();
    }
}

/// How hard a scan may work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effort {
    /// On how many threads.
    pub threads: NonZeroUsize,
    /// How many bytes it may read in a second, on all threads together; as many as it can if none.
    pub bytes_per_second: Option<NonZeroU64>,
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
    let mut scan = Scan::new(root, Unit::all(), Effort { threads, bytes_per_second: None })?;
    let mut whole = Report::default();
    loop {
        match scan.advance(None)? {
            Progress::Unit(_, report) => whole.add(report),
            Progress::Working => {}
            Progress::Done => break,
        }
    }
    whole.sort();
    Ok(whole)
}

/// Return the path, relative to the root of a pool, at which Moodle keeps the object `hash`.
#[must_use]
pub fn object_path(hash: Sha1) -> PathBuf {
    let name = hash.to_string();
    [&name[..2], &name[2..4], &name].iter().collect()
}

fn list(root: &Path) -> Result<fs::ReadDir, PoolError> {
    fs::read_dir(root).map_err(|source| PoolError { root: root.into(), source })
}
