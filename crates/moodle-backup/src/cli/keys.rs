//! `moodle-backup key`: several keys for one repository, as stock restic has them.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use moodle_backup::error::Result;
use moodle_backup::repository::Key;
use serde_json::json;

use super::Context;
use super::key::{Recipients, Sources};
use super::list::{moment, short};
use super::report::{Report, table};

/// The options that name a new key.
const NEW: &str = "--new-key-file, --new-passphrase-file, --new-passphrase-command or --age-recipient";

/// Shows, adds and removes keys: each of them opens the repository.
#[derive(Args, Debug)]
pub(crate) struct Keys {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Shows the keys, with a star at the one in use.
    List,
    /// Adds a key; without an option, a terminal is asked for a passphrase.
    Add(Box<Add>),
    /// Removes a key, but never the one in use.
    Remove {
        /// Its id, or the first eight digits of that.
        key: String,
    },
}

#[derive(Args, Debug)]
#[group(multiple = false)]
struct Add {
    /// A file with a long random key, which is made if it isn't there.
    #[arg(long, value_name = "FILE")]
    new_key_file: Option<PathBuf>,
    /// A file with the new passphrase in its first line.
    #[arg(long, value_name = "FILE")]
    new_passphrase_file: Option<PathBuf>,
    /// A command of the shell that prints the new passphrase.
    #[arg(long, value_name = "COMMAND")]
    new_passphrase_command: Option<String>,
    #[command(flatten)]
    recipients: Recipients,
}

impl Keys {
    pub(crate) fn run(&self, context: &Context) -> Result<Report> {
        let repository = context.repository()?;
        match &self.action {
            Action::List => {
                let keys = repository.keys()?;
                Ok(Report::new(&keys, rendered(&keys)))
            }
            Action::Add(add) => {
                let sources = Sources::of_new(
                    add.new_key_file.as_ref(),
                    add.new_passphrase_file.as_ref(),
                    add.new_passphrase_command.as_ref(),
                );
                let key = sources.create_from(add.recipients.read()?, &|_| None)?.make(NEW)?;
                let id = repository.add_key(&key)?;
                Ok(Report::new(&json!({"added": id}), format!("added the key {}", short(&id))))
            }
            Action::Remove { key } => {
                let id = repository.remove_key(key)?;
                let text = format!(
                    "removed the key {}\nWho had it and a copy of the repository still reads that copy.",
                    short(&id)
                );
                Ok(Report::new(&json!({"removed": id}), text))
            }
        }
    }
}

fn rendered(keys: &[Key]) -> String {
    let mut lines = vec![["", "id", "made", "host", "opened by"].map(str::to_owned).to_vec()];
    lines.extend(keys.iter().map(|key| {
        let by =
            if key.recipients.is_empty() { "a passphrase or key file".to_owned() } else { key.recipients.join(" ") };
        let star = if key.current { "*" } else { "" };
        vec![star.to_owned(), short(&key.id), key.created.map(moment).unwrap_or_default(), key.hostname.clone(), by]
    }));
    table(&lines)
}
