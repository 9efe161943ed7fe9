//! The mark that lies in a folder while it is restored: it names the snapshot, and its lock keeps a second restore away.
//!
//! Others may write to a dataroot: a link, a pipe or a second name of a file in the mark's place is removed, never followed.

use std::fs::File;
use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use super::files::{local, open_folder};
use crate::error::{Error, Kind, Result};

const MARKER: &str = ".moodle-backup-restore";

/// How many digits the id of a snapshot has.
const DIGITS: usize = 64;

/// More bytes than that.
const LONGEST: u64 = 100;

/// How often somebody else may put something in the mark's place.
const ATTEMPTS: usize = 16;

/// A folder that is marked.
#[derive(Debug)]
pub(super) struct Mark {
    root: OwnedFd,
    path: PathBuf,
    /// The lock goes with it.
    _file: File,
    /// The same restore was broken off here.
    pub(super) resumed: bool,
}

impl Mark {
    /// Makes the folder and marks it.
    pub(super) fn set(folder: &Path, snapshot: &str) -> Result<Self> {
        let path = folder.join(MARKER);
        std::fs::create_dir_all(folder).map_err(|error| local(folder, error))?;
        let root = open_folder(folder).map_err(|error| local(folder, error.into()))?;
        let file = locked(&root, &path)?;
        let resumed = named(&file) == snapshot;
        if !resumed {
            // Never without a name, whenever this is killed: an id is as long as any other.
            file.write_all_at(snapshot.as_bytes(), 0)
                .and_then(|()| file.set_len(snapshot.len() as u64))
                .and_then(|()| file.sync_all())
                .map_err(|error| local(&path, error))?;
        }
        Ok(Self { root, path, _file: file, resumed })
    }

    /// Sees to it that what is written stays, whatever happens to the machine; it may take minutes.
    pub(super) fn sync(&self) -> Result<()> {
        rustix::fs::syncfs(&self.root).map_err(|error| local(&self.path, error.into()))
    }

    /// Removes the mark: the restore is done.
    pub(super) fn finish(self) -> Result<()> {
        rustix::fs::unlinkat(&self.root, MARKER, AtFlags::empty())
            .and_then(|()| rustix::fs::fsync(&self.root))
            .map_err(|error| local(&self.path, error.into()))
    }
}

/// Returns the snapshot whose restore goes on in a folder, or was broken off there.
pub(super) fn of(folder: &Path) -> Option<String> {
    let root = open_folder(folder).ok()?;
    Some(named(&opened(&root, OFlags::RDONLY).ok()?))
}

/// Fails when a restore goes on in a folder, or was broken off there.
pub(crate) fn left_in(folder: &Path) -> Result<()> {
    let Some(snapshot) = of(folder) else { return Ok(()) };
    Err(Error::new(
        Kind::Site,
        format!("a restore into {}, that of snapshot {snapshot}, goes on or was broken off", folder.display()),
        format!(
            "wait until it has ended; one that was killed is to be run again, with --overwrite where its database is refused; \
             where nobody wants it any more, remove {}",
            folder.join(MARKER).display()
        ),
    ))
}

fn locked(root: &OwnedFd, path: &Path) -> Result<File> {
    for _ in 0..ATTEMPTS {
        let file = match opened(root, OFlags::RDWR | OFlags::CREATE) {
            Ok(file) => file,
            Err(Errno::LOOP | Errno::INVAL | Errno::ISDIR | Errno::NXIO) => {
                rustix::fs::unlinkat(root, MARKER, AtFlags::empty()).map_err(|error| local(path, error.into()))?;
                continue;
            }
            Err(error) => return Err(local(path, error.into())),
        };
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                let what = format!("another restore writes there: it holds {}", path.display());
                return Err(Error::new(Kind::Locked, what, "wait until it has ended"));
            }
            Err(error) => return Err(local(path, error.into())),
        }
        // One that ended meanwhile has removed it.
        let there = rustix::fs::statat(root, MARKER, AtFlags::SYMLINK_NOFOLLOW);
        if there.is_ok_and(|there| rustix::fs::fstat(&file).is_ok_and(|own| own.st_ino == there.st_ino)) {
            return Ok(file);
        }
    }
    Err(local(path, Errno::AGAIN.into()))
}

/// Opens the mark; what is no file of its own is invalid.
fn opened(root: &OwnedFd, flags: OFlags) -> rustix::io::Result<File> {
    let flags = flags | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::openat(root, MARKER, flags, Mode::RUSR | Mode::WUSR)?);
    let stat = rustix::fs::fstat(&file)?;
    let own = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile && stat.st_nlink <= 1;
    if own { Ok(file) } else { Err(Errno::INVAL) }
}

/// Returns the snapshot that a mark names. Whoever may write to the folder may have put other words there, which nobody
/// is shown.
fn named(file: &File) -> String {
    let mut text = String::new();
    match file.take(LONGEST).read_to_string(&mut text) {
        Ok(_) if text.len() == DIGITS && text.chars().all(|digit| digit.is_ascii_hexdigit()) => text,
        _ => "(no id of one)".to_owned(),
    }
}
