//! Folders in a snapshot, in restic's JSON: the same folder is always the same bytes.
//!
//! Source: <https://github.com/restic/restic/blob/master/doc/design.rst#trees-and-data>.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};

use jiff::Timestamp;
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Serialize, Serializer};

use super::{BlobId, names};
use crate::error::{Error, Kind, Result};

/// A folder's entries, sorted by name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tree {
    /// The entries.
    #[serde(default, deserialize_with = "or_nothing")]
    pub nodes: Vec<Node>,
}

/// What an entry of a folder is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeKind {
    /// A file.
    File,
    /// A folder.
    Dir,
    /// A symbolic link.
    Symlink,
    /// What this program never writes.
    #[serde(other)]
    Other,
}

/// An entry of a folder.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Node {
    /// Its name, quoted as [`names`] says.
    pub name: String,
    /// What it is.
    #[serde(rename = "type")]
    pub kind: NodeKind,
    /// Permissions, in the bits that Go gives them: those of Unix, and [`FOLDER`] or [`LINK`].
    #[serde(default)]
    pub mode: u32,
    /// When the content was changed.
    #[serde(default)]
    pub mtime: Timestamp,
    /// When anything about it was changed.
    #[serde(default)]
    pub ctime: Option<Timestamp>,
    /// The owner's number.
    #[serde(default)]
    pub uid: u32,
    /// The group's number.
    #[serde(default)]
    pub gid: u32,
    /// The number in the file system, by which an unchanged file is known again.
    #[serde(default)]
    pub inode: u64,
    /// A file's size in bytes.
    #[serde(default)]
    pub size: u64,
    /// Where a link leads.
    #[serde(default)]
    pub linktarget: Option<String>,
    /// The same where it isn't UTF-8, as [`names`] says.
    #[serde(default)]
    pub linktarget_raw: Option<String>,
    /// A file's content, piece by piece.
    #[serde(default, deserialize_with = "or_nothing")]
    pub content: Vec<BlobId>,
    /// A folder's tree.
    #[serde(default)]
    pub subtree: Option<BlobId>,
}

impl Node {
    /// Returns the name that a file system has.
    #[must_use]
    pub fn file_name(&self) -> Cow<'_, OsStr> {
        match self.bytes() {
            Cow::Borrowed(name) => Cow::Borrowed(OsStr::from_bytes(name)),
            Cow::Owned(name) => Cow::Owned(OsString::from_vec(name)),
        }
    }

    /// Returns where a link leads.
    #[must_use]
    pub fn target(&self) -> OsString {
        let text = self.linktarget.as_deref().unwrap_or_default();
        OsString::from_vec(names::target(text, self.linktarget_raw.as_deref()))
    }

    fn bytes(&self) -> Cow<'_, [u8]> {
        names::unquoted(&self.name)
    }
}

impl Serialize for Node {
    fn serialize<S: Serializer>(&self, to: S) -> std::result::Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(None)?;
        map.serialize_entry("name", &self.name)?;
        map.serialize_entry("type", &self.kind)?;
        map.serialize_entry("mode", &self.mode)?;
        map.serialize_entry("mtime", &self.mtime)?;
        // restic sets this one on restore, and nobody needs when the pool was read.
        map.serialize_entry("atime", &self.mtime)?;
        map.serialize_entry("ctime", &self.ctime.unwrap_or(self.mtime))?;
        map.serialize_entry("uid", &self.uid)?;
        map.serialize_entry("gid", &self.gid)?;
        if self.inode != 0 {
            map.serialize_entry("inode", &self.inode)?;
        }
        if let Some(target) = &self.linktarget {
            map.serialize_entry("linktarget", target)?;
        }
        if let Some(raw) = &self.linktarget_raw {
            map.serialize_entry("linktarget_raw", raw)?;
        }
        if self.kind == NodeKind::File {
            map.serialize_entry("size", &self.size)?;
            map.serialize_entry("content", &self.content)?;
        }
        if let Some(subtree) = &self.subtree {
            map.serialize_entry("subtree", subtree)?;
        }
        map.end()
    }
}

fn or_nothing<'a, D, T>(from: D) -> std::result::Result<Vec<T>, D::Error>
where
    D: serde::Deserializer<'a>,
    T: Deserialize<'a>,
{
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

/// The bit that says folder in [`Node::mode`].
pub const FOLDER: u32 = 1 << 31;
/// The bit that says link in [`Node::mode`].
pub const LINK: u32 = 1 << 27;

impl Tree {
    /// Returns the tree with these entries.
    #[must_use]
    pub fn new(mut nodes: Vec<Node>) -> Self {
        nodes.sort_by(|one, other| one.bytes().cmp(&other.bytes()));
        Self { nodes }
    }

    /// Returns the bytes that a repository keeps.
    ///
    /// # Errors
    /// A time can't be written.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let mut bytes = serde_json::to_vec(self).map_err(|error| {
            Error::new(Kind::Site, "a folder has a date that can't be kept", "touch its files").because(error)
        })?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// Reads what [`to_bytes`](Self::to_bytes) or restic wrote.
    ///
    /// # Errors
    /// It is no tree.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        serde_json::from_slice(bytes).map_err(|error| {
            Error::new(Kind::Damaged, "a folder in the repository is no tree", "moodle-backup verify --data")
                .because(error)
        })
    }

    /// Returns the entry with this name, quoted.
    #[must_use]
    pub fn node(&self, name: &str) -> Option<&Node> {
        let name = names::unquoted(name);
        self.nodes.binary_search_by(|node| node.bytes().cmp(&name)).ok().map(|place| &self.nodes[place])
    }
}
