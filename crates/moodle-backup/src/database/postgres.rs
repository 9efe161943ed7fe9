//! PostgreSQL, by its own text format of COPY.
//!
//! A dump's files, which `psql -f load.sql` loads without this program:
//!
//! ```text
//! schema.sql      sequences and tables without indexes and constraints
//! <table>/<k>.tsv the rows with ids from k·N to (k+1)·N − 1, in their order, as COPY writes them; a table without an
//!                 integer key has one file. N is a power of two: so old files of a table that grows stay as they are
//! indexes.sql     keys, indexes, constraints and the values of sequences, a block for each table, foreign keys last
//! load.sql        what loads all of it, run in the folder of these files
//! ```
//!
//! The view of all connections is one by an exported snapshot. The tables are locked against changes of their definition
//! (`ACCESS SHARE`, which hinders no one who reads or writes) before it is taken. All settings hold for the transaction
//! only, so that a pooler between is no obstacle.

mod catalog;
mod connect;
mod load;
mod target;

use std::collections::BTreeMap;
use std::io::{BufRead as _, Write as _};
use std::sync::{Mutex, PoisonError};

use postgres::{Client, Row};

use self::catalog::{Catalog, Table};
use self::connect::{connect, failed, schema_of};
pub(super) use self::load::load;
pub(super) use self::target::Target;
use super::target::LIST;
use super::{Connection, Listing, Sink, View, no_moodle};
use crate::error::{Error, Kind, Result};
use crate::manifest::{DatabaseFacts, FileFacts, TableFacts};
use crate::progress::{Progress, Unit};

/// About how large the files of a table are.
const FILE_BYTES: i64 = 8 << 20;

/// By how many of a table's first rows its files are cut: statistics change from run to run, old rows don't.
const PROBED_ROWS: usize = 64;

/// What is written at once.
const WRITE_BYTES: usize = 256 << 10;

/// How often a view is tried whose tables change before they are locked.
const ATTEMPTS: usize = 5;

/// What each transaction sets for itself.
const SETTINGS: &str = "SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0; \
    SET LOCAL DateStyle = 'ISO, YMD'; SET LOCAL IntervalStyle = 'postgres'; SET LOCAL TimeZone = 'UTC'; \
    SET LOCAL extra_float_digits = 3; SET LOCAL bytea_output = 'hex'; SET LOCAL lock_timeout = '60s'";

/// Opens a view.
pub(super) fn open(connection: &Connection, jobs: usize) -> Result<Box<dyn View>> {
    let mut leader = connect(connection)?;
    let schema = schema_of(&mut leader, connection)?;
    for _ in 0..ATTEMPTS {
        let before = catalog::names(&mut leader, &schema, &connection.prefix)?;
        begin(&mut leader, &schema, None)?;
        if !before.is_empty() {
            let names: Vec<String> = before.iter().map(|name| quoted(name)).collect();
            let lock = format!("LOCK TABLE {} IN ACCESS SHARE MODE", names.join(", "));
            leader.batch_execute(&lock).map_err(|error| {
                failed(
                    "the tables can't be locked against changes of their definition",
                    "end what alters them, as an upgrade of Moodle, and run this again; the user needs SELECT on each",
                    &error,
                )
            })?;
        }
        // The snapshot is taken by the first query, when the locks are held.
        let row = leader
            .query_one("SELECT pg_export_snapshot(), (extract(epoch FROM now()) * 1000)::bigint", &[])
            .map_err(|error| failed("the view can't be shared", "give the server itself by --db-host", &error))?;
        let (snapshot, taken): (String, i64) = (row.get(0), row.get(1));
        if catalog::names(&mut leader, &schema, &connection.prefix)? == before {
            let taken = jiff::Timestamp::from_millisecond(taken).unwrap_or_else(|_| jiff::Timestamp::now());
            let connection = connection.clone();
            return Ok(Box::new(PostgresView { leader, connection, jobs, snapshot, taken, schema }));
        }
        leader.batch_execute("ROLLBACK").map_err(|error| failed("the view can't be ended", "", &error))?;
    }
    Err(Error::new(
        Kind::Database,
        format!("tables of {} come and go all the time", connection.database),
        "run this again when no upgrade of Moodle goes on",
    ))
}

/// Begins a transaction that sees one moment: that of `snapshot`, or its own.
fn begin(client: &mut Client, schema: &str, snapshot: Option<&str>) -> Result<()> {
    let share = snapshot.map(|snapshot| format!("SET TRANSACTION SNAPSHOT '{snapshot}'; ")).unwrap_or_default();
    let sql = format!(
        "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; {share}{SETTINGS}; SET LOCAL search_path = {}",
        quoted(schema)
    );
    client.batch_execute(&sql).map_err(|error| {
        failed(
            "a connection can't be given the same view as the others",
            "a pooler that spreads connections over several servers is in the way: give the server itself by --db-host",
            &error,
        )
    })
}

/// Returns a name as SQL has it.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Returns a table as SQL has it outside of the view's search path.
fn qualified(schema: &str, connection: &Connection, name: &str) -> String {
    format!("{}.{}", quoted(schema), quoted(&format!("{}{name}", connection.prefix)))
}

pub(super) fn listing(connection: &Connection) -> Result<Listing> {
    let (mut client, schema) = moodle(connection, "files")?;
    list(&mut client, &qualified(&schema, connection, "files"))
}

pub(super) fn config(connection: &Connection, names: &[&str]) -> Result<BTreeMap<String, String>> {
    let (mut client, schema) = moodle(connection, "config")?;
    values(&mut client, &qualified(&schema, connection, "config"), names)
}

/// Connects to a database that has this table of Moodle's, and returns its schema, too.
fn moodle(connection: &Connection, name: &str) -> Result<(Client, String)> {
    let mut client = connect(connection)?;
    let schema = schema_of(&mut client, connection)?;
    let name = format!("{}{name}", connection.prefix);
    if has(&mut client, &schema, &name)? { Ok((client, schema)) } else { Err(no_moodle(connection, &name)) }
}

/// Tells whether a load goes on or was broken off.
pub(super) fn is_loading(connection: &Connection) -> Result<bool> {
    let mut client = connect(connection)?;
    let schema = schema_of(&mut client, connection)?;
    has(&mut client, &schema, LIST)
}

fn has(client: &mut Client, schema: &str, table: &str) -> Result<bool> {
    let sql = "SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
               WHERE n.nspname = $1::text AND c.relname = $2::text";
    let found =
        client.query(sql, &[&schema, &table]).map_err(|error| failed("the tables can't be listed", "", &error))?;
    Ok(!found.is_empty())
}

/// Lists the contents of a table `files`, sorted.
fn list(client: &mut Client, table: &str) -> Result<Listing> {
    // A reference to a file elsewhere may have that file's size; the content itself has what all other rows say.
    let sql = format!(
        "COPY (SELECT contenthash, coalesce(min(filesize) FILTER (WHERE referencefileid IS NULL), min(filesize)), \
         coalesce(max(filesize) FILTER (WHERE referencefileid IS NULL), min(filesize)) \
         FROM {table} GROUP BY contenthash) TO STDOUT"
    );
    let fix = "--db-prefix must be Moodle's $CFG->prefix";
    let mut reader = client.copy_out(&sql).map_err(|error| failed("the table of files can't be read", fix, &error))?;
    let (mut line, mut listing) = (String::new(), Listing::default());
    loop {
        line.clear();
        let length = reader
            .read_line(&mut line)
            .map_err(|error| Error::new(Kind::Database, "the table of files can't be read", "").because(error))?;
        if length == 0 {
            break;
        }
        let mut cells = line.trim_end_matches('\n').split('\t');
        let mut cell = || cells.next().unwrap_or_default().as_bytes();
        listing.add(cell(), cell(), cell());
    }
    Ok(listing.sorted())
}

fn values(client: &mut Client, table: &str, names: &[&str]) -> Result<BTreeMap<String, String>> {
    let sql = format!("SELECT name, value FROM {table} WHERE name = ANY($1)");
    let fix = "--db-prefix must be Moodle's $CFG->prefix";
    let rows =
        client.query(&sql, &[&names]).map_err(|error| failed("the table of settings can't be read", fix, &error))?;
    Ok(pairs(&rows))
}

fn pairs(rows: &[Row]) -> BTreeMap<String, String> {
    rows.iter().map(|row| (row.get(0), row.get::<_, Option<String>>(1).unwrap_or_default())).collect()
}

/// One moment of a database.
struct PostgresView {
    leader: Client,
    connection: Connection,
    jobs: usize,
    /// What other connections get the same view by.
    snapshot: String,
    taken: jiff::Timestamp,
    schema: String,
}

impl PostgresView {
    fn table(&self, name: &str) -> String {
        quoted(&format!("{}{name}", self.connection.prefix))
    }

    /// Opens the other connections: not before the dump, so that what is listed is copied at once.
    fn workers(&self) -> Result<Vec<Client>> {
        let worker = |_| {
            let mut worker = connect(&self.connection)?;
            begin(&mut worker, &self.schema, Some(&self.snapshot))?;
            Ok(worker)
        };
        (1..self.jobs).map(worker).collect()
    }
}

impl View for PostgresView {
    fn taken(&self) -> jiff::Timestamp {
        self.taken
    }

    fn listing(&mut self) -> Result<Listing> {
        let table = self.table("files");
        list(&mut self.leader, &table)
    }

    fn config(&mut self, names: &[&str]) -> Result<BTreeMap<String, String>> {
        let table = self.table("config");
        values(&mut self.leader, &table, names)
    }

    fn plugins(&mut self) -> Result<BTreeMap<String, String>> {
        let sql = format!("SELECT plugin, value FROM {} WHERE name = 'version'", self.table("config_plugins"));
        let rows = self.leader.query(&sql, &[]).map_err(|error| failed("the plugins can't be read", "", &error))?;
        Ok(pairs(&rows))
    }

    fn course_files(&mut self, course: u64) -> Result<Listing> {
        let (files, context) = (self.table("files"), self.table("context"));
        let above = format!("SELECT path FROM {context} WHERE contextlevel = 50 AND instanceid = $1");
        let number = i64::try_from(course).unwrap_or(i64::MAX);
        let row = self
            .leader
            .query_opt(&above, &[&number])
            .map_err(|error| failed("the course can't be read", "", &error))?;
        let Some(row) = row else {
            return Err(Error::new(
                Kind::Refused,
                format!("there is no course {course}"),
                "the id is the number in the course's address: course/view.php?id=…",
            ));
        };
        let path = row.get::<_, String>(0).replace('\'', "''");
        let table = format!(
            "(SELECT f.* FROM {files} f JOIN {context} c ON c.id = f.contextid \
             WHERE c.path = '{path}' OR c.path LIKE '{path}/%') AS files"
        );
        list(&mut self.leader, &table)
    }

    fn dump(self: Box<Self>, sink: &dyn Sink, progress: &dyn Progress) -> Result<DatabaseFacts> {
        let workers = self.workers()?;
        let Self { mut leader, connection: Connection { prefix, .. }, schema, .. } = *self;
        let catalog = Catalog::read(&mut leader, &schema, &prefix)?;
        write_text(sink, "schema.sql", &catalog.schema())?;
        write_text(sink, "indexes.sql", &catalog.indexes())?;
        let facts = leader
            .query_one(
                "SELECT version(), (SELECT datcollate::text FROM pg_database WHERE datname = current_database())",
                &[],
            )
            .map_err(|error| failed("the server doesn't say what it is", "", &error))?;
        let mut tasks = tasks(&mut leader, &catalog.tables)?;
        progress.phase("database", tasks.iter().map(|task| task.bytes.unsigned_abs()).sum(), Unit::Bytes);
        tasks.sort_by_key(|task| std::cmp::Reverse(task.bytes));
        let consistency = if workers.is_empty() { "single-connection" } else { "exported-snapshot" };
        let mut clients: Vec<Client> = std::iter::once(leader).chain(workers).collect();
        let mut tables: Vec<TableFacts> = catalog
            .tables
            .iter()
            .map(|table| TableFacts { name: table.name.clone(), rows: 0, files: Vec::new() })
            .collect();
        for Written { table, rows, file, .. } in run(&mut clients, &catalog.tables, &tasks, sink, progress)? {
            tables[table].rows += rows;
            tables[table].files.push(file);
        }
        write_text(sink, "load.sql", &load::script(&catalog.tables, &tables))?;
        Ok(DatabaseFacts {
            dbtype: "pgsql".to_owned(),
            server: facts.get(0),
            collation: facts.get(1),
            prefix,
            consistency: consistency.to_owned(),
            tables,
            left_out: catalog.left_out,
        })
    }
}

fn write_text(sink: &dyn Sink, path: &str, text: &str) -> Result<FileFacts> {
    let mut file = sink.file(path)?;
    let written = file.write_all(text.as_bytes());
    let facts = file.close()?;
    written.map_err(|error| unwritten(path, error))?;
    Ok(facts)
}

fn unwritten(path: &str, error: std::io::Error) -> Error {
    Error::new(Kind::Local, format!("database/{path} can't be written"), "run this again").because(error)
}

/// A file to be written: rows of a table.
struct Task {
    table: usize,
    /// The number of the file, and ids from here up to, and not with, there; nothing: all rows.
    range: Option<(i64, i64, i64)>,
    /// About how much it is.
    bytes: i64,
}

/// Cuts tables by ranges of their keys.
fn tasks(client: &mut Client, tables: &[Table]) -> Result<Vec<Task>> {
    let mut tasks = Vec::new();
    let keyed: Vec<(usize, &Table, &str)> =
        tables.iter().enumerate().filter_map(|(number, table)| Some((number, table, table.key.as_deref()?))).collect();
    for part in keyed.chunks(100) {
        let selects: Vec<String> = part
            .iter()
            .map(|(number, table, key)| {
                let (name, key) = (quoted(&table.name), quoted(key));
                format!(
                    "SELECT {number}::bigint, (SELECT min({key})::bigint FROM {name}), \
                     (SELECT max({key})::bigint FROM {name}), (SELECT avg(octet_length(s::text))::bigint \
                     FROM (SELECT * FROM {name} ORDER BY {key} LIMIT {PROBED_ROWS}) s)"
                )
            })
            .collect();
        let rows = client
            .query(&selects.join(" UNION ALL "), &[])
            .map_err(|error| failed("the tables' keys can't be read", "", &error))?;
        for row in rows {
            let number = usize::try_from(row.get::<_, i64>(0)).unwrap_or(0);
            if let (Some(least), Some(most)) = (row.get::<_, Option<i64>>(1), row.get::<_, Option<i64>>(2)) {
                let width = row.get::<_, Option<i64>>(3).unwrap_or(0);
                tasks.extend(ranges(client, number, &tables[number], (least, most), step(width))?);
            }
        }
    }
    let whole = tables.iter().enumerate().filter(|(_, table)| table.key.is_none());
    tasks.extend(whole.map(|(table, facts)| Task { table, range: None, bytes: facts.bytes }));
    Ok(tasks)
}

/// Returns how many ids a file has whose rows have about `width` bytes: a power of two.
fn step(width: i64) -> i64 {
    1 << (FILE_BYTES / width.clamp(16, FILE_BYTES / 1024)).ilog2()
}

fn ranges(
    client: &mut Client,
    number: usize,
    table: &Table,
    (least, most): (i64, i64),
    step: i64,
) -> Result<Vec<Task>> {
    let (first, last) = (least.div_euclid(step), most.div_euclid(step));
    let likely = table.bytes / FILE_BYTES + 2;
    // Ids with great holes between: only ranges that have rows count.
    let numbers: Vec<i64> = if last - first > 4 * likely + 16 {
        let key = quoted(table.key.as_deref().unwrap_or_default());
        let name = quoted(&table.name);
        let sql = format!("SELECT DISTINCT floor({key}::numeric / {step})::bigint FROM {name} ORDER BY 1");
        let rows = client.query(&sql, &[]).map_err(|error| failed("a table's keys can't be read", "", &error))?;
        rows.iter().map(|row| row.get(0)).collect()
    } else {
        (first..=last).collect()
    };
    let bytes = table.bytes / i64::try_from(numbers.len()).unwrap_or(1).max(1);
    let range = |number: i64| (number, number.saturating_mul(step), number.saturating_add(1).saturating_mul(step));
    Ok(numbers.into_iter().map(|file| Task { table: number, range: Some(range(file)), bytes }).collect())
}

/// A file that was written.
struct Written {
    table: usize,
    number: i64,
    rows: u64,
    file: FileFacts,
}

/// Writes all files over all connections, and returns them in their order.
fn run(
    clients: &mut [Client],
    tables: &[Table],
    tasks: &[Task],
    sink: &dyn Sink,
    progress: &dyn Progress,
) -> Result<Vec<Written>> {
    let written = Mutex::new(Vec::new());
    load::share(clients, tasks, &|client, task| {
        let file = write_rows(client, &tables[task.table], task, sink)?;
        progress.advance(task.bytes.unsigned_abs());
        written.lock().unwrap_or_else(PoisonError::into_inner).extend(file);
        Ok(())
    })?;
    let mut written: Vec<Written> = written.into_inner().unwrap_or_else(PoisonError::into_inner);
    written.sort_by_key(|written| (written.table, written.number));
    Ok(written)
}

/// Writes a file of a table; nothing: there are no such rows.
fn write_rows(client: &mut Client, table: &Table, task: &Task, sink: &dyn Sink) -> Result<Option<Written>> {
    let (number, range) = match (task.range, table.key.as_deref()) {
        (Some((number, from, to)), Some(key)) => {
            let key = quoted(key);
            // The last number there is belongs to the last range.
            let end = if to == i64::MAX { format!("{key} <= {to}") } else { format!("{key} < {to}") };
            (number, format!(" WHERE {key} >= {from} AND {end}"))
        }
        _ => (0, String::new()),
    };
    let order = if table.order.is_empty() { String::new() } else { format!(" ORDER BY {}", table.order.join(", ")) };
    let sql = format!("COPY (SELECT {} FROM {}{range}{order}) TO STDOUT", table.selected(), quoted(&table.name));
    let mut reader = client
        .copy_out(&sql)
        .map_err(|error| failed(&format!("the table {} can't be read", table.name), "", &error))?;
    let path = format!("{}/{number}.tsv", table.name);
    let mut file = sink.file(&path)?;
    let mut rows = 0;
    let mut buffer = Vec::with_capacity(2 * WRITE_BYTES);
    let mut wrong = None;
    loop {
        // The server sends a row at a time.
        let row = reader.fill_buf().map_err(|error| {
            Error::new(Kind::Database, format!("the table {} can't be read to its end", table.name), "run this again")
                .because(error)
        })?;
        let length = row.len();
        rows += u64::from(row.ends_with(b"\n"));
        buffer.extend_from_slice(row);
        reader.consume(length);
        if buffer.len() >= WRITE_BYTES || length == 0 {
            wrong = file.write_all(&buffer).err();
            buffer.clear();
        }
        if length == 0 || wrong.is_some() {
            break;
        }
    }
    if rows == 0 && wrong.is_none() {
        return Ok(None);
    }
    let file = file.close()?;
    match wrong {
        Some(error) => Err(unwritten(&path, error)),
        None => Ok(Some(Written { table: task.table, number, rows, file })),
    }
}
