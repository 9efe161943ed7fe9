//! `moodle-backup diff`: what differs between two snapshots of a site.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::create::gather::difference;
use crate::error::Result;
use crate::manifest::{Manifest, TableFacts};
use crate::repository::Repository;
use crate::sites;
use crate::snapshot::Opened;

/// What differs.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// The first snapshot's id.
    pub from: String,
    /// The second snapshot's id.
    pub to: String,
    /// Contents of the pool.
    pub pool: PoolDifference,
    /// Tables that differ.
    pub tables: Vec<TableDifference>,
    /// What the sites say of themselves, where it differs.
    pub site: Vec<Changed>,
    /// Plugins whose versions differ, that came or that went.
    pub plugins: Vec<Changed>,
}

/// Contents that came and went.
#[derive(Clone, Debug, Default, Serialize)]
pub struct PoolDifference {
    /// Contents that only the second has.
    pub added: u64,
    /// Their bytes.
    pub added_bytes: u64,
    /// Contents that only the first has.
    pub removed: u64,
    /// Their bytes.
    pub removed_bytes: u64,
}

/// A table that differs.
#[derive(Clone, Debug, Serialize)]
pub struct TableDifference {
    /// Its name.
    pub name: String,
    /// Rows in the first; nothing: it isn't there.
    pub rows_before: Option<u64>,
    /// Rows in the second; nothing: it isn't there.
    pub rows_after: Option<u64>,
    /// How many of its files in the dump differ.
    pub changed_files: u64,
}

/// Something that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Changed {
    /// What.
    pub name: String,
    /// In the first.
    pub before: Option<String>,
    /// In the second.
    pub after: Option<String>,
}

/// Compares two snapshots.
///
/// # Errors
/// There is no such snapshot, or it can't be read.
pub fn run(repository: &Repository, from: &str, to: &str) -> Result<Outcome> {
    let (from, to) = (sites::find(repository, from)?, sites::find(repository, to)?);
    let index = repository.index()?;
    let (from, to) = (Opened::open(repository, &index, from)?, Opened::open(repository, &index, to)?);
    let (before, after) = (from.pool()?, to.pool()?);
    let (added, removed) = (difference(&after, &before), difference(&before, &after));
    Ok(Outcome {
        pool: PoolDifference {
            added: added.len() as u64,
            added_bytes: added.iter().map(|listed| listed.size).sum(),
            removed: removed.len() as u64,
            removed_bytes: removed.iter().map(|listed| listed.size).sum(),
        },
        tables: tables(&from.manifest, &to.manifest),
        site: changed(&facts(&from.manifest), &facts(&to.manifest)),
        plugins: changed(&from.manifest.site.plugins, &to.manifest.site.plugins),
        from: from.snapshot.id,
        to: to.snapshot.id,
    })
}

fn tables(from: &Manifest, to: &Manifest) -> Vec<TableDifference> {
    let by_name = |manifest: &Manifest| -> BTreeMap<String, TableFacts> {
        let tables = manifest.database.as_ref().map(|facts| facts.tables.clone()).unwrap_or_default();
        tables.into_iter().map(|table| (table.name.clone(), table)).collect()
    };
    let (before, after) = (by_name(from), by_name(to));
    let names: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    names
        .into_iter()
        .filter_map(|name| {
            let (left, right) = (before.get(name), after.get(name));
            let files = |table: Option<&TableFacts>| -> BTreeMap<String, String> {
                let files = table.map(|table| table.files.clone()).unwrap_or_default();
                files.into_iter().map(|file| (file.path, file.sha256)).collect()
            };
            let files = changed(&files(left), &files(right));
            let rows = |table: Option<&TableFacts>| table.map(|table| table.rows);
            (!files.is_empty() || rows(left) != rows(right)).then(|| TableDifference {
                name: name.clone(),
                rows_before: rows(left),
                rows_after: rows(right),
                changed_files: files.len() as u64,
            })
        })
        .collect()
}

fn facts(manifest: &Manifest) -> BTreeMap<String, String> {
    let site = &manifest.site;
    [
        ("release", &site.release),
        ("code version", &site.code_version),
        ("database version", &site.database_version),
        ("wwwroot", &site.wwwroot),
        ("dataroot", &site.dataroot),
        ("site", &site.salt_fingerprint),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value.clone()))
    .collect()
}

/// Returns what two maps have not in common.
fn changed(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> Vec<Changed> {
    let names: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    names
        .into_iter()
        .filter(|name| before.get(*name) != after.get(*name))
        .map(|name| Changed { name: name.clone(), before: before.get(name).cloned(), after: after.get(name).cloned() })
        .collect()
}
