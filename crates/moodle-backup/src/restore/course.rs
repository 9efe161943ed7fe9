//! The files of one course, under the names that people know.
//!
//! Which they are is in the snapshot's own dump: in the tables `context` and `files`.

mod names;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use serde::Serialize;

use super::files::Plan;
use crate::error::{Error, Kind, Result};
use crate::progress::Progress;
use crate::repository::tree::{Node, Tree};
use crate::repository::{BlobId, Repository};
use crate::sites;
use crate::snapshot::rows::{Table, unescaped};
use crate::snapshot::{Opened, lock_for_reading};
use names::Names;

/// `contextlevel` of a course.
const COURSE: &str = "50";

/// What was restored of a course.
#[derive(Clone, Debug, Serialize)]
pub struct CourseOutcome {
    /// The snapshot's id.
    pub snapshot: String,
    /// Files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files that the snapshot doesn't have.
    pub missing: Vec<String>,
    /// Files that a file system can't have under their own names: what they are called, and what they should be.
    pub renamed: Vec<(PathBuf, PathBuf)>,
}

/// How a course's files are restored.
#[derive(Clone, Copy, Debug, Default)]
pub struct CourseOptions {
    /// Files that the repository hasn't got any more are left out and named.
    pub allow_missing: bool,
    /// How long another run is waited for; nothing: not at all.
    pub wait: Option<Duration>,
}

/// Writes the files of a course into `folder`, as `CONTEXT/component/filearea/itemid/path/name`.
///
/// # Errors
/// The snapshot has no such course, it is damaged, or the folder isn't empty or can't be written.
pub fn course(
    repository: &Repository,
    snapshot: &str,
    course: u64,
    folder: &Path,
    options: CourseOptions,
    progress: &dyn Progress,
) -> Result<CourseOutcome> {
    let _lock = lock_for_reading(repository, options.wait)?;
    let snapshot = sites::find(repository, snapshot)?;
    let index = repository.index()?;
    let opened = Opened::open(repository, &index, snapshot)?;
    if std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(Error::new(
            Kind::Refused,
            format!("{} is not empty", folder.display()),
            "give a folder that is new or empty",
        ));
    }
    let rows = rows(&opened, course)?;
    let nodes = nodes(&opened, &rows, options.allow_missing)?;
    let mut missing = Vec::new();
    let mut wanted = Vec::new();
    let mut names = Names::of(rows.iter().map(|row| row.path.as_path()));
    for row in rows {
        match nodes.get(&row.hash) {
            Some(node) => wanted.push((names.take(row.path), node.clone())),
            None => missing.push(row.path.display().to_string()),
        }
    }
    let folders = wanted.iter().filter_map(|(path, _)| path.parent()).map(|parent| folder.join(parent));
    let folders: BTreeSet<PathBuf> = folders.chain([folder.to_owned()]).collect();
    let (plan, obstacle) = Plan::of(&opened, folder, wanted, None, options.allow_missing)?;
    obstacle.map_or(Ok(()), Err)?;
    for made in folders {
        std::fs::create_dir_all(&made).map_err(|error| {
            Error::new(Kind::Local, format!("{} can't be made", made.display()), "give another folder").because(error)
        })?;
    }
    let restored = plan.write(&opened, folder, false, progress)?;
    missing.extend(restored.missing.iter().map(|path| path.display().to_string()));
    Ok(CourseOutcome {
        snapshot: opened.snapshot.id.clone(),
        files: restored.size.files,
        bytes: restored.size.bytes,
        missing,
        renamed: names.renamed,
    })
}

/// A row of the table `files`.
struct Row {
    hash: String,
    path: PathBuf,
}

/// Returns the files of a course: those of its context and of all below it.
fn rows(opened: &Opened<'_>, course: u64) -> Result<Vec<Row>> {
    let course = course.to_string();
    let contexts = Table::open(opened, "context")?;
    let columns = contexts.columns(["id", "contextlevel", "instanceid", "path"])?;
    let mut paths = Vec::new();
    let mut above = None;
    contexts.each(&mut |cells| {
        let [id, level, instance, path] = columns.map(|column| cells.get(column).copied().unwrap_or_default());
        if level == COURSE && instance == course {
            above = Some(path.to_owned());
        }
        paths.push((id.to_owned(), path.to_owned()));
        Ok(())
    })?;
    let above = above.ok_or_else(|| {
        Error::new(
            Kind::Refused,
            format!("the snapshot {} has no course {course}", opened.snapshot.id),
            "the id is the number in the course's address: course/view.php?id=…",
        )
    })?;
    let below = format!("{above}/");
    let contexts: HashSet<String> =
        paths.into_iter().filter(|(_, path)| *path == above || path.starts_with(&below)).map(|(id, _)| id).collect();
    let files = Table::open(opened, "files")?;
    let columns =
        files.columns(["contenthash", "contextid", "component", "filearea", "itemid", "filepath", "filename"])?;
    let mut rows = Vec::new();
    files.each(&mut |cells| {
        let [hash, context, component, area, item, path, name] =
            columns.map(|column| cells.get(column).copied().unwrap_or_default());
        if name != "." && contexts.contains(context) {
            let path = path.trim_matches('/');
            rows.push(Row {
                hash: hash.to_owned(),
                path: safe(&[context, component, area, item, path, &unescaped(name)]),
            });
        }
        Ok(())
    })?;
    Ok(rows)
}

/// Puts a path together that stays below its folder, whatever the database says.
fn safe(parts: &[&str]) -> PathBuf {
    let joined: PathBuf =
        parts.iter().map(|part| unescaped(part).replace('\0', "")).collect::<Vec<_>>().join("/").into();
    joined.components().filter(|part| matches!(part, Component::Normal(_))).collect()
}

/// Loads the nodes of contents, folder by folder.
fn nodes(opened: &Opened<'_>, rows: &[Row], allow_missing: bool) -> Result<BTreeMap<String, Node>> {
    let wanted: HashSet<&str> = rows.iter().map(|row| row.hash.as_str()).filter(|hash| hash.len() == 40).collect();
    let top = match opened.tree("moodledata/filedir") {
        Err(error) if error.kind == Kind::Damaged && allow_missing => None,
        top => top?,
    };
    let Some(top) = top else { return Ok(BTreeMap::new()) };
    let trees = |folders: &[(String, BlobId)]| -> Result<Vec<Tree>> {
        let ids: Vec<BlobId> = folders.iter().map(|(_, id)| *id).collect();
        if !allow_missing {
            return opened.trees(&ids);
        }
        Ok(opened.sound_trees(&ids)?.into_iter().map(Option::unwrap_or_default).collect())
    };
    let mut level: Vec<(String, BlobId)> = Vec::new();
    let folders = |prefix: &str, tree: &Tree| -> Vec<(String, BlobId)> {
        let prefixes: HashSet<&str> = wanted.iter().map(|hash| &hash[..prefix.len() + 2]).collect();
        tree.nodes
            .iter()
            .map(|node| (format!("{prefix}{}", node.name), node.subtree))
            .filter(|(name, _)| prefixes.contains(name.as_str()))
            .filter_map(|(name, subtree)| Some((name, subtree?)))
            .collect()
    };
    level.extend(folders("", &top));
    let below: Vec<_> =
        level.iter().zip(&trees(&level)?).flat_map(|((prefix, _), tree)| folders(prefix, tree)).collect();
    let mut found = BTreeMap::new();
    for node in trees(&below)?.into_iter().flat_map(|tree| tree.nodes) {
        if wanted.contains(node.name.as_str()) {
            found.insert(node.name.clone(), node);
        }
    }
    Ok(found)
}
