//! Tables that administrators and plugins have made their own: they come back, or the dump says why they can't.
#![expect(clippy::unwrap_used, reason = "what can't be made fails the test")]

mod support;

use std::fs;
use std::process::Command;
use std::thread;
use std::time::Duration;

use moodle_backup::database::{self, Connection, RestoreOptions};
use moodle_backup::error::{Kind, Result};
use moodle_backup::manifest::DatabaseFacts;
use moodle_backup::progress::Silent;
use support::server::{Database, Dump, TestServer, servers};

fn mariadb() -> impl Iterator<Item = TestServer> {
    servers().into_iter().filter(|server| !server.is_postgres())
}

fn postgres() -> impl Iterator<Item = TestServer> {
    servers().into_iter().filter(TestServer::is_postgres)
}

fn dumped(database: &Database) -> Result<(DatabaseFacts, Dump)> {
    let dump = Dump::default();
    let facts = database::open(&database.connection, 2)?.dump(&dump, &Silent)?;
    Ok((facts, dump))
}

fn comes_back(database: &Database) {
    let (facts, dump) = dumped(database).unwrap();
    let target = database.server.database("restored");
    let options = RestoreOptions { jobs: 2, ..RestoreOptions::default() };
    database::restore(&target.connection, &facts, &dump, options, &Silent).unwrap();
    assert_eq!(target.definitions(), database.definitions());
    assert_eq!(target.contents(), database.contents());
}

#[test]
fn partitioned_tables_come_back() {
    for server in mariadb() {
        for index in ["", ", KEY time (timecreated)"] {
            let database = server.database("partitions");
            database.run(&[
                &format!(
                    "CREATE TABLE mdl_log (id bigint NOT NULL AUTO_INCREMENT, timecreated bigint NOT NULL, PRIMARY KEY (id){index}) \
                     ENGINE=InnoDB PARTITION BY RANGE (id) (PARTITION p0 VALUES LESS THAN (10), \
                     PARTITION p1 VALUES LESS THAN (20), PARTITION p2 VALUES LESS THAN MAXVALUE)"
                ),
                "INSERT INTO mdl_log VALUES (1, 5), (12, 6), (99, 7)",
            ]);
            comes_back(&database);
        }
    }
}

#[test]
fn foreign_keys_and_their_indexes_come_back() {
    for server in mariadb() {
        let database = server.database("foreign");
        database.run(&[
            "CREATE TABLE mdl_b (id bigint PRIMARY KEY, name varchar(20), UNIQUE KEY name (name)) ENGINE=InnoDB",
            "CREATE TABLE mdl_a (id bigint PRIMARY KEY, b bigint, other bigint, named varchar(20), KEY (other), \
             CONSTRAINT mdl_a_fk FOREIGN KEY (b) REFERENCES mdl_b (id), \
             CONSTRAINT mdl_a_named_fk FOREIGN KEY (named) REFERENCES mdl_b (name)) ENGINE=InnoDB",
            "INSERT INTO mdl_b VALUES (1, 'x')",
            "INSERT INTO mdl_a VALUES (1, 1, 2, 'x'), (2, NULL, NULL, NULL)",
        ]);
        comes_back(&database);
    }
}

#[test]
fn counted_columns_that_are_no_primary_key_come_back() {
    for server in mariadb() {
        let database = server.database("counted");
        database.run(&[
            "CREATE TABLE mdl_a (code varchar(20) PRIMARY KEY, n bigint NOT NULL AUTO_INCREMENT, m int, KEY m (m), KEY n (n)) ENGINE=InnoDB",
            "INSERT INTO mdl_a (code, m) VALUES ('x', 1), ('y', 2)",
            "CREATE TABLE mdl_b (n bigint NOT NULL AUTO_INCREMENT, m int, UNIQUE KEY n (n), KEY m (m)) ENGINE=InnoDB COMMENT='not AUTO_INCREMENT=5'",
            "INSERT INTO mdl_b (m) VALUES (1), (2)",
        ]);
        comes_back(&database);
    }
}

#[test]
fn generated_columns_checks_full_text_and_odd_texts_come_back() {
    for server in mariadb() {
        let database = server.database("special");
        database.run(&[
            "CREATE TABLE mdl_a (id bigint PRIMARY KEY AUTO_INCREMENT, größe varchar(20) NOT NULL DEFAULT 'ä''\' COMMENT 'KEY ä, (b)', \
             body longtext, more longtext, twice bigint GENERATED ALWAYS AS (id * 2) VIRTUAL, thrice varchar(30) AS (concat(größe, 'é')) STORED, \
             kind enum('é','b') DEFAULT 'é', KEY thrice (thrice), FULLTEXT KEY body (body), FULLTEXT KEY more (more), \
             CONSTRAINT long_enough CHECK (größe <> 'é')) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COMMENT='ä; AUTO_INCREMENT=7 '",
            "INSERT INTO mdl_a (größe, body) VALUES ('x', 'some words'), (DEFAULT, NULL)",
        ]);
        comes_back(&database);
    }
}

#[test]
fn an_idle_connection_keeps_its_view() {
    for server in mariadb() {
        let database = server.database("idle");
        database.run(&["CREATE TABLE mdl_a (id bigint PRIMARY KEY) ENGINE=InnoDB", "INSERT INTO mdl_a VALUES (1)"]);
        // Who has all rights is spared these settings: they are no other test's.
        let user = format!("user_{:08x}", rand::random::<u32>());
        database.run(&[
            &format!("CREATE USER '{user}'@'%' IDENTIFIED BY 'few rights'"),
            &format!("GRANT SELECT ON `{}`.* TO '{user}'@'%'", database.connection.database),
            "SET GLOBAL init_connect = 'SET SESSION wait_timeout = 1, idle_transaction_timeout = 1'",
        ]);
        let connection =
            Connection { user: user.clone(), password: "few rights".into(), ..database.connection.clone() };
        let view = database::open(&connection, 2);
        database.run(&["SET GLOBAL init_connect = ''"]);
        thread::sleep(Duration::from_secs(3));
        let facts = view.and_then(|view| view.dump(&Dump::default(), &Silent));
        database.run(&[&format!("DROP USER '{user}'@'%'")]);
        assert_eq!(facts.unwrap().tables[0].rows, 1);
    }
}

#[test]
fn extensions_that_indexes_need_come_back() {
    for server in postgres() {
        let database = server.database("extension");
        database.run(&[
            "CREATE EXTENSION pg_trgm",
            "CREATE TABLE mdl_a (id bigserial PRIMARY KEY, name text)",
            "CREATE INDEX mdl_a_name ON mdl_a USING gin (name gin_trgm_ops)",
            "INSERT INTO mdl_a (name) VALUES ('x')",
        ]);
        comes_back(&database);
    }
}

#[test]
fn a_table_that_needs_a_function_of_the_site_is_refused_by_its_name() {
    for server in postgres() {
        for need in [
            "CREATE INDEX mdl_a_name ON mdl_a (own(name))",
            "ALTER TABLE mdl_a ALTER name SET DEFAULT own('x')",
            "ALTER TABLE mdl_a ADD CONSTRAINT c CHECK (own(name) <> 'y')",
        ] {
            let database = server.database("function");
            database.run(&[
                "CREATE FUNCTION own(text) RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT lower($1)'",
                "CREATE TABLE mdl_a (id bigserial PRIMARY KEY, name text)",
                need,
            ]);
            let error = dumped(&database).map(|_| ()).unwrap_err();
            assert_eq!(error.kind, Kind::Database, "{need}: {error}");
            assert!(error.to_string().contains("mdl_a") && error.to_string().contains("own"), "{need}: {error}");
        }
    }
}

#[test]
fn psql_loads_a_dump_whatever_its_own_encoding_is() {
    for server in postgres() {
        let database = server.database("encoding");
        database.run(&[
            "CREATE TABLE mdl_a (id bigserial PRIMARY KEY, name text DEFAULT 'ä')",
            "INSERT INTO mdl_a (name) VALUES ('größe')",
        ]);
        let (_, dump) = dumped(&database).unwrap();
        let folder = tempfile::tempdir().unwrap();
        for (path, bytes) in dump.0.lock().unwrap().iter() {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        let target = server.database("loaded");
        let done = Command::new("psql")
            .args(["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--host", &server.host])
            .args(["--port", &server.port.to_string(), "--username", &server.user, "--file", "load.sql"])
            .args(["--dbname", &target.connection.database])
            .env("PGPASSWORD", &server.password)
            .env("PGCLIENTENCODING", "LATIN1")
            .current_dir(&folder)
            .output()
            .unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        assert_eq!(target.definitions(), database.definitions());
        assert_eq!(target.contents(), database.contents());
    }
}
