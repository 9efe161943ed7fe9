//! What the dataroot holds beside the pool and what Moodle makes again by itself.

use std::ffi::OsStr;
use std::fs::Metadata;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::Request;
use super::content::{file_node, folder_node, link_node, store_all};
use super::last::Last;
use crate::error::{Error, Kind, Result};
use crate::manifest::DatarootFacts;
use crate::progress::Progress;
use crate::repository::tree::{Node, NodeKind, Tree};
use crate::repository::{Writer, names};
use crate::site::pool::Attributes;

/// Folders at the top that Moodle or a file system makes again, or that mean nothing elsewhere: caches, uploads that go
/// on, locks. All locks that Moodle's own code makes are in `lock` and `cache`.
pub const LEFT_OUT: [&str; 9] =
    ["filedir", "trashdir", "cache", "localcache", "temp", "sessions", "lock", "requestdir", "lost+found"];

/// How often a file is read again that changes while it is read.
const ATTEMPTS: usize = 3;

/// Walks a dataroot.
pub(super) struct Walk<'a> {
    writer: &'a Writer,
    request: &'a Request,
    last: Option<&'a Last<'a>>,
    /// The folder of the repository, where it is one.
    repository: Option<&'a Metadata>,
    progress: &'a dyn Progress,
    facts: DatarootFacts,
}

impl<'a> Walk<'a> {
    pub(super) fn new(
        writer: &'a Writer,
        request: &'a Request,
        last: Option<&'a Last<'a>>,
        repository: Option<&'a Metadata>,
        progress: &'a dyn Progress,
    ) -> Self {
        Self { writer, request, last, repository, progress, facts: DatarootFacts::default() }
    }

    /// Stores what is in the dataroot, and returns the nodes at its top.
    pub(super) fn run(mut self) -> Result<(Vec<Node>, DatarootFacts)> {
        let before = self.last.map(|last| last.tree_at("moodledata")).transpose()?.flatten();
        let nodes = self.nodes(&self.request.site.dataroot, before.as_ref(), true)?;
        Ok((nodes, self.facts))
    }

    fn nodes(&mut self, path: &Path, before: Option<&Tree>, top: bool) -> Result<Vec<Node>> {
        let unreadable = |error| unreadable(path, error);
        let mut nodes = Vec::new();
        let entries = match std::fs::read_dir(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && !top => return Ok(nodes),
            entries => entries.map_err(unreadable)?,
        };
        let mut names = Vec::new();
        for entry in entries {
            names.push(entry.map_err(unreadable)?.file_name());
        }
        names.sort_unstable();
        for name in names {
            let below = path.join(&name);
            if self.is_made_again(&name, &below, top) {
                continue;
            }
            let name = names::quoted(name.as_bytes());
            nodes.extend(self.entry(&below, &name, before.and_then(|tree| tree.node(&name)))?);
        }
        Ok(nodes)
    }

    fn is_made_again(&self, name: &OsStr, path: &Path, top: bool) -> bool {
        (top && LEFT_OUT.iter().any(|left_out| name == *left_out))
            || path == self.request.site.filedir
            || path == self.request.site.trashdir
    }

    /// Whether a link leads to something that no other path of the dataroot leads to.
    fn leads_out(&self, link: &Path) -> bool {
        let resolved = |path: &Path| std::fs::canonicalize(path).ok();
        resolved(link).zip(resolved(&self.request.site.dataroot)).is_some_and(|(end, root)| !end.starts_with(root))
    }

    fn leave_out(&mut self, path: &Path, why: &str) {
        self.progress.note(&format!("{} is left out: {why}", path.display()));
        let below = path.strip_prefix(&self.request.site.dataroot).unwrap_or(path);
        self.facts.left_out.push(format!("{} ({why})", names::quoted(below.as_os_str().as_bytes())));
    }

    fn entry(&mut self, path: &Path, name: &str, before: Option<&Node>) -> Result<Option<Node>> {
        match self.readable(path, name, before) {
            Err(error) if self.request.allow_unreadable && error.kind == Kind::Site => {
                self.leave_out(path, "it can't be read");
                Ok(None)
            }
            entry => entry,
        }
    }

    fn readable(&mut self, path: &Path, name: &str, before: Option<&Node>) -> Result<Option<Node>> {
        let metadata = match std::fs::symlink_metadata(path) {
            // The site goes on: what is gone is gone.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            metadata => metadata.map_err(|error| unreadable(path, error))?,
        };
        let attributes = Attributes::of(&metadata);
        if metadata.is_dir() {
            if self.repository.is_some_and(|own| (own.dev(), own.ino()) == (metadata.dev(), metadata.ino())) {
                self.leave_out(path, "the repository itself");
                return Ok(None);
            }
            let old = match (self.last, before.and_then(|node| node.subtree)) {
                (Some(last), Some(id)) => last.tree(&id)?,
                _ => None,
            };
            let nodes = self.nodes(path, old.as_ref(), false)?;
            return Ok(Some(folder_node(name, attributes, self.writer.tree(&Tree::new(nodes))?)));
        }
        if metadata.is_symlink() {
            let target = std::fs::read_link(path).map_err(|error| unreadable(path, error))?;
            if self.leads_out(path) {
                let shown = names::quoted(target.as_os_str().as_bytes());
                self.leave_out(path, &format!("what its link {shown} leads to; the link itself is kept"));
            }
            return Ok(Some(link_node(name, attributes, target.as_os_str().as_bytes())));
        }
        if !metadata.is_file() {
            self.leave_out(path, "no file, folder or link");
            return Ok(None);
        }
        let stored = |node: &&Node| self.last.is_some_and(|last| last.has(node));
        let node = match before.filter(|node| is_same(node, name, &metadata)).filter(stored) {
            Some(node) => node.clone(),
            None => match self.file(path, name)? {
                Some(node) => node,
                None => return Ok(None),
            },
        };
        self.facts.files += 1;
        self.facts.bytes += node.size;
        Ok(Some(node))
    }

    fn file(&mut self, path: &Path, name: &str) -> Result<Option<Node>> {
        let mut attempt = 1;
        loop {
            let mut file = match std::fs::File::open(path) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
                file => file.map_err(|error| unreadable(path, error))?,
            };
            let before = file.metadata().map_err(|error| unreadable(path, error))?;
            let (content, size) = store_all(self.writer, &mut file, &|error| unreadable(path, error))?;
            let after = file.metadata().map_err(|error| unreadable(path, error))?;
            let steady = size == after.len() && Attributes::of(&before) == Attributes::of(&after);
            if steady || attempt == ATTEMPTS {
                if !steady {
                    self.progress
                        .note(&format!("{} changes all the time: it is as it was for a moment", path.display()));
                }
                self.progress.advance(size);
                return Ok(Some(identified(file_node(name, Attributes::of(&after), size, content), &after)));
            }
            attempt += 1;
        }
    }
}

/// Adds what tells a file from another that took its place.
fn identified(mut node: Node, metadata: &Metadata) -> Node {
    node.inode = metadata.ino();
    node.ctime = changed(metadata);
    node
}

fn changed(metadata: &Metadata) -> Option<jiff::Timestamp> {
    jiff::Timestamp::new(metadata.ctime(), i32::try_from(metadata.ctime_nsec()).ok()?).ok()
}

fn is_same(node: &Node, name: &str, metadata: &Metadata) -> bool {
    let like = file_node(name, Attributes::of(metadata), metadata.len(), Vec::new());
    node.kind == NodeKind::File
        && node.size == like.size
        && node.mtime == like.mtime
        && node.mode == like.mode
        && (node.uid, node.gid) == (like.uid, like.gid)
        && node.inode == metadata.ino()
        && node.ctime == changed(metadata)
}

fn unreadable(path: &Path, error: std::io::Error) -> Error {
    Error::new(
        Kind::Site,
        format!("{} can't be read", path.display()),
        "run this as a user who may read Moodle's files: the web server's, or root; or leave out what can't be read by \
         --allow-unreadable",
    )
    .because(error)
}
