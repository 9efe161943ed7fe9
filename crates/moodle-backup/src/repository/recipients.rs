//! Passphrases of keys, encrypted for recipients of age, beside the repository's own files.

use std::io::{Read as _, Write as _};
use std::iter;

use age::x25519;
use secrecy::{ExposeSecret as _, SecretString};

use crate::error::{Error, Kind, Result};
use crate::store::Store;

pub(super) const FOLDER: &str = "moodle-backup/keys";

/// Stores a passphrase for recipients; returns the name of its file.
pub(super) fn store(store: &Store, names: &[String], passphrase: &SecretString) -> Result<String> {
    let parsed = names.iter().map(|text| {
        text.trim().parse::<x25519::Recipient>().map_err(|said| {
            Error::new(Kind::Usage, format!("{text:?} is no recipient of age: {said}"), "age-keygen prints one: age1…")
        })
    });
    let parsed = parsed.collect::<Result<Vec<_>>>()?;
    let failed =
        |said: String| Error::new(Kind::Usage, format!("age can't encrypt: {said}"), "name at least one recipient");
    let encryptor = age::Encryptor::with_recipients(parsed.iter().map(|one| one as &dyn age::Recipient))
        .map_err(|error| failed(error.to_string()))?;
    let mut sealed = Vec::new();
    let mut writer = encryptor.wrap_output(&mut sealed).map_err(|error| failed(error.to_string()))?;
    writer.write_all(passphrase.expose_secret().as_bytes()).map_err(|error| failed(error.to_string()))?;
    writer.finish().map_err(|error| failed(error.to_string()))?;
    let name = name(&sealed);
    store.put(&path(&name), sealed.into())?;
    Ok(name)
}

/// Returns the passphrases that an identity decrypts.
pub(super) fn passphrases(store: &Store, identity: &SecretString) -> Result<Vec<SecretString>> {
    let wrong =
        |what: &str| Error::new(Kind::Key, what.to_owned(), "give the identity file of a recipient that has a key");
    let line = identity.expose_secret().lines().map(str::trim).find(|line| line.starts_with("AGE-SECRET-KEY-"));
    let identity = line
        .and_then(|line| line.parse::<x25519::Identity>().ok())
        .ok_or_else(|| wrong("the identity file has no AGE-SECRET-KEY-1…"))?;
    let stored = store.list(FOLDER)?;
    if stored.is_empty() {
        let what = format!("{} has no key for age", store.location());
        return Err(Error::new(Kind::Key, what, "give its passphrase"));
    }
    let mut found = Vec::new();
    for entry in stored {
        let sealed = store.get(&entry.path)?;
        let Ok(decryptor) = age::Decryptor::new(sealed.as_ref()) else { continue };
        let Ok(mut reader) = decryptor.decrypt(iter::once(&identity as &dyn age::Identity)) else { continue };
        let mut passphrase = String::new();
        if reader.read_to_string(&mut passphrase).is_ok() {
            found.push(passphrase.into());
        }
    }
    if found.is_empty() {
        return Err(wrong("this identity of age opens none of the repository's keys"));
    }
    Ok(found)
}

pub(super) fn remove(store: &Store, name: &str) -> Result<()> {
    store.delete(&path(name))
}

/// Returns the name of the file that has this content.
pub(super) fn name(sealed: &[u8]) -> String {
    hex::encode(&accel::hash::sha256(sealed).as_bytes()[..8])
}

fn path(name: &str) -> String {
    format!("{FOLDER}/{name}.age")
}
