//! A database that a dump is loaded into loses nothing but what the dump replaces, and nothing at all when that fails.
#![expect(clippy::unwrap_used, reason = "what can't be made fails the test")]

mod support;

use std::collections::BTreeMap;

use moodle_backup::database::{self, Connection, Loaded, OtherTables, RestoreOptions, Restored};
use moodle_backup::error::{Error, Kind, Result};
use moodle_backup::manifest::DatabaseFacts;
use moodle_backup::progress::Silent;
use support::server::{Database, Dump, Row, TestServer, servers};

const OVERWRITE: RestoreOptions = RestoreOptions { jobs: 2, overwrite: true, other_tables: OtherTables::Refuse };

fn dumped(database: &Database) -> (DatabaseFacts, Dump) {
    let dump = Dump::default();
    let facts = database::open(&database.connection, 2).unwrap().dump(&dump, &Silent).unwrap();
    (facts, dump)
}

fn restored(target: &Database, (facts, dump): &(DatabaseFacts, Dump), options: RestoreOptions) -> Result<Restored> {
    database::restore(&target.connection, facts, dump, options, &Silent)
}

fn loaded(target: &Database, (facts, dump): &(DatabaseFacts, Dump), options: RestoreOptions) -> Result<Loaded> {
    database::load(&target.connection, facts, dump, options, &Silent)
}

fn refusals(target: &Database, (facts, dump): &(DatabaseFacts, Dump), options: RestoreOptions) -> Vec<String> {
    let found = database::foreseen(&target.connection, facts, dump, options).unwrap().refusals;
    found.into_iter().map(|reason| format!("{reason}; {}", reason.fix)).collect()
}

fn table(server: &TestServer, name: &str) -> String {
    if server.is_postgres() {
        format!("CREATE TABLE {name} (id bigserial PRIMARY KEY, v text)")
    } else {
        format!(
            "CREATE TABLE {name} (id bigint NOT NULL AUTO_INCREMENT PRIMARY KEY, v varchar(20), KEY (v)) ENGINE=InnoDB"
        )
    }
}

/// Makes a database with two tables, and returns its dump.
fn source(server: &TestServer) -> (Database, (DatabaseFacts, Dump)) {
    let database = server.database("source");
    database.run(&[&table(server, "mdl_a"), &table(server, "mdl_b")]);
    database.run(&["INSERT INTO mdl_a (v) VALUES ('new')", "INSERT INTO mdl_b (v) VALUES ('new'), ('new')"]);
    let dump = dumped(&database);
    (database, dump)
}

/// Makes a database with older tables of the same names, and others.
fn target(server: &TestServer, others: &[&str]) -> Database {
    let database = server.database("target");
    for name in ["mdl_a", "mdl_b"].iter().chain(others) {
        database.run(&[&table(server, name), &format!("INSERT INTO {name} (v) VALUES ('old')")]);
    }
    database
}

/// What a database looks like from outside, whatever it has: its definitions, and each table's content.
fn looks(database: &Database) -> (Vec<Row>, BTreeMap<String, Vec<Row>>) {
    let schemas = "SELECT schema_name FROM information_schema.schemata WHERE schema_name LIKE '%~%'";
    assert_eq!(database.rows(schemas), [[None; 0]; 0], "nothing of this program is left");
    (database.definitions(), database.contents())
}

/// Spoils the last file of rows that a load comes to.
fn spoil(dump: &Dump) {
    let mut files = dump.0.lock().unwrap();
    let (_, bytes) = files.iter_mut().find(|(path, _)| path.starts_with("mdl_b/") && path.contains(".tsv")).unwrap();
    bytes.push(b'x');
}

#[test]
fn tables_that_the_dump_lacks_are_named_and_kept_or_dropped_only_when_told() {
    for server in servers() {
        let (source, dump) = source(&server);
        let target = target(&server, &["mdl_2_config", "other"]);
        let before = looks(&target);
        let error = restored(&target, &dump, OVERWRITE).unwrap_err();
        assert_eq!(error.kind, Kind::Refused, "{error}");
        assert!(error.to_string().contains("mdl_2_config") && !error.to_string().contains("other"), "{error}");
        assert!(error.fix.contains("--other-tables"), "{}", error.fix);
        assert_eq!(looks(&target), before);
        let drop_alone = RestoreOptions { overwrite: false, other_tables: OtherTables::Drop, ..OVERWRITE };
        assert!(refusals(&target, &dump, drop_alone).iter().any(|reason| reason.contains("mdl_2_config")));

        restored(&target, &dump, RestoreOptions { other_tables: OtherTables::Keep, ..OVERWRITE }).unwrap();
        assert_eq!(target.tables(), ["mdl_2_config", "mdl_a", "mdl_b", "other"]);
        assert_eq!(target.rows("SELECT v FROM mdl_2_config"), [[Some("old".to_owned())]]);
        assert_eq!(target.contents()["mdl_b"], source.contents()["mdl_b"]);

        restored(&target, &dump, RestoreOptions { other_tables: OtherTables::Drop, ..OVERWRITE }).unwrap();
        assert_eq!(target.tables(), ["mdl_a", "mdl_b", "other"]);
        looks(&target);
    }
}

#[test]
fn without_a_prefix_the_tables_of_other_programs_are_named() {
    for server in servers() {
        let (_, (mut facts, dump)) = source(&server);
        facts.prefix = String::new();
        let mut target = target(&server, &["other"]);
        target.connection.prefix = String::new();
        let error = restored(&target, &(facts, dump), OVERWRITE).unwrap_err();
        assert_eq!(error.kind, Kind::Refused, "{error}");
        assert!(error.to_string().contains("other"), "{error}");
        assert_eq!(target.tables(), ["mdl_a", "mdl_b", "other"]);
    }
}

#[test]
fn a_load_that_fails_leaves_the_database_as_it_was() {
    for server in servers() {
        let (_, dump) = source(&server);
        spoil(&dump.1);
        for target in [target(&server, &["mdl_2_config"]), server.database("empty")] {
            let before = looks(&target);
            for other_tables in [OtherTables::Keep, OtherTables::Drop] {
                let error = restored(&target, &dump, RestoreOptions { other_tables, ..OVERWRITE }).unwrap_err();
                assert_eq!(error.kind, Kind::Damaged, "{error}");
                assert_eq!(looks(&target), before);
            }
        }
    }
}

#[test]
fn a_load_that_is_broken_off_is_undone_by_the_next() {
    for server in servers() {
        let (source, dump) = source(&server);
        let target = target(&server, &["mdl_c"]);
        let before = looks(&target);
        let options = RestoreOptions { other_tables: OtherTables::Drop, ..OVERWRITE };
        // As a killed one leaves it: all is loaded, and nothing decided.
        drop(loaded(&target, &dump, options).unwrap());
        assert_ne!(target.tables(), ["mdl_a", "mdl_b", "mdl_c"]);
        let bad = dumped(&source);
        spoil(&bad.1);
        let error = restored(&target, &bad, options).unwrap_err();
        assert_eq!(error.kind, Kind::Damaged, "{error}");
        assert_eq!(looks(&target), before);

        drop(loaded(&target, &dump, options).unwrap());
        assert!(refusals(&target, &dump, OVERWRITE)[0].contains("mdl_c"), "what is set aside counts as being there");
        restored(&target, &dump, options).unwrap();
        assert_eq!(looks(&target), looks(&source));
    }
}

#[test]
fn a_first_load_that_is_broken_off_is_begun_anew_by_the_same_call() {
    for server in servers() {
        let (source, dump) = source(&server);
        let target = server.database("empty");
        let options = RestoreOptions { overwrite: false, ..OVERWRITE };
        drop(loaded(&target, &dump, options).unwrap());
        assert_eq!(refusals(&target, &dump, options), [""; 0]);
        restored(&target, &dump, options).unwrap();
        assert_eq!(looks(&target), looks(&source));
        let error = restored(&target, &dump, options).unwrap_err();
        assert_eq!(error.kind, Kind::Refused, "{error}");
    }
}

#[test]
fn what_is_discarded_was_never_there() {
    for server in servers() {
        let (_, dump) = source(&server);
        let target = target(&server, &[]);
        let before = looks(&target);
        loaded(&target, &dump, OVERWRITE).unwrap().discard().unwrap();
        assert_eq!(looks(&target), before);
    }
}

#[test]
fn two_loads_into_one_database_exclude_each_other() {
    for server in servers() {
        let (source, dump) = source(&server);
        let target = target(&server, &[]);
        let first = loaded(&target, &dump, OVERWRITE).unwrap();
        let error = restored(&target, &dump, OVERWRITE).unwrap_err();
        assert_eq!(error.kind, Kind::Locked, "{error}");
        first.keep().unwrap();
        assert_eq!(looks(&target), looks(&source));
    }
}

#[test]
fn a_database_in_which_a_load_goes_on_or_was_broken_off_is_not_backed_up() {
    for server in servers() {
        let (_, dump) = source(&server);
        let mut target = target(&server, &[]);
        let before = looks(&target);
        let loading = loaded(&target, &dump, OVERWRITE).unwrap();
        let error = database::open(&target.connection, 2).err().unwrap();
        assert!(error.kind == Kind::Database && error.to_string().contains("a restore"), "{error}");
        target.connection.prefix = String::new();
        let facts = loading.view(2).unwrap().dump(&Dump::default(), &Silent).unwrap();
        let names: Vec<&str> = facts.tables.iter().map(|table| table.name.as_str()).collect();
        assert_eq!(names, ["mdl_a", "mdl_b"], "what this program made beside them is no part of it");
        drop(loading);
        assert!(database::open(&target.connection, 2).is_err());
        database::undo(&target.connection).unwrap();
        database::undo(&target.connection).unwrap();
        assert_eq!(looks(&target), before);
        database::open(&target.connection, 2).unwrap();
    }
}

/// Ends all other connections to a database.
fn cut_off(database: &Database) {
    if database.server.is_postgres() {
        let others = "datname = current_database() AND pid <> pg_backend_pid()";
        database.run(&[&format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}")]);
        return;
    }
    let others = "DB = DATABASE() AND ID <> CONNECTION_ID()";
    for row in database.rows(&format!("SELECT ID FROM information_schema.PROCESSLIST WHERE {others}")) {
        let kill = format!("KILL {}", row[0].as_ref().unwrap());
        if let Err(error) = database.try_rows(&kill) {
            assert!(error.contains("Unknown thread id"), "it ended by itself meanwhile, or not: {error}");
        }
    }
}

#[test]
fn a_load_whose_connection_was_ended_is_kept_all_the_same() {
    for server in servers() {
        let (source, dump) = source(&server);
        let target = target(&server, &[]);
        let loading = loaded(&target, &dump, OVERWRITE).unwrap();
        cut_off(&target);
        loading.keep().unwrap();
        assert_eq!(looks(&target), looks(&source));
    }
}

#[test]
fn a_load_that_another_one_has_undone_is_not_kept() {
    for server in servers() {
        let (source, dump) = source(&server);
        let target = target(&server, &[]);
        let first = loaded(&target, &dump, OVERWRITE).unwrap();
        cut_off(&target);
        let second = loaded(&target, &dump, OVERWRITE).unwrap();
        cut_off(&target);
        let error = first.keep().unwrap_err();
        assert_eq!(error.kind, Kind::Locked, "{error}");
        second.keep().unwrap();
        assert_eq!(looks(&target), looks(&source));
    }
}

#[test]
fn owners_and_grants_of_what_is_replaced_are_kept() {
    for server in servers().into_iter().filter(TestServer::is_postgres) {
        let (_, dump) = source(&server);
        let target = target(&server, &[]);
        let owner = User::new(&target, &["GRANT CREATE ON SCHEMA public TO USER", "ALTER TABLE mdl_a OWNER TO USER"]);
        let rights = [
            "GRANT SELECT ON mdl_a TO USER",
            "GRANT SELECT, UPDATE ON mdl_b TO USER WITH GRANT OPTION",
            "GRANT USAGE ON SEQUENCE mdl_b_id_seq TO USER",
            "GRANT SELECT ON mdl_b TO PUBLIC",
        ];
        let reader = User::new(&target, &rights);
        let said = "SELECT relname, pg_get_userbyid(relowner), (SELECT string_agg(a::text, ' ' ORDER BY a::text) \
                    FROM unnest(relacl) a) FROM pg_class WHERE relname LIKE 'mdl%' AND relkind IN ('r', 'S') ORDER BY 1";
        let before = target.rows(said);
        restored(&target, &dump, OVERWRITE).unwrap();
        assert_eq!(target.rows(said), before);
        target.run(&["ALTER TABLE mdl_a OWNER TO backup"]);
        drop((owner, reader));
        target.run(&["CREATE POLICY own ON mdl_a USING (true)", "CREATE PUBLICATION own FOR TABLE mdl_b"]);
        let error = restored(&target, &dump, OVERWRITE).unwrap_err().to_string();
        assert!(error.contains("policy own") && error.contains("publication of table mdl_b"), "{error}");
    }
}

/// Who depends on the tables, as an administrator may have made it; what is named; and how it is dropped.
fn dependents(server: &TestServer) -> Vec<(&'static str, &'static str)> {
    if server.is_postgres() {
        vec![
            ("CREATE VIEW report AS SELECT v FROM mdl_a", "report"),
            ("CREATE MATERIALIZED VIEW stored AS SELECT v FROM mdl_a", "stored"),
            ("CREATE TABLE other (a bigint REFERENCES mdl_a (id))", "other_a_fkey"),
            ("CREATE TABLE other (a bigint DEFAULT nextval('mdl_a_id_seq'))", "column a of table other"),
            ("CREATE TABLE heir () INHERITS (mdl_a)", "heir"),
            ("CREATE FUNCTION own(mdl_a) RETURNS text LANGUAGE sql AS 'SELECT $1.v'", "own(mdl_a)"),
            (
                "CREATE TRIGGER own BEFORE UPDATE ON mdl_a FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()",
                "own",
            ),
        ]
    } else {
        vec![
            (
                "CREATE TABLE other (a bigint, CONSTRAINT other_fk FOREIGN KEY (a) REFERENCES mdl_a (id)) ENGINE=InnoDB",
                "other_fk",
            ),
            ("CREATE TRIGGER own BEFORE UPDATE ON mdl_a FOR EACH ROW SET NEW.v = 'x'", "own"),
        ]
    }
}

#[test]
fn what_depends_on_the_tables_is_named_and_left_alone() {
    for server in servers() {
        let (_, dump) = source(&server);
        for (made, named) in dependents(&server) {
            let target = target(&server, &[]);
            target.run(&[made]);
            let before = looks(&target);
            let error = restored(&target, &dump, OVERWRITE).unwrap_err();
            assert_eq!(error.kind, Kind::Refused, "{made}: {error}");
            assert!(error.to_string().contains(named), "{made}: {error}");
            assert_eq!(looks(&target), before, "{made}");
        }
    }
}

/// Makes tables that need each other, and on PostgreSQL a sequence that no table owns.
fn bound_together(server: &TestServer, name: &str, start: u32) -> Database {
    let database = server.database(name);
    if server.is_postgres() {
        database.run(&[
            &format!("CREATE SEQUENCE mdl_count START {start}"),
            "CREATE TABLE mdl_a (id bigint PRIMARY KEY DEFAULT nextval('mdl_count'), v text)",
            "CREATE TABLE mdl_b (id bigserial PRIMARY KEY, a bigint REFERENCES mdl_a (id))",
            "ALTER TABLE mdl_a ADD b bigint REFERENCES mdl_b (id)",
        ]);
    } else {
        database.run(&[
            &format!("CREATE TABLE mdl_a (id bigint AUTO_INCREMENT PRIMARY KEY, v varchar(9), b bigint, KEY (b)) AUTO_INCREMENT = {start}"),
            "CREATE TABLE mdl_b (id bigint PRIMARY KEY, a bigint, FOREIGN KEY (a) REFERENCES mdl_a (id))",
            "ALTER TABLE mdl_a ADD CONSTRAINT `own ``fk` FOREIGN KEY (b) REFERENCES mdl_b (id) ON DELETE SET NULL",
        ]);
    }
    database.run(&["INSERT INTO mdl_a (v) VALUES ('x')"]);
    database
}

#[test]
fn sequences_and_keys_between_the_tables_themselves_are_replaced_with_them() {
    for server in servers() {
        let (source, target) = (bound_together(&server, "source", 100), bound_together(&server, "target", 7));
        let before = looks(&target);
        loaded(&target, &dumped(&source), OVERWRITE).unwrap().discard().unwrap();
        assert_eq!(looks(&target), before);
        drop(loaded(&target, &dumped(&source), OVERWRITE).unwrap());
        database::undo(&target.connection).unwrap();
        assert_eq!(looks(&target), before);
        restored(&target, &dumped(&source), OVERWRITE).unwrap();
        assert_eq!(looks(&target), looks(&source));
        if server.is_postgres() {
            target.run(&["CREATE SEQUENCE mdl_more"]);
            let error = restored(&target, &dumped(&source), OVERWRITE).unwrap_err();
            assert!(error.to_string().contains("mdl_more"), "{error}");
        } else {
            let long = "x".repeat(64);
            target.run(&[&format!("ALTER TABLE mdl_a ADD CONSTRAINT {long} FOREIGN KEY (b) REFERENCES mdl_b (id)")]);
            let error = restored(&target, &dumped(&source), OVERWRITE).unwrap_err();
            assert!(error.to_string().contains(&long), "{error}");
        }
    }
}

/// A user with few rights, who is dropped with the value.
struct User<'a> {
    database: &'a Database,
    name: String,
}

impl<'a> User<'a> {
    fn new(database: &'a Database, rights: &[&str]) -> Self {
        let name = format!("user_{:08x}", rand::random::<u32>());
        let made = if database.server.is_postgres() {
            format!("CREATE USER {name} PASSWORD 'few rights'")
        } else {
            format!("CREATE USER '{name}'@'%' IDENTIFIED BY 'few rights'")
        };
        database.run(&[&made]);
        for right in rights {
            database.run(&[&right.replace("USER", &name).replace("DATABASE_", &database.connection.database)]);
        }
        Self { database, name }
    }

    fn refusals(&self, (facts, dump): &(DatabaseFacts, Dump)) -> String {
        let connection =
            Connection { user: self.name.clone(), password: "few rights".into(), ..self.database.connection.clone() };
        let found = database::foreseen(&connection, facts, dump, OVERWRITE).unwrap().refusals;
        found.into_iter().map(|reason| format!("{reason}; {}", reason.fix)).collect::<Vec<_>>().join("\n")
    }
}

impl Drop for User<'_> {
    fn drop(&mut self) {
        let name = &self.name;
        if self.database.server.is_postgres() {
            self.database.run(&[&format!("DROP OWNED BY {name}"), &format!("DROP USER {name}")]);
        } else {
            self.database.run(&[&format!("DROP USER '{name}'@'%'")]);
        }
    }
}

#[test]
fn rights_that_are_lacking_are_told_before_anything_is_written() {
    for server in servers() {
        let (_, dump) = source(&server);
        let target = target(&server, &[]);
        let before = looks(&target);
        if server.is_postgres() {
            let reader = User::new(&target, &["GRANT SELECT ON ALL TABLES IN SCHEMA public TO USER"]);
            let said = reader.refusals(&dump);
            assert!(
                said.contains("no tables in the schema public") && said.contains("GRANT CREATE ON DATABASE"),
                "{said}"
            );
            assert!(said.contains("2 tables don't belong to"), "{said}");
            drop(reader);
            let owner = User::new(
                &target,
                &[
                    "GRANT CREATE ON SCHEMA public TO USER",
                    "GRANT CREATE ON DATABASE \"DATABASE_\" TO USER",
                    "ALTER TABLE mdl_a OWNER TO USER",
                    "ALTER TABLE mdl_b OWNER TO USER",
                ],
            );
            assert_eq!(owner.refusals(&dump), "");
            target.run(&["ALTER TABLE mdl_a OWNER TO backup", "ALTER TABLE mdl_b OWNER TO backup"]);
        } else {
            let reader = User::new(&target, &["GRANT SELECT, INSERT ON `DATABASE_`.* TO 'USER'@'%'"]);
            let said = reader.refusals(&dump);
            assert!(said.contains("can't CREATE, ALTER, DROP tables"), "{said}");
            let rights =
                "GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, DROP, INDEX ON `DATABASE_`.* TO 'USER'@'%'";
            assert_eq!(User::new(&target, &[rights]).refusals(&dump), "");
        }
        assert_eq!(looks(&target), before);
    }
}

#[test]
fn collations_and_extensions_that_the_server_lacks_are_told_before_anything_is_written() {
    for server in servers() {
        let (_, dump) = source(&server);
        let target = target(&server, &[]);
        let before = looks(&target);
        let edit = |path: &str, from: &str, to: &str| {
            let spoil = |bytes: &mut Vec<u8>| *bytes = String::from_utf8_lossy(bytes).replace(from, to).into_bytes();
            dump.1.0.lock().unwrap().entry(path.to_owned()).and_modify(spoil);
        };
        let lacking = if server.is_postgres() {
            edit("schema.sql", "CREATE SEQUENCE", "CREATE EXTENSION IF NOT EXISTS \"no_such\";\nCREATE SEQUENCE");
            "no_such"
        } else {
            edit("mdl_b/table.sql", "utf8mb4_unicode_ci", "utf8mb4_9999_ai_ci");
            "utf8mb4_9999_ai_ci"
        };
        let error: Error = restored(&target, &dump, OVERWRITE).unwrap_err();
        assert_eq!(error.kind, Kind::Refused, "{error}");
        assert!(error.to_string().contains(lacking), "{error}");
        assert_eq!(looks(&target), before);
    }
}

#[test]
fn a_load_that_is_broken_off_when_all_is_decided_is_finished_by_the_next() {
    for server in servers() {
        let (source, dump) = source(&server);
        let target = target(&server, &[]);
        drop(loaded(&target, &dump, OVERWRITE).unwrap());
        let decided = "CASE todo WHEN 'drop' THEN 'keep' WHEN 'put back' THEN 'drop aside' ELSE todo END";
        target.run(&[&format!("UPDATE {} SET todo = {decided}", target.quoted("~moodle-backup"))]);
        let bad = dumped(&source);
        spoil(&bad.1);
        restored(&target, &bad, OVERWRITE).unwrap_err();
        assert_eq!(looks(&target), looks(&source));
    }
}

#[test]
fn a_second_site_whose_prefix_begins_alike_is_no_part_of_the_first() {
    for server in servers() {
        let database = server.database("two");
        let core = ["config", "config_plugins", "context", "course", "modules", "user"];
        for table_name in core.iter().flat_map(|name| [format!("mdl_{name}"), format!("mdl_2_{name}")]) {
            database.run(&[&table(&server, &table_name), &format!("INSERT INTO {table_name} (v) VALUES ('old')")]);
        }
        let dump = dumped(&database);
        let names: Vec<&str> = dump.0.tables.iter().map(|table| table.name.as_str()).collect();
        assert_eq!(names, core.map(|name| format!("mdl_{name}")));
        assert_eq!(dump.0.left_out, ["site mdl_2_"]);
        database.run(&["UPDATE mdl_config SET v = 'new'", "UPDATE mdl_2_config SET v = 'new'"]);
        let refused = refusals(&database, &dump, OVERWRITE);
        assert!(refused.len() == 1 && refused[0].contains("mdl_2_config,"), "{refused:?}");
        restored(&database, &dump, RestoreOptions { other_tables: OtherTables::Keep, ..OVERWRITE }).unwrap();
        assert_eq!(database.rows("SELECT v FROM mdl_config"), [[Some("old".to_owned())]]);
        assert_eq!(database.rows("SELECT v FROM mdl_2_config"), [[Some("new".to_owned())]]);
    }
}
