//! The file pool: contents named by their SHA-1, below `filedir`, below `trashdir`, or in an object store.
//!
//! Beside contents a `filedir` holds `warning.txt`, `….tmp` of uploads that go on or were broken off, and `jackpot/`
//! with what collided. None of it is listed by the database, and only what is listed is ever opened.

use std::fs::{File, Metadata};
use std::io::{ErrorKind as Io, Read as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use accel::hash::{Algorithm, Hasher, sha1};
use rustix::fs::{AtFlags, CWD, Mode, OFlags};

use crate::database::Listed;
use crate::error::{Error, Kind, Result};

/// Content up to this size is read at once; larger content is cut into pieces of this size.
pub const PIECE_BYTES: usize = 4 << 20;

/// A pool in local folders.
#[derive(Debug)]
pub struct Pool {
    filedir: OwnedFd,
    trashdir: PathBuf,
    path: PathBuf,
}

/// Who may do what with a file or folder, and when it was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attributes {
    /// The permission bits.
    pub mode: u32,
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// When it was changed, in seconds since 1970 …
    pub seconds: i64,
    /// … and nanoseconds.
    pub nanoseconds: u32,
}

impl Attributes {
    /// Takes them from what the system says of a file.
    #[must_use]
    pub fn of(metadata: &Metadata) -> Self {
        Self {
            mode: metadata.mode() & 0o7777,
            uid: metadata.uid(),
            gid: metadata.gid(),
            seconds: metadata.mtime(),
            nanoseconds: u32::try_from(metadata.mtime_nsec()).unwrap_or(0),
        }
    }
}

/// What came of reading a content.
#[derive(Debug)]
pub enum Content {
    /// It was read, and is what its name says.
    Whole(Attributes),
    /// There is no such file.
    Absent,
    /// There is something else under that name.
    Corrupt,
}

impl Pool {
    /// Opens the pool of a site.
    ///
    /// # Errors
    /// There is no such folder, or it can't be read.
    pub fn open(filedir: &Path, trashdir: &Path) -> Result<Self> {
        let folder = rustix::fs::open(filedir, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
            .map_err(|error| {
                Error::new(
                    Kind::Site,
                    format!("the file pool {} can't be opened", filedir.display()),
                    "run this where Moodle's files are mounted, as a user who may read them, or give --filedir",
                )
                .because(std::io::Error::from(error))
            })?;
        Ok(Self { filedir: folder, trashdir: trashdir.to_owned(), path: filedir.to_owned() })
    }

    /// Reads a content in pieces, from the pool or from the trash; `buffer` serves several calls. What `piece` gets is
    /// the content only if `Whole` is returned; a content of one piece is checked before `piece` gets it.
    ///
    /// # Errors
    /// The file is there and can't be read, or `piece` fails.
    pub fn read(
        &self,
        trash: bool,
        listed: Listed,
        buffer: &mut Vec<u8>,
        piece: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<Content> {
        let Some(mut file) = self.file(trash, listed)? else {
            return Ok(Content::Absent);
        };
        let unreadable = |error| self.unreadable(listed, error);
        let metadata = file.metadata().map_err(unreadable)?;
        if !metadata.is_file() || metadata.len() != listed.size {
            return Ok(Content::Corrupt);
        }
        let attributes = Attributes::of(&metadata);
        let mut left = listed.size;
        let whole = left <= PIECE_BYTES as u64;
        let mut hasher = (!whole).then(|| Hasher::new(Algorithm::Sha1));
        while left > 0 || whole {
            let length = usize::try_from(left).unwrap_or(usize::MAX).min(PIECE_BYTES);
            buffer.resize(length, 0);
            match file.read_exact(buffer) {
                Err(error) if error.kind() == Io::UnexpectedEof => return Ok(Content::Corrupt),
                read => read.map_err(unreadable)?,
            }
            left -= length as u64;
            match &mut hasher {
                Some(hasher) => hasher.update(buffer),
                None if *sha1(buffer).as_bytes() != listed.hash => return Ok(Content::Corrupt),
                None => {}
            }
            if length > 0 {
                piece(buffer)?;
            }
            if whole {
                break;
            }
        }
        let lies = hasher.is_some_and(|mut hasher| hasher.finish().as_bytes() != listed.hash);
        Ok(if lies { Content::Corrupt } else { Content::Whole(attributes) })
    }

    /// Appends a content to `bytes`, unless the pool doesn't have it with its size; its name is not compared.
    ///
    /// # Errors
    /// The file is there and can't be read.
    pub fn append(&self, listed: Listed, bytes: &mut Vec<u8>) -> Result<Content> {
        let Some(mut file) = self.file(false, listed)? else {
            return Ok(Content::Absent);
        };
        let unreadable = |error| self.unreadable(listed, error);
        let metadata = file.metadata().map_err(unreadable)?;
        if !metadata.is_file() || metadata.len() != listed.size {
            return Ok(Content::Corrupt);
        }
        let start = bytes.len();
        bytes.resize(start + usize::try_from(listed.size).unwrap_or(usize::MAX), 0);
        match file.read_exact(&mut bytes[start..]) {
            Err(error) if error.kind() == Io::UnexpectedEof => {
                bytes.truncate(start);
                Ok(Content::Corrupt)
            }
            read => read.map_err(unreadable).map(|()| Content::Whole(Attributes::of(&metadata))),
        }
    }

    /// Returns the attributes of a folder of the pool, as `ab/cd`; nothing: there is none.
    #[must_use]
    pub fn folder(&self, path: &str) -> Option<Attributes> {
        let stat = rustix::fs::statat(&self.filedir, path, AtFlags::empty()).ok()?;
        Some(Attributes {
            mode: stat.st_mode & 0o7777,
            uid: stat.st_uid,
            gid: stat.st_gid,
            seconds: stat.st_mtime,
            nanoseconds: u32::try_from(stat.st_mtime_nsec).unwrap_or(0),
        })
    }

    fn file(&self, trash: bool, listed: Listed) -> Result<Option<File>> {
        let name = hex::encode(listed.hash);
        let path = path(&name);
        if !trash {
            return self.try_open(Some(&self.filedir), Path::new(&path), listed);
        }
        // The trash is a folder that comes and goes; old versions of Moodle put files into it without folders.
        match self.try_open(None, &self.trashdir.join(path), listed)? {
            Some(file) => Ok(Some(file)),
            None => self.try_open(None, &self.trashdir.join(name), listed),
        }
    }

    fn try_open(&self, folder: Option<&OwnedFd>, path: &Path, listed: Listed) -> Result<Option<File>> {
        let open = |flags| match folder {
            Some(folder) => rustix::fs::openat(folder, path, flags, Mode::empty()),
            None => rustix::fs::openat(CWD, path, flags, Mode::empty()),
        };
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        // Only a file's owner may read it without touching its access time.
        let opened = match open(flags | OFlags::NOATIME) {
            Err(rustix::io::Errno::PERM) => open(flags),
            opened => opened,
        };
        match opened {
            Ok(file) => Ok(Some(File::from(file))),
            Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => Ok(None),
            Err(rustix::io::Errno::LOOP) => {
                tracing::warn!(path = %path.display(), "a content is a symbolic link, which is not followed");
                Ok(None)
            }
            Err(error) => Err(self.unreadable(listed, error.into())),
        }
    }

    fn unreadable(&self, listed: Listed, error: std::io::Error) -> Error {
        let path = self.path.join(path(&hex::encode(listed.hash)));
        Error::new(
            Kind::Site,
            format!("{} can't be read", path.display()),
            "run this as a user who may read Moodle's files: the web server's, or root",
        )
        .because(error)
    }
}

/// Returns where a content lies below the pool, as `ab/cd/abcd…`.
#[must_use]
pub fn path(name: &str) -> String {
    format!("{}/{}/{name}", &name[..2], &name[2..4])
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "what can't be made fails the test")]

    use std::os::unix::fs::symlink;

    use accel::hash::sha1;

    use super::{Content, PIECE_BYTES, Pool, path};
    use crate::database::Listed;

    struct Site {
        folder: tempfile::TempDir,
        pool: Pool,
    }

    fn site() -> Site {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("filedir")).unwrap();
        let pool = Pool::open(&folder.path().join("filedir"), &folder.path().join("trashdir")).unwrap();
        Site { folder, pool }
    }

    impl Site {
        fn put(&self, folder: &str, name: &[u8; 20], content: &[u8]) {
            let path = self.folder.path().join(folder).join(path(&hex::encode(name)));
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }

        fn read(&self, trash: bool, hash: [u8; 20], size: usize) -> (Content, Vec<u8>) {
            let mut all = Vec::new();
            let listed = Listed { hash, size: size as u64 };
            let content = self
                .pool
                .read(trash, listed, &mut Vec::new(), &mut |piece| {
                    all.extend_from_slice(piece);
                    Ok(())
                })
                .unwrap();
            (content, all)
        }
    }

    #[test]
    fn contents_of_any_size_are_read_from_the_pool_and_from_the_trash() {
        let site = site();
        for size in [0, 1, 5000, PIECE_BYTES, PIECE_BYTES + 1] {
            let content: Vec<u8> = (0..=250).cycle().take(size).collect();
            let hash = *sha1(&content).as_bytes();
            assert!(matches!(site.read(false, hash, size).0, Content::Absent));
            for (trash, folder) in [(true, "trashdir"), (false, "filedir")] {
                site.put(folder, &hash, &content);
                let (read, bytes) = site.read(trash, hash, size);
                assert!(matches!(read, Content::Whole(attributes) if attributes.mode & 0o400 != 0));
                assert!(bytes == content, "{size} bytes from {folder}");
            }
        }
    }

    #[test]
    fn the_old_trash_without_folders_is_read() {
        let site = site();
        let hash = *sha1(b"old").as_bytes();
        std::fs::create_dir(site.folder.path().join("trashdir")).unwrap();
        std::fs::write(site.folder.path().join("trashdir").join(hex::encode(hash)), "old").unwrap();
        assert!(matches!(site.read(true, hash, 3).0, Content::Whole(_)));
    }

    #[test]
    fn a_name_or_a_size_that_lies_is_corrupt_and_small_content_is_not_passed_on() {
        let site = site();
        let hash = *sha1(b"true").as_bytes();
        site.put("filedir", &hash, b"lies");
        assert!(matches!(site.read(false, hash, 4), (Content::Corrupt, bytes) if bytes.is_empty()));
        assert!(matches!(site.read(false, hash, 5).0, Content::Corrupt));
        let long = vec![7; PIECE_BYTES + 10];
        site.put("filedir", &hash, &long);
        assert!(matches!(site.read(false, hash, long.len()).0, Content::Corrupt));
    }

    #[test]
    fn a_symbolic_link_is_not_followed_and_a_folder_is_no_content() {
        let site = site();
        let hash = *sha1(b"secret").as_bytes();
        let target = site.folder.path().join("secret");
        std::fs::write(&target, "secret").unwrap();
        let link = site.folder.path().join("filedir").join(path(&hex::encode(hash)));
        std::fs::create_dir_all(link.parent().unwrap()).unwrap();
        symlink(&target, &link).unwrap();
        assert!(matches!(site.read(false, hash, 6).0, Content::Absent));
        std::fs::remove_file(&link).unwrap();
        std::fs::create_dir(&link).unwrap();
        assert!(matches!(site.read(false, hash, 6).0, Content::Corrupt));
    }
}
