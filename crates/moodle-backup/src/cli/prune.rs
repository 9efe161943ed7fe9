//! `moodle-backup prune`: old snapshots go, and what only they needed.

use clap::Args;
use moodle_backup::error::Result;
use moodle_backup::prune::{self, Ages, Outcome, Policy, Request};
use moodle_backup::repository::Snapshot;
use moodle_backup::sites::{self, Site};

use super::Context;
use super::list::{moment, short};
use super::report::{Report, bytes, many, table};

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
    /// Remove this snapshot whatever the rules say, by at least eight digits of its id; may be repeated. Without a rule, all
    /// others stay.
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
        let repository = context.repository()?;
        let sites = sites::all(&repository)?;
        let outcome = prune::run(&repository, &request, context.progress())?;
        Ok(Report::new(&outcome, text(&outcome, &sites)).figure("removed_bytes", outcome.bytes_removed))
    }
}

fn text(outcome: &Outcome, sites: &[Site]) -> String {
    let would = if outcome.dry_run { "would " } else { "" };
    let row = |what: &str, snapshot: &Snapshot, rules: &[String]| {
        let tag = snapshot.site().unwrap_or_default();
        let address = sites.iter().find(|site| site.tag == tag).and_then(|site| site.wwwroot.clone());
        let address = address.filter(|address| !address.is_empty()).unwrap_or_else(|| snapshot.paths.join(" "));
        let host = snapshot.hostname.clone();
        vec![
            format!("{would}{what}"),
            short(&snapshot.id),
            moment(snapshot.taken),
            sites::digits(tag),
            address,
            host,
            rules.join(" "),
        ]
    };
    let mut rows = vec![["", "id", "taken", "of", "site", "host", "kept by"].map(str::to_owned).to_vec()];
    rows.extend(outcome.kept.iter().map(|kept| row("keep", &kept.snapshot, &kept.rules)));
    rows.extend(outcome.removed.iter().map(|snapshot| row("remove", snapshot, &[])));
    let mut lines = vec![table(&rows)];
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
