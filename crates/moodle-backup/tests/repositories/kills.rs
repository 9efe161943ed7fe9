//! A backup or a repair that is killed at any operation of its store leaves nothing damaged that wasn't, and the next one
//! goes on where it was.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use moodle_backup::create::{self, Outcome};
use moodle_backup::progress::Silent;
use moodle_backup::repository::Repository;
use moodle_backup::verify;

use crate::site::MemorySite;
use crate::support::{has_restic, made, noise, opened, restic_is_content};

const FOLDER: &str = "MOODLE_BACKUP_TEST_FOLDER";
const TASK: &str = "MOODLE_BACKUP_TEST_TASK";
/// A pack of content, and the beginning of another.
const BYTES: usize = 17 << 20;

/// A site as it is later: in each process the same contents and rows.
fn later(large: bool) -> MemorySite {
    let site = before();
    for number in 0..20 {
        site.add(6, &format!("later {number}"), &noise(100 + number, 1000));
    }
    site.add(6, "empty", b"");
    site.write("lang/fr/langconfig.php", b"<?php // fr");
    if large {
        site.add(6, "large", &noise(1, BYTES));
    }
    site
}

fn before() -> MemorySite {
    let site = MemorySite::new();
    site.add(5, "before", &noise(3, 1000));
    site.write("lang/de/langconfig.php", b"<?php // de");
    site
}

fn create(repository: &Repository, site: &MemorySite) -> Outcome {
    create::run_on(repository, &site.request(), &mut site.database(), &Silent).unwrap()
}

/// What is killed.
const BACKUP: &str = "backup";
const LARGE_BACKUP: &str = "large backup";
const REPAIR: &str = "repair";

/// Not a test: what [`killed`] kills.
#[test]
fn the_run_to_be_killed() {
    let (Ok(folder), Ok(task)) = (std::env::var(FOLDER), std::env::var(TASK)) else { return };
    let repository = opened(&folder);
    match task.as_str() {
        REPAIR => _ = repaired(&repository),
        task => _ = create(&repository, &later(task == LARGE_BACKUP)),
    }
}

fn repaired(repository: &Repository) -> verify::Outcome {
    let request = verify::Request { data: true, repair: true, jobs: 2, ..verify::Request::default() };
    verify::run(repository, &request, &Silent).unwrap()
}

/// Runs in a process of its own; false: it wasn't killed.
fn killed(folder: &Path, task: &str, fault: &str) -> bool {
    // What a killed process leaves of its site goes with it.
    let temporary = tempfile::tempdir().unwrap();
    let done = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kills::the_run_to_be_killed", "--test-threads=1"])
        .env(FOLDER, folder)
        .env(TASK, task)
        .env("TMPDIR", temporary.path())
        .env("MOODLE_BACKUP_FAULT", fault)
        .output()
        .unwrap();
    let aborted = done.status.signal() == Some(6);
    assert!(aborted || done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
    aborted
}

fn copied(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() { copied(&entry.path(), &target) } else { _ = fs::copy(entry.path(), target).unwrap() }
    }
}

/// What `moodle-backup verify` finds.
fn problems(repository: &Repository) -> Vec<verify::Problem> {
    let request = verify::Request { closure: true, data: true, jobs: 2, ..verify::Request::default() };
    verify::run(repository, &request, &Silent).unwrap().problems
}

/// Kills a run at each operation in turn, and calls `look` with what is left of a copy of `origin`.
fn at_each_operation(origin: &Path, task: &str, look: &mut dyn FnMut(&Path, &str)) {
    let scratch = tempfile::tempdir().unwrap();
    // Before an operation it is as after the one before it.
    for mode in ["half", "after"] {
        for number in 1.. {
            let folder = scratch.path().join(format!("{mode}-{number}"));
            copied(origin, &folder);
            let fault = format!("{mode}:{number}");
            if !killed(&folder, task, &fault) {
                assert!(number > 7, "it has more operations than {number}");
                break;
            }
            look(&folder, &fault);
            fs::remove_dir_all(&folder).unwrap();
        }
    }
}

#[test]
fn a_backup_that_is_killed_at_any_operation_of_the_store_damages_nothing_and_the_next_one_goes_on() {
    let origin = tempfile::tempdir().unwrap();
    create(&made(origin.path().to_str().unwrap()), &before());
    let restic = has_restic();
    let site = later(true);
    let mut snapshots = Vec::new();
    at_each_operation(origin.path(), LARGE_BACKUP, &mut |folder, fault| {
        let repository = opened(folder.to_str().unwrap());
        assert_eq!(problems(&repository), [], "{fault}");
        snapshots.push(repository.snapshots().unwrap().len());
        // What whole packs have is not sent again.
        let lacking = (BYTES as u64).saturating_sub(packed(folder));
        let outcome = create(&repository, &site);
        assert!(outcome.stored_bytes < lacking + (1 << 20), "{fault}: {outcome:?}, {lacking} bytes were lacking");
        assert_eq!(problems(&repository), [], "{fault}");
        assert_eq!(left(folder), [] as [PathBuf; 0], "{fault}");
        if restic && snapshots.len().is_multiple_of(5) {
            restic_is_content(folder);
        }
    });
    assert!(snapshots.len() >= 16, "{snapshots:?}");
    // Before the snapshot's own write there is no new one, afterwards there is.
    assert!(snapshots.contains(&1) && snapshots.contains(&2), "{snapshots:?}");
}

#[test]
fn a_backup_that_heals_and_is_killed_at_any_operation_of_the_store_is_made_good_by_the_next_one() {
    let origin = tempfile::tempdir().unwrap();
    create(&made(origin.path().to_str().unwrap()), &later(false));
    // The largest pack has the contents.
    let largest = packs(origin.path()).into_iter().max_by_key(|pack| fs::metadata(pack).unwrap().len()).unwrap();
    let place = largest.strip_prefix(origin.path()).unwrap();
    let index = |folder: &Path| names(&folder.join("index"));
    let before = index(origin.path());
    let scratch = tempfile::tempdir().unwrap();
    let away = scratch.path().join("pack");
    fs::copy(&largest, &away).unwrap();
    fs::remove_file(&largest).unwrap();
    assert!(!problems(&opened(origin.path().to_str().unwrap())).is_empty());
    let site = later(false);
    let mut kills = 0;
    at_each_operation(origin.path(), BACKUP, &mut |folder, fault| {
        kills += 1;
        // Until there is a new snapshot the index stays as it is, and whenever the pack comes back all is there again.
        let committed = names(&folder.join("snapshots")).len() > 1;
        assert!(committed || before.is_subset(&index(folder)), "{fault}");
        let back = scratch.path().join("back");
        copied(folder, &back);
        fs::copy(&away, back.join(place)).unwrap();
        assert_eq!(problems(&opened(back.to_str().unwrap())), [], "{fault}");
        fs::remove_dir_all(&back).unwrap();
        let repository = opened(folder.to_str().unwrap());
        create(&repository, &site);
        // What the first snapshot lost it has again, too.
        assert_eq!(problems(&repository), [], "{fault}");
        assert_eq!(left(folder), [] as [PathBuf; 0], "{fault}");
    });
    assert!(kills >= 18, "{kills}");
}

#[test]
fn a_repair_that_is_killed_at_any_operation_of_the_store_loses_nothing_that_was_sound() {
    let origin = tempfile::tempdir().unwrap();
    let repository = made(origin.path().to_str().unwrap());
    create(&repository, &before());
    create(&repository, &later(false));
    // In the middle of the largest pack is a content, which the site still has.
    let largest = packs(origin.path()).into_iter().max_by_key(|pack| fs::metadata(pack).unwrap().len()).unwrap();
    let mut bytes = fs::read(&largest).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&largest, bytes).unwrap();
    // What the snapshots lack, whatever is said of packs.
    let lacking = |repository: &Repository| -> Vec<String> {
        let said = problems(repository).into_iter().map(|problem| problem.what);
        said.filter(|what| what.starts_with("snapshots/")).collect()
    };
    let expected = lacking(&repository);
    assert_eq!(expected.len(), 1, "{expected:?}");
    let restic = has_restic();
    let mut kills = 0;
    at_each_operation(origin.path(), REPAIR, &mut |folder, fault| {
        kills += 1;
        let repository = opened(folder.to_str().unwrap());
        assert_eq!(lacking(&repository), expected, "{fault}");
        // Either is a way on: another repair, or at once a backup.
        if kills % 2 == 0 {
            repaired(&repository);
            assert_eq!(lacking(&repository), expected, "{fault}");
            create(&repository, &later(false));
        } else {
            create(&repository, &later(false));
            repaired(&repository);
            create(&repository, &later(false));
        }
        assert_eq!(problems(&repository), [], "{fault}");
        assert_eq!(left(folder), [] as [PathBuf; 0], "{fault}");
        if restic {
            restic_is_content(folder);
        }
    });
    assert!(kills >= 14, "{kills}");
}

fn names(folder: &Path) -> BTreeSet<OsString> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    entries.filter(|name| !is_half(Path::new(name))).collect()
}

fn packs(folder: &Path) -> Vec<PathBuf> {
    let shards = fs::read_dir(folder.join("data")).unwrap().map(|entry| entry.unwrap().path());
    shards.flat_map(|shard| fs::read_dir(shard).unwrap().map(|entry| entry.unwrap().path())).collect()
}

fn is_half(path: &Path) -> bool {
    path.to_string_lossy().contains('#')
}

/// How many bytes whole packs have.
fn packed(folder: &Path) -> u64 {
    packs(folder).iter().filter(|pack| !is_half(pack)).map(|pack| fs::metadata(pack).unwrap().len()).sum()
}

/// Names what a backup should have cleared away: locks, and files that were half written.
fn left(folder: &Path) -> Vec<PathBuf> {
    let locks = fs::read_dir(folder.join("locks")).unwrap().map(|entry| entry.unwrap().path());
    let locks = locks.filter(|path| !is_half(path));
    locks.chain(packs(folder).into_iter().filter(|pack| is_half(pack))).collect()
}
