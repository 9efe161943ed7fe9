//! Where the key to a repository comes from: a file, a command, the environment, an age identity, a person.

use std::fs;
use std::io::{self, IsTerminal as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::Args;
use moodle_backup::error::{Error, Kind, Result};
use moodle_backup::repository::{NewKey, Secret};
use rand::Rng as _;
use secrecy::{ExposeSecret as _, SecretString};

const PASSPHRASE: &str = "MOODLE_BACKUP_PASSPHRASE";
const PASSPHRASE_FILE: &str = "MOODLE_BACKUP_PASSPHRASE_FILE";
const PASSPHRASE_COMMAND: &str = "MOODLE_BACKUP_PASSPHRASE_COMMAND";
const KEY_FILE: &str = "MOODLE_BACKUP_KEY_FILE";
const AGE_IDENTITY: &str = "MOODLE_BACKUP_AGE_IDENTITY";

/// What names the key of a repository.
const OPENING: &str =
    "--key-file, --passphrase-file, --passphrase-command or --age-identity, or set MOODLE_BACKUP_PASSPHRASE";

/// How many random bytes a new key file has.
const KEY_BYTES: usize = 32;

/// The options that name a key; without one, the environment does.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Key of the repository, one of")]
pub(crate) struct Sources {
    /// A file with a long random key, which `init` makes [or: `MOODLE_BACKUP_KEY_FILE`].
    #[arg(long, global = true, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// A file with the passphrase in its first line [or: `MOODLE_BACKUP_PASSPHRASE_FILE`, `MOODLE_BACKUP_PASSPHRASE`].
    #[arg(long, global = true, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// A command of the shell that prints the passphrase [or: `MOODLE_BACKUP_PASSPHRASE_COMMAND`].
    #[arg(long, global = true, value_name = "COMMAND")]
    passphrase_command: Option<String>,
    /// A file with the identity (private key) of an age recipient [or: `MOODLE_BACKUP_AGE_IDENTITY`].
    #[arg(long, global = true, value_name = "FILE")]
    age_identity: Option<PathBuf>,
}

/// Who opens a repository by an identity of age.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Recipients {
    /// Lock the repository for this age recipient (public key), in place of a passphrase; may be repeated.
    #[arg(long, value_name = "RECIPIENT")]
    age_recipient: Vec<String>,
    /// A file with age recipients, one in a line.
    #[arg(long, value_name = "FILE")]
    age_recipients_file: Option<PathBuf>,
}

impl Recipients {
    /// Returns those that are named.
    ///
    /// # Errors
    /// The file can't be read.
    pub(crate) fn read(&self) -> Result<Vec<String>> {
        let mut recipients = self.age_recipient.clone();
        if let Some(path) = &self.age_recipients_file {
            let text = fs::read_to_string(path).map_err(|error| {
                let what = format!("the age recipients can't be read from {}", path.display());
                Error::new(Kind::Usage, what, "name a file that this user may read").because(error)
            })?;
            let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
            recipients.extend(lines.map(str::to_owned));
        }
        Ok(recipients)
    }
}

/// A place that a key comes from.
#[derive(Clone, Debug)]
enum Source {
    KeyFile(PathBuf),
    PassphraseFile(PathBuf),
    Command(String),
    Given(SecretString),
    AgeIdentity(PathBuf),
    Asked,
}

/// A new key, of which nothing is made or asked for yet: first it has to be known that there is a place for it.
#[derive(Debug)]
pub(crate) enum Unmade {
    Known(NewKey),
    KeyFile(PathBuf),
    Asked,
}

impl Unmade {
    /// Makes it; `options` are those that name one.
    ///
    /// # Errors
    /// The file can't be written, there is no terminal, or two passphrases differ.
    pub(crate) fn make(self, options: &str) -> Result<NewKey> {
        match self {
            Self::Known(key) => Ok(key),
            Self::KeyFile(path) => make_key_file(&path).map(NewKey::Passphrase),
            Self::Asked => {
                let first = ask("New passphrase: ", options).and_then(not_empty)?;
                let second = ask("The same again: ", options)?;
                if first.expose_secret() != second.expose_secret() {
                    return Err(usage("the two passphrases differ", "type the same twice"));
                }
                Ok(NewKey::Passphrase(first))
            }
        }
    }
}

impl Sources {
    /// Returns what opens a repository.
    ///
    /// # Errors
    /// Nothing or more than one thing is named, or it can't be read.
    pub(crate) fn open(&self) -> Result<Secret> {
        match self.source(&|name| std::env::var(name).ok())?.1 {
            Source::AgeIdentity(path) => {
                read(&path, "the age identity").map(|text| Secret::Age(SecretString::from(text)))
            }
            Source::Asked => ask("Passphrase of the repository: ", OPENING).and_then(not_empty).map(Secret::Passphrase),
            other => passphrase(&other).map(Secret::Passphrase),
        }
    }

    /// Returns the options that name a new key.
    pub(crate) fn of_new(key_file: Option<&PathBuf>, file: Option<&PathBuf>, command: Option<&String>) -> Self {
        Self {
            key_file: key_file.cloned(),
            passphrase_file: file.cloned(),
            passphrase_command: command.cloned(),
            age_identity: None,
        }
    }

    /// Returns what a new repository shall be locked with: recipients, where there are some, or a key that is still to be
    /// made.
    ///
    /// # Errors
    /// As [`open`](Self::open); both recipients and a source are named.
    pub(crate) fn create(&self, recipients: Vec<String>) -> Result<Unmade> {
        self.create_from(recipients, &|name| std::env::var(name).ok())
    }

    /// As [`create`](Self::create), with these variables.
    ///
    /// # Errors
    /// As [`create`](Self::create).
    pub(crate) fn create_from(
        &self,
        recipients: Vec<String>,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Unmade> {
        let (name, source) = self.source(environment)?;
        match (source, recipients.is_empty()) {
            (Source::Asked | Source::AgeIdentity(_), false) => Ok(Unmade::Known(NewKey::Age(recipients))),
            (_, false) => {
                let what = format!("age recipients are given, and {name} names a passphrase");
                Err(usage(what, "leave one of them out"))
            }
            (Source::AgeIdentity(_), true) => {
                Err(usage("an age identity opens a repository and makes none", "give its recipient by --age-recipient"))
            }
            (Source::KeyFile(path), true) if !path.exists() => Ok(Unmade::KeyFile(path)),
            (Source::Asked, true) => Ok(Unmade::Asked),
            (other, true) => passphrase(&other).map(NewKey::Passphrase).map(Unmade::Known),
        }
    }

    /// Returns where the key comes from, and what names that.
    fn source(&self, environment: &dyn Fn(&str) -> Option<String>) -> Result<(&'static str, Source)> {
        let options = [
            self.key_file.clone().map(|path| ("--key-file", Source::KeyFile(path))),
            self.passphrase_file.clone().map(|path| ("--passphrase-file", Source::PassphraseFile(path))),
            self.passphrase_command.clone().map(|line| ("--passphrase-command", Source::Command(line))),
            self.age_identity.clone().map(|path| ("--age-identity", Source::AgeIdentity(path))),
        ];
        let variable =
            |name: &'static str, make: fn(String) -> Source| environment(name).map(|text| (name, make(text)));
        let variables = [
            variable(KEY_FILE, |text| Source::KeyFile(text.into())),
            variable(PASSPHRASE_FILE, |text| Source::PassphraseFile(text.into())),
            variable(PASSPHRASE_COMMAND, Source::Command),
            variable(PASSPHRASE, |text| Source::Given(text.into())),
            variable(AGE_IDENTITY, |text| Source::AgeIdentity(text.into())),
        ];
        let [options, variables] = [options.into_iter().flatten().collect(), variables.into_iter().flatten().collect()];
        let mut found: Vec<(&'static str, Source)> = if Vec::is_empty(&options) { variables } else { options };
        match (found.pop(), found.pop()) {
            (Some((first, _)), Some((second, _))) => {
                Err(usage(format!("{second} and {first} both name a key"), "leave one of them out"))
            }
            (Some(found), None) => Ok(found),
            (None, _) => Ok(("", Source::Asked)),
        }
    }
}

fn passphrase(source: &Source) -> Result<SecretString> {
    let text = match source {
        Source::KeyFile(path) => read(path, "the key file")?,
        Source::PassphraseFile(path) => read(path, "the passphrase file")?,
        Source::Command(line) => output(line)?,
        Source::Given(text) => return not_empty(text.clone()),
        Source::AgeIdentity(_) | Source::Asked => String::new(),
    };
    not_empty(SecretString::from(text.lines().next().unwrap_or_default()))
}

fn not_empty(passphrase: SecretString) -> Result<SecretString> {
    if passphrase.expose_secret().is_empty() {
        return Err(Error::new(Kind::Key, "the passphrase is empty", "give one that nobody guesses"));
    }
    Ok(passphrase)
}

fn read(path: &Path, what: &str) -> Result<String> {
    let failed = |error: io::Error| {
        let fix = "name a file that this user may read";
        Error::new(Kind::Key, format!("{what} {} can't be read", path.display()), fix).because(error)
    };
    let others = fs::metadata(path).map_err(failed)?.permissions().mode() & 0o077;
    // A pipe of the shell is nobody else's, whatever its mode is.
    if others != 0 && path.is_file() {
        tracing::warn!("others may read {}: chmod 600 {0}", path.display());
    }
    fs::read_to_string(path).map_err(failed)
}

fn output(line: &str) -> Result<String> {
    let failed = |what: String| Error::new(Kind::Key, what, "run the command by hand to see why");
    let done = Command::new("sh")
        .args(["-c", line])
        .stdin(Stdio::inherit())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| failed("the passphrase command can't be run".into()).because(error))?;
    if !done.status.success() {
        return Err(failed(format!("the passphrase command failed ({})", done.status)));
    }
    String::from_utf8(done.stdout).map_err(|_| failed("what the passphrase command prints is no UTF-8 text".into()))
}

fn make_key_file(path: &Path) -> Result<SecretString> {
    let mut random = [0u8; KEY_BYTES];
    rand::rng().fill_bytes(&mut random);
    let key = hex::encode(random);
    fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| writeln!(file, "{key}").and_then(|()| file.sync_all()))
        .map_err(|error| {
            let what = format!("the key file {} can't be made", path.display());
            Error::new(Kind::Local, what, "name a file in a folder that this user may write").because(error)
        })?;
    Ok(SecretString::from(key))
}

fn ask(question: &str, options: &str) -> Result<SecretString> {
    if !io::stderr().is_terminal() || !io::stdin().is_terminal() {
        return Err(Error::new(
            Kind::Key,
            "there is no key, and no terminal to ask for one",
            format!("give {options}"),
        ));
    }
    let failed = |error: io::Error| Error::new(Kind::Key, "the passphrase can't be read", "").because(error);
    let mut screen = io::stderr().lock();
    screen.write_all(question.as_bytes()).and_then(|()| screen.flush()).map_err(failed)?;
    let typed = console::Term::stderr().read_secure_line().map_err(failed)?;
    Ok(SecretString::from(typed))
}

fn usage(what: impl Into<String>, fix: &str) -> Error {
    Error::new(Kind::Usage, what, fix)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "what can't be made fails the test")]

    use super::*;

    fn nothing(_: &str) -> Option<String> {
        None
    }

    fn text(secret: &SecretString) -> &str {
        secret.expose_secret()
    }

    #[test]
    fn an_option_wins_over_the_environment() {
        let sources = Sources { passphrase_file: Some("file".into()), ..Sources::default() };
        let found = sources.source(&|_| Some("environment".into())).unwrap();
        assert!(matches!(found, ("--passphrase-file", Source::PassphraseFile(path)) if path == Path::new("file")));
    }

    #[test]
    fn two_keys_are_refused_by_their_names() {
        let sources = Sources { key_file: Some("a".into()), age_identity: Some("b".into()), ..Sources::default() };
        let error = sources.source(&nothing).unwrap_err();
        assert_eq!(error.what, "--key-file and --age-identity both name a key");
        let twice = |name: &str| [PASSPHRASE, KEY_FILE].contains(&name).then(|| "x".to_owned());
        let error = Sources::default().source(&twice).unwrap_err();
        assert_eq!(error.what, "MOODLE_BACKUP_KEY_FILE and MOODLE_BACKUP_PASSPHRASE both name a key");
    }

    #[test]
    fn what_stands_beside_age_recipients_is_named() {
        let set = |name: &str| (name == KEY_FILE).then(|| "x".to_owned());
        let error = Sources::default().create_from(vec!["age1".into()], &set).unwrap_err();
        assert!(error.what.contains("MOODLE_BACKUP_KEY_FILE"), "{error}");
        assert!(Sources::default().create_from(vec!["age1".into()], &nothing).is_ok());
    }

    #[test]
    fn the_passphrase_is_the_first_line_of_a_file_or_of_what_a_command_prints() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("passphrase");
        fs::write(&file, "  two words \nand more\n").unwrap();
        assert_eq!(text(&passphrase(&Source::PassphraseFile(file)).unwrap()), "  two words ");
        assert_eq!(text(&passphrase(&Source::Command("printf 'a\\nb\\n'".into())).unwrap()), "a");
    }

    #[test]
    fn an_empty_passphrase_and_a_command_that_fails_are_errors_of_the_key() {
        let empty = passphrase(&Source::Command("true".into())).unwrap_err();
        assert_eq!((empty.kind, empty.what.as_str()), (Kind::Key, "the passphrase is empty"));
        let failed = passphrase(&Source::Command("echo secret; exit 3".into())).unwrap_err();
        assert_eq!(failed.kind, Kind::Key);
        assert!(failed.to_string().contains("exit status: 3") && !failed.to_string().contains("secret"), "{failed}");
    }

    #[test]
    fn a_new_key_file_is_long_random_and_its_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let [one, two] = ["one", "two"].map(|name| folder.path().join(name));
        let key = make_key_file(&one).unwrap();
        assert_eq!(text(&key).len(), 2 * KEY_BYTES);
        assert_ne!(text(&key), text(&make_key_file(&two).unwrap()));
        assert_eq!(fs::metadata(&one).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(text(&passphrase(&Source::KeyFile(one.clone())).unwrap()), text(&key));
        assert_eq!(make_key_file(&one).unwrap_err().kind, Kind::Local, "an existing key is never overwritten");
    }

    #[test]
    fn nothing_that_is_printed_shows_a_passphrase() {
        assert!(!format!("{:?}", Source::Given("secret".into())).contains("secret"));
    }
}
