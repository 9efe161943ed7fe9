//! What is stored is a restic repository: stock restic reads it, and each byte that changes is noticed.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr as _;

use moodle_backup::error::Kind;
use moodle_backup::progress::Silent;
use moodle_backup::repository::tree::{Node, NodeKind, Tree};
use moodle_backup::repository::{BlobId, Index, NewKey, NewSnapshot, Repository, Secret, Snapshot};
use moodle_backup::store::Store;
use moodle_backup::verify;

const PASSPHRASE: &str = "correct horse";

fn secret() -> Secret {
    Secret::Passphrase(PASSPHRASE.into())
}

fn made(folder: &Path) -> Repository {
    let store = Store::open(folder.to_str().unwrap()).unwrap();
    Repository::init(store, &NewKey::Passphrase(PASSPHRASE.into())).unwrap()
}

fn opened(folder: &Path) -> Repository {
    Repository::open(Store::open(folder.to_str().unwrap()).unwrap(), &secret()).unwrap()
}

fn node(name: &str, kind: NodeKind) -> Node {
    Node {
        name: name.into(),
        kind,
        mode: if kind == NodeKind::Dir { moodle_backup::repository::tree::FOLDER | 0o750 } else { 0o640 },
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

/// Files of many kinds: empty, of a byte, text, noise, larger than a pack.
fn contents() -> BTreeMap<String, Vec<u8>> {
    let noise = |seed: u64, length: usize| -> Vec<u8> {
        let mut state = seed;
        let next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        };
        std::iter::repeat_with(next).take(length).collect()
    };
    let mut found = BTreeMap::from([
        ("empty".to_owned(), Vec::new()),
        ("one".to_owned(), vec![7]),
        ("text".to_owned(), "grade ".repeat(50_000).into_bytes()),
        ("noise".to_owned(), noise(1, 300_000)),
        ("large".to_owned(), noise(2, 40 << 20)),
    ]);
    for number in 0..300_usize {
        found.insert(format!("small-{number:03}"), noise(number as u64 + 10, number * 7));
    }
    found
}

fn backed_up(repository: &Repository, files: &BTreeMap<String, Vec<u8>>) -> (Snapshot, u64) {
    let writer = repository.writer(repository.index().unwrap());
    let mut nodes = Vec::new();
    for (name, bytes) in files {
        let content: Vec<BlobId> = bytes.chunks(4 << 20).map(|piece| writer.data(piece, true).unwrap()).collect();
        nodes.push(Node { size: bytes.len() as u64, content, ..node(name, NodeKind::File) });
    }
    let subtree = Some(writer.tree(&Tree::new(nodes)).unwrap());
    let tree = writer.tree(&Tree::new(vec![Node { subtree, ..node("pool", NodeKind::Dir) }])).unwrap();
    let (_, written) = writer.finish().unwrap();
    let taken = jiff::Timestamp::from_second(1_700_000_001).unwrap();
    let new = NewSnapshot { tree: Some(tree), taken, paths: vec!["/pool, and more".into()], ..NewSnapshot::default() };
    (repository.commit(new).unwrap(), written.stored)
}

fn restic(folder: &Path, arguments: &[&str]) -> String {
    let program = std::env::var("RESTIC").unwrap_or_else(|_| "restic".into());
    let done = Command::new(program)
        .args(arguments)
        .args(["--no-cache", "--repo"])
        .arg(folder)
        .env("RESTIC_PASSWORD", PASSPHRASE)
        .output()
        .unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "restic {arguments:?}: {said}");
    said
}

/// Tells whether stock restic is here; in CI it must be.
fn has_restic() -> bool {
    let program = std::env::var("RESTIC").unwrap_or_else(|_| "restic".into());
    let there = Command::new(program).arg("version").output().is_ok();
    assert!(there || std::env::var("CI").as_deref() != Ok("true"), "restic isn't here");
    if !there {
        eprintln!("skipped: restic isn't here");
    }
    there
}

#[test]
fn stock_restic_checks_and_restores_what_was_written_and_a_second_run_stores_nothing_new() {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path().join("repository");
    let repository = made(&folder);
    let files = contents();
    backed_up(&repository, &files);
    let (second, stored) = backed_up(&opened(&folder), &files);
    assert_eq!(stored, 0, "all is there already");
    assert_eq!(repository.find(&second.id[..8]).unwrap(), second);
    assert_eq!((second.paths.as_slice(), second.tags.len()), (["/pool, and more".to_owned()].as_slice(), 0));

    if has_restic() {
        assert!(restic(&folder, &["check", "--read-data"]).contains("no errors were found"));
        let target = scratch.path().join("restored");
        restic(&folder, &["restore", "latest", "--target", target.to_str().unwrap()]);
        for (name, bytes) in &files {
            let path = target.join("pool").join(name);
            assert!(fs::read(&path).unwrap() == *bytes, "{name}");
            let about = fs::metadata(&path).unwrap();
            assert_eq!(std::os::unix::fs::MetadataExt::mtime(&about), 1_700_000_000, "{name}");
            assert_eq!(std::os::unix::fs::MetadataExt::mode(&about) & 0o7777, 0o640, "{name}");
        }
    }
    let checked = repository.check(&Silent).unwrap();
    assert_eq!(checked.problems, []);
    assert_eq!((checked.snapshots, checked.unreferenced), (2, 0));
}

#[test]
fn each_blob_is_handed_over_once_and_whole_in_whatever_order() {
    let scratch = tempfile::tempdir().unwrap();
    let repository = made(&scratch.path().join("repository"));
    let files: Vec<_> = contents().into_values().filter(|bytes| bytes.len() < 4 << 20).collect();
    let writer = repository.writer(repository.index().unwrap());
    let ids: Vec<_> = files.iter().rev().map(|bytes| writer.data(bytes, true).unwrap()).collect();
    let (index, _) = writer.finish().unwrap();
    let got = std::sync::Mutex::new(vec![None; ids.len()]);
    let take = |place: usize, bytes: &[u8]| {
        assert!(got.lock().unwrap()[place].replace(bytes.to_vec()).is_none(), "twice");
        Ok(())
    };
    repository.reader(&index).each(&ids, &take).unwrap();
    let got: Vec<_> = got.into_inner().unwrap().into_iter().rev().map(Option::unwrap).collect();
    assert!(got == files);
}

#[test]
fn the_ends_of_packs_that_no_file_of_the_index_has_are_read_once_and_listed_in_files_no_larger_than_others() {
    let folder = tempfile::tempdir().unwrap();
    let writer = made(folder.path()).writer(Index::default());
    // Three packs of so many blobs that their lists are long, and one of a folder.
    let contents: Vec<BlobId> =
        (0..100_000_u32).map(|number| writer.data(&number.to_le_bytes(), false).unwrap()).collect();
    let tree = writer.tree(&Tree::default()).unwrap();
    writer.finish().unwrap();
    let index = folder.path().join("index");
    assert_eq!(fs::read_dir(&index).unwrap().count(), 2, "no file of the index has much over 50,000 blobs");
    fs::remove_dir_all(index).unwrap();
    let repository = opened(folder.path());
    let before = repository.store().requests().gets;
    for _ in 0..2 {
        let stored = repository.stored().unwrap();
        assert!(contents.iter().all(|id| stored.index.contains(id)) && stored.index.contains_tree(&tree));
    }
    assert_eq!(repository.store().requests().gets - before, 3 * 2 + 1, "a long list takes another request");
    assert_eq!(repository.index_for_writing().unwrap().files.len(), 2);
    let before = repository.store().requests().gets;
    let index = repository.index().unwrap();
    assert!(contents.iter().all(|id| index.contains(id)));
    assert_eq!(repository.store().requests().gets - before, 2);
}

#[test]
fn an_object_that_ends_before_a_part_of_it_is_damaged_and_its_store_does_not_fail() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path().to_str().unwrap()).unwrap();
    store.put("data/a", vec![7; 10].into()).unwrap();
    assert_eq!(store.get_range("data/a", 5..10).unwrap().len(), 5);
    for range in [5..11, 10..12, 20..30] {
        assert_eq!(store.get_range("data/a", range.clone()).unwrap_err().kind, Kind::Damaged, "{range:?}");
    }
}

fn stored_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(stored_files(&path)) } else { found.push(path) }
    }
    found
}

#[test]
fn a_flipped_byte_in_every_kind_of_stored_file_is_named() {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path().join("repository");
    let mut files = contents();
    files.remove("large");
    backed_up(&made(&folder), &files);
    let (mut kinds, mut seen) = (BTreeMap::new(), 0);
    for path in stored_files(&folder) {
        let name = path.strip_prefix(&folder).unwrap().to_str().unwrap().to_owned();
        let whole = fs::read(&path).unwrap();
        // In packs: the first blob, the last, and the list of blobs behind them.
        for place in [0, 20, whole.len() / 2, whole.len() - 60, whole.len() - 1] {
            let mut bytes = whole.clone();
            bytes[place] ^= 1;
            fs::write(&path, &bytes).unwrap();
            let opened = Repository::open(Store::open(folder.to_str().unwrap()).unwrap(), &secret());
            let request = verify::Request { closure: true, data: true, jobs: 2, ..verify::Request::default() };
            let named = match opened.and_then(|repository| verify::run(&repository, &request, &Silent)) {
                Ok(outcome) => outcome.problems.iter().any(|problem| problem.what.starts_with(&name)),
                // Without its one key or its config nothing opens a repository.
                Err(error) => name.starts_with("keys/") || name == "config" || error.to_string().contains(&name),
            };
            assert!(named, "{name}, byte {place}");
            seen += 1;
        }
        fs::write(&path, &whole).unwrap();
        *kinds.entry(name.split('/').next().unwrap().to_owned()).or_insert(0) += 1;
    }
    assert_eq!(kinds.keys().collect::<Vec<_>>(), ["config", "data", "index", "keys", "snapshots"]);
    assert!(seen >= 25);
    assert_eq!(opened(&folder).check(&Silent).unwrap().problems, []);
}

#[test]
fn a_wrong_key_no_repository_and_half_of_one_have_errors_of_their_own() {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path().join("repository");
    let open = |secret: &Secret| Repository::open(Store::open(folder.to_str().unwrap()).unwrap(), secret).unwrap_err();
    let error = open(&secret());
    assert_eq!(error.kind, Kind::Repository);
    assert!(error.to_string().contains("there is no repository in"), "{error}");

    backed_up(&made(&folder), &BTreeMap::from([("one".to_owned(), vec![1])]));
    assert_eq!(open(&Secret::Passphrase("wrong".into())).kind, Kind::Key);
    let again = Repository::init(Store::open(folder.to_str().unwrap()).unwrap(), &NewKey::Passphrase("x".into()));
    assert!(again.unwrap_err().to_string().contains("there is a repository in"));

    fs::rename(folder.join("config"), scratch.path().join("config")).unwrap();
    assert!(open(&secret()).to_string().contains("its file `config` is gone"));
    fs::rename(scratch.path().join("config"), folder.join("config")).unwrap();
    fs::rename(folder.join("keys"), scratch.path().join("keys")).unwrap();
    assert!(open(&secret()).to_string().contains("`keys` is empty"));
    fs::rename(scratch.path().join("keys"), folder.join("keys")).unwrap();
    fs::rename(folder.join("data"), scratch.path().join("data")).unwrap();
    for data in [false, true] {
        let request = verify::Request { closure: true, data, ..verify::Request::default() };
        let outcome = verify::run(&opened(&folder), &request, &Silent).unwrap();
        let names = |start: &str| outcome.problems.iter().any(|problem| problem.what.starts_with(start));
        assert_eq!((names("data/"), names("snapshots/")), (true, data), "{:?}", outcome.problems);
    }
}

#[test]
fn whoever_has_an_identity_of_age_opens_a_repository_made_for_its_recipient() {
    let scratch = tempfile::tempdir().unwrap();
    let identity = age::x25519::Identity::generate();
    let text = secrecy::ExposeSecret::expose_secret(&identity.to_string()).to_owned();
    let store = || Store::open(scratch.path().join("repository").to_str().unwrap()).unwrap();
    let made = Repository::init(store(), &NewKey::Age(vec![identity.to_public().to_string()])).unwrap();
    let opened = Repository::open(store(), &Secret::Age(format!("# made today\n{text}\n").into())).unwrap();
    assert_eq!(opened.id(), made.id());
    let other = secrecy::ExposeSecret::expose_secret(&age::x25519::Identity::generate().to_string()).to_owned();
    assert_eq!(Repository::open(store(), &Secret::Age(other.into())).unwrap_err().kind, Kind::Key);
}

#[test]
fn the_index_of_a_run_that_writes_names_no_pack_that_is_gone_and_is_written_once() {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path().join("repository");
    backed_up(&made(&folder), &BTreeMap::from([("one".to_owned(), vec![1])]));
    let before = opened(&folder).index_for_writing().unwrap();
    assert_eq!((before.lost.len(), before.files.len()), (0, 1));
    let pack = stored_files(&folder.join("data")).pop().unwrap();
    fs::remove_file(&pack).unwrap();
    let writable = opened(&folder).index_for_writing().unwrap();
    assert!(writable.lost[0].path().ends_with(pack.file_name().unwrap().to_str().unwrap()));
    assert!(writable.files.is_disjoint(&before.files));
    // A run that ended before its snapshot: what it listed isn't listed again, and what was there still is.
    let again = opened(&folder).index_for_writing().unwrap();
    assert_eq!((again.lost.len(), &again.files), (1, &writable.files));
    assert_eq!(stored_files(&folder.join("index")).len(), 2);
    opened(&folder).forget(&again).unwrap();
    let after = opened(&folder).index_for_writing().unwrap();
    assert_eq!((after.lost.len(), &after.files), (0, &writable.files));
    assert_eq!(stored_files(&folder.join("index")).len(), 1);
}

#[test]
fn what_counts_as_stored_is_in_packs_that_are_there() {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path().join("repository");
    let repository = made(&folder);
    fs::create_dir(folder.join("data")).unwrap();
    let pack_of = |bytes: &[u8]| {
        let before = stored_files(&folder.join("data"));
        let writer = repository.writer(repository.index().unwrap());
        let id = writer.data(bytes, true).unwrap();
        writer.finish().unwrap();
        let path = stored_files(&folder.join("data")).into_iter().find(|path| !before.contains(path)).unwrap();
        (id, path)
    };
    let (sound, _) = pack_of(b"sound");
    let (gone, gone_path) = pack_of(b"gone");
    let (short, short_path) = pack_of(&[7; 5000]);
    assert!(repository.stored().unwrap().problems().is_empty());

    fs::remove_file(&gone_path).unwrap();
    let whole = fs::read(&short_path).unwrap();
    fs::write(&short_path, &whole[..whole.len() - 1]).unwrap();
    let stored = repository.stored().unwrap();
    let there = |index: &Index| [sound, gone, short].map(|id| index.contains(&id));
    assert_eq!(there(&stored.index), [true, false, true], "what is sound in a pack that is cut short can be read");
    let mut expected = [(gone_path, None), (short_path.clone(), Some(whole.len() as u64 - 1))];
    expected.sort();
    let found: Vec<_> = stored.broken.iter().map(|pack| (folder.join(pack.path()), pack.found)).collect();
    assert_eq!(found, expected);
    assert_eq!(there(&repository.index_for_writing().unwrap().index), [true, false, false], "and is stored again");
    fs::write(&short_path, &whole[..10]).unwrap();
    assert_eq!(there(&repository.index().unwrap()), [true, false, false]);

    // What another pack has, too, is stored: as two hosts leave it that store the same at once.
    let writer = repository.writer(Index::default());
    assert_eq!(writer.data(b"gone", true).unwrap(), gone);
    writer.finish().unwrap();
    assert!(repository.stored().unwrap().index.contains(&gone));
}

#[test]
fn a_damaged_file_of_the_index_hides_nothing_that_packs_have() {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path().join("repository");
    let (snapshot, _) = backed_up(&made(&folder), &BTreeMap::from([("one".to_owned(), vec![1])]));
    let file = stored_files(&folder.join("index")).pop().unwrap();
    let mut bytes = fs::read(&file).unwrap();
    bytes[40] ^= 1;
    fs::write(&file, bytes).unwrap();
    let repository = opened(&folder);
    let index = repository.index().unwrap();
    assert!(repository.reader(&index).tree(&snapshot.tree).is_ok());
    let problems = repository.stored().unwrap().problems();
    assert_eq!(problems.len(), 1);
    assert!(folder.join(&problems[0].path) == file, "{problems:?}");
}

#[test]
fn several_keys_open_a_repository_until_they_are_removed() {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path().join("repository");
    let repository = made(&folder);
    let open = |secret: &Secret| Repository::open(Store::open(folder.to_str().unwrap()).unwrap(), secret);
    let identity = age::x25519::Identity::generate();
    let private = Secret::Age(secrecy::ExposeSecret::expose_secret(&identity.to_string()).to_owned().into());
    let public = identity.to_public().to_string();
    let second = repository.add_key(&NewKey::Passphrase("second".into())).unwrap();
    let third = repository.add_key(&NewKey::Age(vec![public.clone()])).unwrap();

    let by_age = open(&private).unwrap();
    assert_eq!(by_age.id(), repository.id());
    assert_eq!(open(&Secret::Passphrase("second".into())).unwrap().id(), repository.id());
    let keys = by_age.keys().unwrap();
    let current: Vec<_> = keys.iter().filter(|key| key.current).collect();
    assert_eq!((keys.len(), current.len()), (3, 1));
    assert_eq!((current[0].id.as_str(), current[0].recipients.as_slice()), (third.as_str(), [public].as_slice()));
    assert!(keys.iter().all(|key| key.created.is_some() && !key.hostname.is_empty()), "{keys:?}");
    if has_restic() {
        let listed = restic(&folder, &["key", "list"]);
        assert!(keys.iter().all(|key| listed.contains(&key.id[..8])), "{listed}");
    }

    assert!(by_age.remove_key(&third).unwrap_err().what.contains("is open by the key"));
    assert_eq!(by_age.remove_key("no such key").unwrap_err().kind, Kind::Repository);
    assert_eq!(repository.remove_key(&second[..8]).unwrap(), second);
    assert_eq!(open(&Secret::Passphrase("second".into())).unwrap_err().kind, Kind::Key);
    repository.remove_key(&third).unwrap();
    assert_eq!(open(&private).unwrap_err().kind, Kind::Key);
    assert_eq!(stored_files(&folder.join("moodle-backup")), Vec::<PathBuf>::new());
    assert_eq!(opened(&folder).keys().unwrap().len(), 1);
}

#[test]
fn a_damaged_key_keeps_no_other_from_opening_and_the_keys_of_another_repository_are_told() {
    let scratch = tempfile::tempdir().unwrap();
    let [folder, other] = ["repository", "other"].map(|name| scratch.path().join(name));
    let repository = made(&folder);
    let second = repository.add_key(&NewKey::Passphrase("second".into())).unwrap();
    fs::write(folder.join("keys").join(&second), "{").unwrap();
    opened(&folder);
    let open = |secret: &Secret| Repository::open(Store::open(folder.to_str().unwrap()).unwrap(), secret).unwrap_err();
    let error = open(&Secret::Passphrase("second".into()));
    assert!(error.kind == Kind::Key && error.what.contains(&second), "{error}");

    made(&other);
    fs::remove_dir_all(folder.join("keys")).unwrap();
    fs::rename(other.join("keys"), folder.join("keys")).unwrap();
    let error = open(&secret());
    assert_eq!(error.kind, Kind::Damaged);
    assert!(error.what.contains("another repository's"), "{error}");
}

#[test]
fn a_content_with_the_bytes_of_a_folder_is_a_blob_of_its_own_as_it_is_for_restic() {
    for folder_first in [false, true] {
        let scratch = tempfile::tempdir().unwrap();
        let folder = scratch.path().join("repository");
        let repository = made(&folder);
        let empty = Tree::default();
        let bytes = empty.to_bytes().unwrap();
        // As two backups: of a site whose empty folder or whose such file came first.
        let writer = repository.writer(repository.index().unwrap());
        if folder_first {
            writer.tree(&empty).unwrap()
        } else {
            writer.data(&bytes, true).unwrap()
        };
        let (index, _) = writer.finish().unwrap();
        let id = BlobId::from_str(&accel::hash::sha256(&bytes).to_string()).unwrap();
        assert_eq!((index.contains(&id), index.contains_tree(&id)), (!folder_first, folder_first));
        let writer = repository.writer(index);
        let content = vec![writer.data(&bytes, true).unwrap()];
        let subtree = Some(writer.tree(&empty).unwrap());
        let nodes = vec![
            Node { size: bytes.len() as u64, content, ..node("file", NodeKind::File) },
            Node { subtree, ..node("lang", NodeKind::Dir) },
        ];
        let tree = Some(writer.tree(&Tree::new(nodes)).unwrap());
        writer.finish().unwrap();
        let taken = jiff::Timestamp::from_second(1_700_000_001).unwrap();
        repository.commit(NewSnapshot { tree, taken, ..NewSnapshot::default() }).unwrap();
        assert_eq!(repository.check(&Silent).unwrap().problems, []);
        if has_restic() {
            assert!(restic(&folder, &["check", "--read-data"]).contains("no errors were found"));
            let target = scratch.path().join("restored");
            restic(&folder, &["restore", "latest", "--target", target.to_str().unwrap()]);
            assert!(target.join("lang").is_dir() && fs::read(target.join("file")).unwrap() == bytes);
        }
        let policy = moodle_backup::prune::Policy { last: 1, ..Default::default() };
        let pruning = moodle_backup::prune::Request { policy, ..Default::default() };
        moodle_backup::prune::run(&repository, &pruning, &Silent).unwrap();
    }
}
