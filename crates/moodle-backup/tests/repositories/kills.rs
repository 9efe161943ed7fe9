//! A backup that is killed at any operation of its store leaves nothing damaged, and the next one goes on where it was.

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::Command;

use crate::support::{backed_up, has_restic, made, noise, opened, restic_is_content};
use moodle_backup::progress::Silent;
use moodle_backup::repository::Purpose;

const FOLDER: &str = "MOODLE_BACKUP_TEST_FOLDER";
/// Two packs of content.
const BYTES: usize = 18 << 20;

fn files() -> Vec<(&'static str, Vec<u8>)> {
    vec![("large", noise(1, BYTES)), ("small", noise(2, 1000)), ("empty", Vec::new())]
}

/// Not a test: the backup that [`killed`] kills.
#[test]
fn the_backup_to_be_killed() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let repository = opened(&folder);
    let lock = repository.lock(Purpose::Create, None).unwrap();
    backed_up(&repository, "one", 1_700_000_002, &files()).unwrap();
    drop(lock);
}

/// Backs up in a process of its own; false: it wasn't killed.
fn killed(folder: &Path, fault: &str) -> bool {
    let done = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kills::the_backup_to_be_killed", "--test-threads=1"])
        .env(FOLDER, folder)
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

#[test]
fn a_backup_that_is_killed_at_any_operation_of_the_store_damages_nothing_and_the_next_one_goes_on() {
    let scratch = tempfile::tempdir().unwrap();
    let origin = scratch.path().join("origin");
    let repository = made(origin.to_str().unwrap());
    backed_up(&repository, "one", 1_700_000_001, &[("before", noise(3, 1000))]).unwrap();
    let restic = has_restic();
    let (mut kills, mut snapshots) = (0, Vec::new());
    // Before an operation it is as after the one before it.
    'modes: for mode in ["half", "after"] {
        for number in 1.. {
            let folder = scratch.path().join(format!("{mode}-{number}"));
            copied(&origin, &folder);
            if !killed(&folder, &format!("{mode}:{number}")) {
                assert!(number > 6, "a backup of two packs has more operations than {number}");
                continue 'modes;
            }
            kills += 1;
            let repository = opened(folder.to_str().unwrap());
            assert_eq!(repository.check(&Silent).unwrap().problems, [], "{mode}:{number}");
            snapshots.push(repository.snapshots().unwrap().len());

            // Of two packs at most the one is lost that was on its way.
            let lock = repository.lock(Purpose::Create, None).unwrap();
            let there = packed(&folder);
            let (_, written) = backed_up(&repository, "one", 1_700_000_003, &files()).unwrap();
            drop(lock);
            let lacking = (BYTES as u64).saturating_sub(there);
            assert!(written.stored < lacking + (1 << 20), "{mode}:{number}: {written:?}, {there} bytes were there");
            let checked = repository.check(&Silent).unwrap();
            assert_eq!((checked.problems.as_slice(), checked.unreferenced), ([].as_slice(), 0), "{mode}:{number}");
            assert_eq!(left(&folder), "", "{mode}:{number}");
            if restic && mode == "half" {
                restic_is_content(&folder);
            }
            fs::remove_dir_all(&folder).unwrap();
        }
    }
    assert!(kills >= 12, "{kills}");
    // Before the snapshot's own write there is no snapshot, afterwards there is one.
    assert!(snapshots.contains(&1) && snapshots.contains(&2), "{snapshots:?}");
}

/// How many bytes whole packs have.
fn packed(folder: &Path) -> u64 {
    let mut bytes = 0;
    for shard in fs::read_dir(folder.join("data")).unwrap() {
        for entry in fs::read_dir(shard.unwrap().path()).unwrap() {
            let entry = entry.unwrap();
            if !entry.file_name().to_string_lossy().contains('#') {
                bytes += entry.metadata().unwrap().len();
            }
        }
    }
    bytes
}

/// Names what a backup should have cleared away: locks, and files that were half written.
fn left(folder: &Path) -> String {
    let locks = fs::read_dir(folder.join("locks")).unwrap().map(|entry| entry.unwrap().path());
    let shards = fs::read_dir(folder.join("data")).unwrap().map(|entry| entry.unwrap().path());
    let packs = shards.flat_map(|shard| fs::read_dir(shard).unwrap().map(|entry| entry.unwrap().path()));
    let half = |path: &std::path::PathBuf| path.to_string_lossy().contains('#');
    let left: Vec<_> = locks.filter(|path| !half(path)).chain(packs.filter(half)).collect();
    left.iter().map(|path| path.display().to_string()).collect()
}
