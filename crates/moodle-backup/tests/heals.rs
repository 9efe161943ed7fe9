//! What a repository lost, the next backup stores again, and no snapshot is written that lacks something.
#![expect(clippy::unwrap_used, reason = "what can't be made fails the test")]

mod support;

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use moodle_backup::create::gather::World;
use moodle_backup::create::{self, Database, Outcome};
use moodle_backup::database::{Listing, View};
use moodle_backup::error::{Kind, Result};
use moodle_backup::progress::Silent;
use moodle_backup::repository::{Repository, Secret};
use moodle_backup::store::Store;
use moodle_backup::{prune, restore, verify};
use support::site::{Memory, MemorySite};
use support::{Temporary, repository};

const NO_AGE: prune::Ages = prune::Ages { written: Duration::ZERO, marked: Duration::ZERO };

fn site() -> MemorySite {
    site_of(0..20)
}

fn site_of(numbers: Range<u32>) -> MemorySite {
    let site = MemorySite::new();
    for number in numbers {
        site.add(6, &format!("file {number}"), &number.to_le_bytes().repeat(500));
    }
    site.add(6, "empty", b"");
    site.write("lang/de/langconfig.php", b"<?php");
    site.write("repository/course/a/b.txt", b"b");
    site
}

fn create(repository: &Repository, site: &MemorySite) -> Result<Outcome> {
    create::run_on(repository, &site.request(), &mut site.database(), &Silent)
}

fn files(repository: &Path, folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut rest = vec![repository.join(folder)];
    while let Some(path) = rest.pop() {
        for entry in std::fs::read_dir(path).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { rest.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}

/// Asserts that a snapshot can be restored, with everything that the site has, and that all of it is as it was.
fn assert_whole(repository: &Repository, site: &MemorySite, snapshot: &str) {
    let request =
        verify::Request { snapshot: Some(snapshot.to_owned()), closure: true, jobs: 2, ..verify::Request::default() };
    let problems = verify::run(repository, &request, &Silent).unwrap().problems;
    // A pack that is cut short is named until it is repaired.
    assert!(problems.iter().all(|one| one.snapshots.is_empty() && one.what.contains("bytes and not")), "{problems:?}");
    let target = tempfile::tempdir().unwrap();
    let request = restore::Request {
        snapshot: snapshot.to_owned(),
        folder: Some(target.path().to_owned()),
        jobs: 2,
        ..restore::Request::default()
    };
    restore::run(repository, &request, &Silent).unwrap();
    let differs = Command::new("diff").args(["-r", "-x", "trashdir"]).arg(site.data()).arg(target.path()).output();
    let differs = differs.unwrap();
    assert!(differs.status.success(), "{}", String::from_utf8_lossy(&differs.stdout));
}

fn opened(folder: &Path) -> Repository {
    let store = Store::open(folder.to_str().unwrap()).unwrap();
    Repository::open(store, &Secret::Passphrase("correct horse".into())).unwrap()
}

/// Runs stock restic; nothing: it isn't here.
fn restic(folder: &Path, arguments: &[&str]) -> Option<Output> {
    let program = std::env::var("RESTIC").unwrap_or_else(|_| "restic".to_owned());
    let done = Command::new(program)
        .args(arguments)
        .args(["--no-cache", "--repo"])
        .arg(folder)
        .env("RESTIC_PASSWORD", "correct horse")
        .output();
    if done.is_err() {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "restic isn't here");
        eprintln!("skipped: restic isn't here");
    }
    done.ok()
}

/// Runs `restic check --read-data`, which must find nothing.
fn restic_is_content(folder: &Path) {
    let Some(done) = restic(folder, &["check", "--read-data"]) else { return };
    let said = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "{said}");
}

/// Lets `harm` do its worst to each stored file of a folder in turn, in a copy, and makes another snapshot.
fn after_harm(folder: &str, harm: &dyn Fn(&Path)) {
    let (site, origin) = (site(), repository());
    create(&origin, &site).unwrap();
    site.add(6, "later", b"later");
    create(&origin, &site).unwrap();
    let stored = files(origin.folder.path(), folder);
    assert!(stored.len() >= 3, "{stored:?}");
    for file in stored {
        let copy = copied(&origin);
        harm(&copy.path().join(file.strip_prefix(origin.folder.path()).unwrap()));
        let repository = opened(copy.path());
        let outcome = create(&repository, &site).unwrap();
        assert_eq!(outcome.lost_packs, u64::from(folder == "data"));
        assert_whole(&repository, &site, &outcome.snapshot);
        // From then on nothing is out of the ordinary.
        let again = create(&repository, &site).unwrap();
        assert_eq!(again.pool.copied, 0);
        assert!(again.new_blobs <= 4, "{}", again.new_blobs);
    }
}

fn copied(repository: &Temporary) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    let done = Command::new("cp").arg("-r").arg(repository.folder.path().join(".")).arg(copy.path()).status();
    assert!(done.unwrap().success());
    copy
}

#[test]
fn what_a_pack_had_that_is_gone_is_stored_again() {
    after_harm("data", &|pack| std::fs::remove_file(pack).unwrap());
}

#[test]
fn what_a_pack_had_that_was_cut_short_is_stored_again() {
    after_harm("data", &|pack| {
        let length = std::fs::metadata(pack).unwrap().len();
        std::fs::OpenOptions::new().write(true).open(pack).unwrap().set_len(length - 1).unwrap();
    });
}

#[test]
fn what_is_sound_in_a_pack_that_was_cut_short_is_restored_and_a_repair_saves_it_after_backups_too() {
    let (before, site, origin) = (site(), site_of(10..20), repository());
    let older = create(&origin, &before).unwrap().snapshot;
    for pack in files(origin.folder.path(), "data") {
        let copy = copied(&origin);
        let pack = copy.path().join(pack.strip_prefix(origin.folder.path()).unwrap());
        let length = std::fs::metadata(&pack).unwrap().len();
        std::fs::OpenOptions::new().write(true).open(&pack).unwrap().set_len(length - 4).unwrap();
        let repository = opened(copy.path());
        assert_whole(&repository, &before, &older);
        for _ in 0..2 {
            let outcome = create(&repository, &site).unwrap();
            assert_eq!(outcome.lost_packs, 1, "it is told until it is repaired");
            assert_whole(&repository, &site, &outcome.snapshot);
        }
        for last in [1, 9] {
            let policy = prune::Policy { last, ..prune::Policy::default() };
            let pruning = prune::Request { policy, ages: NO_AGE, ..prune::Request::default() };
            let refused = prune::run(&repository, &pruning, &Silent).unwrap_err();
            let fix = &refused.fix;
            assert!(
                refused.kind == Kind::Damaged && fix.contains("--repair") && !fix.contains("--drop"),
                "{refused}: {fix}"
            );
        }
        let repaired = verify::Request { data: true, repair: true, jobs: 2, ..verify::Request::default() };
        let salvaged = verify::run(&repository, &repaired, &Silent).unwrap().salvaged.unwrap();
        assert_eq!((salvaged.packs, salvaged.lost), (1, 0));
        assert_eq!(repository.stored().unwrap().problems(), []);
        assert_whole(&repository, &before, &older);
        assert_eq!(create(&repository, &site).unwrap().lost_packs, 0);
        restic_is_content(copy.path());
    }
}

#[test]
fn a_file_of_the_index_that_is_gone_or_damaged_is_written_again() {
    after_harm("index", &|file| std::fs::remove_file(file).unwrap());
    after_harm("index", &|file| {
        let mut bytes = std::fs::read(file).unwrap();
        bytes[20] ^= 1;
        std::fs::write(file, bytes).unwrap();
    });
}

#[test]
fn after_stock_restic_made_the_index_anew_the_next_backup_heals_what_a_lost_pack_had() {
    let (site, origin) = (site(), repository());
    let first = create(&origin, &site).unwrap().snapshot;
    for pack in files(origin.folder.path(), "data") {
        let copy = copied(&origin);
        std::fs::remove_file(copy.path().join(pack.strip_prefix(origin.folder.path()).unwrap())).unwrap();
        let Some(done) = restic(copy.path(), &["repair", "index"]) else { return };
        if !done.status.success() {
            // As it was called before 0.16.
            let done = restic(copy.path(), &["rebuild-index"]).unwrap();
            assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        }
        let repository = opened(copy.path());
        let outcome = create(&repository, &site).unwrap();
        assert_whole(&repository, &site, &outcome.snapshot);
        // What the older one says of itself is lost; all else it has again.
        std::fs::remove_file(copy.path().join("snapshots").join(&first)).unwrap();
        restic_is_content(copy.path());
    }
}

#[test]
fn what_the_site_no_longer_has_after_a_loss_is_missing_and_not_taken_over() {
    let (site, repository) = (site(), repository());
    create(&repository, &site).unwrap();
    let hash = *accel::hash::sha1(&7_u32.to_le_bytes().repeat(500)).as_bytes();
    std::fs::remove_file(support::site::place(&site.data(), "filedir", &hash)).unwrap();
    // As long as it is stored, the site needn't have it.
    create(&repository, &site).unwrap();
    // The largest pack has the contents.
    let packs = files(repository.folder.path(), "data");
    let contents = packs.iter().max_by_key(|pack| std::fs::metadata(pack).unwrap().len()).unwrap();
    std::fs::remove_file(contents).unwrap();
    let error = create(&repository, &site).unwrap_err();
    assert_eq!(error.kind, Kind::Closure);
    assert!(error.what.contains(&hex::encode(hash)), "{error}");
}

#[test]
fn where_no_pack_is_there_nothing_is_written_and_when_they_are_back_all_is_as_it_was() {
    let (site, repository) = (site(), repository());
    let snapshot = create(&repository, &site).unwrap().snapshot;
    let stored = || ["data", "index", "snapshots"].map(|folder| files(repository.folder.path(), folder));
    let before = stored();
    let [data, away] = ["data", "away"].map(|name| repository.folder.path().join(name));
    std::fs::rename(&data, &away).unwrap();
    let repaired = verify::Request { data: true, repair: true, jobs: 2, ..verify::Request::default() };
    let refused = |place: &str| {
        let refused = [create(&repository, &site).map(drop), verify::run(&repository, &repaired, &Silent).map(drop)];
        for refused in refused.map(Result::unwrap_err) {
            assert!(refused.kind == Kind::Store && refused.what.contains("none of the"), "{place}: {refused}");
        }
    };
    refused("no such folder");
    // As the mount point of a volume that isn't there.
    std::fs::create_dir(&data).unwrap();
    refused("an empty folder");
    std::fs::remove_dir(&data).unwrap();
    std::os::unix::fs::symlink("/no/such/volume", &data).unwrap();
    refused("a link to nothing");
    std::fs::remove_file(&data).unwrap();
    std::fs::rename(&away, &data).unwrap();
    assert_eq!(stored(), before);
    assert_whole(&repository, &site, &snapshot);
}

#[test]
fn packs_that_come_back_after_a_backup_without_them_are_found_again() {
    let (site, origin) = (site(), repository());
    let older = create(&origin, &site).unwrap().snapshot;
    site.add(6, "later", b"later");
    let newer = create(&origin, &site).unwrap().snapshot;
    for pack in files(origin.folder.path(), "data") {
        let copy = copied(&origin);
        let pack = copy.path().join(pack.strip_prefix(origin.folder.path()).unwrap());
        let away = copy.path().join("away");
        std::fs::rename(&pack, &away).unwrap();
        let repository = opened(copy.path());
        create(&repository, &site).unwrap();
        assert!(repository.stored().unwrap().problems().is_empty(), "nothing names it any more");
        std::fs::rename(&away, &pack).unwrap();
        let is_sound = |what: &str| {
            let request = verify::Request { closure: true, data: true, jobs: 2, ..verify::Request::default() };
            let outcome = verify::run(&repository, &request, &Silent).unwrap();
            assert_eq!(outcome.problems, [], "{what}");
            assert!([&older, &newer].into_iter().all(|one| outcome.snapshots.contains(one)));
        };
        is_sound("without another backup");
        assert_whole(&repository, &site, &newer);
        // No prune, and none of rustic's, takes it for what nobody needs.
        let policy = prune::Policy { last: 9, ..prune::Policy::default() };
        let pruning = prune::Request { policy, ages: NO_AGE, ..prune::Request::default() };
        let refused = prune::run(&repository, &pruning, &Silent).err();
        assert!(refused.is_none_or(|error| error.kind == Kind::Damaged && error.fix.contains("packs that came back")));
        is_sound("after a prune");
        create(&repository, &site).unwrap();
        is_sound("after another backup");
        restic_is_content(copy.path());
    }
}

/// Somebody deletes a file of the repository in the moment in which the view is taken.
struct Deleting {
    database: Memory,
    file: PathBuf,
}

impl World for Deleting {
    type View = Box<dyn View>;

    fn now(&mut self) -> Result<Listing> {
        self.database.now()
    }

    fn view(&mut self) -> Result<(Box<dyn View>, Listing)> {
        std::fs::remove_file(&self.file).unwrap();
        self.database.view()
    }
}

impl Database for Deleting {
    fn identifier(&mut self) -> Result<String> {
        self.database.identifier()
    }
}

#[test]
fn no_snapshot_is_written_when_something_is_deleted_meanwhile() {
    let (site, origin) = (site(), repository());
    create(&origin, &site).unwrap();
    let mut noticed = BTreeSet::new();
    for folder in ["data", "index"] {
        for file in files(origin.folder.path(), folder) {
            let copy = copied(&origin);
            let repository = opened(copy.path());
            let file = copy.path().join(file.strip_prefix(origin.folder.path()).unwrap());
            let mut database = Deleting { database: site.database(), file };
            let error = create::run_on(&repository, &site.request(), &mut database, &Silent).unwrap_err();
            assert_eq!(error.kind, Kind::Damaged, "{error}");
            if error.what.contains("no snapshot is written") {
                noticed.insert(folder);
            }
            assert_eq!(repository.snapshots().unwrap().len(), 1);
            let outcome = create(&repository, &site).unwrap();
            assert_whole(&repository, &site, &outcome.snapshot);
        }
    }
    assert_eq!(noticed.len(), 2, "what isn't read meanwhile is asked for at the end");
}

#[test]
fn an_unchanged_site_costs_the_same_few_requests_however_many_folders_its_pool_has() {
    let mut requests = BTreeSet::new();
    for files in [10_u32, 300] {
        let (site, repository) = (MemorySite::new(), repository());
        for number in 0..files {
            site.add(6, &format!("file {number}"), &number.to_le_bytes());
        }
        create(&repository, &site).unwrap();
        create(&repository, &site).unwrap();
        let repository = opened(repository.folder.path());
        let before = repository.store().requests();
        create(&repository, &site).unwrap();
        let after = repository.store().requests();
        requests.insert((after.gets - before.gets, after.puts - before.puts, after.lists - before.lists));
    }
    assert_eq!(requests.len(), 1, "{requests:?}");
    let (gets, puts, lists) = requests.pop_first().unwrap();
    eprintln!("{gets} gets, {puts} puts, {lists} lists");
    assert!(gets < 40 && puts < 8 && lists < 12, "{gets} gets, {puts} puts, {lists} lists");
}

#[test]
fn wherever_a_byte_of_a_pack_is_wrong_nothing_is_after_a_repair_and_a_backup() {
    let (site, origin) = (site(), repository());
    create(&origin, &site).unwrap();
    for pack in files(origin.folder.path(), "data") {
        let whole = std::fs::read(&pack).unwrap();
        // In a blob, in the list behind the blobs, and in the length of that.
        for place in [20, whole.len() - 60, whole.len() - 1] {
            let copy = copied(&origin);
            let mut bytes = whole.clone();
            bytes[place] ^= 1;
            std::fs::write(copy.path().join(pack.strip_prefix(origin.folder.path()).unwrap()), bytes).unwrap();
            let repository = opened(copy.path());
            let verified = |repair| {
                let request = verify::Request { data: true, repair, jobs: 2, ..verify::Request::default() };
                verify::run(&repository, &request, &Silent).unwrap()
            };
            let full = create::Request { full: true, ..site.request() };
            create::run_on(&repository, &full, &mut site.database(), &Silent).unwrap();
            assert!(!verified(false).problems.is_empty(), "reading the site again mends nothing that is stored");
            let salvaged = verified(true).salvaged.unwrap();
            assert_eq!((salvaged.packs, salvaged.lost), (1, u64::from(place == 20)), "{place}");
            let outcome = create(&repository, &site).unwrap();
            assert_whole(&repository, &site, &outcome.snapshot);
            // What the older one alone had is lost, and no more than that.
            let said = verified(false).problems;
            assert!(
                said.iter().all(|problem| place == 20 && !problem.snapshots.contains(&outcome.snapshot)),
                "{said:?}"
            );
            if said.is_empty() {
                restic_is_content(copy.path());
            }
        }
    }
}
