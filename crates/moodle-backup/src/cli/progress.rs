//! How long work is shown: bars on a terminal, a line now and then elsewhere, nothing with `--quiet`.

use std::io::{IsTerminal as _, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use moodle_backup::progress::{Progress, Unit};

use super::report::{bytes, count, duration};

/// How often a line tells how far the work is.
const INTERVAL: Duration = Duration::from_secs(10);
/// How often a bar is drawn although nothing was counted.
const TICK: Duration = Duration::from_millis(250);

/// Who shows it.
pub(crate) enum Shown {
    Bars(Bars),
    Lines(Lines),
    Nothing,
}

impl Shown {
    /// Chooses: `logs` says that standard error is read as a log.
    pub(crate) fn new(quiet: bool, logs: bool) -> Self {
        if quiet {
            Self::Nothing
        } else if logs || !std::io::stderr().is_terminal() {
            Self::Lines(Lines { logs, ..Lines::default() })
        } else {
            Self::Bars(Bars { bar: ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()) })
        }
    }

    /// Returns the bar that other writers to the terminal must not cross.
    pub(crate) fn bar(&self) -> Option<ProgressBar> {
        match self {
            Self::Bars(bars) => Some(bars.bar.clone()),
            _ => None,
        }
    }

    /// Ends it: nothing of it stays on the screen.
    pub(crate) fn finish(&self) {
        if let Self::Bars(bars) = self {
            bars.bar.finish_and_clear();
        }
    }
}

impl Progress for Shown {
    fn phase(&self, name: &str, total: u64, unit: Unit) {
        match self {
            Self::Bars(bars) => bars.phase(name, total, unit),
            Self::Lines(lines) => lines.phase(name, total, unit),
            Self::Nothing => {}
        }
    }

    fn advance(&self, done: u64) {
        match self {
            Self::Bars(bars) => bars.bar.inc(done),
            Self::Lines(lines) => lines.advance(done),
            Self::Nothing => {}
        }
    }

    fn note(&self, text: &str) {
        match self {
            Self::Bars(bars) => bars.bar.suspend(|| say(&format!("note: {text}"))),
            Self::Lines(lines) => lines.say(&format!("note: {text}")),
            Self::Nothing => tracing::info!("{text}"),
        }
    }
}

/// One bar, which is that of the phase that goes on.
pub(crate) struct Bars {
    bar: ProgressBar,
}

impl Bars {
    fn phase(&self, name: &str, total: u64, unit: Unit) {
        let template = match (unit, total) {
            (Unit::Bytes, 0) => "{spinner} {msg:12}  {binary_bytes}  {binary_bytes_per_sec}  {elapsed}",
            (_, 0) => "{spinner} {msg:12}  {human_pos}  {per_sec}  {elapsed}",
            (Unit::Bytes, _) => {
                "{spinner} {msg:12}  {wide_bar}  {binary_bytes} of {binary_total_bytes}  {binary_bytes_per_sec}  {eta} left"
            }
            _ => "{spinner} {msg:12}  {wide_bar}  {human_pos} of {human_len}  {per_sec}  {eta} left",
        };
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        self.bar.reset();
        self.bar.set_style(style);
        self.bar.set_message(name.to_owned());
        if total == 0 {
            self.bar.unset_length();
        } else {
            self.bar.set_length(total);
        }
        self.bar.enable_steady_tick(TICK);
    }
}

/// A line every ten seconds, and one at the end of a phase that had one.
#[derive(Default)]
pub(crate) struct Lines {
    logs: bool,
    done: AtomicU64,
    /// Milliseconds after the phase's begin from when on the next line is due.
    due: AtomicU64,
    phase: Mutex<Option<Phase>>,
}

struct Phase {
    name: String,
    total: u64,
    unit: Unit,
    begun: Instant,
}

impl Lines {
    fn phase(&self, name: &str, total: u64, unit: Unit) {
        let mut phase = self.phase.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(ended) = phase.as_ref().filter(|ended| ended.begun.elapsed() >= INTERVAL) {
            self.say(&ended.line(self.done.load(Ordering::Relaxed), ended.begun.elapsed()));
        }
        self.done.store(0, Ordering::Relaxed);
        self.due.store(milliseconds(INTERVAL), Ordering::Relaxed);
        if self.logs {
            tracing::info!(phase = name, "begins");
        }
        *phase = Some(Phase { name: name.to_owned(), total, unit, begun: Instant::now() });
    }

    fn advance(&self, more: u64) {
        let done = self.done.fetch_add(more, Ordering::Relaxed) + more;
        // Whoever finds the lock taken leaves the line to the one that has it.
        let Ok(phase) = self.phase.try_lock() else { return };
        let Some(phase) = phase.as_ref() else { return };
        let elapsed = phase.begun.elapsed();
        if milliseconds(elapsed) >= self.due.load(Ordering::Relaxed) {
            self.due.store(milliseconds(elapsed + INTERVAL), Ordering::Relaxed);
            self.say(&phase.line(done, elapsed));
        }
    }

    fn say(&self, text: &str) {
        if self.logs {
            tracing::info!("{text}");
        } else {
            say(text);
        }
    }
}

impl Phase {
    fn line(&self, done: u64, elapsed: Duration) -> String {
        let show = |number| if self.unit == Unit::Bytes { bytes(number) } else { count(number) };
        let what = match self.unit {
            Unit::Bytes => "",
            Unit::Files => " files",
            Unit::Rows => " rows",
        };
        let milliseconds = milliseconds(elapsed).max(1);
        let rate = u128::from(done) * 1000 / u128::from(milliseconds);
        let rate = u64::try_from(rate).unwrap_or(u64::MAX);
        let so_far = if self.total == 0 {
            format!("{}{what}", show(done))
        } else {
            let percent = u128::from(done) * 100 / u128::from(self.total);
            format!("{} of {}{what} ({percent} %)", show(done), show(self.total))
        };
        let left = match self.total.checked_sub(done) {
            Some(left) if self.total > 0 && rate > 0 => {
                #[expect(clippy::cast_precision_loss, reason = "an estimate")]
                let left = left as f64 / rate as f64;
                format!(", {} left", duration(left))
            }
            _ => String::new(),
        };
        format!("{}: {so_far}, {}{what}/s{left}", self.name, show(rate))
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Writes a line to standard error; where nobody reads it, nobody misses it.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn phase(total: u64, unit: Unit) -> Phase {
        Phase { name: "pool".into(), total, unit, begun: Instant::now() }
    }

    #[test]
    fn a_line_tells_how_much_is_done_how_fast_and_how_long_it_still_takes() {
        let line = phase(100_000, Unit::Files).line(25_000, Duration::from_secs(50));
        assert_eq!(line, "pool: 25,000 of 100,000 files (25 %), 500 files/s, 2m30s left");
    }

    #[test]
    fn a_line_without_a_total_estimates_nothing() {
        assert_eq!(phase(0, Unit::Bytes).line(2 << 20, Duration::from_secs(2)), "pool: 2.00 MiB, 1.00 MiB/s");
    }

    #[test]
    fn a_phase_that_stands_still_or_outgrows_its_total_has_no_time_left() {
        assert_eq!(phase(10, Unit::Rows).line(0, Duration::from_secs(9)), "pool: 0 of 10 rows (0 %), 0 rows/s");
        assert_eq!(phase(10, Unit::Rows).line(20, Duration::from_secs(1)), "pool: 20 of 10 rows (200 %), 20 rows/s");
    }
}
