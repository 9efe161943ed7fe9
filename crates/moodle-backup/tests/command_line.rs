//! What the program says on its streams and ends with, for people, for machines and for a schedule.
#![expect(clippy::unwrap_used, reason = "what can't be made fails the test")]

mod support;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use moodle_backup::create;
use moodle_backup::progress::Silent;
use moodle_backup::repository::{Repository, Secret};
use moodle_backup::store::Store;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use support::site::MemorySite;
use tempfile::TempDir;

const PASSPHRASE: &str = "correct horse battery staple";

fn program() -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_moodle-backup"));
    program.stdin(Stdio::null());
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("MOODLE_BACKUP_")) {
        program.env_remove(name);
    }
    program
}

/// A folder with a repository in `repository`, which [`PASSPHRASE`] opens.
fn repository() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let made = in_repository(&folder, &["init"]).output().unwrap();
    assert!(made.status.success(), "{}", errors(&made));
    folder
}

fn in_repository(folder: &TempDir, arguments: &[&str]) -> Command {
    let mut command = program();
    command
        .args(arguments)
        .env("MOODLE_BACKUP_REPOSITORY", folder.path().join("repository"))
        .env("MOODLE_BACKUP_PASSPHRASE", PASSPHRASE);
    command
}

fn errors(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn document(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", text(output)))
}

fn run(mut command: Command) -> Output {
    command.output().unwrap()
}

#[test]
fn variables_of_an_object_store_that_can_be_no_address_or_key_are_named_and_nobody_is_asked() {
    let addresses = ["127.0.0.1:1", "localhost:1", "minio", "", "https:/minio", "http://127.0.0.1:1\n"];
    let endpoints =
        addresses.iter().flat_map(|address| [("AWS_ENDPOINT", *address), ("AZURE_STORAGE_ENDPOINT", address)]);
    let keys =
        ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_ACCOUNT_KEY"];
    for (variable, value) in endpoints.chain(keys.map(|variable| (variable, "backup\r\n"))) {
        let mut command = program();
        let location = if variable.starts_with("AWS") { "s3://backup" } else { "az://backup" };
        let variables = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AZURE_STORAGE_ACCOUNT_NAME"];
        command.envs(variables.map(|name| (name, "backup"))).env("MOODLE_BACKUP_PASSPHRASE", PASSPHRASE);
        let output = command.args(["list", "--repository", location]).env(variable, value).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{variable}={value}: {}", errors(&output));
        assert!(errors(&output).contains(variable), "{}", errors(&output));
    }
}

#[test]
fn what_a_command_line_lacks_is_a_document_for_machines_too() {
    for arguments in [&["list", "--json", "--nonsense"][..], &["restore", "--json"], &["--json", "vreify"]] {
        let output = program().args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", errors(&output));
        let said = &document(&output)["error"];
        assert_eq!((&said["kind"], &said["exit_code"]), (&"usage".into(), &2.into()), "{said}");
        let what = said["what"].as_str().unwrap();
        assert!(!what.is_empty() && errors(&output).contains(what), "{what}");
    }
}

#[test]
fn help_names_every_command_and_every_exit_code() {
    let help = text(&run({
        let mut command = program();
        command.arg("--help");
        command
    }));
    for command in ["init", "create", "list", "show", "verify", "restore", "diff", "prune", "cat", "completions"] {
        assert!(help.contains(&format!("\n  {command}")), "{command} in {help}");
    }
    for code in ["0", "2", "10", "11", "12", "13", "14", "15", "16", "17", "18", "19", "130"] {
        assert!(help.contains(&format!(" {code}  ")) || help.contains(&format!(" {code} ")), "{code} in {help}");
    }
}

#[test]
fn no_help_shows_what_the_environment_holds() {
    for command in ["init", "create", "list", "verify", "restore"] {
        let help = run({
            let mut program = program();
            program.args([command, "--help"]).env("MOODLE_BACKUP_PASSPHRASE", "hush-hush");
            program
        });
        assert!(help.status.success() && !text(&help).contains("hush-hush"), "{}", text(&help));
    }
}

#[test]
fn completions_know_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        let output = run({
            let mut command = program();
            command.args(["completions", shell]);
            command
        });
        assert!(output.status.success() && text(&output).contains("restore"), "{shell}");
    }
}

#[test]
fn an_error_says_what_is_wrong_and_what_to_do_and_has_its_own_exit_code() {
    let output = run({
        let mut command = program();
        command.arg("list");
        command
    });
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        errors(&output),
        "error: no repository is named\n  give --repository, or set MOODLE_BACKUP_REPOSITORY\n"
    );
    let nowhere = tempfile::tempdir().unwrap();
    for command in ["list", "create"] {
        let output = run(in_repository(&nowhere, &[command]));
        assert_eq!(output.status.code(), Some(if command == "list" { 11 } else { 10 }), "{}", errors(&output));
        assert!(!nowhere.path().join("repository").exists(), "a place that was mistyped isn't made");
    }
    let output = run(in_repository(&nowhere, &["list", "--repository", "s3:backup/moodle"]));
    assert_eq!(errors(&output), "error: the location s3:backup/moodle names no bucket\n  write s3://backup/moodle\n");
    assert_eq!(output.status.code(), Some(2));
    let repository = repository();
    let output = run({
        let mut command = in_repository(&repository, &["list"]);
        command.env("MOODLE_BACKUP_PASSPHRASE", "wrong");
        command
    });
    assert_eq!(output.status.code(), Some(12), "{}", errors(&output));
    assert!(!errors(&output).contains(PASSPHRASE));
}

#[test]
fn machines_get_one_document_also_of_an_error() {
    let repository = repository();
    assert_eq!(document(&run(in_repository(&repository, &["list", "--json"]))), Value::Array(Vec::new()));
    let output = run(in_repository(&repository, &["show", "--json"]));
    let error = &document(&output)["error"];
    assert_eq!((error["kind"].as_str(), error["exit_code"].as_u64()), (Some("repository"), Some(11)), "{error}");
    assert_eq!(output.status.code(), Some(11));
}

#[test]
fn quiet_says_nothing_but_errors() {
    let repository = repository();
    let output = run(in_repository(&repository, &["list", "--quiet"]));
    assert!(output.status.success());
    assert_eq!((text(&output), errors(&output)), (String::new(), String::new()));
    let output = run(in_repository(&repository, &["show", "--quiet"]));
    assert!(errors(&output).starts_with("error: "), "{}", errors(&output));
}

#[test]
fn without_a_terminal_nobody_is_asked_for_a_passphrase() {
    let folder = tempfile::tempdir().unwrap();
    let output = run({
        let mut command = program();
        command.arg("init").env("MOODLE_BACKUP_REPOSITORY", folder.path().join("repository"));
        command
    });
    assert_eq!(output.status.code(), Some(12), "{}", errors(&output));
    assert!(errors(&output).contains("no terminal to ask for one"), "{}", errors(&output));
}

#[test]
fn init_makes_a_key_file_that_opens_the_repository_and_stock_restic_takes_too() {
    let folder = tempfile::tempdir().unwrap();
    let (key, place) = (folder.path().join("key"), folder.path().join("repository"));
    let with_key = |arguments: &[&str]| {
        let mut command = program();
        command.args(arguments).arg("--key-file").arg(&key).arg("--repository").arg(&place);
        run(command)
    };
    let made = with_key(&["init"]);
    assert!(made.status.success(), "{}", errors(&made));
    assert!(with_key(&["list"]).status.success());
    let restic = std::env::var_os("RESTIC").unwrap_or_else(|| "restic".into());
    let check = Command::new(restic)
        .args(["check", "--no-cache", "--repo"])
        .arg(&place)
        .arg("--password-file")
        .arg(&key)
        .output();
    match check {
        Ok(check) => assert!(check.status.success(), "{}", errors(&check)),
        Err(error) => assert!(std::env::var_os("CI").is_none(), "restic: {error}"),
    }
}

#[test]
fn an_init_that_is_refused_makes_nothing() {
    let folder = repository();
    let key = folder.path().join("key");
    let mut command = program();
    command.args(["init", "--key-file"]).arg(&key).arg("--repository").arg(folder.path().join("repository"));
    let refused = run(command);
    assert!(errors(&refused).contains("there is a repository in"), "{}", errors(&refused));
    assert!(refused.status.code() == Some(11) && !key.exists(), "a key that opens nothing is made");

    let mut command = program();
    command.args(["init", "--age-identity"]).arg(&key).arg("--repository").arg(folder.path().join("new"));
    assert_eq!(run(command).status.code(), Some(2));
    assert!(!folder.path().join("new").exists(), "a folder for nothing is made");
}

#[test]
fn a_bucket_that_is_not_there_and_wrong_credentials_are_told_in_a_sentence() {
    let Ok(server) = std::env::var("MOODLE_BACKUP_S3") else {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "MOODLE_BACKUP_S3 isn't set");
        eprintln!("skipped: MOODLE_BACKUP_S3 isn't set");
        return;
    };
    let said = |location: &str, secret: Option<&str>| {
        let mut command = program();
        command.args(["init", "--repository", location]).env("MOODLE_BACKUP_PASSPHRASE", PASSPHRASE);
        command.env("AWS_ENDPOINT", &server).envs(secret.map(|secret| ("AWS_SECRET_ACCESS_KEY", secret)));
        let output = run(command);
        assert_eq!(output.status.code(), Some(14));
        errors(&output)
    };
    let said = [said("s3://nobucket/x", None), said("s3://backup/x", Some("wrong"))];
    assert!(said[0].starts_with("error: s3://nobucket/x can't be listed: NoSuchBucket: "), "{}", said[0]);
    assert!(said[1].starts_with("error: s3://backup/x can't be listed: SignatureDoesNotMatch: "), "{}", said[1]);
    assert!(said[0].contains("\n  make it") && said[1].contains("\n  give credentials"), "{said:?}");
}

#[test]
fn metrics_are_written_after_a_success_and_after_a_failure() {
    let repository = repository();
    let metrics = repository.path().join("backup.prom");
    let with_metrics = |arguments: &[&str], passphrase: &str| {
        let mut command = in_repository(&repository, arguments);
        command.arg("--metrics-file").arg(&metrics).env("MOODLE_BACKUP_PASSPHRASE", passphrase);
        run(command)
    };
    assert!(with_metrics(&["list"], PASSPHRASE).status.success());
    let success = sample(&metrics, "moodle_backup_last_success_timestamp_seconds{command=\"list\"}");
    assert_eq!(sample(&metrics, "moodle_backup_last_exit_code{command=\"list\"}").as_deref(), Some("0"));
    assert!(success.is_some());
    assert_eq!(with_metrics(&["list"], "wrong").status.code(), Some(12));
    assert_eq!(sample(&metrics, "moodle_backup_last_exit_code{command=\"list\"}").as_deref(), Some("12"));
    assert_eq!(sample(&metrics, "moodle_backup_last_success_timestamp_seconds{command=\"list\"}"), success);
}

#[test]
fn a_run_that_did_its_work_is_a_success_where_its_metrics_cannot_be_written_and_says_so() {
    let repository = repository();
    for (command, code) in [("list", 0), ("show", 11)] {
        let nowhere = repository.path().join("nowhere/backup.prom");
        let mut command = in_repository(&repository, &[command, "--quiet", "--metrics-file"]);
        command.arg(&nowhere);
        let output = run(command);
        assert_eq!(output.status.code(), Some(code), "{}", errors(&output));
        let said = errors(&output);
        assert!(said.contains(&format!("the metrics can't be written to {}", nowhere.display())), "{said}");
        assert!(said.contains(&format!("the run itself ended with exit code {code}")), "{said}");
    }
}

fn sample(metrics: &Path, name: &str) -> Option<String> {
    let text = fs::read_to_string(metrics).unwrap();
    text.lines().find_map(|line| line.strip_prefix(&format!("{name} ")).map(str::to_owned))
}

#[test]
fn logs_are_documents_where_that_is_asked_for() {
    let repository = repository();
    let output = run({
        let mut command = in_repository(&repository, &["list", "--log-format", "json"]);
        command.env("MOODLE_BACKUP_LOG", "debug");
        command
    });
    assert!(output.status.success());
    for line in errors(&output).lines() {
        let entry: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(entry["level"].is_string() && entry["timestamp"].is_string(), "{line}");
    }
    assert!(!errors(&output).contains(PASSPHRASE));
    for (level, is_told) in [("json", true), ("debug,foo", true), ("info", false), ("moodle_backup=info,warn", false)] {
        let output = run({
            let mut command = in_repository(&repository, &["list"]);
            command.env("MOODLE_BACKUP_LOG", level);
            command
        });
        let said = errors(&output);
        assert_eq!(said.contains(&format!("MOODLE_BACKUP_LOG={level} says no level")), is_told, "{said}");
    }
}

#[test]
fn a_signal_ends_a_run_in_order_whatever_it_waits_for() {
    let repository = repository();
    for (signal, name) in [(Signal::INT, "SIGINT"), (Signal::TERM, "SIGTERM")] {
        // It waits for what the passphrase command prints, which is never.
        let mut command = in_repository(&repository, &["list", "--metrics-file"]);
        let metrics = repository.path().join(format!("{name}.prom"));
        let mut waiting = command
            .arg(&metrics)
            .args(["--passphrase-command", "echo waiting >&2; exec sleep 20"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(waiting.stderr.take().unwrap()).lines();
        assert_eq!(lines.next().unwrap().unwrap(), "waiting");
        kill_process(Pid::from_child(&waiting), signal).unwrap();
        assert_eq!(lines.next().unwrap().unwrap(), format!("error: stopped by {name}"));
        assert_eq!(waiting.wait().unwrap().code(), Some(130));
        assert_eq!(sample(&metrics, "moodle_backup_last_exit_code{command=\"list\"}").as_deref(), Some("130"));
    }
}

#[test]
fn a_create_that_is_stopped_leaves_no_lock() {
    let repository = repository();
    // A database that takes the connection and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let data = repository.path().join("data");
    fs::create_dir(&data).unwrap();
    let locks = || fs::read_dir(repository.path().join("repository/locks")).map_or(0, Iterator::count);
    let create = |arguments: &[&str]| {
        let port = silent.local_addr().unwrap().port().to_string();
        let mut command = in_repository(&repository, &["create", "--db-type", "mariadb", "--db-host", "127.0.0.1"]);
        command.args(["--db-port", &port, "--db-name", "moodle", "--db-user", "moodle", "--dataroot"]).arg(&data);
        command.args(arguments).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let waiting = create(&[]);
    let (taken, _) = silent.accept().unwrap();
    assert_eq!(locks(), 1);
    let second = create(&["--quiet"]).wait_with_output().unwrap();
    assert_eq!(second.status.code(), Some(13), "{}", errors(&second));
    assert!(errors(&second).contains(&format!("{}", waiting.id())), "it says who holds the lock: {}", errors(&second));
    kill_process(Pid::from_child(&waiting), Signal::TERM).unwrap();
    let stopped = waiting.wait_with_output().unwrap();
    assert_eq!(stopped.status.code(), Some(130), "{}", errors(&stopped));
    assert_eq!(locks(), 0);
    drop(taken);
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let mut command = program();
    let mut child =
        command.args(["completions", "bash"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", errors(&output));
    assert_eq!(errors(&output), "");
}

#[test]
fn what_contradicts_itself_is_refused_before_anything_is_opened() {
    let repository = repository();
    for (arguments, what) in [
        (vec!["restore"], "nothing says where to restore to"),
        (vec!["verify", "--to-db", "pgsql://moodle@localhost/moodle"], "--to-db has no meaning without --rehearse"),
        (
            vec!["restore", "--to-dir", "a", "--wwwroot", "https://moodle.example.org"],
            "--wwwroot changes the restored config.php, and none is asked for",
        ),
        (
            vec!["restore", "--to-dir", "a", "--course", "K1"],
            "invalid value 'K1' for '--course <ID>': write the number in the course's address: course/view.php?id=…",
        ),
        (vec!["list", "--wait", "3"], "invalid value '3' for '--wait <DURATION>': write a duration as 90s or 1h30m"),
        (vec!["prune"], "the policy keeps no snapshot at all"),
        (vec!["list", "--key-file", "a", "--age-identity", "b"], "--key-file and --age-identity both name a key"),
        (
            vec!["init", "--age-recipient", "age1x"],
            "age recipients are given, and MOODLE_BACKUP_PASSPHRASE names a passphrase",
        ),
    ] {
        let output = run(in_repository(&repository, &arguments));
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", errors(&output));
        assert!(errors(&output).starts_with(&format!("error: {what}\n")), "{arguments:?}: {}", errors(&output));
    }
}

#[test]
fn a_target_that_its_config_php_does_not_tell_is_refused_with_options_that_a_restore_has() {
    let repository = repository();
    let site = repository.path().join("site");
    fs::create_dir(&site).unwrap();
    for config in [None, Some("<?php $CFG->dataroot = '/srv/data'; $CFG->wwwroot = 'https://one.example.org';")] {
        if let Some(text) = config {
            fs::write(site.join("config.php"), text).unwrap();
        }
        let output = run(in_repository(&repository, &["restore", "--to-site", site.to_str().unwrap()]));
        let said = errors(&output);
        assert_eq!(output.status.code(), Some(10), "{said}");
        assert!(said.contains("--to-db") && !said.contains("--db-") && !said.contains("--dataroot"), "{said}");
    }
}

#[test]
fn a_content_that_no_snapshot_has_leaves_no_folder() {
    let repository = repository();
    back_up(&repository, "https://one.example.org");
    let folder = repository.path().join("files");
    let unknown = "0".repeat(40);
    let output =
        run(in_repository(&repository, &["restore", "--file", &unknown, "--to-dir", folder.to_str().unwrap()]));
    assert_eq!(output.status.code(), Some(18), "{}", errors(&output));
    assert!(!folder.exists());
}

/// Backs up a site at this address into the repository in `folder`, and returns the snapshot's id.
fn back_up(folder: &TempDir, address: &str) -> String {
    let store = Store::open(folder.path().join("repository").to_str().unwrap()).unwrap();
    let repository = Repository::open(store, &Secret::Passphrase(PASSPHRASE.into())).unwrap();
    let site = MemorySite::new();
    site.add(6, "file", address.as_bytes());
    let mut request = site.request();
    address.clone_into(&mut request.site.wwwroot);
    create::run_on(&repository, &request, &mut site.database(), &Silent).unwrap().snapshot
}

#[test]
fn of_several_sites_the_one_that_is_meant_is_chosen_for_every_command() {
    let repository = repository();
    let one = back_up(&repository, "https://one.example.org");
    let two = back_up(&repository, "https://two.example.org");
    let listed = text(&run(in_repository(&repository, &["list"])));
    let lines: Vec<&str> = listed.lines().collect();
    assert!(lines[0].contains("site") && lines[0].contains("database"), "{listed}");
    assert!(lines[1].contains("https://one.example.org  mariadb"), "{listed}");
    assert!(lines[2].contains("https://two.example.org  mariadb"), "{listed}");
    let target = repository.path().join("target");
    let restore = ["restore", "--to-dir", target.to_str().unwrap()];
    for arguments in [&["show"][..], &["verify", "latest"], &["cat", "latest"], &["diff", &one], &restore] {
        let refused = run(in_repository(&repository, arguments));
        assert_eq!(refused.status.code(), Some(2), "{arguments:?}: {}", errors(&refused));
        assert!(errors(&refused).contains("https://two.example.org"), "{arguments:?}: {}", errors(&refused));
        assert!(!target.exists(), "{arguments:?}");
    }
    let of = |arguments: &[&str]| {
        let output = run(in_repository(&repository, &[arguments, &["--of", "one.example.org", "--json"]].concat()));
        assert!(output.status.success(), "{arguments:?}: {}", errors(&output));
        document(&output)
    };
    let listed = of(&["list"]);
    assert_eq!((listed.as_array().unwrap().len(), listed[0]["id"].as_str()), (1, Some(one.as_str())));
    assert_eq!(listed[0]["site"].as_str(), Some("https://one.example.org"));
    assert!(
        lines[1].contains(&format!("  {}  https://one.example.org", listed[0]["of"].as_str().unwrap())),
        "{lines:?}"
    );
    assert_eq!(of(&["show"])["snapshot"]["id"].as_str(), Some(one.as_str()));
    assert_eq!(of(&["verify"])["snapshots"], serde_json::json!([one]));
    assert_eq!(of(&["diff", &one])["to"].as_str(), Some(one.as_str()));
    let restored = of(&restore);
    assert_eq!(restored["snapshot"].as_str(), Some(one.as_str()));
    let advice = restored["notes"].to_string();
    let arguments = advice.split('`').nth(1).unwrap().split(' ').skip(1).collect::<Vec<_>>();
    let config = run(in_repository(&repository, &arguments));
    assert!(text(&config).starts_with("<?php"), "{advice}: {}", errors(&config));
    assert_eq!(of(&["prune", "--keep-last", "1", "--dry-run"])["kept"][0]["id"].as_str(), Some(one.as_str()));
    let other = run(in_repository(&repository, &["show", &two, "--of", "one.example.org"]));
    assert_eq!(other.status.code(), Some(11), "{}", errors(&other));
    let create = run(in_repository(&repository, &["create", "--of", "one.example.org"]));
    assert_eq!(create.status.code(), Some(2), "{}", errors(&create));
}

#[test]
fn a_key_is_added_shown_and_removed() {
    let folder = repository();
    let file = folder.path().join("new.key");
    let key = |arguments: &[&str]| in_repository(&folder, &[&["key"], arguments].concat()).output().unwrap();
    let both = key(&["add", "--new-key-file", file.to_str().unwrap(), "--age-recipient", "age1"]);
    assert_eq!(both.status.code(), Some(2), "{}", errors(&both));
    let added = run(in_repository(&folder, &["key", "add", "--json", "--new-key-file", file.to_str().unwrap()]));
    let id = document(&added)["added"].as_str().unwrap().to_owned();
    let listed = text(&run(in_repository(&folder, &["key", "list"])));
    assert!(
        listed.contains(&id[..8]) && listed.contains("a passphrase") && listed.matches('*').count() == 1,
        "{listed}"
    );
    let mut by_file = program();
    by_file.args(["list", "--repository"]).arg(folder.path().join("repository")).arg("--key-file").arg(&file);
    assert!(run(by_file).status.success());
    let again = key(&["add", "--new-key-file", file.to_str().unwrap()]);
    assert_eq!(again.status.code(), Some(2), "{}", errors(&again));
    assert!(errors(&again).contains(&format!("it is the key {id}")), "{}", errors(&again));
    let asked = key(&["add"]);
    assert!(asked.status.code() == Some(12) && errors(&asked).contains("--new-key-file"), "{}", errors(&asked));
    let short = key(&["remove", &id[..1]]);
    assert!(short.status.code() == Some(2) && errors(&short).contains("8 or more"), "{}", errors(&short));
    run(in_repository(&folder, &["key", "remove", &id[..8]]));
    let listed = text(&run(in_repository(&folder, &["key", "list"])));
    assert!(!listed.contains(&id[..8]), "{listed}");
}

#[test]
fn a_prune_shows_of_each_snapshot_its_site_and_what_keeps_it() {
    let folder = repository();
    let [one, two] = ["https://a.example.org", "https://b.example.org"].map(|site| (site, back_up(&folder, site)));
    let pruned =
        in_repository(&folder, &["prune", "--dry-run", "--keep-last", "1", "--keep-daily", "1"]).output().unwrap();
    let text = text(&pruned);
    for (site, id) in [&one, &two] {
        let line = text.lines().find(|line| line.contains(&id[..8])).unwrap_or_else(|| panic!("{text}"));
        assert!(line.contains("would keep") && line.contains(site) && line.ends_with("last daily"), "{line}");
    }
    let short = in_repository(&folder, &["prune", "--drop", &one.1[..2]]).output().unwrap();
    assert_eq!(short.status.code(), Some(2), "{}", errors(&short));
}

#[test]
fn a_log_has_what_the_backup_does_and_no_chatter_of_libraries() {
    let folder = repository();
    let site = MemorySite::new();
    let store = Store::open(folder.path().join("repository").to_str().unwrap()).unwrap();
    let open = Repository::open(store, &Secret::Passphrase(PASSPHRASE.into())).unwrap();
    create::run_on(&open, &site.request(), &mut site.database(), &Silent).unwrap();
    let logged = errors(&run(in_repository(&folder, &["prune", "--keep-last", "1", "--log-format", "text"])));
    assert!(logged.contains("phase=\"choosing snapshots\""), "{logged}");
    assert!(!logged.contains("getting snapshots") && !logged.contains("library="), "{logged}");
    let quiet = run(in_repository(&folder, &["prune", "--keep-last", "1", "--log-format", "text", "--quiet"]));
    assert_eq!(errors(&quiet), "");
}

#[test]
fn what_a_database_says_is_told_in_its_own_words() {
    let repository = repository();
    // A port that nobody listens on any more.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    for kind in ["mariadb", "pgsql"] {
        let mut command = in_repository(&repository, &["create", "--db-type", kind, "--db-host", "127.0.0.1"]);
        command.args(["--db-port", &port, "--db-name", "moodle", "--db-user", "moodle", "--dataroot"]);
        let output = run({
            command.arg(repository.path());
            command
        });
        assert_eq!(output.status.code(), Some(15), "{}", errors(&output));
        assert!(errors(&output).to_lowercase().contains("connection refused"), "{}", errors(&output));
        assert!(!errors(&output).contains("Error {"), "{}", errors(&output));
    }
}
