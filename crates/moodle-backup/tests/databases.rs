//! What is dumped of a real server is what was in it at one moment, and a restore is the same again.
#![expect(clippy::unwrap_used, reason = "what can't be made fails the test")]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use moodle_backup::database::{self, Connection, RestoreOptions, Restored};
use moodle_backup::error::{Kind, Result};
use moodle_backup::manifest::DatabaseFacts;
use moodle_backup::progress::Silent;
use support::server::{Database, Dump, TestServer, servers};

const JOBS: usize = 3;

/// Held by tests that change a setting of a whole server, and by those that need it as it was.
static SETTINGS: Mutex<()> = Mutex::new(());

/// Texts that a dump could spoil.
const TEXTS: [&str; 14] = [
    "",
    " ",
    "plain",
    "NULL",
    "\\N",
    "\\.",
    "a\tb\nc\rd\\e\u{8}f\u{b}g",
    "'single' \"double\" `back`",
    "größe 日本語 \u{1f600}\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}",
    "{$a} %s $1 \\1 \\\\ \\t",
    "trailing \\",
    "-- ; /* */ #",
    "<p>1 &lt; 2</p>",
    "\u{1}\u{7f}\u{80}\u{a0}\u{feff}\u{ffff}",
];

fn dumped(database: &Database) -> Result<(DatabaseFacts, Dump)> {
    let dump = Dump::default();
    let facts = database::open(&database.connection, JOBS)?.dump(&dump, &Silent)?;
    Ok((facts, dump))
}

fn restored(target: &Database, facts: &DatabaseFacts, dump: &Dump) -> Result<Restored> {
    database::restore(
        &target.connection,
        facts,
        dump,
        RestoreOptions { jobs: JOBS, ..RestoreOptions::default() },
        &Silent,
    )
}

/// Dumps a database, restores it elsewhere, and compares both as the server tells them.
fn comes_back(database: &Database) -> (DatabaseFacts, Dump) {
    let (facts, dump) = dumped(database).unwrap();
    let target = database.server.database("restored");
    let restored = restored(&target, &facts, &dump).unwrap();
    assert_eq!(target.definitions(), database.definitions());
    let (before, after) = (database.contents(), target.contents());
    for (table, content) in &before {
        assert_eq!(after.get(table), Some(content), "{table}");
    }
    assert_eq!(before.len(), after.len());
    let counted: Vec<(&String, u64)> = restored.tables.iter().map(|(name, rows)| (name, *rows)).collect();
    let mut known: Vec<(&String, u64)> = facts.tables.iter().map(|table| (&table.name, table.rows)).collect();
    known.sort();
    assert_eq!(counted, known);
    (facts, dump)
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn binary(server: &TestServer, bytes: &[u8]) -> String {
    if server.is_postgres() {
        format!("'\\x{}'::bytea", hex::encode(bytes))
    } else {
        format!("x'{}'", hex::encode(bytes))
    }
}

/// A table with each type of column that Moodle's XMLDB makes, and others that plugins and old sites have.
fn every_column(server: &TestServer) -> Vec<String> {
    let columns: &[(&str, &str)] = if server.is_postgres() {
        &[
            ("tiny", "smallint NOT NULL DEFAULT 0"),
            ("normal", "integer"),
            ("big", "bigint DEFAULT -7"),
            ("huge", "numeric(20,0)"),
            ("exact", "numeric(10,5) NOT NULL DEFAULT 0"),
            ("single", "real"),
            ("double_", "double precision"),
            ("short", "varchar(255) NOT NULL DEFAULT ''"),
            ("upper", "varchar(1333)"),
            ("long_", "text"),
            ("blob_", "bytea"),
        ]
    } else {
        &[
            ("tiny", "tinyint(2) NOT NULL DEFAULT 0"),
            ("normal", "int(9)"),
            ("big", "bigint(10) DEFAULT -7"),
            ("huge", "decimal(20,0)"),
            ("exact", "decimal(10,5) NOT NULL DEFAULT 0.00000"),
            ("single", "float"),
            ("double_", "double"),
            ("short", "varchar(255) COLLATE utf8mb4_bin NOT NULL DEFAULT ''"),
            ("upper", "varchar(1333) COLLATE utf8mb4_unicode_ci COMMENT 'it''s a \\ comment'"),
            ("long_", "longtext"),
            ("blob_", "longblob"),
        ]
    };
    let id = if server.is_postgres() { "bigserial" } else { "bigint(10) NOT NULL AUTO_INCREMENT" };
    let listed: Vec<String> = columns.iter().map(|(name, kind)| format!("{name} {kind}")).collect();
    let (key, end) = if server.is_postgres() {
        ("CONSTRAINT mdl_ever_id_pk PRIMARY KEY (id)", "")
    } else {
        ("PRIMARY KEY (id)", " ENGINE=InnoDB ROW_FORMAT=COMPRESSED COMMENT='What''s in it'")
    };
    let mut statements = vec![format!("CREATE TABLE mdl_every (id {id}, {}, {key}){end}", listed.join(", "))];
    if server.is_postgres() {
        statements.push("COMMENT ON TABLE mdl_every IS 'What''s in it'".to_owned());
        statements.push("CREATE INDEX mdl_ever_upp_ix ON mdl_every (upper varchar_pattern_ops)".to_owned());
    } else {
        statements.push("CREATE INDEX mdl_ever_upp_ix ON mdl_every (upper(191))".to_owned());
    }
    statements.push("CREATE UNIQUE INDEX mdl_ever_hugbig_uix ON mdl_every (huge, big, normal)".to_owned());
    let head =
        "INSERT INTO mdl_every (tiny, normal, big, huge, exact, single, double_, short, upper, long_, blob_) VALUES";
    let numbers = [
        "0, 0, 0, 0, 0, 0, 0",
        "-99, -999999999, -9223372036854775808, -99999999999999999999, -99999.99999, -1.5, -1e308",
        "99, 999999999, 9223372036854775807, 99999999999999999999, 99999.99999, 3.402823466e38, 1.7976931348623157e308",
        "1, 2, 3, 4, 0.00001, 1.17549435e-38, 2.2250738585072014e-308",
        "1, 1, 1, 1, 0.1, 0.1, 0.1",
        "1, 16777217, 9007199254740993, 5, 1, 16777216.0, 0.30000000000000004",
        "1, NULL, NULL, NULL, 1, NULL, NULL",
        "7, 8, 9, 10, 11, 12345.678, 123456789012345.67",
    ];
    let long = TEXTS.concat().repeat(3000);
    let bytes: Vec<u8> = (0..=255).cycle().take(70_000).collect();
    let blobs: [&[u8]; 6] = [b"", b"\0", b"\\N", b"\xff\xfe\t\n\r\\\0'\"", b"\xc3\x28", &bytes];
    let number = |at: usize| numbers[at % numbers.len()];
    for (at, text) in TEXTS.iter().enumerate() {
        // PostgreSQL's texts have no NUL, and every other character is in TEXTS.
        let text = literal(text);
        let blob = binary(server, blobs[at % blobs.len()]);
        statements.push(format!("{head} ({}, {text}, {text}, {text}, {blob})", unlike(number(at), at)));
    }
    statements.push(format!("{head} (1, 21, 22, 23, 24, 25, 26, 'x', NULL, NULL, NULL)"));
    statements.push(format!("{head} (1, 31, 32, 33, 34, 35, 36, 'x', NULL, {}, NULL)", literal(&long)));
    statements.push("DELETE FROM mdl_every WHERE id IN (3, 16)".to_owned());
    statements
}

/// Makes the same numbers differ where an index wants them unique.
fn unlike(numbers: &str, at: usize) -> String {
    if at < 8 { numbers.to_owned() } else { format!("1, {at}, {at}, {at}, 1, NULL, {at}") }
}

#[test]
fn every_kind_of_column_comes_back_as_it_was() {
    for server in servers() {
        let database = server.database("columns");
        let statements = every_column(&server);
        database.run(&statements.iter().map(String::as_str).collect::<Vec<_>>());
        let (facts, _) = comes_back(&database);
        assert_eq!(facts.tables.len(), 1);
        assert_eq!(facts.tables[0].rows, 14);
    }
}

#[test]
fn single_precision_keeps_its_last_bit() {
    for server in servers() {
        let database = server.database("floats");
        let (kind, end) = if server.is_postgres() { ("real", "") } else { ("float", " ENGINE=InnoDB") };
        database.run(&[&format!("CREATE TABLE mdl_floats (id bigint PRIMARY KEY, value {kind}){end}")]);
        let values: Vec<String> = (0..2000_u32)
            .map(|at| {
                let bits = at.wrapping_mul(2_654_435_761) & 0x7f7f_ffff;
                format!("({at}, {:e})", f32::from_bits(bits))
            })
            .collect();
        database.run(&[&format!("INSERT INTO mdl_floats VALUES {}", values.join(", "))]);
        comes_back(&database);
    }
}

#[test]
fn many_tables_odd_names_and_empty_ones_come_back() {
    for server in servers() {
        let database = server.database("many");
        let end = if server.is_postgres() { "" } else { " ENGINE=InnoDB" };
        let mut statements: Vec<String> = (0..300)
            .map(|number| format!("CREATE TABLE mdl_t{number} (id bigint PRIMARY KEY, name varchar(100)){end}"))
            .collect();
        statements.extend((0..300).step_by(2).map(|number| {
            format!("INSERT INTO mdl_t{number} VALUES ({number}, 'a'), (-5, 'b'), (9223372036854775807, NULL)")
        }));
        let odd =
            ["mdl_order", "mdl_with space", "mdl_größe", "mdl_quote\"d", "mdl_per%cent", "mdl_sl\\ash", "mdl_do$lar"];
        for name in odd {
            let name = database.quoted(name);
            statements
                .push(format!("CREATE TABLE {name} (id bigint PRIMARY KEY, {} text){end}", database.quoted("select")));
            statements.push(format!("INSERT INTO {name} VALUES (1, 'x')"));
        }
        // Without a key, with a key of words, and with one of two columns.
        statements.push(format!("CREATE TABLE mdl_nokey (a integer, b varchar(10)){end}"));
        statements.push("INSERT INTO mdl_nokey VALUES (2, 'b'), (1, 'a'), (2, 'b'), (NULL, NULL)".to_owned());
        statements.push(format!("CREATE TABLE mdl_words (word varchar(50) PRIMARY KEY, n integer){end}"));
        statements.push("INSERT INTO mdl_words VALUES ('z', 1), ('a', 2), ('ß', 3), ('', 4)".to_owned());
        statements.push(format!("CREATE TABLE mdl_pair (a bigint, b bigint, n integer, PRIMARY KEY (a, b)){end}"));
        statements.push("INSERT INTO mdl_pair VALUES (1, 2, 3), (1, 1, 4), (-1, 2, 5)".to_owned());
        database.run(&statements.iter().map(String::as_str).collect::<Vec<_>>());
        let own = database.tables().len();
        let (facts, _) = comes_back(&database);
        assert_eq!(facts.tables.len(), own);
    }
}

#[test]
fn tables_without_the_prefix_are_left_out_and_left_alone() {
    for server in servers() {
        let (database, target) = (server.database("prefix"), server.database("beside"));
        let end = if server.is_postgres() { "" } else { " ENGINE=InnoDB" };
        database.run(&[&format!("CREATE TABLE mdl_a (id bigint PRIMARY KEY){end}"), "INSERT INTO mdl_a VALUES (1)"]);
        for other in ["other", "mdlxa"] {
            for place in [&database, &target] {
                place.run(&[
                    &format!("CREATE TABLE {other} (id bigint){end}"),
                    &format!("INSERT INTO {other} VALUES (5)"),
                ]);
            }
        }
        let (facts, dump) = dumped(&database).unwrap();
        let names: Vec<&str> = facts.tables.iter().map(|table| table.name.as_str()).collect();
        assert_eq!(names, ["mdl_a"], "`_` is no wildcard");
        let options = RestoreOptions { jobs: JOBS, overwrite: true, ..RestoreOptions::default() };
        database::restore(&target.connection, &facts, &dump, options, &Silent).unwrap();
        assert_eq!(target.contents(), database.contents());
    }
}

#[test]
fn tables_that_are_there_are_replaced_only_when_that_is_asked_for() {
    for server in servers() {
        let (database, target) = (server.database("source"), server.database("target"));
        let end = if server.is_postgres() { "" } else { " ENGINE=InnoDB" };
        database
            .run(&[&format!("CREATE TABLE mdl_a (id bigint PRIMARY KEY){end}"), "INSERT INTO mdl_a VALUES (1), (2)"]);
        target.run(&[&format!("CREATE TABLE mdl_a (id bigint PRIMARY KEY){end}"), "INSERT INTO mdl_a VALUES (7)"]);
        let (facts, dump) = dumped(&database).unwrap();
        let error = restored(&target, &facts, &dump).unwrap_err();
        assert_eq!(error.kind, Kind::Refused, "{error}");
        assert!(error.to_string().contains("mdl_"), "{error}");
        assert_eq!(target.rows("SELECT id FROM mdl_a"), [[Some("7".to_owned())]]);
        let options = RestoreOptions { jobs: JOBS, overwrite: true, ..RestoreOptions::default() };
        database::restore(&target.connection, &facts, &dump, options, &Silent).unwrap();
        assert_eq!(target.contents(), database.contents());
    }
}

#[test]
fn a_table_that_changes_its_form_during_a_dump_is_named_or_can_not_change() {
    let changes = [
        "ALTER TABLE mdl_b ADD COLUMN extra integer",
        "DROP TABLE mdl_b",
        "TRUNCATE TABLE mdl_b",
        "ALTER TABLE mdl_b RENAME TO mdl_c",
    ];
    for server in servers() {
        for change in changes {
            let database = server.database("ddl");
            let end = if server.is_postgres() { "" } else { " ENGINE=InnoDB" };
            for name in ["mdl_a", "mdl_b"] {
                database.run(&[&format!("CREATE TABLE {name} (id bigint PRIMARY KEY, v integer){end}")]);
                database.run(&[&format!("INSERT INTO {name} VALUES (1, 1), (2, 2)")]);
            }
            let view = database::open(&database.connection, JOBS).unwrap();
            let patience = if server.is_postgres() {
                "SET lock_timeout = '1s'; "
            } else {
                "SET STATEMENT lock_wait_timeout=1 FOR "
            };
            let changed = database.try_rows(&format!("{patience}{change}"));
            let dump = Dump::default();
            match (changed, view.dump(&dump, &Silent)) {
                (Ok(_), Err(error)) => {
                    assert_eq!(error.kind, Kind::Database, "{change}: {error}");
                    assert!(error.to_string().contains("mdl_b"), "{change}: {error}");
                }
                (Err(_), Ok(facts)) => {
                    assert_eq!(facts.tables.iter().map(|table| table.rows).sum::<u64>(), 4, "{change}");
                }
                (Ok(_), Ok(facts)) => panic!("{change} went unnoticed: {:?}", facts.tables),
                (Err(one), Err(other)) => panic!("{change}: {one}, {other}"),
            }
        }
    }
}

#[test]
fn columns_that_a_star_does_not_show_come_back() {
    for server in servers().into_iter().filter(|server| !server.is_postgres()) {
        let database = server.database("invisible");
        database.run(&[
            "CREATE TABLE mdl_a (id bigint PRIMARY KEY, hidden integer INVISIBLE DEFAULT 5) ENGINE=InnoDB",
            "INSERT INTO mdl_a (id, hidden) VALUES (1, 1), (2, NULL), (3, 7)",
        ]);
        comes_back(&database);
    }
}

#[test]
fn a_table_without_transactions_is_refused_by_its_name() {
    for server in servers().into_iter().filter(|server| !server.is_postgres()) {
        let database = server.database("engines");
        database
            .run(&["CREATE TABLE mdl_old (id bigint) ENGINE=MyISAM", "CREATE TABLE mdl_new (id bigint) ENGINE=InnoDB"]);
        let error = dumped(&database).unwrap_err();
        assert_eq!(error.kind, Kind::Database, "{error}");
        assert!(error.to_string().contains("mdl_old") && !error.to_string().contains("mdl_new"), "{error}");
    }
}

#[test]
fn what_comes_after_the_view_is_not_in_the_dump() {
    for server in servers() {
        let database = server.database("later");
        let end = if server.is_postgres() { "" } else { " ENGINE=InnoDB" };
        for name in ["mdl_a", "mdl_b"] {
            database.run(&[
                &format!("CREATE TABLE {name} (id bigint PRIMARY KEY){end}"),
                &format!("INSERT INTO {name} VALUES (1)"),
            ]);
        }
        let view = database::open(&database.connection, JOBS).unwrap();
        database.run(&[
            "INSERT INTO mdl_a VALUES (2)",
            "INSERT INTO mdl_b VALUES (2)",
            "DELETE FROM mdl_a WHERE id = 1",
        ]);
        let dump = Dump::default();
        let facts = view.dump(&dump, &Silent).unwrap();
        let target = server.database("restored");
        restored(&target, &facts, &dump).unwrap();
        for name in ["mdl_a", "mdl_b"] {
            assert_eq!(target.rows(&format!("SELECT id FROM {name}")), [[Some("1".to_owned())]], "{name}");
        }
    }
}

#[test]
fn all_connections_see_the_same_moment_while_a_writer_writes() {
    let rounds = std::env::var("MOODLE_BACKUP_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(10);
    for server in servers() {
        let database = server.database("moving");
        let end = if server.is_postgres() { "" } else { " ENGINE=InnoDB" };
        let tables: Vec<String> = (0..6).map(|number| format!("mdl_v{number}")).collect();
        for table in &tables {
            let values: Vec<String> = (0..50).map(|id| format!("({id}, 100)")).collect();
            database.run(&[
                &format!("CREATE TABLE {table} (id bigint PRIMARY KEY, v bigint NOT NULL){end}"),
                &format!("INSERT INTO {table} VALUES {}", values.join(", ")),
            ]);
        }
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            for writer in 0..2_usize {
                let (database, tables, stop) = (&database, &tables, &stop);
                scope.spawn(move || moves(database, tables, writer, stop));
            }
            let sums: BTreeSet<i64> = (0..rounds)
                .map(|_| {
                    let dump = dumped(&database).map(|(_, dump)| dump);
                    dump.map_or(-1, |dump| total(&dump))
                })
                .collect();
            stop.store(true, Ordering::SeqCst);
            assert_eq!(sums, BTreeSet::from([6 * 50 * 100]));
        });
    }
}

/// Takes from one table and gives to another, always both or none.
fn moves(database: &Database, tables: &[String], writer: usize, stop: &AtomicBool) {
    let mut at = writer;
    let mut postgres = database.server.is_postgres().then(|| database.server.postgres(&database.connection.database));
    let mut mariadb = (!database.server.is_postgres()).then(|| database.server.mariadb(&database.connection.database));
    while !stop.load(Ordering::SeqCst) {
        at += 1;
        let (from, to) = (&tables[at % tables.len()], &tables[(at * 5 + 1) % tables.len()]);
        let id = writer * 25 + at % 25;
        let steps = [
            "BEGIN".to_owned(),
            format!("UPDATE {from} SET v = v - 1 WHERE id = {id}"),
            format!("UPDATE {to} SET v = v + 1 WHERE id = {id}"),
            "COMMIT".to_owned(),
        ];
        for step in &steps {
            if let Some(client) = &mut postgres {
                client.batch_execute(step).unwrap();
            }
            if let Some(client) = &mut mariadb {
                mysql::prelude::Queryable::query_drop(client, step).unwrap();
            }
        }
    }
}

/// Adds up the second column of all rows of a dump.
fn total(dump: &Dump) -> i64 {
    let files = dump.0.lock().unwrap();
    let rows = files.iter().filter(|(path, _)| Path::new(path).extension().is_some_and(|ending| ending == "tsv"));
    rows.flat_map(|(_, bytes)| std::str::from_utf8(bytes).unwrap().lines().collect::<Vec<_>>())
        .map(|line| line.split('\t').nth(1).unwrap().parse::<i64>().unwrap())
        .sum()
}

#[test]
fn old_rows_of_a_table_that_only_grows_are_the_same_files_again() {
    let rows = std::env::var("MOODLE_BACKUP_ROWS").ok().and_then(|text| text.parse().ok()).unwrap_or(120_000_u64);
    for server in servers() {
        let database = server.database("log");
        let end = if server.is_postgres() { "" } else { " ENGINE=InnoDB" };
        let id =
            if server.is_postgres() { "bigserial PRIMARY KEY" } else { "bigint NOT NULL AUTO_INCREMENT PRIMARY KEY" };
        database.run(&[&format!("CREATE TABLE mdl_log (id {id}, event varchar(255), other text, t bigint){end}")]);
        let grow = |from: u64, to: u64| {
            let values: Vec<u64> = (from..to).collect();
            for part in values.chunks(5000) {
                let rows: Vec<String> = part
                    .iter()
                    .map(|number| format!("('\\core\\event\\viewed{number}', '{}', {number})", "x".repeat(300)))
                    .collect();
                database.run(&[&format!("INSERT INTO mdl_log (event, other, t) VALUES {}", rows.join(", "))]);
            }
        };
        grow(0, rows);
        let (first, _) = comes_back(&database);
        grow(rows, rows + 100);
        let (second, _) = dumped(&database).unwrap();
        let (before, after) = (&first.tables[0].files, &second.tables[0].files);
        assert!(before.len() > 1, "a table of {rows} rows is split: {before:?}");
        let known: BTreeSet<&String> = before.iter().map(|file| &file.sha256).collect();
        let new = after.iter().filter(|file| !known.contains(&file.sha256)).count();
        assert!(new <= 2, "{new} of {} files are new", after.len());
        assert_eq!(second.tables[0].rows, rows + 100);
    }
}

#[test]
fn contents_are_listed_once_with_their_sizes_and_courses_have_theirs() {
    for server in servers() {
        let database = server.database("files");
        let end = if server.is_postgres() { "" } else { " ENGINE=InnoDB" };
        let hash = |letter: &str| letter.repeat(40);
        let empty = "da39a3ee5e6b4b0d3255bfef95601890afd80709";
        database.run(&[
            &format!(
                "CREATE TABLE mdl_files (id bigint PRIMARY KEY, contenthash varchar(40) NOT NULL, contextid bigint NOT NULL, \
                 filesize bigint NOT NULL, referencefileid bigint){end}"
            ),
            &format!(
                "CREATE TABLE mdl_context (id bigint PRIMARY KEY, contextlevel bigint NOT NULL, instanceid bigint NOT NULL, \
                 path varchar(255)){end}"
            ),
            "INSERT INTO mdl_context VALUES (1, 10, 0, '/1'), (20, 50, 7, '/1/20'), (21, 70, 5, '/1/20/21'), (200, 50, 8, '/1/200')",
            &format!(
                "INSERT INTO mdl_files VALUES (1, '{b}', 20, 5, NULL), (2, '{a}', 21, 3, NULL), (3, '{b}', 200, 5, NULL), \
                 (4, '{empty}', 1, 0, NULL), (5, '{c}', 200, 9, NULL)",
                a = hash("a"),
                b = hash("b"),
                c = hash("c"),
            ),
        ]);
        let text = |listing: &database::Listing| -> Vec<(String, u64)> {
            assert_eq!(listing.odd, [""; 0]);
            listing.contents.iter().map(|one| (hex::encode(one.hash), one.size)).collect()
        };
        let all = [(hash("a"), 3), (hash("b"), 5), (hash("c"), 9), (empty.to_owned(), 0)];
        assert_eq!(text(&database::listing(&database.connection).unwrap()), all);
        let mut view = database::open(&database.connection, 1).unwrap();
        assert_eq!(text(&view.listing().unwrap()), all);
        let mut course = text(&view.course_files(7).unwrap());
        course.sort();
        assert_eq!(course, [(hash("a"), 3), (hash("b"), 5)]);
        drop(view);
        let aliases = format!("(7, '{}', 1, 77, 1), (8, '{empty}', 1, 88, 2)", hash("a"));
        database.run(&[&format!("INSERT INTO mdl_files VALUES {aliases}")]);
        assert_eq!(text(&database::listing(&database.connection).unwrap()), all, "the sizes of aliases don't count");
        database.run(&["DELETE FROM mdl_files WHERE id = 4"]);
        assert_eq!(text(&database::listing(&database.connection).unwrap()), all, "nothing has no bytes");
        database.run(&[&format!("INSERT INTO mdl_files VALUES (6, '{}', 1, 4, NULL)", hash("a"))]);
        let both = [(hash("a"), 3), (hash("a"), 4), (hash("b"), 5), (hash("c"), 9), (empty.to_owned(), 0)];
        assert_eq!(text(&database::listing(&database.connection).unwrap()), both, "one of the two is right");
    }
}

#[test]
fn names_that_no_content_can_have_are_told_and_the_other_contents_are_listed() {
    for server in servers() {
        let database = server.database("odd");
        let end = if server.is_postgres() { "" } else { " ENGINE=InnoDB" };
        let columns = "(contenthash varchar(40) NOT NULL, filesize bigint NOT NULL, referencefileid bigint)";
        database.run(&[
            &format!("CREATE TABLE mdl_files {columns}{end}"),
            &format!("INSERT INTO mdl_files VALUES ('{}', 3, NULL), ('', 1, NULL)", "a".repeat(40)),
            &format!("INSERT INTO mdl_files VALUES ('no hash', 5, NULL), ('{}', -1, NULL)", "b".repeat(40)),
        ]);
        let listing = database::open(&database.connection, 1).unwrap().listing().unwrap();
        let sizes: Vec<u64> = listing.contents.iter().map(|one| one.size).collect();
        assert_eq!(sizes, [3]);
        assert_eq!(BTreeSet::from_iter(listing.odd), ["", "no hash", &"b".repeat(40)].map(str::to_owned).into());
    }
}

#[test]
fn a_damaged_or_missing_file_of_a_dump_is_named() {
    for server in servers() {
        let database = server.database("source");
        let end = if server.is_postgres() { "" } else { " ENGINE=InnoDB" };
        database.run(&[
            &format!("CREATE TABLE mdl_a (id bigint PRIMARY KEY, v text){end}"),
            "INSERT INTO mdl_a VALUES (1, 'abc')",
        ]);
        let (facts, dump) = dumped(&database).unwrap();
        let path = facts.tables[0].files[0].path.clone();
        for spoil in [Some(b'x'), None] {
            let before = dump.0.lock().unwrap().clone();
            match spoil {
                Some(byte) => {
                    *dump.0.lock().unwrap().get_mut(&path).unwrap().iter_mut().find(|at| **at == b'b').unwrap() = byte;
                }
                None => drop(dump.0.lock().unwrap().remove(&path)),
            }
            let error = restored(&server.database("target"), &facts, &dump).unwrap_err();
            assert_eq!(error.kind, Kind::Damaged, "{error}");
            assert!(error.to_string().contains(&path), "{error}");
            *dump.0.lock().unwrap() = before;
        }
    }
}

#[test]
fn a_server_that_takes_no_files_from_clients_gets_statements() {
    for server in servers().into_iter().filter(|server| !server.is_postgres()) {
        let _alone = SETTINGS.lock();
        let database = server.database("statements");
        let statements = every_column(&server);
        database.run(&statements.iter().map(String::as_str).collect::<Vec<_>>());
        database.run(&["SET GLOBAL local_infile = 0"]);
        let outcome = std::panic::catch_unwind(|| {
            comes_back(&database);
            shortened_values_are_an_error(&database);
        });
        database.run(&["SET GLOBAL local_infile = 1"]);
        outcome.unwrap();
        shortened_values_are_an_error(&database);
    }
}

fn shortened_values_are_an_error(database: &Database) {
    let (facts, dump) = dumped(database).unwrap();
    let definition = "mdl_every/table.sql";
    let narrow = |bytes: &mut Vec<u8>| {
        *bytes = String::from_utf8_lossy(bytes).replace("`short` varchar(255)", "`short` varchar(2)").into_bytes();
    };
    dump.0.lock().unwrap().entry(definition.to_owned()).and_modify(narrow);
    let error = restored(&database.server.database("narrow"), &facts, &dump).unwrap_err();
    assert_eq!(error.kind, Kind::Database);
    assert!(error.to_string().contains("mdl_every") && error.to_string().contains("truncated"), "{error}");
}

#[test]
fn who_may_lock_nothing_backs_up_all_the_same_and_the_dump_says_how() {
    for server in servers().into_iter().filter(|server| !server.is_postgres()) {
        let database = server.database("rights");
        database
            .run(&["CREATE TABLE mdl_a (id bigint PRIMARY KEY) ENGINE=InnoDB", "INSERT INTO mdl_a VALUES (1), (2)"]);
        let name = &database.connection.database;
        for (rights, way) in [("SELECT", "single-connection"), ("SELECT, LOCK TABLES", "lock-tables")] {
            let user = format!("user_{:08x}", rand::random::<u32>());
            database.run(&[
                &format!("CREATE USER '{user}'@'%' IDENTIFIED BY 'few rights'"),
                &format!("GRANT {rights} ON `{name}`.* TO '{user}'@'%'"),
            ]);
            let connection =
                Connection { user: user.clone(), password: "few rights".into(), ..database.connection.clone() };
            let dump = Dump::default();
            let facts = database::open(&connection, JOBS).unwrap().dump(&dump, &Silent).unwrap();
            database.run(&[&format!("DROP USER '{user}'@'%'")]);
            assert_eq!((facts.consistency.as_str(), facts.tables[0].rows), (way, 2), "{rights}");
        }
        let (facts, _) = dumped(&database).unwrap();
        assert_eq!(facts.consistency, "flush-tables-with-read-lock");
    }
}

#[test]
fn the_servers_own_client_loads_a_dump() {
    let _alone = SETTINGS.lock();
    for server in servers() {
        let database = server.database("stock");
        let statements = every_column(&server);
        database.run(&statements.iter().map(String::as_str).collect::<Vec<_>>());
        let (_, dump) = dumped(&database).unwrap();
        let folder = tempfile::tempdir().unwrap();
        for (path, bytes) in dump.0.lock().unwrap().iter() {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        let target = server.database("loaded");
        let (host, port, name) = (&server.host, server.port.to_string(), &target.connection.database);
        let mut client = if server.is_postgres() {
            let mut psql = Command::new("psql");
            psql.args(["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--host", host, "--port", &port]);
            psql.args(["--username", &server.user, "--dbname", name]).env("PGPASSWORD", &server.password);
            psql
        } else {
            let mut mariadb = Command::new("mariadb");
            mariadb.args(["--no-defaults", "--local-infile=1", "--host", host, "--port", &port]);
            mariadb.args(["--user", &server.user, name]).env("MYSQL_PWD", &server.password);
            mariadb
        };
        let commands = fs::File::open(folder.path().join("load.sql")).unwrap();
        let done = client.current_dir(&folder).stdin(commands).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        assert_eq!(target.definitions(), database.definitions());
        assert_eq!(target.contents(), database.contents());
    }
}

#[test]
fn no_error_shows_the_password() {
    for server in servers() {
        let mut connection = server.database("gone").connection.clone();
        connection.user = "nobody".to_owned();
        connection.password = "hush-hush".into();
        let error = database::open(&connection, JOBS).err().unwrap();
        assert_eq!(error.kind, Kind::Database);
        for shown in [error.to_string(), error.fix.clone(), format!("{error:?}"), format!("{connection:?}")] {
            assert!(!shown.contains("hush"), "{shown}");
        }
        connection.port = Some(1);
        let error = database::listing(&connection).unwrap_err();
        assert_eq!(error.kind, Kind::Database, "{error}");
        assert!(error.to_string().contains("127.0.0.1"), "{error}");
    }
}
