//! `moodle-backup restore`: a snapshot becomes a site again, here or elsewhere; or a course's files, or one file.

mod checks;
mod config;
mod course;
mod files;
mod marker;
mod stranger;

use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use secrecy::SecretString;
use serde::Serialize;

pub use self::checks::Checks;
pub(crate) use self::checks::{checks, is_of};
pub use self::course::{CourseOptions, CourseOutcome, course};
use self::files::{Size, Target};
use self::marker::Mark;
pub(crate) use self::marker::left_in;
use crate::database::{self, Connection, Foreseen, OtherTables, RestoreOptions};
use crate::error::{Error, Kind, Result};
use crate::manifest::{Held, Manifest};
use crate::progress::Progress;
use crate::repository::Repository;
use crate::site;
use crate::site::versions::{self, Versions};
use crate::sites;
use crate::snapshot::{Dump, Opened, lock_for_reading};

/// What is to be restored, and where.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// `latest`, or the start of a snapshot's id.
    pub snapshot: String,
    /// The database to fill; nothing: files only.
    pub database: Option<Connection>,
    /// The folder that becomes the dataroot; nothing: the database only.
    pub folder: Option<PathBuf>,
    /// The folder that becomes the pool; nothing: `filedir` in the dataroot.
    pub filedir: Option<PathBuf>,
    /// The address of the site that the targets belong to: a snapshot of another site's is refused, unless it is named by
    /// its whole id. Nothing: it isn't known.
    pub address: Option<String>,
    /// `$CFG->passwordsaltmain` of that site, which very old ones have.
    pub salt: Option<SecretString>,
    /// Where config.php goes; nothing: nowhere.
    pub config: Option<PathBuf>,
    /// The Moodle tree that will run on it: its version and plugins are compared, and its own checks are run.
    pub code: Option<PathBuf>,
    /// The new address in the restored config.php.
    pub wwwroot: Option<String>,
    /// What is in the targets may be replaced.
    pub overwrite: bool,
    /// What becomes of tables that the snapshot lacks.
    pub other_tables: OtherTables,
    /// Files that the repository hasn't got any more are left out and named; the database is whole or not at all.
    pub allow_missing: bool,
    /// Nothing is changed: only what would be done, and why not, is found out.
    pub dry_run: bool,
    /// How many threads and connections work.
    pub jobs: usize,
    /// How long another run is waited for; nothing: not at all.
    pub wait: Option<Duration>,
}

impl Request {
    fn options(&self) -> RestoreOptions {
        RestoreOptions { jobs: self.jobs, overwrite: self.overwrite, other_tables: self.other_tables }
    }
}

/// What was restored, or would be.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Outcome {
    /// The snapshot's id.
    pub snapshot: String,
    /// When the database was as it is now again.
    pub taken: jiff::Timestamp,
    /// Only looked at.
    pub dry_run: bool,
    /// Why it would be refused; always empty after a restore.
    pub refused: Vec<String>,
    /// How long it took.
    pub seconds: f64,
    /// Tables.
    pub tables: u64,
    /// Their rows.
    pub rows: u64,
    /// Files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files and folders that are left out, because the repository hasn't got them any more.
    pub missing: Vec<String>,
    /// Plugins that the database has and the tree lacks, or has in a lower version.
    pub plugin_gaps: Vec<String>,
    /// What is left to do.
    pub notes: Vec<String>,
    /// What Moodle's own checks said, where they were run.
    pub checks: Option<Checks>,
}

impl Outcome {
    fn add(&mut self, size: Size, missing: impl Iterator<Item = String>) {
        self.files += size.files;
        self.bytes += size.bytes;
        self.missing.extend(missing);
    }
}

/// What can be done about a target that isn't empty.
const OVERWRITE: &str = "--overwrite replaces what is in the targets";

/// Restores a snapshot.
///
/// # Errors
/// It is refused, damaged, or a target fails.
pub fn run(repository: &Repository, request: &Request, progress: &dyn Progress) -> Result<Outcome> {
    let begun = Instant::now();
    let _lock = lock_for_reading(repository, request.wait)?;
    let snapshot = stranger::snapshot(repository, request)?;
    let index = repository.stored()?.index;
    let opened = Opened::open(repository, &index, snapshot)?;
    let versions = request.code.as_deref().map(versions::read).transpose()?;
    let manifest = &opened.manifest;
    let mut outcome = Outcome {
        snapshot: opened.snapshot.id.clone(),
        taken: manifest.taken,
        dry_run: request.dry_run,
        plugin_gaps: versions.as_ref().map(|versions| plugin_gaps(manifest, versions)).unwrap_or_default(),
        notes: notes(&opened, request, versions.as_ref()),
        ..Outcome::default()
    };
    let id = &opened.snapshot.id;
    let database = request.database.as_ref().map(|connection| Ok((connection, opened.dump()?))).transpose()?;
    database.iter().try_for_each(|(_, dump)| dump.is_stored())?;
    let targets = targets(request);
    outcome.notes.extend(undone(request)?);
    let Foreseen { refusals: mut reasons, dropped } =
        foreseen(manifest, database.as_ref(), request, versions.as_ref())?;
    reasons.extend(stranger::refusal(&opened, request)?);
    reasons.extend(targets.iter().filter_map(|target| target.refusal(id, request.overwrite)));
    let mut planned = None;
    if let Some(path) = &request.config {
        match config::planned(&opened, request.wwwroot.as_deref()) {
            Ok(config) => {
                reasons.extend(config.refusal(path, request.overwrite));
                planned = Some((config, path));
            }
            Err(reason) if reason.kind == Kind::Refused => reasons.push(reason),
            Err(error) if error.kind == Kind::Damaged && request.allow_missing => {
                outcome.missing.push("config/config.php".to_owned());
            }
            Err(error) => return Err(error),
        }
    }
    let mut plans = Vec::new();
    for target in &targets {
        let (plan, obstacle) = target.plan(&opened, request.allow_missing)?;
        reasons.extend(obstacle);
        plans.push(plan);
    }
    if request.dry_run {
        for (target, plan) in targets.iter().zip(&plans) {
            outcome.add(plan.size, target.named(&plan.missing));
        }
        return Ok(looked(outcome, manifest, request, Foreseen { refusals: reasons, dropped }));
    }
    if let Some(reason) = reasons.first() {
        let all = if reasons.len() > 1 { "; `moodle-backup restore --dry-run` lists all reasons" } else { "" };
        return Err(Error::new(
            Kind::Refused,
            format!("the restore is refused: {}", reason.what),
            format!("{}{all}", reason.fix),
        ));
    }
    planned.iter().try_for_each(|(config, path)| config.can_be_put(path))?;
    let marks = targets.iter().map(|target| Mark::set(&target.folder, id)).collect::<Result<Vec<_>>>()?;
    for ((target, plan), mark) in targets.iter().zip(plans).zip(&marks) {
        let restored = plan.write(&opened, &target.folder, mark.resumed, progress)?;
        outcome.add(restored.size, target.named(&restored.missing));
    }
    marks.iter().try_for_each(Mark::sync)?;
    let loaded = match (&database, &manifest.database) {
        (Some((connection, dump)), Some(facts)) => {
            Some(database::load(connection, facts, dump, request.options(), progress)?)
        }
        _ => None,
    };
    // Whatever fails before the database is kept leaves it as it was: so the same restore can be run again.
    match (planned.map(|(config, path)| config.put(path)).transpose(), loaded) {
        (Err(error), Some(loaded)) => return Err(loaded.undone(error)),
        (Err(error), None) => return Err(error),
        (Ok(_), None) => {}
        (Ok(_), Some(loaded)) => {
            let restored = loaded.keep()?;
            outcome.tables = restored.tables.len() as u64;
            outcome.rows = restored.tables.values().sum();
        }
    }
    marks.into_iter().try_for_each(Mark::finish)?;
    if let (Some(code), Some(connection)) = (&request.code, &request.database) {
        let named = if is_of(code, connection) {
            checks(code)
        } else {
            Err(format!("the config.php in {} doesn't name the database that was restored", code.display()))
        };
        match named {
            Ok(checks) => outcome.checks = Some(checks),
            Err(reason) => outcome.notes.push(format!("Moodle's own checks were not run: {reason}")),
        }
    }
    outcome.seconds = begun.elapsed().as_secs_f64();
    Ok(outcome)
}

/// Ends a run that only looked: says what a restore would do, and why it would be refused.
fn looked(mut outcome: Outcome, manifest: &Manifest, request: &Request, foreseen: Foreseen) -> Outcome {
    outcome.refused = foreseen.refusals.into_iter().map(|reason| reason.what).collect();
    if let (Some(facts), Some(_)) = (&manifest.database, &request.database) {
        outcome.tables = facts.tables.len() as u64;
        outcome.rows = facts.tables.iter().map(|table| table.rows).sum();
    }
    if !foreseen.dropped.is_empty() {
        let names = foreseen.dropped.join(", ");
        outcome.notes.push(format!("tables that the snapshot lacks would be dropped: {names}"));
    }
    outcome
}

/// Undoes what a killed restore left in the database; a dry run only says it.
fn undone(request: &Request) -> Result<Option<String>> {
    let Some(connection) = &request.database else { return Ok(None) };
    if !request.dry_run {
        return database::undo(connection).map(|()| None);
    }
    Ok(database::is_loading(connection)?.then(|| {
        let database = &connection.database;
        format!(
            "a restore into the database {database} goes on or was broken off: what was there before is looked at here, and \
             put back by the next restore that is no dry run"
        )
    }))
}

/// Writes a content of the pool to what `open` opens once it is found, and returns that and the content's size; `wait` is
/// how long another run is waited for.
///
/// # Errors
/// The snapshot doesn't have it, it is damaged, or the output fails.
pub fn file<W: Write>(
    repository: &Repository,
    snapshot: &str,
    hash: &str,
    wait: Option<Duration>,
    open: impl FnOnce() -> Result<W>,
) -> Result<(W, u64)> {
    let hash: accel::hash::Sha1 = hash.to_ascii_lowercase().parse().map_err(|_| {
        Error::new(
            Kind::Usage,
            format!("{hash:?} is no content hash"),
            "give the 40 hexadecimal digits of `contenthash` in the table `files`",
        )
    })?;
    let _lock = lock_for_reading(repository, wait)?;
    let snapshot = sites::find(repository, snapshot)?;
    let index = repository.index()?;
    let opened = Opened::open(repository, &index, snapshot)?;
    let path = format!("moodledata/filedir/{}", site::pool::path(&hash.to_string()));
    let node = opened.node(&path)?.ok_or_else(|| {
        Error::new(
            Kind::Refused,
            format!("the snapshot {} has no content {hash}", opened.snapshot.id),
            "other snapshots may have it: `moodle-backup list` names them",
        )
    })?;
    let mut hasher = accel::hash::Hasher::new(accel::hash::Algorithm::Sha1);
    let mut output = open()?;
    for blob in &node.content {
        let bytes = opened.reader.blob(blob)?;
        hasher.update(&bytes);
        output.write_all(&bytes).map_err(|error| {
            Error::new(Kind::Local, "the content can't be written", "make room, or write elsewhere").because(error)
        })?;
    }
    if hasher.finish().as_bytes() != hash.as_bytes() {
        return Err(Error::new(Kind::Damaged, format!("{hash} is damaged in the snapshot"), "take another snapshot"));
    }
    Ok((output, node.size))
}

/// Returns the folders that files are written to: the pool first, which may lie in the dataroot, whose times come last.
fn targets(request: &Request) -> Vec<Target> {
    let Some(folder) = request.folder.clone() else { return Vec::new() };
    let filedir = request.filedir.clone().filter(|filedir| *filedir != folder.join("filedir"));
    let without = filedir.is_some().then_some("filedir");
    let pool = filedir.map(|folder| Target { folder, from: "moodledata/filedir", without: None });
    pool.into_iter().chain([Target { folder, from: "moodledata", without }]).collect()
}

/// Returns why a restore can't be right, as far as the files in the targets don't matter, and what it would drop.
fn foreseen(
    manifest: &Manifest,
    database: Option<&(&Connection, Dump<'_, '_>)>,
    request: &Request,
    versions: Option<&Versions>,
) -> Result<Foreseen> {
    let (mut reasons, mut dropped) = (Vec::new(), Vec::new());
    let site = &manifest.site;
    if let Some(versions) = versions
        && versions::is_lower(&versions.version, &site.database_version)
    {
        reasons.push(Error::refused(
            format!(
                "the code ({}, {}) is older than the database ({}, {}): Moodle can't go back",
                versions.release, versions.version, site.release, site.database_version
            ),
            "put the code of that release there, or a newer one",
        ));
    }
    if let Some((connection, dump)) = database {
        match &manifest.database {
            None => {
                reasons
                    .push(Error::refused("the snapshot has no database", "restore its files only: leave out --to-db"));
            }
            Some(facts) => {
                let of_database = database::foreseen(connection, facts, dump, request.options())?;
                reasons.extend(of_database.refusals);
                dropped = of_database.dropped;
            }
        }
    }
    if let Some(path) = &request.config {
        if path.is_dir() {
            reasons.push(Error::refused(format!("{} is a folder", path.display()), "name the file that it shall be"));
        }
        if path.parent().is_some_and(|folder| !folder.as_os_str().is_empty() && !folder.is_dir()) {
            reasons.push(Error::refused(format!("the folder of {} isn't there", path.display()), "make it"));
        }
    }
    Ok(Foreseen { refusals: reasons, dropped })
}

/// Returns plugins that the database has and the tree lacks, or has in a lower version.
fn plugin_gaps(manifest: &Manifest, versions: &Versions) -> Vec<String> {
    let gap = |(name, version): (&String, &String)| match versions.plugins.get(name) {
        None => Some(format!("{name}: the code doesn't have it (the database has {version})")),
        Some(code) if versions::is_lower(code, version) => {
            Some(format!("{name}: the code has {code}, the database {version}"))
        }
        Some(_) => None,
    };
    manifest.site.plugins.iter().filter_map(gap).collect()
}

fn notes(opened: &Opened<'_>, request: &Request, versions: Option<&Versions>) -> Vec<String> {
    let manifest = &opened.manifest;
    let mut notes = Vec::new();
    if let Some(versions) = versions
        && versions::is_lower(&manifest.site.database_version, &versions.version)
    {
        notes.push("the code is newer than the database: run `php admin/cli/upgrade.php`".to_owned());
    }
    let address = request.wwwroot.as_ref().or(request.address.as_ref());
    if let Some(wwwroot) = address.filter(|address| !sites::same_address(address, &manifest.site.wwwroot)) {
        notes.push(format!(
            "links within contents still say {}: `php public/admin/tool/replace/cli/replace.php --search={} --replace={wwwroot}`",
            manifest.site.wwwroot, manifest.site.wwwroot
        ));
    }
    if let Some(pool) = &manifest.pool {
        if let Held::Reference(location) = &pool.held {
            notes.push(format!("contents that are not in the snapshot stay in {location}"));
        }
        if !pool.missing.is_empty() {
            let count = pool.missing.len();
            notes.push(format!("contents that the site itself lacked when the snapshot was made: {count}"));
        }
    }
    if request.config.is_some() && (request.database.is_some() || request.folder.is_some()) {
        notes.push(format!(
            "the restored config.php still names the database and the dataroot ({}) of the site that was backed up: change \
             $CFG->db… and $CFG->dataroot before anything runs with it",
            manifest.site.dataroot
        ));
    }
    // Code that is there has a config.php of its own.
    if request.folder.is_some() && request.config.is_none() && request.code.is_none() {
        notes.push(format!(
            "config.php was not asked for: `moodle-backup cat {} config/config.php` shows it",
            opened.snapshot.id
        ));
    }
    notes
}
