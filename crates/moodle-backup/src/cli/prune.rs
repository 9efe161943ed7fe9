//! `moodle-backup prune`: old snapshots go, and what only they needed.

use clap::Args;
use moodle_backup::error::Result;
use moodle_backup::prune::{self, Ages, Outcome, Policy, Request};

use super::Context;
use super::list::{moment, short};
use super::report::{Report, bytes, many};

/// Removes snapshots that no rule keeps, and what only they needed; other sites in the repository have their own.
#[derive(Args, Debug)]
pub(crate) struct Prune {
    /// Keep the newest N snapshots.
    #[arg(long, value_name = "N", default_value_t = 0)]
    keep_last: u32,
    /// Keep the newest of each of the last N days that have one.
    #[arg(long, value_name = "N", default_value_t = 0)]
    keep_daily: u32,
    /// The same for hours.
    #[arg(long, value_name = "N", default_value_t = 0)]
    keep_hourly: u32,
    /// The same for weeks.
    #[arg(long, value_name = "N", default_value_t = 0)]
    keep_weekly: u32,
    /// The same for months.
    #[arg(long, value_name = "N", default_value_t = 0)]
    keep_monthly: u32,
    /// The same for years.
    #[arg(long, value_name = "N", default_value_t = 0)]
    keep_yearly: u32,
    /// Remove this snapshot whatever the rules say, by the start of its id; may be repeated. Without a rule, all others stay.
    #[arg(long, value_name = "SNAPSHOT")]
    drop: Vec<String>,
    /// Only show what would go.
    #[arg(long)]
    dry_run: bool,
}

impl Prune {
    pub(crate) fn run(&self, context: &Context) -> Result<Report> {
        let policy = Policy {
            last: self.keep_last,
            hourly: self.keep_hourly,
            daily: self.keep_daily,
            weekly: self.keep_weekly,
            monthly: self.keep_monthly,
            yearly: self.keep_yearly,
        };
        let request = Request {
            policy,
            drop: self.drop.clone(),
            dry_run: self.dry_run,
            wait: context.options.wait,
            ages: Ages::default(),
        };
        let outcome = prune::run(&context.repository()?, &request, context.progress())?;
        Ok(Report::new(&outcome, text(&outcome)).figure("removed_bytes", outcome.bytes_removed))
    }
}

fn text(outcome: &Outcome) -> String {
    let would = if outcome.dry_run { "would " } else { "" };
    let mut lines = Vec::new();
    for (what, snapshots) in [("keep", &outcome.kept), ("remove", &outcome.removed)] {
        lines.extend(snapshots.iter().map(|snapshot| {
            format!("{would}{what:6}  {}  {}  {}", short(&snapshot.id), moment(snapshot.taken), snapshot.hostname)
        }));
    }
    lines.extend(outcome.removed_unread.iter().map(|id| format!("{would}remove  {}  its file is damaged", short(id))));
    lines.push(format!(
        "{}{} removed, {}; {}{} written anew; {} marked, which the first run a day later removes",
        many(outcome.packs_removed, "pack"),
        if outcome.dry_run { " would be" } else { "" },
        bytes(outcome.bytes_removed),
        many(outcome.packs_rewritten, "pack"),
        if outcome.dry_run { " would be" } else { "" },
        bytes(outcome.bytes_marked)
    ));
    lines.join("\n")
}
