//! A site that is the same for the same seed: a pool of files as Moodle keeps them, and a database that lists them.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use accel::hash::{Sha1, sha1};

use crate::error::{Error, Kind, Result};
use crate::progress::{Progress, Unit};

/// The course whose files are restored alone.
pub const COURSE: u64 = 2;
/// How many files that course has.
const COURSE_FILES: usize = 100;
/// The sizes' spread: the standard deviation of their natural logarithm.
const SPREAD: f64 = 1.6;
/// No file is larger.
const LARGEST: u64 = 256 << 20;

/// How large the site is.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Distinct contents of the pool.
    pub files: u64,
    /// About how many bytes they have together.
    pub bytes: u64,
    /// Rows of the log table.
    pub rows: u64,
    /// Small tables.
    pub tables: u32,
    /// What chance begins with.
    pub seed: u64,
}

/// A random sequence that is the same everywhere.
///
/// Source: Sebastiano Vigna's `SplitMix64`, <https://prng.di.unimi.it/splitmix64.c>.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Between 0 and 1.
    fn part(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Of the standard normal distribution (Box and Muller).
    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.part()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.part()).cos()
    }
}

/// A content of the pool.
#[derive(Clone, Debug)]
pub struct Content {
    /// Its name.
    pub hash: Sha1,
    /// Its size in bytes.
    pub size: u64,
}

/// Writes `count` files, numbered from `first`, into the pool below `dataroot`; returns them. Number 0 is empty.
///
/// # Errors
/// The folder can't be written.
pub fn write_pool(
    dataroot: &Path,
    size: Size,
    first: u64,
    count: u64,
    progress: &dyn Progress,
) -> Result<Vec<Content>> {
    progress.phase("making files", count, Unit::Files);
    let mean = size.bytes as f64 / size.files.max(1) as f64;
    let words = words(size.seed);
    let mut bytes = Vec::new();
    let mut found = Vec::new();
    for number in first..first + count {
        let mut chance = Chance(size.seed ^ number.wrapping_mul(0x2545_f491_4f6c_dd1d));
        let length = (mean * (SPREAD * chance.normal() - SPREAD * SPREAD / 2.0).exp()) as u64;
        let length = if number == 0 { 0 } else { length.clamp(1, LARGEST) };
        fill(&mut bytes, length as usize, number, &mut chance, &words);
        let hash = sha1(&bytes);
        write_content(dataroot, &hash.to_string(), &bytes)?;
        found.push(Content { hash, size: length });
        progress.advance(1);
    }
    Ok(found)
}

/// Fills `bytes` with random bytes for three files of ten, with text for the others; the number makes it unique.
fn fill(bytes: &mut Vec<u8>, length: usize, number: u64, chance: &mut Chance, words: &[String]) {
    bytes.clear();
    bytes.extend_from_slice(&number.to_le_bytes());
    if chance.next() % 10 < 3 {
        while bytes.len() < length {
            bytes.extend_from_slice(&chance.next().to_le_bytes());
        }
    } else {
        while bytes.len() < length {
            // Small numbers come often: as words do.
            let place = chance.part() * chance.part() * words.len() as f64;
            bytes.extend_from_slice(words[place as usize].as_bytes());
        }
    }
    bytes.truncate(length);
}

fn words(seed: u64) -> Vec<String> {
    let mut chance = Chance(seed);
    let word = |chance: &mut Chance| -> String {
        let length = 2 + chance.next() % 9;
        let letters = (0..length).map(|_| char::from(b'a' + (chance.next() % 26) as u8));
        letters.chain(std::iter::once(' ')).collect()
    };
    (0..4096).map(|_| word(&mut chance)).collect()
}

fn write_content(dataroot: &Path, name: &str, bytes: &[u8]) -> Result<()> {
    let folder = dataroot.join("filedir").join(&name[..2]).join(&name[2..4]);
    let path = folder.join(name);
    let written = match fs::write(&path, bytes) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            fs::create_dir_all(&folder).and_then(|()| fs::write(&path, bytes))
        }
        other => other,
    };
    written.map_err(|error| {
        Error::new(Kind::Local, format!("{} can't be written", path.display()), "make room, or name another folder")
            .because(error)
    })
}

/// Returns the path of a content below `dataroot`.
#[must_use]
pub fn path_of(dataroot: &Path, content: &Content) -> PathBuf {
    let name = content.hash.to_string();
    dataroot.join("filedir").join(&name[..2]).join(&name[2..4]).join(name)
}

/// Returns the statements that make Moodle's tables as far as a backup reads them, with `{}` where the dialects differ.
#[must_use]
pub fn tables(size: Size, postgres: bool) -> Vec<String> {
    let id = if postgres { "bigserial PRIMARY KEY" } else { "bigint NOT NULL AUTO_INCREMENT PRIMARY KEY" };
    let text = if postgres { "text" } else { "longtext" };
    let end = if postgres { "" } else { " ENGINE=InnoDB DEFAULT CHARSET=utf8mb4" };
    let mut made = vec![
        format!("CREATE TABLE mdl_config (id {id}, name varchar(255) NOT NULL, value {text} NOT NULL){end}"),
        format!(
            "CREATE TABLE mdl_config_plugins (id {id}, plugin varchar(100) NOT NULL, name varchar(100) NOT NULL, \
             value {text} NOT NULL){end}"
        ),
        format!("CREATE TABLE mdl_course (id {id}, fullname varchar(254) NOT NULL){end}"),
        format!(
            "CREATE TABLE mdl_context (id {id}, contextlevel bigint NOT NULL, instanceid bigint NOT NULL, \
             path varchar(255), depth smallint NOT NULL){end}"
        ),
        format!(
            "CREATE TABLE mdl_files (id {id}, contenthash varchar(40) NOT NULL, pathnamehash varchar(40) NOT NULL, \
             contextid bigint NOT NULL, component varchar(100) NOT NULL, filearea varchar(50) NOT NULL, \
             itemid bigint NOT NULL, filepath varchar(255) NOT NULL, filename varchar(255) NOT NULL, userid bigint, \
             filesize bigint NOT NULL, mimetype varchar(100), timecreated bigint NOT NULL, referencefileid bigint){end}"
        ),
        "CREATE INDEX mdl_file_con_ix ON mdl_files (contenthash)".into(),
        "CREATE UNIQUE INDEX mdl_file_pat_uix ON mdl_files (pathnamehash)".into(),
        format!(
            "CREATE TABLE mdl_logstore_standard_log (id {id}, eventname varchar(255) NOT NULL, \
             component varchar(100) NOT NULL, action varchar(100) NOT NULL, target varchar(100) NOT NULL, \
             objecttable varchar(50), objectid bigint, crud varchar(1) NOT NULL, edulevel smallint NOT NULL, \
             contextid bigint NOT NULL, contextlevel bigint NOT NULL, contextinstanceid bigint NOT NULL, \
             userid bigint NOT NULL, courseid bigint, relateduserid bigint, anonymous smallint NOT NULL, other {text}, \
             timecreated bigint NOT NULL, origin varchar(10), ip varchar(45), realuserid bigint){end}"
        ),
        "INSERT INTO mdl_config (name, value) VALUES ('version', '2025100600.02'), ('release', '5.1+'), \
         ('allversionshash', 'da39a3ee'), ('siteidentifier', 'bench')"
            .into(),
        "INSERT INTO mdl_config_plugins (plugin, name, value) VALUES ('mod_quiz', 'version', '2025100600')".into(),
        format!("INSERT INTO mdl_course (id, fullname) VALUES (1, 'Site'), ({COURSE}, 'Bench')"),
        format!(
            "INSERT INTO mdl_context (id, contextlevel, instanceid, path, depth) VALUES (1, 10, 0, '/1', 1), \
             (2, 50, {COURSE}, '/1/2', 2), (3, 70, 9, '/1/2/3', 3), (4, 50, 1, '/1/4', 2)"
        ),
    ];
    for number in 0..size.tables {
        made.push(format!("CREATE TABLE mdl_small_{number} (id {id}, name varchar(255) NOT NULL, value {text}){end}"));
        let rows: Vec<_> = (0..20).map(|row| format!("('n{row}', 'value {number} {row}')")).collect();
        made.push(format!("INSERT INTO mdl_small_{number} (name, value) VALUES {}", rows.join(", ")));
    }
    made.push(log_rows(size.rows, postgres));
    let log = "CREATE INDEX mdl_logsstanlog_tim_ix ON mdl_logstore_standard_log (timecreated)";
    made.extend([log.into(), log.replace("tim_ix", "cou_ix").replace("(timecreated)", "(courseid, anonymous)")]);
    made
}

fn log_rows(rows: u64, postgres: bool) -> String {
    let source =
        if postgres { format!("generate_series(1::bigint, {rows}) AS s(seq)") } else { format!("seq_1_to_{rows}") };
    let text = |expression: &str| if postgres { format!("({expression})::text") } else { format!("({expression})") };
    let n = text("seq % 5000");
    format!(
        "INSERT INTO mdl_logstore_standard_log (eventname, component, action, target, objecttable, objectid, crud, \
         edulevel, contextid, contextlevel, contextinstanceid, userid, courseid, relateduserid, anonymous, other, \
         timecreated, origin, ip, realuserid) SELECT concat('\\\\core\\\\event\\\\course_', {n}), 'core', 'viewed', \
         'course', CASE WHEN seq % 3 = 0 THEN 'course' END, seq % 977, 'r', 2, seq % 10007, 50, seq % 503, \
         (seq * 7919) % 20011, seq % 503, NULL, 0, concat('{{\"page\":', {n}, '}}'), 1700000000 + seq * 3, 'web', \
         concat('10.0.', {}, '.', {}), NULL FROM {source}",
        text("seq % 251"),
        text("seq % 241"),
    )
}

/// Returns the statement that lists `contents`, the first rows of a `files` table that has `before` rows already; each
/// tenth content is listed twice, and the first hundred belong to the course.
#[must_use]
pub fn listing(contents: &[Content], before: u64) -> String {
    let mut statement = "INSERT INTO mdl_files (contenthash, pathnamehash, contextid, component, filearea, itemid, \
                         filepath, filename, userid, filesize, mimetype, timecreated) VALUES "
        .to_owned();
    for (place, content) in contents.iter().enumerate() {
        for copy in 0..if place % 10 == 0 { 2 } else { 1 } {
            let number = before + 2 * place as u64 + copy;
            let context = if before as usize + place < COURSE_FILES { 3 } else { 4 };
            let comma = if place + copy as usize == 0 { "" } else { "," };
            let name = sha1(&number.to_le_bytes());
            let _ = write!(
                statement,
                "{comma}('{}','{name}',{context},'mod_folder','content',0,'/','file{number}.bin',2,{},\
                 'application/octet-stream',1700000000)",
                content.hash, content.size
            );
        }
    }
    statement
}
