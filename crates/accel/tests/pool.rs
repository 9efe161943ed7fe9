//! Verification of real pools in a temporary folder.
#![expect(clippy::unwrap_used, reason = "a pool that cannot be made fails the test")]

use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use accel::hash::{Sha1, sha1};
use accel::pool::{Finding, Problem, Report, object_path, verify};
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

fn finding(path: impl Into<PathBuf>, problem: Problem) -> Finding {
    Finding { path: path.into(), problem }
}

#[test]
fn an_intact_pool_has_no_findings_and_its_empty_object_is_one_of_them() {
    let pool = pool_of([&b""[..], b"one", b"two"]);
    put(pool.path(), "warning.txt", b"hands off");
    fs::create_dir(pool.path().join("00")).unwrap();
    assert_eq!(check(pool.path(), 2), Report { objects: 3, bytes: 6, ..Report::default() });
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
    assert_eq!(report.objects, 3);
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
    assert_eq!(check(pool.path(), 2).findings, findings);
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
    let report = check(pool.path(), 1);
    assert_eq!(report.objects, 1);
    assert!(
        matches!(&report.findings[..], [Finding { path, problem: Problem::Unreadable { .. } }] if *path == dangling),
        "{report:?}"
    );
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
        prop_assert_eq!(report.objects, contents.len() as u64);
        for threads in [2, 3, 300] {
            prop_assert_eq!(&check(pool.path(), threads), &report);
        }
    }
}
