//! While writers, deleters and the emptying of the trash go on, each snapshot has all that its view lists.
//!
//! `MOODLE_BACKUP_ROUNDS` is the number of rounds, `MOODLE_BACKUP_SEED` the first one's seed.
#![expect(clippy::unwrap_used, reason = "what can't be made fails the test")]

mod support;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use moodle_backup::create::gather::World;
use moodle_backup::create::{self, Database};
use moodle_backup::database::{Listed, Listing, View};
use moodle_backup::error::{Kind, Result};
use moodle_backup::progress::Silent;
use moodle_backup::site::pool::PIECE_BYTES;
use moodle_backup::sites::{self, LATEST};
use moodle_backup::snapshot::Opened;
use moodle_backup::verify;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use support::repository;
use support::site::{Memory, MemorySite, discard};

/// How many files the site has when a round begins.
const FILES: u64 = 300;

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().unwrap())
}

/// Keeps what the last view listed.
struct Watched {
    database: Memory,
    listed: Arc<Mutex<Vec<Listed>>>,
}

impl World for Watched {
    type View = Box<dyn View>;

    fn now(&mut self) -> Result<Listing> {
        self.database.now()
    }

    fn view(&mut self) -> Result<(Box<dyn View>, Listing)> {
        let (view, listing) = self.database.view()?;
        self.listed.lock().unwrap().clone_from(&listing.contents);
        Ok((view, listing))
    }
}

impl Database for Watched {
    fn identifier(&mut self) -> Result<String> {
        self.database.identifier()
    }
}

/// What the site's processes share.
struct Storm<'a> {
    site: &'a MemorySite,
    /// Moodle itself can lose a content that is added in the very moment in which its last row goes; this keeps them
    /// apart, so that whatever is missing is the backup's fault.
    hands: Vec<Mutex<()>>,
    stop: AtomicBool,
    steps: AtomicU64,
}

impl Storm<'_> {
    fn content(number: u64) -> Vec<u8> {
        // Two of the first are of several pieces.
        let pieces = if number == 0 || number == FILES / 2 { PIECE_BYTES } else { 0 };
        let size = pieces + usize::try_from(number % 7_000).unwrap();
        number.to_le_bytes().into_iter().chain(std::iter::repeat_n(number.to_le_bytes()[0], size)).collect()
    }

    fn add(&self, number: u64, name: &str) {
        let content = Self::content(number);
        let hash = *accel::hash::sha1(&content).as_bytes();
        let _hand = self.hands[usize::from(hash[0])].lock().unwrap();
        self.site.add(6, name, &content);
    }

    fn write(&self, mut random: StdRng, writer: u64) {
        let mut next = 0;
        while !self.stop.load(Ordering::Relaxed) {
            next += 1;
            // Some contents come again and again, most are new.
            let fresh = 1_000_000 * (writer + 1) + next;
            let number = if random.random_bool(0.3) { random.random_range(0..FILES) } else { fresh };
            self.add(number, &format!("{writer}-{next}"));
            self.steps.fetch_add(1, Ordering::Relaxed);
            if random.random_bool(0.2) {
                std::thread::sleep(Duration::from_micros(random.random_range(0..300)));
            }
        }
    }

    fn delete(&self, mut random: StdRng) {
        while !self.stop.load(Ordering::Relaxed) {
            let row = {
                let rows = self.site.rows.lock().unwrap();
                if rows.len() < 50 { None } else { Some(rows[random.random_range(0..rows.len())].clone()) }
            };
            let Some(row) = row else {
                std::thread::yield_now();
                continue;
            };
            let _hand = self.hands[usize::from(row.hash[0])].lock().unwrap();
            let last = {
                let mut rows = self.site.rows.lock().unwrap();
                let Some(at) = rows.iter().position(|other| *other == row) else {
                    continue;
                };
                rows.swap_remove(at);
                !rows.iter().any(|other| other.hash == row.hash)
            };
            if last {
                discard(&self.site.data(), &row.hash);
            }
            self.steps.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn purge(&self, mut random: StdRng) {
        while !self.stop.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(random.random_range(0..25)));
            // It may be filled while it is emptied.
            let _ = std::fs::remove_dir_all(self.site.data().join("trashdir"));
        }
    }
}

#[test]
fn in_a_storm_nothing_that_is_listed_is_missing() {
    let first = number("MOODLE_BACKUP_SEED", u64::from(std::process::id()));
    let (mut views, mut most, mut steps) = (0, 0, 0);
    let (mut tries, mut whole) = (0, 0);
    let rounds = number("MOODLE_BACKUP_ROUNDS", 3);
    for seed in first..first + rounds {
        eprintln!("MOODLE_BACKUP_SEED={seed}");
        let site = MemorySite::new();
        let repository = repository();
        let storm = Storm {
            site: &site,
            hands: (0..256).map(|_| Mutex::new(())).collect(),
            stop: AtomicBool::new(false),
            steps: AtomicU64::new(0),
        };
        for number in 0..FILES {
            storm.add(number, &format!("first {number}"));
        }
        let listed = Arc::new(Mutex::new(Vec::new()));
        std::thread::scope(|scope| {
            let storm = &storm;
            let random = |part: u64| StdRng::seed_from_u64(seed * 16 + part);
            let [one, two, three, four, five] = [0, 1, 2, 3, 4].map(random);
            scope.spawn(move || storm.write(one, 0));
            scope.spawn(move || storm.write(two, 1));
            scope.spawn(move || storm.delete(three));
            scope.spawn(move || storm.delete(four));
            scope.spawn(move || storm.purge(five));
            // The first run copies all, the second tops up; the others take no more views than a user's do.
            for rounds in [1000, 1000, create::ROUNDS, create::ROUNDS] {
                let request = create::Request { rounds, ..site.request() };
                let mut database = Watched { database: site.database(), listed: Arc::clone(&listed) };
                let before = repository.snapshots().unwrap().len();
                let outcome = create::run_on(&repository, &request, &mut database, &Silent);
                tries += u64::from(rounds == create::ROUNDS);
                let pool = match outcome {
                    Ok(outcome) => outcome.pool,
                    // The only other end: what was purged too fast is named, and there is no snapshot.
                    Err(error) if rounds == create::ROUNDS && error.kind == Kind::Closure => {
                        assert_eq!(repository.snapshots().unwrap().len(), before, "seed {seed}");
                        continue;
                    }
                    Err(error) => {
                        storm.stop.store(true, Ordering::Relaxed);
                        panic!("seed {seed}: {error}");
                    }
                };
                whole += u64::from(rounds == create::ROUNDS);
                (views, most) = (views + pool.views, most.max(pool.views));
                let index = repository.index().unwrap();
                let opened = Opened::open(&repository, &index, sites::find(&repository, LATEST).unwrap()).unwrap();
                let stored = opened.pool().unwrap();
                assert!(stored == *listed.lock().unwrap(), "seed {seed}: {} stored", stored.len());
            }
            storm.stop.store(true, Ordering::Relaxed);
        });
        let request = verify::Request { closure: true, data: true, jobs: 2, ..verify::Request::default() };
        let outcome = verify::run(&repository, &request, &Silent).unwrap();
        assert_eq!(outcome.problems, [], "seed {seed}");
        steps += storm.steps.load(Ordering::Relaxed);
    }
    eprintln!(
        "{rounds} rounds, {steps} steps of the storm, {views} views, at most {most} for a snapshot: nothing missing; with \
         {} views {whole} of {tries} runs made a snapshot, the others ended with what they lacked",
        create::ROUNDS
    );
}
