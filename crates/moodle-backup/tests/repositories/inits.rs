//! An `init` that is killed at any operation of its store is made good by the next one.

use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::Command;

use moodle_backup::repository::{NewKey, Repository, Secret};
use moodle_backup::store::Store;

const FOLDER: &str = "MOODLE_BACKUP_TEST_INIT";
const RECIPIENT: &str = "MOODLE_BACKUP_TEST_RECIPIENT";

/// Not a test: the `init` that is killed.
#[test]
fn the_init_to_be_killed() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let recipient = std::env::var(RECIPIENT).unwrap();
    let key = if recipient.is_empty() { NewKey::Passphrase("same".into()) } else { NewKey::Age(vec![recipient]) };
    Repository::init(Store::open(&folder).unwrap(), &key).unwrap();
}

/// Runs `init` in a process of its own; false: it wasn't killed.
fn killed(folder: &Path, recipient: &str, fault: &str) -> bool {
    let done = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "inits::the_init_to_be_killed", "--test-threads=1"])
        .env(FOLDER, folder)
        .env(RECIPIENT, recipient)
        .env("MOODLE_BACKUP_FAULT", fault)
        .output()
        .unwrap();
    let aborted = done.status.signal() == Some(6);
    assert!(aborted || done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
    aborted
}

#[test]
fn after_an_init_that_was_killed_at_any_operation_another_one_makes_a_repository_with_one_key() {
    let scratch = tempfile::tempdir().unwrap();
    let identity = age::x25519::Identity::generate();
    let private = secrecy::ExposeSecret::expose_secret(&identity.to_string()).to_owned();
    let keys = [
        (String::new(), Secret::Passphrase("same".into()), 2),
        (identity.to_public().to_string(), Secret::Age(private.into()), 3),
    ];
    for (recipient, secret, operations) in keys {
        for mode in ["half", "after"] {
            let mut number = 1;
            loop {
                let folder = scratch.path().join(format!("{operations}-{mode}-{number}"));
                if !killed(&folder, &recipient, &format!("{mode}:{number}")) {
                    break;
                }
                let store = || Store::open(folder.to_str().unwrap()).unwrap();
                // After its last operation, a killed one has made the repository.
                if !folder.join("config").exists() {
                    assert!(!killed(&folder, &recipient, ""), "{mode}:{number}");
                }
                Repository::open(store(), &secret).unwrap();
                assert_eq!(store().list("keys").unwrap().len(), 1, "{mode}:{number}");
                assert!(store().list("moodle-backup/keys").unwrap().len() <= 1, "{mode}:{number}");
                number += 1;
            }
            assert_eq!(number - 1, operations, "{mode}");
        }
    }
}
