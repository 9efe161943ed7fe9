//! The files of a snapshot, written in the order of the packs that hold them.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Write as _;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Timespec, Timestamps, Uid};

use super::{OVERWRITE, marker};
use crate::error::{Error, Kind, Result};
use crate::progress::{Progress, Unit};
use crate::repository::tree::{Node, NodeKind, Tree};
use crate::repository::{BlobId, Reader};
use crate::site::pool::Attributes;
use crate::snapshot::Opened;
use crate::snapshot::mode::attributes;

/// How many trees are loaded at once.
const TREES: usize = 1024;

/// What can be done about a file that the repository hasn't got any more.
const WITHOUT: &str = "take another snapshot (`moodle-backup verify --data` names what is damaged), or restore what is there by \
                       --allow-missing";

/// A folder that becomes a folder of the snapshot again.
#[derive(Clone, Debug)]
pub(super) struct Target {
    /// Where.
    pub(super) folder: PathBuf,
    /// What of the snapshot.
    pub(super) from: &'static str,
    /// What is in it and has a target of its own.
    pub(super) without: Option<&'static str>,
}

/// How much is to be written, or was.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Size {
    pub(super) files: u64,
    pub(super) bytes: u64,
}

/// What was written.
#[derive(Clone, Debug, Default)]
pub(super) struct Restored {
    pub(super) size: Size,
    pub(super) missing: Vec<PathBuf>,
}

impl Target {
    /// Returns why nothing may be written there. A folder in which the same restore was broken off is no reason.
    pub(super) fn refusal(&self, snapshot: &str, overwrite: bool) -> Option<Error> {
        let folder = self.folder.display();
        let mut entries = match std::fs::read_dir(&self.folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
            Err(error) => {
                return Some(Error::refused(
                    format!("{folder} can't be read: {error}"),
                    "let this user read and write there",
                ));
            }
            Ok(entries) => entries,
        };
        if entries.next().is_none() || overwrite {
            return None;
        }
        match marker::of(&self.folder) {
            Some(begun) if begun == snapshot => None,
            Some(other) => Some(Error::refused(
                format!("in {folder} another restore was broken off, that of snapshot {other}"),
                "end that one, empty the folder, or replace what is there by --overwrite",
            )),
            None => Some(Error::refused(format!("{folder} is not empty"), OVERWRITE)),
        }
    }

    /// Names files and folders as the snapshot does.
    pub(super) fn named<'a>(&self, paths: &'a [PathBuf]) -> impl Iterator<Item = String> + use<'a> {
        let from = Path::new(self.from);
        paths.iter().map(move |path| from.join(path).display().to_string())
    }

    /// Finds out what has to be written.
    pub(super) fn plan(&self, opened: &Opened<'_>, allow_missing: bool) -> Result<Plan> {
        let Some(top) = opened.node(self.from)? else {
            return Err(Error::new(
                Kind::Refused,
                format!("the snapshot {} has no {}", opened.snapshot.id, self.from),
                "restore its database only: leave out --to-dir",
            ));
        };
        Plan::of(opened, vec![(PathBuf::new(), top)], self.without, allow_missing)
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
    /// Where it is written, when a file of its name is there: that stays as it is until this one is whole.
    beside: Option<Box<Path>>,
}

impl Item {
    fn written_at(&self) -> &Path {
        self.beside.as_deref().unwrap_or(&self.path)
    }
}

/// Where a blob belongs.
#[derive(Clone, Copy)]
struct Place {
    item: u32,
    offset: u64,
}

/// A folder to be made.
struct Folder {
    path: PathBuf,
    attributes: Attributes,
    /// There is a link to a folder in its place.
    linked: bool,
}

/// What has to be written.
#[derive(Default)]
pub(super) struct Plan {
    folders: Vec<Folder>,
    items: Vec<Item>,
    links: Vec<(PathBuf, OsString)>,
    /// The files' blobs, and where each belongs.
    blobs: Vec<BlobId>,
    places: Vec<Place>,
    /// Files and folders that the repository hasn't got any more; nothing: one of them is an error.
    missing: Option<Vec<PathBuf>>,
}

impl Plan {
    /// Loads the trees below nodes, and collects what is in them, but for `without`.
    pub(super) fn of(
        opened: &Opened<'_>,
        nodes: Vec<(PathBuf, Node)>,
        without: Option<&str>,
        allow_missing: bool,
    ) -> Result<Self> {
        let mut plan = Self { missing: allow_missing.then(Vec::new), ..Self::default() };
        let mut level: Vec<(PathBuf, Node)> = Vec::new();
        for (path, node) in nodes {
            plan.add(opened, path, node, &mut level)?;
        }
        while !level.is_empty() {
            let mut next = Vec::new();
            for part in level.chunks(TREES) {
                let ids: Vec<BlobId> = part.iter().filter_map(|(_, node)| node.subtree).collect();
                for ((path, _), tree) in part.iter().zip(plan.trees(opened, part, &ids)?) {
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
                        let path = path.join(name);
                        if without.is_none_or(|without| path != Path::new(without)) {
                            plan.add(opened, path, node, &mut next)?;
                        }
                    }
                }
            }
            plan.folders.extend(level.into_iter().map(|(path, node)| Folder {
                path,
                attributes: attributes(&node),
                linked: false,
            }));
            level = next;
        }
        Ok(plan)
    }

    /// Loads the trees of folders.
    fn trees(&mut self, opened: &Opened<'_>, folders: &[(PathBuf, Node)], ids: &[BlobId]) -> Result<Vec<Tree>> {
        match (opened.trees(ids), &mut self.missing) {
            (Err(error), Some(missing)) if error.kind == Kind::Damaged => {
                let tree = |((path, _), id): (&(PathBuf, Node), &BlobId)| match opened.reader.tree(id) {
                    Err(error) if error.kind == Kind::Damaged => {
                        missing.push(path.clone());
                        Ok(Tree::default())
                    }
                    tree => tree,
                };
                folders.iter().zip(ids).map(tree).collect()
            }
            (trees, _) => trees,
        }
    }

    fn add(&mut self, opened: &Opened<'_>, path: PathBuf, node: Node, level: &mut Vec<(PathBuf, Node)>) -> Result<()> {
        match node.kind {
            NodeKind::Dir => level.push((path, node)),
            // Nothing that this program stores.
            NodeKind::Other => {}
            NodeKind::Symlink => self.links.push((path, node.target())),
            NodeKind::File => {
                if let Some(missing) = &mut self.missing
                    && node.content.iter().any(|blob| !opened.reader.has(blob))
                {
                    missing.push(path);
                    return Ok(());
                }
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
                self.items.push(Item { path, attributes, size: node.size, blobs, left, beside: None });
            }
        }
        Ok(())
    }

    /// Fails when a file's content isn't stored in the packs of the reader's index.
    pub(super) fn is_stored(&self, reader: &Reader<'_>) -> Result<()> {
        let lacking = |(blob, _): &(&BlobId, &Place)| !reader.has(blob);
        let Some((_, place)) = self.blobs.iter().zip(&self.places).find(lacking) else { return Ok(()) };
        let path = self.items[place.item as usize].path.display();
        Err(Error::new(Kind::Damaged, format!("the content of {path} isn't stored any more"), WITHOUT))
    }

    /// How many files have to be written, and how many bytes.
    pub(super) fn size(&self) -> Size {
        Size { files: self.items.len() as u64, bytes: self.items.iter().map(|item| item.size).sum() }
    }

    /// Returns what is known to be missing before anything is read.
    pub(super) fn missing(&self) -> &[PathBuf] {
        self.missing.as_deref().unwrap_or_default()
    }

    /// Returns what stands in `folder` where something else has to be. A link in a folder's place is followed when root
    /// or this user made it: who may write to a dataroot must not lead others elsewhere by it.
    pub(super) fn obstacle(&mut self, folder: &Path) -> Result<Option<Error>> {
        let is_new = std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none());
        let root = match open_folder(folder) {
            _ if is_new => return Ok(None),
            Err(rustix::io::Errno::NOENT) => return Ok(None),
            root => root.map_err(|error| local(folder, error.into()))?,
        };
        let stat = |path: &Path, flags| match rustix::fs::statat(&root, path, flags) {
            Ok(stat) => Ok(Some((FileType::from_raw_mode(stat.st_mode), stat.st_uid))),
            // What is above it is named by itself.
            Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => Ok(None),
            Err(error) => Err(local(&folder.join(path), error.into())),
        };
        let refused = |path: &Path, what: &str, fix: &str| {
            Ok(Some(Error::refused(format!("{} {what}", folder.join(path).display()), fix)))
        };
        let user = rustix::process::geteuid().as_raw();
        for entry in self.folders.iter_mut().filter(|entry| !entry.path.as_os_str().is_empty()) {
            match stat(&entry.path, AtFlags::SYMLINK_NOFOLLOW)? {
                None | Some((FileType::Directory, _)) => {}
                Some((FileType::Symlink, owner))
                    if (owner == 0 || owner == user)
                        && matches!(stat(&entry.path, AtFlags::empty())?, Some((FileType::Directory, _))) =>
                {
                    entry.linked = true;
                }
                Some((FileType::Symlink, _)) => {
                    let what = "is a link, and the snapshot has a folder there";
                    let fix = "put the folder itself there (by a mount, or $CFG->filedir), or make the link as root";
                    return refused(&entry.path, what, fix);
                }
                Some(_) => return refused(&entry.path, "is there, and the snapshot has a folder there", "remove it"),
            }
        }
        for (number, item) in self.items.iter_mut().enumerate() {
            match stat(&item.path, AtFlags::SYMLINK_NOFOLLOW)? {
                None => {}
                Some((FileType::RegularFile, _)) => {
                    let name = format!(".moodle-backup-{number}");
                    item.beside = Some(item.path.with_file_name(name).into_boxed_path());
                }
                Some(_) => return refused(&item.path, "is no file, and the snapshot has a file there", "remove it"),
            }
        }
        for (path, _) in &self.links {
            match stat(path, AtFlags::SYMLINK_NOFOLLOW)? {
                None | Some((FileType::Symlink, _)) => {}
                Some(_) => return refused(path, "is no link, and the snapshot has a link there", "remove it"),
            }
        }
        Ok(None)
    }

    /// Writes all below `folder`; `resumed`: what is there as it should be stays.
    pub(super) fn write(
        self,
        opened: &Opened<'_>,
        folder: &Path,
        resumed: bool,
        progress: &dyn Progress,
    ) -> Result<Restored> {
        let mut size = self.size();
        let root = open_folder(folder).map_err(|error| local(folder, error.into()))?;
        let writing = Writing { root: &root, folder, owner: rustix::process::geteuid().is_root() };
        let Self { folders, items, links, mut blobs, mut places, missing } = self;
        progress.phase("folders", 0, Unit::Files);
        for made in folders.iter().filter(|made| !made.path.as_os_str().is_empty()) {
            match rustix::fs::mkdirat(&root, &made.path, Mode::RWXU) {
                Ok(()) | Err(rustix::io::Errno::EXIST) => {}
                Err(error) => return Err(local(&folder.join(&made.path), error.into())),
            }
        }
        progress.phase("files", size.bytes, Unit::Bytes);
        for beside in items.iter().filter_map(|item| item.beside.as_deref()) {
            // A restore that was killed left it, or somebody who wants to lead this one elsewhere.
            writing.remove(beside)?;
        }
        for item in items.iter().filter(|item| item.blobs == 0) {
            writing.whole(item, &[])?;
        }
        if resumed {
            let there: Vec<bool> = items.iter().map(|item| writing.is_there(item)).collect();
            let wanted = |place: &Place| !there[place.item as usize];
            (blobs, places) = blobs.into_iter().zip(places).filter(|(_, place)| wanted(place)).unzip();
            progress.advance(items.iter().zip(&there).filter(|(_, there)| **there).map(|(item, _)| item.size).sum());
        }
        let take = |at: usize, bytes: &[u8]| {
            let place = places[at];
            let item = &items[place.item as usize];
            if item.blobs == 1 {
                writing.whole(item, bytes)?;
            } else {
                writing.part(item, place.offset, bytes)?;
            }
            progress.advance(bytes.len() as u64);
            Ok(())
        };
        let lost = Mutex::new(BTreeSet::new());
        opened.reader.each_sound(&blobs, &take, &|at, error| {
            let item = places[at].item;
            if missing.is_none() {
                let what = format!("{} can't be restored", items[item as usize].path.display());
                return Err(Error::new(Kind::Damaged, what, WITHOUT).because(error));
            }
            lost.lock().unwrap_or_else(PoisonError::into_inner).insert(item);
            Ok(())
        })?;
        let mut missing = missing.unwrap_or_default();
        for item in lost.into_inner().unwrap_or_else(PoisonError::into_inner) {
            let item = &items[item as usize];
            writing.remove(item.written_at())?;
            size = Size { files: size.files - 1, bytes: size.bytes - item.size };
            missing.push(item.path.to_path_buf());
        }
        // Links come after the files: nothing is ever written through one of them.
        for (path, target) in &links {
            writing.link(path, target)?;
        }
        for made in folders.iter().rev() {
            writing.attributes(made)?;
        }
        Ok(Restored { size, missing })
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

    /// Removes a file, which needn't be there.
    fn remove(&self, path: &Path) -> Result<()> {
        match rustix::fs::unlinkat(self.root, path, AtFlags::empty()) {
            Ok(()) | Err(rustix::io::Errno::NOENT) => Ok(()),
            Err(error) => Err(local(&self.folder.join(path), error.into())),
        }
    }

    fn open(&self, path: &Path, truncate: bool) -> Result<File> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let flags = if truncate { flags | OFlags::TRUNC } else { flags };
        rustix::fs::openat(self.root, path, flags, Mode::RUSR | Mode::WUSR)
            .map(File::from)
            .map_err(|error| local(&self.folder.join(path), error.into()))
    }

    fn whole(&self, item: &Item, bytes: &[u8]) -> Result<()> {
        let mut file = self.open(item.written_at(), true)?;
        file.write_all(bytes).map_err(|error| local(&self.folder.join(&item.path), error))?;
        self.complete(&file, item)
    }

    fn part(&self, item: &Item, offset: u64, bytes: &[u8]) -> Result<()> {
        let file = self.open(item.written_at(), false)?;
        file.write_all_at(bytes, offset).map_err(|error| local(&self.folder.join(&item.path), error))?;
        if item.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            file.set_len(item.size).map_err(|error| local(&self.folder.join(&item.path), error))?;
            self.complete(&file, item)?;
        }
        Ok(())
    }

    fn complete(&self, file: &File, item: &Item) -> Result<()> {
        self.set(file, item.attributes)
            .and_then(|()| match &item.beside {
                Some(beside) => rustix::fs::renameat(self.root, &**beside, self.root, &*item.path),
                None => Ok(()),
            })
            .map_err(|error| local(&self.folder.join(&item.path), error.into()))
    }

    /// Makes a link, in place of one that leads elsewhere.
    fn link(&self, path: &Path, target: &OsStr) -> Result<()> {
        let make = || rustix::fs::symlinkat(target, self.root, path);
        let made = match make() {
            Err(rustix::io::Errno::EXIST) => {
                rustix::fs::unlinkat(self.root, path, AtFlags::empty()).and_then(|()| make())
            }
            made => made,
        };
        made.map_err(|error| local(&self.folder.join(path), error.into()))
    }

    fn attributes(&self, made: &Folder) -> Result<()> {
        let path = if made.path.as_os_str().is_empty() { Path::new(".") } else { &made.path };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let flags = if made.linked { flags } else { flags | OFlags::NOFOLLOW };
        rustix::fs::openat(self.root, path, flags, Mode::empty())
            .and_then(|folder| self.set(&folder, made.attributes))
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

pub(super) fn open_folder(path: &Path) -> rustix::io::Result<OwnedFd> {
    rustix::fs::open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

pub(super) fn local(path: &Path, error: std::io::Error) -> Error {
    let fix = if error.kind() == std::io::ErrorKind::StorageFull {
        "make room, and run the same restore again: it goes on where it was"
    } else {
        "run this as a user who may write there, and run the same restore again: it goes on where it was"
    };
    Error::new(Kind::Local, format!("{} can't be written", path.display()), fix).because(error)
}
