//! How much memory the index of many blobs takes.

use moodle_backup::progress::Silent;

use crate::support::{made, opened};

/// Not run by itself: 300,000 blobs take a minute without optimization.
#[test]
#[ignore = "a measurement: MOODLE_BACKUP_BLOBS says how many"]
fn the_index_of_a_million_blobs_takes_less_than_sixty_bytes_of_each() {
    let blobs: u64 =
        std::env::var("MOODLE_BACKUP_BLOBS").ok().and_then(|blobs| blobs.parse().ok()).unwrap_or(1_000_000);
    let scratch = tempfile::tempdir().unwrap();
    let location = scratch.path().join("repository");
    let repository = made(location.to_str().unwrap());
    let begun = resident();
    let writer = repository.writer(repository.index().unwrap());
    for number in 0..blobs {
        writer.data(&number.to_le_bytes(), false).unwrap();
    }
    let (index, _) = writer.finish().unwrap();
    eprintln!("writing: {} bytes a blob, buffers included", resident().saturating_sub(begun) / blobs);
    drop(index);
    drop(repository);
    let repository = opened(location.to_str().unwrap());
    let begun = resident();
    let index = repository.index().unwrap();
    eprintln!("reading the index: {} bytes a blob", resident().saturating_sub(begun) / blobs);
    assert_eq!(repository.check(&Silent).unwrap().problems, []);
    drop(index);
    eprintln!("at most {} MB in all", peak() >> 20);
}

fn status(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() << 10
}

fn resident() -> u64 {
    status("VmRSS:")
}

fn peak() -> u64 {
    status("VmHWM:")
}
