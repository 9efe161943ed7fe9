//! Verification of real pools in a temporary folder.
#![expect(clippy::unwrap_used, reason = "a pool that cannot be made fails the test")]

use std::fs;
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use accel::hash::{Sha1, sha1};
use accel::pool::{Effort, Finding, Object, Problem, Progress, Report, Scan, Unit, object_path, verify};
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;
use tempfile::TempDir;

fn put(root: &Path, path: impl AsRef<Path>, content: &[u8]) {
    let full = root.join(path);
    fs::create_dir_all(full.parent().unwrap()).unwrap();
    fs::write(full, content).unwrap();
}

fn pool_of<'a>(contents: impl IntoIterator<Item = &'a [u8]>) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for content in contents {
        put(folder.path(), object_path(sha1(content)), content);
    }
    folder
}

fn check(root: &Path, threads: usize) -> Report {
    verify(root, NonZeroUsize::new(threads).unwrap()).unwrap()
}

fn effort(threads: usize) -> Effort {
    Effort { threads: NonZeroUsize::new(threads).unwrap(), bytes_per_second: None }
}

fn objects(contents: &[&[u8]]) -> Vec<Object> {
    let mut objects: Vec<_> =
        contents.iter().map(|content| Object { hash: sha1(content), size: content.len() as u64 }).collect();
    objects.sort_unstable();
    objects
}

fn finding(path: impl Into<PathBuf>, problem: Problem) -> Finding {
    Finding { path: path.into(), problem }
}

#[test]
fn an_intact_pool_has_no_findings_and_its_empty_object_is_one_of_them() {
    let pool = pool_of([&b""[..], b"one", b"two"]);
    put(pool.path(), "warning.txt", b"hands off");
    fs::create_dir(pool.path().join("00")).unwrap();
    let objects = objects(&[b"", b"one", b"two"]);
    assert_eq!(check(pool.path(), 2), Report { objects, files: 3, bytes: 6, ..Report::default() });
}

#[test]
fn an_object_lies_in_the_folders_of_its_first_four_digits() {
    assert_eq!(object_path(sha1(b"")), Path::new("da/39/da39a3ee5e6b4b0d3255bfef95601890afd80709"));
}

#[test]
fn a_changed_and_a_truncated_object_are_corrupt_with_the_hash_that_they_have() {
    let pool = pool_of([&b"kept"[..]]);
    let (changed, truncated) = (object_path(sha1(b"changed")), object_path(sha1(b"truncated")));
    put(pool.path(), &changed, b"chanced");
    put(pool.path(), &truncated, b"");
    let report = check(pool.path(), 2);
    assert_eq!(report.files, 3);
    assert_eq!(report.objects.iter().map(|object| object.size).sum::<u64>(), 4 + 7);
    let mut expected = [
        finding(changed, Problem::Corrupt { actual: sha1(b"chanced") }),
        finding(truncated, Problem::Corrupt { actual: sha1(b"") }),
    ];
    expected.sort();
    assert_eq!(report.findings, expected);
}

#[test]
fn a_misplaced_object_is_reported_with_its_place_and_still_checked() {
    let pool = pool_of([]);
    let name = sha1(b"content").to_string();
    let expected = object_path(sha1(b"content"));
    put(pool.path(), &name, b"content");
    put(pool.path(), Path::new("00/00").join(&name), b"other");
    put(pool.path(), Path::new("00").join(&name), b"content");
    let misplaced = || Problem::Misplaced { expected: expected.clone() };
    let mut findings = vec![
        finding(&name, misplaced()),
        finding(Path::new("00/00").join(&name), misplaced()),
        finding(Path::new("00/00").join(&name), Problem::Corrupt { actual: sha1(b"other") }),
        finding(Path::new("00").join(&name), misplaced()),
    ];
    findings.sort();
    let expected = Report { files: 3, bytes: 19, findings, ..Report::default() };
    assert_eq!(check(pool.path(), 2), expected);
}

#[test]
fn leftovers_collisions_and_foreign_names_are_told_apart_and_not_hashed() {
    let pool = pool_of([]);
    let hash = sha1(b"content").to_string();
    let leftover = format!("{}.tmp", object_path(sha1(b"content")).display());
    put(pool.path(), &leftover, b"half of the con");
    put(pool.path(), format!("jackpot/{hash}_1"), b"content");
    put(pool.path(), "lost+found/piece", b"");
    put(pool.path(), "DA/39/DA39A3EE5E6B4B0D3255BFEF95601890AFD80709", b"");
    put(pool.path(), "00/warning.txt", b"");
    put(pool.path(), "00/00/deeper/file", b"");
    put(pool.path(), "00/00/notes.tmp", b"");
    let mut expected = vec![
        finding(leftover, Problem::Leftover),
        finding(format!("jackpot/{hash}_1"), Problem::Collision),
        finding("lost+found", Problem::Foreign),
        finding("DA", Problem::Foreign),
        finding("00/warning.txt", Problem::Foreign),
        finding("00/00/deeper", Problem::Foreign),
        finding("00/00/notes.tmp", Problem::Foreign),
    ];
    expected.sort();
    assert_eq!(check(pool.path(), 2), Report { findings: expected, ..Report::default() });
}

#[test]
fn a_root_that_cannot_be_listed_is_an_error_that_names_it() {
    let pool = pool_of([]);
    let missing = pool.path().join("missing");
    let error = verify(&missing, NonZeroUsize::MIN).unwrap_err();
    assert_eq!(error.root, missing);
    assert!(error.to_string().contains("missing"));
}

#[cfg(unix)]
#[test]
fn linked_folders_are_followed_and_a_dangling_link_is_unreadable() {
    use std::os::unix::fs::symlink;

    let elsewhere = pool_of([&b"content"[..]]);
    let pool = pool_of([]);
    let top = &sha1(b"content").to_string()[..2];
    symlink(elsewhere.path().join(top), pool.path().join(top)).unwrap();
    fs::create_dir_all(pool.path().join("00/00")).unwrap();
    let dangling = Path::new("00/00").join("0".repeat(40));
    symlink("nowhere", pool.path().join(&dangling)).unwrap();
    symlink("nowhere", pool.path().join("ff")).unwrap();
    let report = check(pool.path(), 1);
    assert_eq!(report.objects, objects(&[b"content"]));
    let unreadable = || Problem::Unreadable { reason: "No such file or directory".to_owned() };
    assert_eq!(report.findings, [finding(dangling, unreadable()), finding("ff", unreadable())]);
}

#[test]
fn a_file_and_a_folder_of_a_wrong_name_are_reported_once_by_the_unit_of_the_root() {
    let pool = pool_of([]);
    put(pool.path(), "ab", b"no folder");
    put(pool.path(), "abc/file", b"");
    let units: Vec<_> = run(Scan::new(pool.path(), Unit::all(), effort(2)).unwrap());
    let found: Vec<_> = units.iter().filter(|(_, report)| !report.findings.is_empty()).collect();
    let findings = vec![finding("ab", Problem::Foreign), finding("abc", Problem::Foreign)];
    assert_eq!(found, [&(Unit::Root, Report { findings, ..Report::default() })]);
}

/// Advance to the end in calls that are too short for most units.
fn run(mut scan: Scan) -> Vec<(Unit, Report)> {
    let mut units = Vec::new();
    loop {
        match scan.advance(Some(Duration::from_micros(50))).unwrap() {
            Progress::Unit(unit, report) => units.push((unit, report)),
            Progress::Working => {}
            Progress::Done => return units,
        }
    }
}

#[test]
fn units_come_in_the_given_order_and_each_holds_only_what_is_its_own() {
    let contents: Vec<Vec<u8>> = (0..2000_u32).map(|number| number.to_le_bytes().repeat(50)).collect();
    let pool = pool_of(contents.iter().map(Vec::as_slice));
    put(pool.path(), object_path(sha1(b"large")), &vec![0; 3_000_000]);
    put(pool.path(), "stray", b"");
    let mut wanted: Vec<_> = Unit::all().collect();
    wanted.reverse();
    for threads in [1, 4] {
        let units = run(Scan::new(pool.path(), wanted.clone(), effort(threads)).unwrap());
        assert_eq!(units.iter().map(|(unit, _)| *unit).collect::<Vec<_>>(), wanted);
        for (unit, report) in &units {
            let top = |hash: Sha1| Unit::Folder(hash.as_bytes()[0]);
            assert!(report.objects.is_sorted());
            assert!(report.objects.iter().all(|object| top(object.hash) == *unit), "{unit}");
        }
        let files: u64 = units.iter().map(|(_, report)| report.files).sum();
        assert_eq!(files, 2001);
        assert_eq!(
            units[0],
            (Unit::Root, Report { findings: vec![finding("stray", Problem::Foreign)], ..Report::default() })
        );
        let corrupt: Vec<_> = units.iter().flat_map(|(_, report)| &report.findings).skip(1).collect();
        assert_eq!(
            corrupt,
            [&finding(object_path(sha1(b"large")), Problem::Corrupt { actual: sha1(&vec![0; 3_000_000]) })]
        );
    }
}

#[test]
fn a_scan_of_some_units_looks_at_no_other() {
    let pool = pool_of([&b"content"[..]]);
    put(pool.path(), "stray", b"");
    let number = sha1(b"content").as_bytes()[0];
    let other = Scan::new(pool.path(), [Unit::Folder(number.wrapping_add(1))], effort(1)).unwrap();
    assert_eq!(run(other), [(Unit::Folder(number.wrapping_add(1)), Report::default())]);
    let units = run(Scan::new(pool.path(), [Unit::Folder(number)], effort(1)).unwrap());
    assert_eq!(
        units,
        [(Unit::Folder(number), Report { objects: objects(&[b"content"]), files: 1, bytes: 7, ..Report::default() })]
    );
}

#[test]
fn a_unit_has_the_number_of_its_folder_and_the_root_the_one_after_the_last() {
    let numbers: Vec<_> = Unit::all().map(Unit::number).collect();
    assert_eq!(numbers, (0..=256).collect::<Vec<_>>());
    assert_eq!(
        numbers.into_iter().map(Unit::from_number).collect::<Option<Vec<_>>>().unwrap(),
        Unit::all().collect::<Vec<_>>()
    );
    assert_eq!(Unit::from_number(257), None);
    assert_eq!([Unit::Folder(10).to_string(), Unit::Root.to_string()], ["0a", "root"]);
}

#[test]
fn a_root_that_disappears_under_a_scan_is_an_error_and_no_empty_unit() {
    let pool = pool_of([&b"content"[..]]);
    let root = pool.path().join("pool");
    fs::create_dir(&root).unwrap();
    let mut scan = Scan::new(&root, Unit::all(), effort(2)).unwrap();
    assert!(matches!(scan.advance(None).unwrap(), Progress::Unit(Unit::Folder(0), _)));
    fs::remove_dir(&root).unwrap();
    assert_eq!(scan.advance(None).unwrap_err().root, root);
}

#[test]
fn an_object_that_is_gone_when_it_is_to_be_read_is_counted_and_no_finding() {
    let pool = pool_of([&b"read for long"[..]]);
    let folder = object_path(sha1(b"read for long")).parent().unwrap().to_owned();
    let first = sha1(b"read for long").to_string();
    for last in 0..50 {
        let name = format!("{}{last:02}", &first[..38]);
        put(pool.path(), folder.join(name), &vec![0; 100_000]);
    }
    let slow = Effort { bytes_per_second: NonZeroU64::new(300_000), ..effort(1) };
    let unit = Unit::Folder(sha1(b"read for long").as_bytes()[0]);
    let mut scan = Scan::new(pool.path(), [unit], slow).unwrap();
    while scan.bytes() == 0 {
        assert_eq!(scan.advance(Some(Duration::from_millis(1))).unwrap(), Progress::Working);
    }
    fs::remove_dir_all(pool.path().join(&folder)).unwrap();
    let Progress::Unit(_, report) = scan.advance(None).unwrap() else { panic!("no unit") };
    assert!(report.vanished > 0);
    assert_eq!(report.files + report.vanished, 51);
    assert!(report.findings.iter().all(|finding| matches!(finding.problem, Problem::Corrupt { .. })), "{report:?}");
}

#[test]
fn the_first_unit_is_done_before_much_of_the_rest_is_read() {
    let contents: Vec<Vec<u8>> = (0..3000_u32).map(|number| number.to_le_bytes().repeat(500)).collect();
    let pool = pool_of(contents.iter().map(Vec::as_slice));
    let mut scan = Scan::new(pool.path(), Unit::all(), effort(1)).unwrap();
    let first = loop {
        match scan.advance(None).unwrap() {
            Progress::Unit(unit, _) => break unit,
            Progress::Working => {}
            Progress::Done => panic!("no unit was done"),
        }
    };
    assert_eq!(first, Unit::Folder(0));
    assert!(scan.bytes() < 3000 * 2000 / 4, "{} of 6000000 bytes were read", scan.bytes());
}

#[test]
fn a_scan_reads_no_more_in_a_second_than_it_may() {
    let contents: Vec<Vec<u8>> = (0..100_u8).map(|byte| vec![byte; 20_000]).collect();
    let pool = pool_of(contents.iter().map(Vec::as_slice));
    let start = Instant::now();
    let slow = Effort { bytes_per_second: NonZeroU64::new(4_000_000), ..effort(2) };
    let units = run(Scan::new(pool.path(), Unit::all(), slow).unwrap());
    assert_eq!(units.iter().map(|(_, report)| report.bytes).sum::<u64>(), 2_000_000);
    // What each of the two threads reads at once, 16 files, is paid for afterwards.
    assert!(start.elapsed() >= Duration::from_millis(200), "{:?}", start.elapsed());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn exactly_the_damaged_objects_are_found_by_any_number_of_threads(
        contents in btree_set(vec(any::<u8>(), 0..64), 1..40), damage in vec(any::<bool>(), 40),
    ) {
        let pool = pool_of(contents.iter().map(Vec::as_slice));
        let mut damaged: Vec<Sha1> = Vec::new();
        for (content, _) in contents.iter().zip(damage).filter(|(_, damage)| *damage) {
            let hash = sha1(content);
            fs::write(pool.path().join(object_path(hash)), [content, &b"!"[..]].concat()).unwrap();
            damaged.push(hash);
        }
        damaged.sort_unstable();
        let report = check(pool.path(), 1);
        let found: Vec<_> = report.findings.iter().map(|finding| finding.path.clone()).collect();
        prop_assert_eq!(found, damaged.into_iter().map(object_path).collect::<Vec<_>>());
        prop_assert_eq!(report.files, contents.len() as u64);
        prop_assert_eq!(report.objects.len(), contents.len());
        for threads in [2, 3, 17] {
            prop_assert_eq!(&check(pool.path(), threads), &report);
        }
    }
}
