//! `moodle-backup diff`: what differs between two snapshots.

use clap::Args;
use moodle_backup::diff::{self, Outcome};
use moodle_backup::error::Result;

use super::Context;
use super::report::{Report, bytes, count, many};

/// Shows what differs between two snapshots: contents, tables, versions, plugins.
#[derive(Args, Debug)]
pub(crate) struct Diff {
    /// The start of the first snapshot's id.
    from: String,
    /// The start of the second snapshot's id, or `latest`.
    #[arg(default_value = "latest")]
    to: String,
}

impl Diff {
    pub(crate) fn run(&self, context: &Context) -> Result<Report> {
        let outcome = diff::run(&context.repository()?, &self.from, &self.to)?;
        Ok(Report::new(&outcome, text(&outcome)))
    }
}

fn text(outcome: &Outcome) -> String {
    let pool = &outcome.pool;
    let mut lines = vec![
        format!("from {} to {}", outcome.from, outcome.to),
        format!(
            "pool: {} more ({}), {} less ({})",
            many(pool.added, "content"),
            bytes(pool.added_bytes),
            count(pool.removed),
            bytes(pool.removed_bytes)
        ),
    ];
    let rows = |rows: Option<u64>| rows.map_or_else(|| "none".to_owned(), count);
    lines.extend(outcome.tables.iter().map(|table| {
        format!(
            "table {}: rows {} → {}, {} of the dump changed",
            table.name,
            rows(table.rows_before),
            rows(table.rows_after),
            many(table.changed_files, "file")
        )
    }));
    let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "none".to_owned());
    for (what, changes) in [("", &outcome.site), ("plugin ", &outcome.plugins)] {
        let changed = changes.iter();
        lines.extend(changed.map(|one| format!("{what}{}: {} → {}", one.name, value(&one.before), value(&one.after))));
    }
    lines.join("\n")
}
