//! What opens a repository: a passphrase, as restic has it, or an age identity, for which a random passphrase lies
//! encrypted beside the repository's own keys.

use std::iter;

use age::x25519;
use bytes::Bytes;
use rand::RngExt as _;
use secrecy::{ExposeSecret as _, SecretString};

use crate::error::{Error, Kind, Result};
use crate::store::Store;

/// Where the passphrases for age recipients are.
const FOLDER: &str = "moodle-backup/keys";

/// What opens a repository.
#[derive(Clone, Debug)]
pub enum Secret {
    /// A passphrase, which stock restic takes, too.
    Passphrase(SecretString),
    /// The text of an identity file of age (`AGE-SECRET-KEY-1…`).
    Age(SecretString),
}

/// What will open a new repository.
#[derive(Clone, Debug)]
pub enum NewKey {
    /// A passphrase.
    Passphrase(SecretString),
    /// Whoever has the identity of one of these recipients of age (`age1…`).
    Age(Vec<String>),
}

/// Returns the passphrase that a new repository gets, and what has to be stored for its recipients.
pub(super) fn made(key: &NewKey) -> Result<(SecretString, Option<Bytes>)> {
    let recipients = match key {
        NewKey::Passphrase(passphrase) if passphrase.expose_secret().is_empty() => {
            return Err(Error::new(Kind::Usage, "the passphrase is empty", "give one that nobody guesses"));
        }
        NewKey::Passphrase(passphrase) => return Ok((passphrase.clone(), None)),
        NewKey::Age(recipients) => recipients,
    };
    let parsed = recipients.iter().map(|text| {
        text.trim().parse::<x25519::Recipient>().map_err(|said| {
            Error::new(Kind::Usage, format!("{text:?} is no recipient of age: {said}"), "age-keygen prints one: age1…")
        })
    });
    let parsed = parsed.collect::<Result<Vec<_>>>()?;
    let mut bytes = [0_u8; 32];
    rand::rng().fill(&mut bytes);
    let passphrase = SecretString::from(hex::encode(bytes));
    let failed =
        |said: String| Error::new(Kind::Usage, format!("age can't encrypt: {said}"), "name at least one recipient");
    let encryptor = age::Encryptor::with_recipients(parsed.iter().map(|one| one as &dyn age::Recipient))
        .map_err(|error| failed(error.to_string()))?;
    let mut sealed = Vec::new();
    let mut writer = encryptor.wrap_output(&mut sealed).map_err(|error| failed(error.to_string()))?;
    std::io::Write::write_all(&mut writer, passphrase.expose_secret().as_bytes())
        .map_err(|error| failed(error.to_string()))?;
    writer.finish().map_err(|error| failed(error.to_string()))?;
    Ok((passphrase, Some(sealed.into())))
}

/// Stores what recipients of age open.
pub(super) fn store(store: &Store, sealed: Bytes) -> Result<()> {
    let name = hex::encode(&accel::hash::sha256(&sealed).as_bytes()[..8]);
    store.put(&format!("{FOLDER}/{name}.age"), sealed)
}

/// Returns the passphrase of a repository.
pub(super) fn passphrase(store: &Store, secret: &Secret) -> Result<SecretString> {
    let text = match secret {
        Secret::Passphrase(passphrase) => return Ok(passphrase.clone()),
        Secret::Age(text) => text,
    };
    let wrong =
        |what: &str| Error::new(Kind::Key, what.to_owned(), "give the identity file of a recipient that `init` named");
    let line = text.expose_secret().lines().map(str::trim).find(|line| line.starts_with("AGE-SECRET-KEY-"));
    let identity = line
        .and_then(|line| line.parse::<x25519::Identity>().ok())
        .ok_or_else(|| wrong("the identity file has no AGE-SECRET-KEY-1…"))?;
    let stored = store.list(FOLDER)?;
    if stored.is_empty() {
        let what = format!("{} has no key for age", store.location());
        return Err(Error::new(Kind::Key, what, "give its passphrase"));
    }
    for entry in stored {
        let sealed = store.get(&entry.path)?;
        let Ok(decryptor) = age::Decryptor::new(sealed.as_ref()) else { continue };
        let Ok(mut reader) = decryptor.decrypt(iter::once(&identity as &dyn age::Identity)) else { continue };
        let mut passphrase = String::new();
        if std::io::Read::read_to_string(&mut reader, &mut passphrase).is_ok() {
            return Ok(passphrase.into());
        }
    }
    Err(wrong("this identity of age opens none of the repository's keys"))
}
