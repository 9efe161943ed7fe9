//! `moodle-backup completions`: what a shell needs to complete commands and options.

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;
use moodle_backup::error::Result;

use super::Arguments;
use super::report::Report;

/// Prints the completions for a shell.
#[derive(Args, Debug)]
pub(crate) struct Completions {
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(&self) -> Result<Report> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Arguments::command(), "moodle-backup", &mut script);
        super::write(&script)?;
        Ok(Report::default())
    }
}
