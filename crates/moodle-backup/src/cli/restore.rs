//! `moodle-backup restore`: a snapshot becomes a site again; or a course's files, or one file.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use moodle_backup::database::OtherTables;
use moodle_backup::error::{Error, Kind, Result};
use moodle_backup::restore::{self, CourseOptions, Request};
use moodle_backup::site::config_php::{self, Config};
use moodle_backup::site::{self, Site};
use moodle_backup::sites::{self, LATEST};
use serde_json::json;

use super::Context;
use super::address::{self, Target};
use super::report::{Report, bytes, checked, duration, many};

/// Restores a site, its database, its files, the files of a course, or one file.
#[derive(Args, Debug)]
pub(crate) struct Restore {
    /// `latest`, or the start of a snapshot's id.
    #[arg(default_value = LATEST)]
    snapshot: String,
    #[command(flatten)]
    target: Target,
    /// The folder that becomes the dataroot; of a course or a file, the folder that they are written to.
    #[arg(long, value_name = "DIR")]
    to_dir: Option<PathBuf>,
    /// Restore to where the config.php in this folder points: its database, its dataroot; its versions are compared.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["to_db", "to_dir", "code"])]
    to_site: Option<PathBuf>,
    /// Write the snapshot's config.php to this file.
    #[arg(long, value_name = "FILE")]
    to_config: Option<PathBuf>,
    /// The Moodle tree that will run on it: code that is older than the database is refused, plugins are compared, and
    /// at the end its own checks are run.
    #[arg(long, value_name = "DIR")]
    code: Option<PathBuf>,
    /// The new address of the site, which is rewritten only with this.
    #[arg(long, value_name = "URL", value_parser = address::website)]
    wwwroot: Option<String>,
    /// Replace what is in the targets.
    #[arg(long)]
    overwrite: bool,
    /// What becomes of tables with the prefix that the snapshot lacks, as another site's or a newer plugin's. Without it
    /// they are named, and nothing is restored.
    #[arg(long, value_name = "WHAT")]
    other_tables: Option<Others>,
    /// Leave out files that the repository hasn't got any more, and name them, instead of failing; never of the database.
    #[arg(long)]
    allow_missing: bool,
    /// Change nothing: show what would be restored, and why it would be refused.
    #[arg(long)]
    dry_run: bool,
    /// Restore only the files of this course.
    #[arg(long, value_name = "ID", value_parser = number, requires = "to_dir", conflicts_with_all = ["file", "to_db", "to_config", "wwwroot", "dry_run", "overwrite", "other_tables"])]
    course: Option<u64>,
    /// Restore only the content with this hash: to --to-dir, or to standard output.
    #[arg(long, value_name = "HASH", conflicts_with_all = ["to_db", "to_config", "wwwroot", "dry_run", "overwrite", "other_tables", "allow_missing"])]
    file: Option<String>,
}

/// What becomes of tables that the snapshot lacks.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Others {
    /// They stay.
    Keep,
    /// They are removed.
    Drop,
}

impl From<Others> for OtherTables {
    fn from(others: Others) -> Self {
        match others {
            Others::Keep => Self::Keep,
            Others::Drop => Self::Drop,
        }
    }
}

impl Restore {
    pub(crate) fn run(&self, context: &Context) -> Result<Report> {
        self.target.tls(self.to_site.as_ref())?;
        match (&self.course, &self.file, &self.to_dir) {
            (Some(course), _, Some(folder)) => self.course(context, *course, folder),
            (_, Some(hash), folder) => self.file(context, hash, folder.as_deref()),
            _ => self.site(context),
        }
    }

    fn site(&self, context: &Context) -> Result<Report> {
        let mut request = Request {
            snapshot: self.snapshot.clone(),
            database: self.target.connection()?,
            folder: self.to_dir.clone(),
            config: self.to_config.clone(),
            code: self.code.clone(),
            wwwroot: self.wwwroot.clone(),
            filedir: None,
            address: None,
            salt: None,
            overwrite: self.overwrite,
            other_tables: self.other_tables.map_or(OtherTables::Refuse, OtherTables::from),
            allow_missing: self.allow_missing,
            dry_run: self.dry_run,
            jobs: context.options.jobs(),
            wait: context.options.wait,
        };
        if let Some(dir) = &self.to_site {
            let config = config_php::read(dir).map_err(of_target)?;
            let wwwroot = self.address(&config)?;
            let options = site::Options {
                dir: Some(dir.clone()),
                wwwroot,
                tls: self.target.tls(Some(dir))?,
                ..site::Options::default()
            };
            let site = Site::planned(&options).map_err(of_target)?;
            request.database = Some(site.database);
            request.folder = Some(site.dataroot);
            request.filedir = Some(site.filedir);
            request.address = Some(site.wwwroot).filter(|address| !address.is_empty());
            request.salt = site.salt;
            request.code = site.code;
        }
        if self.wwwroot.is_some() && self.to_config.is_none() && self.to_site.is_none() {
            return Err(Error::new(
                Kind::Usage,
                "--wwwroot changes the restored config.php, and none is asked for",
                "add --to-config, or leave --wwwroot out",
            ));
        }
        if request.database.is_none() && request.folder.is_none() && request.config.is_none() {
            return Err(Error::new(
                Kind::Usage,
                "nothing says where to restore to",
                "give --to-db, --to-dir, --to-config or --to-site; a file or the files of a course: --file, --course",
            ));
        }
        let outcome = restore::run(&context.repository()?, &request, context.progress())?;
        let report = Report::new(&outcome, text(&outcome))
            .figure("files", outcome.files)
            .figure("bytes", outcome.bytes)
            .figure("database_rows", outcome.rows);
        let exit_code = if !outcome.refused.is_empty() {
            Kind::Refused.exit_code()
        } else if !outcome.missing.is_empty() {
            Kind::Closure.exit_code()
        } else if outcome.checks.as_ref().is_some_and(|checks| !checks.passed) {
            Kind::Checks.exit_code()
        } else {
            0
        };
        Ok(Report { exit_code, ..report })
    }

    /// Returns the address of the target: what its config.php tells, and only where it doesn't, the option.
    fn address(&self, config: &Config) -> Result<Option<String>> {
        let told = config.text("wwwroot", "--wwwroot");
        match (told, &self.wwwroot) {
            (Ok(Some(told)), Some(given)) if !sites::same_address(&told, given) => Err(Error::new(
                Kind::Usage,
                format!("--wwwroot is {given}, and {} says {told}", config.path.display()),
                "leave out --wwwroot, or correct that config.php",
            )),
            (Ok(Some(told)), _) => Ok(Some(told)),
            (_, Some(given)) => Ok(Some(given.clone())),
            (told, None) => told,
        }
    }

    fn course(&self, context: &Context, course: u64, folder: &Path) -> Result<Report> {
        let options = CourseOptions { allow_missing: self.allow_missing, wait: context.options.wait };
        let repository = context.repository()?;
        let outcome = restore::course(&repository, &self.snapshot, course, folder, options, context.progress())?;
        let mut lines: Vec<String> = outcome.missing.iter().map(|path| format!("missing: {path}")).collect();
        lines.extend(
            outcome.renamed.iter().map(|(path, name)| format!("renamed: {} is {}", name.display(), path.display())),
        );
        let (files, size) = (many(outcome.files, "file"), bytes(outcome.bytes));
        lines.push(format!("{files} of course {course}, {size}, in {}", folder.display()));
        let report =
            Report::new(&outcome, lines.join("\n")).figure("files", outcome.files).figure("bytes", outcome.bytes);
        Ok(Report { exit_code: if outcome.missing.is_empty() { 0 } else { Kind::Closure.exit_code() }, ..report })
    }

    fn file(&self, context: &Context, hash: &str, folder: Option<&Path>) -> Result<Report> {
        let (repository, wait) = (context.repository()?, context.options.wait);
        let Some(folder) = folder else {
            let output = || Ok(std::io::stdout().lock());
            let (mut output, _) = restore::file(&repository, &self.snapshot, hash, wait, output)?;
            output.flush().map_err(|error| failed("standard output").because(error))?;
            return Ok(Report::default());
        };
        let path = folder.join(hash);
        let name = path.display().to_string();
        let make = || {
            let made = std::fs::create_dir_all(folder).and_then(|()| tempfile::NamedTempFile::new_in(folder));
            made.map_err(|error| failed(&name).because(error))
        };
        let (file, size) = restore::file(&repository, &self.snapshot, hash, wait, make)?;
        file.persist(&path).map_err(|error| failed(&name).because(error.error))?;
        let report = Report::new(&json!({"path": path, "bytes": size}), format!("{name}, {}", bytes(size)));
        Ok(report.figure("files", 1).figure("bytes", size))
    }
}

/// Says what can be done about a config.php that doesn't tell the targets: a restore has no options for most of its parts.
fn of_target(mut error: Error) -> Error {
    if error.kind == Kind::Site && !error.fix.contains("--db-tls") {
        "--to-site takes the folder of a Moodle with a config.php that tells the targets without being run; or name them \
         by --to-db, --to-dir and --to-config"
            .clone_into(&mut error.fix);
    }
    error
}

fn number(text: &str) -> std::result::Result<u64, String> {
    text.parse().map_err(|_| "write the number in the course's address: course/view.php?id=…".to_owned())
}

fn failed(name: &str) -> Error {
    Error::new(Kind::Local, format!("{name} can't be written"), "give a folder with room that this user may write")
}

fn text(outcome: &restore::Outcome) -> String {
    let mut lines = Vec::new();
    lines.extend(outcome.plugin_gaps.iter().map(|gap| format!("plugin: {gap}")));
    lines.extend(outcome.notes.iter().map(|note| format!("note: {note}")));
    lines.extend(outcome.missing.iter().map(|path| format!("missing: {path}")));
    lines.extend(outcome.refused.iter().map(|reason| format!("refused: {reason}")));
    lines.extend(outcome.checks.as_ref().map(checked));
    lines.push(format!(
        "{} snapshot {} of {}: {}, {}, {}, {}{}",
        if outcome.dry_run { "would restore" } else { "restored" },
        outcome.snapshot,
        outcome.taken,
        many(outcome.tables, "table"),
        many(outcome.rows, "row"),
        many(outcome.files, "file"),
        bytes(outcome.bytes),
        if outcome.dry_run { String::new() } else { format!(" in {}", duration(outcome.seconds)) }
    ));
    lines.join("\n")
}
