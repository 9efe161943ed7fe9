//! `moodle-backup init`: a new repository.

use std::fs;
use std::path::PathBuf;

use clap::Args;
use moodle_backup::error::{Error, Kind, Result};
use moodle_backup::repository::Repository;
use serde_json::json;

use super::Context;
use super::report::Report;

/// Makes an encrypted repository, where there is none.
#[derive(Args, Debug)]
pub(crate) struct Init {
    /// Lock the repository for this age recipient (public key), in place of a passphrase; may be repeated.
    #[arg(long, value_name = "RECIPIENT")]
    age_recipient: Vec<String>,
    /// A file with age recipients, one in a line.
    #[arg(long, value_name = "FILE")]
    age_recipients_file: Option<PathBuf>,
}

impl Init {
    pub(crate) fn run(&self, context: &Context) -> Result<Report> {
        let mut recipients = self.age_recipient.clone();
        if let Some(path) = &self.age_recipients_file {
            let text = fs::read_to_string(path).map_err(|error| {
                let what = format!("the age recipients can't be read from {}", path.display());
                Error::new(Kind::Usage, what, "name a file that this user may read").because(error)
            })?;
            let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
            recipients.extend(lines.map(str::to_owned));
        }
        let store = context.store()?;
        let key = context.options.key.create(recipients)?;
        let repository = Repository::init(store, &key)?;
        let location = repository.store().location();
        let text = format!(
            "made a repository in {location}\nWithout its key nobody can read it, you neither: keep the key somewhere else, too."
        );
        Ok(Report::new(&json!({"repository": location}), text))
    }
}
