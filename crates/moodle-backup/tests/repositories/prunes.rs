//! What goes with old snapshots, and what stays whatever happens at the same time.

use std::time::Duration;

use crate::support::{backed_up, backed_up_on, has_restic, made, noise, opened, restic_is_content};
use moodle_backup::error::Kind;
use moodle_backup::progress::Silent;
use moodle_backup::prune::{self, Ages, Policy, Request};
use moodle_backup::repository::{Purpose, Repository};

const DAY: i64 = 86_400;
const FIRST: i64 = 1_700_000_000;
const NO_AGE: Ages = Ages { written: Duration::ZERO, marked: Duration::ZERO };

fn last(count: u32, ages: Ages) -> Request {
    Request { policy: Policy { last: count, ..Policy::default() }, ages, ..Request::default() }
}

fn stored(repository: &Repository) -> u64 {
    repository.store().list("data").unwrap().iter().map(|entry| entry.size).sum()
}

fn sound(repository: &Repository) {
    assert_eq!(repository.check(&Silent).unwrap().problems, []);
}

#[test]
fn each_site_keeps_what_the_policy_says_and_the_space_of_the_others_is_free_after_two_runs() {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path().join("repository");
    let repository = made(folder.to_str().unwrap());
    for day in 0..4 {
        let seed = u64::try_from(day).unwrap();
        let files = [("same", noise(100, 200_000)), ("other", noise(seed, 300_000))];
        backed_up(&repository, "one", FIRST + day * DAY, &files).unwrap();
    }
    backed_up(&repository, "two", FIRST, &[("two", noise(50, 1000))]).unwrap();
    let before = stored(&repository);

    let dry = prune::run(&repository, &Request { dry_run: true, ..last(1, NO_AGE) }, &Silent).unwrap();
    assert_eq!((dry.kept.len(), dry.removed.len()), (2, 3));
    assert!(dry.bytes_marked > 0);
    assert_eq!((repository.snapshots().unwrap().len(), stored(&repository)), (5, before), "nothing was done");

    let done = prune::run(&repository, &last(1, NO_AGE), &Silent).unwrap();
    assert_eq!((&done.kept, &done.removed), (&dry.kept, &dry.removed));
    assert_eq!(
        done.kept.iter().map(|kept| kept.snapshot.tags[0].as_str()).collect::<Vec<_>>(),
        ["site:two", "site:one"]
    );
    assert!(stored(&repository) >= before, "what was marked is still there");
    sound(&repository);
    std::thread::sleep(Duration::from_millis(1100));
    prune::run(&repository, &last(1, NO_AGE), &Silent).unwrap();
    assert!(stored(&repository) < before - 800_000, "{} of {before} bytes", stored(&repository));
    sound(&repository);
    if has_restic() {
        restic_is_content(&folder);
    }
    let nothing = Request { policy: Policy::default(), ..last(1, NO_AGE) };
    assert_eq!(prune::run(&repository, &nothing, &Silent).unwrap_err().kind, Kind::Usage);
}

#[test]
fn a_prune_of_one_site_drops_no_snapshot_of_another() {
    let scratch = tempfile::tempdir().unwrap();
    let repository = made(scratch.path().join("repository").to_str().unwrap());
    let [one, two] = ["one", "two"].map(|site| backed_up(&repository, site, FIRST, &[]).unwrap().0.id);
    let drop = |id: &str| Request { drop: vec![id.to_owned()], ..Request::default() };
    let refused = prune::run(&repository.only("one"), &drop(&two), &Silent).unwrap_err();
    assert_eq!(refused.kind, Kind::Repository, "{refused}");
    prune::run(&repository.only("one"), &drop(&one), &Silent).unwrap();
    assert_eq!(repository.snapshots().unwrap().iter().map(|left| left.id.as_str()).collect::<Vec<_>>(), [two.as_str()]);
}

#[test]
fn where_all_packs_or_all_snapshots_are_away_nothing_is_removed() {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path().join("repository");
    let repository = made(folder.to_str().unwrap());
    for day in 0..2 {
        backed_up(&repository, "one", FIRST + day * DAY, &[]).unwrap();
    }
    for name in ["data", "snapshots"] {
        let (place, away) = (folder.join(name), folder.join("away"));
        std::fs::rename(&place, &away).unwrap();
        let stored = || ["data", "index"].map(|folder| repository.store().list(folder).unwrap());
        let before = stored();
        for _ in 0..2 {
            let refused = prune::run(&repository, &last(1, NO_AGE), &Silent).unwrap_err();
            assert!(refused.kind == Kind::Store && refused.fix.contains("bring"), "{name}: {refused} {}", refused.fix);
        }
        assert_eq!(stored(), before);
        std::fs::rename(&away, &place).unwrap();
    }
    sound(&repository);
    assert_eq!(prune::run(&repository, &last(1, NO_AGE), &Silent).unwrap().removed.len(), 1);
    let every: Vec<String> = repository.snapshots().unwrap().into_iter().map(|one| one.id).collect();
    prune::run(&repository, &Request { drop: every, ..last(0, NO_AGE) }, &Silent).unwrap();
}

#[test]
fn a_prune_waits_for_a_backup_and_a_backup_for_a_prune() {
    let scratch = tempfile::tempdir().unwrap();
    let repository = made(scratch.path().join("repository").to_str().unwrap());
    let backup = repository.lock(Purpose::Create, None).unwrap();
    assert_eq!(prune::run(&repository, &last(1, NO_AGE), &Silent).unwrap_err().kind, Kind::Locked);
    drop(backup);
    let prune = repository.lock(Purpose::Prune, None).unwrap();
    assert_eq!(repository.lock(Purpose::Create, None).unwrap_err().kind, Kind::Locked);
    drop(prune);
}

/// Tools of the format that know no locks may prune at any time; so each moment of a backup is tried.
#[test]
fn whatever_moment_of_a_backup_a_prune_without_locks_comes_at_the_snapshot_is_whole() {
    let old = [("a", noise(1, 100_000)), ("b", noise(2, 100_000))];
    let new = [("b", noise(2, 100_000)), ("c", noise(3, 100_000))];
    for moment in 0..3 {
        let scratch = tempfile::tempdir().unwrap();
        let folder = scratch.path().join("repository");
        let repository = made(folder.to_str().unwrap());
        backed_up(&repository, "one", FIRST, &old).unwrap();
        let pruner = opened(folder.to_str().unwrap());
        let prune = || prune::run(&pruner, &last(1, Ages::default()), &Silent).unwrap();
        if moment == 0 {
            prune();
        }
        let writer = repository.writer(repository.index().unwrap());
        let content = writer.data(&new[1].1, true).unwrap();
        let (index, _) = writer.finish().unwrap();
        assert!(index.contains(&content));
        if moment == 1 {
            prune();
        }
        backed_up_on(&repository, index, "one", FIRST + DAY, &new).unwrap();
        if moment == 2 {
            prune();
        }
        sound(&opened(folder.to_str().unwrap()));
        if has_restic() {
            restic_is_content(&folder);
        }
    }
}

#[test]
fn of_a_repository_that_lacks_something_nothing_is_removed_but_snapshots_that_are_given_up() {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path().join("repository");
    let repository = made(folder.to_str().unwrap());
    let back_up = |second, seed| {
        let (snapshot, _) = backed_up(&repository, "one", FIRST + second, &[("a", noise(seed, 1000))]).unwrap();
        snapshot.id
    };
    let packs = || repository.store().list("data").unwrap();
    let broken = back_up(0, 1);
    let lost = packs();
    let unread = back_up(1, 2);
    let whole = back_up(2, 3);

    // The file of a snapshot is damaged.
    let path = folder.join("snapshots").join(&unread);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[40] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let refused = |request: &Request| prune::run(&repository, request, &Silent).unwrap_err();
    assert!(refused(&last(1, NO_AGE)).fix.contains(&format!("--drop {unread}")));
    let drop = |ids: &[&str]| Request { drop: ids.iter().map(|id| (*id).to_owned()).collect(), ..Request::default() };
    let done = prune::run(&repository, &drop(&[&unread[..8]]), &Silent).unwrap();
    assert_eq!((done.removed_unread, done.kept.len()), (vec![unread], 2));

    // Packs are gone.
    for pack in &lost {
        repository.store().delete(&pack.path).unwrap();
    }
    let error = refused(&last(2, NO_AGE));
    assert_eq!(error.kind, Kind::Damaged);
    assert!(error.fix.ends_with(&format!("--drop {}", &broken[..8])), "{error}: {}", error.fix);
    assert_eq!(repository.snapshots().unwrap().len(), 2, "nothing was removed");
    backed_up(&repository, "one", FIRST + 3, &[("a", noise(4, 1000))]).unwrap();
    assert_eq!(refused(&last(3, NO_AGE)).kind, Kind::Damaged);
    assert!(refused(&drop(&["no such id"])).kind == Kind::Repository);
    let done = prune::run(&repository, &drop(&[&broken]), &Silent).unwrap();
    assert_eq!((done.removed.len(), done.kept.len()), (1, 2));
    assert!(done.kept.iter().any(|kept| kept.snapshot.id == whole));
    sound(&repository);
}
