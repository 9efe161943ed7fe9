//! Bytes of the site into the repository: files in pieces, and the files of a dump.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::sync::Mutex;

use accel::hash::{Algorithm, Hasher};

use crate::database::{Sink, SinkFile};
use crate::error::{Error, Kind, Result};
use crate::manifest::FileFacts;
use crate::repository::tree::{Node, NodeKind, Tree};
use crate::repository::{BlobId, Writer, names};
use crate::site::pool::{Attributes, PIECE_BYTES};
use crate::snapshot::mode;

/// What a file or folder has in a snapshot that has none on the site: no time, so that it stays as it is from run to run.
pub(super) const MADE: Attributes = Attributes { mode: 0o700, uid: 0, gid: 0, seconds: 0, nanoseconds: 0 };

/// Returns a file's node.
pub(super) fn file_node(name: &str, attributes: Attributes, size: u64, content: Vec<BlobId>) -> Node {
    Node { size, content, ..bare(name, NodeKind::File, attributes) }
}

/// Returns a folder's node.
pub(super) fn folder_node(name: &str, attributes: Attributes, subtree: BlobId) -> Node {
    Node { subtree: Some(subtree), ..bare(name, NodeKind::Dir, attributes) }
}

/// Returns the node of a symbolic link.
pub(super) fn link_node(name: &str, attributes: Attributes, target: &[u8]) -> Node {
    let (linktarget, linktarget_raw) = names::kept_target(target);
    Node { linktarget: Some(linktarget), linktarget_raw, ..bare(name, NodeKind::Symlink, attributes) }
}

fn bare(name: &str, kind: NodeKind, attributes: Attributes) -> Node {
    Node {
        name: name.to_owned(),
        kind,
        mode: mode::stored(kind, attributes.mode),
        mtime: jiff::Timestamp::new(attributes.seconds, attributes.nanoseconds.cast_signed()).unwrap_or_default(),
        uid: attributes.uid,
        gid: attributes.gid,
        size: 0,
        content: Vec::new(),
        subtree: None,
        linktarget: None,
        linktarget_raw: None,
        inode: 0,
        ctime: None,
    }
}

/// Stores bytes that are at hand.
pub(super) fn store(writer: &Writer, bytes: &[u8]) -> Result<Vec<BlobId>> {
    bytes.chunks(PIECE_BYTES).map(|piece| writer.data(piece, true)).collect()
}

/// Stores what a reader gives, and returns its blobs and its size.
pub(super) fn store_all(
    writer: &Writer,
    mut reader: impl Read,
    unreadable: &dyn Fn(std::io::Error) -> Error,
) -> Result<(Vec<BlobId>, u64)> {
    let mut blobs = Vec::new();
    let mut size = 0;
    let mut buffer = Vec::new();
    loop {
        buffer.clear();
        (&mut reader).take(PIECE_BYTES as u64).read_to_end(&mut buffer).map_err(unreadable)?;
        if buffer.is_empty() {
            return Ok((blobs, size));
        }
        size += buffer.len() as u64;
        blobs.push(writer.data(&buffer, true)?);
    }
}

/// Takes the files of a dump.
pub(super) struct DumpSink<'a> {
    writer: &'a Writer,
    files: Mutex<BTreeMap<String, (u64, Vec<BlobId>)>>,
}

impl<'a> DumpSink<'a> {
    pub(super) fn new(writer: &'a Writer) -> Self {
        Self { writer, files: Mutex::new(BTreeMap::new()) }
    }

    /// Writes the trees of the folder `database/`, and returns its node.
    pub(super) fn finish(self, attributes: Attributes) -> Result<Node> {
        let files = self.files.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut folders: BTreeMap<&str, Vec<Node>> = BTreeMap::new();
        let file = Attributes { mode: 0o600, ..attributes };
        for (path, (size, content)) in &files {
            let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
            folders.entry(folder).or_default().push(file_node(name, file, *size, content.clone()));
        }
        let mut top = folders.remove("").unwrap_or_default();
        for (name, nodes) in folders {
            let tree = self.writer.tree(&Tree::new(nodes))?;
            top.push(folder_node(name, attributes, tree));
        }
        Ok(folder_node("database", attributes, self.writer.tree(&Tree::new(top))?))
    }
}

impl Sink for DumpSink<'_> {
    fn file<'b>(&'b self, path: &str) -> Result<Box<dyn SinkFile + 'b>> {
        Ok(Box::new(DumpFile {
            sink: self,
            path: path.to_owned(),
            piece: Vec::new(),
            blobs: Vec::new(),
            size: 0,
            hasher: Hasher::new(Algorithm::Sha256),
            failed: None,
        }))
    }
}

struct DumpFile<'a> {
    sink: &'a DumpSink<'a>,
    path: String,
    piece: Vec<u8>,
    blobs: Vec<BlobId>,
    size: u64,
    hasher: Hasher,
    failed: Option<Error>,
}

impl DumpFile<'_> {
    fn store(&mut self) -> Result<()> {
        if !self.piece.is_empty() {
            self.blobs.push(self.sink.writer.data(&self.piece, true)?);
            self.piece.clear();
        }
        Ok(())
    }
}

impl Write for DumpFile<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.failed.is_some() {
            return Err(std::io::Error::other("the repository failed before"));
        }
        let taken = bytes.len().min(PIECE_BYTES - self.piece.len());
        self.piece.extend_from_slice(&bytes[..taken]);
        self.size += taken as u64;
        if self.piece.len() == PIECE_BYTES {
            // A file of one piece is hashed by the repository: its id is the file's SHA-256.
            self.hasher.update(&self.piece);
            if let Err(error) = self.store() {
                let shown = std::io::Error::other(error.to_string());
                self.failed = Some(error);
                return Err(shown);
            }
        }
        Ok(taken)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl SinkFile for DumpFile<'_> {
    fn close(mut self: Box<Self>) -> Result<FileFacts> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        if !self.blobs.is_empty() {
            self.hasher.update(&self.piece);
        }
        self.store()?;
        let sha256 = match self.blobs.as_slice() {
            [only] => only.to_string(),
            _ => hex::encode(self.hasher.finish().as_bytes()),
        };
        let mut files = self.sink.files.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if files.insert(self.path.clone(), (self.size, self.blobs)).is_some() {
            return Err(Error::new(
                Kind::Database,
                format!("the dump has two files {}", self.path),
                "report this as a bug",
            ));
        }
        Ok(FileFacts { path: self.path, size: self.size, sha256 })
    }
}
