//! Whole sites on real servers: backed up while they go on, and restored elsewhere.
//!
//! `MOODLE_BACKUP_ROUNDS` is the number of a storm's rounds on each server, `MOODLE_BACKUP_SEED` the first one's seed.
#![expect(clippy::unwrap_used, reason = "what can't be made fails the test")]

mod support;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use accel::hash::sha1;
use moodle_backup::create::{self, Request};
use moodle_backup::database::{self, OtherTables, RestoreOptions};
use moodle_backup::error::Kind;
use moodle_backup::progress::{Progress, Silent, Unit};
use moodle_backup::restore::{self, CourseOptions};
use moodle_backup::site::pool::PIECE_BYTES;
use moodle_backup::sites::{self, LATEST};
use moodle_backup::snapshot::Opened;
use moodle_backup::{diff, verify};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use support::server::{Database, TestServer, servers};
use support::site::{MemorySite, discard, place, put};
use support::{Temporary, repository};

/// A site with a real database.
struct RealSite {
    site: MemorySite,
    database: Database,
}

fn real_site(server: &TestServer) -> RealSite {
    let database = server.database("site");
    let id = if server.is_postgres() { "BIGSERIAL" } else { "BIGINT NOT NULL AUTO_INCREMENT" };
    let text = if server.is_postgres() { "TEXT" } else { "LONGTEXT" };
    database.run(&[
        &format!("CREATE TABLE mdl_config (id {id}, name VARCHAR(255) NOT NULL, value {text} NOT NULL, PRIMARY KEY (id))"),
        &format!(
            "CREATE TABLE mdl_config_plugins (id {id}, plugin VARCHAR(100) NOT NULL, name VARCHAR(100) NOT NULL, value {text} NOT NULL, PRIMARY KEY (id))"
        ),
        &format!(
            "CREATE TABLE mdl_context (id {id}, contextlevel BIGINT NOT NULL, instanceid BIGINT NOT NULL, path VARCHAR(255), PRIMARY KEY (id))"
        ),
        &format!(
            "CREATE TABLE mdl_files (id {id}, contenthash VARCHAR(40) NOT NULL, contextid BIGINT NOT NULL, component VARCHAR(100) NOT NULL, \
             filearea VARCHAR(50) NOT NULL, itemid BIGINT NOT NULL, filepath VARCHAR(255) NOT NULL, filename VARCHAR(255) NOT NULL, \
             filesize BIGINT NOT NULL, referencefileid BIGINT, PRIMARY KEY (id))"
        ),
        "CREATE INDEX mdl_file_con_ix ON mdl_files (contenthash)",
        &format!("CREATE TABLE mdl_log (id {id}, action VARCHAR(100) NOT NULL, info {text}, PRIMARY KEY (id))"),
        "INSERT INTO mdl_config (name, value) VALUES ('version', '2025100600.02'), ('release', '5.1+'), ('branch', '501'), \
         ('allversionshash', 'abc'), ('siteidentifier', 'an identifier')",
        "INSERT INTO mdl_config_plugins (plugin, name, value) VALUES ('mod_quiz', 'version', '2025100600')",
        "INSERT INTO mdl_context (id, contextlevel, instanceid, path) VALUES (1, 10, 0, '/1'), (5, 50, 7, '/1/5'), (6, 70, 3, '/1/5/6')",
    ]);
    RealSite { site: MemorySite::new(), database }
}

impl RealSite {
    fn request(&self) -> Request {
        let mut request = self.site.request();
        request.site.database = self.database.connection.clone();
        request
    }

    fn add(&self, run: &mut dyn FnMut(&str), name: &str, content: &[u8]) {
        let hash = *sha1(content).as_bytes();
        put(&self.site.data(), &hash, content);
        run(&format!(
            "INSERT INTO mdl_files (contenthash, contextid, component, filearea, itemid, filepath, filename, filesize) \
             VALUES ('{}', 6, 'mod_x', 'content', 0, '/', '{name}', {})",
            hex::encode(hash),
            content.len()
        ));
    }
}

fn to(database: &Database, folder: &Path) -> restore::Request {
    restore::Request {
        snapshot: "latest".to_owned(),
        database: Some(database.connection.clone()),
        folder: Some(folder.to_owned()),
        jobs: 2,
        ..restore::Request::default()
    }
}

/// What a database lists.
fn listed(database: &Database) -> BTreeSet<(String, u64)> {
    let rows = database.rows("SELECT DISTINCT contenthash, filesize FROM mdl_files");
    rows.into_iter().map(|row| (row[0].clone().unwrap(), row[1].as_ref().unwrap().parse().unwrap())).collect()
}

#[test]
fn a_whole_site_comes_back_on_either_server() {
    for server in servers() {
        let site = real_site(&server);
        for number in 0..60_u32 {
            let content = vec![number.to_le_bytes()[0]; 1 + 700 * number as usize];
            site.add(&mut |sql| site.database.run(&[sql]), &format!("file {number}"), &content);
        }
        site.add(&mut |sql| site.database.run(&[sql]), "empty", b"");
        let values: Vec<String> =
            (0..5000).map(|row| format!("('viewed', 'row {row} ☃ ''quoted'' \\ and\ttab')")).collect();
        site.database.run(&[&format!("INSERT INTO mdl_log (action, info) VALUES {}", values.join(", "))]);
        site.site.write("lang/de/langconfig.php", b"<?php");
        let repository = repository();
        let first = create::run(&repository, &site.request(), &Silent).unwrap();
        assert_eq!((first.pool.listed, first.tables, first.rows), (61, 5, 61 + 5000 + 5 + 1 + 3));

        let (target, folder) = (server.database("target"), tempfile::tempdir().unwrap());
        let tried = restore::Request { dry_run: true, ..to(&target, &folder.path().join("data")) };
        assert_eq!(restore::run(&repository, &tried, &Silent).unwrap().refused, [""; 0]);
        assert_eq!(target.tables(), [""; 0]);
        let restored = restore::run(&repository, &to(&target, &folder.path().join("data")), &Silent).unwrap();
        assert_eq!((restored.rows, restored.files), (first.rows, 61 + 1));
        assert_eq!(target.contents(), site.database.contents());
        assert_eq!(target.definitions(), site.database.definitions());
        for (hash, size) in listed(&target) {
            let hash: accel::hash::Sha1 = hash.parse().unwrap();
            let content = std::fs::read(place(&folder.path().join("data"), "filedir", hash.as_bytes())).unwrap();
            assert_eq!((sha1(&content), content.len() as u64), (hash, size));
        }

        let refused = restore::run(&repository, &to(&target, &folder.path().join("again")), &Silent).unwrap_err();
        assert_eq!(refused.kind, Kind::Refused);
        assert!(refused.what.contains("mdl_"), "{refused}");
        assert!(!folder.path().join("again").exists());
        let replacing = restore::Request { overwrite: true, ..to(&target, &folder.path().join("again")) };
        restore::run(&repository, &replacing, &Silent).unwrap();
        assert_eq!(target.contents(), site.database.contents());

        site.database.run(&["INSERT INTO mdl_log (action, info) VALUES ('new', NULL)"]);
        let second = create::run(&repository, &site.request(), &Silent).unwrap();
        assert_eq!((second.rows, second.pool.copied), (first.rows + 1, 0));
        let changes = diff::run(&repository, &first.snapshot, &second.snapshot).unwrap();
        let tables: Vec<_> = changes.tables.iter().map(|table| table.name.as_str()).collect();
        assert_eq!(tables, ["mdl_log"]);

        let scratch = server.database("scratch");
        let rehearsal = verify::Rehearsal { database: scratch.connection.clone(), code: None };
        let request = verify::Request {
            closure: true,
            data: true,
            rehearse: Some(rehearsal),
            site: Some(site.request().site),
            jobs: 2,
            ..verify::Request::default()
        };
        let outcome = verify::run(&repository, &request, &Silent).unwrap();
        assert_eq!(outcome.problems, []);
        assert_eq!((outcome.rows, outcome.listed_since), (Some(second.rows), Some(0)));
        assert_eq!(scratch.tables(), [""; 0]);

        let course = folder.path().join("course");
        let outcome = restore::course(&repository, "latest", 7, &course, CourseOptions::default(), &Silent).unwrap();
        assert_eq!(outcome.files, 61);
        assert_eq!(std::fs::read(course.join("6/mod_x/content/0/file 9")).unwrap(), vec![9; 6301]);
    }
}

/// Writes a config.php that names the database, a dataroot that isn't there yet, and a pool beside it.
fn config_php(folder: &Path, database: &Database, address: &str) {
    let Database { server, connection, .. } = database;
    let kind = if server.is_postgres() { "pgsql" } else { "mariadb" };
    let (host, port, name) = (&server.host, server.port, &connection.database);
    let (user, password) = (&server.user, &server.password);
    let (data, pool) = (folder.join("data"), folder.join("volume/pool"));
    let config = format!(
        "<?php\n$CFG->dbtype = '{kind}';\n$CFG->dbhost = '{host}';\n$CFG->dbname = '{name}';\n$CFG->dbuser = '{user}';\n\
         $CFG->dbpass = '{password}';\n$CFG->prefix = 'mdl_';\n$CFG->dboptions = ['dbport' => {port}];\n\
         $CFG->wwwroot = '{address}';\n$CFG->dataroot = '{}';\n$CFG->filedir = '{}';\n",
        data.display(),
        pool.display()
    );
    std::fs::write(folder.join("config.php"), config).unwrap();
}

/// Runs the program, and returns its exit code and its document.
fn run(server: &TestServer, repository: &Temporary, arguments: &[&str]) -> (Option<i32>, serde_json::Value) {
    let output = Command::new(env!("CARGO_BIN_EXE_moodle-backup"))
        .args(arguments)
        .args(["--json", "--repository"])
        .arg(repository.folder.path())
        .env("MOODLE_BACKUP_PASSPHRASE", "correct horse")
        .env("MOODLE_BACKUP_DB_PASSWORD", &server.password)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let document = serde_json::from_str(&said).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {said}"));
    (output.status.code(), document)
}

#[test]
fn a_site_whose_own_checks_fail_is_restored_and_says_so_by_its_exit_code() {
    if Command::new("php").arg("--version").output().is_err() {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "CI has php");
        eprintln!("skipped: there is no php");
        return;
    }
    for server in servers() {
        let (site, repository, folder) = (real_site(&server), repository(), tempfile::tempdir().unwrap());
        create::run(&repository, &site.request(), &Silent).unwrap();
        let (tree, target) = (folder.path(), server.database("target"));
        config_php(tree, &target, "https://a.example.org");
        std::fs::write(tree.join("version.php"), "<?php $version = 2025100600.02; $release = '5.1'; $branch = '501';")
            .unwrap();
        std::fs::create_dir_all(tree.join("admin/cli")).unwrap();
        let to_site = tree.to_str().unwrap();
        let (code, restored) = run(&server, &repository, &["restore", "--to-site", to_site]);
        assert_eq!(code, Some(0), "{restored}");
        assert!(restored["notes"].to_string().contains("has no admin/cli/checks.php"), "{restored}");
        for (ending, expected) in [(0, 0), (1, 0), (2, 20), (3, 20)] {
            let script = format!("<?php echo \"ends {ending}\\n\"; exit({ending});");
            std::fs::write(tree.join("admin/cli/checks.php"), script).unwrap();
            let (code, restored) = run(&server, &repository, &["restore", "--to-site", to_site, "--overwrite"]);
            assert_eq!(code, Some(expected), "{restored}");
            assert_eq!(restored["checks"]["output"].as_str(), Some(format!("ends {ending}").as_str()));
        }
        let scratch = server.database("scratch");
        config_php(tree, &scratch, "https://a.example.org");
        let kind = if server.is_postgres() { "pgsql" } else { "mariadb" };
        let to_db = format!("{kind}://{}@{}:{}/{}", server.user, server.host, server.port, scratch.connection.database);
        let (code, rehearsed) =
            run(&server, &repository, &["verify", "--rehearse", "--to-db", &to_db, "--code", to_site]);
        assert_eq!(code, Some(20), "{rehearsed}");
        assert_eq!(rehearsed["problems"][0]["kind"].as_str(), Some("checks"), "{rehearsed}");
    }
}

#[test]
fn over_a_site_goes_its_own_snapshot_and_another_sites_only_by_its_whole_id() {
    for server in servers() {
        let repository = repository();
        let ids = ["https://one.example.org", "https://two.example.org"].map(|address| {
            let site = real_site(&server);
            site.add(&mut |sql| site.database.run(&[sql]), "file", address.as_bytes());
            site.database.run(&[&format!("UPDATE mdl_config SET value = '{address}' WHERE name = 'siteidentifier'")]);
            let mut request = site.request();
            address.clone_into(&mut request.site.wwwroot);
            create::run(&repository, &request, &Silent).unwrap().snapshot
        });
        let (target, folder) = (server.database("target"), tempfile::tempdir().unwrap());
        config_php(folder.path(), &target, "https://one.example.org");
        let (to_site, database) = (folder.path().to_str().unwrap(), &target.connection.database);
        let kind = if server.is_postgres() { "pgsql" } else { "mariadb" };
        let to_db = format!("{kind}://{}@{}:{}/{database}", server.user, server.host, server.port);
        let restore = |arguments: &[&str]| run(&server, &repository, &[&["restore"], arguments].concat());
        let pool = |content: &str| place(&folder.path().join("volume"), "pool", sha1(content.as_bytes()).as_bytes());

        let (code, restored) = restore(&["--to-site", to_site]);
        assert_eq!((code, restored["snapshot"].as_str()), (Some(0), Some(ids[0].as_str())), "{restored}");
        assert_eq!(std::fs::read(pool("https://one.example.org")).unwrap(), b"https://one.example.org");
        assert!(!folder.path().join("data/filedir").exists());
        let before = target.contents();
        // As a killed restore of the other leaves it: that is loaded, and this site's tables are set aside.
        let index = repository.stored().unwrap().index;
        let opened = Opened::open(&repository, &index, repository.find(&ids[1]).unwrap()).unwrap();
        let (facts, dump) = (opened.manifest.database.as_ref().unwrap(), opened.dump().unwrap());
        let options = RestoreOptions { jobs: 2, overwrite: true, ..RestoreOptions::default() };
        drop(database::load(&target.connection, facts, &dump, options, &Silent).unwrap());
        let (code, refused) = restore(&["--of", "two.example.org", "--to-db", &to_db, "--overwrite"]);
        assert_eq!(code, Some(18), "{refused}");
        let (code, restored) = restore(&["--to-site", to_site, "--overwrite"]);
        assert_eq!((code, target.contents() == before), (Some(0), true), "{restored}");
        let other = ["--to-site", to_site, "--wwwroot", "https://two.example.org", "--overwrite"];
        assert_eq!(restore(&other).0, Some(2), "what config.php tells wins");
        assert_eq!(target.contents(), before);
        for arguments in [
            &[&ids[1][..8], "--to-site", to_site, "--overwrite"][..],
            &["--of", "two.example.org", "--to-site", to_site, "--overwrite"],
            &["--of", "two.example.org", "--to-db", &to_db, "--overwrite"],
        ] {
            let (code, refused) = restore(arguments);
            assert_eq!(code, Some(18), "{arguments:?}: {refused}");
            let fix = refused["error"]["fix"].as_str().unwrap();
            assert!(fix.contains(&ids[1]), "{arguments:?}: {refused}");
            assert_eq!(target.contents(), before, "{arguments:?}");
        }
        let (code, again) = restore(&["--to-site", to_site, "--overwrite"]);
        assert_eq!((code, again["snapshot"].as_str()), (Some(0), Some(ids[0].as_str())), "{again}");
        let (code, copied) = restore(&[&ids[1], "--to-site", to_site, "--overwrite"]);
        assert_eq!(code, Some(0), "{copied}");
        assert!(copied["notes"].to_string().contains("replace.php"), "{copied}");
        assert_ne!(target.contents(), before);
        assert!(pool("https://two.example.org").is_file());
        target.run(&["DELETE FROM mdl_config WHERE name = 'siteidentifier'"]);
        let (code, refused) = restore(&["--to-site", to_site, "--overwrite"]);
        assert_eq!(code, Some(18), "{refused}");
        assert!(refused["error"]["what"].as_str().unwrap().contains("it has no siteidentifier"), "{refused}");
    }
}

#[test]
fn a_site_that_became_a_copy_of_another_gets_its_own_latest_snapshot_and_so_does_the_other() {
    for server in servers() {
        let (repository, folder) = (repository(), tempfile::tempdir().unwrap());
        let (addresses, places) = (["https://live.example.org", "https://test.example.org"], ["live", "test", "new"]);
        let sites = [real_site(&server), real_site(&server)];
        let back_up = |site: &RealSite, address: &str| {
            let mut request = site.request();
            address.clone_into(&mut request.site.wwwroot);
            create::run(&repository, &request, &Silent).unwrap().snapshot
        };
        let new = server.database("new");
        let at = places.map(|name| folder.path().join(name).to_str().unwrap().to_owned());
        let databases = [&sites[0].database, &sites[1].database, &new];
        for (number, (path, database)) in at.iter().zip(databases).enumerate() {
            std::fs::create_dir(path).unwrap();
            config_php(Path::new(path), database, addresses[number.min(1)]);
        }
        sites[0].database.run(&["UPDATE mdl_config SET value = 'the live one' WHERE name = 'siteidentifier'"]);
        let [live, before] = [0, 1].map(|number| back_up(&sites[number], addresses[number]));
        let restore = |arguments: &[&str]| run(&server, &repository, &[&["restore"], arguments].concat());
        let over = |number: usize| restore(&["--to-site", &at[number], "--overwrite"]);
        assert_eq!(restore(&[&live, "--to-site", &at[1], "--overwrite"]).0, Some(0));
        let copy = back_up(&sites[1], addresses[1]);
        for (number, own) in [&live, &copy].into_iter().enumerate() {
            let (code, restored) = over(number);
            assert_eq!((code, restored["snapshot"].as_str()), (Some(0), Some(own.as_str())), "{restored}");
        }

        let (code, refused) = over(2);
        assert_eq!(code, Some(18), "{refused}");
        let (_, list) = run(&server, &repository, &["list"]);
        for one in list.as_array().unwrap().iter().filter(|one| one["id"] != live.as_str()) {
            let (id, of) = (one["id"].as_str().unwrap(), one["of"].as_str().unwrap());
            let what = refused["error"]["what"].as_str().unwrap();
            assert!([&before, &copy].iter().any(|own| *own == id), "{list}");
            assert!(what.contains(&format!("--of {of}, newest snapshot {id} of 2")), "{what}");
            let (code, restored) = restore(&["--of", &of[..4], "--to-site", &at[2], "--overwrite", "--dry-run"]);
            assert_eq!((code, restored["snapshot"].as_str()), (Some(0), Some(id)), "{restored}");
        }
        let (code, refused) = restore(&["--of", "live.example.org", "--to-site", &at[1], "--overwrite"]);
        assert_eq!(code, Some(18), "{refused}");
        let what = refused["error"]["what"].as_str().unwrap();
        assert!(
            what.contains("of https://live.example.org, and the target is the site https://test.example.org"),
            "{what}"
        );
    }
}

#[test]
fn a_database_without_a_siteidentifier_or_without_a_moodle_is_refused() {
    for server in servers() {
        let (site, repository) = (real_site(&server), repository());
        let refused = |salt: Option<&str>| {
            let mut request = site.request();
            request.site.salt = salt.map(Into::into);
            let error = create::run(&repository, &request, &Silent).unwrap_err();
            assert_eq!(error.kind, Kind::Database, "{error}");
            assert!(error.what.contains("siteidentifier"), "{error}");
        };
        site.database.run(&["UPDATE mdl_config SET value = '' WHERE name = 'siteidentifier'"]);
        refused(None);
        site.database.run(&["TRUNCATE TABLE mdl_config"]);
        refused(Some("salt and pepper"));
        let mut request = site.request();
        request.site.database.prefix = "m_".to_owned();
        let error = create::run(&repository, &request, &Silent).unwrap_err();
        assert_eq!(error.kind, Kind::Database, "{error}");
        let there = format!("{} has no table m_config: no Moodle", site.database.connection.database);
        assert!(error.what.contains(&there), "{error}");
        assert!(repository.snapshots().unwrap().is_empty());
    }
}

/// A content that makes its pack the largest.
fn noise() -> Vec<u8> {
    let mut bytes = vec![0; 100_000];
    StdRng::seed_from_u64(1).fill(&mut bytes[..]);
    bytes
}

/// Backs up once more, and removes what only the first snapshot stored: most of the dump, and the content.
fn lose_most(site: &RealSite, repository: &Temporary) {
    let packs = || -> BTreeSet<String> {
        repository.store().list("data").unwrap().into_iter().map(|entry| entry.path).collect()
    };
    let size = |path: &&String| repository.store().size(path).unwrap();
    let most = packs().iter().max_by_key(size).unwrap().clone();
    site.database.run(&["INSERT INTO mdl_log (action, info) VALUES ('new', NULL)"]);
    create::run(repository, &site.request(), &Silent).unwrap();
    repository.store().delete(&most).unwrap();
}

fn rehearsal(database: &Database) -> verify::Request {
    let rehearse = Some(verify::Rehearsal { database: database.connection.clone(), code: None });
    verify::Request { rehearse, jobs: 2, ..verify::Request::default() }
}

#[test]
fn a_rehearsal_clears_what_a_killed_one_left_and_what_fails_and_nothing_else() {
    for server in servers() {
        let (site, repository) = (real_site(&server), repository());
        site.add(&mut |sql| site.database.run(&[sql]), "file", &noise());
        create::run(&repository, &site.request(), &Silent).unwrap();
        let scratch = server.database("scratch");
        scratch.run(&["CREATE TABLE other (id bigint)"]);
        let index = repository.stored().unwrap().index;
        let opened = Opened::open(&repository, &index, sites::find(&repository, LATEST).unwrap()).unwrap();
        let (facts, dump) = (opened.manifest.database.as_ref().unwrap(), opened.dump().unwrap());
        let options = RestoreOptions { jobs: 2, ..RestoreOptions::default() };
        // As a killed one leaves it.
        drop(database::load(&scratch.connection, facts, &dump, options, &Silent).unwrap());
        assert!(scratch.tables().contains(&"mdl_files".to_owned()));
        let outcome = verify::run(&repository, &rehearsal(&scratch), &Silent).unwrap();
        assert_eq!((outcome.problems.len(), outcome.rows.is_some()), (0, true));
        assert_eq!(scratch.tables(), ["other"]);

        let mut connection = scratch.connection.clone();
        connection.prefix = "x_".to_owned();
        let rehearse = Some(verify::Rehearsal { database: connection, code: None });
        let error =
            verify::run(&repository, &verify::Request { rehearse, ..rehearsal(&scratch) }, &Silent).unwrap_err();
        assert_eq!(error.kind, Kind::Refused, "{error}");
        assert!(error.fix.contains("?prefix=mdl_"), "{}", error.fix);

        scratch.run(&["CREATE TABLE mdl_config (id bigint)", "INSERT INTO mdl_config VALUES (7)"]);
        let error = verify::run(&repository, &rehearsal(&scratch), &Silent).unwrap_err();
        assert_eq!(error.kind, Kind::Refused, "{error}");
        assert_eq!(scratch.rows("SELECT id FROM mdl_config"), [[Some("7".to_owned())]]);
        scratch.run(&["DROP TABLE mdl_config"]);

        lose_most(&site, &repository);
        let outcome = verify::run(&repository, &rehearsal(&scratch), &Silent).unwrap();
        assert_eq!(outcome.exit_code(), Kind::Damaged.exit_code());
        assert_eq!(scratch.tables(), ["other"]);
    }
}

#[test]
fn beside_another_sites_tables_goes_a_restore_that_is_told_to_keep_them() {
    for server in servers() {
        let (site, repository) = (real_site(&server), repository());
        create::run(&repository, &site.request(), &Silent).unwrap();
        let target = server.database("target");
        target.run(&["CREATE TABLE mdl_2_config (id bigint)"]);
        let restore = |arguments: &[&str]| {
            run(&server, &repository, &[&["restore", "--to-db", &address(&target)], arguments].concat())
        };
        for (arguments, advice) in
            [(&[][..], "--other-tables keep"), (&["--other-tables", "drop"], "add --overwrite, or say keep")]
        {
            let (code, refused) = restore(arguments);
            assert_eq!(code, Some(18), "{refused}");
            assert!(refused["error"]["fix"].as_str().unwrap().contains(advice), "{refused}");
            assert_eq!(target.tables(), ["mdl_2_config"]);
        }
        let (code, restored) = restore(&["--other-tables", "keep"]);
        assert_eq!((code, target.tables().len()), (Some(0), 1 + site.database.tables().len()), "{restored}");
    }
}

/// Does something when a phase begins.
struct When<'a>(&'a [&'a str], &'a (dyn Fn() + Sync));

impl Progress for When<'_> {
    fn phase(&self, name: &str, _total: u64, _unit: Unit) {
        if self.0.contains(&name) {
            self.1();
        }
    }

    fn advance(&self, _done: u64) {}

    fn note(&self, _text: &str) {}
}

#[test]
fn a_restore_that_fails_at_its_end_goes_on_when_it_is_run_again() {
    for server in servers() {
        let (site, repository, folder) = (real_site(&server), repository(), tempfile::tempdir().unwrap());
        site.add(&mut |sql| site.database.run(&[sql]), "file", b"content");
        create::run(&repository, &site.request(), &Silent).unwrap();
        let (target, config) = (server.database("target"), folder.path().join("config"));
        let wanted =
            restore::Request { config: Some(config.join("config.php")), ..to(&target, &folder.path().join("data")) };
        std::fs::create_dir(&config).unwrap();
        let breaks = When(&["files"], &|| std::fs::remove_dir_all(&config).unwrap());
        assert_eq!(restore::run(&repository, &wanted, &breaks).unwrap_err().kind, Kind::Local);
        assert_eq!(target.tables(), [""; 0]);
        std::fs::create_dir(&config).unwrap();
        restore::run(&repository, &wanted, &Silent).unwrap();
        assert_eq!(target.contents(), site.database.contents());
        assert!(config.join("config.php").is_file());
    }
}

#[test]
fn a_dry_run_says_that_a_restore_was_broken_off_and_leaves_it() {
    for server in servers() {
        let (site, repository) = (real_site(&server), repository());
        create::run(&repository, &site.request(), &Silent).unwrap();
        let target = server.database("target");
        let dry_run = || run(&server, &repository, &["restore", "--to-db", &address(&target), "--dry-run"]);
        let is_told = |(code, tried): (Option<i32>, serde_json::Value)| {
            assert_eq!(code, Some(0), "{tried}");
            tried["notes"].to_string().contains("was broken off")
        };
        assert!(!is_told(dry_run()));
        let index = repository.stored().unwrap().index;
        let opened = Opened::open(&repository, &index, sites::find(&repository, LATEST).unwrap()).unwrap();
        let (facts, dump) = (opened.manifest.database.as_ref().unwrap(), opened.dump().unwrap());
        let options = RestoreOptions { jobs: 2, ..RestoreOptions::default() };
        drop(database::load(&target.connection, facts, &dump, options, &Silent).unwrap());
        let left = target.contents();
        assert!(is_told(dry_run()));
        assert_eq!(target.contents(), left);
    }
}

#[test]
fn a_rehearsal_names_the_snapshot_whose_rows_differ_and_takes_no_failing_store_for_damage() {
    for server in servers() {
        let (site, repository) = (real_site(&server), repository());
        site.database.run(&["INSERT INTO mdl_log (action) VALUES ('viewed')"]);
        let id = create::run(&repository, &site.request(), &Silent).unwrap().snapshot;
        let scratch = server.database("scratch");
        let loaded: &[&str] = &["building indexes", "indexes"];
        let changes = || scratch.run(&["UPDATE mdl_log SET action = 'changed'"]);
        let outcome = verify::run(&repository, &rehearsal(&scratch), &When(loaded, &changes)).unwrap();
        let found: Vec<_> =
            outcome.problems.iter().map(|problem| (problem.what.as_str(), &problem.snapshots)).collect();
        assert_eq!(found, [("after a restore mdl_log has other rows", &vec![id])]);
        assert_eq!(scratch.tables(), [""; 0]);

        let fails = || {
            changes();
            for entry in repository.store().list("data").unwrap() {
                let path = repository.folder.path().join(entry.path);
                std::fs::remove_file(&path).unwrap();
                // It can't be followed, and so not be read.
                std::os::unix::fs::symlink(&path, &path).unwrap();
            }
        };
        let error = verify::run(&repository, &rehearsal(&scratch), &When(loaded, &fails)).unwrap_err();
        assert_eq!(error.kind, Kind::Store, "{error}");
        assert_eq!(scratch.tables(), [""; 0]);
    }
}

/// The address of a database, as `--to-db` has it.
fn address(database: &Database) -> String {
    let connection = &database.connection;
    let (kind, port) = (if database.server.is_postgres() { "pgsql" } else { "mariadb" }, database.server.port);
    format!("{kind}://{}@{}:{port}/{}", connection.user, connection.host, connection.database)
}

#[test]
fn a_restore_over_a_database_that_is_killed_again_and_again_ends_as_if_it_never_was() {
    for server in servers() {
        let (site, repository) = (real_site(&server), repository());
        let rows: Vec<String> = (0..20_000).map(|row| format!("('viewed', 'row {row}')")).collect();
        site.database.run(&[&format!("INSERT INTO mdl_log (action, info) VALUES {}", rows.join(", "))]);
        create::run(&repository, &site.request(), &Silent).unwrap();
        let target = server.database("target");
        target.run(&[
            "CREATE TABLE mdl_log (id bigint)",
            "CREATE TABLE mdl_old (id bigint)",
            "CREATE TABLE other (id bigint)",
        ]);
        let restore = || {
            let mut program = Command::new(env!("CARGO_BIN_EXE_moodle-backup"));
            program.args(["restore", "--quiet", "--overwrite", "--other-tables", "drop", "--jobs", "2"]);
            program.args(["--to-db", &address(&target), "--repository"]).arg(repository.folder.path());
            program.env("MOODLE_BACKUP_PASSPHRASE", "correct horse");
            program.env("MOODLE_BACKUP_DB_PASSWORD", &server.password);
            program
        };
        let begun = Instant::now();
        assert!(restore().status().unwrap().success());
        let whole = begun.elapsed();
        for part in [5, 7, 8, 9, 10, 11] {
            let mut killed = restore().spawn().unwrap();
            std::thread::sleep(whole * part / 12);
            killed.kill().unwrap();
            killed.wait().unwrap();
        }
        assert!(restore().status().unwrap().success());
        let mut contents = target.contents();
        assert!(contents.remove("other").is_some());
        assert_eq!(contents, site.database.contents());
    }
}

#[test]
fn a_database_that_can_not_be_filled_is_told_before_a_file_is_written() {
    for server in servers() {
        let (site, repository, folder) = (real_site(&server), repository(), tempfile::tempdir().unwrap());
        let content: Vec<u8> =
            (0..100_000_u32).map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()[3]).collect();
        site.add(&mut |sql| site.database.run(&[sql]), "file", &content);
        create::run(&repository, &site.request(), &Silent).unwrap();
        let (target, data) = (server.database("target"), folder.path().join("data"));
        let request = restore::Request { overwrite: true, ..to(&target, &data) };
        let mut wrong = target.connection.clone();
        (wrong.user, wrong.password) = ("nobody".to_owned(), "wrong".into());
        let wrong = restore::Request { database: Some(wrong), ..request.clone() };
        assert_eq!(restore::run(&repository, &wrong, &Silent).unwrap_err().kind, Kind::Database);
        assert!(!data.exists());

        target.run(&[
            "CREATE TABLE mdl_config (id bigint, name varchar(99), value varchar(99))",
            "CREATE TABLE mdl_new (id bigint)",
        ]);
        let error = restore::run(&repository, &request, &Silent).unwrap_err();
        assert_eq!(error.kind, Kind::Refused, "{error}");
        assert!(error.what.contains("mdl_new") && error.fix.contains("--other-tables"), "{error}");
        assert!(!data.exists());

        let request = restore::Request { other_tables: OtherTables::Drop, ..request };
        let looked = restore::Request { dry_run: true, ..request.clone() };
        let notes = restore::run(&repository, &looked, &Silent).unwrap().notes;
        assert!(notes.iter().any(|note| note.ends_with("would be dropped: mdl_new")), "{notes:?}");

        lose_most(&site, &repository);
        for request in
            [&restore::Request { folder: None, ..request.clone() }, &restore::Request { database: None, ..request }]
        {
            let error = restore::run(&repository, request, &Silent).unwrap_err();
            assert_eq!(error.kind, Kind::Damaged, "{error}");
            assert!(error.what.contains("isn't stored any more"), "{error}");
        }
        assert!(!data.exists());
        assert_eq!(target.tables(), ["mdl_config", "mdl_new"]);
    }
}

#[test]
fn a_dump_of_one_kind_of_server_is_refused_by_the_other() {
    let servers = servers();
    let [one, other] = servers.as_slice() else {
        return;
    };
    let (site, repository, folder) = (real_site(one), repository(), tempfile::tempdir().unwrap());
    create::run(&repository, &site.request(), &Silent).unwrap();
    let target = other.database("target");
    let error = restore::run(&repository, &to(&target, &folder.path().join("data")), &Silent).unwrap_err();
    assert_eq!(error.kind, Kind::Refused);
    assert!(error.what.contains("the same kind of server"), "{error}");
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().unwrap())
}

/// What the site's processes share.
struct Storm<'a> {
    site: &'a RealSite,
    /// Moodle itself can lose a content that is added in the very moment in which its last row goes; this keeps them
    /// apart, so that whatever is missing is the backup's fault.
    hands: Vec<Mutex<()>>,
    stop: AtomicBool,
    steps: AtomicU64,
}

/// A connection of one of the site's processes.
enum Client {
    Postgres(Box<postgres::Client>),
    MariaDb(Box<mysql::Conn>),
}

impl Client {
    fn new(database: &Database) -> Self {
        let name = &database.connection.database;
        if database.server.is_postgres() {
            Self::Postgres(Box::new(database.server.postgres(name)))
        } else {
            Self::MariaDb(Box::new(database.server.mariadb(name)))
        }
    }

    fn run(&mut self, sql: &str) {
        match self {
            Self::Postgres(client) => client.batch_execute(sql).unwrap(),
            Self::MariaDb(client) => mysql::prelude::Queryable::query_drop(client.as_mut(), sql).unwrap(),
        }
    }

    fn strings(&mut self, sql: &str) -> Vec<String> {
        match self {
            Self::Postgres(client) => client.query(sql, &[]).unwrap().iter().map(|row| row.get(0)).collect(),
            Self::MariaDb(client) => mysql::prelude::Queryable::query(client.as_mut(), sql).unwrap(),
        }
    }
}

/// Two of the first are of several pieces.
fn content_of(number: u64) -> Vec<u8> {
    let pieces = if number == 0 || number == 100 { PIECE_BYTES } else { 0 };
    let size = pieces + usize::try_from(number % 3_000).unwrap();
    [number.to_le_bytes().to_vec(), vec![number.to_le_bytes()[0]; size]].concat()
}

impl Storm<'_> {
    fn write(&self, mut random: StdRng, writer: u64) {
        let mut client = Client::new(&self.site.database);
        let mut next = 0;
        while !self.stop.load(Ordering::Relaxed) {
            next += 1;
            let fresh = 1_000_000 * (writer + 1) + next;
            let number = if random.random_bool(0.3) { random.random_range(0..200) } else { fresh };
            let content = content_of(number);
            let _hand = self.hands[usize::from(sha1(&content).as_bytes()[0])].lock().unwrap();
            self.site.add(&mut |sql| client.run(sql), &format!("{writer}-{next}"), &content);
            self.steps.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn delete(&self, mut random: StdRng) {
        let mut client = Client::new(&self.site.database);
        while !self.stop.load(Ordering::Relaxed) {
            let hashes = client.strings("SELECT DISTINCT contenthash FROM mdl_files");
            if hashes.len() < 50 {
                std::thread::yield_now();
                continue;
            }
            for _ in 0..20 {
                let hash = &hashes[random.random_range(0..hashes.len())];
                let bytes: [u8; 20] = hex::decode(hash).unwrap().try_into().unwrap();
                let _hand = self.hands[usize::from(bytes[0])].lock().unwrap();
                client.run(&format!("DELETE FROM mdl_files WHERE contenthash = '{hash}'"));
                if place(&self.site.site.data(), "filedir", &bytes).exists() {
                    discard(&self.site.site.data(), &bytes);
                }
                self.steps.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    fn purge(&self, mut random: StdRng) {
        while !self.stop.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(random.random_range(0..60)));
            // It may be filled while it is emptied.
            let _ = std::fs::remove_dir_all(self.site.site.data().join("trashdir"));
        }
    }
}

#[test]
fn in_a_storm_on_a_real_server_nothing_that_the_restored_database_lists_is_missing() {
    let first = number("MOODLE_BACKUP_SEED", u64::from(std::process::id()));
    let rounds = number("MOODLE_BACKUP_ROUNDS", 2);
    for server in servers() {
        let (mut views, mut most, mut usually, mut steps, mut contents) = (0, 0, 0, 0, 0);
        let repository = repository();
        for seed in first..first + rounds {
            eprintln!("MOODLE_BACKUP_SEED={seed} on {:?}", server.kind);
            let site = real_site(&server);
            let storm = Storm {
                site: &site,
                hands: (0..256).map(|_| Mutex::new(())).collect(),
                stop: AtomicBool::new(false),
                steps: AtomicU64::new(0),
            };
            let mut client = Client::new(&site.database);
            for number in 0..200_u64 {
                site.add(&mut |sql| client.run(sql), &format!("first {number}"), &content_of(number));
            }
            std::thread::scope(|scope| {
                let storm = &storm;
                let [one, two, three, four, five] = [0, 1, 2, 3, 4].map(|part| StdRng::seed_from_u64(seed * 16 + part));
                scope.spawn(move || storm.write(one, 0));
                scope.spawn(move || storm.write(two, 1));
                scope.spawn(move || storm.delete(three));
                scope.spawn(move || storm.delete(four));
                scope.spawn(move || storm.purge(five));
                // As many views as it takes, then no more than a user's run takes: the only other end is to say what is
                // missing.
                let outcomes = [1000, create::ROUNDS]
                    .map(|rounds| create::run(&repository, &Request { rounds, ..site.request() }, &Silent));
                storm.stop.store(true, Ordering::Relaxed);
                let [outcome, usual] = outcomes;
                let taken = outcome.unwrap().pool.views;
                (views, most) = (views + taken, most.max(taken));
                match usual {
                    Ok(_) => usually += 1,
                    Err(error) => assert_eq!(error.kind, Kind::Closure, "seed {seed}: {error}"),
                }
            });
            let (target, folder) = (server.database("target"), tempfile::tempdir().unwrap());
            restore::run(&repository, &to(&target, &folder.path().join("data")), &Silent).unwrap();
            let listed = listed(&target);
            let stored = |hash: &str, size: u64| {
                let hash: accel::hash::Sha1 = hash.parse().unwrap();
                let content = std::fs::read(place(&folder.path().join("data"), "filedir", hash.as_bytes()));
                content.is_ok_and(|content| content.len() as u64 == size && sha1(&content) == hash)
            };
            let missing = listed.iter().filter(|(hash, size)| !stored(hash, *size)).count();
            assert_eq!(missing, 0, "seed {seed}: of {} listed contents", listed.len());
            let index = repository.index().unwrap();
            let pool =
                Opened::open(&repository, &index, sites::find(&repository, LATEST).unwrap()).unwrap().pool().unwrap();
            assert_eq!(pool.len(), listed.len(), "seed {seed}: nothing is stored that isn't listed");
            steps += storm.steps.load(Ordering::Relaxed);
            contents += listed.len();
        }
        eprintln!(
            "{:?}: {rounds} rounds, {steps} steps, {views} views, at most {most} for a snapshot, {contents} listed: nothing \
             missing; with {} views {usually} of {rounds} runs made a snapshot, the others said what they lacked",
            server.kind,
            create::ROUNDS
        );
    }
}
