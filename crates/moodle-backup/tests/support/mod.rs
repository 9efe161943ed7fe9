//! What several tests need.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, missing_docs, reason = "each test takes a part of it")]
#![allow(clippy::allow_attributes, reason = "what is used differs from test to test")]

pub mod server;
pub mod site;

use moodle_backup::repository::{NewKey, Repository};
use moodle_backup::store::Store;

/// A repository in a temporary folder, which goes with it.
pub struct Temporary {
    pub folder: tempfile::TempDir,
    repository: Repository,
}

impl std::ops::Deref for Temporary {
    type Target = Repository;

    fn deref(&self) -> &Repository {
        &self.repository
    }
}

pub fn repository() -> Temporary {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path().to_str().unwrap()).unwrap();
    let repository = Repository::init(store, &NewKey::Passphrase("correct horse".into())).unwrap();
    Temporary { folder, repository }
}
