//! `moodle-backup list`: the snapshots of a repository.

use clap::Args;
use moodle_backup::error::Result;
use moodle_backup::manifest::Manifest;
use moodle_backup::repository::{Repository, SITE, Snapshot};
use moodle_backup::sites;
use moodle_backup::snapshot::manifests;
use serde_json::{Value, json};

use super::Context;
use super::report::{Report, table};

/// How much of an id is enough to tell snapshots apart.
const SHORT: usize = 8;

/// Lists the snapshots, the oldest first.
#[derive(Args, Debug)]
pub(crate) struct List {
    /// Only those with this tag; may be repeated: they must have all.
    #[arg(long, value_name = "TAG")]
    tag: Vec<String>,
    /// Only the newest N.
    #[arg(long, value_name = "N")]
    last: Option<usize>,
}

/// A snapshot, and what it says of itself; nothing: it is another program's, or can't be read.
type Row = (Snapshot, Option<Manifest>);

impl List {
    pub(crate) fn run(&self, context: &Context) -> Result<Report> {
        let repository = context.repository()?;
        let mut snapshots = repository.snapshots()?;
        snapshots.retain(|snapshot| self.tag.iter().all(|tag| snapshot.tags.contains(tag)));
        if let Some(last) = self.last {
            snapshots.drain(..snapshots.len().saturating_sub(last));
        }
        let rows = described(&repository, snapshots);
        let documents: Vec<Value> = rows
            .iter()
            .map(|(snapshot, manifest)| {
                let mut document = document(snapshot);
                document["site"] = json!(manifest.as_ref().map(|manifest| &manifest.site.wwwroot));
                document["database"] = json!(manifest.as_ref().map(database));
                document
            })
            .collect();
        let text = if rows.is_empty() { "there is no snapshot".to_owned() } else { rendered(&rows) };
        Ok(Report::new(&documents, text))
    }
}

/// Adds the manifests. A repository whose index is damaged still has a list of its snapshots.
fn described(repository: &Repository, snapshots: Vec<Snapshot>) -> Vec<Row> {
    let manifests = match repository.index() {
        Ok(index) => manifests(repository, &index, &snapshots),
        Err(error) => {
            tracing::warn!(%error, "the snapshots are listed without their sites");
            vec![None; snapshots.len()]
        }
    };
    snapshots.into_iter().zip(manifests).collect()
}

/// What machines are told of a snapshot.
pub(crate) fn document(snapshot: &Snapshot) -> Value {
    json!({
        "id": snapshot.id,
        "taken": snapshot.taken,
        "hostname": snapshot.hostname,
        "paths": snapshot.paths,
        "tags": snapshot.tags,
        "of": snapshot.site().map(sites::digits),
    })
}

fn database(manifest: &Manifest) -> String {
    manifest.database.as_ref().map(|facts| facts.dbtype.clone()).unwrap_or_default()
}

fn rendered(rows: &[Row]) -> String {
    let mut lines =
        vec![["id", "taken", "of", "site", "database", "host", "dataroot", "tags"].map(str::to_owned).to_vec()];
    lines.extend(rows.iter().map(|(snapshot, manifest)| {
        // The tag that tells sites apart is 64 digits long, and machines read it.
        let tags = snapshot.tags.iter().filter(|tag| !tag.starts_with(SITE)).cloned().collect::<Vec<_>>();
        let unknown = || if snapshot.is_of_moodle() { "?".to_owned() } else { String::new() };
        vec![
            short(&snapshot.id),
            moment(snapshot.taken),
            snapshot.site().map(sites::digits).unwrap_or_default(),
            manifest.as_ref().map_or_else(unknown, |manifest| manifest.site.wwwroot.clone()),
            manifest.as_ref().map_or_else(unknown, database),
            snapshot.hostname.clone(),
            snapshot.paths.join(" "),
            tags.join(" "),
        ]
    }));
    table(&lines)
}

/// Returns as much of an id as people need.
pub(crate) fn short(id: &str) -> String {
    id.chars().take(SHORT).collect()
}

/// Writes a time as people read it.
pub(crate) fn moment(time: jiff::Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}
