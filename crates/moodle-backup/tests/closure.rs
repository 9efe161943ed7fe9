//! Whatever writers, deleters, readers and the emptying of the trash do meanwhile: what the view lists is in the snapshot.
#![expect(clippy::unwrap_used, reason = "what can't be made fails the test")]

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Mutex;

use moodle_backup::create::gather::{Gathered, Options, Place, Source, Taken, World, difference, gather};
use moodle_backup::database::{Listed, Listing};
use moodle_backup::error::Result;
use moodle_backup::progress::Silent;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, TestRunner};

const CONTENTS: u8 = 5;

/// One step of one of the site's processes, in the order in which Moodle takes them.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Step {
    /// A writer puts a content into the pool (a temporary file, then renamed) …
    Write(u8),
    /// … and then the row that lists it into the database.
    Insert(u8),
    /// A deleter removes a row …
    Delete(u8),
    /// … and then, if it was the last one, moves the content to the trash.
    Discard(u8),
    /// A reader finds a listed content only in the trash, and moves it back.
    Recover(u8),
    /// The task empties the trash.
    Purge,
}

#[derive(Debug, Default)]
struct Site {
    rows: BTreeMap<u8, usize>,
    pool: BTreeSet<u8>,
    trash: BTreeSet<u8>,
    written: BTreeMap<u8, usize>,
    stored: BTreeSet<u8>,
    steps: VecDeque<(u8, Step)>,
    /// What the site itself lost at some moment: a row listed it, and it was in neither place.
    ever_lost: BTreeSet<u8>,
}

impl Site {
    /// What happens before the backup looks the next time.
    fn advance(&mut self) {
        while let Some((pause, step)) = self.steps.pop_front() {
            self.act(step);
            if pause == 0 {
                return;
            }
        }
    }

    fn act(&mut self, step: Step) {
        match step {
            Step::Write(content) => {
                self.pool.insert(content);
                *self.written.entry(content).or_default() += 1;
            }
            Step::Insert(content) => {
                if let Some(written @ 1..) = self.written.get_mut(&content) {
                    *written -= 1;
                    *self.rows.entry(content).or_default() += 1;
                }
            }
            Step::Delete(content) => {
                if let Some(rows @ 1..) = self.rows.get_mut(&content) {
                    *rows -= 1;
                }
            }
            Step::Discard(content) => {
                if self.rows.get(&content).copied().unwrap_or(0) == 0 && self.pool.remove(&content) {
                    self.trash.insert(content);
                }
            }
            Step::Recover(content) => {
                if self.rows.get(&content).copied().unwrap_or(0) > 0
                    && !self.pool.contains(&content)
                    && self.trash.remove(&content)
                {
                    self.pool.insert(content);
                }
            }
            Step::Purge => self.trash.clear(),
        }
        self.ever_lost.extend(self.lost());
    }

    fn listed(&self) -> Vec<Listed> {
        self.rows.iter().filter(|(_, rows)| **rows > 0).map(|(content, _)| listed(*content)).collect()
    }

    /// What the site itself has lost: a row lists it, and it is in neither place.
    fn lost(&self) -> BTreeSet<u8> {
        let has = |content: &u8| self.pool.contains(content) || self.trash.contains(content);
        self.listed().iter().map(|listed| listed.hash[0]).filter(|content| !has(content)).collect()
    }
}

fn listed(content: u8) -> Listed {
    Listed { hash: [content; 20], size: u64::from(content) }
}

struct Model(Mutex<Site>);

struct Database<'a>(&'a Model);

impl World for Database<'_> {
    type View = ();

    fn now(&mut self) -> Result<Listing> {
        let mut site = self.0.0.lock().unwrap();
        site.advance();
        Ok(Listing { contents: site.listed(), odd: Vec::new() })
    }

    fn view(&mut self) -> Result<((), Listing)> {
        Ok(((), self.now()?))
    }
}

impl Source for Model {
    fn take(&self, place: Place, listed: Listed) -> Result<Taken> {
        let mut site = self.0.lock().unwrap();
        site.advance();
        let content = listed.hash[0];
        let found = match place {
            Place::Pool => site.pool.contains(&content),
            Place::Trash => site.trash.contains(&content),
            Place::Objects => false,
        };
        if found {
            site.stored.insert(content);
        }
        Ok(if found { Taken::Stored } else { Taken::Absent })
    }
}

/// Steps, each with whether more happen before the backup looks again.
type Steps = Vec<(u8, Step)>;

fn step(purge: u32, recover: u32) -> impl Strategy<Value = (u8, Step)> {
    let content = 0..CONTENTS;
    let step = prop_oneof![
        4 => content.clone().prop_map(Step::Write),
        6 => content.clone().prop_map(Step::Insert),
        4 => content.clone().prop_map(Step::Delete),
        4 => content.clone().prop_map(Step::Discard),
        recover => content.prop_map(Step::Recover),
        purge => Just(Step::Purge),
    ];
    (0..3_u8, step)
}

fn site(steps: Steps, before: &[(u8, Step)]) -> Site {
    let mut site = Site::default();
    for (_, step) in before {
        site.act(*step);
    }
    site.steps = steps.into();
    site
}

/// A site with some contents, and what its processes will do while it is backed up.
fn sites(purge: u32, recover: u32) -> impl Strategy<Value = (Steps, Steps)> {
    let before = prop::collection::vec(step(1, 1), 0..30);
    (before, prop::collection::vec(step(purge, recover), 0..60))
}

fn run(model: &Model, rounds: usize) -> Gathered<()> {
    let options = Options { jobs: 1, rounds, known: &[] };
    gather(&mut Database(model), model, Vec::new(), options, &Silent).unwrap()
}

/// What the view lists and the snapshot hasn't.
fn lacking(listed: &[Listed], site: &Site) -> BTreeSet<u8> {
    listed.iter().map(|listed| listed.hash[0]).filter(|content| !site.stored.contains(content)).collect()
}

proptest! {
    #![proptest_config(Config { cases: 4096, failure_persistence: None, ..Config::default() })]

    #[test]
    fn without_a_purge_one_view_gets_all_that_it_lists((before, steps) in sites(0, 0)) {
        let model = Model(Mutex::new(site(steps, &before)));
        let gathered = run(&model, 1);
        let site = model.0.into_inner().unwrap();
        let failed: BTreeSet<u8> = gathered.failed.iter().map(|failure| failure.listed.hash[0]).collect();
        prop_assert!(failed.is_subset(&site.ever_lost), "{failed:?} can't be had, {:?} were lost", site.ever_lost);
        prop_assert_eq!(lacking(&gathered.listed, &site), failed);
    }

    #[test]
    fn with_purges_what_is_not_lost_is_had_after_as_many_more_views((before, steps) in sites(2, 2)) {
        let rounds = steps.len() + 2;
        let model = Model(Mutex::new(site(steps, &before)));
        let gathered = run(&model, rounds);
        let site = model.0.into_inner().unwrap();
        let failed: BTreeSet<u8> = gathered.failed.iter().map(|failure| failure.listed.hash[0]).collect();
        prop_assert!(failed.is_subset(&site.lost()), "{failed:?} can't be had, {:?} are lost", site.lost());
        prop_assert_eq!(lacking(&gathered.listed, &site), failed);
    }

    #[test]
    fn nothing_is_missing_in_silence_however_few_the_views((before, steps) in sites(6, 2), rounds in 1..4_usize) {
        let model = Model(Mutex::new(site(steps, &before)));
        let gathered = run(&model, rounds);
        let site = model.0.into_inner().unwrap();
        let failed: BTreeSet<u8> = gathered.failed.iter().map(|failure| failure.listed.hash[0]).collect();
        prop_assert!(gathered.views <= rounds);
        prop_assert_eq!(lacking(&gathered.listed, &site), failed);
    }

    #[test]
    fn difference_is_that_of_sets(left in prop::collection::btree_set(0..60_u8, 0..40), right in prop::collection::btree_set(0..60_u8, 0..40)) {
        let sorted = |set: &BTreeSet<u8>| set.iter().copied().map(listed).collect::<Vec<_>>();
        let expected: BTreeSet<u8> = left.difference(&right).copied().collect();
        prop_assert_eq!(difference(&sorted(&left), &sorted(&right)), sorted(&expected));
    }
}

/// Copies a view's contents from the pool only, as a dump with a copy of the files does.
fn naive(model: &Model, view_first: bool) -> BTreeSet<u8> {
    let mut database = Database(model);
    let before = if view_first { database.view().unwrap().1 } else { database.now().unwrap() }.contents;
    for listed in &before {
        model.take(Place::Pool, *listed).unwrap();
    }
    let listed = if view_first { before } else { database.view().unwrap().1.contents };
    lacking(&listed, &model.0.lock().unwrap())
}

/// How often, of 4096 storms without a purge, an algorithm lacks what the view lists and the site hasn't lost.
fn misses(algorithm: &dyn Fn(&Model) -> BTreeSet<u8>) -> usize {
    let mut runner = TestRunner::deterministic();
    let storms = sites(0, 0);
    (0..4096)
        .filter(|_| {
            let (before, steps) = storms.new_tree(&mut runner).unwrap().current();
            let model = Model(Mutex::new(site(steps, &before)));
            let lacking = algorithm(&model);
            !lacking.is_subset(&model.0.lock().unwrap().ever_lost)
        })
        .count()
}

#[test]
fn simpler_algorithms_fail_in_the_same_storms() {
    let files_then_database = misses(&|model| naive(model, false));
    let database_then_files = misses(&|model| naive(model, true));
    let ours = misses(&|model| {
        let gathered = run(model, 1);
        lacking(&gathered.listed, &model.0.lock().unwrap())
    });
    eprintln!(
        "of 4096 storms: files, then database: {files_then_database}; database, then files: {database_then_files}"
    );
    assert!(files_then_database > 100 && database_then_files > 100);
    assert_eq!(ours, 0);
}
