//! `moodle-backup bench`: this program beside restic, borg, tar and the databases' dumps, on the same site in one run.
//!
//! Every leg is a command line of a whole program, run in turn with those of the others, `rounds` times; what is shown is
//! the median. The databases' servers are those that tests use: `MOODLE_BACKUP_MARIADB`, `MOODLE_BACKUP_POSTGRES`.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "sizes and times are measured and drawn by chance: nobody sees their last digits"
)]

mod contestants;
pub mod dataset;
mod measure;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use mysql::prelude::Queryable as _;
use serde::Serialize;

pub use measure::Usage;

use crate::error::{Error, Kind, Result};
use crate::progress::{Progress, Unit};
use contestants::{Contestant, Place};
use dataset::{COURSE, Content, Size};

/// New files of the leg `changed`, as a part of all.
const CHANGED: f64 = 0.002;
/// Rows of the table `files` that one statement inserts.
const BATCH: usize = 2000;

/// What is measured.
#[derive(Clone, Debug)]
pub struct Request {
    /// How large the site is.
    pub size: Size,
    /// How often each leg is run.
    pub rounds: usize,
    /// Where everything is made: its disk is measured. The folder must not be there, and is removed afterwards.
    pub folder: PathBuf,
    /// This program.
    pub program: PathBuf,
    /// Parts of contestants' names; none: all.
    pub only: Vec<String>,
    /// Parts of parts' names; none: all.
    pub parts: Vec<String>,
}

/// What a contestant took for a leg.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// `mariadb`, `postgresql`; `pool` for the files, whose site has its small database in the first server.
    pub part: String,
    /// `first`, `unchanged`, `changed`, `verify`, `restore`, `course`.
    pub leg: String,
    /// Who.
    pub who: String,
    /// Each round.
    pub rounds: Vec<Usage>,
    /// Bytes that are stored after the last round's leg.
    pub stored: u64,
    /// Requests to the store, where it says how many.
    pub requests: Option<u64>,
}

impl Row {
    /// Returns the medians over the rounds.
    #[must_use]
    pub fn median(&self) -> Usage {
        let of = |field: fn(&Usage) -> f64| {
            let mut all: Vec<_> = self.rounds.iter().map(field).collect();
            all.sort_by(f64::total_cmp);
            all.get(all.len() / 2).copied().unwrap_or_default()
        };
        Usage { wall: of(|one| one.wall), cpu: of(|one| one.cpu), peak: of(|one| one.peak as f64) as u64 }
    }
}

/// Measures all; the servers are those of the environment.
///
/// # Errors
/// There is no server, the folder is there already, or a contestant fails.
pub fn run(request: &Request, progress: &dyn Progress) -> Result<Vec<Row>> {
    let all = servers()?;
    fs::create_dir(&request.folder).map_err(|error| {
        let what = format!("{} can't be made", request.folder.display());
        Error::new(Kind::Local, what, "name a folder that isn't there yet, on the disk to be measured").because(error)
    })?;
    let mut rows = Rows::default();
    let measured = all.iter().enumerate().try_for_each(|(number, server)| {
        let wanted =
            |part: &str| request.parts.is_empty() || request.parts.iter().any(|one| part.contains(one.as_str()));
        if number == 0 && wanted("pool") {
            pool(request, server, progress, &mut rows)?;
        }
        if wanted(server.part) { database(request, server, progress, &mut rows) } else { Ok(()) }
    });
    for server in &all {
        server.run(&["DROP DATABASE IF EXISTS moodle_backup_bench".into()], "").ok();
    }
    fs::remove_dir_all(&request.folder).ok();
    measured.map(|()| rows.0.into_values().collect())
}

#[derive(Default)]
struct Rows(BTreeMap<(String, usize, String), Row>);

const LEGS: [&str; 6] = ["first", "unchanged", "changed", "verify", "restore", "course"];

impl Rows {
    fn add(&mut self, part: &str, leg: &str, who: &Contestant, place: &Place, usage: Usage, output: &str) {
        let order = LEGS.iter().position(|one| *one == leg).unwrap_or(LEGS.len());
        let row = self.0.entry((part.into(), order, who.name.into())).or_insert_with(|| Row {
            part: part.into(),
            leg: leg.into(),
            who: who.name.into(),
            rounds: Vec::new(),
            stored: 0,
            requests: None,
        });
        row.rounds.push(usage);
        row.stored = weight(&place.repository);
        let said: serde_json::Value = serde_json::from_str(output).unwrap_or_default();
        row.requests = said.get("requests").and_then(serde_json::Value::as_object).map(|counts| {
            ["puts", "gets", "lists", "deletes"].iter().filter_map(|name| counts.get(*name)?.as_u64()).sum()
        });
    }
}

/// Returns the bytes of all files below `folder`, or of the one file.
fn weight(folder: &Path) -> u64 {
    let Ok(found) = fs::symlink_metadata(folder) else { return 0 };
    if found.is_file() {
        return found.len();
    }
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| weight(&entry.path())).sum()
}

/// The legs of the pool: its site has a database with a small log.
fn pool(request: &Request, server: &Server, progress: &dyn Progress, rows: &mut Rows) -> Result<()> {
    let size = request.size;
    let root = site(request, server, "pool")?;
    make_database(server, Size { rows: 1000, tables: 10, ..size })?;
    let mut contents = dataset::write_pool(&root.join("moodledata"), size, 0, size.files, progress)?;
    list(server, &contents, 0)?;
    let who = contestants::of_pool(request, &root, &contents[1..101.min(contents.len())]);
    for round in 0..request.rounds {
        let folder = round_folder(request);
        let mut order: Vec<_> = who.iter().collect();
        let shift = round % order.len().max(1);
        order.rotate_left(shift);
        for leg in LEGS {
            if leg == "changed" {
                let more = ((size.files as f64 * CHANGED) as u64).max(1);
                let before = contents.len() as u64;
                let new = dataset::write_pool(&root.join("moodledata"), size, before, more, progress)?;
                list(server, &new, 2 * before)?;
                contents.extend(new);
            }
            progress.phase(&format!("pool, round {}: {leg}", round + 1), order.len() as u64, Unit::Files);
            for one in &order {
                measure_leg(&folder, "pool", leg, one, rows)?;
                progress.advance(1);
            }
        }
        fs::remove_dir_all(&folder).ok();
    }
    fs::remove_dir_all(&root).ok();
    Ok(())
}

/// The legs of a database, whose site has no files.
fn database(request: &Request, server: &Server, progress: &dyn Progress, rows: &mut Rows) -> Result<()> {
    let root = site(request, server, server.part)?;
    make_database(server, request.size)?;
    let who = contestants::of_database(request, &root, server);
    for round in 0..request.rounds {
        let folder = round_folder(request);
        for leg in ["first", "unchanged", "restore"] {
            progress.phase(&format!("{}, round {}: {leg}", server.part, round + 1), who.len() as u64, Unit::Files);
            for one in &who {
                if leg == "restore" {
                    server.run(
                        &[
                            "DROP DATABASE IF EXISTS moodle_backup_bench2".into(),
                            "CREATE DATABASE moodle_backup_bench2".into(),
                        ],
                        "",
                    )?;
                }
                measure_leg(&folder, server.part, leg, one, rows)?;
                progress.advance(1);
            }
        }
        fs::remove_dir_all(&folder).ok();
    }
    server.run(&["DROP DATABASE IF EXISTS moodle_backup_bench2".into()], "").ok();
    fs::remove_dir_all(&root).ok();
    Ok(())
}

/// Returns where a round writes. It is removed after the round: file systems take long to make files soon after others
/// were removed, and that would be counted as the next leg's.
fn round_folder(request: &Request) -> PathBuf {
    request.folder.join("round")
}

fn measure_leg(folder: &Path, part: &str, leg: &str, who: &Contestant, rows: &mut Rows) -> Result<()> {
    let Some(script) = who.legs.get(leg) else { return Ok(()) };
    let place = Place::of(folder, who.name, leg);
    fs::create_dir_all(&place.target)
        .map_err(|error| Error::new(Kind::Local, "a folder can't be made", "").because(error))?;
    if let (Some(prepare), "first") = (&who.prepare, leg) {
        measure::measured(&mut command(prepare, &place, who))?;
    }
    let (usage, output) = measure::measured(&mut command(script, &place, who))?;
    rows.add(part, leg, who, &place, usage, &output);
    Ok(())
}

fn command(script: &str, place: &Place, who: &Contestant) -> Command {
    let mut command = Command::new("bash");
    command.args(["-o", "errexit", "-o", "pipefail", "-c", script]);
    command.env("REPOSITORY", &place.repository).env("TARGET", &place.target);
    command.envs(who.environment.iter().map(|(name, value)| (name, value)));
    command
}

/// Makes the site's folders: `config.php`, an empty pool, and a passphrase.
fn site(request: &Request, server: &Server, name: &str) -> Result<PathBuf> {
    let site = request.folder.join(name);
    let failed = |error: std::io::Error| Error::new(Kind::Local, "the site can't be made", "").because(error);
    fs::create_dir_all(site.join("moodledata/filedir")).map_err(failed)?;
    fs::write(request.folder.join("passphrase"), "bench\n").map_err(failed)?;
    fs::write(
        site.join("version.php"),
        "<?php\n$version = 2025100600.02;\n$release = '5.1+ (Build: 20251017)';\n$branch = '501';\n",
    )
    .map_err(failed)?;
    let config = format!(
        "<?php\nunset($CFG);\nglobal $CFG;\n$CFG = new stdClass();\n$CFG->dbtype = '{}';\n$CFG->dbhost = '{}';\n\
         $CFG->dbname = 'moodle_backup_bench';\n$CFG->dbuser = '{}';\n$CFG->dbpass = '{}';\n$CFG->prefix = 'mdl_';\n\
         $CFG->dboptions = ['dbport' => {}];\n$CFG->wwwroot = 'https://bench.example';\n$CFG->dataroot = '{}';\n",
        if server.postgres() { "pgsql" } else { "mariadb" },
        server.host,
        server.user,
        server.password,
        server.port,
        site.join("moodledata").display(),
    );
    fs::write(site.join("config.php"), config).map_err(failed)?;
    Ok(site)
}

fn make_database(server: &Server, size: Size) -> Result<()> {
    server.run(
        &["DROP DATABASE IF EXISTS moodle_backup_bench".into(), "CREATE DATABASE moodle_backup_bench".into()],
        "",
    )?;
    server.run(&dataset::tables(size, server.postgres()), "moodle_backup_bench")
}

fn list(server: &Server, contents: &[Content], before: u64) -> Result<()> {
    let statements: Vec<_> = contents
        .chunks(BATCH)
        .enumerate()
        .map(|(number, chunk)| dataset::listing(chunk, before + (2 * number * BATCH) as u64))
        .collect();
    server.run(&statements, "moodle_backup_bench")
}

/// A server that the environment names.
struct Server {
    part: &'static str,
    host: String,
    port: u16,
    user: String,
    password: String,
}

impl Server {
    fn postgres(&self) -> bool {
        self.part == "postgresql"
    }

    fn run(&self, statements: &[String], database: &str) -> Result<()> {
        let failed = |error: Box<dyn std::error::Error + Send + Sync>| {
            Error::new(Kind::Database, format!("{} refuses", self.part), "see whether it runs").because(error)
        };
        if self.postgres() {
            let mut client = postgres::Config::new()
                .host(&self.host)
                .port(self.port)
                .user(&self.user)
                .password(&self.password)
                .dbname(if database.is_empty() { "postgres" } else { database })
                .connect(postgres::NoTls)
                .map_err(|error| failed(error.into()))?;
            statements.iter().try_for_each(|one| client.batch_execute(one)).map_err(|error| failed(error.into()))
        } else {
            let options = mysql::OptsBuilder::new()
                .ip_or_hostname(Some(&self.host))
                .tcp_port(self.port)
                .user(Some(&self.user))
                .pass(Some(&self.password))
                .db_name((!database.is_empty()).then_some(database));
            let mut client = mysql::Conn::new(options).map_err(|error| failed(error.into()))?;
            statements.iter().try_for_each(|one| client.query_drop(one)).map_err(|error| failed(error.into()))
        }
    }
}

fn servers() -> Result<Vec<Server>> {
    let mut found = Vec::new();
    for (part, variable) in [("mariadb", "MOODLE_BACKUP_MARIADB"), ("postgresql", "MOODLE_BACKUP_POSTGRES")] {
        let Ok(text) = std::env::var(variable) else { continue };
        let wrong =
            || Error::new(Kind::Usage, format!("{variable} is no address"), "write mysql://USER:PASSWORD@HOST:PORT");
        let address = url::Url::parse(&text).map_err(|_| wrong())?;
        found.push(Server {
            part,
            host: address.host_str().ok_or_else(wrong)?.into(),
            port: address.port().ok_or_else(wrong)?,
            user: address.username().into(),
            password: address.password().unwrap_or_default().into(),
        });
    }
    if found.is_empty() {
        let fix =
            "set MOODLE_BACKUP_MARIADB=mysql://USER:PASSWORD@HOST:PORT, MOODLE_BACKUP_POSTGRES=postgres://…, or both";
        return Err(Error::new(Kind::Usage, "there is no server whose database could be measured", fix));
    }
    Ok(found)
}

/// The course that is restored alone, as text.
fn course() -> String {
    COURSE.to_string()
}
