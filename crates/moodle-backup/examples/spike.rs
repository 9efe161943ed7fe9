//! The numbers behind `docs/backup-format.md`: a pool, backed up by `rustic_core`'s archiver and by this crate's writer.
//!
//! `spike data FOLDER FILES BYTES` makes a pool, `spike rustic|ours POOL REPOSITORY` backs it up once (the repository is
//! made when it isn't there), `spike rustic-restore|ours-restore REPOSITORY TARGET` restores, `spike check REPOSITORY`
//! reads all. Measure it from outside: `\time -v`.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "an example that is run by hand")]

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use moodle_backup::bench::dataset::{Size, write_pool};
use moodle_backup::progress::Silent;
use moodle_backup::repository::tree::{Node, NodeKind, Tree};
use moodle_backup::repository::{NewKey, NewSnapshot, Repository, Secret};
use moodle_backup::store::Store;
use rustic_core::repofile::SnapshotFile;
use rustic_core::{
    BackupOptions, ConfigOptions, Credentials, KeyOptions, LocalDestination, LsOptions, PathList, RepositoryBackends,
    RepositoryOptions, RestoreOptions, SnapshotOptions,
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["data", folder, files, bytes] => {
            let size =
                Size { files: files.parse().unwrap(), bytes: bytes.parse().unwrap(), rows: 0, tables: 0, seed: 7 };
            write_pool(Path::new(folder), size, 0, size.files, &Silent).unwrap();
        }
        ["rustic", pool, repository] => rustic(pool, repository),
        ["rustic-restore", repository, target] => rustic_restore(repository, target),
        ["ours", pool, repository] => ours(pool, repository),
        ["ours-restore", repository, target] => ours_restore(repository, target),
        ["check", repository] => println!("{:?}", opened(repository).check(&Silent).unwrap()),
        _ => println!("see the top of examples/spike.rs"),
    }
}

fn plain(repository: &str) -> rustic_core::Repository<rustic_core::OpenStatus> {
    let backends = RepositoryBackends::new(Arc::new(Store::open(repository).unwrap()), None);
    let mut options = RepositoryOptions::default();
    options.no_cache = true;
    let found = rustic_core::Repository::new(&options, &backends).unwrap();
    let credentials = Credentials::password("spike");
    if Path::new(repository).join("config").exists() {
        found.open(&credentials).unwrap()
    } else {
        found.init(&credentials, &KeyOptions::default(), &ConfigOptions::default()).unwrap()
    }
}

fn rustic(pool: &str, repository: &str) {
    let found = plain(repository).to_indexed_ids().unwrap();
    let source = PathList::from_string(pool).unwrap().sanitize().unwrap();
    let snapshot = SnapshotFile::from_options(&SnapshotOptions::default()).unwrap();
    found.backup(&BackupOptions::default(), &source, snapshot).unwrap();
}

fn rustic_restore(repository: &str, target: &str) {
    let found = plain(repository).to_indexed().unwrap();
    let node = found.node_from_snapshot_path("latest", |_| true).unwrap();
    let options = LsOptions::default();
    let list = || found.ls(&node, &options).unwrap();
    let destination = LocalDestination::new(target, true, !node.is_dir()).unwrap();
    let how = RestoreOptions::default();
    let plan = found.prepare_restore(&how, list(), &destination, false).unwrap();
    found.restore(plan, &how, list(), &destination).unwrap();
}

fn opened(repository: &str) -> Repository {
    let store = Store::open(repository).unwrap();
    if Path::new(repository).join("config").exists() {
        Repository::open(store, &Secret::Passphrase("spike".into())).unwrap()
    } else {
        Repository::init(store, &NewKey::Passphrase("spike".into())).unwrap()
    }
}

fn listed(folder: &Path) -> Vec<(String, std::path::PathBuf)> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let mut found: Vec<_> = entries.map(|entry| (entry.file_name().into_string().unwrap(), entry.path())).collect();
    found.sort();
    found
}

fn node(name: &str, kind: NodeKind) -> Node {
    Node {
        name: name.into(),
        kind,
        mode: if kind == NodeKind::Dir { moodle_backup::repository::tree::FOLDER | 0o755 } else { 0o644 },
        mtime: jiff::Timestamp::UNIX_EPOCH,
        ctime: None,
        uid: 0,
        gid: 0,
        inode: 0,
        size: 0,
        linktarget: None,
        linktarget_raw: None,
        content: Vec::new(),
        subtree: None,
    }
}

fn ours(pool: &str, repository: &str) {
    let repository = opened(repository);
    let writer = repository.writer(repository.index().unwrap());
    let top = listed(&Path::new(pool).join("filedir"));
    let (next, nodes) = (AtomicUsize::new(0), std::sync::Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some((name, path)) = top.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let mut second = Vec::new();
                    for (name, path) in listed(path) {
                        let mut files = Vec::new();
                        for (name, path) in listed(&path) {
                            let bytes = fs::read(path).unwrap();
                            assert_eq!(accel::hash::sha1(&bytes).to_string(), name);
                            let content =
                                bytes.chunks(4 << 20).map(|piece| writer.data(piece, true).unwrap()).collect();
                            files.push(Node { size: bytes.len() as u64, content, ..node(&name, NodeKind::File) });
                        }
                        let subtree = Some(writer.tree(&Tree::new(files)).unwrap());
                        second.push(Node { subtree, ..node(&name, NodeKind::Dir) });
                    }
                    let subtree = Some(writer.tree(&Tree::new(second)).unwrap());
                    nodes.lock().unwrap().push(Node { subtree, ..node(name, NodeKind::Dir) });
                }
            });
        }
    });
    let tree = writer.tree(&Tree::new(nodes.into_inner().unwrap())).unwrap();
    let (_, written) = writer.finish().unwrap();
    repository
        .commit(NewSnapshot { tree: Some(tree), paths: vec!["/filedir".into()], ..NewSnapshot::default() })
        .unwrap();
    println!("{written:?} {:?}", repository.store().requests());
}

fn ours_restore(repository: &str, target: &str) {
    let repository = opened(repository);
    let index = repository.index().unwrap();
    let reader = repository.reader(&index);
    let root = reader.tree(&repository.find("latest").unwrap().tree).unwrap();
    let (mut blobs, mut paths) = (Vec::new(), Vec::new());
    for first in &root.nodes {
        for second in &reader.tree(&first.subtree.unwrap()).unwrap().nodes {
            let folder = Path::new(target).join(&first.name).join(&second.name);
            fs::create_dir_all(&folder).unwrap();
            for file in &reader.tree(&second.subtree.unwrap()).unwrap().nodes {
                if file.content.len() == 1 {
                    blobs.push(file.content[0]);
                    paths.push(folder.join(&file.name));
                }
            }
        }
    }
    reader
        .each(&blobs, &|place, bytes| {
            fs::write(&paths[place], bytes).unwrap();
            Ok(())
        })
        .unwrap();
}
