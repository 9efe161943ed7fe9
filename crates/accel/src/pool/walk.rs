//! What one thread does: it lists folders, reads files and says what it saw.

use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, DirEntry, File, FileType};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use sha1::Digest as _;

use super::{COLLISION_FOLDER, Finding, Object, Problem, Report, Unit, WARNING_FILE, object_path};
use crate::hash::{BUFFER_BYTES, Digest, Sha1};

/// Files of one folder that are to be verified, by paths relative to the root.
#[derive(Debug)]
pub(super) enum Folder {
    /// A folder that is still to be listed.
    Unlisted(PathBuf),
    /// Files that were met in a folder in which Moodle keeps none.
    Strays(Vec<PathBuf>),
}

/// A file that is being read.
struct Reading {
    path: PathBuf,
    promised: Sha1,
    file: File,
    hasher: sha1::Sha1,
    length: u64,
}

/// One thread's hands: paths go in relative to the root, a report comes out.
pub(super) struct Worker {
    root: PathBuf,
    buffer: Box<[u8]>,
    turn: Option<u64>,
    files: Vec<PathBuf>,
    reading: Option<Reading>,
    report: Report,
}

impl fmt::Debug for Worker {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Worker")
            .field("turn", &self.turn)
            .field("reading", &self.reading.as_ref().map(|reading| &reading.path))
            .finish_non_exhaustive()
    }
}

impl Worker {
    pub(super) fn new(root: &Path) -> Self {
        Self {
            root: root.into(),
            buffer: vec![0; BUFFER_BYTES].into_boxed_slice(),
            turn: None,
            files: Vec::new(),
            reading: None,
            report: Report::default(),
        }
    }

    /// List a unit: return what is wrong with its own entries, and the folders in it that are to be verified.
    pub(super) fn open(&mut self, unit: Unit) -> (Report, Vec<Folder>) {
        let mut folders = Vec::new();
        let mut strays = Vec::new();
        match unit {
            Unit::Folder(number) => {
                let top = PathBuf::from(format!("{number:02x}"));
                // A pool has no folder for what it holds nothing of, and a file of that name belongs to the root.
                if fs::metadata(self.root.join(&top)).is_ok_and(|metadata| !metadata.is_dir()) {
                    return (Report::default(), folders);
                }
                for (path, kind) in self.list(&top) {
                    if kind.is_dir() && is_pool_folder(&path) {
                        folders.push(Folder::Unlisted(path));
                    } else {
                        self.sort_out(path, kind, &mut strays);
                    }
                }
            }
            Unit::Root => {
                let entries = self.list(Path::new(""));
                // A top folder that cannot be reached is reported with its own unit.
                self.report.findings.retain(|finding| !is_pool_folder(&finding.path));
                for (path, kind) in entries {
                    if kind.is_dir() && path == Path::new(COLLISION_FOLDER) {
                        for (path, _) in self.list(&path) {
                            self.find(path, Problem::Collision);
                        }
                    } else if !(kind.is_dir() && is_pool_folder(&path)
                        || kind.is_file() && path == Path::new(WARNING_FILE))
                    {
                        self.sort_out(path, kind, &mut strays);
                    }
                }
            }
        }
        if !strays.is_empty() {
            folders.push(Folder::Strays(strays));
        }
        (std::mem::take(&mut self.report), folders)
    }

    /// Begin with a folder of the unit whose turn is `turn`.
    pub(super) fn begin(&mut self, turn: u64, folder: Folder) {
        self.turn = Some(turn);
        let mut files = Vec::new();
        match folder {
            Folder::Unlisted(path) => {
                for (path, kind) in self.list(&path) {
                    self.sort_out(path, kind, &mut files);
                }
            }
            Folder::Strays(paths) => files = paths,
        }
        self.files = files;
    }

    /// Tell whether files of the folder are left.
    pub(super) fn is_busy(&self) -> bool {
        self.reading.is_some() || !self.files.is_empty()
    }

    /// Return what was seen in the folder, and of which turn its unit is.
    pub(super) fn take_report(&mut self) -> Option<(u64, Report)> {
        self.turn.take().map(|turn| (turn, std::mem::take(&mut self.report)))
    }

    /// Read one bufferful and return how many bytes that was.
    pub(super) fn step(&mut self) -> u64 {
        let Some(mut reading) = self.reading.take().or_else(|| self.next_file()) else { return 0 };
        match reading.file.read(&mut self.buffer) {
            Ok(0) => {
                self.finish(reading);
                0
            }
            Ok(count) => {
                reading.hasher.update(&self.buffer[..count]);
                reading.length += count as u64;
                self.reading = Some(reading);
                count as u64
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                self.reading = Some(reading);
                0
            }
            Err(error) => {
                self.refused(reading.path, &error);
                0
            }
        }
    }

    fn next_file(&mut self) -> Option<Reading> {
        let path = self.files.pop()?;
        let promised = path.file_name().and_then(promised_hash)?;
        match File::open(self.root.join(&path)) {
            Ok(file) => Some(Reading { path, promised, file, hasher: sha1::Sha1::new(), length: 0 }),
            Err(error) => {
                self.refused(path, &error);
                None
            }
        }
    }

    fn finish(&mut self, reading: Reading) {
        let Reading { path, promised, hasher, length, .. } = reading;
        self.report.files += 1;
        self.report.bytes += length;
        let actual = Digest::from(<[u8; 20]>::from(hasher.finalize()));
        let expected = object_path(promised);
        if path == expected {
            self.report.objects.push(Object { hash: promised, size: length });
        } else {
            self.find(path.clone(), Problem::Misplaced { expected });
        }
        if actual != promised {
            self.find(path, Problem::Corrupt { actual });
        }
    }

    /// Put an entry that is no pool folder among the `files` to be read, or report it.
    fn sort_out(&mut self, path: PathBuf, kind: FileType, files: &mut Vec<PathBuf>) {
        let name = path.file_name().unwrap_or_default();
        if kind.is_file() && promised_hash(name).is_some() {
            files.push(path);
        } else if kind.is_file() && is_leftover(name) {
            self.find(path, Problem::Leftover);
        } else {
            self.find(path, Problem::Foreign);
        }
    }

    fn list(&mut self, folder: &Path) -> Vec<(PathBuf, FileType)> {
        match fs::read_dir(self.root.join(folder)).and_then(Iterator::collect::<io::Result<Vec<_>>>) {
            Ok(entries) => entries.iter().filter_map(|entry| self.look_at(folder, entry)).collect(),
            Err(error) => {
                self.refused(folder.into(), &error);
                Vec::new()
            }
        }
    }

    fn look_at(&mut self, folder: &Path, entry: &DirEntry) -> Option<(PathBuf, FileType)> {
        let path = folder.join(entry.file_name());
        let kind = match entry.file_type() {
            Ok(kind) if kind.is_symlink() => fs::metadata(entry.path()).map(|metadata| metadata.file_type()),
            kind => kind,
        };
        match kind {
            Ok(kind) => Some((path, kind)),
            Err(error) => {
                self.refused(path, &error);
                None
            }
        }
    }

    fn refused(&mut self, path: PathBuf, error: &io::Error) {
        let dangling = || self.root.join(&path).symlink_metadata().is_ok();
        if error.kind() != io::ErrorKind::NotFound || dangling() {
            self.find(path, Problem::Unreadable { reason: reason(error) });
        } else if path.file_name().is_some_and(|name| promised_hash(name).is_some()) {
            self.report.vanished += 1;
        }
    }

    fn find(&mut self, path: PathBuf, problem: Problem) {
        self.report.findings.push(Finding { path, problem });
    }
}

/// Tell whether the last part of `path` is two lower-case hexadecimal digits.
fn is_pool_folder(path: &Path) -> bool {
    let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
    name.parse::<Digest<1>>().is_ok()
}

/// Return the operating system's words without the number that Rust adds.
fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    text.split_once(" (os error").map_or(text.as_str(), |(words, _)| words).to_owned()
}

fn promised_hash(name: &OsStr) -> Option<Sha1> {
    name.to_str()?.parse().ok()
}

fn is_leftover(name: &OsStr) -> bool {
    name.to_str().and_then(|name| name.strip_suffix(".tmp")).is_some_and(|stem| stem.parse::<Sha1>().is_ok())
}
