//! Real servers: those that build-support/services.py starts.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::sync::{Mutex, PoisonError};

use moodle_backup::database::{Connection, Server, Sink, SinkFile, Source, Tls};
use moodle_backup::error::{Error, Kind, Result};
use moodle_backup::manifest::FileFacts;
use mysql::prelude::Queryable as _;
use url::Url;

/// A row, each column as the server writes it.
pub type Row = Vec<Option<String>>;

/// A server in which tests make databases of their own.
#[derive(Clone, Debug)]
pub struct TestServer {
    pub kind: Server,
    pub host: String,
    pub port: u16,
    pub user: String,
    pub password: String,
}

/// Returns the servers that the environment names. A test without one says so; in CI there must be both.
pub fn servers() -> Vec<TestServer> {
    let known = [("MOODLE_BACKUP_MARIADB", Server::MariaDb), ("MOODLE_BACKUP_POSTGRES", Server::PostgreSql)];
    let found: Vec<TestServer> = known.into_iter().filter_map(|(variable, kind)| server(variable, kind)).collect();
    assert!(found.len() == 2 || std::env::var("CI").as_deref() != Ok("true"), "CI has both servers");
    found
}

fn server(variable: &str, kind: Server) -> Option<TestServer> {
    let Ok(text) = std::env::var(variable) else {
        eprintln!("skipped: {variable} names no server: run build-support/services.py run -- cargo test");
        return None;
    };
    let url = Url::parse(&text).unwrap();
    Some(TestServer {
        kind,
        host: url.host_str().unwrap().to_owned(),
        port: url.port().unwrap(),
        user: url.username().to_owned(),
        password: url.password().unwrap_or_default().to_owned(),
    })
}

impl TestServer {
    pub fn is_postgres(&self) -> bool {
        self.kind == Server::PostgreSql
    }

    /// Makes an empty database, which is dropped with the value.
    pub fn database(&self, name: &str) -> Database {
        let name = format!("{name}_{:08x}", rand::random::<u32>());
        let made = if self.is_postgres() {
            format!("CREATE DATABASE \"{name}\"")
        } else {
            format!("CREATE DATABASE `{name}` CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci")
        };
        self.client("").query(&made).unwrap();
        let connection = Connection {
            kind: self.kind,
            host: self.host.clone(),
            port: Some(self.port),
            user: self.user.clone(),
            password: self.password.clone().into(),
            database: name,
            schema: None,
            prefix: "mdl_".to_owned(),
            tls: Tls::Off,
        };
        let client = Mutex::new(self.client(&connection.database));
        Database { server: self.clone(), connection, client }
    }

    fn client(&self, database: &str) -> Client {
        if self.is_postgres() {
            Client::PostgreSql(Box::new(self.postgres(database)))
        } else {
            Client::MariaDb(Box::new(self.mariadb(database)))
        }
    }

    pub fn postgres(&self, database: &str) -> postgres::Client {
        postgres::Config::new()
            .host(&self.host)
            .port(self.port)
            .user(&self.user)
            .password(&self.password)
            .dbname(if database.is_empty() { "postgres" } else { database })
            .connect(postgres::NoTls)
            .unwrap()
    }

    pub fn mariadb(&self, database: &str) -> mysql::Conn {
        let options = mysql::OptsBuilder::new()
            .ip_or_hostname(Some(&self.host))
            .tcp_port(self.port)
            .user(Some(&self.user))
            .pass(Some(&self.password))
            .init(vec!["SET SESSION sql_mode = 'NO_BACKSLASH_ESCAPES,STRICT_ALL_TABLES'"])
            .db_name((!database.is_empty()).then_some(database));
        mysql::Conn::new(options).unwrap()
    }
}

/// A connection of a test.
enum Client {
    PostgreSql(Box<postgres::Client>),
    MariaDb(Box<mysql::Conn>),
}

impl Client {
    fn query(&mut self, statement: &str) -> std::result::Result<Vec<Row>, String> {
        match self {
            Self::PostgreSql(client) => {
                let said = client.simple_query(statement).map_err(|error| format!("{error:?}"))?;
                let rows = said.iter().filter_map(|one| match one {
                    postgres::SimpleQueryMessage::Row(row) => {
                        Some((0..row.len()).map(|column| row.get(column).map(str::to_owned)).collect())
                    }
                    _ => None,
                });
                Ok(rows.collect())
            }
            Self::MariaDb(client) => {
                let rows: Vec<mysql::Row> = client.query(statement).map_err(|error| error.to_string())?;
                let text = |value: mysql::Value| match value {
                    mysql::Value::NULL => None,
                    mysql::Value::Bytes(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
                    other => Some(format!("{other:?}")),
                };
                Ok(rows.into_iter().map(|row| row.unwrap().into_iter().map(text).collect()).collect())
            }
        }
    }
}

/// A database of a test.
pub struct Database {
    pub server: TestServer,
    pub connection: Connection,
    client: Mutex<Client>,
}

impl Drop for Database {
    fn drop(&mut self) {
        let name = &self.connection.database;
        let statement = if self.server.is_postgres() {
            format!("DROP DATABASE IF EXISTS \"{name}\" WITH (FORCE)")
        } else {
            format!("DROP DATABASE IF EXISTS `{name}`")
        };
        drop(self.server.client("").query(&statement));
    }
}

impl Database {
    /// Runs statements; in MariaDB's a backslash means itself, as in standard SQL.
    pub fn run(&self, statements: &[&str]) {
        for statement in statements {
            self.rows(statement);
        }
    }

    pub fn rows(&self, query: &str) -> Vec<Row> {
        self.try_rows(query).unwrap_or_else(|error| panic!("{query}: {error}"))
    }

    pub fn try_rows(&self, query: &str) -> std::result::Result<Vec<Row>, String> {
        self.client.lock().unwrap_or_else(PoisonError::into_inner).query(query)
    }

    /// Quotes a name.
    pub fn quoted(&self, name: &str) -> String {
        if self.server.is_postgres() {
            format!("\"{}\"", name.replace('"', "\"\""))
        } else {
            format!("`{}`", name.replace('`', "``"))
        }
    }

    /// Returns all tables, as the server itself lists them.
    pub fn tables(&self) -> Vec<String> {
        let query = if self.server.is_postgres() {
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename COLLATE \"C\""
        } else {
            "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() ORDER BY BINARY table_name"
        };
        self.rows(query).into_iter().map(|row| row[0].clone().unwrap()).collect()
    }

    /// Returns what identifies the rows of each table, found without this program: counts and checksums.
    pub fn contents(&self) -> BTreeMap<String, Vec<Row>> {
        let content = |table: &String| {
            let name = self.quoted(table);
            if self.server.is_postgres() {
                self.rows(&format!(
                    "SET extra_float_digits = 3; SET bytea_output = 'hex'; SELECT count(*), \
                     md5(string_agg(t::text, chr(10) ORDER BY t::text COLLATE \"C\")) FROM {name} t"
                ))
            } else {
                let count = self.rows(&format!("SELECT count(*) FROM {name}"));
                let checksum = self.rows(&format!("CHECKSUM TABLE {name} EXTENDED"));
                // Its first column is the name with the database's.
                count.into_iter().chain(checksum.into_iter().map(|row| row[1..].to_vec())).collect()
            }
        };
        self.tables().into_iter().map(|table| (table.clone(), content(&table))).collect()
    }

    /// Returns the definitions of all tables, as the server itself tells them.
    pub fn definitions(&self) -> Vec<Row> {
        if !self.server.is_postgres() {
            let tables = self.tables();
            return tables
                .iter()
                .flat_map(|table| self.rows(&format!("SHOW CREATE TABLE {}", self.quoted(table))))
                .collect();
        }
        let queries = [
            "SELECT c.relname, a.attnum, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity, \
             pg_get_expr(d.adbin, d.adrelid), l.collname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid \
             LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum \
             LEFT JOIN pg_collation l ON l.oid = a.attcollation \
             WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped \
             ORDER BY c.relname COLLATE \"C\", a.attnum",
            "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY indexdef COLLATE \"C\"",
            "SELECT conrelid::regclass, conname, pg_get_constraintdef(oid) FROM pg_constraint \
             WHERE connamespace = 'public'::regnamespace ORDER BY conrelid::regclass::text COLLATE \"C\", conname",
            "SELECT sequencename, data_type, start_value, increment_by, last_value FROM pg_sequences \
             WHERE schemaname = 'public' ORDER BY sequencename COLLATE \"C\"",
            "SELECT c.relname, obj_description(c.oid, 'pg_class') FROM pg_class c \
             WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' ORDER BY c.relname COLLATE \"C\"",
            "SELECT s.relname, t.relname, a.attname FROM pg_depend d JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S' \
             JOIN pg_class t ON t.oid = d.refobjid JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = d.refobjsubid \
             WHERE d.deptype IN ('a', 'i') AND s.relnamespace = 'public'::regnamespace ORDER BY s.relname COLLATE \"C\"",
        ];
        queries.iter().flat_map(|query| self.rows(query)).collect()
    }
}

/// The files of a dump, in memory.
#[derive(Debug, Default)]
pub struct Dump(pub Mutex<BTreeMap<String, Vec<u8>>>);

struct Writing<'a> {
    dump: &'a Dump,
    path: String,
    bytes: Vec<u8>,
}

impl Sink for Dump {
    fn file<'a>(&'a self, path: &str) -> Result<Box<dyn SinkFile + 'a>> {
        Ok(Box::new(Writing { dump: self, path: path.to_owned(), bytes: Vec::new() }))
    }
}

impl Write for Writing<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.bytes.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl SinkFile for Writing<'_> {
    fn close(self: Box<Self>) -> Result<FileFacts> {
        let sha256 = accel::hash::sha256(&self.bytes).to_string();
        let facts = FileFacts { path: self.path.clone(), size: self.bytes.len() as u64, sha256 };
        let before = self.dump.0.lock().unwrap().insert(self.path, self.bytes);
        assert!(before.is_none(), "{} is written twice", facts.path);
        Ok(facts)
    }
}

impl Source for Dump {
    fn file<'a>(&'a self, path: &str) -> Result<Box<dyn Read + Send + 'a>> {
        let missing = || Error::new(Kind::Damaged, format!("there is no {path}"), "");
        let bytes = self.0.lock().unwrap().get(path).cloned().ok_or_else(missing)?;
        Ok(Box::new(std::io::Cursor::new(bytes)))
    }
}
