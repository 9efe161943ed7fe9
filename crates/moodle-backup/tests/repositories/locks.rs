//! Who may work on a repository at the same time.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::support::{has_restic, made, opened, restic};
use moodle_backup::error::Kind;
use moodle_backup::repository::Purpose;

#[test]
fn a_second_backup_says_who_makes_one_and_waits_when_it_is_told_to() {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path().join("repository");
    let repository = made(folder.to_str().unwrap());
    let first = repository.lock(Purpose::Create, None).unwrap();
    let refused = repository.lock(Purpose::Create, None).unwrap_err();
    assert_eq!(refused.kind, Kind::Locked);
    let said = refused.to_string();
    assert!(said.contains(&format!("process {}", std::process::id())) && said.contains("makes a snapshot"), "{said}");
    drop(repository.lock(Purpose::Read, None).unwrap());
    assert_eq!(repository.lock(Purpose::Prune, None).unwrap_err().kind, Kind::Locked);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| repository.lock(Purpose::Create, Some(Duration::from_mins(1))).map(drop));
        std::thread::sleep(Duration::from_millis(300));
        assert!(!waiting.is_finished(), "it has to wait");
        drop(first);
        waiting.join().unwrap().unwrap();
    });
    drop(repository.lock(Purpose::Prune, None).unwrap());
    assert!(std::fs::read_dir(folder.join("locks")).unwrap().next().is_none(), "all locks are gone");
}

#[test]
fn of_many_that_come_at_once_never_two_make_a_snapshot() {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path().join("repository");
    let repository = made(folder.to_str().unwrap());
    let (inside, most, done) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let lock = repository.lock(Purpose::Create, Some(Duration::from_mins(2))).unwrap();
                most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                std::thread::sleep(Duration::from_millis(20));
                inside.fetch_sub(1, Ordering::SeqCst);
                drop(lock);
                done.fetch_add(1, Ordering::SeqCst);
            });
        }
    });
    assert_eq!((most.into_inner(), done.into_inner()), (1, 4));
}

#[test]
fn stock_restic_and_a_backup_keep_each_other_from_what_disturbs() {
    if !has_restic() {
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path().join("repository");
    let repository = made(folder.to_str().unwrap());
    let lock = repository.lock(Purpose::Create, None).unwrap();
    let pruned = restic(&folder, &["prune"]);
    assert!(!pruned.status.success(), "restic prunes although a backup runs");
    assert!(String::from_utf8_lossy(&pruned.stderr).contains("already locked"));
    repository.release_locks();
    assert!(restic(&folder, &["prune"]).status.success());
    drop(lock);
    assert_eq!(opened(folder.to_str().unwrap()).snapshots().unwrap(), []);
}
