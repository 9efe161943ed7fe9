//! A site in a temporary folder: a real dataroot, and a database in memory that behaves like Moodle's.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use accel::hash::sha1;
use moodle_backup::create::gather::World;
use moodle_backup::create::{Database, PoolMode, Request};
use moodle_backup::database::{Connection, Listed, Listing, Server, Sink, Tls, View};
use moodle_backup::error::Result;
use moodle_backup::manifest::{DatabaseFacts, FileFacts, TableFacts};
use moodle_backup::progress::Progress;
use moodle_backup::site::Site;
use tempfile::TempDir;

/// A row of the table `files`: context, name, content's hash and size.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub context: u64,
    pub name: String,
    pub hash: [u8; 20],
    pub size: u64,
}

/// A site whose database is a list of rows.
pub struct MemorySite {
    pub folder: TempDir,
    pub rows: Arc<Mutex<Vec<Row>>>,
}

impl MemorySite {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("data/filedir")).unwrap();
        std::fs::write(folder.path().join("config.php"), "<?php\n$CFG->wwwroot = 'https://a.example.org';\n").unwrap();
        Self { folder, rows: Arc::default() }
    }

    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub fn write(&self, path: &str, content: &[u8]) {
        let path = self.data().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    /// Adds a file as Moodle does: the content, then the row.
    pub fn add(&self, context: u64, name: &str, content: &[u8]) -> [u8; 20] {
        let hash = *sha1(content).as_bytes();
        put(&self.data(), &hash, content);
        let row = Row { context, name: name.to_owned(), hash, size: content.len() as u64 };
        self.rows.lock().unwrap().push(row);
        hash
    }

    /// Removes a file as Moodle does: the row, then the content to the trash.
    pub fn remove(&self, name: &str) {
        let gone = {
            let mut rows = self.rows.lock().unwrap();
            let at = rows.iter().position(|row| row.name == name).unwrap();
            let gone = rows.remove(at);
            (!rows.iter().any(|row| row.hash == gone.hash)).then_some(gone.hash)
        };
        if let Some(hash) = gone {
            discard(&self.data(), &hash);
        }
    }

    pub fn request(&self) -> Request {
        let database = Connection {
            kind: Server::MariaDb,
            host: String::new(),
            port: None,
            user: String::new(),
            password: String::new().into(),
            database: String::new(),
            schema: None,
            prefix: "mdl_".to_owned(),
            tls: Tls::Off,
        };
        let site = Site {
            code: None,
            config: Some(self.folder.path().join("config.php")),
            wwwroot: "https://a.example.org".to_owned(),
            dataroot: self.data(),
            filedir: self.data().join("filedir"),
            trashdir: self.data().join("trashdir"),
            directory_permissions: 0o2775,
            file_system: None,
            object_pool: None,
            database,
            salt: None,
            versions: None,
        };
        Request {
            site,
            pool: PoolMode::Value,
            jobs: 2,
            allow_missing: false,
            allow_unreadable: false,
            full: false,
            rounds: 4,
            tags: Vec::new(),
            hostname: "test".to_owned(),
            wait: None,
        }
    }

    pub fn database(&self) -> Memory {
        Memory { rows: Arc::clone(&self.rows) }
    }
}

pub fn place(data: &Path, folder: &str, hash: &[u8; 20]) -> PathBuf {
    data.join(folder).join(moodle_backup::site::pool::path(&hex::encode(hash)))
}

/// Writes a content into the pool: a temporary file, then renamed.
pub fn put(data: &Path, hash: &[u8; 20], content: &[u8]) {
    let path = place(data, "filedir", hash);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let temporary = path.with_extension("tmp");
    std::fs::write(&temporary, content).unwrap();
    std::fs::set_permissions(&temporary, std::fs::Permissions::from_mode(0o640)).unwrap();
    std::fs::rename(temporary, path).unwrap();
}

/// Moves a content to the trash.
pub fn discard(data: &Path, hash: &[u8; 20]) {
    let target = place(data, "trashdir", hash);
    // The trash may be emptied at any moment.
    while std::fs::create_dir_all(target.parent().unwrap()).is_err() || {
        let moved = std::fs::rename(place(data, "filedir", hash), &target);
        moved.is_err() && place(data, "filedir", hash).exists()
    } {}
}

/// The database in memory.
pub struct Memory {
    rows: Arc<Mutex<Vec<Row>>>,
}

pub struct MemoryView {
    rows: Vec<Row>,
    taken: jiff::Timestamp,
}

fn listing(rows: &[Row]) -> Listing {
    let mut contents: Vec<_> = rows.iter().map(|row| Listed { hash: row.hash, size: row.size }).collect();
    contents.sort_unstable();
    contents.dedup();
    Listing { contents, odd: Vec::new() }
}

impl World for Memory {
    type View = Box<dyn View>;

    fn now(&mut self) -> Result<Listing> {
        Ok(listing(&self.rows.lock().unwrap()))
    }

    fn view(&mut self) -> Result<(Box<dyn View>, Listing)> {
        let rows = self.rows.lock().unwrap().clone();
        let listing = listing(&rows);
        Ok((Box::new(MemoryView { rows, taken: jiff::Timestamp::now() }), listing))
    }
}

impl Database for Memory {
    fn identifier(&mut self) -> Result<String> {
        Ok("identifier".to_owned())
    }
}

impl View for MemoryView {
    fn taken(&self) -> jiff::Timestamp {
        self.taken
    }

    fn listing(&mut self) -> Result<Listing> {
        Ok(listing(&self.rows))
    }

    fn config(&mut self, names: &[&str]) -> Result<BTreeMap<String, String>> {
        Ok(names.iter().map(|name| ((*name).to_owned(), "2025100600.02".to_owned())).collect())
    }

    fn plugins(&mut self) -> Result<BTreeMap<String, String>> {
        Ok(BTreeMap::from([("mod_quiz".to_owned(), "2025100600".to_owned())]))
    }

    fn course_files(&mut self, _course: u64) -> Result<Listing> {
        Ok(Listing::default())
    }

    fn dump(self: Box<Self>, sink: &dyn Sink, _progress: &dyn Progress) -> Result<DatabaseFacts> {
        let write = |path: &str, text: String| -> Result<FileFacts> {
            let mut file = sink.file(path)?;
            std::io::Write::write_all(&mut file, text.as_bytes()).unwrap();
            file.close()
        };
        write(
            "mdl_context/table.sql",
            "CREATE TABLE `mdl_context` (\n  `id` bigint,\n  `contextlevel` bigint,\n  `instanceid` bigint,\n  `path` text\n);\n"
                .to_owned(),
        )?;
        write(
            "mdl_files/table.sql",
            "CREATE TABLE `mdl_files` (\n  `id` bigint,\n  `contenthash` text,\n  `contextid` bigint,\n  `component` text,\n  \
             `filearea` text,\n  `itemid` bigint,\n  `filepath` text,\n  `filename` text,\n  `filesize` bigint\n);\n"
                .to_owned(),
        )?;
        let contexts = "1\t10\t0\t/1\n5\t50\t7\t/1/5\n7\t50\t10\t/1/7\n6\t70\t3\t/1/5/6\n55\t50\t8\t/1/55\n";
        let contexts = TableFacts {
            name: "mdl_context".to_owned(),
            rows: 5,
            files: vec![write("mdl_context/0.tsv", contexts.to_owned())?],
        };
        let mut rows = String::new();
        for Row { context, name, hash, size } in &self.rows {
            let hash = hex::encode(hash);
            writeln!(rows, "1\t{hash}\t{context}\tmod_x\tcontent\t0\t/\t{name}\t{size}").unwrap();
        }
        let files = TableFacts {
            name: "mdl_files".to_owned(),
            rows: self.rows.len() as u64,
            files: vec![write("mdl_files/0.tsv", rows)?],
        };
        Ok(DatabaseFacts {
            dbtype: "mariadb".to_owned(),
            server: "memory".to_owned(),
            collation: String::new(),
            prefix: "mdl_".to_owned(),
            consistency: "single-connection".to_owned(),
            tables: vec![contexts, files],
            left_out: Vec::new(),
        })
    }
}
