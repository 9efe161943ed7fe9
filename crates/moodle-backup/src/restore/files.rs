//! The files of a snapshot, written in the order of the packs that hold them.

use std::ffi::OsString;
use std::fs::File;
use std::io::Write as _;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::fs::{AtFlags, Gid, Mode, OFlags, Timespec, Timestamps, Uid};

use crate::error::{Error, Kind, Result};
use crate::progress::{Progress, Unit};
use crate::repository::BlobId;
use crate::repository::tree::{Node, NodeKind};
use crate::site::pool::Attributes;
use crate::snapshot::{Opened, mode};

/// Lies in a folder while it is restored, and names the snapshot.
const MARKER: &str = ".moodle-backup-restore";

/// How many trees are loaded at once.
const TREES: usize = 4096;

/// A folder that becomes a dataroot.
pub(super) struct Target<'a> {
    folder: &'a Path,
    snapshot: &'a str,
    overwrite: bool,
}

/// What was written.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Restored {
    pub(super) files: u64,
    pub(super) bytes: u64,
}

impl<'a> Target<'a> {
    pub(super) fn new(folder: &'a Path, snapshot: &'a str, overwrite: bool) -> Self {
        Self { folder, snapshot, overwrite }
    }

    /// Returns why nothing may be written there. A folder in which the same restore was broken off is no reason.
    pub(super) fn refusal(&self) -> Option<String> {
        let mut entries = match std::fs::read_dir(self.folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
            Err(error) => return Some(format!("{} can't be read: {error}", self.folder.display())),
            Ok(entries) => entries,
        };
        if entries.next().is_none() || self.overwrite {
            return None;
        }
        match std::fs::read_to_string(self.folder.join(MARKER)) {
            Ok(snapshot) if snapshot.trim() == self.snapshot => None,
            Ok(other) => Some(format!(
                "in {} another restore was broken off, that of snapshot {}",
                self.folder.display(),
                other.trim()
            )),
            Err(_) => Some(format!("{} is not empty", self.folder.display())),
        }
    }

    /// Writes all files.
    pub(super) fn restore(&self, opened: &Opened<'_>, progress: &dyn Progress) -> Result<Restored> {
        std::fs::create_dir_all(self.folder).map_err(|error| local(self.folder, error))?;
        let marker = self.folder.join(MARKER);
        let resumed = std::fs::read_to_string(&marker).is_ok_and(|snapshot| snapshot.trim() == self.snapshot);
        std::fs::write(&marker, self.snapshot).map_err(|error| local(&marker, error))?;
        let Some(top) = opened.node("moodledata")? else {
            return Err(Error::new(
                Kind::Refused,
                format!("the snapshot {} has no files", self.snapshot),
                "restore its database only: leave out --to-dir",
            ));
        };
        write(opened, vec![(PathBuf::new(), top)], self.folder, resumed, progress)
    }

    /// Nothing is missing any more.
    pub(super) fn finish(&self) -> Result<()> {
        let folder = File::open(self.folder).map_err(|error| local(self.folder, error))?;
        rustix::fs::syncfs(&folder).map_err(|error| local(self.folder, error.into()))?;
        let marker = self.folder.join(MARKER);
        std::fs::remove_file(&marker).map_err(|error| local(&marker, error))
    }
}

/// A file to be written.
struct Item {
    path: Box<Path>,
    attributes: Attributes,
    size: u64,
    /// How many blobs it has, and how many of them are not yet written.
    blobs: u32,
    left: AtomicU32,
}

/// Where a blob belongs.
#[derive(Clone, Copy)]
struct Place {
    item: u32,
    offset: u64,
}

/// Writes nodes, and what is below them, at their paths below `folder`; `resumed`: what is there as it should be stays.
pub(super) fn write(
    opened: &Opened<'_>,
    nodes: Vec<(PathBuf, Node)>,
    folder: &Path,
    resumed: bool,
    progress: &dyn Progress,
) -> Result<Restored> {
    let root = rustix::fs::open(folder, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .map_err(|error| local(folder, error.into()))?;
    progress.phase("folders", 0, Unit::Files);
    let plan = Plan::make(opened, nodes, &root, folder)?;
    let writing = Writing { root: &root, folder, owner: rustix::process::geteuid().is_root() };
    let total = plan.items.iter().map(|item| item.size).sum();
    progress.phase("files", total, Unit::Bytes);
    let Plan { folders, items, links, mut blobs, mut places } = plan;
    for item in items.iter().filter(|item| item.blobs == 0) {
        writing.whole(item, &[])?;
    }
    if resumed {
        let there: Vec<bool> = items.iter().map(|item| writing.is_there(item)).collect();
        let wanted = |place: &Place| !there[place.item as usize];
        (blobs, places) = blobs.into_iter().zip(places).filter(|(_, place)| wanted(place)).unzip();
        progress.advance(items.iter().zip(&there).filter(|(_, there)| **there).map(|(item, _)| item.size).sum());
    }
    opened.reader.each(&blobs, &|at, bytes| {
        let place = places[at];
        let item = &items[place.item as usize];
        if item.blobs == 1 {
            writing.whole(item, bytes)?;
        } else {
            writing.part(item, place.offset, bytes)?;
        }
        progress.advance(bytes.len() as u64);
        Ok(())
    })?;
    // Links come after the files: nothing is ever written through one.
    for (path, target) in &links {
        match rustix::fs::symlinkat(target, &root, path) {
            Ok(()) | Err(rustix::io::Errno::EXIST) => {}
            Err(error) => return Err(local(&folder.join(path), error.into())),
        }
    }
    for (path, node) in folders.iter().rev() {
        writing.attributes(path, node)?;
    }
    Ok(Restored { files: items.len() as u64, bytes: total })
}

/// What has to be written.
#[derive(Default)]
struct Plan {
    folders: Vec<(PathBuf, Node)>,
    items: Vec<Item>,
    links: Vec<(PathBuf, OsString)>,
    /// The files' blobs, and where each belongs.
    blobs: Vec<BlobId>,
    places: Vec<Place>,
}

impl Plan {
    /// Loads the trees, makes the folders, and collects the files and links.
    fn make(opened: &Opened<'_>, nodes: Vec<(PathBuf, Node)>, root: &OwnedFd, folder: &Path) -> Result<Self> {
        let mut plan = Self::default();
        let mut level: Vec<(PathBuf, Node)> = Vec::new();
        for (path, node) in nodes {
            plan.add(opened, path, node, root, folder, &mut level)?;
        }
        while !level.is_empty() {
            let mut next = Vec::new();
            for part in level.chunks(TREES) {
                let ids: Vec<BlobId> = part.iter().filter_map(|(_, node)| node.subtree).collect();
                for ((path, _), tree) in part.iter().zip(opened.trees(&ids)?) {
                    for node in tree.nodes {
                        let name = node.file_name().into_owned();
                        let name = Path::new(&name);
                        // A name is one part of a path, or the tree was made by somebody who wants to write elsewhere.
                        if name.components().count() != 1
                            || name.as_os_str().as_encoded_bytes().contains(&b'/')
                            || matches!(name.to_str(), Some("." | ".."))
                        {
                            return Err(Error::new(
                                Kind::Damaged,
                                format!("a folder of the snapshot has a file with the name {:?}", node.name),
                                "don't trust this repository",
                            ));
                        }
                        plan.add(opened, path.join(name), node, root, folder, &mut next)?;
                    }
                }
            }
            plan.folders.append(&mut level);
            level = next;
        }
        Ok(plan)
    }

    fn add(
        &mut self,
        opened: &Opened<'_>,
        path: PathBuf,
        node: Node,
        root: &OwnedFd,
        folder: &Path,
        level: &mut Vec<(PathBuf, Node)>,
    ) -> Result<()> {
        match node.kind {
            NodeKind::Dir => {
                if path.as_os_str().is_empty() {
                    level.push((path, node));
                    return Ok(());
                }
                match rustix::fs::mkdirat(root, &path, Mode::RWXU) {
                    Ok(()) | Err(rustix::io::Errno::EXIST) => level.push((path, node)),
                    Err(error) => return Err(local(&folder.join(path), error.into())),
                }
            }
            // Nothing that this program stores.
            NodeKind::Other => {}
            NodeKind::Symlink => self.links.push((path, node.target())),
            NodeKind::File => {
                let item = u32::try_from(self.items.len()).unwrap_or(u32::MAX);
                let mut offset = 0;
                for blob in &node.content {
                    self.blobs.push(*blob);
                    self.places.push(Place { item, offset });
                    if node.content.len() > 1 {
                        offset += u64::from(opened.length(blob)?);
                    }
                }
                let blobs = u32::try_from(node.content.len()).unwrap_or(u32::MAX);
                let attributes = attributes(&node);
                let (path, left) = (path.into_boxed_path(), AtomicU32::new(blobs));
                self.items.push(Item { path, attributes, size: node.size, blobs, left });
            }
        }
        Ok(())
    }
}

struct Writing<'a> {
    root: &'a OwnedFd,
    folder: &'a Path,
    /// Whether owners can be set.
    owner: bool,
}

impl Writing<'_> {
    /// Whether a restore that was broken off wrote this file to its end: its time is set last.
    fn is_there(&self, item: &Item) -> bool {
        let stat = rustix::fs::statat(self.root, &*item.path, AtFlags::SYMLINK_NOFOLLOW);
        stat.is_ok_and(|stat| {
            u64::try_from(stat.st_size).is_ok_and(|size| size == item.size)
                && stat.st_mtime == item.attributes.seconds
                && u32::try_from(stat.st_mtime_nsec).is_ok_and(|nanoseconds| nanoseconds == item.attributes.nanoseconds)
        })
    }

    fn open(&self, path: &Path, truncate: bool) -> Result<File> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let flags = if truncate { flags | OFlags::TRUNC } else { flags };
        rustix::fs::openat(self.root, path, flags, Mode::RUSR | Mode::WUSR)
            .map(File::from)
            .map_err(|error| local(&self.folder.join(path), error.into()))
    }

    fn whole(&self, item: &Item, bytes: &[u8]) -> Result<()> {
        let mut file = self.open(&item.path, true)?;
        file.write_all(bytes).map_err(|error| local(&self.folder.join(&item.path), error))?;
        self.complete(&file, item)
    }

    fn part(&self, item: &Item, offset: u64, bytes: &[u8]) -> Result<()> {
        let file = self.open(&item.path, false)?;
        file.write_all_at(bytes, offset).map_err(|error| local(&self.folder.join(&item.path), error))?;
        if item.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            file.set_len(item.size).map_err(|error| local(&self.folder.join(&item.path), error))?;
            self.complete(&file, item)?;
        }
        Ok(())
    }

    fn complete(&self, file: &File, item: &Item) -> Result<()> {
        self.set(file, item.attributes).map_err(|error| local(&self.folder.join(&item.path), error.into()))
    }

    fn attributes(&self, path: &Path, node: &Node) -> Result<()> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        rustix::fs::openat(self.root, path, flags, Mode::empty())
            .and_then(|folder| self.set(&folder, attributes(node)))
            .map_err(|error| local(&self.folder.join(path), error.into()))
    }

    /// Sets owner, mode and time, in this order: a change of the owner takes bits away.
    fn set(&self, file: impl AsFd, attributes: Attributes) -> rustix::io::Result<()> {
        if self.owner {
            let (uid, gid) = (Uid::from_raw(attributes.uid), Gid::from_raw(attributes.gid));
            rustix::fs::fchown(&file, Some(uid), Some(gid))?;
        }
        rustix::fs::fchmod(&file, Mode::from_raw_mode(attributes.mode))?;
        let time = Timespec { tv_sec: attributes.seconds, tv_nsec: attributes.nanoseconds.into() };
        rustix::fs::futimens(&file, &Timestamps { last_access: time, last_modification: time })
    }
}

fn attributes(node: &Node) -> Attributes {
    // Before 1970, seconds and nanoseconds have one sign there and nanoseconds none here.
    let (seconds, nanoseconds) = (node.mtime.as_second(), node.mtime.subsec_nanosecond());
    let borrow = i64::from(nanoseconds < 0);
    Attributes {
        mode: mode::of(node.mode),
        uid: node.uid,
        gid: node.gid,
        seconds: seconds - borrow,
        nanoseconds: u32::try_from(i64::from(nanoseconds) + borrow * 1_000_000_000).unwrap_or(0),
    }
}

/// Writes a file that only its owner may read.
pub(super) fn write_private(path: &Path, content: &[u8]) -> Result<()> {
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .map_err(|error| local(path, error))?;
    file.write_all(content).map_err(|error| local(path, error))
}

fn local(path: &Path, error: std::io::Error) -> Error {
    let fix = if error.kind() == std::io::ErrorKind::StorageFull {
        "make room, and run the same restore again: it goes on where it was"
    } else {
        "run this as a user who may write there, and run the same restore again: it goes on where it was"
    };
    Error::new(Kind::Local, format!("{} can't be written", path.display()), fix).because(error)
}
