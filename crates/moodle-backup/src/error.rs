//! The one error of this crate: what is wrong, where, what to do, and the exit code that goes with it.

use std::fmt;

/// The result of whatever can go wrong for a user.
pub type Result<T> = std::result::Result<T, Error>;

/// What kind of thing went wrong; each kind has its own exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// What was asked for can't be meant.
    Usage,
    /// The site's configuration or folders can't be read.
    Site,
    /// There is no repository, or what is there is not one, or it is damaged.
    Repository,
    /// The key doesn't open the repository.
    Key,
    /// Another run holds the lock.
    Locked,
    /// The folder or object store behind the repository fails.
    Store,
    /// The database refuses or fails.
    Database,
    /// What the database lists isn't all in the snapshot.
    Closure,
    /// Stored bytes are damaged or missing.
    Damaged,
    /// The restore can't be right: older code, a full target, a wrong site.
    Refused,
    /// A local file or folder fails: permissions, no space.
    Local,
    /// The site is restored, and Moodle's own checks fail.
    Checks,
    /// The program has a fault.
    Fault,
    /// The run was told to stop.
    Interrupted,
}

impl Kind {
    /// Returns the exit code of the kind, as `docs/backup.md` lists them.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Usage => 2,
            Self::Site => 10,
            Self::Repository => 11,
            Self::Key => 12,
            Self::Locked => 13,
            Self::Store => 14,
            Self::Database => 15,
            Self::Closure => 16,
            Self::Damaged => 17,
            Self::Refused => 18,
            Self::Local => 19,
            Self::Checks => 20,
            Self::Fault => 101,
            Self::Interrupted => 130,
        }
    }
}

/// What is wrong and where, in a sentence without a final stop; what to do about it; what lay beneath.
#[derive(Debug)]
pub struct Error {
    /// The kind, which decides the exit code.
    pub kind: Kind,
    /// What is wrong, and where.
    pub what: String,
    /// What to do; empty where nothing can be said.
    pub fix: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// Makes an error without a cause.
    pub fn new(kind: Kind, what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { kind, what: what.into(), fix: fix.into(), source: None }
    }

    /// Makes the reason why something is refused.
    pub fn refused(what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::new(Kind::Refused, what, fix)
    }

    /// Adds the cause, which must not hold a secret.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.what)?;
        if let Some(source) = &self.source {
            write!(formatter, ": {source}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
