//! The sites whose snapshots a repository has, and which of them is meant.
//!
//! A site is what the tag of [`Snapshot::site`] tells from others: its salt or identifier, with its address. So a copy
//! of a site at another address is a site of its own.
//!
//! A snapshot is always looked for before the index is read that it is opened with: so all that it needs is in that index,
//! however many snapshots are made meanwhile.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use url::Url;

use crate::error::{Error, Kind, Result};
use crate::manifest::SiteFacts;
use crate::repository::{Index, Problem, Repository, Snapshot, SnapshotFiles};
use crate::snapshot::Opened;

/// The name of the newest snapshot of a site.
pub const LATEST: &str = "latest";

/// How many digits of a site's tag are shown.
const SHOWN: usize = 8;

/// How many digits of a site's tag name it at least.
const LEAST: usize = 4;

/// A site with snapshots in a repository.
#[derive(Clone, Debug)]
pub struct Site {
    /// What its snapshots' tag says.
    pub tag: String,
    /// Its address, empty where it was backed up without one; nothing: none of its manifests can be read.
    pub wwwroot: Option<String>,
    /// Of its salt or identifier, as [`SiteFacts::salt_fingerprint`](crate::manifest::SiteFacts::salt_fingerprint).
    pub fingerprint: String,
    /// Its newest snapshot.
    pub newest: Snapshot,
}

impl Site {
    /// Whether its address is this one, or may be.
    fn may_be_at(&self, address: &str) -> bool {
        self.wwwroot.as_ref().is_none_or(|wwwroot| same_address(wwwroot, address))
    }
}

/// Returns the digits of a site's tag that people name it by.
#[must_use]
pub fn digits(tag: &str) -> String {
    tag.chars().take(SHOWN).collect()
}

/// Returns the sites of a repository, that with the newest snapshot last. Other programs' snapshots are of none.
///
/// # Errors
/// The store fails.
pub fn all(repository: &Repository) -> Result<Vec<Site>> {
    of(repository, repository.snapshots()?)
}

/// Returns the sites that snapshots are of.
fn of(repository: &Repository, all: Vec<Snapshot>) -> Result<Vec<Site>> {
    let mut snapshots: BTreeMap<String, Vec<Snapshot>> = BTreeMap::new();
    for snapshot in all.into_iter().filter(Snapshot::is_of_moodle) {
        snapshots.entry(snapshot.site().unwrap_or_default().to_owned()).or_default().push(snapshot);
    }
    let index = repository.index()?;
    let mut sites = Vec::new();
    for (tag, snapshots) in snapshots {
        let facts = facts(repository, &index, &snapshots)?;
        let fingerprint = facts.as_ref().map(|facts| facts.salt_fingerprint.clone()).unwrap_or_default();
        let wwwroot = facts.map(|facts| facts.wwwroot);
        sites.extend(snapshots.into_iter().last().map(|newest| Site { tag, wwwroot, fingerprint, newest }));
    }
    sites.sort_by(|one, other| (one.newest.taken, &one.newest.id).cmp(&(other.newest.taken, &other.newest.id)));
    Ok(sites)
}

/// Returns what the snapshots of a site say of it: its tag is made of these facts, so all that have the one have the others.
/// Nothing: none of them can be read.
fn facts(repository: &Repository, index: &Index, snapshots: &[Snapshot]) -> Result<Option<SiteFacts>> {
    for snapshot in snapshots.iter().rev() {
        match Opened::open(repository, index, snapshot.clone()) {
            Ok(opened) => return Ok(Some(opened.manifest.site)),
            Err(error) if matches!(error.kind, Kind::Damaged | Kind::Refused) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// Returns the snapshot that `name` names: the start of an id, or [`LATEST`], the newest where all are of one site.
///
/// # Errors
/// There is none, it can't be told which is meant, or the store fails.
pub fn find(repository: &Repository, name: &str) -> Result<Snapshot> {
    if name != LATEST {
        return repository.find(name);
    }
    let SnapshotFiles { files, damaged } = repository.snapshot_files()?;
    let mut newest = repository.seen(&files);
    newest.retain(Snapshot::is_of_moodle);
    let Some(last) = newest.pop() else {
        without_doubt(repository, None, &damaged)?;
        let what = format!("there is no snapshot of a Moodle site in {} yet", repository.store().location());
        return Err(Error::new(Kind::Repository, what, "`moodle-backup create` makes one"));
    };
    if newest.iter().all(|snapshot| snapshot.site() == last.site()) {
        // Where nobody said which site is meant, an old one may be another site's.
        without_doubt(repository, Some(&last).filter(|_| repository.is_of_one_site()), &damaged)?;
        return Ok(last);
    }
    Err(Error::new(
        Kind::Usage,
        format!("{LATEST} can be meant of several sites: {}", listed(&all(repository)?)),
        "say which by --of, or name a snapshot by its id",
    ))
}

/// How far the clocks of a database and a store may be apart.
const CLOCKS: SignedDuration = SignedDuration::from_hours(1);

/// Fails where a snapshot that can't be read may be newer than this one, as its file was not written before; nothing: where
/// there is any.
fn without_doubt(repository: &Repository, newest: Option<&Snapshot>, damaged: &[Problem]) -> Result<()> {
    if damaged.is_empty() {
        return Ok(());
    }
    let entries = repository.store().list("snapshots")?;
    let written: BTreeMap<&str, Timestamp> = entries.iter().map(|entry| (&*entry.path, entry.modified)).collect();
    let stored = |newest: &Snapshot| written.get(&*format!("snapshots/{}", newest.id)).copied();
    let since = newest.map(|newest| stored(newest).unwrap_or(newest.taken).min(newest.taken) - CLOCKS);
    let may_be_newer = |problem: &&Problem| {
        since.is_none_or(|since| written.get(&*problem.path).is_none_or(|written| *written >= since))
    };
    let Some(problem) = damaged.iter().find(may_be_newer) else {
        for problem in damaged {
            tracing::warn!("{}", problem.what);
        }
        return Ok(());
    };
    Err(Error::new(
        Kind::Damaged,
        format!("{}, and it may be the newest: what {LATEST} is can't be known", problem.what),
        "name a snapshot by its id, as `moodle-backup list` shows it; `moodle-backup prune --drop` gives the damaged one up",
    ))
}

/// Returns the one site that `text` names: by its address, with or without `https://`, or by the start of its tag.
///
/// # Errors
/// No site or several sites fit, it can't be told whether another one does, or the store fails.
pub fn named(repository: &Repository, text: &str) -> Result<Site> {
    let sites = all(repository)?;
    let by_digits = |site: &Site| text.len() >= LEAST && site.tag.starts_with(text);
    let is_digits = sites.iter().any(by_digits);
    let fits = |site: &&Site| by_digits(site) || (site.may_be_at(text) && (site.wwwroot.is_some() || !is_digits));
    let fitting: Vec<&Site> = sites.iter().filter(fits).collect();
    let (what, shown) = match fitting[..] {
        [site] if site.wwwroot.is_some() || is_digits => return Ok(site.clone()),
        _ if sites.is_empty() => ("no site has a snapshot", "there is none".to_owned()),
        [] | [_] => ("no snapshot is known to be of it", listed(&sites)),
        _ => ("several sites fit, or may", listed(fitting)),
    };
    Err(Error::new(
        Kind::Usage,
        format!("{text:?} names no site in {}: {what}: {shown}", repository.store().location()),
        "name one by the digits behind --of",
    ))
}

/// Whether two addresses lead to the same site; one without a scheme may be that of either.
#[must_use]
pub fn same_address(one: &str, other: &str) -> bool {
    let scheme = |text: &str| text.contains("://");
    let plain = |text: &str| {
        let text = text.trim_end_matches('/');
        let parsed = Url::parse(if scheme(text) { text.to_owned() } else { format!("https://{text}") }.as_str());
        parsed.map_or_else(|_| text.to_owned(), |url| url.as_str().trim_end_matches('/').to_owned())
    };
    let behind = |text: &str| text.split_once("://").map(|(_, rest)| rest.to_owned());
    let (left, right) = (plain(one), plain(other));
    !one.is_empty() && (left == right || (scheme(one) != scheme(other) && behind(&left) == behind(&right)))
}

/// Names sites, and how each and its newest snapshot are named.
fn listed<'a>(sites: impl IntoIterator<Item = &'a Site>) -> String {
    let line = |site: &Site| {
        let address = match site.wwwroot.as_deref() {
            None => "a site whose address can't be read",
            Some("") => "without an address",
            Some(address) => address,
        };
        let of = digits(&site.tag);
        format!("\n    {address}, --of {of}, newest snapshot {} of {}", site.newest.id, site.newest.taken)
    };
    sites.into_iter().map(line).collect()
}

/// Returns the newest snapshot of the site at an address: what [`LATEST`] is for a restore to it. Where several sites have
/// had the address, or may have, it is the one with the `fingerprint` of what is there now; nothing: that can't be told.
///
/// # Errors
/// There is none, it can't be told which is meant, or the store or `fingerprint` fails.
pub fn latest_at(
    repository: &Repository,
    address: &str,
    fingerprint: impl FnOnce() -> Result<Option<String>>,
) -> Result<Snapshot> {
    let SnapshotFiles { files, damaged } = repository.snapshot_files()?;
    let sites = of(repository, repository.seen(&files))?;
    let found = |site: &Site| without_doubt(repository, Some(&site.newest), &damaged).map(|()| site.newest.clone());
    let fitting: Vec<&Site> = sites.iter().filter(|site| site.may_be_at(address)).collect();
    let (what, fix) = match fitting[..] {
        [site] if site.wwwroot.is_some() => return found(site),
        [] | [_] => (
            format!("no snapshot in {} is known to be of {address}: {}", repository.store().location(), listed(&sites)),
            "to put a copy of another site there, name its snapshot by its whole id",
        ),
        _ => {
            if let Some(own) = fingerprint()?
                && let Some(site) = fitting.iter().rfind(|site| site.fingerprint == own)
            {
                return found(site);
            }
            let (which, location) = (listed(fitting.iter().copied()), repository.store().location());
            (
                format!(
                    "several sites in {location} have had {address}, or may have, and nothing there tells which: {which}"
                ),
                "say by --of which it is",
            )
        }
    };
    without_doubt(repository, None, &damaged)?;
    Err(Error::new(Kind::Refused, format!("{LATEST} is the target's own newest snapshot, and {what}"), fix))
}

#[cfg(test)]
mod tests {
    use super::same_address;

    #[test]
    fn an_address_is_the_same_however_it_is_written_and_no_other_is() {
        for other in ["https://a.example.org", "https://A.example.org/", "a.example.org", "a.example.org/"] {
            assert!(same_address("https://a.example.org", other), "{other}");
        }
        for other in
            ["http://a.example.org", "https://b.example.org", "https://a.example.org/moodle", "", "example.org"]
        {
            assert!(!same_address("https://a.example.org", other), "{other}");
        }
        assert!(same_address("http://a.example.org/moodle", "a.example.org/moodle"));
        assert!(!same_address("", ""));
    }
}
