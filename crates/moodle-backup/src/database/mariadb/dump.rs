//! Dumps: every table from the same moment, over several connections.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use mysql::Conn;
use mysql::prelude::Queryable as _;

use super::super::{Connection, Listing, Sink, View, neighbours};
use super::table::{self, Column, Columns, Table};
use super::{LOCK_SECONDS, configured, connected, failed, listed, literal, quoted, rows, run, text};
use crate::error::{Error, Kind, Result};
use crate::manifest::{DatabaseFacts, FileFacts, TableFacts};
use crate::progress::{Progress, Unit};

/// A table of more bytes is large, whatever the span of its keys.
const FILE_BYTES: u64 = 8 << 20;
/// Fewer ranges than this are never too many, however few rows are in them.
const FEW_RANGES: i128 = 64;
/// So many rows say how long a row of a table is.
const PROBED_ROWS: usize = 100;
/// Written rows are handed over when they are this many bytes.
const BUFFER_BYTES: usize = 1 << 20;

/// A view of the database, the same on all connections.
pub(super) struct MariaDbView {
    clients: Vec<Conn>,
    prefix: String,
    dbtype: &'static str,
    consistency: &'static str,
    taken: Timestamp,
    tables: Vec<Table>,
}

/// A file that is to be written: all of a table, or a range of its key.
#[derive(Clone, Debug)]
struct Job {
    table: usize,
    number: u64,
    range: Option<(i128, i128)>,
}

impl MariaDbView {
    pub(super) fn open(connection: &Connection, jobs: usize) -> Result<Self> {
        let mut clients = (0..jobs.max(1)).map(|_| connected(connection)).collect::<Result<Vec<_>>>()?;
        let mut control = connected(connection)?;
        let listed = table::own(&mut control, &connection.prefix)?;
        let consistency = together(&mut control, &mut clients, &connection.prefix)?;
        if consistency == "single-connection" {
            clients.truncate(1);
        }
        let now = rows(&mut control, "SELECT CAST(UNIX_TIMESTAMP(NOW(6)) * 1000000 AS SIGNED)")?;
        let taken =
            now.first().and_then(|row| text(&row[0]).parse().ok()).and_then(|at| Timestamp::from_microsecond(at).ok());
        let tables = table::all(&mut clients[0], &connection.prefix)?;
        // What went in this moment is in the view, and can be read no more.
        if let Some(gone) = listed.iter().find(|name| !tables.iter().any(|table| table.name == **name)) {
            return Err(changed(&[gone.as_str()]));
        }
        let others: Vec<_> = tables.iter().filter(|table| table.engine != "InnoDB").collect();
        if !others.is_empty() {
            let names: Vec<_> = others.iter().map(|table| format!("{} ({})", table.name, table.engine)).collect();
            let what = format!("these tables can't be read as they were at one moment: {}", names.join(", "));
            return Err(Error::new(Kind::Database, what, "ALTER TABLE … ENGINE=InnoDB, as Moodle wants them anyway"));
        }
        if tables.is_empty() {
            let what =
                format!("the database {} has no table that begins with {:?}", connection.database, connection.prefix);
            return Err(Error::new(Kind::Database, what, "see dbname and prefix in config.php"));
        }
        Ok(Self {
            clients,
            prefix: connection.prefix.clone(),
            dbtype: if connection.kind == super::super::Server::MySql { "mysqli" } else { "mariadb" },
            consistency,
            taken: taken.unwrap_or_default(),
            tables,
        })
    }

    fn first(&mut self) -> &mut Conn {
        &mut self.clients[0]
    }

    fn jobs(&mut self, columns: &[Columns]) -> Result<VecDeque<Job>> {
        let mut order: Vec<_> = (0..self.tables.len()).collect();
        order.sort_by_key(|place| std::cmp::Reverse(self.tables[*place].bytes));
        let mut jobs = VecDeque::new();
        for place in order {
            let whole = Job { table: place, number: 0, range: None };
            let table = self.tables[place].clone();
            match &columns[place].key {
                Some(key) => jobs.extend(self.ranges(place, &table, &columns[place].all, key)?.unwrap_or(vec![whole])),
                None => jobs.push_back(whole),
            }
        }
        Ok(jobs)
    }

    /// Returns the ranges of a table's key; nothing: they would hold too few rows to be worth it.
    ///
    /// Their bounds are multiples of a power of two that follows from the table's first rows, which hardly ever change: the
    /// files with older rows stay as they are. The server's statistics lag behind and say something else each time: they
    /// only tell a table whose keys lie too far apart.
    fn ranges(&mut self, place: usize, table: &Table, columns: &[Column], key: &str) -> Result<Option<Vec<Job>>> {
        let name = quoted(&table.name);
        let number =
            |row: &[Vec<u8>], column: usize| row.get(column).and_then(|value| text(value).parse::<i128>().ok());
        let ends = rows(self.first(), &format!("SELECT MIN({0}), MAX({0}) FROM {name}", quoted(key)))?;
        let Some((lowest, highest)) = ends.first().and_then(|row| Some((number(row, 0)?, number(row, 1)?))) else {
            return Ok(None);
        };
        let lengths: Vec<String> =
            columns.iter().map(|column| format!("COALESCE(LENGTH({}), 0)", quoted(&column.name))).collect();
        // Each column by its name: `*` lacks those that are invisible.
        let length = lengths.join(" + ");
        let some = format!("SELECT {length} AS length FROM {name} ORDER BY {} LIMIT {PROBED_ROWS}", quoted(key));
        let probed = rows(self.first(), &format!("SELECT CEIL(AVG(length)) FROM ({some}) some"))?;
        let width: i128 = match probed.first().and_then(|row| number(row, 0)).unwrap_or(0) {
            ..1024 => 1 << 14,
            1024..8192 => 1 << 12,
            _ => 1 << 9,
        };
        let (first, last) = (lowest.div_euclid(width), highest.div_euclid(width));
        if first < 0 || first == last {
            return Ok(None);
        }
        let mut count = i128::from(table.bytes / table.row_bytes.max(1));
        if table.bytes <= FILE_BYTES {
            // The server's statistics lag behind what was just loaded.
            let probe = format!("SELECT COUNT(*) FROM (SELECT 1 FROM {} LIMIT {width}) some", quoted(&table.name));
            let some = rows(self.first(), &probe)?;
            if some.first().is_none_or(|row| text(&row[0]) != width.to_string()) {
                return Ok(None);
            }
            count = count.max(width);
        }
        if last - first > FEW_RANGES + 4 * count / width {
            return Ok(None);
        }
        let job = |number: i128| Job {
            table: place,
            number: u64::try_from(number).unwrap_or_default(),
            range: Some((number * width, (number + 1) * width)),
        };
        Ok(Some((first..=last).map(job).collect()))
    }

    fn left_out(&mut self) -> Result<Vec<String>> {
        let kinds = [
            ("view", "TABLE_NAME", "VIEWS", "TABLE_SCHEMA"),
            ("trigger", "TRIGGER_NAME", "TRIGGERS", "TRIGGER_SCHEMA"),
            ("routine", "ROUTINE_NAME", "ROUTINES", "ROUTINE_SCHEMA"),
            ("event", "EVENT_NAME", "EVENTS", "EVENT_SCHEMA"),
        ];
        let mut found = Vec::new();
        for (kind, name, catalogue, schema) in kinds {
            let query =
                format!("SELECT {name} FROM information_schema.{catalogue} WHERE {schema} = DATABASE() ORDER BY 1");
            found.extend(rows(self.first(), &query)?.iter().map(|row| format!("{kind} {}", text(&row[0]))));
        }
        let names = table::names(self.first())?;
        found.extend(neighbours::left_out(&names, &self.prefix));
        Ok(found)
    }

    /// Fails when tables were made, changed, emptied or removed since the view was opened.
    fn unchanged(&mut self) -> Result<()> {
        let prefix = self.prefix.clone();
        let now = table::all(self.first(), &prefix)?;
        let shape = |table: &Table| (table.name.clone(), (table.definition.clone(), table.made.clone()));
        let (before, after): (BTreeMap<_, _>, BTreeMap<_, _>) =
            (self.tables.iter().map(shape).collect(), now.iter().map(shape).collect());
        let differing = before.iter().filter(|(name, shape)| after.get(*name) != Some(shape)).map(|(name, _)| name);
        let new = after.keys().filter(|name| !before.contains_key(*name));
        let names: Vec<_> = differing.chain(new).map(String::as_str).collect();
        if names.is_empty() { Ok(()) } else { Err(changed(&names)) }
    }
}

fn changed(names: &[&str]) -> Error {
    let what = format!("tables were changed while they were read: {}", names.join(", "));
    Error::new(Kind::Database, what, "back up again when no upgrade or installation runs")
}

/// Opens the same view on all of `clients`; returns how.
fn together(control: &mut Conn, clients: &mut [Conn], prefix: &str) -> Result<&'static str> {
    run(control, &format!("SET SESSION lock_wait_timeout = {LOCK_SECONDS}"))?;
    let begin = |clients: &mut [Conn]| {
        clients.iter_mut().try_for_each(|client| {
            run(client, "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")?;
            run(client, "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
        })
    };
    if clients.len() == 1 {
        return begin(clients).map(|()| "single-connection");
    }
    let how = if held(control, "FLUSH TABLES WITH READ LOCK") {
        "flush-tables-with-read-lock"
    } else {
        let names: Vec<_> = table::own(control, prefix)?.iter().map(|name| format!("{} READ", quoted(name))).collect();
        if !names.is_empty() && held(control, &format!("LOCK TABLES {}", names.join(", "))) {
            "lock-tables"
        } else {
            "single-connection"
        }
    };
    let clients = if how == "single-connection" { &mut clients[..1] } else { clients };
    let begun = begin(clients);
    run(control, "UNLOCK TABLES")?;
    begun.map(|()| how)
}

fn held(control: &mut Conn, statement: &str) -> bool {
    match control.query_drop(statement) {
        Ok(()) => true,
        Err(error) => {
            let short: String = statement.chars().take(40).collect();
            tracing::info!(%error, statement = short, "no moment without writes this way");
            false
        }
    }
}

impl View for MariaDbView {
    fn taken(&self) -> Timestamp {
        self.taken
    }

    fn listing(&mut self) -> Result<Listing> {
        let prefix = self.prefix.clone();
        listed(self.first(), &prefix, "")
    }

    fn config(&mut self, names: &[&str]) -> Result<BTreeMap<String, String>> {
        let prefix = self.prefix.clone();
        configured(self.first(), &prefix, names)
    }

    fn plugins(&mut self) -> Result<BTreeMap<String, String>> {
        let query = format!(
            "SELECT plugin, value FROM {} WHERE name = 'version'",
            quoted(&format!("{}config_plugins", self.prefix))
        );
        Ok(rows(self.first(), &query)?.iter().map(|row| (text(&row[0]), text(&row[1]))).collect())
    }

    fn course_files(&mut self, course: u64) -> Result<Listing> {
        let (context, prefix) = (quoted(&format!("{}context", self.prefix)), self.prefix.clone());
        let query = format!("SELECT path FROM {context} WHERE contextlevel = 50 AND instanceid = {course}");
        let found = rows(self.first(), &query)?;
        let path = found.first().map(|row| text(&row[0])).ok_or_else(|| {
            Error::new(
                Kind::Usage,
                format!("the site has no course {course}"),
                "name its id, as in course/view.php?id=…",
            )
        })?;
        let below = literal(&format!("{}/%", path.replace('_', "\\_").replace('%', "\\%")));
        let restriction =
            format!("JOIN {context} c ON c.id = f.contextid WHERE c.path = {} OR c.path LIKE {below}", literal(&path));
        listed(self.first(), &prefix, &restriction)
    }

    fn dump(mut self: Box<Self>, sink: &dyn Sink, progress: &dyn Progress) -> Result<DatabaseFacts> {
        let tables = self.tables.clone();
        let columns = tables.iter().map(|table| Columns::of(self.first(), &table.name)).collect::<Result<Vec<_>>>()?;
        write_definitions(sink, &tables)?;
        let total = tables.iter().map(|table| table.bytes.checked_div(table.row_bytes).unwrap_or_default()).sum();
        progress.phase("dumping tables", total, Unit::Rows);
        let jobs = Mutex::new(self.jobs(&columns)?);
        let written: Mutex<Vec<(Job, u64, FileFacts)>> = Mutex::default();
        let failure = Mutex::new(None);
        std::thread::scope(|scope| {
            for client in &mut self.clients {
                let (jobs, written, failure, tables, columns) = (&jobs, &written, &failure, &tables, &columns);
                scope.spawn(move || {
                    while let Some(job) = { guarded(jobs).pop_front() } {
                        match write_rows(client, &tables[job.table], &columns[job.table], &job, sink, progress) {
                            Ok(Some((rows, file))) => guarded(written).push((job, rows, file)),
                            Ok(None) => {}
                            Err(error) => {
                                guarded(failure).get_or_insert(error);
                                guarded(jobs).clear();
                            }
                        }
                    }
                });
            }
        });
        if let Some(error) = guarded(&failure).take() {
            return Err(error);
        }
        self.unchanged()?;
        let mut facts: Vec<_> =
            tables.iter().map(|table| TableFacts { name: table.name.clone(), rows: 0, files: Vec::new() }).collect();
        let mut written = written.into_inner().unwrap_or_else(PoisonError::into_inner);
        written.sort_by_key(|(job, ..)| (job.table, job.number));
        for (job, rows, file) in written {
            facts[job.table].rows += rows;
            facts[job.table].files.push(file);
        }
        write_script(sink, &facts, &columns)?;
        let about = rows(self.first(), "SELECT VERSION(), @@collation_database")?;
        let about = about.first().map(|row| (text(&row[0]), text(&row[1]))).unwrap_or_default();
        Ok(DatabaseFacts {
            dbtype: self.dbtype.into(),
            server: about.0,
            collation: about.1,
            prefix: self.prefix.clone(),
            consistency: self.consistency.into(),
            left_out: self.left_out()?,
            tables: facts,
        })
    }
}

/// Writes each table's statements.
fn write_definitions(sink: &dyn Sink, tables: &[Table]) -> Result<()> {
    for table in tables {
        let (made, indexes) = table.statements(tables);
        write(sink, &format!("{}/table.sql", table.name), &format!("{made};\n"))?;
        let indexes = indexes.map(|text| format!("{text};\n")).unwrap_or_default();
        write(sink, &format!("{}/indexes.sql", table.name), &indexes)?;
    }
    Ok(())
}

/// Writes what the server's own client runs to load all of it.
fn write_script(sink: &dyn Sink, facts: &[TableFacts], columns: &[Columns]) -> Result<()> {
    let mut script = "-- In this folder: mariadb --local-infile=1 DATABASE < load.sql\nSET NAMES utf8mb4;\nSET time_zone = '+00:00', \
                      sql_mode = 'NO_AUTO_VALUE_ON_ZERO', unique_checks = 0, foreign_key_checks = 0;\n"
        .to_owned();
    for (table, columns) in facts.iter().zip(columns) {
        let _ = writeln!(script, "source {}/table.sql", table.name);
        for file in &table.files {
            let _ = writeln!(script, "{}", load_statement(&file.path, &table.name, &columns.names()));
        }
        let _ = writeln!(script, "source {}/indexes.sql", table.name);
    }
    write(sink, "load.sql", &script)
}

/// Returns the statement that loads a file of rows.
pub(super) fn load_statement(file: &str, table: &str, names: &str) -> String {
    format!("LOAD DATA LOCAL INFILE {} INTO TABLE {} CHARACTER SET binary ({names});", literal(file), quoted(table))
}

fn write(sink: &dyn Sink, path: &str, content: &str) -> Result<()> {
    let mut file = sink.file(path)?;
    file.write_all(content.as_bytes()).map_err(unwritten)?;
    file.close().map(|_| ())
}

/// Writes the rows of a job into a file; nothing: there are none.
fn write_rows(
    client: &mut Conn,
    table: &Table,
    columns: &Columns,
    job: &Job,
    sink: &dyn Sink,
    progress: &dyn Progress,
) -> Result<Option<(u64, FileFacts)>> {
    let mut query = format!("SELECT {} FROM {}", columns.expressions(), quoted(&table.name));
    if let (Some(key), Some((from, to))) = (&columns.key, job.range) {
        let key = quoted(key);
        let _ = write!(query, " WHERE {key} >= {from} AND {key} < {to}");
    }
    if !columns.order.is_empty() {
        let order: Vec<_> = columns.order.iter().map(|name| quoted(name)).collect();
        let _ = write!(query, " ORDER BY {}", order.join(", "));
    }
    let path = format!("{}/{}.tsv", table.name, job.number);
    let mut file = None;
    let mut buffer = Vec::with_capacity(BUFFER_BYTES + (64 << 10));
    let (mut count, mut told) = (0_u64, 0_u64);
    for row in client.query_iter(&query).map_err(|error| failed(&error, &query))? {
        let row = row.map_err(|error| failed(&error, &query))?;
        append(&row, &mut buffer);
        count += 1;
        if buffer.len() >= BUFFER_BYTES {
            if file.is_none() {
                file = Some(sink.file(&path)?);
            }
            if let Some(file) = &mut file {
                file.write_all(&buffer).map_err(unwritten)?;
            }
            buffer.clear();
            progress.advance(count - told);
            told = count;
        }
    }
    progress.advance(count - told);
    if count == 0 {
        return Ok(None);
    }
    let mut file = file.map_or_else(|| sink.file(&path), Ok)?;
    file.write_all(&buffer).map_err(unwritten)?;
    Ok(Some((count, file.close()?)))
}

fn unwritten(error: std::io::Error) -> Error {
    Error::new(Kind::Store, "rows can't be written", "mend what is said and run the same command again").because(error)
}

/// Appends a row as LOAD DATA reads it with its defaults.
fn append(row: &mysql::Row, out: &mut Vec<u8>) {
    for column in 0..row.len() {
        if column > 0 {
            out.push(b'\t');
        }
        match row.as_ref(column) {
            None | Some(mysql::Value::NULL) => out.extend_from_slice(b"\\N"),
            Some(mysql::Value::Bytes(bytes)) => escape(bytes, out),
            Some(other) => escape(other.as_sql(true).as_bytes(), out),
        }
    }
    out.push(b'\n');
}

fn escape(bytes: &[u8], out: &mut Vec<u8>) {
    let special = |byte: &u8| matches!(byte, b'\\' | b'\t' | b'\n' | b'\r' | 0);
    let mut rest = bytes;
    while let Some(place) = rest.iter().position(special) {
        out.extend_from_slice(&rest[..place]);
        out.push(b'\\');
        out.push(match rest[place] {
            b'\t' => b't',
            b'\n' => b'n',
            b'\r' => b'r',
            0 => b'0',
            other => other,
        });
        rest = &rest[place + 1..];
    }
    out.extend_from_slice(rest);
}

fn guarded<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
