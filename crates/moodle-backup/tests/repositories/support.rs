//! Small repositories, and stock restic.

use std::path::Path;
use std::process::{Command, Output};

use moodle_backup::repository::tree::{FOLDER, Node, NodeKind, Tree};
use moodle_backup::repository::{BlobId, Index, NewKey, NewSnapshot, Repository, Secret, Snapshot, Written};
use moodle_backup::store::Store;

pub(crate) const PASSPHRASE: &str = "correct horse";

/// Makes a repository.
pub(crate) fn made(location: &str) -> Repository {
    Repository::init(Store::open(location).unwrap(), &NewKey::Passphrase(PASSPHRASE.into())).unwrap()
}

/// Opens a repository.
pub(crate) fn opened(location: &str) -> Repository {
    Repository::open(Store::open(location).unwrap(), &Secret::Passphrase(PASSPHRASE.into())).unwrap()
}

/// Returns bytes that nothing compresses, other ones for each seed.
pub(crate) fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    rand::Rng::fill_bytes(&mut <rand::rngs::StdRng as rand::SeedableRng>::seed_from_u64(seed), &mut bytes);
    bytes
}

fn node(name: &str, kind: NodeKind) -> Node {
    Node {
        name: name.into(),
        kind,
        mode: if kind == NodeKind::Dir { FOLDER | 0o750 } else { 0o640 },
        mtime: jiff::Timestamp::from_second(1_700_000_000).unwrap(),
        ctime: None,
        uid: rustix::process::getuid().as_raw(),
        gid: rustix::process::getgid().as_raw(),
        inode: 0,
        size: 0,
        linktarget: None,
        linktarget_raw: None,
        content: Vec::new(),
        subtree: None,
    }
}

/// Makes a snapshot of files, as a site's backup does: the lock, the index, content, folders, the snapshot.
pub(crate) fn backed_up(
    repository: &Repository,
    site: &str,
    second: i64,
    files: &[(&str, Vec<u8>)],
) -> moodle_backup::error::Result<(Snapshot, Written)> {
    let writable = repository.index_for_writing()?;
    let made = backed_up_on(repository, writable.index.clone(), site, second, files)?;
    repository.forget(&writable).map(|()| made)
}

/// Makes a snapshot as [`backed_up`] does, by a run that read this index before.
pub(crate) fn backed_up_on(
    repository: &Repository,
    index: Index,
    site: &str,
    second: i64,
    files: &[(&str, Vec<u8>)],
) -> moodle_backup::error::Result<(Snapshot, Written)> {
    let writer = repository.writer(index);
    let mut nodes = Vec::new();
    for (name, bytes) in files {
        let content =
            bytes.chunks(4 << 20).map(|piece| writer.data(piece, true)).collect::<Result<Vec<BlobId>, _>>()?;
        nodes.push(Node { size: bytes.len() as u64, content, ..node(name, NodeKind::File) });
    }
    let subtree = Some(writer.tree(&Tree::new(nodes))?);
    let tree = writer.tree(&Tree::new(vec![Node { subtree, ..node("pool", NodeKind::Dir) }]))?;
    let (_, written) = writer.finish()?;
    let snapshot = repository.commit(NewSnapshot {
        tree: Some(tree),
        taken: jiff::Timestamp::from_second(second).unwrap(),
        paths: vec![format!("/{site}")],
        tags: vec![format!("site:{site}")],
        ..NewSnapshot::default()
    })?;
    Ok((snapshot, written))
}

/// Tells whether stock restic is here; in CI it must be.
pub(crate) fn has_restic() -> bool {
    let there = Command::new(program()).arg("version").output().is_ok();
    assert!(there || std::env::var("CI").as_deref() != Ok("true"), "restic isn't here");
    if !there {
        eprintln!("skipped: restic isn't here");
    }
    there
}

fn program() -> String {
    std::env::var("RESTIC").unwrap_or_else(|_| "restic".into())
}

/// Runs stock restic.
pub(crate) fn restic(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(program())
        .args(arguments)
        .args(["--no-cache", "--repo"])
        .arg(folder)
        .env("RESTIC_PASSWORD", PASSPHRASE)
        .output()
        .unwrap()
}

/// Runs `restic check --read-data`, which must find nothing.
pub(crate) fn restic_is_content(folder: &Path) {
    let done = restic(folder, &["check", "--read-data"]);
    let said = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "{said}");
}
