//! How long work tells what it does, whoever shows it.

/// What a number of a phase counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Bytes.
    Bytes,
    /// Files of the pool, objects, blobs.
    Files,
    /// Rows of tables.
    Rows,
}

/// Gets told what work goes on. One phase ends where the next begins; phases of several threads share one bar.
pub trait Progress: Sync {
    /// A phase begins that will count up to about `total` (0: nobody knows).
    fn phase(&self, name: &str, total: u64, unit: Unit);
    /// So much more is done.
    fn advance(&self, done: u64);
    /// Something the user should know that is no error.
    fn note(&self, text: &str);
}

/// Tells nobody.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Progress for Silent {
    fn phase(&self, _name: &str, _total: u64, _unit: Unit) {}
    fn advance(&self, _done: u64) {}
    fn note(&self, _text: &str) {}
}
