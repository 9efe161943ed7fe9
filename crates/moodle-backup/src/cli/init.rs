//! `moodle-backup init`: a new repository.

use clap::Args;
use moodle_backup::error::Result;
use moodle_backup::repository::Repository;
use moodle_backup::store::Store;
use serde_json::json;

use super::Context;
use super::key::Recipients;
use super::report::Report;

/// The options that name the key of a new repository.
const KEYS: &str =
    "--key-file, --passphrase-file, --passphrase-command or --age-recipient, or set MOODLE_BACKUP_PASSPHRASE";

/// Makes an encrypted repository, where there is none.
#[derive(Args, Debug)]
pub(crate) struct Init {
    #[command(flatten)]
    recipients: Recipients,
}

impl Init {
    pub(crate) fn run(&self, context: &Context) -> Result<Report> {
        let location = context.location()?;
        let key = context.options.key.create(self.recipients.read()?)?;
        let store = Store::open(location)?;
        // A key that opens nothing is worse than none.
        Repository::place(&store)?;
        let repository = Repository::init(store, &key.make(KEYS)?)?;
        let location = repository.store().location();
        let text = format!(
            "made a repository in {location}\nWithout its key nobody can read it, you neither: keep the key somewhere else, too."
        );
        Ok(Report::new(&json!({"repository": location}), text))
    }
}
