//! `config.php`, read without running it.
//!
//! Literals, arrays, constants, `__DIR__`, `getenv()`, secrets in files and included files are understood. What depends
//! on a condition, a call or the web server's request can't be known: it is an error that says the line, and the
//! options that give the value instead.

mod evaluate;
mod image;
mod lexer;
mod rewrite;
mod value;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use secrecy::SecretString;

pub(super) use self::lexer::{Kind, tokens};
pub use self::rewrite::with_text;
pub use self::value::{Key, Value};
use crate::error::{Error, Kind as ErrorKind, Result};

/// What a config.php says.
pub struct Config {
    /// The file.
    pub path: PathBuf,
    settings: BTreeMap<String, Value>,
    unread: Vec<String>,
}

impl std::fmt::Debug for Config {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Config").field("path", &self.path).finish_non_exhaustive()
    }
}

/// Reads a config.php, or that of a Moodle tree, with the environment of this process.
///
/// # Errors
/// There is none, or it is not PHP.
pub fn read(path: &Path) -> Result<Config> {
    use std::os::unix::ffi::OsStringExt;
    read_with(path, &|name| std::env::var_os(name).map(OsStringExt::into_vec))
}

/// Reads a config.php with an environment.
///
/// # Errors
/// There is none, or it is not PHP.
pub fn read_with(path: &Path, environment: &dyn Fn(&str) -> Option<Vec<u8>>) -> Result<Config> {
    let path = if path.is_dir() { path.join("config.php") } else { path.to_owned() };
    let absolute = std::path::absolute(&path).unwrap_or_else(|_| path.clone());
    let mut state = evaluate::State::default();
    evaluate::file(&absolute, environment, &mut state, 0).map_err(|reason| {
        Error::new(
            ErrorKind::Site,
            format!("{} can't be read: {reason}", path.display()),
            "give --site the folder of a Moodle with its config.php, or --dataroot and the --db-… options",
        )
    })?;
    // A config.php in public/ only includes the one above it.
    if state.image {
        image::settings(environment, &mut state.settings);
    }
    Ok(Config { path: absolute, settings: state.settings, unread: state.unread })
}

impl Config {
    /// Returns `$CFG->name`; nothing: it isn't set.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.settings.get(name)
    }

    /// Returns `$CFG->name` as text; nothing: it isn't set, or is empty.
    ///
    /// # Errors
    /// It can't be known, with the line and the option to give it by.
    pub fn text(&self, name: &str, option: &str) -> Result<Option<String>> {
        self.converted(name, self.get(name), option)
    }

    /// Returns an entry of `$CFG->dboptions`; nothing: it isn't set, or is empty.
    ///
    /// # Errors
    /// It can't be known, with the line and the option to give it by.
    pub fn database_option(&self, name: &str, option: &str) -> Result<Option<String>> {
        let value = match self.get("dboptions") {
            Some(options @ Value::Array(_)) => options.item(name),
            other => other,
        };
        self.converted(&format!("dboptions['{name}']"), value, option)
    }

    /// Returns `$CFG->name` as a secret; nothing: it isn't set.
    ///
    /// # Errors
    /// It can't be known, with the line and the option to give it by.
    pub fn secret(&self, name: &str, option: &str) -> Result<Option<SecretString>> {
        Ok(self.text(name, option)?.map(SecretString::from))
    }

    fn converted(&self, name: &str, value: Option<&Value>, option: &str) -> Result<Option<String>> {
        let doubt = |reason: &str| {
            Error::new(
                ErrorKind::Site,
                format!("{} doesn't say without being run what $CFG->{name} is: {reason}", self.path.display()),
                format!("give {option} explicitly"),
            )
        };
        let text = match value {
            None if self.unread.is_empty() => return Ok(None),
            None => return Err(doubt(&self.unread.join("; "))),
            Some(Value::Unknown(reason)) => return Err(doubt(reason)),
            Some(Value::Unset(variable)) => {
                return Err(doubt(&format!(
                    "it comes from the environment variable {variable}, which is not set here"
                )));
            }
            Some(value) => value.text().ok_or_else(|| doubt("it is no text"))?,
        };
        let text = String::from_utf8(text).map_err(|_| doubt("it is not UTF-8"))?;
        Ok(Some(text).filter(|text| !text.is_empty()))
    }
}
