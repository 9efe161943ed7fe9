//! The command line: arguments in, rendering out, one exit code. What commands do is in the library.

mod address;
mod bench;
mod cat;
mod completions;
mod create;
mod diff;
mod init;
mod interrupt;
mod key;
mod keys;
mod list;
mod logs;
mod metrics;
mod progress;
mod prune;
mod report;
mod restore;
mod show;
mod site_options;
mod verify;

use std::io::{self, Write as _};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::{Args, Parser, Subcommand};
use moodle_backup::error::{Error, Kind, Result};
use moodle_backup::progress::Progress;
use moodle_backup::repository::Repository;
use moodle_backup::sites;
use moodle_backup::store::Store;
use serde_json::{Value, json};

use self::interrupt::Interrupts;
use self::progress::Shown;
use self::report::Report;

const EXIT_CODES: &str = "\
Exit codes:
    0  done            12  wrong key             16  not all that the database lists is there
    2  usage           13  locked by another run 17  stored bytes are damaged
   10  site            14  store fails           18  restore refused
   11  repository      15  database fails        19  local file, no space
   20  Moodle's own checks of a restored site fail
  130  interrupted     101 a defect of this program";

/// Backs up a whole Moodle site while it runs, proves that nothing is missing, and brings it back: database, file pool
/// and configuration in one encrypted, deduplicated repository that stock restic reads, too.
#[derive(Debug, Parser)]
#[command(name = "moodle-backup", version, after_help = EXIT_CODES, disable_help_subcommand = true, max_term_width = 120)]
struct Arguments {
    #[command(flatten)]
    options: Options,
    #[command(subcommand)]
    command: Command,
}

/// The options that all commands have.
#[derive(Args, Clone, Debug)]
struct Options {
    /// The repository: a folder, `s3://BUCKET/PREFIX`, `gs://BUCKET/PREFIX` or `az://CONTAINER/PREFIX`.
    #[arg(long, short, global = true, value_name = "LOCATION", env = "MOODLE_BACKUP_REPOSITORY")]
    repository: Option<String>,
    #[command(flatten)]
    key: key::Sources,
    #[command(flatten)]
    output: Output,
    /// Wait so long for another run that holds the lock, as 90s or 1h30m.
    #[arg(long, global = true, value_name = "DURATION", value_parser = wait, help_heading = None)]
    wait: Option<Duration>,
    /// Only snapshots of this site, by its address or its first digits, as `list` shows them.
    #[arg(long, global = true, value_name = "SITE", help_heading = None)]
    of: Option<String>,
    /// How many threads and connections work.
    #[arg(long, short, global = true, value_name = "N")]
    jobs: Option<NonZeroUsize>,
}

/// The options that say how a command tells what it does.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Output")]
struct Output {
    /// Write one JSON document to standard output.
    #[arg(long, global = true)]
    json: bool,
    /// Write nothing but errors.
    #[arg(long, short, global = true)]
    quiet: bool,
    /// Write what happens to standard error as a log; `MOODLE_BACKUP_LOG=debug` has more of it.
    #[arg(long, global = true, value_name = "FORMAT")]
    log_format: Option<logs::Format>,
    /// Put figures of the run into this file for Prometheus' `node_exporter`, also after a failure.
    #[arg(long, global = true, value_name = "FILE.prom", env = "MOODLE_BACKUP_METRICS_FILE")]
    metrics_file: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Init(init::Init),
    Key(keys::Keys),
    Create(Box<create::Create>),
    List(list::List),
    Show(show::Show),
    Verify(verify::Verify),
    Restore(Box<restore::Restore>),
    Diff(diff::Diff),
    Prune(prune::Prune),
    Cat(cat::Cat),
    Bench(bench::Bench),
    Completions(completions::Completions),
}

impl Command {
    fn name(&self) -> &'static str {
        match self {
            Self::Init(_) => "init",
            Self::Key(_) => "key",
            Self::Create(_) => "create",
            Self::List(_) => "list",
            Self::Show(_) => "show",
            Self::Verify(_) => "verify",
            Self::Restore(_) => "restore",
            Self::Diff(_) => "diff",
            Self::Prune(_) => "prune",
            Self::Cat(_) => "cat",
            Self::Bench(_) => "bench",
            Self::Completions(_) => "completions",
        }
    }

    /// Whether it is about snapshots that are there, of which a site's may be chosen.
    fn chooses(&self) -> bool {
        !matches!(self, Self::Init(_) | Self::Key(_) | Self::Create(_) | Self::Bench(_) | Self::Completions(_))
    }

    fn run(&self, context: &Context) -> Result<Report> {
        if context.options.of.is_some() && !self.chooses() {
            let what = format!("--of has no meaning for `{}`", self.name());
            return Err(Error::new(Kind::Usage, what, "leave it out: it chooses among snapshots that are there"));
        }
        match self {
            Self::Init(command) => command.run(context),
            Self::Key(command) => command.run(context),
            Self::Create(command) => command.run(context),
            Self::List(command) => command.run(context),
            Self::Show(command) => command.run(context),
            Self::Verify(command) => command.run(context),
            Self::Restore(command) => command.run(context),
            Self::Diff(command) => command.run(context),
            Self::Prune(command) => command.run(context),
            Self::Cat(command) => command.run(context),
            Self::Bench(command) => command.run(context),
            Self::Completions(command) => command.run(),
        }
    }
}

impl Options {
    fn jobs(&self) -> usize {
        let cores = || thread::available_parallelism().map_or(2, NonZeroUsize::get);
        self.jobs.map_or_else(cores, NonZeroUsize::get)
    }
}

/// What a command works with.
struct Context {
    options: Options,
    progress: Shown,
    /// The repository that is open: its locks are released when the run is interrupted.
    open: OnceLock<Repository>,
}

impl Context {
    fn progress(&self) -> &dyn Progress {
        &self.progress
    }

    fn location(&self) -> Result<&str> {
        self.options.repository.as_deref().filter(|location| !location.is_empty()).ok_or_else(|| {
            Error::new(Kind::Usage, "no repository is named", "give --repository, or set MOODLE_BACKUP_REPOSITORY")
        })
    }

    fn repository(&self) -> Result<Repository> {
        let repository = Repository::open(Store::existing(self.location()?)?, &self.options.key.open()?)?;
        let repository = self.open.get_or_init(|| repository).clone();
        Ok(match &self.options.of {
            Some(site) => repository.only(&sites::named(&repository, site)?.tag),
            None => repository,
        })
    }
}

/// Runs the program.
pub(crate) fn main() -> ExitCode {
    let Arguments { options, command } = Arguments::try_parse().unwrap_or_else(|error| {
        if error.use_stderr() && std::env::args_os().any(|argument| argument == "--json") {
            let words = error.render().to_string();
            let what = words.trim_start_matches("error: ").split("\n\n").next().unwrap_or_default();
            let error = Error::new(Kind::Usage, what, "moodle-backup --help says what can be given");
            write(format!("{:#}\n", report::failure(&error)).as_bytes()).ok();
        }
        error.exit()
    });
    let begun = Instant::now();
    let output = options.output.clone();
    let progress = Shown::new(output.quiet, output.log_format.is_some());
    logs::begin(output.log_format, output.quiet, progress.bar());
    let name = command.name();
    let context = Arc::new(Context { options, progress, open: OnceLock::new() });
    let mut ended = run(command, &context);
    if let (Ok(Report { document: Value::Object(document), .. }), Some(open)) = (&mut ended, context.open.get()) {
        document.insert("requests".to_owned(), json!(open.store().requests()));
    }
    context.progress.finish();
    let exit_code = match &ended {
        Ok(report) => show(report, &output),
        Err(error) => fail(error, &output),
    };
    if let Some(path) = &output.metrics_file {
        let run = metrics::Run {
            command: name,
            ended: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64().floor()),
            seconds: begun.elapsed().as_secs_f64(),
            exit_code,
            figures: ended.as_ref().map(|report| report.figures.as_slice()).unwrap_or_default(),
        };
        if let Err(error) = metrics::write(path, &run) {
            // What the run did is done, and an alert on the last success sees that nothing is told of it.
            fail(&error, &Output { json: false, ..output });
        }
    }
    ExitCode::from(exit_code)
}

/// Runs a command in a thread of its own, so that signals end it from outside, whatever it waits for.
fn run(command: Command, context: &Arc<Context>) -> Result<Report> {
    let interrupts = Interrupts::catch()?;
    let ended = interrupts.ended();
    let inside = Arc::clone(context);
    let again = match command {
        Command::Create(_) => "run it again: what is stored already is not stored again",
        Command::Restore(_) => {
            "run it again: where a database was being filled, its old tables are set aside, and it begins by putting \
             them back; files that are there stay"
        }
        _ => "run it again",
    };
    let worker = thread::spawn(move || {
        let _ended = ended;
        command.run(&inside)
    });
    match interrupts.wait() {
        interrupt::Event::Ended => worker.join().unwrap_or_else(|_| {
            release_locks(context);
            Err(Error::new(Kind::Fault, "the program has a fault, which is told above", "report it as a bug"))
        }),
        interrupt::Event::Signal(name) => {
            context.progress.finish();
            release_locks(context);
            Err(Error::new(Kind::Interrupted, format!("stopped by {name}"), again))
        }
    }
}

fn release_locks(context: &Context) {
    if let Some(repository) = context.open.get() {
        repository.release_locks();
    }
}

/// Shows how a command ended, and returns the exit code.
fn show(report: &Report, output: &Output) -> u8 {
    let written = if output.json && !report.document.is_null() {
        write(format!("{:#}\n", report.document).as_bytes())
    } else if !output.json && !output.quiet && !report.text.is_empty() {
        write(format!("{}\n", report.text).as_bytes())
    } else {
        Ok(())
    };
    match written {
        Ok(()) => report.exit_code,
        Err(error) => fail(&error, &Output { json: false, ..output.clone() }),
    }
}

/// Shows an error, and returns its exit code.
fn fail(error: &Error, output: &Output) -> u8 {
    if output.json {
        write(format!("{:#}\n", report::failure(error)).as_bytes()).ok();
    }
    let mut screen = io::stderr().lock();
    let _ = writeln!(screen, "error: {error}");
    if !error.fix.is_empty() {
        let _ = writeln!(screen, "  {}", error.fix);
    }
    error.kind.exit_code()
}

/// Writes to standard output; a reader that has gone, as `head` does, is no error.
fn write(bytes: &[u8]) -> Result<()> {
    let mut output = io::stdout().lock();
    match output.write_all(bytes).and_then(|()| output.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::new(Kind::Local, "standard output can't be written", "").because(error))
        }
        _ => Ok(()),
    }
}

fn wait(text: &str) -> std::result::Result<Duration, String> {
    let duration: jiff::SignedDuration = text.parse().map_err(|_| "write a duration as 90s or 1h30m".to_owned())?;
    Duration::try_from(duration).map_err(|_| "a negative duration can't be waited for".to_owned())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "what can't be made fails the test")]

    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_definition_of_the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_duration_to_wait_is_written_as_people_write_it() {
        assert_eq!(wait("1h30m"), Ok(Duration::from_mins(90)));
        assert_eq!(wait("90s"), Ok(Duration::from_secs(90)));
        assert!(wait("-5s").is_err() && wait("soon").is_err());
    }

    #[test]
    fn every_command_is_named_as_it_is_typed() {
        let commands = Arguments::command();
        let typed: Vec<&str> = commands.get_subcommands().map(clap::Command::get_name).collect();
        for name in typed {
            let arguments: &[&str] = match name {
                "diff" | "cat" => &["a"],
                "completions" => &["bash"],
                "key" => &["list"],
                "bench" => &["--folder", "a"],
                _ => &[],
            };
            let line = [&["moodle-backup", name], arguments].concat();
            let parsed = Arguments::try_parse_from(line).unwrap();
            assert_eq!(parsed.command.name(), name);
        }
    }

    #[test]
    fn every_command_option_variable_and_exit_code_is_described() {
        let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/backup.md")).unwrap();
        let commands = Arguments::command();
        let mut missing = Vec::new();
        for command in std::iter::once(&commands).chain(commands.get_subcommands()) {
            let heading = format!("### `moodle-backup {}`", command.get_name());
            let section = match page.split_once(&heading) {
                Some((_, rest)) => rest.split("\n### ").next().unwrap_or_default(),
                None if command.get_name() == "moodle-backup" => page.as_str(),
                None => {
                    missing.push(heading);
                    continue;
                }
            };
            let below: Vec<_> = command.get_subcommands().filter(|_| command.get_name() != "moodle-backup").collect();
            let typed = below.iter().map(|below| format!("`{} {}", command.get_name(), below.get_name()));
            missing.extend(typed.filter(|typed| !section.contains(typed)));
            let arguments = command.get_arguments().chain(below.into_iter().flat_map(clap::Command::get_arguments));
            for argument in arguments.filter(|argument| !["help", "version"].contains(&argument.get_id().as_str())) {
                let option = argument.get_long().map(|name| format!("`--{name}"));
                let variable = argument.get_env().map(|name| format!("`{}`", name.display()));
                let lacking = [option, variable].into_iter().flatten().filter(|text| !section.contains(text.as_str()));
                missing.extend(lacking.map(|text| format!("{} {text}", command.get_name())));
            }
        }
        let codes = EXIT_CODES.split_whitespace().filter(|word| word.parse::<u8>().is_ok());
        missing.extend(codes.map(|code| format!("| {code} |")).filter(|row| !page.contains(row.as_str())));
        assert_eq!(missing, Vec::<String>::new());
    }
}
