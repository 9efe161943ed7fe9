//! What a backup takes of a dataroot and of an object store, and what it says of the rest.
#![expect(clippy::unwrap_used, reason = "what can't be made fails the test")]

mod support;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use moodle_backup::create::gather::World;
use moodle_backup::create::{self, Database, Outcome, PoolMode, Request};
use moodle_backup::database::{Listing, View};
use moodle_backup::error::{Kind, Result};
use moodle_backup::progress::Silent;
use moodle_backup::repository::tree::Node;
use moodle_backup::repository::{NewKey, Repository};
use moodle_backup::sites::{self, LATEST};
use moodle_backup::snapshot::Opened;
use moodle_backup::store::Store;
use moodle_backup::{restore, verify};
use support::repository;
use support::site::{Memory, MemorySite, place};

fn create(repository: &Repository, site: &MemorySite) -> Outcome {
    create::run_on(repository, &site.request(), &mut site.database(), &Silent).unwrap()
}

fn restored(repository: &Repository, folder: &Path) {
    let request = restore::Request {
        snapshot: "latest".to_owned(),
        folder: Some(folder.to_owned()),
        jobs: 2,
        ..restore::Request::default()
    };
    restore::run(repository, &request, &Silent).unwrap();
}

/// What the newest snapshot has at a path.
fn node(repository: &Repository, path: &str) -> Option<Node> {
    let index = repository.index().unwrap();
    Opened::open(repository, &index, sites::find(repository, LATEST).unwrap()).unwrap().node(path).unwrap()
}

fn raw(name: &[u8]) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(name))
}

/// Files of people, with names as people give them.
fn odd_names(site: &MemorySite) -> Vec<PathBuf> {
    let folder = Path::new("repository/course");
    let names: [&[u8]; 8] = [
        b"composer.lock",
        b"r\xe9sum\xe9.pdf",
        b"say \"hi\"",
        b"C:\\x41",
        b"two\nlines",
        "Übung ☃".as_bytes(),
        b"z",
        b"\xff",
    ];
    let mut paths: Vec<PathBuf> = names.iter().map(|name| folder.join(raw(name))).collect();
    paths.push(folder.join("theme.lock/locked.txt"));
    paths.push(folder.join(raw(b"caf\xe9/menu")));
    for path in &paths {
        std::fs::create_dir_all(site.data().join(path).parent().unwrap()).unwrap();
        std::fs::write(site.data().join(path), path.as_os_str().as_bytes()).unwrap();
    }
    paths
}

#[test]
fn files_and_links_with_any_name_come_back() {
    let (site, repository, target) = (MemorySite::new(), repository(), tempfile::tempdir().unwrap());
    site.add(5, "content", b"content");
    let paths = odd_names(&site);
    let link = site.data().join("repository/course/link");
    symlink(raw(b"r\xe9sum\xe9.pdf"), &link).unwrap();
    let outcome = create(&repository, &site);
    assert_eq!((outcome.dataroot_files, outcome.left_out.as_slice()), (10, [].as_slice()));
    restored(&repository, target.path());
    for path in &paths {
        assert_eq!(std::fs::read(target.path().join(path)).unwrap(), path.as_os_str().as_bytes(), "{path:?}");
    }
    let led = std::fs::read_link(target.path().join("repository/course/link")).unwrap();
    assert_eq!(led, raw(b"r\xe9sum\xe9.pdf"));
    // What is as it was is not stored again, whatever its name.
    let again = create(&repository, &site);
    assert!(again.new_blobs <= 4, "{}", again.new_blobs);
}

#[test]
fn stock_restic_gives_files_the_same_names() {
    let program = std::env::var("RESTIC").unwrap_or_else(|_| "restic".to_owned());
    if Command::new(&program).arg("version").output().is_err() {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "restic isn't here");
        eprintln!("skipped: restic isn't here");
        return;
    }
    let (site, repository, target) = (MemorySite::new(), repository(), tempfile::tempdir().unwrap());
    site.add(5, "content", b"content");
    let paths = odd_names(&site);
    create(&repository, &site);
    let restic = |arguments: &[&OsStr]| {
        let done = Command::new(&program)
            .args(arguments)
            .args(["--no-cache", "--repo"])
            .arg(repository.folder.path())
            .env("RESTIC_PASSWORD", "correct horse")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(done.status.success(), "{said}");
    };
    restic(&["check", "--read-data"].map(OsStr::new));
    restic(&[OsStr::new("restore"), OsStr::new("latest"), OsStr::new("--target"), target.path().as_os_str()]);
    for path in &paths {
        let file = target.path().join("moodledata").join(path);
        assert_eq!(std::fs::read(file).unwrap(), path.as_os_str().as_bytes(), "{path:?}");
    }
}

#[test]
fn what_is_left_out_of_the_dataroot_is_told_and_kept_in_the_manifest() {
    let (site, repository) = (MemorySite::new(), repository());
    site.write("lang/de/langconfig.php", b"<?php");
    let _socket = std::os::unix::net::UnixListener::bind(site.data().join("lang/socket")).unwrap();
    let outcome = create(&repository, &site);
    let expected = ["lang/socket (no file, folder or link)"];
    assert_eq!(outcome.left_out, expected);
    let index = repository.index().unwrap();
    let facts = Opened::open(&repository, &index, sites::find(&repository, LATEST).unwrap())
        .unwrap()
        .manifest
        .dataroot
        .unwrap();
    assert_eq!((facts.files, facts.bytes, facts.left_out.as_slice()), (1, 5, expected.map(str::to_owned).as_slice()));
}

#[test]
fn a_repository_in_the_dataroot_is_not_backed_up_into_itself() {
    let site = MemorySite::new();
    let link = site.folder.path().join("link");
    symlink(site.data(), &link).unwrap();
    let store = Store::open(link.join("backup").to_str().unwrap()).unwrap();
    let repository = Repository::init(store, &NewKey::Passphrase("correct horse".into())).unwrap();
    site.add(5, "content", b"content");
    site.write("backup.txt", b"another");
    for _ in 0..2 {
        let outcome = create(&repository, &site);
        assert_eq!((outcome.dataroot_files, outcome.dataroot_bytes), (1, 7));
        assert_eq!(outcome.left_out, ["backup (the repository itself)"]);
    }
}

/// A site whose pool is in an object store.
fn moved_to_objects(site: &MemorySite, mode: PoolMode) -> Request {
    let objects = site.folder.path().join("objects");
    std::fs::rename(site.data().join("filedir"), &objects).unwrap();
    let mut request = Request { pool: mode, ..site.request() };
    request.site.object_pool = Some(objects.display().to_string());
    request
}

#[test]
fn contents_of_an_object_store_belong_to_whom_the_dataroot_belongs_with_moodles_modes() {
    let (site, repository) = (MemorySite::new(), repository());
    let hash = hex::encode(site.add(5, "content", b"content"));
    let mut request = moved_to_objects(&site, PoolMode::Value);
    request.site.directory_permissions = 0o2770;
    let changed = std::os::unix::fs::chown(site.data(), Some(33), Some(34)).is_ok();
    let owner = std::fs::metadata(site.data()).map(|data| (data.uid(), data.gid())).unwrap();
    assert!(!changed || owner == (33, 34));
    create::run_on(&repository, &request, &mut site.database(), &Silent).unwrap();
    let path = moodle_backup::site::pool::path(&hash);
    let mut at = "moodledata/filedir".to_owned();
    for part in ["", &path[..2], &path[3..5], &hash] {
        at = format!("{at}/{part}").trim_end_matches('/').to_owned();
        let node = node(&repository, &at).unwrap();
        assert_eq!((node.uid, node.gid), owner, "{at}");
        let bits = if part == hash { 0o660 } else { 1 << 31 | 1 << 22 | 0o770 };
        assert_eq!(node.mode, bits, "{at}");
    }
}

/// The site pushes a content to its object store, and removes it from its pool, in the moment in which a view is taken.
struct Pushing {
    database: Memory,
    from: PathBuf,
    to: PathBuf,
}

impl World for Pushing {
    type View = Box<dyn View>;

    fn now(&mut self) -> Result<Listing> {
        Ok(Listing::default())
    }

    fn view(&mut self) -> Result<(Box<dyn View>, Listing)> {
        let found = self.database.view()?;
        std::fs::create_dir_all(self.to.parent().unwrap()).unwrap();
        std::fs::rename(&self.from, &self.to).unwrap();
        Ok(found)
    }
}

impl Database for Pushing {
    fn identifier(&mut self) -> Result<String> {
        self.database.identifier()
    }
}

#[test]
fn a_content_that_is_pushed_to_the_object_store_during_the_run_is_referred_to() {
    let (site, repository) = (MemorySite::new(), repository());
    site.add(5, "early", b"early");
    let request = Request { rounds: 1, ..moved_to_objects(&site, PoolMode::Reference) };
    std::fs::create_dir(site.data().join("filedir")).unwrap();
    let late = site.add(5, "late", b"late");
    let mut database = Pushing {
        database: site.database(),
        from: place(&site.data(), "filedir", &late),
        to: place(site.folder.path(), "objects", &late),
    };
    let outcome = create::run_on(&repository, &request, &mut database, &Silent).unwrap();
    assert_eq!((outcome.pool.listed, outcome.pool.referenced), (2, 2));
}

/// A database with rows that can't be meant.
struct Odd(Memory);

impl World for Odd {
    type View = Box<dyn View>;

    fn now(&mut self) -> Result<Listing> {
        self.0.now()
    }

    fn view(&mut self) -> Result<(Box<dyn View>, Listing)> {
        let (view, mut listing) = self.0.view()?;
        listing.odd.push("no hash".to_owned());
        Ok((view, listing))
    }
}

impl Database for Odd {
    fn identifier(&mut self) -> Result<String> {
        self.0.identifier()
    }
}

#[test]
fn an_odd_hash_and_a_second_size_are_corrupt_contents_that_may_be_allowed() {
    let (site, repository) = (MemorySite::new(), repository());
    let hash = hex::encode(site.add(5, "content", b"content"));
    let wrong = { site.rows.lock().unwrap()[0].clone() };
    site.rows.lock().unwrap().push(support::site::Row { size: 70, name: "wrong".to_owned(), ..wrong });
    let run = |request: &Request| create::run_on(&repository, request, &mut Odd(site.database()), &Silent);
    let error = run(&site.request()).unwrap_err();
    assert_eq!(error.kind, Kind::Closure);
    for named in [format!("{hash} (corrupt: not 70 bytes with this hash)"), "\"no hash\" (corrupt".to_owned()] {
        assert!(error.what.contains(&named), "{error}");
    }
    let outcome = run(&Request { allow_missing: true, ..site.request() }).unwrap();
    assert_eq!((outcome.pool.listed, outcome.pool.copied), (3, 1));
    assert_eq!(outcome.pool.missing, [hash.clone(), "no hash".to_owned()]);
    assert!(node(&repository, &format!("moodledata/filedir/{}", moodle_backup::site::pool::path(&hash))).is_some());
    let request = verify::Request { closure: true, data: true, jobs: 2, ..verify::Request::default() };
    assert_eq!(verify::run(&repository, &request, &Silent).unwrap().problems, []);
}

#[test]
fn what_a_link_leads_to_outside_the_dataroot_is_told_and_the_link_is_kept() {
    let (site, repository) = (MemorySite::new(), repository());
    let volume = site.folder.path().join("volume");
    std::fs::create_dir(&volume).unwrap();
    std::fs::write(volume.join("langconfig.php"), "<?php").unwrap();
    symlink("../volume", site.data().join("lang")).unwrap();
    site.write("repository/course/file", b"file");
    symlink("course", site.data().join("repository/inside")).unwrap();
    symlink("gone", site.data().join("repository/nowhere")).unwrap();
    let outcome = create(&repository, &site);
    assert_eq!(outcome.left_out, ["lang (what its link ../volume leads to; the link itself is kept)"]);
    assert_eq!(node(&repository, "moodledata/lang").unwrap().linktarget.as_deref(), Some("../volume"));
}

/// Not a test: the backup by a user who may not read everything.
#[test]
fn the_backup_by_another_user() {
    let Ok(data) = std::env::var("MOODLE_BACKUP_TEST_DATA") else { return };
    let (site, repository) = (MemorySite::new(), repository());
    let mut request = site.request();
    request.site.dataroot = data.into();
    let error = create::run_on(&repository, &request, &mut site.database(), &Silent).unwrap_err();
    assert_eq!(error.kind, Kind::Site);
    assert!(error.what.contains("repository/secret") && error.fix.contains("--allow-unreadable"), "{error}");
    request.allow_unreadable = true;
    let outcome = create::run_on(&repository, &request, &mut site.database(), &Silent).unwrap();
    let why = |path: &str| format!("{path} (it can't be read)");
    assert_eq!(outcome.left_out, [why("repository/secret"), why("repository/secret.txt")]);
    assert_eq!(outcome.dataroot_files, 1);
    eprintln!("it is stored");
}

#[test]
fn what_cannot_be_read_ends_a_backup_unless_it_may_be_left_out_and_lost_and_found_is_never_read() {
    if !rustix::process::geteuid().is_root() {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "CI is root");
        eprintln!("skipped: only root can run a program as another user");
        return;
    }
    let site = MemorySite::new();
    site.write("lost+found/x", b"x");
    site.write("repository/secret/x", b"x");
    site.write("repository/secret.txt", b"x");
    site.write("repository/open.txt", b"x");
    let modes = [("lost+found", 0o700), ("repository/secret", 0o700), ("repository/secret.txt", 0o600)];
    for (path, mode) in modes {
        std::fs::set_permissions(site.data().join(path), std::fs::Permissions::from_mode(mode)).unwrap();
    }
    std::fs::set_permissions(site.folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let program = scratch.path().join("test");
    std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    std::fs::set_permissions(scratch.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    let done = Command::new(&program)
        .args(["--exact", "the_backup_by_another_user", "--nocapture", "--test-threads=1"])
        .env("MOODLE_BACKUP_TEST_DATA", site.data())
        .env("TMPDIR", scratch.path())
        .current_dir("/")
        .uid(65_534)
        .gid(65_534)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(said.contains("it is stored"), "{said}");
}
