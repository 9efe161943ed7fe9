//! The files of a snapshot, written in the order of the packs that hold them.

mod sound;

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
/// So many files are written together: enough that packs are read in long stretches. Tests come to many batches.
const BATCH: usize = if cfg!(feature = "faults") { 3 } else { 100_000 };

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
        // Nothing is joined to a folder that is itself what is named.
        paths
            .iter()
            .map(move |path| from.components().chain(path.components()).collect::<PathBuf>().display().to_string())
    }

    /// Finds out what has to be written, and what stands in the way.
    pub(super) fn plan(&self, opened: &Opened<'_>, allow_missing: bool) -> Result<(Plan, Option<Error>)> {
        let top = match opened.node(self.from) {
            Err(error) if error.kind == Kind::Damaged && allow_missing => {
                let (mut plan, obstacle) = Plan::of(opened, &self.folder, Vec::new(), self.without, true)?;
                plan.missing.push(PathBuf::new());
                return Ok((plan, obstacle));
            }
            top => top?,
        };
        let Some(top) = top else {
            return Err(Error::new(
                Kind::Refused,
                format!("the snapshot {} has no {}", opened.snapshot.id, self.from),
                "restore its database only: leave out --to-dir",
            ));
        };
        Plan::of(opened, &self.folder, vec![(PathBuf::new(), top)], self.without, allow_missing)
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

/// Takes the files of a batch.
type Take<'a> = &'a mut dyn FnMut(&mut Batch) -> Result<()>;

/// What is below nodes of a snapshot. Of the files of a large pool only a batch is held at a time: they are looked at
/// before anything is written, and again when they are.
struct Walk<'a> {
    opened: &'a Opened<'a>,
    roots: &'a [(PathBuf, Node)],
    without: Option<&'a str>,
    folders: Vec<Folder>,
    links: Vec<(PathBuf, OsString)>,
    batch: Batch,
    /// The folders of the level below this one.
    next: Vec<(PathBuf, BlobId)>,
    /// Files and folders that the repository hasn't got any more; nothing: one of them is an error.
    missing: Option<Vec<PathBuf>>,
}

/// Files that are written together.
#[derive(Default)]
struct Batch {
    items: Vec<Item>,
    /// The files' blobs, and where each belongs.
    blobs: Vec<BlobId>,
    places: Vec<Place>,
}

/// What has to be written.
pub(super) struct Plan {
    roots: Vec<(PathBuf, Node)>,
    without: Option<&'static str>,
    allow_missing: bool,
    folders: Vec<Folder>,
    links: Vec<(PathBuf, OsString)>,
    /// How many files, and how many bytes.
    pub(super) size: Size,
    /// What is known to be missing before anything is read.
    pub(super) missing: Vec<PathBuf>,
}

impl<'a> Walk<'a> {
    fn new(
        opened: &'a Opened<'a>,
        roots: &'a [(PathBuf, Node)],
        without: Option<&'a str>,
        allow_missing: bool,
    ) -> Self {
        Self {
            opened,
            roots,
            without,
            folders: Vec::new(),
            links: Vec::new(),
            batch: Batch::default(),
            next: Vec::new(),
            missing: allow_missing.then(Vec::new),
        }
    }

    /// Loads the trees below the roots, and hands over the files in batches.
    fn run(&mut self, take: Take<'_>) -> Result<()> {
        for (path, node) in self.roots {
            self.add(path.clone(), node, take)?;
        }
        while !self.next.is_empty() {
            for part in std::mem::take(&mut self.next).chunks(TREES) {
                for ((path, _), tree) in part.iter().zip(self.trees(part)?) {
                    for node in tree.nodes {
                        let path = path.join(file_name(&node)?);
                        if self.without.is_none_or(|without| path != Path::new(without)) {
                            self.add(path, &node, take)?;
                        }
                    }
                }
            }
        }
        take(&mut std::mem::take(&mut self.batch))
    }

    /// Loads the trees of folders.
    fn trees(&mut self, folders: &[(PathBuf, BlobId)]) -> Result<Vec<Tree>> {
        let ids: Vec<BlobId> = folders.iter().map(|(_, id)| *id).collect();
        let Some(missing) = &mut self.missing else { return self.opened.trees(&ids) };
        let trees = self.opened.sound_trees(&ids)?;
        let lost = folders.iter().zip(&trees).filter(|(_, tree)| tree.is_none());
        missing.extend(lost.map(|((path, _), _)| path.clone()));
        Ok(trees.into_iter().map(Option::unwrap_or_default).collect())
    }

    fn add(&mut self, path: PathBuf, node: &Node, take: Take<'_>) -> Result<()> {
        match node.kind {
            NodeKind::Dir => {
                self.folders.push(Folder { path: path.clone(), attributes: attributes(node), linked: false });
                self.next.extend(node.subtree.map(|below| (path, below)));
            }
            // Nothing that this program stores.
            NodeKind::Other => {}
            NodeKind::Symlink => self.links.push((path, node.target())),
            NodeKind::File => {
                if node.content.iter().any(|blob| !self.opened.reader.has(blob)) {
                    let what = || format!("the content of {} isn't stored any more", path.display());
                    let Some(missing) = &mut self.missing else {
                        return Err(Error::new(Kind::Damaged, what(), WITHOUT));
                    };
                    missing.push(path);
                    return Ok(());
                }
                self.batch.add(self.opened, path, node)?;
                if self.batch.items.len() >= BATCH {
                    take(&mut std::mem::take(&mut self.batch))?;
                }
            }
        }
        Ok(())
    }
}

/// Returns a node's name: one part of a path, or the tree was made by somebody who wants to write elsewhere.
fn file_name(node: &Node) -> Result<OsString> {
    let name = node.file_name().into_owned();
    let path = Path::new(&name);
    if path.components().count() != 1
        || name.as_encoded_bytes().contains(&b'/')
        || matches!(path.to_str(), Some("." | ".."))
    {
        return Err(Error::new(
            Kind::Damaged,
            format!("a folder of the snapshot has a file with the name {:?}", node.name),
            "don't trust this repository",
        ));
    }
    Ok(name)
}

impl Batch {
    fn add(&mut self, opened: &Opened<'_>, path: PathBuf, node: &Node) -> Result<()> {
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
        let (path, left) = (path.into_boxed_path(), AtomicU32::new(blobs));
        self.items.push(Item { path, attributes: attributes(node), size: node.size, blobs, left, beside: None });
        Ok(())
    }

    fn size(&self) -> Size {
        Size { files: self.items.len() as u64, bytes: self.items.iter().map(|item| item.size).sum() }
    }

    /// Returns what stands where a file has to be. A file is no obstacle: the new one is written beside it.
    fn obstacle(&mut self, there: &There<'_>) -> Result<Option<Error>> {
        for (number, item) in self.items.iter_mut().enumerate() {
            match there.stat(&item.path, AtFlags::SYMLINK_NOFOLLOW)? {
                None => {}
                Some((FileType::RegularFile, _)) => {
                    let name = format!(".moodle-backup-{number}");
                    item.beside = Some(item.path.with_file_name(name).into_boxed_path());
                }
                Some(_) => {
                    return Ok(Some(there.refused(
                        &item.path,
                        "is no file, and the snapshot has a file there",
                        "remove it",
                    )));
                }
            }
        }
        Ok(None)
    }
}

/// What is in a target.
struct There<'a> {
    root: OwnedFd,
    folder: &'a Path,
}

impl<'a> There<'a> {
    /// Returns nothing when there is nothing in it.
    fn open(folder: &'a Path) -> Result<Option<Self>> {
        let is_new = std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none());
        match open_folder(folder) {
            _ if is_new => Ok(None),
            Err(rustix::io::Errno::NOENT) => Ok(None),
            Err(error) => Err(local(folder, error.into())),
            Ok(root) => Ok(Some(Self { root, folder })),
        }
    }

    fn stat(&self, path: &Path, flags: AtFlags) -> Result<Option<(FileType, u32)>> {
        match rustix::fs::statat(&self.root, path, flags) {
            Ok(stat) => Ok(Some((FileType::from_raw_mode(stat.st_mode), stat.st_uid))),
            // What is above it is named by itself.
            Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => Ok(None),
            Err(error) => Err(local(&self.folder.join(path), error.into())),
        }
    }

    fn refused(&self, path: &Path, what: &str, fix: &str) -> Error {
        Error::refused(format!("{} {what}", self.folder.join(path).display()), fix)
    }
}

impl Plan {
    /// Loads the trees below nodes, and looks at what is in them, but for `without`; returns also what stands in `folder`
    /// where something else has to be.
    ///
    /// # Errors
    /// A content isn't stored any more, unless that is allowed; a tree can't be read.
    pub(super) fn of(
        opened: &Opened<'_>,
        folder: &Path,
        roots: Vec<(PathBuf, Node)>,
        without: Option<&'static str>,
        allow_missing: bool,
    ) -> Result<(Self, Option<Error>)> {
        let there = There::open(folder)?;
        let (mut size, mut obstacle) = (Size::default(), None);
        let mut walk = Walk::new(opened, &roots, without, allow_missing);
        walk.run(&mut |batch| {
            let Size { files, bytes } = batch.size();
            size = Size { files: size.files + files, bytes: size.bytes + bytes };
            if let (Some(there), None) = (&there, &obstacle) {
                obstacle = batch.obstacle(there)?;
            }
            Ok(())
        })?;
        let Walk { folders, links, missing, .. } = walk;
        let missing = missing.unwrap_or_default();
        let mut plan = Self { roots, without, allow_missing, folders, links, size, missing };
        if let Some(there) = there {
            obstacle = plan.obstacle(&there)?.or(obstacle);
        }
        Ok((plan, obstacle))
    }

    /// Returns what stands where a folder or a link has to be. A link in a folder's place is followed when root or this
    /// user made it: who may write to a dataroot must not lead others elsewhere by it.
    fn obstacle(&mut self, there: &There<'_>) -> Result<Option<Error>> {
        let user = rustix::process::geteuid().as_raw();
        for entry in self.folders.iter_mut().filter(|entry| !entry.path.as_os_str().is_empty()) {
            match there.stat(&entry.path, AtFlags::SYMLINK_NOFOLLOW)? {
                None | Some((FileType::Directory, _)) => {}
                Some((FileType::Symlink, owner))
                    if (owner == 0 || owner == user)
                        && matches!(there.stat(&entry.path, AtFlags::empty())?, Some((FileType::Directory, _))) =>
                {
                    entry.linked = true;
                }
                Some((FileType::Symlink, _)) => {
                    let what = "is a link, and the snapshot has a folder there";
                    let fix = "put the folder itself there (by a mount, or $CFG->filedir), or make the link as root";
                    return Ok(Some(there.refused(&entry.path, what, fix)));
                }
                Some(_) => {
                    let what = "is there, and the snapshot has a folder there";
                    return Ok(Some(there.refused(&entry.path, what, "remove it")));
                }
            }
        }
        for (path, _) in &self.links {
            match there.stat(path, AtFlags::SYMLINK_NOFOLLOW)? {
                None | Some((FileType::Symlink, _)) => {}
                Some(_) => {
                    let what = "is no link, and the snapshot has a link there";
                    return Ok(Some(there.refused(path, what, "remove it")));
                }
            }
        }
        Ok(None)
    }

    /// Writes all below `folder`; `resumed`: what is there as the snapshot has it stays.
    pub(super) fn write(
        self,
        opened: &Opened<'_>,
        folder: &Path,
        resumed: bool,
        progress: &dyn Progress,
    ) -> Result<Restored> {
        let root = open_folder(folder).map_err(|error| local(folder, error.into()))?;
        let there = There { root, folder };
        let writing = Writing { there: &there, owner: rustix::process::geteuid().is_root() };
        progress.phase("folders", 0, Unit::Files);
        for made in self.folders.iter().filter(|made| !made.path.as_os_str().is_empty()) {
            match rustix::fs::mkdirat(&there.root, &made.path, Mode::RWXU) {
                Ok(()) | Err(rustix::io::Errno::EXIST) => {}
                Err(error) => return Err(local(&folder.join(&made.path), error.into())),
            }
        }
        progress.phase("files", self.size.bytes, Unit::Bytes);
        let mut restored = Restored::default();
        let mut walk = Walk::new(opened, &self.roots, self.without, self.allow_missing);
        walk.run(&mut |batch| {
            if let Some(obstacle) = batch.obstacle(&there)? {
                return Err(obstacle);
            }
            writing.batch(batch, &opened.reader, resumed, self.allow_missing, &mut restored, progress)
        })?;
        let missing: BTreeSet<PathBuf> = walk.missing.into_iter().flatten().chain(self.missing).collect();
        restored.missing.extend(missing);
        // Links come after the files: nothing is ever written through one of them.
        for (path, target) in &self.links {
            writing.link(path, target)?;
        }
        for made in self.folders.iter().rev() {
            writing.attributes(made)?;
        }
        Ok(restored)
    }
}

struct Writing<'a> {
    there: &'a There<'a>,
    /// Whether owners can be set.
    owner: bool,
}

impl Writing<'_> {
    /// Writes files; those that can't be read any more are missing, or the first of them is an error.
    fn batch(
        &self,
        batch: &mut Batch,
        reader: &Reader<'_>,
        resumed: bool,
        allow_missing: bool,
        restored: &mut Restored,
        progress: &dyn Progress,
    ) -> Result<()> {
        let sound = if resumed { batch.sound(&self.there.root, self.owner) } else { vec![false; batch.items.len()] };
        let Batch { items, blobs, places } = batch;
        for beside in items.iter().filter_map(|item| item.beside.as_deref()) {
            // A restore that was killed left it, or somebody who wants to lead this one elsewhere.
            self.remove(beside)?;
        }
        for (item, _) in items.iter().zip(&sound).filter(|(item, sound)| item.blobs == 0 && !**sound) {
            self.whole(item, &[])?;
        }
        if resumed {
            let wanted = |place: &Place| !sound[place.item as usize];
            (*blobs, *places) = blobs.iter().zip(&*places).filter(|(_, place)| wanted(place)).unzip();
            progress.advance(items.iter().zip(&sound).filter(|(_, sound)| **sound).map(|(item, _)| item.size).sum());
        }
        let take = |at: usize, bytes: &[u8]| {
            let place = places[at];
            let item = &items[place.item as usize];
            if item.blobs == 1 {
                self.whole(item, bytes)?;
            } else {
                self.part(item, place.offset, bytes)?;
            }
            progress.advance(bytes.len() as u64);
            Ok(())
        };
        let lost = Mutex::new(BTreeSet::new());
        reader.each_sound(blobs, &take, &|at, error| {
            let item = places[at].item;
            if !allow_missing {
                let what = format!("{} can't be restored", items[item as usize].path.display());
                return Err(Error::new(Kind::Damaged, what, WITHOUT).because(error));
            }
            lost.lock().unwrap_or_else(PoisonError::into_inner).insert(item);
            Ok(())
        })?;
        let Size { files, bytes } = batch.size();
        restored.size = Size { files: restored.size.files + files, bytes: restored.size.bytes + bytes };
        for item in lost.into_inner().unwrap_or_else(PoisonError::into_inner) {
            let item = &batch.items[item as usize];
            self.remove(item.written_at())?;
            restored.size = Size { files: restored.size.files - 1, bytes: restored.size.bytes - item.size };
            restored.missing.push(item.path.to_path_buf());
        }
        Ok(())
    }

    /// Removes a file, which needn't be there.
    fn remove(&self, path: &Path) -> Result<()> {
        match rustix::fs::unlinkat(&self.there.root, path, AtFlags::empty()) {
            Ok(()) | Err(rustix::io::Errno::NOENT) => Ok(()),
            Err(error) => Err(local(&self.there.folder.join(path), error.into())),
        }
    }

    fn open(&self, path: &Path, truncate: bool) -> Result<File> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let flags = if truncate { flags | OFlags::TRUNC } else { flags };
        rustix::fs::openat(&self.there.root, path, flags, Mode::RUSR | Mode::WUSR)
            .map(File::from)
            .map_err(|error| local(&self.there.folder.join(path), error.into()))
    }

    fn whole(&self, item: &Item, bytes: &[u8]) -> Result<()> {
        let mut file = self.open(item.written_at(), true)?;
        file.write_all(bytes).map_err(|error| local(&self.there.folder.join(&item.path), error))?;
        self.complete(&file, item)
    }

    fn part(&self, item: &Item, offset: u64, bytes: &[u8]) -> Result<()> {
        let file = self.open(item.written_at(), false)?;
        file.write_all_at(bytes, offset).map_err(|error| local(&self.there.folder.join(&item.path), error))?;
        if item.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            file.set_len(item.size).map_err(|error| local(&self.there.folder.join(&item.path), error))?;
            self.complete(&file, item)?;
        }
        Ok(())
    }

    fn complete(&self, file: &File, item: &Item) -> Result<()> {
        self.set(file, item.attributes)
            .and_then(|()| match &item.beside {
                Some(beside) => rustix::fs::renameat(&self.there.root, &**beside, &self.there.root, &*item.path),
                None => Ok(()),
            })
            .map_err(|error| local(&self.there.folder.join(&item.path), error.into()))
    }

    /// Makes a link, in place of one that leads elsewhere.
    fn link(&self, path: &Path, target: &OsStr) -> Result<()> {
        let make = || rustix::fs::symlinkat(target, &self.there.root, path);
        let made = match make() {
            Err(rustix::io::Errno::EXIST) => {
                rustix::fs::unlinkat(&self.there.root, path, AtFlags::empty()).and_then(|()| make())
            }
            made => made,
        };
        made.map_err(|error| local(&self.there.folder.join(path), error.into()))
    }

    fn attributes(&self, made: &Folder) -> Result<()> {
        let path = if made.path.as_os_str().is_empty() { Path::new(".") } else { &made.path };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let flags = if made.linked { flags } else { flags | OFlags::NOFOLLOW };
        rustix::fs::openat(&self.there.root, path, flags, Mode::empty())
            .and_then(|folder| self.set(&folder, made.attributes))
            .map_err(|error| local(&self.there.folder.join(path), error.into()))
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
