//! The commands that README.md and docs/backup.md show, run as they stand there, on a site of each database.
#![expect(clippy::unwrap_used, reason = "what can't be made fails the test")]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use accel::hash::sha1;
use moodle_backup::bench::dataset::{self, Size};
use moodle_backup::progress::Silent;
use support::server::{Database, TestServer, servers};

/// The documents, and the comment above their commands.
const DOCUMENTS: [&str; 2] = ["README.md", "docs/backup.md"];
const NOTE: &str = "<!-- tested by: crates/moodle-backup/tests/documents.rs -->";
const DAMAGE: &str = "\n## After damage\n";

const SIZE: Size = Size { files: 60, bytes: 400_000, rows: 500, tables: 8, seed: 7 };

/// Returns the lines that begin with `$ ` in the first block of this test below a heading.
fn commands(document: &str, heading: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(document);
    let text = fs::read_to_string(path).unwrap();
    let (_, section) = text.split_once(heading).unwrap_or_else(|| panic!("{document} has no heading {heading:?}"));
    let (_, below) = section.split_once(NOTE).unwrap_or_else(|| panic!("{document} has no block of this test"));
    let block = below.split("```").nth(1).unwrap();
    block.lines().filter_map(|line| line.strip_prefix("$ ")).map(str::to_owned).collect()
}

/// A Moodle as far as a backup sees it: a tree and a config.php, whose dataroot isn't there yet.
fn site(folder: &Path, database: &Database) {
    let (server, data) = (&database.server, folder.with_extension("data"));
    fs::create_dir_all(folder.join("admin/cli")).unwrap();
    let version = "<?php\n$version = 2025100600.02;\n$release = '5.1+ (Build: 20251017)';\n$branch = '501';\n";
    fs::write(folder.join("version.php"), version).unwrap();
    let config = format!(
        "<?php\nunset($CFG);\nglobal $CFG;\n$CFG = new stdClass();\n$CFG->dbtype = '{}';\n$CFG->dbhost = '{}';\n\
         $CFG->dbname = '{}';\n$CFG->dbuser = '{}';\n$CFG->dbpass = '{}';\n$CFG->prefix = 'mdl_';\n\
         $CFG->dboptions = ['dbport' => {}];\n$CFG->wwwroot = 'https://moodle.example.org';\n\
         $CFG->dataroot = '{}';\nrequire_once(__DIR__ . '/lib/setup.php');\n",
        if server.is_postgres() { "pgsql" } else { "mariadb" },
        server.host,
        database.connection.database,
        server.user,
        server.password,
        server.port,
        data.display(),
    );
    fs::write(folder.join("config.php"), config).unwrap();
}

fn filled(folder: &Path, server: &TestServer) -> Database {
    let database = server.database("documented");
    site(folder, &database);
    let tables = dataset::tables(SIZE, server.is_postgres());
    database.run(&tables.iter().map(String::as_str).collect::<Vec<_>>());
    let data = folder.with_extension("data");
    let contents = dataset::write_pool(&data, SIZE, 0, SIZE.files, &Silent).unwrap();
    database.run(&[&dataset::listing(&contents, 0)]);
    fs::create_dir_all(data.join("lang/de")).unwrap();
    fs::write(data.join("lang/de/langconfig.php"), "<?php").unwrap();
    database
}

/// Every file below a folder with the SHA-1 of its content.
fn files(folder: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut rest = vec![folder.to_owned()];
    while let Some(path) = rest.pop() {
        for entry in fs::read_dir(path).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                rest.push(path);
            } else {
                found
                    .insert(path.strip_prefix(folder).unwrap().to_owned(), sha1(&fs::read(&path).unwrap()).to_string());
            }
        }
    }
    found
}

#[test]
fn a_backup_and_a_restore_are_the_lines_that_the_documents_show() {
    for server in servers() {
        for document in DOCUMENTS {
            let folder = tempfile::tempdir().unwrap();
            let (from, to) = (folder.path().join("moodle"), folder.path().join("restored"));
            let database = filled(&from, &server);
            let target = server.database("restored");
            site(&to, &target);
            let places = [
                ("/srv/backup", folder.path().join("backup")),
                ("/etc/moodle-backup.key", folder.path().join("key")),
                ("/var/www/moodle", from.clone()),
                ("/var/www/restored", to.clone()),
            ];
            let lines = commands(document, "");
            assert_eq!(lines.len(), 5, "{document}: {lines:?}");
            let script = places.iter().fold(lines.join("\n"), |script, (place, path)| {
                assert!(script.contains(place), "{document} no longer names {place}");
                script.replace(place, path.to_str().unwrap())
            });
            let program = Path::new(env!("CARGO_BIN_EXE_moodle-backup")).parent().unwrap();
            let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
            let done = Command::new("sh")
                .args(["-euc", &script])
                .env("PATH", path)
                .env_remove("MOODLE_BACKUP_PASSPHRASE")
                .stdin(Stdio::null())
                .output()
                .unwrap();
            let said = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
            assert!(done.status.success(), "{document}: {said}");
            assert!(said.contains("nothing is wrong"), "{document}: {said}");
            assert_eq!(files(&to.with_extension("data")), files(&from.with_extension("data")), "{document}");
            assert_eq!(target.definitions(), database.definitions(), "{document}");
            assert_eq!(target.contents(), database.contents(), "{document}");
        }
    }
}

/// Runs a line of a document on a repository; returns its exit code and what it said.
fn ran(line: &str, folder: &Path) -> (i32, String) {
    let program = Path::new(env!("CARGO_BIN_EXE_moodle-backup")).parent().unwrap();
    let done = Command::new("sh")
        .args(["-euc", line])
        .env("PATH", format!("{}:{}", program.display(), std::env::var("PATH").unwrap()))
        .env("MOODLE_BACKUP_REPOSITORY", folder.join("backup"))
        .env("MOODLE_BACKUP_KEY_FILE", folder.join("key"))
        .env_remove("MOODLE_BACKUP_PASSPHRASE")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    (done.status.code().unwrap(), said)
}

#[test]
fn after_damage_a_repository_is_sound_again_by_the_lines_that_the_document_shows() {
    for server in servers() {
        let folder = tempfile::tempdir().unwrap();
        let from = folder.path().join("moodle");
        let _database = filled(&from, &server);
        let backup = folder.path().join("backup");
        let real = |line: &str| {
            let line = line.replace("/srv/backup", backup.to_str().unwrap());
            line.replace("/var/www/moodle", from.to_str().unwrap())
        };
        let run = |line: &str| ran(&real(line), folder.path());
        assert_eq!(run("moodle-backup init && moodle-backup create --site /var/www/moodle").0, 0);
        let packs: Vec<PathBuf> = files(&backup.join("data")).into_keys().collect();
        for pack in packs.iter().map(|pack| backup.join("data").join(pack)) {
            let mut bytes = fs::read(&pack).unwrap();
            for byte in &mut bytes {
                *byte ^= 1;
            }
            fs::write(&pack, bytes).unwrap();
        }

        let lines = commands("docs/backup.md", DAMAGE);
        let [verify, repair, create, again, drop, last] = lines.as_slice() else { panic!("{lines:?}") };
        let (code, said) = run(verify);
        assert_eq!(code, 17, "{said}");
        for pack in packs.iter().map(|pack| format!("data/{}", pack.display())) {
            assert!(said.contains(&pack), "{pack}: {said}");
        }
        let (code, said) = run(repair);
        assert!(code == 17 && said.contains("damaged packs are given up"), "{said}");
        assert_eq!(run("moodle-backup verify").0, 17);
        let (code, said) = run(create);
        assert_eq!(code, 0, "{said}");
        let (code, said) = run(again);
        assert_eq!(code, 17, "the first snapshot's own manifest is lost: {said}");
        let (code, pruned) = run("moodle-backup prune --keep-last 9");
        assert!(code == 17 && pruned.contains("nothing is removed"), "{pruned}");
        let (code, said) = run(&drop.replace('…', said.split("(snapshot ").nth(1).unwrap().split(')').next().unwrap()));
        assert_eq!(code, 0, "{said}");
        let (code, said) = run(last);
        assert!(code == 0 && said.contains("nothing is wrong"), "{said}");
    }
}
