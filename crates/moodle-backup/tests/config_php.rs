//! config.php is read as PHP would run it, or not at all.
#![expect(clippy::unwrap_used, reason = "what can't be made fails the test")]

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use moodle_backup::database::Tls;
use moodle_backup::error::Kind;
use moodle_backup::site;
use moodle_backup::site::config_php::{Config, Key, Value, read_with};
use proptest::prelude::*;

/// Prints each of `$CFG`'s values in a form in which bytes, types and order are seen.
const PRINT: &str = r#"
function shown($v) {
    if (is_array($v)) {
        $items = [];
        foreach ($v as $k => $item) { $items[] = shown($k) . '=>' . shown($item); }
        return '[' . implode(',', $items) . ']';
    }
    return match (true) {
        is_null($v) => 'null', is_bool($v) => $v ? 'true' : 'false', is_int($v) => "i$v", default => 's' . bin2hex($v),
    };
}
foreach ((array) $CFG as $name => $value) { echo "$name ", shown($value), "\n"; }
"#;

fn read(folder: &Path, source: &[u8]) -> Config {
    read_in(folder, source, &[])
}

fn read_in(folder: &Path, source: &[u8], environment: &[(&str, &str)]) -> Config {
    let path = folder.join("config.php");
    std::fs::write(&path, source).unwrap();
    read_with(&path, &|name| {
        environment.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_bytes().to_vec())
    })
    .unwrap()
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(truth) => truth.to_string(),
        Value::Integer(number) => format!("i{number}"),
        Value::Text(text) => format!("s{}", hex::encode(text)),
        Value::Array(items) => {
            let items: Vec<_> = items
                .iter()
                .map(|(key, value)| match key {
                    Key::Integer(number) => format!("i{number}=>{}", shown(value)),
                    Key::Text(text) => format!("s{}=>{}", hex::encode(text), shown(value)),
                })
                .collect();
            format!("[{}]", items.join(","))
        }
        other => format!("{other:?}"),
    }
}

/// Expressions whose value is known without running them.
fn expression() -> impl Strategy<Value = Vec<u8>> {
    let leaf = prop_oneof![
        single_quoted(),
        double_quoted(),
        heredoc(),
        any::<i32>().prop_map(|number| number.to_string().into_bytes()),
        prop::sample::select(vec![
            "true",
            "FALSE",
            "null",
            "0x1F",
            "0b101",
            "017",
            "1_000",
            "__DIR__",
            "dirname(__FILE__)"
        ])
        .prop_map(|word| word.as_bytes().to_vec()),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(left, right)| {
                [b"(string) (".as_slice(), &text(&left), b") . (string) (", &text(&right), b")"].concat()
            }),
            (inner.clone(), inner.clone())
                .prop_map(|(left, right)| [b"(".as_slice(), &left, b") ?: (", &right, b")"].concat()),
            (inner.clone(), inner.clone(), inner.clone()).prop_map(|(condition, left, right)| {
                [b"(".as_slice(), &condition, b") ? (", &left, b") : (", &right, b")"].concat()
            }),
            prop::collection::vec((key(), inner), 0..4).prop_map(|items| {
                let mut source = b"array(".to_vec();
                for (key, value) in items {
                    source.extend([key.as_slice(), b" => ", &value, b", /* , ) */\n"].concat());
                }
                source.push(b')');
                source
            }),
        ]
    })
}

/// An array has no text: its place is taken by one of its sources' lengths.
fn text(source: &[u8]) -> Vec<u8> {
    if source.starts_with(b"array") || source.windows(6).any(|window| window == b"array(") {
        source.len().to_string().into_bytes()
    } else {
        source.to_vec()
    }
}

fn key() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::sample::select(vec!["'8'", "'08'", "-3", "true", "'a'", "\"\\x41\"", "null", "''"])
            .prop_map(|key| key.as_bytes().to_vec()),
        single_quoted(),
    ]
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop_oneof![prop::sample::select(br#"\'"$nrtvef017xu{}A#/*?> "#.to_vec()), 1_u8..=255], 0..12)
}

fn single_quoted() -> impl Strategy<Value = Vec<u8>> {
    bytes().prop_map(|bytes| {
        let mut source = vec![b'\''];
        for (at, byte) in bytes.iter().enumerate() {
            // A backslash may stand alone where nothing that it would escape follows.
            let next = bytes.get(at + 1);
            if *byte == b'\'' || (*byte == b'\\' && matches!(next, None | Some(b'\\' | b'\''))) {
                source.push(b'\\');
            }
            source.push(*byte);
        }
        source.push(b'\'');
        source
    })
}

fn double_quoted() -> impl Strategy<Value = Vec<u8>> {
    bytes().prop_map(|bytes| [b"\"", escaped(&bytes, true).as_slice(), b"\""].concat())
}

fn heredoc() -> impl Strategy<Value = Vec<u8>> {
    (bytes(), any::<bool>()).prop_map(|(bytes, raw)| {
        let bytes: Vec<u8> = bytes.into_iter().filter(|byte| !matches!(byte, b'\r' | b'\n')).collect();
        if raw {
            [b"<<<'END'\n".as_slice(), b"  .", &bytes, b"\n   .\n  END\n"].concat()
        } else {
            [b"<<<END\n.".as_slice(), &escaped(&bytes, false), b"\nEND\n"].concat()
        }
    })
}

/// Leaves escapes as they are where they are valid, and takes the sense of what would put a variable in.
fn escaped(bytes: &[u8], quoted: bool) -> Vec<u8> {
    let mut source = Vec::new();
    let mut backslash = false;
    for (at, byte) in bytes.iter().enumerate() {
        let opens = *byte == b'$' || (*byte == b'"' && quoted);
        if opens && !backslash {
            source.push(b'\\');
        }
        source.push(*byte);
        if *byte == b'u' && backslash && bytes.get(at + 1) == Some(&b'{') {
            source.extend(b"{1F600}");
        }
        backslash = *byte == b'\\' && !backslash;
    }
    if backslash {
        source.push(b'\\');
    }
    source
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, max_shrink_iters: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn generated_literals_read_as_php_reads_them(expressions in prop::collection::vec(expression(), 30)) {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().canonicalize().unwrap();
        let mut source = b"<?php // it's\nunset($CFG); global $CFG; $CFG = new stdClass();\n".to_vec();
        for (number, expression) in expressions.iter().enumerate() {
            source.extend([format!("$CFG->v{number} = ").as_bytes(), expression, b" ; # \"\n"].concat());
        }
        let config = read(&folder, &source);
        let mut ours = String::new();
        for number in 0..expressions.len() {
            let name = format!("v{number}");
            let value = config.get(&name).map_or("nothing".to_owned(), shown);
            writeln!(ours, "{name} {value}").unwrap();
        }
        let output = Command::new("php")
            .args(["-n", "-r", &format!("require 'config.php';{PRINT}")])
            .current_dir(&folder)
            .output();
        let Ok(output) = output else {
            assert!(std::env::var_os("CI").is_none(), "php is not installed");
            eprintln!("skipped: php is not installed");
            return Ok(());
        };
        prop_assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        let theirs = String::from_utf8_lossy(&output.stdout);
        for (ours, theirs) in ours.lines().zip(theirs.lines()) {
            // A `\u{` that is no code point is an error in PHP, and unknown here.
            prop_assert_eq!(ours, theirs, "{}", String::from_utf8_lossy(&source));
        }
        prop_assert_eq!(ours.lines().count(), theirs.lines().count());
    }
}

#[test]
fn moodles_own_example_is_understood() {
    let folder = tempfile::tempdir().unwrap();
    let config = read(
        folder.path(),
        br"<?php  // Moodle configuration file
unset($CFG);  // Ignore this line
global $CFG;
$CFG = new stdClass();

$CFG->dbtype    = 'mariadb';
$CFG->dblibrary = 'native';
$CFG->dbhost    = 'localhost';
$CFG->dbname    = 'moodle';
$CFG->dbuser    = 'moodleuser';
$CFG->dbpass    = 'it\'s $ecret\\';
$CFG->prefix    = 'mdl_';
$CFG->dboptions = array (
  'dbpersist' => 0,
  'dbport' => 3307,
  'dbsocket' => '',
  'dbcollation' => 'utf8mb4_unicode_ci',
);
$CFG->dboptions['readonly'] = ['instance' => ['a', 'b']];
$CFG->wwwroot   = 'https://moodle.example.org';
$CFG->dataroot  = __DIR__ . '/../moodledata';
$CFG->admin     = 'admin';
$CFG->directorypermissions = 0777;
require_once(__DIR__ . '/lib/setup.php');
$CFG->wwwroot = 'too late';
",
    );
    assert_eq!(config.text("dbpass", "-").unwrap().unwrap(), r"it's $ecret\");
    assert_eq!(config.database_option("dbport", "-").unwrap().unwrap(), "3307");
    assert_eq!(config.database_option("dbsocket", "-").unwrap(), None);
    assert_eq!(config.text("wwwroot", "-").unwrap().unwrap(), "https://moodle.example.org");
    let dataroot = config.text("dataroot", "-").unwrap().unwrap();
    assert_eq!(dataroot, format!("{}/../moodledata", folder.path().display()));
    assert_eq!(config.get("directorypermissions"), Some(&Value::Integer(0o777)));
    assert_eq!(config.text("filedir", "-").unwrap(), None);
}

#[test]
fn the_environment_gives_values_and_what_it_lacks_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let source = b"<?php
$CFG->dbtype = getenv('DBTYPE') ?: 'pgsql';
$CFG->dbhost = getenv('DBHOST');
$CFG->dbname = 'moodle_' . getenv('STAGE');
$CFG->dbuser = $_ENV['DBUSER'] ?? 'moodle';
$CFG->dbpass = trim(file_get_contents('secret'));
";
    let config = read_in(folder.path(), source, &[("DBTYPE", "mariadb"), ("DBUSER", "anna")]);
    assert_eq!(config.text("dbtype", "-").unwrap().unwrap(), "mariadb");
    assert_eq!(config.text("dbuser", "-").unwrap().unwrap(), "anna");
    let error = config.text("dbhost", "--db-host").unwrap_err();
    assert!(error.what.contains("environment variable DBHOST"), "{error}");
    assert_eq!(error.fix, "give --db-host explicitly");
    assert!(config.text("dbname", "-").unwrap_err().what.contains("STAGE"));
    let config = read(folder.path(), source);
    assert_eq!(config.text("dbtype", "-").unwrap().unwrap(), "pgsql");
}

#[test]
fn what_depends_on_a_condition_is_an_error_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let config = read(
        folder.path(),
        b"<?php
$CFG->prefix = 'mdl_';
$CFG->wwwroot = 'https://a.example.org';
if (!empty($_SERVER['HTTP_HOST'])) {
    $CFG->wwwroot = 'https://' . $_SERVER['HTTP_HOST'];
} else if (x()):
    $CFG->dbname = 'a';
endif;
$CFG->dbhost = pick_host();
$CFG->dbuser = \"{$who}\";
(static function ($CFG) { $CFG->dbpass = 'x'; })($CFG);
$CFG->dataroot = '/data';
",
    );
    for (name, line) in [("wwwroot", 5), ("dbname", 7), ("dbhost", 9), ("dbuser", 10), ("dbpass", 11)] {
        let error = config.text(name, "--x").unwrap_err().to_string();
        assert!(error.contains(&format!("line {line} ")), "{name}: {error}");
        assert!(!error.contains("'x'"), "{error}");
    }
    assert_eq!(config.text("dataroot", "-").unwrap().unwrap(), "/data");
    assert_eq!(config.text("prefix", "-").unwrap().unwrap(), "mdl_");
}

#[test]
fn names_of_members_are_no_keywords_and_what_follows_is_read_on() {
    let folder = tempfile::tempdir().unwrap();
    for statement in ["foo($x->for);", "foo($x?->while);", "foo(X::if);", "foo($x->endif);", "$x->switch();"] {
        let source = format!("<?php\nif ($a):\n {statement}\nendif;\n$CFG->dbtype = 'pgsql';\n");
        let config = read(folder.path(), source.as_bytes());
        assert_eq!(config.text("dbtype", "-").unwrap().as_deref(), Some("pgsql"), "{source}");
    }
}

#[test]
fn brackets_that_close_too_often_are_read_over() {
    let folder = tempfile::tempdir().unwrap();
    let config = read(folder.path(), b"<?php if ($a): for ) (); endif; $CFG->dbtype = 'pgsql';");
    assert_eq!(config.text("dbtype", "-").unwrap().as_deref(), Some("pgsql"));
}

#[test]
fn included_files_are_read_and_missing_ones_are_named() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("secrets.php"), "<?php $CFG->dbpass = 'from there'; return;").unwrap();
    let config = read(
        folder.path(),
        b"<?php require __DIR__ . '/secrets.php'; include('gone.php'); define('X', 'mdl_'); $CFG->prefix = X; ?>\ntext",
    );
    assert_eq!(config.text("dbpass", "-").unwrap().unwrap(), "from there");
    assert_eq!(config.text("prefix", "-").unwrap().unwrap(), "mdl_");
    assert!(config.text("dbname", "-").unwrap_err().what.contains("gone.php"));
}

#[test]
fn the_configuration_of_the_image_comes_from_variables_and_secret_files() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("password");
    std::fs::write(&secret, "s3cret\n").unwrap();
    let config = read_in(
        folder.path(),
        b"<?php unset($CFG); global $CFG; $CFG = new stdClass();
require('/usr/local/lib/moodle/configuration.php');
require(__DIR__ . '/public/lib/setup.php');",
        &[("MOODLE_DB_HOST", "db"), ("MOODLE_DB_PASSWORD_FILE", secret.to_str().unwrap()), ("MOODLE_DB_PORT", "6432")],
    );
    assert_eq!(config.text("dbpass", "-").unwrap().unwrap(), "s3cret");
    assert_eq!(config.text("dbtype", "-").unwrap().unwrap(), "pgsql");
    assert_eq!(config.database_option("dbport", "-").unwrap().unwrap(), "6432");
    assert!(config.text("wwwroot", "--wwwroot").unwrap_err().what.contains("MOODLE_WWWROOT"));
}

#[test]
fn what_is_given_wins_and_leaves_the_rest_as_config_php_has_it() {
    let folder = tempfile::tempdir().unwrap();
    let config = read(
        folder.path(),
        b"<?php
$CFG->dbtype = 'mariadb';
$CFG->dbhost = 'db.internal';
$CFG->dbname = 'moodle';
$CFG->dbuser = 'moodle';
$CFG->dboptions = array('dbport' => '39147', 'dbsocket' => '/run/db.sock');
",
    );
    let place = |host: Option<&str>, port| {
        let options = site::Options { dbhost: host.map(str::to_owned), dbport: port, ..site::Options::default() };
        let found = site::connection(&options, Some(&config)).unwrap();
        (found.host, found.port)
    };
    assert_eq!(place(None, None), ("/run/db.sock".to_owned(), Some(39147)));
    assert_eq!(place(Some("127.0.0.1"), None), ("127.0.0.1".to_owned(), Some(39147)));
    assert_eq!(place(Some("127.0.0.1"), Some(3307)), ("127.0.0.1".to_owned(), Some(3307)));
}

#[test]
fn the_connection_is_encrypted_as_the_sites_own_is_unless_an_option_says_otherwise() {
    let folder = tempfile::tempdir().unwrap();
    let found = |kind: &str, ssl: &str, options: &site::Options| {
        let source = format!(
            "<?php\n$CFG->dbtype = '{kind}';\n$CFG->dbhost = 'db';\n$CFG->dbname = 'moodle';\n$CFG->dbuser = 'moodle';\n\
             $CFG->dboptions = [{ssl}];\n"
        );
        site::connection(options, Some(&read(folder.path(), source.as_bytes()))).map(|found| found.tls)
    };
    let none = site::Options::default();
    assert_eq!(found("pgsql", "", &none).unwrap(), Tls::Preferred);
    assert_eq!(found("mysqli", "", &none).unwrap(), Tls::Off);
    assert_eq!(found("pgsql", "'ssl' => 'require'", &none).unwrap(), Tls::Unverified);
    assert_eq!(found("mariadb", "'ssl' => 'require'", &none).unwrap(), Tls::Unverified);
    assert_eq!(found("mysqli", "'ssl' => 'verify-full'", &none).unwrap(), Tls::Verified(None));
    assert_eq!(found("pgsql", "'ssl' => mode()", &none).unwrap(), Tls::Preferred);
    assert_eq!(found("mariadb", "'ssl' => mode()", &none).unwrap_err().fix, "give --db-tls explicitly");
    let error = found("mariadb", "'ssl' => 'prefer'", &none).unwrap_err();
    assert!(error.kind == Kind::Site && error.what.contains("dboptions['ssl'] is \"prefer\""), "{error}");
    let given = site::Options { tls: Some(Tls::Off), ..none };
    assert_eq!(found("pgsql", "'ssl' => 'nonsense'", &given).unwrap(), Tls::Off);
}

#[test]
fn a_file_that_is_no_php_is_refused_with_the_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.php");
    std::fs::write(&path, "<?php\n$a = 'never\nends;").unwrap();
    let error = read_with(&path, &|_| None).unwrap_err();
    assert!(error.what.contains("line 2"), "{error}");
    assert!(read_with(&folder.path().join("none.php"), &|_| None).is_err());
}
