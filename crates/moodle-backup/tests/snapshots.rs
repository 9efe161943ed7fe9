//! Snapshots of a site are whole, small where little changed, and become the site again.
#![expect(clippy::unwrap_used, reason = "what can't be made fails the test")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use moodle_backup::create::{self, Outcome};
use moodle_backup::error::{Kind, Result};
use moodle_backup::progress::{Progress, Silent, Unit};
use moodle_backup::repository::{BlobId, NewSnapshot, Purpose, Repository};
use moodle_backup::restore::{self, CourseOptions};
use moodle_backup::sites::{self, LATEST};
use moodle_backup::{diff, prune, verify};
use support::site::{MemorySite, discard, place, put};
use support::{Temporary, repository};

fn create(repository: &Repository, site: &MemorySite) -> Result<Outcome> {
    create::run_on(repository, &site.request(), &mut site.database(), &Silent)
}

fn request(folder: &Path) -> restore::Request {
    restore::Request {
        snapshot: "latest".to_owned(),
        folder: Some(folder.to_owned()),
        jobs: 2,
        ..restore::Request::default()
    }
}

fn verified(repository: &Repository) -> verify::Outcome {
    let request = verify::Request { closure: true, data: true, jobs: 2, ..verify::Request::default() };
    verify::run(repository, &request, &Silent).unwrap()
}

/// Everything below a folder: kind, mode, time and content by path.
fn contents(folder: &Path) -> BTreeMap<String, (u32, i64, i64, Vec<u8>)> {
    let mut found = BTreeMap::new();
    let mut rest = vec![folder.to_owned()];
    while let Some(path) = rest.pop() {
        for entry in std::fs::read_dir(&path).unwrap() {
            let path = entry.unwrap().path();
            let metadata = std::fs::symlink_metadata(&path).unwrap();
            let content = if metadata.is_symlink() {
                std::fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes()
            } else if metadata.is_dir() {
                rest.push(path.clone());
                Vec::new()
            } else {
                std::fs::read(&path).unwrap()
            };
            // A link's own time can't be kept everywhere.
            let times = if metadata.is_symlink() { (0, 0) } else { (metadata.mtime(), metadata.mtime_nsec()) };
            let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
            found.insert(name, (metadata.mode(), times.0, times.1, content));
        }
    }
    found
}

/// What a restore of the site should bring.
fn expected(site: &MemorySite) -> BTreeMap<String, (u32, i64, i64, Vec<u8>)> {
    let mut contents = contents(&site.data());
    let listed: Vec<String> = site.rows.lock().unwrap().iter().map(|row| hex::encode(row.hash)).collect();
    let gone = ["trashdir", "temp", "cache", "sessions"];
    contents.retain(|path, (mode, _, _, _)| {
        let top = path.split('/').next().unwrap();
        let name = path.rsplit('/').next().unwrap();
        let is_folder = *mode & 0o170_000 == 0o040_000;
        let kept = match (top, is_folder) {
            ("filedir", true) => {
                let prefix: String = path.split('/').skip(1).collect();
                listed.iter().any(|hash| hash.starts_with(&prefix))
            }
            ("filedir", false) => listed.iter().any(|hash| hash == name),
            _ => true,
        };
        kept && !gone.contains(&top)
    });
    contents
}

fn full_site() -> MemorySite {
    let site = MemorySite::new();
    site.add(5, "empty", b"");
    for number in 0..40_u32 {
        site.add(6, &format!("file {number}"), &number.to_le_bytes());
    }
    site.add(6, "again", &7_u32.to_le_bytes());
    let large: Vec<u8> = (0..9_000_000_u32).map(|at| (at ^ (at >> 9)).to_le_bytes()[0]).collect();
    site.add(55, "large", &large);
    site.write("filedir/warning.txt", b"don't");
    site.write("filedir/ab/cd/x.tmp", b"upload");
    site.write("filedir/jackpot/collision", b"jackpot");
    put(&site.data(), &[0xab; 20], b"an orphan");
    site.write("lang/de/langconfig.php", b"<?php");
    site.write("muc/config.php", b"<?php // muc");
    site.write("repository/course/a/b/c.txt", b"c");
    site.write("temp/backup/x", b"temporary");
    site.write("cache/x", b"cache");
    site.write("sessions/sess_1", b"session");
    site.write("lang/de.lock", b"");
    symlink("langconfig.php", site.data().join("lang/de/link")).unwrap();
    site
}

#[test]
fn a_restored_dataroot_is_what_was_backed_up() {
    let (site, repository, target) = (full_site(), repository(), tempfile::tempdir().unwrap());
    let outcome = create(&repository, &site).unwrap();
    assert_eq!((outcome.pool.listed, outcome.pool.copied, outcome.rows), (42, 42, 48));
    let config = target.path().join("config.php");
    std::fs::write(target.path().join("elsewhere"), "elsewhere").unwrap();
    symlink("elsewhere", &config).unwrap();
    let folder = target.path().join("data");
    let wanted = restore::Request {
        config: Some(config.clone()),
        wwwroot: Some("https://it's.example.org".to_owned()),
        overwrite: true,
        ..request(&folder)
    };
    restore::run(&repository, &wanted, &Silent).unwrap();
    let (expected, restored) = (expected(&site), contents(&folder));
    assert!(expected.keys().eq(restored.keys()), "{:?}\n{:?}", expected.keys(), restored.keys());
    for (path, file) in &expected {
        assert!(restored[path] == *file, "{path}");
    }
    let mode = std::fs::symlink_metadata(&config).unwrap().mode();
    let expected = if rustix::process::geteuid().is_root() { 0o100_640 } else { 0o100_600 };
    assert_eq!(mode, expected, "it replaces the link, and others may not read it");
    assert_eq!(std::fs::read(target.path().join("elsewhere")).unwrap(), b"elsewhere");
    let config = std::fs::read_to_string(config).unwrap();
    assert_eq!(config, "<?php\n$CFG->wwwroot = 'https://it\\'s.example.org';\n");
    assert_eq!(verified(&repository).problems, []);
}

#[test]
fn the_second_snapshot_copies_what_is_new_and_forgets_what_is_gone() {
    let (site, repository) = (full_site(), repository());
    let first = create(&repository, &site).unwrap();
    let again = create(&repository, &site).unwrap();
    assert_eq!((again.pool.copied, again.pool.gone), (0, 0));
    assert!(again.new_blobs <= 4, "the manifest, the names of the index, the folders above: {}", again.new_blobs);
    site.add(6, "new", b"new");
    site.remove("file 3");
    site.remove("again");
    let third = create(&repository, &site).unwrap();
    assert_eq!((third.pool.listed, third.pool.copied, third.pool.gone), (42, 1, 1));
    for snapshot in [&first, &third] {
        let target = tempfile::tempdir().unwrap();
        let wanted = restore::Request { snapshot: snapshot.snapshot.clone(), ..request(target.path()) };
        restore::run(&repository, &wanted, &Silent).unwrap();
        let has = |content: &[u8]| place(target.path(), "filedir", accel::hash::sha1(content).as_bytes()).exists();
        let old = snapshot.snapshot == first.snapshot;
        assert_eq!((has(&3_u32.to_le_bytes()), has(b"new"), has(&7_u32.to_le_bytes())), (old, !old, true));
        if !old {
            assert!(expected(&site) == contents(target.path()));
        }
    }
    let changes = diff::run(&repository, &first.snapshot, &third.snapshot).unwrap();
    assert_eq!(
        (changes.pool.added, changes.pool.added_bytes, changes.pool.removed, changes.pool.removed_bytes),
        (1, 3, 1, 4)
    );
    let tables: Vec<_> =
        changes.tables.iter().map(|table| (table.name.as_str(), table.rows_before, table.rows_after)).collect();
    assert_eq!(tables, [("mdl_files", Some(43), Some(42))]);
    assert_eq!(verified(&repository).problems, []);
}

#[test]
fn content_that_only_the_trash_has_is_in_the_snapshot() {
    let (site, repository, target) = (full_site(), repository(), tempfile::tempdir().unwrap());
    let hash = site.add(5, "trashed", b"trashed");
    discard(&site.data(), &hash);
    create(&repository, &site).unwrap();
    restore::run(&repository, &request(target.path()), &Silent).unwrap();
    assert_eq!(std::fs::read(place(target.path(), "filedir", &hash)).unwrap(), b"trashed");
}

#[test]
fn content_that_the_site_lacks_ends_the_run_unless_it_may_be_missing() {
    let (site, repository) = (full_site(), repository());
    let lost = site.add(5, "lost", b"lost");
    let lying = site.add(5, "lying", b"true");
    std::fs::remove_file(place(&site.data(), "filedir", &lost)).unwrap();
    std::fs::write(place(&site.data(), "filedir", &lying), b"lies").unwrap();
    let error = create(&repository, &site).unwrap_err();
    assert_eq!(error.kind, Kind::Closure);
    assert!(error.what.contains(&format!("{} (missing)", hex::encode(lost))), "{error}");
    assert!(error.what.contains(&format!("{} (corrupt: not 4 bytes with this hash)", hex::encode(lying))), "{error}");
    assert!(repository.snapshots().unwrap().is_empty());
    let allowed = create::Request { allow_missing: true, ..site.request() };
    let outcome = create::run_on(&repository, &allowed, &mut site.database(), &Silent).unwrap();
    let mut expected = vec![hex::encode(lost), hex::encode(lying)];
    expected.sort();
    assert_eq!(outcome.pool.missing, expected);
    assert_eq!(outcome.pool.views, 4);
    // What was missing the last time is not waited for again.
    let outcome = create::run_on(&repository, &allowed, &mut site.database(), &Silent).unwrap();
    assert_eq!((outcome.pool.missing, outcome.pool.views), (expected, 1));
    assert_eq!(verified(&repository).problems, []);
    // Once it is back, it is in the snapshot.
    put(&site.data(), &lost, b"lost");
    put(&site.data(), &lying, b"true");
    assert_eq!(create(&repository, &site).unwrap().pool.copied, 2);
}

#[test]
fn a_course_comes_back_under_the_names_that_people_know() {
    let (site, repository, target) = (full_site(), repository(), tempfile::tempdir().unwrap());
    let hash = site.add(6, "../../sly", b"sly");
    let long = format!("{}.pdf", "Ж".repeat(200));
    site.add(6, &long, b"long");
    create(&repository, &site).unwrap();
    let folder = target.path().join("course");
    std::fs::create_dir(&folder).unwrap();
    let outcome = restore::course(&repository, "latest", 7, &folder, CourseOptions::default(), &Silent).unwrap();
    assert_eq!((outcome.files, outcome.missing.len()), (44, 0));
    let [(short, wanted)] = outcome.renamed.as_slice() else { panic!("{:?}", outcome.renamed) };
    assert_eq!(wanted, &Path::new("6/mod_x/content/0").join(&long));
    assert!(short.to_str().unwrap().ends_with("Ж.pdf"), "{short:?}");
    assert_eq!(std::fs::read(folder.join(short)).unwrap(), b"long");
    assert_eq!(std::fs::read(folder.join("6/mod_x/content/0/file 9")).unwrap(), 9_u32.to_le_bytes());
    assert_eq!(std::fs::read(folder.join("5/mod_x/content/0/empty")).unwrap(), b"");
    assert_eq!(std::fs::read(folder.join("6/mod_x/content/0/sly")).unwrap(), b"sly");
    assert!(!folder.join("55").exists());
    let none = target.path().join("none");
    assert_eq!(restore::course(&repository, "latest", 10, &none, CourseOptions::default(), &Silent).unwrap().files, 0);
    assert!(none.is_dir());
    assert_eq!(
        restore::course(&repository, "latest", 9, &folder.join("x"), CourseOptions::default(), &Silent)
            .unwrap_err()
            .kind,
        Kind::Refused
    );
    let mut bytes = Vec::new();
    let mut file =
        |hash: &str| restore::file(&repository, "latest", hash, None, || Ok(&mut bytes)).map(|(_, size)| size);
    assert_eq!(file(&hex::encode(hash)).unwrap(), 3);
    assert_eq!(file(&"0".repeat(40)).unwrap_err().kind, Kind::Refused);
    assert_eq!(file("x").unwrap_err().kind, Kind::Usage);
    assert_eq!(bytes, b"sly");
}

#[test]
fn a_restore_that_was_broken_off_goes_on_and_a_full_folder_is_refused() {
    let (site, repository, target) = (full_site(), repository(), tempfile::tempdir().unwrap());
    let id = create(&repository, &site).unwrap().snapshot;
    let folder = target.path().join("data");
    std::fs::create_dir_all(folder.join("lang")).unwrap();
    let refused = restore::run(&repository, &request(&folder), &Silent).unwrap_err();
    assert_eq!(refused.kind, Kind::Refused);
    assert!(refused.what.contains("is not empty"), "{refused}");
    let tried = restore::run(&repository, &restore::Request { dry_run: true, ..request(&folder) }, &Silent).unwrap();
    assert_eq!(tried.refused.len(), 1);
    let replacing = restore::Request { overwrite: true, ..request(&folder) };
    restore::run(&repository, &replacing, &Silent).unwrap();
    // As a restore that was killed leaves a folder: one file half written, one not at all.
    std::fs::write(folder.join(".moodle-backup-restore"), &id).unwrap();
    let half = place(&folder, "filedir", accel::hash::sha1(&9_u32.to_le_bytes()).as_bytes());
    std::fs::write(half, b"\x09").unwrap();
    std::fs::remove_file(folder.join("muc/config.php")).unwrap();
    restore::run(&repository, &request(&folder), &Silent).unwrap();
    assert!(expected(&site) == contents(&folder));
    for (mark, shown) in [("f".repeat(64), true), ("words\x1b[31m".to_owned(), false), ("w".repeat(64), false)] {
        std::fs::write(folder.join(".moodle-backup-restore"), &mark).unwrap();
        let refused = restore::run(&repository, &request(&folder), &Silent).unwrap_err();
        assert!(refused.what.contains("another restore was broken off"), "{refused}");
        assert_eq!(refused.what.contains(&mark), shown, "{refused}");
    }
    std::fs::write(folder.join(".moodle-backup-restore"), [0xff]).unwrap();
    let refused = restore::run(&repository, &request(&folder), &Silent).unwrap_err();
    assert!(refused.what.contains("another restore was broken off"), "{refused}");
}

#[test]
fn a_restore_that_goes_on_replaces_old_files_that_only_look_like_those_of_the_snapshot_and_no_others() {
    let (site, repository, target) = (full_site(), repository(), tempfile::tempdir().unwrap());
    let id = create(&repository, &site).unwrap().snapshot;
    let folder = target.path().join("data");
    restore::run(&repository, &request(&folder), &Silent).unwrap();
    // As a restore that was killed leaves a folder before it came to files that are damaged there.
    std::fs::write(folder.join(".moodle-backup-restore"), &id).unwrap();
    let files: Vec<PathBuf> =
        site.rows.lock().unwrap().iter().map(|row| place(&folder, "filedir", &row.hash)).collect();
    let small = place(&folder, "filedir", accel::hash::sha1(&9_u32.to_le_bytes()).as_bytes());
    let large = files.iter().find(|file| file.metadata().unwrap().len() > 5_000_000).unwrap();
    for file in [&small, large] {
        let (time, mut bytes) = (file.metadata().unwrap().modified().unwrap(), std::fs::read(file).unwrap());
        *bytes.last_mut().unwrap() ^= 1;
        std::fs::write(file, bytes).unwrap();
        std::fs::File::options().append(true).open(file).unwrap().set_modified(time).unwrap();
    }
    let secret = folder.join("muc/config.php");
    std::fs::set_permissions(&secret, PermissionsExt::from_mode(0o666)).unwrap();
    let numbers = || -> Vec<u64> { files.iter().map(|file| file.metadata().unwrap().ino()).collect() };
    let before = numbers();
    restore::run(&repository, &restore::Request { overwrite: true, ..request(&folder) }, &Silent).unwrap();
    assert!(expected(&site) == contents(&folder));
    let written = files.iter().zip(before.iter().zip(numbers())).filter(|(_, (before, after))| **before != *after);
    let written: BTreeSet<&PathBuf> = written.map(|(file, _)| file).collect();
    assert_eq!(written, BTreeSet::from([&small, large]));
}

#[test]
fn a_snapshot_that_needs_newer_code_or_plugins_says_so() {
    let (site, repository, target) = (full_site(), repository(), tempfile::tempdir().unwrap());
    create(&repository, &site).unwrap();
    let code = target.path().join("code");
    std::fs::create_dir_all(&code).unwrap();
    let folder = target.path().join("data");
    let wanted = restore::Request { code: Some(code.clone()), ..request(&folder) };
    std::fs::write(code.join("version.php"), "<?php $version = 2024100700; $release = '4.5'; $branch = '405';")
        .unwrap();
    let refused = restore::run(&repository, &wanted, &Silent).unwrap_err();
    assert!(refused.what.contains("is older than the database"), "{refused}");
    assert!(!folder.exists());
    std::fs::write(code.join("version.php"), "<?php $version = 2026100700; $release = '6'; $branch = '600';").unwrap();
    let outcome = restore::run(&repository, &wanted, &Silent).unwrap();
    assert_eq!(outcome.plugin_gaps, ["mod_quiz: the code doesn't have it (the database has 2025100600)"]);
    assert!(outcome.notes.iter().any(|note| note.contains("upgrade.php")), "{:?}", outcome.notes);
}

#[test]
fn a_pool_that_lies_elsewhere_in_the_dataroot_is_no_second_time_among_its_other_files() {
    let (site, repository, target) = (full_site(), repository(), tempfile::tempdir().unwrap());
    std::fs::create_dir(site.data().join("pools")).unwrap();
    std::fs::rename(site.data().join("filedir"), site.data().join("pools/files")).unwrap();
    let mut request_ = site.request();
    request_.site.filedir = site.data().join("pools/files");
    let outcome = create::run_on(&repository, &request_, &mut site.database(), &Silent).unwrap();
    assert_eq!((outcome.pool.copied, outcome.dataroot_files), (42, 4));
    restore::run(&repository, &request(target.path()), &Silent).unwrap();
    assert!(target.path().join("filedir").exists() && !target.path().join("pools/files").exists());
}

#[test]
fn a_pool_in_an_object_store_is_copied_or_referred_to() {
    let (site, repository) = (full_site(), repository());
    let objects = site.folder.path().join("objects");
    std::fs::rename(site.data().join("filedir"), &objects).unwrap();
    std::fs::create_dir(site.data().join("filedir")).unwrap();
    let local = site.add(5, "still local", b"still local");
    let mut by_value = site.request();
    by_value.site.file_system = Some("\\tool_objectfs\\s3_file_system".to_owned());
    let refused = create::run_on(&repository, &by_value, &mut site.database(), &Silent).unwrap_err();
    assert!(refused.what.contains("tool_objectfs"), "{refused}");
    by_value.site.object_pool = Some(objects.display().to_string());
    let by_reference = create::Request { pool: create::PoolMode::Reference, ..by_value.clone() };
    let outcome = create::run_on(&repository, &by_reference, &mut site.database(), &Silent).unwrap();
    assert_eq!((outcome.pool.listed, outcome.pool.copied, outcome.pool.referenced), (43, 1, 42));
    let target = tempfile::tempdir().unwrap();
    let restored = restore::run(&repository, &request(target.path()), &Silent).unwrap();
    assert!(restored.notes.iter().any(|note| note.contains("objects")), "{:?}", restored.notes);
    assert!(place(target.path(), "filedir", &local).exists());
    let outcome = create::run_on(&repository, &by_value, &mut site.database(), &Silent).unwrap();
    assert_eq!((outcome.pool.copied, outcome.pool.referenced), (42, 0));
    let lost = place(site.folder.path(), "objects", accel::hash::sha1(&9_u32.to_le_bytes()).as_bytes());
    std::fs::write(&lost, b"another").unwrap();
    assert_eq!(verified(&repository).problems, []);
    let error = create::run_on(&repository, &by_reference, &mut site.database(), &Silent);
    // What the last snapshot has by value it keeps.
    assert_eq!(error.unwrap().pool.copied, 0);
    let full = create::Request { full: true, ..by_reference };
    let error = create::run_on(&repository, &full, &mut site.database(), &Silent).unwrap_err();
    assert_eq!(error.kind, Kind::Closure);
}

#[test]
fn verify_names_what_is_listed_and_not_stored_and_what_lies_about_its_content() {
    let (site, repository) = (full_site(), repository());
    create(&repository, &site).unwrap();
    let index = repository.index().unwrap();
    let snapshot = sites::find(&repository, LATEST).unwrap();
    let reader = repository.reader(&index);
    let writer = repository.writer(index.clone());
    // A snapshot whose pool has one folder less, and one content under another's name.
    let mut root = reader.tree(&snapshot.tree).unwrap();
    let data = root.nodes.iter_mut().find(|node| node.name == "moodledata").unwrap();
    let mut top = reader.tree(&data.subtree.unwrap()).unwrap();
    let filedir = top.nodes.iter_mut().find(|node| node.name == "filedir").unwrap();
    let mut folders = reader.tree(&filedir.subtree.unwrap()).unwrap();
    let lost = reader
        .tree(&reader.tree(&folders.nodes.remove(0).subtree.unwrap()).unwrap().nodes[0].subtree.unwrap())
        .unwrap();
    let first = &mut folders.nodes[0];
    let mut below = reader.tree(&first.subtree.unwrap()).unwrap();
    let mut files = reader.tree(&below.nodes[0].subtree.unwrap()).unwrap();
    files.nodes[0].content = vec![writer.data(b"lies", true).unwrap()];
    files.nodes[0].size = 4;
    let lying = files.nodes[0].name.clone();
    below.nodes[0].subtree = Some(writer.tree(&files).unwrap());
    first.subtree = Some(writer.tree(&below).unwrap());
    filedir.subtree = Some(writer.tree(&folders).unwrap());
    data.subtree = Some(writer.tree(&top).unwrap());
    let tree = Some(writer.tree(&root).unwrap());
    writer.finish().unwrap();
    let (taken, tags) = (snapshot.taken, snapshot.tags.clone());
    repository.commit(NewSnapshot { tree, taken, tags, ..Default::default() }).unwrap();
    let outcome = verified(&repository);
    let problems: Vec<&str> = outcome.problems.iter().map(|problem| problem.what.as_str()).collect();
    let says = |hash: &str, what: &str| problems.iter().any(|problem| problem.contains(hash) && problem.contains(what));
    assert!(says(&lost.nodes[0].name, "is listed and not stored"), "{problems:#?}");
    assert!(says(&lying, "has another SHA-1"), "{problems:#?}");
    assert_eq!(outcome.exit_code(), Kind::Damaged.exit_code());
}

/// Backs a site up as if it were at this address.
fn create_at(repository: &Repository, site: &MemorySite, address: &str) -> Outcome {
    let mut request = site.request();
    address.clone_into(&mut request.site.wwwroot);
    create::run_on(repository, &request, &mut site.database(), &Silent).unwrap()
}

/// Adds a snapshot that another program made.
fn add_foreign(repository: &Repository) {
    let writer = repository.writer(repository.index().unwrap());
    let tree = Some(writer.tree(&moodle_backup::repository::tree::Tree::default()).unwrap());
    writer.finish().unwrap();
    let taken = jiff::Timestamp::now();
    repository.commit(NewSnapshot { tree, taken, ..Default::default() }).unwrap();
}

#[test]
fn the_latest_is_a_snapshot_of_the_one_site_and_of_several_it_has_to_be_said_which() {
    let (site, repository) = (full_site(), repository());
    let latest = |repository: &Repository| sites::find(repository, LATEST);
    add_foreign(&repository);
    assert!(latest(&repository).unwrap_err().what.contains("no snapshot of a Moodle site"));
    let first = create_at(&repository, &site, "https://a.example.org");
    add_foreign(&repository);
    assert_eq!(latest(&repository).unwrap().id, first.snapshot);
    let copy = create_at(&repository, &site, "https://copy.example.org");
    let target = tempfile::tempdir().unwrap();
    let refused = restore::run(&repository, &request(target.path()), &Silent).unwrap_err();
    assert_eq!(refused.kind, Kind::Usage);
    for named in ["https://a.example.org", "https://copy.example.org", &first.snapshot, &copy.snapshot] {
        assert!(refused.what.contains(named), "{refused}");
    }
    let tag = sites::named(&repository, "a.example.org").unwrap().tag;
    let of_first = repository.only(&tag);
    assert_eq!(sites::named(&repository, &tag[..8]).unwrap().newest.id, first.snapshot);
    assert_eq!(latest(&of_first).unwrap().id, first.snapshot);
    assert_eq!(of_first.snapshots().unwrap().len(), 1);
    assert!(of_first.find(&copy.snapshot).is_err());
    for nowhere in ["https://b.example.org", "example.org", ""] {
        assert_eq!(sites::named(&repository, nowhere).unwrap_err().kind, Kind::Usage, "{nowhere}");
    }
    // What is kept of one site says nothing of another's.
    let policy = prune::Policy { last: 1, ..prune::Policy::default() };
    create_at(&repository, &site, "https://a.example.org");
    create_at(&repository, &site, "https://copy.example.org");
    let pruned = prune::Request { policy, ..prune::Request::default() };
    let outcome = prune::run(&of_first, &pruned, &Silent).unwrap();
    assert_eq!(outcome.removed.iter().map(|gone| &gone.id).collect::<Vec<_>>(), [&first.snapshot]);
    assert_eq!(repository.snapshots().unwrap().len(), 5);
}

/// The packs of a repository.
fn packs(repository: &Temporary) -> BTreeSet<PathBuf> {
    let folders = std::fs::read_dir(repository.folder.path().join("data")).unwrap().flatten();
    folders.flat_map(|folder| std::fs::read_dir(folder.path()).unwrap().flatten()).map(|pack| pack.path()).collect()
}

#[test]
fn a_site_whose_address_cannot_be_read_is_in_doubt_and_no_other_site_is_taken_for_it() {
    let (site, repository) = (full_site(), repository());
    create_at(&repository, &site, "https://a.example.org");
    let (before, copy) = (packs(&repository), MemorySite::new());
    let copy = create_at(&repository, &copy, "https://copy.example.org").snapshot;
    let address = "https://a.example.org";
    let latest = |fingerprint: Option<String>| sites::latest_at(&repository, address, || Ok(fingerprint));
    let (own, tag) = (latest(None).unwrap().id, sites::named(&repository, "copy.example.org").unwrap().tag);
    let fingerprint = Some(sites::named(&repository, address).unwrap().fingerprint);
    for pack in packs(&repository).difference(&before) {
        std::fs::remove_file(pack).unwrap();
    }
    let refused = latest(None).unwrap_err();
    assert_eq!(refused.kind, Kind::Refused);
    let says = |what: &str| what.contains("can't be read") && what.contains(&tag[..8]) && what.contains(&own);
    assert!(says(&refused.what), "{refused}");
    assert_eq!(latest(fingerprint).unwrap().id, own, "what is there now tells whose it is");
    for text in ["a.example.org", "copy.example.org", "nowhere.example.org", ""] {
        let refused = sites::named(&repository, text).unwrap_err();
        assert!(refused.kind == Kind::Usage && says(&refused.what), "{refused}");
    }
    assert_eq!(sites::named(&repository, &tag[..8]).unwrap().newest.id, copy);
    let nowhere = sites::latest_at(&repository, "https://nowhere.example.org", || Ok(None)).unwrap_err();
    assert!(nowhere.kind == Kind::Refused && says(&nowhere.what), "{nowhere}");
}

#[test]
fn a_site_gets_its_own_latest_snapshot_and_another_sites_only_by_its_whole_id() {
    let (site, repository, target) = (full_site(), repository(), tempfile::tempdir().unwrap());
    let first = create_at(&repository, &site, "https://a.example.org").snapshot;
    create_at(&repository, &site, "https://copy.example.org");
    let tried = |snapshot: &str, address: &str| {
        let (snapshot, address) = (snapshot.to_owned(), Some(address.to_owned()));
        let wanted = restore::Request { snapshot, address, ..request(&target.path().join("data")) };
        restore::run(&repository, &wanted, &Silent)
    };
    let refused = tried(&first[..8], "https://copy.example.org").unwrap_err();
    assert_eq!(refused.kind, Kind::Refused);
    assert!(refused.fix.contains(&first), "{}", refused.fix);
    let refused = tried(LATEST, "https://nowhere.example.org").unwrap_err();
    assert_eq!(refused.kind, Kind::Refused);
    assert!(refused.what.contains("https://copy.example.org") && refused.what.contains(&first), "{refused}");
    assert!(!target.path().join("data").exists());
    assert_eq!(tried(LATEST, "https://a.example.org/").unwrap().snapshot, first);
    std::fs::remove_dir_all(target.path().join("data")).unwrap();
    let copied = tried(&first, "https://copy.example.org").unwrap();
    assert!(copied.notes.iter().any(|note| note.contains("--replace=https://copy.example.org")), "{:?}", copied.notes);
}

#[test]
fn over_the_dataroot_of_another_site_goes_a_snapshot_only_by_its_whole_id() {
    let (site, repository, target) = (full_site(), repository(), tempfile::tempdir().unwrap());
    let muc = |identifier: &str| format!("<?php\n $configuration = array (\n  'siteidentifier' => '{identifier}',\n);");
    site.write("muc/config.php", muc("0123").as_bytes());
    let id = create(&repository, &site).unwrap().snapshot;
    let data = target.path().join("data");
    std::fs::create_dir_all(data.join("muc")).unwrap();
    let over = |identifier: &str, snapshot: &str| {
        std::fs::write(data.join("muc/config.php"), muc(identifier)).unwrap();
        let snapshot = snapshot.to_owned();
        restore::run(&repository, &restore::Request { snapshot, overwrite: true, ..request(&data) }, &Silent)
    };
    let refused = over("4567", "latest").unwrap_err();
    assert_eq!(refused.kind, Kind::Refused, "{refused}");
    assert!(refused.what.contains("belongs to another site") && refused.fix.contains(&id), "{refused}");
    assert!(!data.join("lang").exists());
    for (identifier, snapshot) in [("0123", "latest"), ("unknown", "latest"), ("4567", &id)] {
        over(identifier, snapshot).unwrap();
    }
}

/// The largest pack, which has the largest contents.
fn largest(repository: &Temporary) -> PathBuf {
    let packs = repository.store().list("data").unwrap().into_iter();
    let paths = packs.map(|entry| repository.folder.path().join(entry.path));
    paths.max_by_key(|path| path.metadata().unwrap().len()).unwrap()
}

#[test]
fn what_is_damaged_ends_a_restore_of_files_or_is_left_out_and_named_where_that_is_allowed() {
    let (site, repository, target) = (full_site(), repository(), tempfile::tempdir().unwrap());
    let first = create(&repository, &site).unwrap().snapshot;
    let large = site.rows.lock().unwrap().iter().find(|row| row.name == "large").unwrap().hash;
    let large = format!("filedir/{}", moodle_backup::site::pool::path(&hex::encode(large)));
    let pack = largest(&repository);
    let mut bytes = std::fs::read(&pack).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&pack, &bytes).unwrap();
    let data = target.path().join("data");
    let refused = restore::run(&repository, &request(&data), &Silent).unwrap_err();
    assert_eq!(refused.kind, Kind::Damaged, "{refused}");
    assert!(refused.what.contains(&large) && refused.fix.contains("--allow-missing"), "{refused}; {}", refused.fix);

    let allowed = restore::Request { allow_missing: true, ..request(&data) };
    let outcome = restore::run(&repository, &allowed, &Silent).unwrap();
    assert_eq!((outcome.missing, outcome.files), (vec![format!("moodledata/{large}")], 41 + 4));
    let mut sound = expected(&site);
    sound.remove(&large).unwrap();
    assert!(sound == contents(&data));
    std::fs::write(data.join(&large), "as it was").unwrap();
    let over = restore::Request { overwrite: true, ..allowed.clone() };
    restore::run(&repository, &over, &Silent).unwrap();
    assert_eq!(std::fs::read(data.join(&large)).unwrap(), b"as it was");

    let mut program = Command::new(env!("CARGO_BIN_EXE_moodle-backup"));
    program.args(["restore", "--course", "8", "--allow-missing", "--to-dir"]).arg(target.path().join("course"));
    program.arg("--repository").arg(repository.folder.path()).env("MOODLE_BACKUP_PASSPHRASE", "correct horse");
    let output = program.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.code() == Some(16) && said.contains("missing: 55/mod_x/content/0/large"), "{output:?}");

    std::fs::remove_file(&pack).unwrap();
    let missing = |data: &str, dry_run| {
        let (snapshot, folder) = (first.clone(), Some(target.path().join(data)));
        let wanted = restore::Request { snapshot, folder, dry_run, ..allowed.clone() };
        restore::run(&repository, &wanted, &Silent).unwrap().missing.into_iter().collect::<BTreeSet<_>>()
    };
    let gone = missing("gone", false);
    assert!(gone.len() > 1, "{gone:?}");
    // The next backup takes the pack out of the index: so it is known before anything is read.
    create(&repository, &MemorySite::new()).unwrap();
    assert_eq!([missing("unlisted", true), missing("unlisted", false)], [gone.clone(), gone]);
}

/// Makes a snapshot that is as the latest, but for a folder that isn't stored.
fn lose(repository: &Temporary, path: &str) {
    let (index, latest) = (repository.index().unwrap(), sites::find(repository, LATEST).unwrap());
    let (reader, writer) = (repository.reader(&index), repository.writer(repository.index().unwrap()));
    let mut trees = vec![reader.tree(&latest.tree).unwrap()];
    let parts: Vec<&str> = path.split('/').collect();
    for part in &parts[..parts.len() - 1] {
        let below = trees.last().unwrap().node(part).unwrap().subtree.unwrap();
        trees.push(reader.tree(&below).unwrap());
    }
    let mut id = BlobId([1; 32]);
    for (mut tree, part) in trees.into_iter().zip(parts).rev() {
        let node = tree.nodes.iter_mut().find(|node| node.name == part).unwrap();
        if node.subtree.is_some() {
            node.subtree = Some(id);
        } else {
            node.content = vec![id];
        }
        id = writer.tree(&tree).unwrap();
    }
    writer.finish().unwrap();
    let new = NewSnapshot { tree: Some(id), taken: jiff::Timestamp::now(), tags: latest.tags, ..Default::default() };
    repository.commit(new).unwrap();
}

#[test]
fn files_of_a_course_come_back_where_other_folders_of_the_pool_are_lost() {
    let (site, repository, target) = (full_site(), repository(), tempfile::tempdir().unwrap());
    site.add(55, "new", b"new");
    create(&repository, &site).unwrap();
    let large = site.rows.lock().unwrap().iter().find(|row| row.name == "large").unwrap().hash;
    lose(&repository, &format!("moodledata/filedir/{:02x}", large[0]));
    let folder = target.path().join("course");
    let course = |options| restore::course(&repository, LATEST, 8, &folder, options, &Silent);
    assert_eq!(course(CourseOptions::default()).unwrap_err().kind, Kind::Damaged);
    let outcome = course(CourseOptions { allow_missing: true, ..CourseOptions::default() }).unwrap();
    assert_eq!((outcome.files, outcome.missing), (1, vec!["55/mod_x/content/0/large".to_owned()]));
    assert_eq!(std::fs::read(folder.join("55/mod_x/content/0/new")).unwrap(), b"new");
}

#[test]
fn a_dataroot_that_is_lost_is_missing_as_a_whole_wherever_its_pool_was_to_go() {
    let (site, repository, target) = (full_site(), repository(), tempfile::tempdir().unwrap());
    create(&repository, &site).unwrap();
    lose(&repository, "moodledata");
    let wanted = restore::Request { filedir: Some(target.path().join("pool")), ..request(&target.path().join("data")) };
    assert_eq!(restore::run(&repository, &wanted, &Silent).unwrap_err().kind, Kind::Damaged);
    for (dry_run, overwrite) in [(true, false), (false, false), (false, true)] {
        let wanted = restore::Request { allow_missing: true, dry_run, overwrite, ..wanted.clone() };
        let outcome = restore::run(&repository, &wanted, &Silent).unwrap();
        assert_eq!(
            (outcome.files, &*outcome.missing),
            (0, &["moodledata/filedir".to_owned(), "moodledata".to_owned()][..])
        );
    }
}

#[test]
fn files_come_back_where_the_dump_is_lost() {
    let (site, repository, target) = (full_site(), repository(), tempfile::tempdir().unwrap());
    create(&repository, &site).unwrap();
    lose(&repository, "database");
    let folder = target.path().join("data");
    assert_eq!(restore::run(&repository, &request(&folder), &Silent).unwrap().missing, Vec::<String>::new());
    assert!(expected(&site) == contents(&folder));
}

#[test]
fn a_course_that_lacks_a_file_is_refused_before_a_folder_is_made() {
    let (site, repository, target) = (full_site(), repository(), tempfile::tempdir().unwrap());
    site.add(55, "new", b"new");
    create(&repository, &site).unwrap();
    let hash = accel::hash::sha1(b"new").to_string();
    lose(&repository, &format!("moodledata/filedir/{}/{}/{hash}", &hash[..2], &hash[2..4]));
    let folder = target.path().join("course");
    let course = |options| restore::course(&repository, LATEST, 8, &folder, options, &Silent);
    let refused = course(CourseOptions::default()).unwrap_err();
    assert!(refused.kind == Kind::Damaged && refused.fix.contains("--allow-missing"), "{refused}: {}", refused.fix);
    assert!(!folder.exists());
    let outcome = course(CourseOptions { allow_missing: true, ..CourseOptions::default() }).unwrap();
    assert_eq!((outcome.files, outcome.missing), (1, vec!["55/mod_x/content/0/new".to_owned()]));
}

#[test]
fn a_pool_that_the_target_has_elsewhere_comes_back_there() {
    let (site, repository, target) = (full_site(), repository(), tempfile::tempdir().unwrap());
    let id = create(&repository, &site).unwrap().snapshot;
    let (data, content) = (target.path().join("data"), 9_u32.to_le_bytes());
    for filedir in [data.join("pools/files"), target.path().join("volume/files")] {
        let wanted = restore::Request { filedir: Some(filedir.clone()), ..request(&data) };
        let outcome = restore::run(&repository, &wanted, &Silent).unwrap();
        assert_eq!(outcome.files, 42 + 4);
        let hash = *accel::hash::sha1(&content).as_bytes();
        let content_at = place(filedir.parent().unwrap(), "files", &hash);
        assert_eq!(std::fs::read(&content_at).unwrap(), content);
        assert!(!data.join("filedir").exists() && data.join("lang/de/langconfig.php").exists());
        // As a restore that was killed leaves them.
        for folder in [&data, &filedir] {
            std::fs::write(folder.join(".moodle-backup-restore"), &id).unwrap();
        }
        std::fs::remove_file(&content_at).unwrap();
        restore::run(&repository, &wanted, &Silent).unwrap();
        assert_eq!(std::fs::read(&content_at).unwrap(), content);
        std::fs::remove_dir_all(&data).unwrap();
    }
    std::fs::create_dir_all(target.path().join("full/files/other")).unwrap();
    let wanted = restore::Request { filedir: Some(target.path().join("full")), ..request(&data) };
    let refused = restore::run(&repository, &wanted, &Silent).unwrap_err();
    assert!(refused.what.contains("full is not empty"), "{refused}");
    assert!(!data.exists());
}

#[test]
fn what_is_replaced_through_a_link_of_ones_own_arrives_and_anothers_link_is_refused_before_a_file_is_written() {
    let (site, repository, target) = (full_site(), repository(), tempfile::tempdir().unwrap());
    create(&repository, &site).unwrap();
    let (data, volume) = (target.path().join("data"), target.path().join("volume"));
    std::fs::create_dir_all(&data).unwrap();
    std::fs::create_dir_all(&volume).unwrap();
    symlink(&volume, data.join("filedir")).unwrap();
    std::fs::create_dir_all(data.join("lang/de")).unwrap();
    symlink("elsewhere.php", data.join("lang/de/link")).unwrap();
    let replacing = restore::Request { overwrite: true, ..request(&data) };
    let outcome = restore::run(&repository, &replacing, &Silent).unwrap();
    assert_eq!(outcome.files, 42 + 4);
    let hash = *accel::hash::sha1(&9_u32.to_le_bytes()).as_bytes();
    assert!(place(target.path(), "volume", &hash).is_file());
    assert_eq!(std::fs::read_link(data.join("lang/de/link")).unwrap(), Path::new("langconfig.php"));
    // Who has made a copy by second names keeps it.
    let kept = target.path().join("kept");
    let site_file = std::fs::read_dir(data.join("filedir")).unwrap().flatten().flat_map(|entry| {
        std::fs::read_dir(entry.path()).unwrap().flatten().flat_map(|entry| std::fs::read_dir(entry.path()).unwrap())
    });
    let large = site_file.flatten().find(|entry| entry.metadata().unwrap().len() > 5_000_000).unwrap().path();
    for (number, file) in [data.join("lang/de/langconfig.php"), large].iter().enumerate() {
        let (kept, before) = (kept.with_extension(number.to_string()), std::fs::read(file).unwrap());
        std::fs::write(file, "another").unwrap();
        std::fs::hard_link(file, &kept).unwrap();
        restore::run(&repository, &replacing, &Silent).unwrap();
        assert_eq!(std::fs::read(&kept).unwrap(), b"another");
        assert!(std::fs::read(file).unwrap() == before, "{}", file.display());
    }
    let refused = |what: &str| {
        std::fs::write(data.join("lang/de/langconfig.php"), "as it was").unwrap();
        let tried =
            restore::run(&repository, &restore::Request { dry_run: true, ..replacing.clone() }, &Silent).unwrap();
        assert!(tried.refused[0].contains(what), "{:?}", tried.refused);
        assert_eq!(restore::run(&repository, &replacing, &Silent).unwrap_err().kind, Kind::Refused);
        assert_eq!(std::fs::read(data.join("lang/de/langconfig.php")).unwrap(), b"as it was");
    };
    std::fs::remove_dir_all(data.join("muc")).unwrap();
    std::fs::write(data.join("muc"), "a file").unwrap();
    refused("muc is there");
    std::fs::remove_file(data.join("muc")).unwrap();
    std::fs::create_dir_all(data.join("muc/config.php")).unwrap();
    refused("muc/config.php is no file");
    std::fs::remove_dir(data.join("muc/config.php")).unwrap();
    std::fs::remove_file(data.join("lang/de/link")).unwrap();
    std::fs::create_dir(data.join("lang/de/link")).unwrap();
    refused("link is no link");
    std::fs::remove_dir(data.join("lang/de/link")).unwrap();
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::lchown(data.join("filedir"), Some(12345), None).unwrap();
        refused("filedir is a link");
    } else {
        eprintln!("skipped: only root can make another user's link");
    }
}

#[test]
fn the_mark_of_a_restore_is_never_written_through_a_link_and_keeps_a_second_restore_away() {
    let (site, repository, target) = (full_site(), repository(), tempfile::tempdir().unwrap());
    create(&repository, &site).unwrap();
    let (data, victim) = (target.path().join("data"), target.path().join("victim"));
    let mark = data.join(".moodle-backup-restore");
    std::fs::create_dir(&data).unwrap();
    std::fs::write(&victim, "as it was").unwrap();
    let replacing = restore::Request { overwrite: true, ..request(&data) };
    let puts: [&dyn Fn(); 2] = [&|| symlink(&victim, &mark).unwrap(), &|| std::fs::hard_link(&victim, &mark).unwrap()];
    for put in puts {
        put();
        restore::run(&repository, &replacing, &Silent).unwrap();
        assert_eq!(std::fs::read(&victim).unwrap(), b"as it was");
        assert!(mark.symlink_metadata().is_err());
    }
    let held = std::fs::File::create(&mark).unwrap();
    held.lock().unwrap();
    std::fs::write(data.join("lang/de/langconfig.php"), "as it was").unwrap();
    assert_eq!(restore::run(&repository, &replacing, &Silent).unwrap_err().kind, Kind::Locked);
    assert_eq!(std::fs::read(data.join("lang/de/langconfig.php")).unwrap(), b"as it was");
    drop(held);
    restore::run(&repository, &replacing, &Silent).unwrap();
}

#[test]
fn a_site_in_which_a_restore_was_broken_off_is_not_backed_up() {
    let (site, repository) = (full_site(), repository());
    for folder in ["", "filedir"] {
        let mark = site.data().join(folder).join(".moodle-backup-restore");
        let id = "4f6c".repeat(16);
        std::fs::write(&mark, &id).unwrap();
        let error = create(&repository, &site).unwrap_err();
        assert_eq!(error.kind, Kind::Site, "{error}");
        assert!(error.what.contains(&id) && error.fix.contains(mark.to_str().unwrap()), "{error}: {}", error.fix);
        std::fs::remove_file(&mark).unwrap();
    }
    create(&repository, &site).unwrap();
}

#[test]
fn a_config_php_that_cannot_be_written_is_known_before_a_file_is() {
    let (site, repository, target) = (full_site(), repository(), tempfile::tempdir().unwrap());
    std::fs::write(site.folder.path().join("config.php"), "<?php require 'other.php';").unwrap();
    create(&repository, &site).unwrap();
    let wanted = restore::Request {
        config: Some(target.path().join("config.php")),
        wwwroot: Some("https://b.example.org".to_owned()),
        ..request(&target.path().join("data"))
    };
    let tried = restore::run(&repository, &restore::Request { dry_run: true, ..wanted.clone() }, &Silent).unwrap();
    assert!(tried.refused[0].contains("doesn't set $CFG->wwwroot"), "{:?}", tried.refused);
    assert_eq!(restore::run(&repository, &wanted, &Silent).unwrap_err().kind, Kind::Refused);
    let folder = restore::Request { config: Some(target.path().to_owned()), wwwroot: None, overwrite: true, ..wanted };
    assert!(restore::run(&repository, &folder, &Silent).unwrap_err().what.contains("is a folder"));
    assert!(!target.path().join("data").exists());
    let config = target.path().join("config.php");
    let wanted = restore::Request { config: Some(config.clone()), overwrite: false, ..folder };
    std::fs::write(&config, "<?php require 'own.php';").unwrap();
    assert!(restore::run(&repository, &wanted, &Silent).unwrap_err().what.contains("is there already"));
    // As a restore that was broken off leaves it.
    std::fs::write(&config, "<?php require 'other.php';").unwrap();
    restore::run(&repository, &wanted, &Silent).unwrap();
}

/// Counts what lies in a folder whenever something is done.
struct Watched<'a>(&'a Path, AtomicUsize);

impl Progress for Watched<'_> {
    fn phase(&self, _: &str, _: u64, _: Unit) {
        self.1.fetch_max(std::fs::read_dir(self.0).unwrap().count(), Ordering::Relaxed);
    }
    fn advance(&self, _: u64) {}
    fn note(&self, _: &str) {}
}

#[test]
fn while_a_restore_goes_on_the_passwords_of_config_php_lie_nowhere_yet() {
    let (site, repository, target) = (full_site(), repository(), tempfile::tempdir().unwrap());
    create(&repository, &site).unwrap();
    let config = tempfile::tempdir().unwrap();
    let wanted =
        restore::Request { config: Some(config.path().join("config.php")), ..request(&target.path().join("data")) };
    let watched = Watched(config.path(), AtomicUsize::new(0));
    restore::run(&repository, &wanted, &watched).unwrap();
    assert_eq!(watched.1.into_inner(), 0);
    assert_eq!(std::fs::read_dir(config.path()).unwrap().count(), 1);
}

#[test]
fn a_restore_and_a_verification_wait_for_a_prune_when_they_are_told_to() {
    let (site, repository) = (full_site(), repository());
    create(&repository, &site).unwrap();
    let minute = Some(Duration::from_mins(1));
    let restored = |wait| {
        let target = tempfile::tempdir().unwrap();
        restore::run(&repository, &restore::Request { wait, ..request(target.path()) }, &Silent).map(drop)
    };
    let verified = |wait| {
        let request = verify::Request { closure: true, jobs: 2, wait, ..verify::Request::default() };
        verify::run(&repository, &request, &Silent).map(drop)
    };
    let (restored, verified): (Run<'_>, Run<'_>) = (&restored, &verified);
    for run in [restored, verified] {
        let prune = repository.lock(Purpose::Prune, None).unwrap();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(move || run(minute));
            // Two that don't wait take longer than one that doesn't, and begin later.
            for _ in 0..2 {
                assert_eq!(run(None).unwrap_err().kind, Kind::Locked);
            }
            assert!(!waiting.is_finished(), "it has to wait");
            drop(prune);
            waiting.join().unwrap().unwrap();
        });
    }
}

type Run<'a> = &'a (dyn Fn(Option<Duration>) -> Result<()> + Sync);
