//! Fewer snapshots, and then less in the store: what no snapshot needs is marked, and removed a day later.
//!
//! The lock of [`Purpose::Prune`] keeps every run away that writes. Should one come all the same (another tool of the
//! format that knows no locks), nothing is lost either: packs that are younger than a day stay, and what is marked for
//! removal is still there when the next prune finds a snapshot that needs it.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{Span, Zoned};
use rustic_core::repofile::SnapshotFile;
use rustic_core::{KeepOptions, LimitOption, PruneOptions};
use serde::Serialize;

use crate::error::{Error, Kind, Result};
use crate::progress::{Progress, Unit};
use crate::repository::{Purpose, Repository, SITE, Snapshot, told};

/// Which snapshots stay: of each site so many of the last ones, and of each of the last hours, days… the last one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// The last ones.
    pub last: u32,
    /// One an hour.
    pub hourly: u32,
    /// One a day.
    pub daily: u32,
    /// One a week.
    pub weekly: u32,
    /// One a month.
    pub monthly: u32,
    /// One a year.
    pub yearly: u32,
}

/// What shall be done.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// Which snapshots stay.
    pub policy: Policy,
    /// Whether it is only told what would be done.
    pub dry_run: bool,
    /// How long other runs are waited for.
    pub wait: Option<Duration>,
    /// How old packs must be to be marked, and marks to count.
    pub ages: Ages,
}

/// How long what no snapshot needs is kept all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ages {
    /// A pack that was written less long ago isn't marked.
    pub written: Duration,
    /// A pack that was marked less long ago isn't removed.
    pub marked: Duration,
}

impl Default for Ages {
    fn default() -> Self {
        let day = Duration::from_hours(23);
        Self { written: day, marked: day }
    }
}

/// What was done, or would be.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Outcome {
    /// The snapshots that stay, oldest first.
    pub kept: Vec<Snapshot>,
    /// The snapshots that went, oldest first.
    pub removed: Vec<Snapshot>,
    /// Packs that were written anew because little of them is needed.
    pub packs_rewritten: u64,
    /// Packs that were removed.
    pub packs_removed: u64,
    /// Bytes that were removed.
    pub bytes_removed: u64,
    /// Bytes that are marked from now on, for a later run to remove.
    pub bytes_marked: u64,
    /// Whether nothing was done.
    pub dry_run: bool,
}

/// Removes snapshots that the policy doesn't keep, and what no snapshot needs.
///
/// # Errors
/// The policy keeps nothing, other runs use the repository, it is damaged, or the store fails.
pub fn run(repository: &Repository, request: &Request, progress: &dyn Progress) -> Result<Outcome> {
    let keep = request.policy.options()?;
    let lock = repository.lock(Purpose::Prune, request.wait)?;
    progress.phase("choosing snapshots", 0, Unit::Files);
    let mut outcome = chosen(repository, &keep)?;
    outcome.dry_run = request.dry_run;
    if !request.dry_run {
        for snapshot in &outcome.removed {
            repository.store().delete(&format!("snapshots/{}", snapshot.id))?;
        }
    }
    unneeded(repository, request, &mut outcome, progress)?;
    drop(lock);
    Ok(outcome)
}

impl Policy {
    fn options(self) -> Result<KeepOptions> {
        let count = |count: u32| (count > 0).then(|| i32::try_from(count).unwrap_or(i32::MAX));
        if self == Self::default() {
            return Err(Error::new(
                Kind::Usage,
                "the policy keeps no snapshot at all",
                "say what to keep, as --keep-daily 7 --keep-weekly 4 --keep-monthly 12",
            ));
        }
        let mut keep = KeepOptions::default();
        keep.keep_last = count(self.last);
        keep.keep_hourly = count(self.hourly);
        keep.keep_daily = count(self.daily);
        keep.keep_weekly = count(self.weekly);
        keep.keep_monthly = count(self.monthly);
        keep.keep_yearly = count(self.yearly);
        Ok(keep)
    }
}

/// Applies the policy to each site's snapshots by themselves.
fn chosen(repository: &Repository, keep: &KeepOptions) -> Result<Outcome> {
    let failed = |error: Box<rustic_core::RusticError>| told(repository.store(), "can't be pruned", &error);
    let all = repository.snapshot_files()?;
    if let Some(problem) = all.damaged.first() {
        return Err(Error::new(
            Kind::Damaged,
            format!("{problem}; what it needs can't be known, so nothing is removed"),
            "bring the file back from a copy of the repository, or delete it, and prune again",
        ));
    }
    let mut sites: BTreeMap<String, Vec<SnapshotFile>> = BTreeMap::new();
    for file in all.files.into_iter().filter(|file| repository.sees(file.tags.iter())) {
        sites.entry(site(&file)).or_default().push(file);
    }
    let now = Zoned::now();
    let mut outcome = Outcome::default();
    for snapshots in sites.into_values() {
        for decided in keep.apply(snapshots, &now).map_err(failed)? {
            let side = if decided.keep { &mut outcome.kept } else { &mut outcome.removed };
            side.push(Snapshot::of(&decided.snapshot));
        }
    }
    for side in [&mut outcome.kept, &mut outcome.removed] {
        side.sort_by(|one, other| (one.taken, &one.id).cmp(&(other.taken, &other.id)));
    }
    Ok(outcome)
}

/// What tells a site's snapshots from another's: the tag that `create` gives; of other programs' the host and the paths.
fn site(file: &SnapshotFile) -> String {
    let tag = file.tags.iter().find(|tag| tag.starts_with(SITE));
    tag.cloned().unwrap_or_else(|| {
        let paths: Vec<&str> = file.paths.iter().map(String::as_str).collect();
        format!("{}:{}", file.hostname, paths.join(":"))
    })
}

fn unneeded(repository: &Repository, request: &Request, outcome: &mut Outcome, progress: &dyn Progress) -> Result<()> {
    let failed = |error: Box<rustic_core::RusticError>| told(repository.store(), "can't be pruned", &error);
    let span = |age: Duration| Span::new().seconds(i64::try_from(age.as_secs()).unwrap_or(i64::MAX >> 32));
    let mut options = PruneOptions::default();
    options.keep_pack = span(request.ages.written);
    options.keep_delete = span(request.ages.marked);
    options.max_repack = LimitOption::Unlimited;
    options.fast_repack = true;
    options.no_resize = true;
    if request.dry_run {
        options.ignore_snaps = outcome.removed.iter().filter_map(|snapshot| snapshot.id.parse().ok()).collect();
    }
    progress.phase("looking for what no snapshot needs", 0, Unit::Files);
    let plan = repository.rustic().prune_plan(&options).map_err(failed)?;
    let stats = &plan.stats;
    outcome.packs_rewritten = stats.packs.repack;
    outcome.packs_removed = stats.packs_to_delete.remove;
    outcome.bytes_removed = stats.size_to_delete.remove;
    outcome.bytes_marked = stats.size_sum().remove + stats.size_sum().repack + stats.size_unref;
    if !request.dry_run {
        progress.phase("removing what no snapshot needs", 0, Unit::Files);
        repository.rustic().prune(&options, plan).map_err(failed)?;
    }
    Ok(())
}
