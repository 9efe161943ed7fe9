//! Figures of runs in a file that Prometheus' `node_exporter` collects (`--collector.textfile.directory`).
//!
//! Each command has its own samples in the file: what other commands left there stays, and a run that fails leaves the
//! time of the last success alone, which is what an alert looks at.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use moodle_backup::error::{Error, Kind, Result};

const PREFIX: &str = "moodle_backup_";

/// The figures that each run has, and what they are.
const LAST_RUN: (&str, &str) = ("last_run_timestamp_seconds", "When the command last ended, however it ended.");
const LAST_SUCCESS: (&str, &str) = ("last_success_timestamp_seconds", "When the command last ended with exit code 0.");
const EXIT_CODE: (&str, &str) = ("last_exit_code", "The exit code of the last run.");
const DURATION: (&str, &str) = ("last_duration_seconds", "How long the last run took.");

/// What the figures of commands are.
const HELP: [(&str, &str); 13] = [
    ("new_bytes", "Bytes that were not in the repository before."),
    ("stored_bytes", "Bytes that the run stored, compressed and encrypted."),
    ("pool_files", "Contents of the pool that the database lists."),
    ("pool_bytes", "Their bytes."),
    ("copied_files", "Contents of the pool that the run copied."),
    ("missing_files", "Contents that the database lists and the site lacks."),
    (
        "left_out_files",
        "Files and folders of the dataroot that are not in the snapshot, without those that Moodle makes again.",
    ),
    ("lost_packs", "Packs that the repository had lost, and of which the site's part was stored again."),
    ("database_rows", "Rows of the database."),
    ("files", "Files that were written."),
    ("bytes", "Bytes that were read or written."),
    ("removed_bytes", "Bytes that a prune removed."),
    ("problems", "What a verification found."),
];

/// A run that has ended.
#[derive(Debug)]
pub(crate) struct Run<'a> {
    /// `create`, `verify` …
    pub(crate) command: &'a str,
    /// Seconds since 1970.
    pub(crate) ended: f64,
    pub(crate) seconds: f64,
    pub(crate) exit_code: u8,
    /// As [`super::report::Report::figures`].
    pub(crate) figures: &'a [(&'static str, f64)],
}

/// Puts a run's figures into the file, which is replaced as a whole.
///
/// # Errors
/// It can't be read or written.
pub(crate) fn write(path: &Path, run: &Run<'_>) -> Result<()> {
    let failed = |error: io::Error| {
        let what = format!("the metrics can't be written to {}", path.display());
        let fix = format!(
            "name a file in a folder that this user may write; the run itself ended with exit code {}",
            run.exit_code
        );
        Error::new(Kind::Local, what, fix).because(error)
    };
    let before = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(failed(error)),
    };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new().prefix(".moodle-backup-").tempfile_in(folder).map_err(failed)?;
    file.write_all(render(&before, run).as_bytes()).map_err(failed)?;
    // node_exporter runs as a user of its own.
    file.as_file().set_permissions(fs::Permissions::from_mode(0o644)).map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}

fn render(before: &str, run: &Run<'_>) -> String {
    let mut samples: BTreeMap<(String, String), String> = before.lines().filter_map(parse).collect();
    let kept = samples.remove(&key(LAST_SUCCESS.0, run.command)).filter(|_| run.exit_code != 0);
    samples.retain(|(_, command), _| command != run.command);
    let success = if run.exit_code == 0 { Some(run.ended.to_string()) } else { kept };
    samples.extend(success.map(|value| (key(LAST_SUCCESS.0, run.command), value)));
    let own = [(LAST_RUN.0, run.ended), (EXIT_CODE.0, f64::from(run.exit_code)), (DURATION.0, run.seconds)];
    for (name, value) in own.iter().chain(run.figures) {
        samples.insert(key(name, run.command), value.to_string());
    }
    let mut text = String::new();
    let mut last = String::new();
    for ((name, command), value) in samples {
        if name != last {
            let known = |(other, _): &&(&str, &str)| format!("{PREFIX}{other}") == name;
            let help = [LAST_RUN, LAST_SUCCESS, EXIT_CODE, DURATION].into_iter().chain(HELP);
            if let Some((_, help)) = help.collect::<Vec<_>>().iter().find(known) {
                let _ = writeln!(text, "# HELP {name} {help}");
            }
            let _ = writeln!(text, "# TYPE {name} gauge");
            last.clone_from(&name);
        }
        let _ = writeln!(text, "{name}{{command=\"{command}\"}} {value}");
    }
    text
}

fn key(name: &str, command: &str) -> (String, String) {
    (format!("{PREFIX}{name}"), command.to_owned())
}

fn parse(line: &str) -> Option<((String, String), String)> {
    let (name, rest) = line.split_once("{command=\"")?;
    let (command, value) = rest.split_once("\"} ")?;
    name.starts_with(PREFIX).then(|| ((name.to_owned(), command.to_owned()), value.to_owned()))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "what can't be made fails the test")]

    use super::*;

    fn run(command: &str, ended: f64, exit_code: u8) -> Run<'_> {
        Run { command, ended, seconds: 2.5, exit_code, figures: &[("new_bytes", 7.0)] }
    }

    #[test]
    fn a_failure_keeps_the_time_of_the_last_success() {
        let good = render("", &run("create", 100.0, 0));
        assert!(good.contains("moodle_backup_last_success_timestamp_seconds{command=\"create\"} 100\n"), "{good}");
        let bad = render(&good, &run("create", 200.0, 15));
        assert!(bad.contains("moodle_backup_last_success_timestamp_seconds{command=\"create\"} 100\n"), "{bad}");
        assert!(bad.contains("moodle_backup_last_run_timestamp_seconds{command=\"create\"} 200\n"), "{bad}");
        assert!(bad.contains("moodle_backup_last_exit_code{command=\"create\"} 15\n"), "{bad}");
    }

    #[test]
    fn a_first_run_that_fails_has_no_time_of_a_success() {
        assert!(!render("", &run("create", 200.0, 15)).contains("last_success"));
    }

    #[test]
    fn commands_leave_each_others_samples_alone_and_each_metric_is_described_once() {
        let both = render(&render("", &run("create", 100.0, 0)), &run("verify", 300.0, 0));
        assert!(both.contains("moodle_backup_last_success_timestamp_seconds{command=\"create\"} 100\n"), "{both}");
        assert!(both.contains("moodle_backup_last_success_timestamp_seconds{command=\"verify\"} 300\n"), "{both}");
        assert_eq!(both.matches("# TYPE moodle_backup_new_bytes gauge").count(), 1, "{both}");
        assert_eq!(both.matches("# HELP moodle_backup_new_bytes ").count(), 1, "{both}");
    }

    #[test]
    fn the_file_is_replaced_as_a_whole_and_readable_for_others() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("backup.prom");
        write(&path, &run("create", 100.0, 0)).unwrap();
        write(&path, &run("create", 200.0, 0)).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing temporary is left");
    }
}
