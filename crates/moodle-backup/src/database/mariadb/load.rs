//! Loads: tables first, rows over several connections, indexes last.

use std::collections::{BTreeMap, VecDeque};
use std::io::{Read, Write as _};
use std::sync::{Mutex, PoisonError};

use accel::hash::{Algorithm, Hasher};
use crossbeam_channel::{Receiver, Sender};
use mysql::prelude::Queryable as _;
use mysql::{Conn, LocalInfileHandler};

use super::dump::load_statement;
use super::table::Columns;
use super::{connected, failed, quoted, rows, run, text};
use crate::database::{self, Connection, Restored, Source};
use crate::error::{Error, Kind, Result};
use crate::manifest::{DatabaseFacts, FileFacts, TableFacts};
use crate::progress::{Progress, Unit};

/// Rows are read in pieces of this size.
const PIECE: usize = 1 << 20;
/// A statement that inserts rows has about this many bytes.
const STATEMENT: usize = 512 << 10;

/// Loads a dump into a database that has none of its tables.
pub(crate) fn load(
    connection: &Connection,
    facts: &DatabaseFacts,
    source: &dyn Source,
    jobs: usize,
    progress: &dyn Progress,
) -> Result<Restored> {
    let mut clients = (0..jobs).map(|_| connected(connection)).collect::<Result<Vec<_>>>()?;
    let clients = clients.as_mut_slice();
    for client in &mut *clients {
        run(client, "SET SESSION unique_checks = 0, foreign_key_checks = 0")?;
    }
    progress.phase("creating tables", facts.tables.len() as u64, Unit::Files);
    spread(clients, facts.tables.iter().collect(), &|client, table: &TableFacts| {
        run(client, &script(source, &format!("{}/table.sql", table.name))?)?;
        progress.advance(1);
        Ok(())
    })?;
    progress.phase("loading rows", facts.tables.iter().map(|table| table.rows).sum(), Unit::Rows);
    let loaded: Mutex<BTreeMap<String, u64>> =
        Mutex::new(facts.tables.iter().map(|table| (table.name.clone(), 0)).collect());
    let mut files: Vec<_> =
        facts.tables.iter().flat_map(|table| table.files.iter().map(move |file| (table, file))).collect();
    files.sort_by_key(|(_, file)| std::cmp::Reverse(file.size));
    spread(clients, files, &|client, (table, file)| {
        let rows = load_file(client, &table.name, file, source)?;
        *guarded(&loaded).entry(table.name.clone()).or_default() += rows;
        progress.advance(rows);
        Ok(())
    })?;
    let loaded = loaded.into_inner().unwrap_or_else(PoisonError::into_inner);
    for table in &facts.tables {
        let rows = loaded.get(&table.name).copied().unwrap_or_default();
        if rows != table.rows {
            let what = format!("{} has {rows} rows now, and had {} when it was backed up", table.name, table.rows);
            return Err(Error::new(Kind::Database, what, "see whether its unique keys fit this server's collations"));
        }
    }
    let indexed: Vec<_> = facts.tables.iter().collect();
    progress.phase("building indexes", indexed.len() as u64, Unit::Files);
    spread(clients, indexed, &|client, table| {
        let statement = script(source, &format!("{}/indexes.sql", table.name))?;
        if !statement.trim().is_empty() {
            run(client, &statement)?;
        }
        progress.advance(1);
        Ok(())
    })?;
    Ok(Restored { tables: loaded })
}

/// Hands each of `work` to whichever connection is free; the first error ends it.
fn spread<T: Send>(
    clients: &mut [Conn],
    work: Vec<T>,
    task: &(dyn Fn(&mut Conn, T) -> Result<()> + Sync),
) -> Result<()> {
    let (work, failure) = (Mutex::new(VecDeque::from(work)), Mutex::new(None));
    std::thread::scope(|scope| {
        for client in clients {
            let (work, failure) = (&work, &failure);
            scope.spawn(move || {
                while let Some(one) = { guarded(work).pop_front() } {
                    if let Err(error) = task(client, one) {
                        guarded(failure).get_or_insert(error);
                        guarded(work).clear();
                    }
                }
            });
        }
    });
    failure.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
}

pub(super) fn script(source: &dyn Source, path: &str) -> Result<String> {
    Ok(database::text(source, path)?.trim_end().trim_end_matches(';').to_owned())
}

/// Loads a file of rows; returns how many.
fn load_file(client: &mut Conn, table: &str, file: &FileFacts, source: &dyn Source) -> Result<u64> {
    let names = Columns::of(client, table)?.names();
    let statement = load_statement(&file.path, table, &names);
    let (pieces, read) = crossbeam_channel::bounded(2);
    let outcome = std::thread::scope(|scope| {
        let reader = scope.spawn(move || hand_over(source, file, &pieces));
        client.set_local_infile_handler(Some(handler(read)));
        let done = client.query_drop(statement.trim_end_matches(';'));
        client.set_local_infile_handler(None);
        let sent = reader.join().unwrap_or_else(|_| Err(Error::new(Kind::Local, "a thread has stopped", "report it")));
        match (done, sent) {
            (Err(error), _) if forbids(&error) => Ok(None),
            (_, Err(error)) => Err(error),
            (Err(error), _) => Err(failed(&error, &statement)),
            (Ok(()), Ok(())) => Ok(Some(client.affected_rows())),
        }
    })?;
    let Some(count) = outcome else { return insert(client, table, &names, file, source) };
    taken_as_they_are(client, table, file)?;
    Ok(count)
}

/// Fails when the server changed values to make them fit.
fn taken_as_they_are(client: &mut Conn, table: &str, file: &FileFacts) -> Result<()> {
    if client.warnings() == 0 {
        return Ok(());
    }
    let said = rows(client, "SHOW WARNINGS LIMIT 1")?;
    let said = said.first().map(|row| text(&row[2])).unwrap_or_default();
    let what = format!("{table} doesn't take the rows of {}: {said}", file.path);
    Err(Error::new(Kind::Database, what, "restore on a server with the same collations and limits"))
}

/// `ER_NOT_ALLOWED_COMMAND`, `ER_CLIENT_LOCAL_FILES_DISABLED` and MariaDB's own: the server takes no files of clients.
fn forbids(error: &mysql::Error) -> bool {
    matches!(error, mysql::Error::MySqlError(said) if [1148, 3948, 4166].contains(&said.code))
}

/// Reads a file piece by piece, and compares it with what the manifest says at the end.
fn hand_over(source: &dyn Source, file: &FileFacts, pieces: &Sender<Option<Vec<u8>>>) -> Result<()> {
    let (mut reader, mut hasher, mut size) = (source.file(&file.path)?, Hasher::new(Algorithm::Sha256), 0_u64);
    loop {
        let mut piece = vec![0; PIECE];
        let mut filled = 0;
        while filled < PIECE {
            let count = reader.read(&mut piece[filled..]).map_err(|error| database::unread(&file.path, error))?;
            if count == 0 {
                break;
            }
            filled += count;
        }
        if filled == 0 {
            break;
        }
        piece.truncate(filled);
        hasher.update(&piece);
        size += filled as u64;
        if pieces.send(Some(piece)).is_err() {
            return Ok(());
        }
    }
    if size != file.size || hex::encode(hasher.finish().as_bytes()) != file.sha256 {
        let what = format!("database/{} isn't what the manifest says", file.path);
        return Err(Error::new(
            Kind::Damaged,
            what,
            "moodle-backup verify names what is damaged; take another snapshot",
        ));
    }
    pieces.send(None).ok();
    Ok(())
}

/// Sends pieces to the server; rows are taken only when the last piece has come.
fn handler(pieces: Receiver<Option<Vec<u8>>>) -> LocalInfileHandler {
    LocalInfileHandler::new(move |_, server| {
        loop {
            match pieces.recv() {
                Ok(Some(piece)) => server.write_all(&piece)?,
                Ok(None) => return Ok(()),
                Err(_) => return Err(std::io::Error::other("the rows broke off")),
            }
        }
    })
}

/// Inserts the rows of a file by statements; returns how many.
fn insert(client: &mut Conn, table: &str, names: &str, file: &FileFacts, source: &dyn Source) -> Result<u64> {
    let (pieces, read) = crossbeam_channel::bounded(2);
    std::thread::scope(|scope| {
        let reader = scope.spawn(move || hand_over(source, file, &pieces));
        let start = format!("INSERT INTO {} ({names}) VALUES ", quoted(table));
        let (mut statement, mut rest) = (start.clone(), Vec::new());
        let mut send = |statement: &mut String| -> Result<u64> {
            if statement.len() == start.len() {
                return Ok(0);
            }
            client.query_drop(&*statement).map_err(|error| failed(&error, &start))?;
            let count = client.affected_rows();
            statement.truncate(start.len());
            taken_as_they_are(client, table, file)?;
            Ok(count)
        };
        let mut inserted = || -> Result<u64> {
            let mut count = 0;
            while let Ok(Some(piece)) = read.recv() {
                rest.extend_from_slice(&piece);
                let mut begin = 0;
                while let Some(length) = rest[begin..].iter().position(|byte| *byte == b'\n') {
                    if statement.len() > start.len() {
                        statement.push(',');
                    }
                    values(&rest[begin..begin + length], &mut statement);
                    begin += length + 1;
                    if statement.len() > STATEMENT {
                        count += send(&mut statement)?;
                    }
                }
                rest.drain(..begin);
            }
            Ok(count + send(&mut statement)?)
        };
        let count = inserted();
        drop(read);
        reader.join().unwrap_or_else(|_| Err(Error::new(Kind::Local, "a thread has stopped", "report it")))?;
        count
    })
}

/// Appends a row of a file as values of a statement: both escape alike, but for the quotes. What isn't UTF-8 is written
/// as hexadecimal digits.
fn values(row: &[u8], statement: &mut String) {
    statement.push('(');
    for (place, field) in row.split(|byte| *byte == b'\t').enumerate() {
        if place > 0 {
            statement.push(',');
        }
        match std::str::from_utf8(field) {
            Ok("\\N") => statement.push_str("NULL"),
            Ok(field) => {
                statement.push('\'');
                statement.push_str(&field.replace('\'', "\\'"));
                statement.push('\'');
            }
            Err(_) => {
                statement.push_str("x'");
                statement.push_str(&hex::encode(unescaped(field)));
                statement.push('\'');
            }
        }
    }
    statement.push(')');
}

fn unescaped(field: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(field.len());
    let mut bytes = field.iter();
    while let Some(byte) = bytes.next() {
        plain.push(match (byte, if *byte == b'\\' { bytes.next() } else { None }) {
            (_, Some(b't')) => b'\t',
            (_, Some(b'n')) => b'\n',
            (_, Some(b'r')) => b'\r',
            (_, Some(b'0')) => 0,
            (_, Some(other)) => *other,
            (byte, None) => *byte,
        });
    }
    plain
}

fn guarded<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
