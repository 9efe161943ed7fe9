//! The restored config.php.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use rustix::fs::{Gid, Mode, Uid};
use tempfile::NamedTempFile;

use super::OVERWRITE;
use super::files::local;
use crate::error::{Error, Result};
use crate::repository::tree::Node;
use crate::site::config_php;
use crate::snapshot::{Opened, mode};

/// What the name of a config.php begins with until it is whole.
const BESIDE: &str = ".moodle-backup-config-";

/// A config.php to be.
#[derive(Debug)]
pub(super) struct Config {
    content: Vec<u8>,
    node: Node,
}

/// Makes the config.php that the snapshot has, with another address where one is given; refuses where that can't be.
pub(super) fn planned(opened: &Opened<'_>, wwwroot: Option<&str>) -> Result<Config> {
    let Some(node) = opened.node("config/config.php")? else {
        return Err(Error::refused(
            "the snapshot has no config.php, which --to-config asks for",
            "leave out --to-config: the site was backed up without its --site",
        ));
    };
    let source = opened.read(&node)?;
    let content = match wwwroot {
        Some(wwwroot) => config_php::with_text(&source, "wwwroot", wwwroot),
        None => Some(source),
    };
    content.map(|content| Config { content, node }).ok_or_else(|| {
        Error::refused(
            "the snapshot's config.php doesn't set $CFG->wwwroot",
            "leave out --wwwroot, and set the address where that config.php takes it from",
        )
    })
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

impl Config {
    /// Returns why it can't go there: something else has the name.
    pub(super) fn refusal(&self, path: &Path, overwrite: bool) -> Option<Error> {
        // A restore that was broken off has put it there.
        let is_it = || path.is_file() && std::fs::read(path).is_ok_and(|there| there == self.content);
        let is_taken = !overwrite && path.symlink_metadata().is_ok() && !is_it();
        is_taken.then(|| Error::refused(format!("{} is there already", path.display()), OVERWRITE))
    }

    /// Finds out whether it can be written, and leaves nothing there: it has a password, and until it is put in its place
    /// the restore may be killed.
    pub(super) fn can_be_put(&self, path: &Path) -> Result<()> {
        // A restore that was killed in the middle of writing it left one.
        for entry in std::fs::read_dir(folder_of(path)).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(BESIDE) {
                let path = entry.path();
                if let Err(error) = std::fs::remove_file(&path) {
                    tracing::warn!(%error, "{} can't be removed, and may have a password in it", path.display());
                }
            }
        }
        self.beside(path, &[]).map(drop)
    }

    /// Puts it in place of whatever has its name: a link is replaced and not followed.
    pub(super) fn put(&self, path: &Path) -> Result<()> {
        self.beside(path, &self.content)?.persist(path).map_err(|error| local(path, error.error))?;
        File::open(folder_of(path)).and_then(|folder| folder.sync_all()).map_err(|error| local(path, error))
    }

    /// Writes a file beside its place. Its owner may read it, and the group where that is restored, too.
    fn beside(&self, path: &Path, content: &[u8]) -> Result<NamedTempFile> {
        let failed = |error| local(path, error);
        // A web server that sees it takes it for a program, and shows nobody what is in it.
        let mut file =
            tempfile::Builder::new().prefix(BESIDE).suffix(".php").tempfile_in(folder_of(path)).map_err(failed)?;
        file.write_all(content).map_err(failed)?;
        if rustix::process::geteuid().is_root() {
            let (uid, gid) = (Uid::from_raw(self.node.uid), Gid::from_raw(self.node.gid));
            let mode = Mode::from_raw_mode(mode::of(self.node.mode) & 0o640 | 0o600);
            rustix::fs::fchown(file.as_file(), Some(uid), Some(gid))
                .and_then(|()| rustix::fs::fchmod(file.as_file(), mode))
                .map_err(|error| failed(error.into()))?;
        }
        file.as_file().sync_all().map_err(failed)?;
        Ok(file)
    }
}
