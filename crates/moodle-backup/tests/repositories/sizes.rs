//! How much memory the index of many blobs takes.

use moodle_backup::progress::Silent;

use crate::support::{made, noise, opened};

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

/// Not run by itself: what it prints depends on the machine.
#[test]
#[ignore = "a measurement"]
fn content_is_written_and_read_at_some_speed() {
    let scratch = tempfile::tempdir().unwrap();
    let repository = made(scratch.path().join("repository").to_str().unwrap());
    let words: Vec<String> = (0..4000_u64).map(|seed| hex::encode(noise(seed, 4))).collect();
    let text: Vec<u8> = noise(1, 64 << 20)
        .chunks(2)
        .flat_map(|pair| words[usize::from(u16::from_le_bytes([pair[0], pair[1]])) % words.len()].bytes())
        .take(128 << 20)
        .collect();
    for (name, content) in [("noise", noise(2, 128 << 20)), ("text", text)] {
        let pieces: Vec<&[u8]> = content.chunks(20_000).collect();
        let writer = repository.writer(repository.index().unwrap());
        let begun = processor();
        let ids = writer.data_many(&pieces, true).unwrap();
        let (index, written) = writer.finish().unwrap();
        let (wrote, begun) = (processor() - begun, processor());
        repository.reader(&index).each(&ids, &|_, _| Ok(())).unwrap();
        let (read, begun) = (processor() - begun, processor());
        assert_eq!(repository.check(&Silent).unwrap().problems, []);
        let checked = processor() - begun;
        let rate = |seconds: f64| 128.0 / seconds;
        eprintln!(
            "{name}: MB a second of one processor: written {:.0} (stored {} MB), read {:.0}, all checked in {checked:.2} s",
            rate(wrote),
            written.stored >> 20,
            rate(read),
        );
    }
}

/// Seconds of processor time that this process used.
fn processor() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: u32 = fields[11].parse::<u32>().unwrap() + fields[12].parse::<u32>().unwrap();
    f64::from(ticks) / 100.0
}
