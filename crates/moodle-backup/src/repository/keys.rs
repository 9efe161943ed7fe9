//! What opens a repository: passphrases, as restic has them, each with a file below `keys/` in which the repository's
//! own key is encrypted. Whoever has an identity of age finds a passphrase of that kind encrypted in [`super::recipients`].

use jiff::Timestamp;
use rand::RngExt as _;
use rustic_core::KeyOptions;
use rustic_core::repofile::{KeyFile, MasterKey};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;

use super::{DIGITS, Repository, lock, recipients, told};
use crate::error::{Error, Kind, Result};
use crate::store::{Entry, Store};

/// What the name of a key's user begins with when recipients of age open it: the name of the file for them follows.
const AGE: &str = "age:";

/// What opens a repository.
#[derive(Clone, Debug)]
pub enum Secret {
    /// A passphrase, which stock restic takes, too.
    Passphrase(SecretString),
    /// The text of an identity file of age (`AGE-SECRET-KEY-1…`).
    Age(SecretString),
}

/// What will open a repository.
#[derive(Clone, Debug)]
pub enum NewKey {
    /// A passphrase.
    Passphrase(SecretString),
    /// Whoever has the identity of one of these recipients of age (`age1…`).
    Age(Vec<String>),
}

/// A key of a repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Key {
    /// The name of its file below `keys/`.
    pub id: String,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// The host on which it was made.
    pub hostname: String,
    /// Who opens it by an identity of age; nobody: it is opened by a passphrase.
    pub recipients: Vec<String>,
    /// Whether the repository is open by it.
    pub current: bool,
}

/// Stores what recipients need to find the passphrase of a new key; returns that, and what its file says of it.
pub(super) fn prepared(store: &Store, key: &NewKey) -> Result<(SecretString, KeyOptions)> {
    let options = KeyOptions::default().hostname(lock::hostname()).with_created(true);
    match key {
        NewKey::Passphrase(passphrase) if passphrase.expose_secret().is_empty() => {
            Err(Error::new(Kind::Usage, "the passphrase is empty", "give one that nobody guesses"))
        }
        NewKey::Passphrase(passphrase) => {
            let user = std::env::var("USER").unwrap_or_default();
            Ok((passphrase.clone(), options.username(user)))
        }
        NewKey::Age(names) => {
            let mut bytes = [0_u8; 32];
            rand::rng().fill(&mut bytes);
            let passphrase = SecretString::from(hex::encode(bytes));
            let file = recipients::store(store, names, &passphrase)?;
            Ok((passphrase, options.username(format!("{AGE}{file} {}", names.join(" ")))))
        }
    }
}

/// Finds the key file that a secret opens; returns its id and the repository's own key.
pub(super) fn opened(store: &Store, secret: &Secret) -> Result<(String, MasterKey)> {
    let passphrases = match secret {
        Secret::Passphrase(passphrase) => vec![passphrase.clone()],
        Secret::Age(identity) => recipients::passphrases(store, identity)?,
    };
    let (mut files, mut damaged) = (Vec::new(), Vec::new());
    for entry in store.list("keys")? {
        match serde_json::from_slice::<KeyFile>(&store.get(&entry.path)?) {
            Ok(file) => files.push((entry.path, file)),
            Err(_) => damaged.push(entry.path),
        }
    }
    for passphrase in &passphrases {
        for (path, file) in &files {
            match file.key_from_password(&passphrase.expose_secret()) {
                Ok(key) => {
                    let mut master = MasterKey::new();
                    (master.encrypt, master.mac.k, master.mac.r) = key.to_keys();
                    return Ok((name_of(path), master));
                }
                Err(error) if error.is_code("C001") => {}
                Err(error) => return Err(told(store, "has a key that can't be used", &error)),
            }
        }
    }
    let mut what = format!("the key doesn't open the repository in {}", store.location());
    if !damaged.is_empty() {
        what = format!("{what}; of its keys {} can't be read: damaged", damaged.join(", "));
    }
    Err(Error::new(Kind::Key, what, "give the passphrase or identity of one of its keys"))
}

fn name_of(path: &str) -> String {
    path.rsplit('/').next().unwrap_or(path).to_owned()
}

impl Repository {
    /// Returns the keys, the oldest first.
    ///
    /// # Errors
    /// A key is damaged, or the store fails.
    pub fn keys(&self) -> Result<Vec<Key>> {
        let mut keys = Vec::new();
        for entry in self.store.list("keys")? {
            let file: KeyFile = serde_json::from_slice(&self.store.get(&entry.path)?).map_err(|error| {
                let what = format!("{} of {} is no key", entry.path, self.store.location());
                Error::new(Kind::Damaged, what, "bring it back from a copy of the repository, or delete it")
                    .because(error)
            })?;
            let id = name_of(&entry.path);
            let user = file.username.unwrap_or_default();
            let names = user.strip_prefix(AGE).map(|user| user.split(' ').skip(1).map(str::to_owned).collect());
            keys.push(Key {
                current: *id == *self.key,
                id,
                created: file.created.map(|created| created.timestamp()),
                hostname: file.hostname.unwrap_or_default(),
                recipients: names.unwrap_or_default(),
            });
        }
        keys.sort_by(|one, other| (one.created, &one.id).cmp(&(other.created, &other.id)));
        Ok(keys)
    }

    /// Adds a key; returns its id.
    ///
    /// # Errors
    /// It is there already or can't be used, or the store fails.
    pub fn add_key(&self, key: &NewKey) -> Result<String> {
        if let NewKey::Passphrase(passphrase) = key {
            match opened(&self.store, &Secret::Passphrase(passphrase.clone())) {
                Ok((id, _)) => {
                    let what = format!("the new key opens the repository already: it is the key {id}");
                    return Err(Error::new(Kind::Usage, what, "give another one"));
                }
                Err(error) if error.kind == Kind::Key => {}
                Err(error) => return Err(error),
            }
        }
        let (passphrase, options) = prepared(&self.store, key)?;
        let added = self.inner.add_key(passphrase.expose_secret(), &options);
        let id = added.map_err(|error| told(&self.store, "takes no key", &error))?;
        Ok(id.to_hex().as_str().to_owned())
    }

    /// Removes the key whose id begins with `name`, but never the one that the repository is open by; returns its id.
    ///
    /// # Errors
    /// There is no such key, `name` has too few digits, it is the one in use, or the store fails.
    pub fn remove_key(&self, name: &str) -> Result<String> {
        let list = "moodle-backup key list shows the keys";
        if name.len() < DIGITS {
            let what = format!("{name:?} has too few digits to remove a key by");
            return Err(Error::new(Kind::Usage, what, format!("give {DIGITS} or more; {list}")));
        }
        let listed = self.store.list("keys")?;
        let mut fitting = listed.iter().filter(|entry| name_of(&entry.path).starts_with(name));
        let (Some(Entry { path, .. }), None) = (fitting.next(), fitting.next()) else {
            return Err(Error::new(Kind::Repository, format!("no key, or more than one, begins with {name}"), list));
        };
        let id = name_of(path);
        if *id == *self.key {
            let what = format!("the repository is open by the key {name}");
            return Err(Error::new(Kind::Usage, what, "open it by the key that shall stay"));
        }
        let file = serde_json::from_slice::<KeyFile>(&self.store.get(path)?).ok();
        self.store.delete(path)?;
        let user = file.and_then(|file| file.username).unwrap_or_default();
        if let Some(file) = user.strip_prefix(AGE).and_then(|user| user.split(' ').next()) {
            recipients::remove(&self.store, file)?;
        }
        Ok(id)
    }
}
