//! Fewer snapshots, and then less in the store: what no snapshot needs is marked, and removed a day later.
//!
//! The lock of [`Purpose::Prune`] keeps every run away that writes. Should one come all the same (another tool of the
//! format that knows no locks), nothing is lost either: packs that are younger than a day stay, and what is marked for
//! removal is still there when the next prune finds a snapshot that needs it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::{Span, Zoned};
use rustic_core::repofile::SnapshotFile;
use rustic_core::{KeepOptions, LimitOption, PruneOptions, RusticError};
use serde::Serialize;

use crate::error::{Error, Kind, Result};
use crate::progress::{Progress, Unit};
use crate::repository::{Broken, DIGITS, Problem, Purpose, Repository, SITE, Snapshot, SnapshotFiles, told};

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
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// Which snapshots stay; without any rule, those that aren't dropped.
    pub policy: Policy,
    /// Snapshots that go whatever the policy says, by the starts of their ids; their files may be damaged.
    pub drop: Vec<String>,
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

/// A snapshot that stays.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Kept {
    /// The snapshot.
    #[serde(flatten)]
    pub snapshot: Snapshot,
    /// The rules that keep it, as `daily`; none: there was no rule.
    pub rules: Vec<String>,
}

/// What was done, or would be.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Outcome {
    /// The snapshots that stay, oldest first.
    pub kept: Vec<Kept>,
    /// The snapshots that went, oldest first.
    pub removed: Vec<Snapshot>,
    /// The ids of snapshots that went whose files couldn't be read.
    pub removed_unread: Vec<String>,
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
    if request.policy == Policy::default() && request.drop.is_empty() {
        return Err(Error::new(
            Kind::Usage,
            "the policy keeps no snapshot at all",
            "say what to keep, as --keep-daily 7 --keep-weekly 4 --keep-monthly 12",
        ));
    }
    let lock = repository.lock(Purpose::Prune, request.wait)?;
    progress.phase("choosing snapshots", 0, Unit::Files);
    let files = repository.snapshot_files()?;
    let all: Vec<Snapshot> = files.files.iter().map(Snapshot::of).collect();
    let mut outcome = chosen(repository, files, request)?;
    outcome.dry_run = request.dry_run;
    progress.phase("looking for what no snapshot needs", 0, Unit::Files);
    // Before a snapshot goes: where one that stays lacks something, those that go may be needed.
    whole(repository, all, &outcome)?;
    let options = options(request, &outcome);
    let plan = repository.rustic().prune_plan(&options).map_err(|error| failed(repository, &error))?;
    let stats = &plan.stats;
    outcome.packs_rewritten = stats.packs.repack;
    outcome.packs_removed = stats.packs_to_delete.remove;
    outcome.bytes_removed = stats.size_to_delete.remove;
    outcome.bytes_marked = stats.size_sum().remove + stats.size_sum().repack + stats.size_unref;
    if !request.dry_run {
        for id in outcome.gone() {
            repository.store().delete(&format!("snapshots/{id}"))?;
        }
        progress.phase("removing what no snapshot needs", 0, Unit::Files);
        repository.rustic().prune(&options, plan).map_err(|error| failed(repository, &error))?;
    }
    drop(lock);
    Ok(outcome)
}

fn failed(repository: &Repository, error: &RusticError) -> Error {
    told(repository.store(), "can't be pruned", error)
}

impl Outcome {
    /// The ids of what went.
    fn gone(&self) -> impl Iterator<Item = &str> {
        self.removed.iter().map(|snapshot| snapshot.id.as_str()).chain(self.removed_unread.iter().map(String::as_str))
    }
}

impl Policy {
    fn options(self) -> KeepOptions {
        let count = |count: u32| (count > 0).then(|| i32::try_from(count).unwrap_or(i32::MAX));
        let mut keep = KeepOptions::default();
        keep.keep_last = count(self.last);
        keep.keep_hourly = count(self.hourly);
        keep.keep_daily = count(self.daily);
        keep.keep_weekly = count(self.weekly);
        keep.keep_monthly = count(self.monthly);
        keep.keep_yearly = count(self.yearly);
        keep
    }
}

/// Applies the policy to each site's snapshots by themselves.
fn chosen(repository: &Repository, files: SnapshotFiles, request: &Request) -> Result<Outcome> {
    let SnapshotFiles { mut files, damaged } = files;
    files.retain(|file| repository.sees(file.tags.iter()));
    let id_of = |problem: &Problem| problem.path.trim_start_matches("snapshots/").to_owned();
    let read = files.iter().map(|file| file.id.to_hex().as_str().to_owned());
    let dropped = dropped(&request.drop, &read.chain(damaged.iter().map(id_of)).collect::<Vec<_>>())?;
    let (removed_unread, damaged): (Vec<_>, Vec<_>) =
        damaged.into_iter().partition(|problem| dropped.contains(&id_of(problem)));
    if let Some(problem) = damaged.first() {
        return Err(Error::new(
            Kind::Damaged,
            format!("{problem}; what it needs can't be known, so nothing is removed"),
            format!(
                "bring the file back from a copy of the repository, or give the snapshot up by --drop {}",
                id_of(problem)
            ),
        ));
    }
    let mut outcome = Outcome { removed_unread: removed_unread.iter().map(id_of).collect(), ..Outcome::default() };
    let mut sites: BTreeMap<String, Vec<SnapshotFile>> = BTreeMap::new();
    for file in files {
        if dropped.contains(file.id.to_hex().as_str()) {
            outcome.removed.push(Snapshot::of(&file));
        } else {
            sites.entry(site(&file)).or_default().push(file);
        }
    }
    let (keep, now) = (request.policy.options(), Zoned::now());
    for snapshots in sites.into_values() {
        if request.policy == Policy::default() {
            outcome.kept.extend(snapshots.iter().map(|file| Kept { snapshot: Snapshot::of(file), rules: Vec::new() }));
            continue;
        }
        for decided in keep.apply(snapshots, &now).map_err(|error| failed(repository, &error))? {
            let snapshot = Snapshot::of(&decided.snapshot);
            if decided.keep {
                outcome.kept.push(Kept { snapshot, rules: decided.reasons });
            } else {
                outcome.removed.push(snapshot);
            }
        }
    }
    let order = |one: &Snapshot, other: &Snapshot| (one.taken, &one.id).cmp(&(other.taken, &other.id));
    outcome.kept.sort_by(|one, other| order(&one.snapshot, &other.snapshot));
    outcome.removed.sort_by(order);
    Ok(outcome)
}

/// Returns the ids that the names of dropped snapshots begin.
fn dropped(names: &[String], all: &[String]) -> Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    for name in names {
        let list = "moodle-backup list shows the snapshots";
        if name.len() < DIGITS {
            let what = format!("{name:?} has too few digits to drop a snapshot by");
            return Err(Error::new(Kind::Usage, what, format!("give {DIGITS} or more; {list}")));
        }
        let mut fitting = all.iter().filter(|id| id.starts_with(name.as_str()));
        let (Some(id), None) = (fitting.next(), fitting.next()) else {
            let what = format!("no snapshot, or more than one, begins with {name}");
            return Err(Error::new(Kind::Repository, what, list));
        };
        found.insert(id.clone());
    }
    Ok(found)
}

/// What tells a site's snapshots from another's: the tag that `create` gives; of other programs' the host and the paths.
fn site(file: &SnapshotFile) -> String {
    let tag = file.tags.iter().find(|tag| tag.starts_with(SITE));
    tag.cloned().unwrap_or_else(|| {
        let paths: Vec<&str> = file.paths.iter().map(String::as_str).collect();
        format!("{}:{}", file.hostname, paths.join(":"))
    })
}

fn options(request: &Request, outcome: &Outcome) -> PruneOptions {
    let span = |age: Duration| Span::new().seconds(i64::try_from(age.as_secs()).unwrap_or(i64::MAX >> 32));
    let mut options = PruneOptions::default();
    options.keep_pack = span(request.ages.written);
    options.keep_delete = span(request.ages.marked);
    options.max_repack = LimitOption::Unlimited;
    options.fast_repack = true;
    options.no_resize = true;
    options.ignore_snaps = outcome.gone().filter_map(|id| id.parse().ok()).collect();
    options
}

/// Asserts that those of all snapshots that stay have all that they need.
fn whole(repository: &Repository, mut all: Vec<Snapshot>, outcome: &Outcome) -> Result<()> {
    let again = "moodle-backup create stores again what the site still has, and lists packs that came back";
    if all.is_empty() && outcome.removed_unread.is_empty() && !repository.store().list("data")?.is_empty() {
        let what = format!(
            "there is no snapshot in {}, and there are packs: nothing is removed",
            repository.store().location()
        );
        let fix = "if no backup has come to its end yet, make one; if its snapshots/ are only away, bring them back; delete \
                   the repository only if nobody wants it any more";
        return Err(Error::new(Kind::Store, what, fix));
    }
    let stored = repository.listed()?;
    repository.assert_not_bare(&stored)?;
    if let Some(problem) = stored.damaged.first() {
        return Err(Error::new(Kind::Damaged, format!("{problem}; nothing is removed"), again));
    }
    let wrong = |pack: &Broken, fix: &str| {
        let what = format!("nothing is removed, for the index is wrong about {}: {pack}", pack.path());
        Err(Error::new(Kind::Damaged, what, fix))
    };
    // What such packs have may be all that a snapshot seems to lack.
    if let Some(cut) = stored.broken.iter().find(|pack| pack.found.is_some()) {
        return wrong(
            cut,
            "moodle-backup verify --data --repair saves what is sound in such packs and corrects the index",
        );
    }
    all.retain(|one| outcome.gone().all(|gone| gone != one.id));
    let lacking = repository.lacking(&stored.index, &all)?;
    let lacking: Vec<&str> =
        all.iter().zip(lacking).filter(|(_, lacking)| *lacking > 0).filter_map(|(one, _)| one.id.get(..8)).collect();
    if !lacking.is_empty() {
        return Err(Error::new(
            Kind::Damaged,
            format!("nothing is removed, for snapshots that stay lack some of what they need: {}", lacking.join(" ")),
            format!("{again}; or give them up: --drop {}", lacking.join(" --drop ")),
        ));
    }
    stored.broken.first().map_or(Ok(()), |pack| {
        wrong(pack, "no snapshot that stays needs it, and moodle-backup create corrects the index")
    })
}
