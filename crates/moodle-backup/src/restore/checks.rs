//! Moodle's own checks of a site that was restored.

use std::path::Path;
use std::process::Command;

use serde::Serialize;

use crate::database::{Connection, Server};
use crate::site::{self, config_php, versions};

/// What `admin/cli/checks.php` ends with when there are warnings and nothing worse.
const WARNING: i32 = 1;

/// What `admin/cli/checks.php` said.
#[derive(Clone, Debug, Serialize)]
pub struct Checks {
    /// Whether it found nothing worse than what it warns of.
    pub passed: bool,
    /// Its words.
    pub output: String,
}

/// Tells whether the config.php of a tree names this database, so that Moodle's own checks look at what was restored.
pub(crate) fn is_of(code: &Path, connection: &Connection) -> bool {
    let named = config_php::read(&code.join("config.php"))
        .and_then(|config| site::connection(&site::Options::default(), Some(&config)));
    named.is_ok_and(|named| {
        let place = |one: &Connection| {
            let postgres = one.kind == Server::PostgreSql;
            let port = one.port.unwrap_or(if postgres { 5432 } else { 3306 });
            (postgres, one.host.replace("localhost", "127.0.0.1"), port, one.database.clone())
        };
        let same_schema = named.schema.is_none() || connection.schema.is_none() || named.schema == connection.schema;
        named.prefix == connection.prefix && same_schema && place(&named) == place(connection)
    })
}

/// Runs Moodle's own checks in a tree; an error says why they can't be run.
///
/// They look at the database that the tree's config.php names: who calls this has made sure that it is the right one.
pub(crate) fn checks(code: &Path) -> Result<Checks, String> {
    let code = &std::fs::canonicalize(code).unwrap_or_else(|_| code.to_owned());
    let places = [versions::public(code), code.clone()].map(|folder| folder.join("admin/cli/checks.php"));
    let Some(script) = places.iter().find(|script| script.is_file()) else {
        return Err(format!("{} has no admin/cli/checks.php", code.display()));
    };
    match Command::new("php").arg(script).current_dir(code).output() {
        Ok(output) => Ok(Checks {
            passed: output.status.success() || output.status.code() == Some(WARNING),
            output: plain(&[output.stdout, output.stderr].concat()),
        }),
        Err(error) => Err(format!("php can't be run: {error}")),
    }
}

/// Returns what a program said, without the colours that Moodle's checks have even where nobody sees them.
fn plain(said: &[u8]) -> String {
    console::strip_ansi_codes(String::from_utf8_lossy(said).trim()).into_owned()
}
