//! Who is measured: the command lines of each, leg by leg, for those that are installed.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::dataset::{Content, path_of};
use super::{Request, Server, course};

/// A program with its legs: scripts for bash that know `$REPOSITORY` and `$TARGET`.
pub(crate) struct Contestant {
    pub(crate) name: &'static str,
    /// What makes its repository; not measured.
    pub(crate) prepare: Option<String>,
    pub(crate) legs: BTreeMap<&'static str, String>,
    pub(crate) environment: Vec<(&'static str, String)>,
}

/// Where a contestant writes in a round.
pub(crate) struct Place {
    pub(crate) repository: PathBuf,
    pub(crate) target: PathBuf,
}

impl Place {
    pub(crate) fn of(round: &Path, who: &str, leg: &str) -> Self {
        let name = who.replace(|letter: char| !letter.is_ascii_alphanumeric(), "-");
        Self {
            repository: round.join(format!("{name}.repository")),
            target: round.join(format!("{name}-{leg}.target")),
        }
    }
}

/// Returns those that back up the pool of `site`; `some` are the contents that belong to the course.
pub(crate) fn of_pool(request: &Request, site: &Path, some: &[Content]) -> Vec<Contestant> {
    let pool = quoted(&site.join("moodledata/filedir"));
    let passphrase = request.folder.join("passphrase").display().to_string();
    let dataroot = site.join("moodledata");
    let include = some.iter().fold(String::new(), |mut text, one| {
        let _ = write!(text, " --include {}", quoted(&path_of(&dataroot, one)));
        text
    });
    let inside = some.iter().fold(String::new(), |mut text, one| {
        let _ = write!(text, " {}", quoted(&path_of(Path::new(""), one)));
        text
    });
    let restic = "restic --quiet";
    let packed = format!("tar -C {pool} -cf - . | zstd -3 -q -f -o \"$REPOSITORY\"");
    let all = vec![
        ours(request, site, &format!("restore --to-dir \"$TARGET/moodledata\" {}", options(request))),
        Contestant {
            name: "restic",
            prepare: Some(format!("{restic} init")),
            legs: BTreeMap::from([
                ("first", format!("{restic} backup {pool}")),
                ("unchanged", format!("{restic} backup {pool}")),
                ("changed", format!("{restic} backup {pool}")),
                ("verify", format!("{restic} check --read-data")),
                ("restore", format!("{restic} restore latest --target \"$TARGET\"")),
                ("course", format!("{restic} restore latest --target \"$TARGET\"{include}")),
            ]),
            environment: vec![("RESTIC_PASSWORD_FILE", passphrase.clone())],
        },
        Contestant {
            name: "borg",
            prepare: Some("borg init --encryption=repokey \"$REPOSITORY\"".into()),
            legs: BTreeMap::from([
                ("first", format!("cd {pool}; borg create -C zstd,3 \"$REPOSITORY::first\" .")),
                ("unchanged", format!("cd {pool}; borg create -C zstd,3 \"$REPOSITORY::unchanged\" .")),
                ("changed", format!("cd {pool}; borg create -C zstd,3 \"$REPOSITORY::changed\" .")),
                ("verify", "borg check --verify-data \"$REPOSITORY\"".into()),
                ("restore", "cd \"$TARGET\"; borg extract \"$REPOSITORY::changed\"".into()),
                (
                    "course",
                    format!("cd \"$TARGET\"; borg extract \"$REPOSITORY::changed\" {}", inside.replace("filedir/", "")),
                ),
            ]),
            environment: vec![("BORG_PASSCOMMAND", format!("cat {}", quoted(Path::new(&passphrase))))],
        },
        Contestant {
            name: "tar|zstd",
            prepare: None,
            legs: BTreeMap::from([
                ("first", packed.clone()),
                ("unchanged", packed.clone()),
                ("changed", packed),
                ("verify", "zstd -q -t \"$REPOSITORY\"".into()),
                ("restore", "zstd -q -dc \"$REPOSITORY\" | tar -C \"$TARGET\" -xf -".into()),
            ]),
            environment: Vec::new(),
        },
    ];
    chosen(request, all, &[("restic", &["restic"]), ("borg", &["borg"]), ("tar|zstd", &["tar", "zstd"])])
}

/// Returns those that back up the database of `site`.
pub(crate) fn of_database(request: &Request, site: &Path, server: &Server) -> Vec<Contestant> {
    let twice = |script: String| [("first", script.clone()), ("unchanged", script)];
    let (host, port, user) = (&server.host, server.port, &server.user);
    let options_of_ours = options(request);
    if server.postgres() {
        let at = format!("-h {host} -p {port} -U {user}");
        let to = format!("pgsql://{user}@{host}:{port}/moodle_backup_bench2");
        let password = vec![("PGPASSWORD", server.password.clone())];
        let dump = format!("rm -rf \"$REPOSITORY\"; pg_dump {at} -Fd -j2 -f \"$REPOSITORY\" moodle_backup_bench");
        let load = format!("pg_restore {at} -j2 -d moodle_backup_bench2 \"$REPOSITORY\"");
        let mut us = ours(request, site, &format!("restore --to-db {to} {options_of_ours}"));
        us.environment.push(("MOODLE_BACKUP_DB_PASSWORD", server.password.clone()));
        let pg_dump = Contestant {
            name: "pg_dump",
            prepare: None,
            legs: twice(dump).into_iter().chain([("restore", load)]).collect(),
            environment: password,
        };
        return chosen(request, vec![us, pg_dump], &[("pg_dump", &["pg_dump", "pg_restore"])]);
    }
    let to = format!("mariadb://{user}@{host}:{port}/moodle_backup_bench2");
    let mut us = ours(request, site, &format!("restore --to-db {to} {options_of_ours}"));
    us.environment.push(("MOODLE_BACKUP_DB_PASSWORD", server.password.clone()));
    let file = request.folder.join("client.cnf");
    let written = format!(
        "[client]\nhost={host}\nport={port}\nuser={user}\npassword={0}\n[mydumper]\nhost={host}\nport={port}\nuser={user}\n\
         password={0}\n[myloader]\nhost={host}\nport={port}\nuser={user}\npassword={0}\n",
        server.password
    );
    fs::write(&file, written).ok();
    let file = quoted(&file);
    let dump = format!(
        "mariadb-dump --defaults-file={file} --single-transaction --quick moodle_backup_bench | zstd -3 -q -f -o \"$REPOSITORY\""
    );
    let load = format!("zstd -q -dc \"$REPOSITORY\" | mariadb --defaults-file={file} moodle_backup_bench2");
    let my_dump = format!("mydumper --defaults-file={file} -B moodle_backup_bench -t 2 -c -o \"$REPOSITORY\"");
    let my_load = format!("myloader --defaults-file={file} -B moodle_backup_bench2 -t 2 -d \"$REPOSITORY\"");
    let mariadb_dump = Contestant {
        name: "mariadb-dump|zstd",
        prepare: None,
        legs: twice(dump).into_iter().chain([("restore", load)]).collect(),
        environment: Vec::new(),
    };
    let mydumper = Contestant {
        name: "mydumper",
        prepare: None,
        legs: twice(format!("rm -rf \"$REPOSITORY\"; {my_dump}")).into_iter().chain([("restore", my_load)]).collect(),
        environment: Vec::new(),
    };
    let needs: [(&str, &[&str]); 2] =
        [("mariadb-dump|zstd", &["mariadb-dump", "zstd"]), ("mydumper", &["mydumper", "myloader"])];
    chosen(request, vec![us, mariadb_dump, mydumper], &needs)
}

fn options(request: &Request) -> String {
    format!("--json --repository \"$REPOSITORY\" --passphrase-file {}", quoted(&request.folder.join("passphrase")))
}

/// This program's legs for `site`; `restore` is what a restore says beside the program's name.
fn ours(request: &Request, site: &Path, restore: &str) -> Contestant {
    let (program, options) = (quoted(&request.program), options(request));
    let create = format!("{program} create --site {} {options}", quoted(site));
    Contestant {
        name: "moodle-backup",
        prepare: Some(format!("{program} init {options}")),
        legs: BTreeMap::from([
            ("first", create.clone()),
            ("unchanged", create.clone()),
            ("changed", create),
            ("verify", format!("{program} verify --data {options}")),
            ("restore", format!("{program} {restore}")),
            ("course", format!("{program} restore --course {} --to-dir \"$TARGET/course\" {options}", course())),
        ]),
        environment: Vec::new(),
    }
}

/// Returns those that `request` names and whose programs are installed.
fn chosen(request: &Request, all: Vec<Contestant>, needs: &[(&str, &[&str])]) -> Vec<Contestant> {
    let there = |program: &&str| {
        Command::new("sh")
            .args(["-c", "command -v \"$0\" >/dev/null", program])
            .status()
            .is_ok_and(|done| done.success())
    };
    let installed = |who: &Contestant| {
        needs.iter().filter(|(name, _)| *name == who.name).all(|(_, programs)| programs.iter().all(there))
    };
    let named = |who: &Contestant| request.only.is_empty() || request.only.iter().any(|part| who.name.contains(part));
    let mut found: Vec<_> = all.into_iter().filter(|who| named(who) && installed(who)).collect();
    for who in &mut found {
        if who.name == "restic" {
            // restic takes its repository from this variable alone.
            for script in who.legs.values_mut().chain(who.prepare.iter_mut()) {
                script
                    .insert_str(0, "export RESTIC_REPOSITORY=\"$REPOSITORY\" RESTIC_CACHE_DIR=\"$REPOSITORY.cache\"; ");
            }
        }
    }
    found
}

fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', "'\\''"))
}
