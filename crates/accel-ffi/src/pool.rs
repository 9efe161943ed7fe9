//! Verification of a file pool.
//!
//! [`accel_pool_open`] gives a handle, [`accel_pool_advance`] works for a while, and when it says that a unit is ready
//! [`accel_pool_take`] writes what was seen in it. Between two calls no thread runs, so a caller stops by not calling
//! any more. [`accel_pool_free`] ends it all.

use std::ffi::c_char;
use std::num::{NonZeroU64, NonZeroUsize};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::slice;
use std::time::Duration;

use accel::pool::{Effort, Finding, PoolError, Problem, Progress, Report, Scan, Unit};

use crate::argument;
use crate::status::{AccelStatus, Failure, guard};

/// More threads than this are a mistake of the caller.
const MOST_THREADS: u32 = 256;

/// How far a verification is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub enum AccelPoolState {
    /// All units were taken.
    Done = 0,
    /// The time was up before the next unit was ready.
    Working = 1,
    /// A unit is ready to be taken.
    Ready = 2,
}

/// What a verification has come to, filled by [`accel_pool_advance`]. What begins with `unit` is 0 unless the state is
/// `Ready`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct AccelPoolProgress {
    /// A value of `AccelPoolState`.
    pub state: i32,
    /// The number of the unit: 0 to 255 for a top folder, 256 for the root.
    pub unit: i32,
    /// How many bytes were read since the handle was opened.
    pub bytes_read: u64,
    /// How many files of the unit were read to their end.
    pub unit_files: u64,
    /// How many bytes these files have.
    pub unit_bytes: u64,
    /// How many files were gone when they were to be read.
    pub unit_vanished: u64,
    /// How many bytes of objects [`accel_pool_take`] will write.
    pub unit_objects_length: usize,
    /// How many bytes of findings [`accel_pool_take`] will write.
    pub unit_findings_length: usize,
}

/// A verification, opened by [`accel_pool_open`].
#[derive(Debug)]
pub struct AccelPool {
    scan: Scan,
    ready: Option<Ready>,
}

#[derive(Debug)]
struct Ready {
    objects: Vec<u8>,
    findings: Vec<u8>,
}

/// Prepare to verify units of the pool at `root`, in the given order, on `threads` threads, and write the handle to
/// `pool`. At most `bytes_per_second` bytes are read in a second, 0 means as many as there can be.
///
/// # Safety
/// `root` must be valid for reads of `root_length` bytes, `units` of `units_count` numbers, and `pool` for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn accel_pool_open(
    root: *const c_char,
    root_length: usize,
    units: *const u16,
    units_count: usize,
    threads: u32,
    bytes_per_second: u64,
    pool: *mut *mut AccelPool,
) -> i32 {
    guard(|| {
        // SAFETY: the caller's promise for `pool`.
        let pool = unsafe { argument::exclusive("pool", pool) }?;
        // SAFETY: the caller's promise for `root`.
        let root = unsafe { argument::path("root", root, root_length) }?;
        // SAFETY: the caller's promise for `units`.
        let units = unsafe { numbers(units, units_count) }?.iter().map(|number| unit(*number));
        let threads = usize::try_from(threads.min(MOST_THREADS + 1)).ok().and_then(NonZeroUsize::new);
        let threads = threads
            .filter(|threads| threads.get() <= MOST_THREADS as usize)
            .ok_or_else(|| Failure::new(AccelStatus::BadArgument, format!("threads must be 1 to {MOST_THREADS}")))?;
        let effort = Effort { threads, bytes_per_second: NonZeroU64::new(bytes_per_second) };
        let scan = Scan::new(root, units.collect::<Result<Vec<_>, _>>()?, effort).map_err(|error| refused(&error))?;
        *pool = Box::into_raw(Box::new(AccelPool { scan, ready: None }));
        Ok(())
    })
}

/// Work until the next unit is ready, for `milliseconds` at most, and write to `progress` how far it is. A unit that is
/// ready and was not taken is dropped.
///
/// After a panic the handle can only be freed.
///
/// # Safety
/// `pool` must be a handle that was opened and not freed, used by no other thread meanwhile, and `progress` valid for a
/// write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn accel_pool_advance(
    pool: *mut AccelPool,
    milliseconds: u32,
    progress: *mut AccelPoolProgress,
) -> i32 {
    guard(|| {
        // SAFETY: the caller's promise for `pool`.
        let pool = unsafe { argument::exclusive("pool", pool) }?;
        // SAFETY: the caller's promise for `progress`.
        let progress = unsafe { argument::exclusive("progress", progress) }?;
        pool.ready = None;
        let limit = Duration::from_millis(milliseconds.into());
        let step = pool.scan.advance(Some(limit)).map_err(|error| refused(&error))?;
        *progress = AccelPoolProgress { bytes_read: pool.scan.bytes(), ..AccelPoolProgress::default() };
        match step {
            Progress::Done => progress.state = AccelPoolState::Done as i32,
            Progress::Working => progress.state = AccelPoolState::Working as i32,
            Progress::Unit(unit, report) => {
                let ready = Ready::from(&report);
                progress.state = AccelPoolState::Ready as i32;
                progress.unit = unit.number().into();
                progress.unit_files = report.files;
                progress.unit_bytes = report.bytes;
                progress.unit_vanished = report.vanished;
                progress.unit_objects_length = ready.objects.len();
                progress.unit_findings_length = ready.findings.len();
                pool.ready = Some(ready);
            }
        }
        Ok(())
    })
}

/// Write what was seen in the unit that is ready.
///
/// `objects` gets 28 bytes for each object in its place, ordered by hash: the 20 bytes of the hash that its name
/// promises, and its size as 8 bytes, the lowest first. `findings` gets three texts for each finding, each with a 0 byte
/// at its end, ordered by path: one of `corrupt`, `misplaced`, `leftover`, `collision`, `foreign`, `unreadable`; the
/// path relative to the root; and the hash that a corrupt object has, the place of a misplaced one, or why something
/// cannot be read, else nothing.
///
/// The unit can be taken as often as wanted, until the next [`accel_pool_advance`].
///
/// # Safety
/// `pool` must be a handle that was opened and not freed, used by no other thread meanwhile, and each buffer valid for
/// writes of its capacity.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn accel_pool_take(
    pool: *mut AccelPool,
    objects: *mut c_char,
    objects_capacity: usize,
    findings: *mut c_char,
    findings_capacity: usize,
) -> i32 {
    guard(|| {
        // SAFETY: the caller's promise for `pool`.
        let pool = unsafe { argument::exclusive("pool", pool) }?;
        let ready = pool.ready.as_ref().ok_or_else(|| Failure::new(AccelStatus::BadArgument, "no unit is ready"))?;
        let parts = [
            ("objects", objects, objects_capacity, &ready.objects),
            ("findings", findings, findings_capacity, &ready.findings),
        ];
        // A buffer may be NULL if there is nothing to write to it. Both are looked at before one is written to.
        for (name, buffer, capacity, content) in parts.iter().filter(|part| !part.3.is_empty()) {
            argument::room(name, *buffer, *capacity, content.len())?;
        }
        for (name, buffer, capacity, content) in parts.into_iter().filter(|part| !part.3.is_empty()) {
            // SAFETY: the caller's promise for the buffers.
            unsafe { argument::write(name, buffer, capacity, content) }?;
        }
        Ok(())
    })
}

/// Free a handle. NULL is left alone.
///
/// # Safety
/// `pool` must be NULL, or a handle that was opened and not freed, which nothing uses any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn accel_pool_free(pool: *mut AccelPool) -> i32 {
    guard(|| {
        if !pool.is_null() {
            // SAFETY: the handle comes from `Box::into_raw` in `accel_pool_open`, and by the caller's promise it is
            // freed once.
            drop(unsafe { Box::from_raw(pool) });
        }
        Ok(())
    })
}

/// Return the `count` numbers at `data`.
///
/// # Safety
/// If `data` isn't NULL it must be valid for reads of `count` numbers, which nothing writes to during `'a`.
unsafe fn numbers<'a>(data: *const u16, count: usize) -> Result<&'a [u16], Failure> {
    let wrong = |status, what: &str| Err(Failure::new(status, format!("units {what}")));
    if count == 0 {
        Ok(&[])
    } else if data.is_null() {
        wrong(AccelStatus::NullPointer, "is NULL")
    } else if !data.is_aligned() || count > usize::from(u16::MAX) {
        wrong(AccelStatus::BadArgument, "is not a list of at most 65535 numbers")
    } else {
        // SAFETY: not NULL, aligned, not larger than any object can be, and valid for reads by the caller's promise;
        // any bits are a number.
        Ok(unsafe { slice::from_raw_parts(data, count) })
    }
}

fn unit(number: u16) -> Result<Unit, Failure> {
    Unit::from_number(number)
        .ok_or_else(|| Failure::new(AccelStatus::BadArgument, format!("there is no unit {number}: the last is 256")))
}

fn refused(error: &PoolError) -> Failure {
    Failure::of(AccelStatus::Io, error)
}

impl From<&Report> for Ready {
    fn from(report: &Report) -> Self {
        let mut objects = Vec::with_capacity(28 * report.objects.len());
        for object in &report.objects {
            objects.extend(object.hash.as_bytes());
            objects.extend(object.size.to_le_bytes());
        }
        let mut findings = Vec::new();
        for Finding { path, problem } in &report.findings {
            let (name, detail) = match problem {
                Problem::Corrupt { actual } => ("corrupt", actual.to_string().into_bytes()),
                Problem::Misplaced { expected } => ("misplaced", text(expected).to_vec()),
                Problem::Leftover => ("leftover", Vec::new()),
                Problem::Collision => ("collision", Vec::new()),
                Problem::Unreadable { reason } => ("unreadable", reason.clone().into_bytes()),
                // A problem that this interface has no word for yet.
                Problem::Foreign | _ => ("foreign", Vec::new()),
            };
            for part in [name.as_bytes(), text(path), &detail] {
                findings.extend(part);
                findings.push(0);
            }
        }
        Self { objects, findings }
    }
}

fn text(path: &Path) -> &[u8] {
    path.as_os_str().as_bytes()
}
