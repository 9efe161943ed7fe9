//! stub
use super::*;
use std::collections::BTreeMap;
fn later<T>() -> Result<T> {
    Err(Error::new(Kind::Database, "PostgreSQL can't be read yet", ""))
}
pub(super) fn open(_: &Connection, _: usize) -> Result<Box<dyn View>> {
    later()
}
pub(super) fn listing(_: &Connection) -> Result<Vec<Listed>> {
    later()
}
pub(super) fn config(_: &Connection, _: &[&str]) -> Result<BTreeMap<String, String>> {
    later()
}
pub(super) fn tables(_: &Connection) -> Result<Vec<String>> {
    later()
}
pub(super) fn clear(_: &Connection, _: &DatabaseFacts) -> Result<()> {
    later()
}
pub(super) fn restore(
    _: &Connection,
    _: &DatabaseFacts,
    _: &dyn Source,
    _: RestoreOptions,
    _: &dyn Progress,
) -> Result<Restored> {
    later()
}
