//! What a command tells at its end: a document for machines, words for people, figures for Prometheus, an exit code.

use serde::Serialize;
use serde_json::{Value, json};

use moodle_backup::error::{Error, Kind};
use moodle_backup::restore::Checks;

/// The end of a command that could do its work.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// What `--json` shows.
    pub(crate) document: Value,
    /// What people are shown, without a final newline.
    pub(crate) text: String,
    /// 0, or what a verification found.
    pub(crate) exit_code: u8,
    /// Figures, as `bytes_stored` with its value.
    pub(crate) figures: Vec<(&'static str, f64)>,
}

impl Report {
    /// Makes the report of a success.
    pub(crate) fn new(outcome: &impl Serialize, text: impl Into<String>) -> Self {
        Self { document: serde_json::to_value(outcome).unwrap_or_default(), text: text.into(), ..Self::default() }
    }

    /// Adds a figure.
    #[expect(clippy::cast_precision_loss, reason = "metrics are floating-point numbers")]
    pub(crate) fn figure(mut self, name: &'static str, value: u64) -> Self {
        self.figures.push((name, value as f64));
        self
    }
}

/// Returns the document of a failure.
pub(crate) fn failure(error: &Error) -> Value {
    json!({"error": {
        "kind": name(error.kind),
        "what": error.to_string(),
        "fix": error.fix,
        "exit_code": error.kind.exit_code(),
    }})
}

fn name(kind: Kind) -> String {
    format!("{kind:?}").to_ascii_lowercase()
}

/// Says how Moodle's own checks ended, with their words.
pub(crate) fn checked(checks: &Checks) -> String {
    let verdict = if checks.passed { "pass" } else { "fail" };
    let words: String = checks.output.lines().flat_map(|line| ["\n  ", line]).collect();
    format!("Moodle's own checks of the restored site {verdict}:{words}")
}

/// Aligns rows of a table in columns; the first row is the head.
pub(crate) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or_default()).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Writes a number with its thousands apart.
pub(crate) fn count(number: u64) -> String {
    indicatif::HumanCount(number).to_string()
}

/// Writes how many there are of something, as `1 snapshot` and `2 snapshots`.
pub(crate) fn many(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", count(number), if number == 1 { "" } else { "s" })
}

/// Writes a size in binary units.
pub(crate) fn bytes(size: u64) -> String {
    indicatif::BinaryBytes(size).to_string()
}

/// Writes a duration as `1h02m03s`, `2m03s` or `3.4 s`.
pub(crate) fn duration(seconds: f64) -> String {
    if seconds < 60.0 {
        return format!("{seconds:.1} s");
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "more than a minute, less than ages")]
    let whole = seconds.round() as u64;
    let (hours, minutes, seconds) = (whole / 3600, whole / 60 % 60, whole % 60);
    if hours > 0 { format!("{hours}h{minutes:02}m{seconds:02}s") } else { format!("{minutes}m{seconds:02}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell_and_lines_have_no_spaces_at_their_end() {
        let row = |left: &str, right: &str| vec![left.to_owned(), right.to_owned()];
        assert_eq!(table(&[row("id", "site"), row("ab12", "x"), row("c", "")]), "id    site\nab12  x\nc");
    }

    #[test]
    fn one_is_one_and_several_are_many() {
        assert_eq!([0, 1, 2000].map(|number| many(number, "row")), ["0 rows", "1 row", "2,000 rows"]);
    }

    #[test]
    fn durations_are_written_in_the_units_that_people_read() {
        assert_eq!([3.44, 59.9, 60.2, 7384.0].map(duration), ["3.4 s", "59.9 s", "1m00s", "2h03m04s"]);
    }
}
