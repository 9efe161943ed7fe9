//! A dump becomes a database.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use accel::hash::{Algorithm, Hasher};
use postgres::Client;

use super::catalog::{self, Table};
use super::connect::{connect, failed, schema_of};
use super::{WRITE_BYTES, quoted};
use crate::database::{self, Connection, Restored, Source};
use crate::error::{Error, Kind, Result};
use crate::manifest::{DatabaseFacts, FileFacts, TableFacts};
use crate::progress::{Progress, Unit};

/// What to do after a restore that failed: the database is as it was before.
const AGAIN: &str = "mend what is said, and run the same again";

/// Returns the script that loads a dump with `psql`.
pub(super) fn script(tables: &[Table], facts: &[TableFacts]) -> String {
    let mut sql =
        "-- Run in this folder: psql -v ON_ERROR_STOP=1 -f load.sql DATABASE\n\\encoding UTF8\n\\i schema.sql\n"
            .to_owned();
    for (table, facts) in tables.iter().zip(facts) {
        for file in &facts.files {
            let path = file.path.replace('\'', "''");
            let _ = writeln!(sql, "\\copy {} ({}) FROM '{path}'", quoted(&table.name), table.selected());
        }
    }
    sql.push_str("\\i indexes.sql\n");
    sql
}

/// Connects for loading; also returns the schema.
pub(super) fn session(connection: &Connection) -> Result<(Client, String)> {
    let mut client = connect(connection)?;
    let schema = schema_of(&mut client, connection)?;
    let sql = format!(
        "SET search_path = {}; SET statement_timeout = 0; SET synchronous_commit = off; \
         SET client_min_messages = warning; SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD'",
        quoted(&schema)
    );
    client.batch_execute(&sql).map_err(|error| failed("the session can't be set up", "", &error))?;
    Ok((client, schema))
}

/// Loads a dump into a schema that has none of its tables.
pub(in crate::database) fn load(
    connection: &Connection,
    facts: &DatabaseFacts,
    source: &dyn Source,
    jobs: usize,
    progress: &dyn Progress,
) -> Result<Restored> {
    let (mut leader, schema) = session(connection)?;
    leader
        .batch_execute(&database::text(source, "schema.sql")?)
        .map_err(|error| failed("the tables can't be made", "give a user who may create in the schema", &error))?;
    let columns = catalog::loaded(&mut leader, &schema, &facts.prefix)?;
    let mut clients = vec![leader];
    for _ in 1..jobs {
        clients.push(session(connection)?.0);
    }
    let mut files: Vec<(&TableFacts, &FileFacts)> =
        facts.tables.iter().flat_map(|table| table.files.iter().map(move |file| (table, file))).collect();
    files.sort_by_key(|(_, file)| std::cmp::Reverse(file.size));
    progress.phase("database", files.iter().map(|(_, file)| file.size).sum(), Unit::Bytes);
    let counted = Mutex::new(BTreeMap::new());
    share(&mut clients, &files, &|client, (table, file)| {
        let columns = columns.get(&table.name).map(String::as_str).unwrap_or_default();
        let rows = load_file(client, table, columns, file, source)?;
        progress.advance(file.size);
        *counted.lock().unwrap_or_else(PoisonError::into_inner).entry(table.name.clone()).or_insert(0) += rows;
        Ok(())
    })?;
    let mut counted = counted.into_inner().unwrap_or_else(PoisonError::into_inner);
    for table in &facts.tables {
        let rows = *counted.entry(table.name.clone()).or_insert(0);
        if rows != table.rows {
            return Err(Error::new(
                Kind::Damaged,
                format!("{} got {rows} rows, and the snapshot says {}", table.name, table.rows),
                AGAIN,
            ));
        }
    }
    finish(&mut clients, &database::text(source, "indexes.sql")?, progress)?;
    Ok(Restored { tables: counted })
}

/// Makes keys, indexes and constraints, table by table over all connections, then what is between tables.
fn finish(clients: &mut [Client], indexes: &str, progress: &dyn Progress) -> Result<()> {
    let mut blocks: Vec<&str> = indexes.split("\n-- ").collect();
    progress.phase("indexes", blocks.len() as u64, Unit::Rows);
    let last = blocks.pop().unwrap_or_default();
    let make = |client: &mut Client, block: &str| {
        // The first line is what is left of the comment.
        let statements = block.split_once('\n').map_or("", |(_, statements)| statements);
        progress.advance(1);
        client.batch_execute(statements).map_err(|error| failed("an index can't be made", AGAIN, &error))
    };
    share(clients, &blocks, &|client, block| make(client, block))?;
    clients.first_mut().map_or(Ok(()), |client| make(client, last))
}

/// Works through items over all connections.
pub(super) fn share<T: Sync>(
    clients: &mut [Client],
    items: &[T],
    work: &(dyn Fn(&mut Client, &T) -> Result<()> + Sync),
) -> Result<()> {
    let next = AtomicUsize::new(0);
    let failure = Mutex::new(None);
    std::thread::scope(|scope| {
        for client in clients {
            let (next, failure) = (&next, &failure);
            scope.spawn(move || {
                while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(error) = work(client, item) {
                        failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                        next.store(items.len(), Ordering::Relaxed);
                    }
                }
            });
        }
    });
    failure.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
}

/// Loads a file, and returns how many rows it had.
fn load_file(
    client: &mut Client,
    table: &TableFacts,
    columns: &str,
    file: &FileFacts,
    source: &dyn Source,
) -> Result<u64> {
    let refused = |error: &postgres::Error| {
        failed(&format!("{} takes no rows from database/{}", table.name, file.path), AGAIN, error)
    };
    let mut reader = source.file(&file.path)?;
    let mut writer = client
        .copy_in(&format!("COPY {} ({columns}) FROM STDIN", quoted(&table.name)))
        .map_err(|error| refused(&error))?;
    let mut hasher = Hasher::new(Algorithm::Sha256);
    let mut buffer = vec![0; WRITE_BYTES];
    let mut size = 0;
    loop {
        let length = reader.read(&mut buffer).map_err(|error| database::unread(&file.path, error))?;
        if length == 0 {
            break;
        }
        hasher.update(&buffer[..length]);
        size += length as u64;
        writer.write_all(&buffer[..length]).map_err(|error| {
            Error::new(Kind::Database, format!("{} takes no more rows", table.name), AGAIN).because(error)
        })?;
    }
    if size != file.size || hex::encode(hasher.finish().as_bytes()) != file.sha256 {
        return Err(Error::new(
            Kind::Damaged,
            format!("database/{} is not what the snapshot says", file.path),
            "take another snapshot: `moodle-backup verify --data` names all that is damaged",
        ));
    }
    writer.finish().map_err(|error| refused(&error))
}
