//! Connections to real servers that are encrypted: whom they trust, and whom not.
#![expect(clippy::unwrap_used, reason = "what can't be made fails the test")]

mod support;

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use moodle_backup::database::{self, Connection, Server, Tls};
use moodle_backup::error::{Error, Kind};
use support::server::{Database, TestServer, servers};

/// The certificate of the authority that vouches for the servers, by the address that they are reached at.
fn authority() -> PathBuf {
    std::env::var_os("MOODLE_BACKUP_CA").unwrap().into()
}

fn with(database: &Database, tls: Tls) -> Connection {
    Connection { tls, ..database.connection.clone() }
}

/// Lets the database be reached by encrypted connections only.
fn require_encryption(database: &mut Database) {
    if database.server.is_postgres() {
        return;
    }
    let user = format!("u{:08x}", rand::random::<u32>());
    database.run(&[
        &format!("CREATE USER '{user}'@'%' IDENTIFIED BY 'encrypted' REQUIRE SSL"),
        &format!("GRANT ALL ON *.* TO '{user}'@'%'"),
    ]);
    (database.connection.user, database.connection.password) = (user, "encrypted".into());
}

/// Held while connections are counted.
static COUNTED: Mutex<()> = Mutex::new(());

/// Returns how many connections MariaDB has encrypted since it started.
fn encrypted(database: &Database) -> u64 {
    database.rows("SHOW GLOBAL STATUS LIKE 'Ssl_finished_accepts'")[0][1].as_deref().unwrap().parse().unwrap()
}

/// Asserts that an open view's connections are encrypted, or that none is.
fn assert_encrypted(database: &Database, tls: Tls, wanted: bool) {
    assert_connected(database, &with(database, tls), wanted);
}

fn assert_connected(database: &Database, connection: &Connection, wanted: bool) {
    let _counted = COUNTED.lock().unwrap_or_else(PoisonError::into_inner);
    let before = if database.server.is_postgres() { 0 } else { encrypted(database) };
    let _view = database::open(connection, 2).unwrap();
    if database.server.is_postgres() {
        let found = database.rows(
            "SELECT DISTINCT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
             WHERE application_name = 'moodle-backup' AND datname = current_database()",
        );
        assert_eq!(found, [[Some(if wanted { "t" } else { "f" }.to_owned())]]);
    } else {
        assert_eq!(encrypted(database) > before, wanted);
    }
}

fn refused(connection: &Connection) -> Error {
    database::open(connection, 2).map(drop).unwrap_err()
}

#[test]
fn a_server_is_trusted_by_its_authority_for_its_own_name_only() {
    for server in servers() {
        let mut database = server.database("encrypted");
        database.run(&["CREATE TABLE mdl_a (id bigint PRIMARY KEY)"]);
        require_encryption(&mut database);
        assert_encrypted(&database, Tls::Verified(Some(authority())), true);
        assert_encrypted(&database, Tls::Unverified, true);
        let elsewhere = with(&database, Tls::Verified(Some(authority())));
        for unknown in [with(&database, Tls::Verified(None)), Connection { host: "localhost".to_owned(), ..elsewhere }]
        {
            let error = refused(&unknown);
            assert_eq!(error.kind, Kind::Database, "{error}");
            assert!(error.to_string().contains("certificate") && error.fix.contains("--db-tls-ca"), "{error}");
        }
    }
}

#[test]
fn without_being_asked_for_it_a_connection_is_what_the_servers_own_clients_make() {
    for server in servers() {
        let mut database = server.database("encrypted");
        database.run(&["CREATE TABLE mdl_a (id bigint PRIMARY KEY)"]);
        assert_encrypted(&database, Tls::usual(server.kind), server.is_postgres());
        assert_encrypted(&database, Tls::Off, false);
        require_encryption(&mut database);
        if server.kind == Server::MariaDb {
            let error = refused(&with(&database, Tls::usual(server.kind)));
            assert!(error.to_string().contains("Access denied"), "{error}");
        }
    }
}

#[test]
fn where_encryption_is_only_preferred_a_user_that_may_not_have_it_and_a_socket_connect_without() {
    for server in servers().into_iter().filter(TestServer::is_postgres) {
        let mut database = server.database("encrypted");
        database.run(&["CREATE TABLE mdl_a (id bigint PRIMARY KEY)"]);
        let setting = |name: &str| database.rows(&format!("SHOW {name}"))[0][0].clone().unwrap();
        let (rules, folder) = (setting("hba_file"), setting("unix_socket_directories"));
        for tls in [Tls::Preferred, Tls::Unverified, Tls::Verified(Some(authority()))] {
            let socket = Connection { host: folder.clone(), ..with(&database, tls) };
            assert_connected(&database, &socket, false);
        }
        let user = format!("u{:08x}", rand::random::<u32>());
        database.run(&[&format!("CREATE ROLE {user} LOGIN SUPERUSER PASSWORD 'plain'")]);
        let others = std::fs::read_to_string(&rules).unwrap();
        std::fs::write(&rules, format!("hostssl all {user} all reject\nhostnossl all {user} all trust\n{others}"))
            .unwrap();
        database.run(&["SELECT pg_reload_conf()"]);
        (database.connection.user, database.connection.password) = (user, "plain".into());
        let rejected = || database::open(&with(&database, Tls::Unverified), 1).is_err();
        let tries =
            (0..100).take_while(|_| !rejected()).inspect(|_| std::thread::sleep(Duration::from_millis(50))).count();
        assert!(tries < 100, "the rules are read");
        assert_encrypted(&database, Tls::Preferred, false);
        let error = refused(&with(&database, Tls::Unverified));
        assert!(error.to_string().contains("pg_hba.conf") && !error.fix.contains("--db-tls-ca"), "{error}");
        std::fs::write(&rules, others).unwrap();
        database.run(&["SELECT pg_reload_conf()"]);
    }
}

#[test]
fn a_file_without_certificates_is_named() {
    let folder = tempfile::tempdir().unwrap();
    for server in servers() {
        let database = server.database("encrypted");
        let path = folder.path().join("ca.pem");
        for content in [None, Some(""), Some("-----BEGIN CERTIFICATE-----\nno\n-----END CERTIFICATE-----\n")] {
            std::fs::remove_file(&path).ok();
            if let Some(content) = content {
                std::fs::write(&path, content).unwrap();
            }
            let error = refused(&with(&database, Tls::Verified(Some(path.clone()))));
            assert_eq!(error.kind, Kind::Usage, "{content:?}: {error}");
            assert!(error.to_string().contains("ca.pem"), "{error}");
        }
    }
}
