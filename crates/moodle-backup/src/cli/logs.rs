//! What happens, for those who search for why: `tracing` to standard error, with what libraries tell `log`.

use std::io::{self, Write};

use clap::ValueEnum;
use indicatif::ProgressBar;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;

/// The variable that says what is logged, as `debug` or `moodle_backup=trace,warn`.
pub(crate) const VARIABLE: &str = "MOODLE_BACKUP_LOG";

/// How logs are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// One JSON document a line.
    Json,
    /// Lines for people.
    Text,
}

/// Begins to log: warnings, with a format that was asked for also what goes on, and with `quiet` errors alone, unless
/// the variable says otherwise.
pub(crate) fn begin(format: Option<Format>, quiet: bool, bar: Option<ProgressBar>) {
    let level = match (quiet, format) {
        (true, _) => "error",
        (false, Some(_)) => "info",
        (false, None) => "warn",
    };
    let said = std::env::var(VARIABLE).ok().filter(|text| !text.is_empty());
    let wanted = said.as_deref().and_then(levels);
    let ignored = said.filter(|_| wanted.is_none());
    let filter = wanted.unwrap_or_else(|| EnvFilter::new(level));
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(Beside(bar));
    let begun = match format {
        Some(Format::Json) => logs.json().flatten_event(true).try_init(),
        Some(Format::Text) => logs.with_ansi(false).try_init(),
        None => logs.with_ansi(false).with_target(false).without_time().try_init(),
    };
    if begun.is_ok() && log::set_logger(&FromLog).is_ok() {
        log::set_max_level(log::LevelFilter::Warn);
    }
    if let Some(text) = ignored {
        tracing::warn!("{VARIABLE}={text} says no level, as debug or info does, and is ignored");
    }
}

/// Reads levels, of all or of parts; nothing: there is none, or a part alone.
fn levels(text: &str) -> Option<EnvFilter> {
    let has_level = |part: &str| part.contains('=') || part.trim().parse::<LevelFilter>().is_ok();
    EnvFilter::try_new(text).ok().filter(|_| text.split(',').all(has_level))
}

/// Hands on what libraries warn of by the crate `log`.
struct FromLog;

impl log::Log for FromLog {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.level() <= log::Level::Warn
    }

    fn log(&self, record: &log::Record<'_>) {
        let library = record.target();
        match record.level() {
            log::Level::Error => tracing::error!(library, "{}", record.args()),
            log::Level::Warn => tracing::warn!(library, "{}", record.args()),
            // What goes on in a library is nothing that goes on in a backup.
            log::Level::Info | log::Level::Debug | log::Level::Trace => {}
        }
    }

    fn flush(&self) {}
}

/// Standard error, with the bar out of the way while a line is written.
struct Beside(Option<ProgressBar>);

impl<'a> MakeWriter<'a> for Beside {
    type Writer = Line;

    fn make_writer(&'a self) -> Line {
        Line { bar: self.0.clone(), bytes: Vec::new() }
    }
}

struct Line {
    bar: Option<ProgressBar>,
    bytes: Vec<u8>,
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let write = || {
            let _ = io::stderr().lock().write_all(&self.bytes);
        };
        match &self.bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }
}
