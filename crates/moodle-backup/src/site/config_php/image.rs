//! The configuration of this project's image `moodle`: each setting is a variable, or a file that `…_FILE` names.

use std::collections::BTreeMap;

use super::evaluate::Environment;
use super::value::{Key, Value};

/// Where the image has its data.
const DATAROOT: &str = "/var/moodledata";

/// `$CFG`'s names, the variables, and what holds without them.
const SETTINGS: [(&str, &str, &str); 7] = [
    ("wwwroot", "MOODLE_WWWROOT", ""),
    ("dbtype", "MOODLE_DB_TYPE", "pgsql"),
    ("dbhost", "MOODLE_DB_HOST", ""),
    ("dbname", "MOODLE_DB_NAME", "moodle"),
    ("dbuser", "MOODLE_DB_USER", "moodle"),
    ("dbpass", "MOODLE_DB_PASSWORD", ""),
    ("prefix", "MOODLE_DB_PREFIX", "mdl_"),
];

/// Sets what the image would set.
pub(super) fn settings(environment: Environment<'_>, settings: &mut BTreeMap<String, Value>) {
    for (name, variable, default) in SETTINGS {
        settings.insert(name.to_owned(), setting(environment, variable, default));
    }
    let port = setting(environment, "MOODLE_DB_PORT", "");
    settings.insert("dboptions".to_owned(), Value::Array(vec![(Key::Text(b"dbport".to_vec()), port)]));
    settings.insert("dataroot".to_owned(), Value::Text(DATAROOT.as_bytes().to_vec()));
}

fn setting(environment: Environment<'_>, variable: &str, default: &str) -> Value {
    let set = |name: &str| environment(name).filter(|value| !value.is_empty());
    let file = format!("{variable}_FILE");
    match (set(variable), set(&file)) {
        (Some(_), Some(_)) => Value::Unknown(format!("{variable} and {file} are both set: keep one of them")),
        (Some(value), None) => Value::Text(value),
        (None, Some(path)) => {
            let path = String::from_utf8_lossy(&path).into_owned();
            match std::fs::read(&path) {
                Ok(mut content) => {
                    let kept = content.iter().rev().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
                    content.truncate(content.len() - kept);
                    Value::Text(content)
                }
                Err(error) => Value::Unknown(format!("{file} is {path}, which can't be read ({error})")),
            }
        }
        (None, None) if default.is_empty() && matches!(variable, "MOODLE_WWWROOT" | "MOODLE_DB_HOST") => {
            Value::Unset(variable.to_owned())
        }
        (None, None) => Value::Text(default.as_bytes().to_vec()),
    }
}
