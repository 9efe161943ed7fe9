//! What `verify` finds, and what it doesn't take for damage.
#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

mod support;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use moodle_backup::create::{self, Outcome};
use moodle_backup::error::{Error, Kind};
use moodle_backup::progress::{Progress, Silent, Unit};
use moodle_backup::repository::{NewSnapshot, Repository};
use moodle_backup::sites::{self, LATEST};
use moodle_backup::verify::{self, Rehearsal, Request};
use moodle_backup::{prune, restore};
use support::repository;
use support::server::servers;
use support::site::MemorySite;

fn site() -> MemorySite {
    let site = MemorySite::new();
    for number in 0..20_u32 {
        site.add(6, &format!("file {number}"), &number.to_le_bytes());
    }
    site
}

fn backed_up(repository: &Repository, site: &MemorySite) -> Outcome {
    create::run_on(repository, &site.request(), &mut site.database(), &Silent).unwrap()
}

fn closure() -> Request {
    Request { closure: true, jobs: 2, ..Request::default() }
}

fn data() -> Request {
    Request { data: true, ..closure() }
}

fn verified(repository: &Repository, request: &Request) -> verify::Outcome {
    verify::run(repository, request, &Silent).unwrap()
}

fn said(outcome: &verify::Outcome) -> Vec<&str> {
    outcome.problems.iter().map(|problem| problem.what.as_str()).collect()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

fn flip(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    bytes[40] ^= 1;
    fs::write(path, bytes).unwrap();
}

/// A snapshot of another program of the format.
fn foreign(repository: &Repository) -> String {
    let writer = repository.writer(repository.index().unwrap());
    let tree = Some(writer.tree(&moodle_backup::repository::tree::Tree::default()).unwrap());
    writer.finish().unwrap();
    let taken = jiff::Timestamp::now();
    repository.commit(NewSnapshot { tree, taken, ..NewSnapshot::default() }).unwrap().id
}

#[test]
fn a_pack_that_is_gone_or_short_is_named_without_reading_all_data() {
    let (site, repository) = (site(), repository());
    backed_up(&repository, &site);
    assert_eq!(said(&verified(&repository, &closure())), Vec::<&str>::new());
    for pack in files(&repository.folder.path().join("data")) {
        let name = pack.strip_prefix(repository.folder.path()).unwrap().to_str().unwrap();
        let whole = fs::read(&pack).unwrap();
        for left in [None, Some(whole.len() - 1), Some(0)] {
            match left {
                None => fs::remove_file(&pack).unwrap(),
                Some(left) => fs::write(&pack, &whole[..left]).unwrap(),
            }
            let outcome = verified(&repository, &closure());
            assert_eq!(outcome.exit_code(), Kind::Damaged.exit_code(), "{name}: {left:?}");
            assert!(said(&outcome)[0].starts_with(name), "{:?}", said(&outcome));
            let lost = outcome.problems.iter().any(|problem| !problem.snapshots.is_empty());
            assert_eq!(lost, left.is_none_or(|left| left == 0), "who lost something is said: {left:?}");
        }
        fs::write(&pack, whole).unwrap();
    }
    assert_eq!(said(&verified(&repository, &closure())), Vec::<&str>::new());
}

#[test]
fn a_damaged_snapshot_file_takes_nothing_from_the_others() {
    let (site, repository) = (site(), repository());
    let older = backed_up(&repository, &site).snapshot;
    let newer = backed_up(&repository, &site).snapshot;
    let path = format!("snapshots/{older}");
    flip(&repository.folder.path().join(&path));

    for request in [closure(), data()] {
        let outcome = verified(&repository, &request);
        assert_eq!(outcome.exit_code(), Kind::Damaged.exit_code());
        assert_eq!(outcome.snapshots, [newer.as_str()]);
        let said = said(&outcome);
        assert!(said.len() == 1 && said[0].starts_with(&path), "{said:?}");
    }
    let target = tempfile::tempdir().unwrap();
    let folder = Some(target.path().join("data"));
    let wanted = restore::Request { snapshot: newer, folder, jobs: 2, ..restore::Request::default() };
    restore::run(&repository, &wanted, &Silent).unwrap();
    let latest = restore::Request { snapshot: LATEST.to_owned(), overwrite: true, ..wanted };
    let error = restore::run(&repository, &latest, &Silent).unwrap_err();
    assert!(error.kind == Kind::Damaged && error.what.contains(&path), "it may be the newest: {error}");
    let database = unreachable(&site);
    let outcome = verified(&repository, &Request { rehearse: Some(Rehearsal { database, code: None }), ..data() });
    let said = said(&outcome);
    assert!(said.len() == 2 && said[0].starts_with("nothing is rehearsed") && said[1].starts_with(&path), "{said:?}");
    let file = File::options().write(true).open(repository.folder.path().join(&path)).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_hours(2)).unwrap();
    assert_eq!(
        restore::run(&repository, &latest, &Silent).unwrap_err().kind,
        Kind::Damaged,
        "it may be another site's"
    );
    let of_one = repository.only(&sites::all(&repository).unwrap()[0].tag);
    restore::run(&of_one, &latest, &Silent).unwrap();
    backed_up(&repository, &site);
    let policy = prune::Policy { last: 1, ..prune::Policy::default() };
    let pruning = prune::Request { policy, ..prune::Request::default() };
    let refused = prune::run(&repository, &pruning, &Silent).unwrap_err();
    assert_eq!(refused.kind, Kind::Damaged);
    assert!(refused.what.contains(&path), "{refused}");
    assert_eq!(repository.snapshots().unwrap().len(), 2);
}

#[test]
fn each_snapshot_file_is_read_a_few_times_however_many_there_are() {
    let (site, repository) = (site(), repository());
    let first = backed_up(&repository, &site);
    let found = repository.find(&first.snapshot).unwrap();
    let cost = || {
        let before = repository.store().requests().gets;
        assert_eq!(
            said(&verified(&repository, &Request { snapshot: Some(first.snapshot.clone()), ..data() })),
            Vec::<&str>::new()
        );
        repository.store().requests().gets - before
    };
    let one = cost();
    for _ in 0..30 {
        let new = NewSnapshot {
            tree: Some(found.tree),
            taken: found.taken,
            tags: found.tags.clone(),
            ..NewSnapshot::default()
        };
        repository.commit(new).unwrap();
    }
    assert!(cost() - one <= 3 * 30, "{} reads for one snapshot, {} for 31", one, cost());
}

#[test]
fn a_blob_that_two_packs_have_is_no_damage() {
    let (site, repository) = (site(), repository());
    backed_up(&repository, &site);
    // As two hosts leave it that store the same at once.
    let writer = repository.writer(moodle_backup::repository::Index::default());
    for number in 0..20_u32 {
        writer.data(&number.to_le_bytes(), true).unwrap();
    }
    writer.finish().unwrap();
    assert_eq!(said(&verified(&repository, &data())), Vec::<&str>::new());
}

#[test]
fn the_same_damage_is_said_once_and_not_for_each_snapshot() {
    let (site, repository) = (site(), repository());
    backed_up(&repository, &site);
    // What the later ones share with the first.
    let packs = files(&repository.folder.path().join("data"));
    for _ in 0..4 {
        backed_up(&repository, &site);
    }
    for pack in &packs {
        fs::remove_file(pack).unwrap();
    }
    let outcome = verified(&repository, &closure());
    let of_each: Vec<usize> = outcome.problems.iter().map(|problem| problem.snapshots.len()).collect();
    assert_eq!(of_each, [vec![0; packs.len()], vec![1, 4]].concat(), "{:?}", outcome.problems);
}

fn unreachable(site: &MemorySite) -> moodle_backup::database::Connection {
    moodle_backup::database::Connection { host: "127.0.0.1".into(), port: Some(1), ..site.request().site.database }
}

#[test]
fn nothing_is_wrong_is_not_said_where_nothing_was_looked_at() {
    let (site, repository) = (site(), repository());
    let failed = |request: &Request| -> Error { verify::run(&repository, request, &Silent).unwrap_err() };
    for request in [closure(), data()] {
        let error = failed(&request);
        assert_eq!(error.kind, Kind::Repository);
        assert!(error.what.contains("there is no snapshot of a Moodle site"), "{error}");
    }
    backed_up(&repository, &site);
    let other = foreign(&repository);
    let error = failed(&Request { snapshot: Some(other), ..closure() });
    assert!(error.kind == Kind::Repository && error.what.contains("is none of a Moodle site"), "{error}");
    // The newest snapshot of all is another program's; the rehearsal is of the newest of a site.
    let rehearse = Some(Rehearsal { database: unreachable(&site), code: None });
    let rehearsed = Request { rehearse, ..closure() };
    assert_eq!(failed(&rehearsed).kind, Kind::Database);
    let mut request = site.request();
    "https://b.example.org".clone_into(&mut request.site.wwwroot);
    create::run_on(&repository, &request, &mut site.database(), &Silent).unwrap();
    let error = failed(&rehearsed);
    assert!(error.kind == Kind::Usage && error.what.contains("several sites"), "{error}");
}

#[test]
fn a_database_that_is_down_is_no_damage_and_another_site_is_named() {
    let (site, repository) = (site(), repository());
    backed_up(&repository, &site);
    let live = moodle_backup::site::Site { database: unreachable(&site), ..site.request().site };
    let error = verify::run(&repository, &Request { site: Some(live.clone()), ..closure() }, &Silent).unwrap_err();
    assert_eq!(error.kind, Kind::Database);
    let other = moodle_backup::site::Site { wwwroot: "https://b.example.org".into(), ..live };
    let error = verify::run(&repository, &Request { site: Some(other), ..closure() }, &Silent).unwrap_err();
    assert_eq!(error.kind, Kind::Repository);
    assert!(error.what.contains("no snapshot of https://b.example.org"), "{error}");
}

#[test]
fn a_live_site_is_compared_with_its_own_newest_snapshot_whatever_others_there_are() {
    for server in servers() {
        let database = server.database("since");
        let live = MemorySite::new();
        let repository = repository();
        let table = "CREATE TABLE mdl_files (id bigint PRIMARY KEY, contenthash varchar(40), filesize bigint, \
                     referencefileid bigint)";
        database.run(&[table]);
        let row = |number: u32, content: &[u8]| {
            let hash = hex::encode(live.add(6, &format!("file {number}"), content));
            database.run(&[&format!("INSERT INTO mdl_files VALUES ({number}, '{hash}', {}, NULL)", content.len())]);
        };
        row(1, b"one");
        backed_up(&repository, &live);
        row(2, b"two");
        backed_up(&repository, &live);
        row(3, b"three");
        row(4, b"four");
        // Another site's is the newest of all.
        let other = site();
        let mut request = other.request();
        request.site.wwwroot = "https://b.example.org".into();
        create::run_on(&repository, &request, &mut other.database(), &Silent).unwrap();

        let connection = database.connection.clone();
        let site = moodle_backup::site::Site { database: connection, ..live.request().site };
        let outcome = verified(&repository, &Request { site: Some(site), ..closure() });
        assert_eq!((outcome.listed_since, outcome.snapshots.len()), (Some(2), 3));
    }
}

/// A backup that is made while all is read.
struct Beside<'a>(&'a Repository, &'a MemorySite, AtomicBool);

impl Progress for Beside<'_> {
    fn phase(&self, name: &str, _total: u64, _unit: Unit) {
        if name == "reading packs" && !self.2.swap(true, Ordering::Relaxed) {
            self.1.add(6, "meanwhile", b"meanwhile");
            backed_up(self.0, self.1);
        }
    }

    fn advance(&self, _done: u64) {}

    fn note(&self, _text: &str) {}
}

#[test]
fn a_snapshot_that_is_made_meanwhile_is_not_taken_for_damaged() {
    let (site, repository) = (site(), repository());
    backed_up(&repository, &site);
    let beside = Beside(&repository, &site, AtomicBool::new(false));
    let outcome = verify::run(&repository, &data(), &beside).unwrap();
    assert_eq!(said(&outcome), Vec::<&str>::new());
    assert_eq!((outcome.snapshots.len(), repository.snapshots().unwrap().len()), (1, 2));
}

#[test]
fn a_repair_saves_what_is_sound_beside_what_is_damaged() {
    let (site, repository) = (site(), repository());
    let noise: Vec<u8> = (0..3000_u32).flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    site.add(6, "large", &noise);
    let older = backed_up(&repository, &site).snapshot;
    site.add(6, "later", b"later");
    backed_up(&repository, &site);
    // A byte in the middle of the pack that has the large one, and much else.
    let packs = files(&repository.folder.path().join("data"));
    let pack = packs.iter().max_by_key(|pack| fs::metadata(pack).unwrap().len()).unwrap();
    let mut bytes = fs::read(pack).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(pack, bytes).unwrap();

    let outcome = verified(&repository, &Request { repair: true, ..data() });
    assert_eq!(outcome.exit_code(), Kind::Damaged.exit_code());
    let salvaged = outcome.salvaged.unwrap();
    assert_eq!((salvaged.packs, salvaged.lost), (1, 1));
    assert!(salvaged.blobs > 20 && !pack.exists(), "{salvaged:?}");
    backed_up(&repository, &site);
    // The older snapshot has all again: its own dump was beside the damaged content, and the site has that.
    let outcome = verified(&repository, &data());
    assert_eq!((said(&outcome), outcome.snapshots.len()), (Vec::<&str>::new(), 3));
    assert_eq!(outcome.snapshots[0], older);
    // Nothing to repair changes nothing.
    let before = files(repository.folder.path());
    assert_eq!(verified(&repository, &Request { repair: true, ..data() }).salvaged.unwrap().packs, 0);
    assert_eq!(files(repository.folder.path()), before);
}

#[test]
fn reading_all_data_compares_the_lists_too() {
    let (site, repository) = (site(), repository());
    backed_up(&repository, &site);
    let done = Command::new(env!("CARGO_BIN_EXE_moodle-backup"))
        .args(["verify", "--data", "--repository", repository.folder.path().to_str().unwrap()])
        .env("MOODLE_BACKUP_PASSPHRASE", "correct horse")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(done.status.success() && text.contains("20 contents"), "{text}");
}
