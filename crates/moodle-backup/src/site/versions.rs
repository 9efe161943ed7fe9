//! The versions of a Moodle tree and of the plugins in it, read from the files without running them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::config_php::{Kind as Token, tokens};
use crate::error::{Error, Kind, Result};

/// What a tree says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Versions {
    /// `$release`.
    pub release: String,
    /// `$version`.
    pub version: String,
    /// `$branch`.
    pub branch: String,
    /// The plugins on disk, as `mod_quiz` → `2025100600`.
    pub plugins: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Components {
    plugintypes: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
struct Subplugins {
    #[serde(default)]
    subplugintypes: BTreeMap<String, String>,
    #[serde(default)]
    plugintypes: BTreeMap<String, String>,
}

/// Reads the versions of the tree at `code`, whether it has a folder `public/` (5.1 and later) or not.
///
/// # Errors
/// It is no Moodle tree.
pub fn read(code: &Path) -> Result<Versions> {
    let wrong = |what: String| {
        Error::new(Kind::Site, what, "give the folder of a Moodle tree: the one with lib/ and admin/, above public/")
    };
    let public = public(code);
    let path = public.join("version.php");
    let core = std::fs::read(&path)
        .map_err(|error| wrong(format!("{} is no Moodle tree: {}", code.display(), path.display())).because(error))?;
    let core = assigned(&core);
    let version = core.get("version").cloned().unwrap_or_default();
    if version.is_empty() {
        return Err(wrong(format!("{} has no $version", path.display())));
    }
    let mut plugins = BTreeMap::new();
    if let Some(components) = json::<Components>(&code.join("lib/components.json")) {
        for (kind, folder) in components.plugintypes {
            add(&public, &kind, &code.join(folder), &mut plugins);
        }
    }
    let text = |name: &str| core.get(name).cloned().unwrap_or_default();
    Ok(Versions { release: text("release"), version, branch: text("branch"), plugins })
}

/// Returns the folder that a web server shows: `public/` where there is one.
#[must_use]
pub fn public(code: &Path) -> PathBuf {
    let public = code.join("public");
    if public.join("version.php").is_file() { public } else { code.to_owned() }
}

/// Says whether version `left` is lower than `right`; versions are numbers like `2025100600.02`.
#[must_use]
pub fn is_lower(left: &str, right: &str) -> bool {
    let number = |text: &str| text.trim().parse::<f64>().unwrap_or(0.0);
    number(left) < number(right)
}

fn add(public: &Path, kind: &str, folder: &Path, plugins: &mut BTreeMap<String, String>) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let Some(name) = entry.file_name().to_str().map(str::to_owned) else {
            continue;
        };
        let Ok(source) = std::fs::read(entry.path().join("version.php")) else {
            continue;
        };
        if let Some(version) = assigned(&source).remove("version") {
            plugins.insert(format!("{kind}_{name}"), version);
        }
        if let Some(below) = json::<Subplugins>(&entry.path().join("db/subplugins.json")) {
            let folders = if below.subplugintypes.is_empty() {
                below.plugintypes.into_iter().map(|(kind, path)| (kind, public.join(path))).collect::<Vec<_>>()
            } else {
                below.subplugintypes.into_iter().map(|(kind, path)| (kind, entry.path().join(path))).collect()
            };
            for (kind, folder) in folders {
                add(public, &kind, &folder, plugins);
            }
        }
    }
}

fn json<T: for<'a> Deserialize<'a>>(path: &Path) -> Option<T> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

/// Returns what `$name = …;` and `$plugin->name = …;` assign, where it is a literal.
fn assigned(source: &[u8]) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let Ok(tokens) = tokens(source) else {
        return found;
    };
    for window in tokens.windows(4) {
        let [name, sign, value, end] = window else {
            continue;
        };
        let (Token::Variable(name) | Token::Name(name), Token::Sign("="), Token::Sign(";")) =
            (&name.kind, &sign.kind, &end.kind)
        else {
            continue;
        };
        let text = match &value.kind {
            Token::Integer(number) => number.to_string(),
            Token::Float(number) => number.to_string(),
            Token::Text(text) => String::from_utf8_lossy(text).into_owned(),
            _ => continue,
        };
        found.entry(name.clone()).or_insert(text);
    }
    found
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "what can't be made fails the test")]

    use super::{is_lower, read};

    fn tree(layout: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write(
            &format!("{layout}version.php"),
            "<?php defined('X') || die();\n$version  = 2025100600.02; // $version = 1;\n$release = '5.1+ (Build)'; $branch = '501';",
        );
        write("lib/components.json", &format!(r#"{{"plugintypes": {{"mod": "{layout}mod"}}}}"#));
        write(
            &format!("{layout}mod/assign/version.php"),
            "<?php\n$plugin->component = 'mod_assign';\n$plugin->version = 2025100601;",
        );
        write(
            &format!("{layout}mod/assign/db/subplugins.json"),
            r#"{"subplugintypes": {"assignfeedback": "feedback"}}"#,
        );
        write(&format!("{layout}mod/assign/feedback/file/version.php"), "<?php\n$plugin->version   = 2025100602;");
        folder
    }

    #[test]
    fn a_tree_with_and_without_public_tells_its_versions() {
        for layout in ["public/", ""] {
            let versions = read(tree(layout).path()).unwrap();
            assert_eq!((versions.version.as_str(), versions.branch.as_str()), ("2025100600.02", "501"));
            assert_eq!(versions.release, "5.1+ (Build)");
            let plugins: Vec<_> = versions.plugins.into_iter().collect();
            let expected = [("assignfeedback_file", "2025100602"), ("mod_assign", "2025100601")];
            assert_eq!(plugins, expected.map(|(name, version)| (name.to_owned(), version.to_owned())));
        }
    }

    #[test]
    fn a_folder_that_is_no_moodle_is_named() {
        let folder = tempfile::tempdir().unwrap();
        assert!(read(folder.path()).unwrap_err().to_string().contains("is no Moodle tree"));
    }

    #[test]
    fn versions_compare_as_numbers() {
        assert!(is_lower("2025100600", "2025100600.02"));
        assert!(!is_lower("2025100600.10", "2025100600.1"));
        assert!(is_lower("999", "2025100600"));
    }
}
