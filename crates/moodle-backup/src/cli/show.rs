//! `moodle-backup show`: what a snapshot says of itself.

use clap::Args;
use moodle_backup::error::Result;
use moodle_backup::manifest::{Held, Manifest};
use moodle_backup::sites;
use moodle_backup::snapshot::Opened;
use serde_json::json;

use super::Context;
use super::list::document;
use super::report::{Report, bytes, count, many, table};

/// Shows what a snapshot is of: versions, plugins, tables, pool.
#[derive(Args, Debug)]
pub(crate) struct Show {
    /// `latest`, or the start of a snapshot's id.
    #[arg(default_value = "latest")]
    snapshot: String,
    /// Name each table and plugin.
    #[arg(long)]
    all: bool,
}

impl Show {
    pub(crate) fn run(&self, context: &Context) -> Result<Report> {
        let repository = context.repository()?;
        let snapshot = sites::find(&repository, &self.snapshot)?;
        let index = repository.index()?;
        let opened = Opened::open(&repository, &index, snapshot)?;
        let document = json!({"snapshot": document(&opened.snapshot), "manifest": opened.manifest});
        let text = rendered(&opened.snapshot.id, &opened.manifest, self.all);
        Ok(Report::new(&document, text))
    }
}

fn rendered(id: &str, manifest: &Manifest, all: bool) -> String {
    let site = &manifest.site;
    let mut rows = vec![
        ("snapshot", id.to_owned()),
        ("taken", manifest.taken.to_string()),
        ("program", format!("moodle-backup {}", manifest.program)),
        ("site", format!("{} (dataroot {})", site.wwwroot, site.dataroot)),
        ("Moodle", format!("{}, code {}, database {}", site.release, site.code_version, site.database_version)),
        ("plugins", count(site.plugins.len() as u64)),
    ];
    if let Some(database) = &manifest.database {
        let sum = database.tables.iter().map(|table| table.rows).sum();
        let size = database.tables.iter().flat_map(|table| &table.files).map(|file| file.size).sum();
        let tables = database.tables.len() as u64;
        rows.extend([
            ("database", format!("{} ({}), {}", database.dbtype, database.server, database.collation)),
            ("", format!("{}, {}, {}", many(tables, "table"), many(sum, "row"), bytes(size))),
            ("", format!("consistent by {}", database.consistency)),
        ]);
        rows.extend(database.left_out.iter().map(|what| ("left out", what.clone())));
    }
    if let Some(pool) = &manifest.pool {
        rows.push(("pool", format!("{}, {}", many(pool.files, "content"), bytes(pool.bytes))));
        if let Held::Reference(location) = &pool.held {
            rows.push(("", format!("held in {location}, which the snapshot only names")));
        }
        rows.extend(pool.missing.iter().map(|hash| ("missing", hash.clone())));
    }
    if let Some(dataroot) = &manifest.dataroot {
        rows.push(("others", format!("{}, {}", many(dataroot.files, "file"), bytes(dataroot.bytes))));
        rows.extend(dataroot.left_out.iter().map(|what| ("left out", what.clone())));
    }
    let mut rows: Vec<Vec<String>> = rows.into_iter().map(|(name, value)| vec![name.to_owned(), value]).collect();
    if all {
        let tables = manifest.database.iter().flat_map(|database| &database.tables);
        rows.extend(tables.map(|table| vec!["table".to_owned(), format!("{} {}", table.name, count(table.rows))]));
        rows.extend(site.plugins.iter().map(|(name, version)| vec!["plugin".to_owned(), format!("{name} {version}")]));
    }
    table(&rows)
}
