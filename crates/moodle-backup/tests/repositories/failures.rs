//! Stores that fail: full disks, servers that refuse, break off, or are slow.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use moodle_backup::error::Kind;
use moodle_backup::progress::Silent;
use moodle_backup::prune::{self, Ages, Policy};
use moodle_backup::repository::{Purpose, Repository, Secret};
use moodle_backup::store::Store;

use crate::support::{PASSPHRASE, backed_up, made, noise, opened};

/// A small file system in memory, which only root can mount.
struct Small(tempfile::TempDir);

impl Small {
    fn mounted(size: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let (user, group) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
        let options = format!("size={size},mode=0700,uid={user},gid={group}");
        as_root("mount", &["-t", "tmpfs", "-o", &options, "tmpfs"], folder.path()).then(|| Self(folder))
    }

    fn resize(&self, size: &str) {
        assert!(as_root("mount", &["-o", &format!("remount,size={size}")], self.0.path()));
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        as_root("umount", &[], self.0.path());
    }
}

/// Runs a program on a folder as root, which this user is or may become without being asked.
fn as_root(program: &str, arguments: &[&str], folder: &Path) -> bool {
    let sudo: &[&str] = if rustix::process::geteuid().is_root() { &[] } else { &["sudo", "-n"] };
    let words = [sudo, &[program], arguments].concat();
    Command::new(words[0]).args(&words[1..]).arg(folder).output().is_ok_and(|done| done.status.success())
}

#[test]
fn a_full_disk_ends_a_backup_with_a_clear_error_and_with_more_room_the_next_one_goes_on() {
    let Some(disk) = Small::mounted("30m") else {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "CI can mount a file system");
        eprintln!("skipped: no file system can be mounted here");
        return;
    };
    let folder = disk.0.path().join("repository");
    let repository = made(folder.to_str().unwrap());
    let files = [("large", noise(1, 50 << 20))];
    let lock = repository.lock(Purpose::Create, None).unwrap();
    let error = backed_up(&repository, "one", 1_700_000_000, &files).unwrap_err();
    drop(lock);
    assert_eq!(error.kind, Kind::Store);
    assert!(error.to_string().contains("No space left on device"), "{error}");
    let repository = opened(folder.to_str().unwrap());
    assert_eq!(repository.check(&Silent).unwrap().problems, []);
    assert_eq!(repository.snapshots().unwrap(), []);

    disk.resize("100m");
    let lock = repository.lock(Purpose::Create, None).unwrap();
    let (_, written) = backed_up(&repository, "one", 1_700_000_000, &files).unwrap();
    drop(lock);
    assert!(written.stored < 40 << 20, "{written:?}: what was there is sent again");
    let checked = repository.check(&Silent).unwrap();
    assert_eq!((checked.problems.as_slice(), checked.unreferenced), ([].as_slice(), 0));
}

const BACKUP: &str = "failures::the_backup_to_a_server";
const PRUNE: &str = "failures::the_repository_to_be_pruned";
const CHECK: &str = "failures::the_repository_to_be_checked";

/// As exFAT, SMB shares and some of FUSE are: what makes links fails in this process.
const NO_LINKS: &str = "\
    #include <errno.h>\n\
    int link(const char *a, const char *b) { errno = EPERM; return -1; }\n\
    int linkat(int a, const char *b, int c, const char *d, int e) { errno = EPERM; return -1; }\n";
/// As a schedule with credentials that can't delete.
const NO_DELETES: &str = "\
    #include <errno.h>\n\
    int unlink(const char *a) { errno = EPERM; return -1; }\n\
    int unlinkat(int a, const char *b, int c) { errno = EPERM; return -1; }\n";

/// As a run that ends beside and removes files of the index which another has just listed.
const NO_INDEX: &str = "\
    #define _GNU_SOURCE\n\
    #include <dlfcn.h>\n\
    #include <stdarg.h>\n\
    #include <string.h>\n\
    #include <unistd.h>\n\
    int open64(const char *path, int flags, ...) {\n\
        va_list more; va_start(more, flags); int mode = va_arg(more, int); va_end(more);\n\
        if (strstr(path, \"/index/\")) unlink(path);\n\
        return ((int (*)(const char *, int, ...))dlsym(RTLD_NEXT, \"open64\"))(path, flags, mode);\n\
    }\n";

/// Runs one of the tasks below on a folder, in a process of its own with other functions of the system; returns what it
/// said.
fn with_functions(source: &str, task: &str, scratch: &Path, folder: &Path) -> String {
    let (file, library) = (scratch.join("functions.c"), scratch.join("functions.so"));
    std::fs::write(&file, source).unwrap();
    let compiled = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&file).status().unwrap();
    assert!(compiled.success());
    let done = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", task, "--nocapture", "--test-threads=1"])
        .env("MOODLE_BACKUP_TEST_LOCATION", folder)
        .env("MOODLE_BACKUP_TEST_CHECKED", folder)
        .env("LD_PRELOAD", &library)
        .output()
        .unwrap();
    String::from_utf8_lossy(&done.stderr).into_owned()
}

#[test]
fn a_folder_in_which_nothing_can_be_linked_takes_a_backup() {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path().join("repository");
    let repository = made(folder.to_str().unwrap());
    let said = with_functions(NO_LINKS, BACKUP, scratch.path(), &folder);
    assert!(said.contains("it is stored"), "{said}");
    assert_eq!(repository.snapshots().unwrap().len(), 1);
}

#[test]
fn who_may_not_delete_backs_up_again_and_again_past_the_locks_that_stay() {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path().join("repository");
    let repository = made(folder.to_str().unwrap());
    for count in 1..=3 {
        let said = with_functions(NO_DELETES, BACKUP, scratch.path(), &folder);
        assert!(said.contains("it is stored"), "{said}");
        assert_eq!(repository.store().list("locks").unwrap().len(), count, "a lock could be deleted");
    }
    // Who may, removes them.
    drop(repository.lock(Purpose::Prune, None).unwrap());
    assert_eq!(repository.store().list("locks").unwrap(), []);
    assert_eq!(repository.snapshots().unwrap().len(), 3);
}

#[test]
fn a_store_that_fails_while_it_is_pruned_is_told_as_one() {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path().join("repository");
    let repository = made(folder.to_str().unwrap());
    for (taken, seed) in [(1_700_000_000, 1), (1_700_000_001, 2)] {
        backed_up(&repository, "one", taken, &[("one", noise(seed, 1 << 20))]).unwrap();
    }
    let older = repository.snapshots().unwrap().remove(0);
    repository.store().delete(&format!("snapshots/{}", older.id)).unwrap();
    let said = with_functions(NO_DELETES, PRUNE, scratch.path(), &folder);
    assert!(said.contains("Store: ") && said.contains("index/"), "{said}");
    assert_eq!(repository.check(&Silent).unwrap().problems, []);
}

#[test]
fn a_file_of_the_index_that_is_removed_after_it_was_listed_is_no_damage() {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path().join("repository");
    let repository = made(folder.to_str().unwrap());
    backed_up(&repository, "one", 1_700_000_000, &[("one", noise(1, 1 << 20))]).unwrap();
    let said = with_functions(NO_INDEX, CHECK, scratch.path(), &folder);
    assert!(said.contains("1 snapshots, sound"), "{said}");
    assert_eq!(repository.store().list("index").unwrap(), [], "they were removed");
}

/// What a proxy in front of a server does to a connection.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    /// Answers with this status instead of the server.
    Status(u16),
    /// Breaks off after so many bytes of the answer.
    Truncated(usize),
    /// Drops the connection after the request.
    Reset,
    /// Waits before the answer.
    Slow(Duration),
    /// Refuses writes that depend on what is there, as older servers do.
    NoConditions,
}

/// Serves connections to `server`, and treats each third one so; all of them when `always`.
fn proxy(server: &str, fault: Fault, always: bool) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (server, hits) = (server.to_owned(), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&hits);
    std::thread::spawn(move || {
        for (number, client) in listener.incoming().enumerate() {
            let (Ok(client), server, hits) = (client, server.clone(), Arc::clone(&counted)) else { continue };
            let faulty = always || number % 3 == 2;
            std::thread::spawn(move || {
                if faulty {
                    hits.fetch_add(1, Ordering::SeqCst);
                }
                _ = served(client, &server, faulty.then_some(fault));
            });
        }
    });
    (format!("http://{address}"), hits)
}

/// Serves one request, and closes: so that each request is a connection of its own.
fn served(mut client: TcpStream, server: &str, fault: Option<Fault>) -> std::io::Result<()> {
    let request = message(&mut client)?;
    match fault {
        Some(Fault::Status(status)) => {
            return write!(client, "HTTP/1.1 {status} Fault\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        }
        Some(Fault::Reset) => return client.shutdown(Shutdown::Both),
        Some(Fault::Slow(pause)) => std::thread::sleep(pause),
        Some(Fault::NoConditions) => {
            let head = request.split(|byte| *byte == b'\r').take_while(|line| line.len() > 1);
            if head.into_iter().any(|line| line.to_ascii_lowercase().starts_with(b"\nif-none-match:")) {
                return write!(
                    client,
                    "HTTP/1.1 501 Not Implemented\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
                );
            }
        }
        Some(Fault::Truncated(_)) | None => {}
    }
    let mut upstream = TcpStream::connect(server)?;
    upstream.write_all(&closing(&request))?;
    let mut answer = Vec::new();
    upstream.read_to_end(&mut answer)?;
    let answer = closing(&answer);
    let end = match fault {
        Some(Fault::Truncated(after)) => answer.len().min(after),
        _ => answer.len(),
    };
    client.write_all(&answer[..end])
}

/// Reads a request: its head, and as many bytes as the head says.
fn message(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut chunk = vec![0; 64 << 10];
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
            let length: usize = length.and_then(|length| length.trim().parse().ok()).unwrap_or(0);
            while bytes.len() < end + 4 + length {
                match stream.read(&mut chunk)? {
                    0 => break,
                    read => bytes.extend_from_slice(&chunk[..read]),
                }
            }
            return Ok(bytes);
        }
        match stream.read(&mut chunk)? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            read => bytes.extend_from_slice(&chunk[..read]),
        }
    }
}

/// Says in a message's head that the connection ends with it.
fn closing(message: &[u8]) -> Vec<u8> {
    let end = message.windows(2).position(|window| window == b"\r\n").unwrap_or(message.len());
    [&message[..end], b"\r\nConnection: close", &message[end..]].concat()
}

/// Not a test: the backup that [`against`] runs with an endpoint of its own in its environment.
#[test]
fn the_backup_to_a_server() {
    let Ok(location) = std::env::var("MOODLE_BACKUP_TEST_LOCATION") else { return };
    let ended = (|| {
        let secret = Secret::Passphrase(PASSPHRASE.into());
        let repository = Repository::open(Store::open(&location)?, &secret)?;
        let lock = repository.lock(Purpose::Create, None)?;
        let outcome = backed_up(&repository, "one", 1_700_000_000, &[("large", noise(1, 18 << 20))]);
        drop(lock);
        outcome
    })();
    match ended {
        Ok(_) => eprintln!("it is stored"),
        Err(error) => eprintln!("{:?}: {error}", error.kind),
    }
}

fn against(endpoint: &str, location: &str) -> String {
    let done = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", BACKUP, "--nocapture", "--test-threads=1"])
        .env("MOODLE_BACKUP_TEST_LOCATION", location)
        .env("MOODLE_BACKUP_PATIENCE", "2")
        .env("AWS_ENDPOINT", endpoint)
        .output()
        .unwrap();
    format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr))
}

#[test]
fn a_server_that_fails_now_and_then_gets_the_backup_and_one_that_always_does_is_named_and_nothing_is_damaged() {
    let Ok(server) = std::env::var("MOODLE_BACKUP_S3") else {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "MOODLE_BACKUP_S3 isn't set");
        eprintln!("skipped: MOODLE_BACKUP_S3 isn't set");
        return;
    };
    let faults = [
        Fault::Status(500),
        Fault::Status(503),
        Fault::Truncated(200),
        Fault::Reset,
        Fault::Slow(Duration::from_millis(300)),
        Fault::NoConditions,
    ];
    let address = server.trim_start_matches("http://").trim_end_matches('/');
    let direct = |location: &str, task: &str| {
        let done = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", task, "--nocapture", "--test-threads=1"])
            .env("MOODLE_BACKUP_TEST_CHECKED", location)
            .env("AWS_ENDPOINT", &server)
            .output()
            .unwrap();
        String::from_utf8_lossy(&done.stderr).into_owned()
    };
    std::thread::scope(|scope| {
        for (number, fault) in faults.into_iter().enumerate() {
            let (server, direct) = (&address, &direct);
            scope.spawn(move || {
                let location = format!("s3://backup/failures-{}-{number}", std::process::id());
                assert!(direct(&location, "failures::a_repository_to_be_made").contains("it is made"));
                if !matches!(fault, Fault::Slow(_) | Fault::NoConditions) {
                    let (endpoint, _) = proxy(server, fault, true);
                    let said = against(&endpoint, &location);
                    assert!(!said.contains("it is stored"), "{fault:?}: {said}");
                    assert!(said.contains("Store"), "{fault:?}: {said}");
                    let sound = direct(&location, CHECK);
                    assert!(sound.contains("0 snapshots, sound"), "{fault:?}: {sound}");
                }
                let (endpoint, hits) = proxy(server, fault, fault == Fault::NoConditions);
                let said = against(&endpoint, &location);
                assert!(said.contains("it is stored"), "{fault:?}: {said}");
                assert!(hits.load(Ordering::SeqCst) > 1, "{fault:?}: no connection met it");
                let sound = direct(&location, CHECK);
                assert!(sound.contains("1 snapshots, sound"), "{fault:?}: {sound}");
            });
        }
    });
}

/// Not a test: a part of the one above.
#[test]
fn a_repository_to_be_made() {
    let Ok(location) = std::env::var("MOODLE_BACKUP_TEST_CHECKED") else { return };
    made(&location);
    eprintln!("it is made");
}

/// Not a test: a part of the one above.
#[test]
fn the_repository_to_be_checked() {
    let Ok(location) = std::env::var("MOODLE_BACKUP_TEST_CHECKED") else { return };
    let repository = opened(&location);
    assert_eq!(repository.stored().unwrap().problems(), []);
    assert_eq!(repository.check(&Silent).unwrap().problems, []);
    eprintln!("{} snapshots, sound", repository.snapshots().unwrap().len());
}

/// Not a test: a part of one above.
#[test]
fn the_repository_to_be_pruned() {
    let Ok(location) = std::env::var("MOODLE_BACKUP_TEST_CHECKED") else { return };
    let policy = Policy { last: 1, ..Policy::default() };
    let ages = Ages { written: Duration::ZERO, marked: Duration::ZERO };
    let request = prune::Request { policy, ages, ..prune::Request::default() };
    match prune::run(&opened(&location), &request, &Silent) {
        Ok(_) => eprintln!("it is pruned"),
        Err(error) => eprintln!("{:?}: {error}", error.kind),
    }
}
