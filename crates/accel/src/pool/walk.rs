//! What one thread does: it lists folders, reads files and says what it saw.

use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, DirEntry, File, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::scan::Pending;
use super::{COLLISION_FOLDER, Finding, Object, Problem, Report, Unit, WARNING_FILE, object_path};
use crate::hash::lanes::{self, BLOCK, LANES, OfSha1, Rounds as _};

/// The five words of a stream.
type State = [u32; 5];
use crate::hash::{Digest, Sha1};

/// How much of each file is read at a time, in bytes: when many are hashed side by side their buffers stay in the
/// processor's cache together, and one alone may take more at once.
const SHARED_BYTES: usize = 32 * 1024;
const ALONE_BYTES: usize = 128 * 1024;

/// What SHA-1 puts behind the last byte: a bit, zeros, the length.
const PADDING_BYTES: usize = 2 * BLOCK;

/// A file that is being read.
struct Reading {
    turn: u64,
    path: PathBuf,
    promised: Sha1,
    file: Option<File>,
    length: u64,
    state: State,
    buffer: Vec<u8>,
    /// Whole blocks in the buffer that are not hashed are those from here on.
    start: usize,
    end: usize,
}

impl Reading {
    fn blocks(&self) -> &[[u8; BLOCK]] {
        self.buffer[self.start..self.end].as_chunks().0
    }

    /// Read until the buffer is full or the file at its end, and return how many bytes that was.
    fn fill(&mut self, capacity: usize) -> io::Result<u64> {
        let Some(mut file) = self.file.take() else { return Ok(0) };
        let rest = self.start + self.blocks().len() * BLOCK;
        self.buffer.copy_within(rest..self.end, 0);
        self.end -= rest;
        self.start = 0;
        let before = self.length;
        while self.end < capacity {
            match file.read(&mut self.buffer[self.end..capacity]) {
                Ok(0) => {
                    self.pad();
                    return Ok(self.length - before);
                }
                Ok(count) => {
                    self.end += count;
                    self.length += count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.file = Some(file);
        Ok(self.length - before)
    }

    fn pad(&mut self) {
        let content = self.end;
        self.end = (content + 1 + 8).next_multiple_of(BLOCK);
        self.buffer[content] = 0x80;
        self.buffer[content + 1..self.end - 8].fill(0);
        self.buffer[self.end - 8..self.end].copy_from_slice(&(self.length * 8).to_be_bytes());
    }
}

/// One thread's hands: paths go in relative to the root, reports come out.
pub(super) struct Worker {
    root: PathBuf,
    width: usize,
    capacity: usize,
    files: Vec<(u64, PathBuf)>,
    readings: Vec<Reading>,
    buffers: Vec<Vec<u8>>,
    done: Vec<(u64, Report)>,
    report: Report,
}

impl fmt::Debug for Worker {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reading: Vec<_> = self.readings.iter().map(|reading| &reading.path).collect();
        formatter.debug_struct("Worker").field("reading", &reading).finish_non_exhaustive()
    }
}

impl Worker {
    pub(super) fn new(root: &Path) -> Self {
        let (width, capacity) = if lanes::pay_off() { (LANES, SHARED_BYTES) } else { (1, ALONE_BYTES) };
        Self {
            root: root.into(),
            width,
            capacity,
            files: Vec::new(),
            readings: Vec::new(),
            buffers: Vec::new(),
            done: Vec::new(),
            report: Report::default(),
        }
    }

    /// List a unit: return what is wrong with its own entries, the folders in it that are to be listed, and the
    /// files that are to be read, with their sizes.
    pub(super) fn list_unit(&mut self, unit: Unit) -> (Report, Vec<PathBuf>, Vec<(u64, PathBuf)>) {
        let mut folders = Vec::new();
        match unit {
            Unit::Folder(number) => {
                let top = PathBuf::from(format!("{number:02x}"));
                // A pool has no folder for what it holds nothing of, and a file of that name belongs to the root.
                if fs::metadata(self.root.join(&top)).is_ok_and(|metadata| !metadata.is_dir()) {
                    return (Report::default(), folders, Vec::new());
                }
                for (path, metadata) in self.list(&top) {
                    if metadata.is_dir() && is_pool_folder(&path) {
                        folders.push(path);
                    } else {
                        self.sort_out(path, &metadata);
                    }
                }
            }
            Unit::Root => {
                let entries = self.list(Path::new(""));
                // A top folder that cannot be reached is reported with its own unit.
                self.report.findings.retain(|finding| !is_pool_folder(&finding.path));
                for (path, metadata) in entries {
                    if metadata.is_dir() && path == Path::new(COLLISION_FOLDER) {
                        for (path, _) in self.list(&path) {
                            self.find(path, Problem::Collision);
                        }
                    } else if !(metadata.is_dir() && is_pool_folder(&path)
                        || metadata.is_file() && path == Path::new(WARNING_FILE))
                    {
                        self.sort_out(path, &metadata);
                    }
                }
            }
        }
        (std::mem::take(&mut self.report), folders, std::mem::take(&mut self.files))
    }

    /// List a second folder: return what is wrong with its entries, and the files that are to be read, with their sizes.
    pub(super) fn list_folder(&mut self, folder: &Path) -> (Report, Vec<(u64, PathBuf)>) {
        for (path, metadata) in self.list(folder) {
            self.sort_out(path, &metadata);
        }
        (std::mem::take(&mut self.report), std::mem::take(&mut self.files))
    }

    /// Tell whether there is nothing to read.
    pub(super) fn is_idle(&self) -> bool {
        self.readings.is_empty()
    }

    /// Tell whether more files could be read side by side than there are.
    pub(super) fn has_room(&self) -> bool {
        self.readings.len() < self.width
    }

    /// Read a bufferful of each file that needs one, and return how many bytes it was.
    pub(super) fn read(&mut self) -> u64 {
        let mut total = 0;
        for mut reading in std::mem::take(&mut self.readings) {
            match if reading.blocks().is_empty() { reading.fill(self.capacity) } else { Ok(0) } {
                Ok(count) => {
                    total += count;
                    self.readings.push(reading);
                }
                Err(error) => {
                    self.buffers.push(reading.buffer);
                    self.refused(reading.path, &error);
                    self.done(reading.turn);
                }
            }
        }
        total
    }

    /// Hash as many blocks as all files have in their buffers, and report on the files that are at their end.
    pub(super) fn hash(&mut self) {
        let Some(count) = self.readings.iter().map(|reading| reading.blocks().len()).min() else { return };
        let mut streams: Vec<_> =
            self.readings.iter().map(|reading| (reading.state, &reading.blocks()[..count])).collect();
        lanes::compress::<OfSha1, 5>(&mut streams);
        let states: Vec<_> = streams.into_iter().map(|(state, _)| state).collect();
        for (mut reading, state) in std::mem::take(&mut self.readings).into_iter().zip(states) {
            reading.state = state;
            reading.start += count * BLOCK;
            if reading.file.is_none() && reading.start == reading.end {
                self.finish(reading);
            } else {
                self.readings.push(reading);
            }
        }
    }

    /// Return what was seen in files since the last call, each with the turn of its unit.
    pub(super) fn take_done(&mut self) -> Vec<(u64, Report)> {
        std::mem::take(&mut self.done)
    }

    /// Begin with a file.
    pub(super) fn open(&mut self, file: Pending) {
        let Pending { turn, path, .. } = file;
        let promised = path.file_name().and_then(promised_hash);
        match (File::open(self.root.join(&path)), promised) {
            (Ok(file), Some(promised)) => {
                let buffer = self.buffers.pop().unwrap_or_else(|| vec![0; self.capacity + PADDING_BYTES]);
                let (length, state, start, end) = (0, OfSha1::INITIAL, 0, 0);
                self.readings.push(Reading {
                    turn,
                    path,
                    promised,
                    file: Some(file),
                    length,
                    state,
                    buffer,
                    start,
                    end,
                });
            }
            (Ok(_), None) => self.done(turn),
            (Err(error), _) => {
                self.refused(path, &error);
                self.done(turn);
            }
        }
    }

    fn finish(&mut self, reading: Reading) {
        let Reading { turn, path, promised, length, state, buffer, .. } = reading;
        self.buffers.push(buffer);
        self.report.files += 1;
        self.report.bytes += length;
        let actual = lanes::digest(state);
        let expected = object_path(promised);
        if path == expected {
            self.report.objects.push(Object { hash: promised, size: length });
        } else {
            self.find(path.clone(), Problem::Misplaced { expected });
        }
        if actual != promised {
            self.find(path, Problem::Corrupt { actual });
        }
        self.done(turn);
    }

    fn done(&mut self, turn: u64) {
        let report = std::mem::take(&mut self.report);
        self.done.push((turn, report));
    }

    /// Put an entry that is no pool folder among the files to be read, or report it.
    fn sort_out(&mut self, path: PathBuf, metadata: &Metadata) {
        let name = path.file_name().unwrap_or_default();
        if metadata.is_file() && promised_hash(name).is_some() {
            self.files.push((metadata.len(), path));
        } else if metadata.is_file() && is_leftover(name) {
            self.find(path, Problem::Leftover);
        } else {
            self.find(path, Problem::Foreign);
        }
    }

    fn list(&mut self, folder: &Path) -> Vec<(PathBuf, Metadata)> {
        match fs::read_dir(self.root.join(folder)).and_then(Iterator::collect::<io::Result<Vec<_>>>) {
            Ok(entries) => entries.iter().filter_map(|entry| self.look_at(folder, entry)).collect(),
            Err(error) => {
                self.refused(folder.into(), &error);
                Vec::new()
            }
        }
    }

    fn look_at(&mut self, folder: &Path, entry: &DirEntry) -> Option<(PathBuf, Metadata)> {
        let path = folder.join(entry.file_name());
        let metadata = match entry.metadata() {
            Ok(metadata) if metadata.is_symlink() => fs::metadata(entry.path()),
            metadata => metadata,
        };
        match metadata {
            Ok(metadata) => Some((path, metadata)),
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
