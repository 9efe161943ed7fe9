//! `moodle-backup cat`: a file of a snapshot, as it is.

use clap::Args;
use moodle_backup::error::{Error, Kind, Result};
use moodle_backup::sites;
use moodle_backup::snapshot::Opened;

use super::Context;
use super::report::Report;

/// Writes a file of a snapshot to standard output, as `moodle-backup/manifest.json` or `config/config.php`.
#[derive(Args, Debug)]
pub(crate) struct Cat {
    /// `latest`, or the start of a snapshot's id.
    snapshot: String,
    /// The path in the snapshot; of a folder, the names in it are written.
    #[arg(default_value = "")]
    path: String,
}

impl Cat {
    pub(crate) fn run(&self, context: &Context) -> Result<Report> {
        let repository = context.repository()?;
        let snapshot = sites::find(&repository, &self.snapshot)?;
        let index = repository.index()?;
        let opened = Opened::open(&repository, &index, snapshot)?;
        let path = self.path.trim_matches('/');
        let nothing = || {
            let what = format!("the snapshot {} has no {path}", opened.snapshot.id);
            Error::new(Kind::Usage, what, "`moodle-backup cat SNAPSHOT` lists what is at its top")
        };
        let node = if path.is_empty() { None } else { Some(opened.node(path)?.ok_or_else(nothing)?) };
        let folder = match &node {
            None => Some(opened.snapshot.tree),
            Some(node) => node.subtree,
        };
        if let Some(tree) = folder {
            let tree = opened.reader.tree(&tree)?;
            let names: Vec<String> = tree
                .nodes
                .iter()
                .map(|node| format!("{}{}\n", node.name, if node.subtree.is_some() { "/" } else { "" }))
                .collect();
            super::write(names.concat().as_bytes())?;
        } else if let Some(node) = node {
            for blob in &node.content {
                super::write(&opened.reader.blob(blob)?)?;
            }
        }
        Ok(Report::default())
    }
}
