//! `moodle-backup list`: the snapshots of a repository.

use clap::Args;
use moodle_backup::error::Result;
use moodle_backup::repository::Snapshot;
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

impl List {
    pub(crate) fn run(&self, context: &Context) -> Result<Report> {
        let mut snapshots = context.repository()?.snapshots()?;
        snapshots.retain(|snapshot| self.tag.iter().all(|tag| snapshot.tags.contains(tag)));
        if let Some(last) = self.last {
            snapshots.drain(..snapshots.len().saturating_sub(last));
        }
        let documents: Vec<Value> = snapshots.iter().map(document).collect();
        let text = if snapshots.is_empty() { "there is no snapshot".to_owned() } else { rendered(&snapshots) };
        Ok(Report::new(&documents, text))
    }
}

/// What machines are told of a snapshot.
pub(crate) fn document(snapshot: &Snapshot) -> Value {
    json!({
        "id": snapshot.id,
        "taken": snapshot.taken,
        "hostname": snapshot.hostname,
        "paths": snapshot.paths,
        "tags": snapshot.tags,
    })
}

fn rendered(snapshots: &[Snapshot]) -> String {
    let mut rows = vec![["id", "taken", "host", "dataroot", "tags"].map(str::to_owned).to_vec()];
    rows.extend(snapshots.iter().map(|snapshot| {
        // The tag that tells sites apart is 64 digits long, and machines read it.
        let tags = snapshot.tags.iter().filter(|tag| !tag.starts_with("site:")).cloned().collect::<Vec<_>>();
        vec![
            short(&snapshot.id),
            moment(snapshot.taken),
            snapshot.hostname.clone(),
            snapshot.paths.join(" "),
            tags.join(" "),
        ]
    }));
    table(&rows)
}

/// Returns as much of an id as people need.
pub(crate) fn short(id: &str) -> String {
    id.chars().take(SHORT).collect()
}

/// Writes a time as people read it.
pub(crate) fn moment(time: jiff::Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}
