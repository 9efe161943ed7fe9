//! The order of work of a scan: which unit, which folder, which thread.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::num::NonZeroU64;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::walk::Worker;
use super::{Effort, PoolError, Report, Unit, list};

/// How many objects may be held for units that are not handed out: what was seen takes memory.
const OBJECTS_AHEAD: usize = 500_000;

/// How many files, and bytes of files, are listed before the largest of them is read. Large files are begun early, so
/// that in the end no thread is left alone with one; but the first unit is not ready before they are read.
const FILES_AHEAD: usize = 50_000;
const BYTES_AHEAD: u64 = 2 << 30;

/// Of how many units files are read in one order, the largest first.
const UNITS_AT_ONCE: u64 = 8;

/// How long a thread sleeps before it looks again whether it is to stop.
const NAP: Duration = Duration::from_millis(20);

/// How far a scan has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// This unit is verified.
    Unit(Unit, Report),
    /// The time is up, and the next unit is not ready.
    Working,
    /// All units were handed out.
    Done,
}

/// A verification that goes on where it stopped.
///
/// Threads exist only within [`advance`](Self::advance). What they were reading stays open between two calls, so that
/// a large file does not have to be read within one.
#[derive(Debug)]
pub struct Scan {
    root: PathBuf,
    pace: Option<Pace>,
    workers: Vec<Worker>,
    state: Mutex<State>,
    progress: Condvar,
    bytes: AtomicU64,
}

#[derive(Debug)]
struct State {
    /// Units that no thread has begun with.
    waiting: VecDeque<Unit>,
    /// Folders of begun units that no thread has begun with, each with the number of its unit's turn.
    folders: VecDeque<(u64, PathBuf)>,
    /// Files that no thread has begun with, the largest first.
    files: BinaryHeap<Pending>,
    /// How many bytes these files have.
    listed: u64,
    /// Begun units in order; the first of them has the number `turn`.
    begun: VecDeque<Begun>,
    turn: u64,
    /// How many objects are in the reports of begun units.
    held: usize,
    /// How many threads are at work in this call.
    running: usize,
}

#[derive(Debug)]
struct Begun {
    unit: Unit,
    report: Report,
    /// How many of its folders and files are not done.
    open: usize,
}

impl Scan {
    /// Prepare to verify `units` of the pool at `root`, in this order. Links are followed.
    ///
    /// # Errors
    /// [`PoolError`] if `root` cannot be listed.
    pub fn new(root: &Path, units: impl IntoIterator<Item = Unit>, effort: Effort) -> Result<Self, PoolError> {
        list(root)?;
        Ok(Self {
            root: root.into(),
            pace: effort.bytes_per_second.map(Pace::new),
            workers: (0..effort.threads.get()).map(|_| Worker::new(root)).collect(),
            state: Mutex::new(State {
                waiting: units.into_iter().collect(),
                folders: VecDeque::new(),
                files: BinaryHeap::new(),
                listed: 0,
                begun: VecDeque::new(),
                turn: 0,
                held: 0,
                running: 0,
            }),
            progress: Condvar::new(),
            bytes: AtomicU64::new(0),
        })
    }

    /// Return how many bytes have been read so far, those of units that are not ready included.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Work until the next unit is verified, or until `limit` is over.
    ///
    /// The units come in the order in which they were given, and each report is the same for any number of threads.
    ///
    /// # Errors
    /// [`PoolError`] if the root can no longer be listed, as when its disk is gone: its units would look empty. The
    /// scan is as before then. What cannot be read below the root is a finding.
    ///
    /// # Panics
    /// If a worker thread panics, with that panic, and in each call after that.
    pub fn advance(&mut self, limit: Option<Duration>) -> Result<Progress, PoolError> {
        let end = limit.and_then(|limit| Instant::now().checked_add(limit));
        let mut workers = std::mem::take(&mut self.workers);
        assert!(!workers.is_empty(), "a thread of this scan has panicked before");
        let stop = AtomicBool::new(false);
        if !self.lock().is_ready() {
            self.lock().running = workers.len();
            thread::scope(|scope| {
                let this = &*self;
                let handles: Vec<_> = workers
                    .iter_mut()
                    .map(|worker| {
                        scope.spawn(|| {
                            let _leaving = Leaving(this);
                            this.work(worker, &stop);
                        })
                    })
                    .collect();
                self.wait(end);
                stop.store(true, Ordering::Relaxed);
                for handle in handles {
                    handle.join().unwrap_or_else(|panic| resume_unwind(panic));
                }
            });
        }
        self.workers = workers;
        list(&self.root)?;
        let mut state = self.lock();
        Ok(match state.take_ready() {
            Some((unit, mut report)) => {
                report.sort();
                Progress::Unit(unit, report)
            }
            None if state.begun.is_empty() && state.waiting.is_empty() => Progress::Done,
            None => Progress::Working,
        })
    }

    fn wait(&self, end: Option<Instant>) {
        let mut state = self.lock();
        while !state.is_ready() && state.running > 0 {
            let left = end.map(|end| end.saturating_duration_since(Instant::now()));
            state = match left {
                Some(Duration::ZERO) => return,
                Some(left) => self.progress.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0,
                None => self.progress.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    fn work(&self, worker: &mut Worker, stop: &AtomicBool) {
        loop {
            while worker.has_room() && !stop.load(Ordering::Relaxed) {
                match self.claim() {
                    Claim::File(file) => {
                        worker.open(file);
                        self.settle_done(worker);
                    }
                    Claim::Folder(turn, folder) => {
                        let (report, files) = worker.list_folder(&folder);
                        self.settle(turn, report, Vec::new(), files);
                    }
                    Claim::Unit(turn, unit) => {
                        let (report, folders, files) = worker.list_unit(unit);
                        self.settle(turn, report, folders, files);
                    }
                    Claim::Later if worker.is_idle() => thread::sleep(Duration::from_millis(1)),
                    Claim::Nothing if worker.is_idle() => return,
                    Claim::Later | Claim::Nothing => break,
                }
            }
            if !self.may_read(stop) {
                return;
            }
            let count = worker.read();
            self.bytes.fetch_add(count, Ordering::Relaxed);
            if let Some(pace) = &self.pace {
                pace.spend(count);
            }
            worker.hash();
            self.settle_done(worker);
        }
    }

    fn settle_done(&self, worker: &mut Worker) {
        for (turn, report) in worker.take_done() {
            self.settle(turn, report, Vec::new(), Vec::new());
        }
    }

    fn may_read(&self, stop: &AtomicBool) -> bool {
        loop {
            if stop.load(Ordering::Relaxed) {
                return false;
            }
            match self.pace.as_ref().and_then(Pace::debt) {
                Some(debt) => thread::sleep(debt.min(NAP)),
                None => return true,
            }
        }
    }

    fn claim(&self) -> Claim {
        let mut state = self.lock();
        if state.files.len() < FILES_AHEAD && state.listed < BYTES_AHEAD {
            if let Some((turn, folder)) = state.folders.pop_front() {
                return Claim::Folder(turn, folder);
            }
            if state.held < OBJECTS_AHEAD
                && let Some(unit) = state.waiting.pop_front()
            {
                state.begun.push_back(Begun { unit, report: Report::default(), open: 1 });
                return Claim::Unit(state.turn + state.begun.len() as u64 - 1, unit);
            }
        }
        if let Some(file) = state.files.pop() {
            state.listed -= file.size;
            return Claim::File(file);
        }
        if state.begun.iter().all(|begun| begun.open == 0) && state.waiting.is_empty() {
            Claim::Nothing
        } else {
            Claim::Later
        }
    }

    /// Take over what a worker has seen of one unit, folder or file, and what there is to do in it.
    fn settle(&self, turn: u64, report: Report, folders: Vec<PathBuf>, files: Vec<(u64, PathBuf)>) {
        let mut state = self.lock();
        state.held += report.objects.len();
        let index = usize::try_from(turn - state.turn).unwrap_or(usize::MAX);
        if let Some(begun) = state.begun.get_mut(index) {
            begun.open = begun.open + folders.len() + files.len() - 1;
            begun.report.add(report);
        }
        state.folders.extend(folders.into_iter().map(|folder| (turn, folder)));
        state.listed += files.iter().map(|(size, _)| size).sum::<u64>();
        let group = Reverse(turn / UNITS_AT_ONCE);
        state.files.extend(files.into_iter().map(|(size, path)| Pending { group, size, turn, path }));
        if state.is_ready() {
            self.progress.notify_all();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_ready(&self) -> bool {
        self.begun.front().is_some_and(|begun| begun.open == 0)
    }

    fn take_ready(&mut self) -> Option<(Unit, Report)> {
        let begun = self.begun.pop_front_if(|begun| begun.open == 0)?;
        self.turn += 1;
        self.held -= begun.report.objects.len();
        Some((begun.unit, begun.report))
    }
}

/// A file that is to be read. Those of earlier units come first, so that units are done one after the other and a run can
/// stop; among the units of one group the largest files do, by the size that they had when their folder was listed.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Pending {
    group: Reverse<u64>,
    pub(super) size: u64,
    pub(super) turn: u64,
    pub(super) path: PathBuf,
}

enum Claim {
    File(Pending),
    Folder(u64, PathBuf),
    Unit(u64, Unit),
    /// Others are still at work, and there may be more to do when they are done.
    Later,
    Nothing,
}

/// Tells who waits that a thread is gone, even if it panicked.
struct Leaving<'a>(&'a Scan);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        self.0.lock().running -= 1;
        self.0.progress.notify_all();
    }
}

/// Keeps the threads together below a number of bytes per second.
#[derive(Debug)]
struct Pace {
    bytes_per_second: NonZeroU64,
    free: Mutex<Instant>,
}

impl Pace {
    fn new(bytes_per_second: NonZeroU64) -> Self {
        Self { bytes_per_second, free: Mutex::new(Instant::now()) }
    }

    /// Return how long nothing may be read.
    fn debt(&self) -> Option<Duration> {
        let free = *self.free.lock().unwrap_or_else(PoisonError::into_inner);
        free.checked_duration_since(Instant::now()).filter(|debt| !debt.is_zero())
    }

    fn spend(&self, bytes: u64) {
        let nanoseconds = u128::from(bytes) * 1_000_000_000 / u128::from(self.bytes_per_second.get());
        let cost = Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX));
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let from = (*free).max(Instant::now());
        *free = from.checked_add(cost).unwrap_or(from);
    }
}
