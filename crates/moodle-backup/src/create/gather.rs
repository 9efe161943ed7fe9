//! How a snapshot gets all content that the database lists, while the site goes on.
//!
//! Moodle writes a content into the pool before the row that lists it, moves it to the trash after the last such row is
//! gone, and empties the trash now and then. Contents never change. So: copy what is listed now, which takes long and
//! needs no consistency; take the view of the database at T; copy what T lists and we lack, from the pool or from the
//! trash. Only what was deleted after T *and* purged before it was copied is then missing: take a new view, which
//! lists less. What is missing from view after view, the site itself lacks.
//!
//! The property test `tests/closure.rs` runs this against all interleavings it can think of.

use std::sync::{Mutex, PoisonError};

use crate::database::{Listed, Listing};
use crate::error::Result;
use crate::progress::{Progress, Unit};

/// What a thread takes at a time, in contents and in bytes: neighbours, so that folders are read once, and enough of them
/// that the digests of long ones, too, are computed side by side.
const BATCH: usize = 1024;
pub(super) const BATCH_BYTES: u64 = 16 << 20;

/// The database, as far as it lists contents.
pub trait World {
    /// What one moment of the database looks like, for as long as the value lives.
    type View;

    /// Lists what is listed now, in no view that lasts.
    ///
    /// # Errors
    /// The database fails.
    fn now(&mut self) -> Result<Listing>;

    /// Opens a view, and lists what it lists.
    ///
    /// # Errors
    /// The database fails.
    fn view(&mut self) -> Result<(Self::View, Listing)>;
}

/// Where a content may lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The local pool.
    Pool,
    /// The object store that holds the pool, or what was moved there.
    Objects,
    /// The trash.
    Trash,
}

/// Where a content is looked for, in this order. The pool comes again, because Moodle brings back from the trash what
/// is asked for.
const ORDER: [Place; 4] = [Place::Pool, Place::Objects, Place::Trash, Place::Pool];

/// What became of the attempt to copy a content from a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is in the snapshot.
    Stored,
    /// It isn't there.
    Absent,
    /// What is there is not what its name or the database says.
    Corrupt,
}

/// The pool and the trash, and the way from there into the repository.
pub trait Source: Sync {
    /// Copies a content into the repository, if this place has it.
    ///
    /// # Errors
    /// Reading fails for another reason than that it isn't there, or the repository fails.
    fn take(&self, place: Place, listed: Listed) -> Result<Taken>;

    /// Hears of how many contents are about to come.
    fn expect(&self, _count: usize) {}

    /// Copies contents from the pool, as [`take`](Self::take) does each.
    ///
    /// # Errors
    /// As [`take`](Self::take).
    fn take_many(&self, contents: &[Listed]) -> Result<Vec<Taken>> {
        contents.iter().map(|listed| self.take(ORDER[0], *listed)).collect()
    }
}

/// A content that the database lists and that can't be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The content.
    pub listed: Listed,
    /// Something is there under its name, but not it.
    pub corrupt: bool,
}

/// What was gathered.
#[derive(Debug)]
pub struct Gathered<V> {
    /// The view that everything belongs to.
    pub view: V,
    /// What it lists, sorted.
    pub listed: Vec<Listed>,
    /// What it lists beside, which no content can be.
    pub odd: Vec<String>,
    /// What of the contents can't be had, sorted; everything else is in the snapshot.
    pub failed: Vec<Failure>,
    /// How many views it took.
    pub views: usize,
}

/// How to go about it.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// How many threads copy.
    pub jobs: usize,
    /// How many views are taken before what is missing counts as missing.
    pub rounds: usize,
    /// Hashes that the last snapshot didn't get either: no new view is taken for their sake. Sorted.
    pub known: &'a [[u8; 20]],
}

/// Copies all that a view lists and `have` (sorted) has not.
///
/// # Errors
/// The database, the pool or the repository fails; missing content is no error here, it is in the result.
pub fn gather<W: World + ?Sized>(
    world: &mut W,
    source: &dyn Source,
    mut have: Vec<Listed>,
    options: Options<'_>,
    progress: &dyn Progress,
) -> Result<Gathered<W::View>> {
    let mut now = world.now()?.contents;
    now.retain(lacking(&have));
    copy(now, &mut have, source, options.jobs, "pool", progress)?;
    let mut views = 0;
    loop {
        views += 1;
        let (view, Listing { contents: listed, odd }) = world.view()?;
        let failed =
            copy(difference(&listed, &have), &mut have, source, options.jobs, "pool, what came meanwhile", progress)?;
        let expected = failed.iter().all(|failure| options.known.binary_search(&failure.listed.hash).is_ok());
        if expected || views >= options.rounds {
            return Ok(Gathered { view, listed, odd, failed, views });
        }
        progress.note(&again(&failed));
    }
}

/// Says why another view is taken: nobody can know yet whether a content went just now or was never there.
fn again(failed: &[Failure]) -> String {
    let corrupt = failed.iter().filter(|failure| failure.corrupt).count();
    let counted = |count: usize, what: &str| match count {
        0 => None,
        1 => Some(format!("1 listed content is {what}")),
        _ => Some(format!("{count} listed contents are {what}")),
    };
    let said = [
        counted(failed.len() - corrupt, "neither in the pool nor in the trash"),
        counted(corrupt, "there as another file or size than listed"),
    ];
    let said: Vec<String> = said.into_iter().flatten().collect();
    format!("{}: the database is looked at again, in case they were deleted just now", said.join(", "))
}

/// Copies what is `wanted`, which `have` has not, adds it to `have`, and returns what can't be had.
fn copy(
    mut wanted: Vec<Listed>,
    have: &mut Vec<Listed>,
    source: &dyn Source,
    jobs: usize,
    phase: &str,
    progress: &dyn Progress,
) -> Result<Vec<Failure>> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    source.expect(wanted.len());
    progress.phase(phase, wanted.iter().map(|wanted| wanted.size).sum(), Unit::Bytes);
    let mut failed = each(&wanted, jobs, &|batch| {
        let mut failed = Vec::new();
        for (listed, taken) in batch.iter().zip(source.take_many(batch)?) {
            failed.extend(take_on(source, *listed, taken)?);
            progress.advance(listed.size);
        }
        Ok(failed)
    })?;
    failed.sort_unstable_by_key(|failure| failure.listed);
    wanted.retain(|wanted| failed.binary_search_by_key(wanted, |failure| failure.listed).is_err());
    if have.is_empty() {
        // A million contents are not copied to where nothing is.
        *have = wanted;
    } else {
        have.reserve_exact(wanted.len());
        have.append(&mut wanted);
        have.sort_unstable();
    }
    Ok(failed)
}

/// Copies a content from the first place that has it; `taken` is what came of the very first.
fn take_on(source: &dyn Source, listed: Listed, mut taken: Taken) -> Result<Option<Failure>> {
    let mut corrupt = false;
    for place in &ORDER[1..] {
        if taken == Taken::Stored {
            return Ok(None);
        }
        corrupt |= taken == Taken::Corrupt;
        taken = source.take(*place, listed)?;
    }
    corrupt |= taken == Taken::Corrupt;
    Ok((taken != Taken::Stored).then_some(Failure { listed, corrupt }))
}

/// Runs `work` for batches of the contents in several threads, and collects what it returns.
fn each(
    wanted: &[Listed],
    jobs: usize,
    work: &(dyn Fn(&[Listed]) -> Result<Vec<Failure>> + Sync),
) -> Result<Vec<Failure>> {
    let left = Mutex::new(wanted);
    let outcome = Mutex::new(Ok(Vec::new()));
    let run = || {
        loop {
            let batch = next_batch(&mut left.lock().unwrap_or_else(PoisonError::into_inner));
            if batch.is_empty() {
                return;
            }
            let result = work(batch);
            let mut outcome = outcome.lock().unwrap_or_else(PoisonError::into_inner);
            match (&mut *outcome, result) {
                (Ok(failed), Ok(more)) => failed.extend(more),
                (Ok(_), Err(error)) => {
                    *outcome = Err(error);
                    *left.lock().unwrap_or_else(PoisonError::into_inner) = &[];
                }
                (Err(_), _) => return,
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..jobs {
            scope.spawn(run);
        }
        run();
    });
    outcome.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// Takes the next batch off `left`: one content at least, as long as there is one.
fn next_batch<'a>(left: &mut &'a [Listed]) -> &'a [Listed] {
    let mut bytes = 0;
    let fits = left.iter().take(BATCH).take_while(|listed| {
        bytes += listed.size;
        bytes <= BATCH_BYTES
    });
    let count = fits.count().max(1).min(left.len());
    left.split_off(..count).unwrap_or_default()
}

/// Returns what `left` has and `right` has not; both are sorted.
#[must_use]
pub fn difference(left: &[Listed], right: &[Listed]) -> Vec<Listed> {
    let mut lacks = lacking(right);
    left.iter().filter(|item| lacks(item)).copied().collect()
}

/// Tells of one item after the other, which are sorted, whether `right`, which is, too, has it not.
fn lacking(right: &[Listed]) -> impl FnMut(&Listed) -> bool {
    let mut rest = right.iter().peekable();
    move |item| {
        while rest.next_if(|other| *other < item).is_some() {}
        rest.peek() != Some(&item)
    }
}

#[cfg(test)]
mod tests {
    use super::{Failure, again};
    use crate::database::Listed;

    #[test]
    fn what_is_missing_is_not_said_to_have_vanished_and_what_is_corrupt_is_said_to_be() {
        let failure = |corrupt| Failure { listed: Listed { hash: [1; 20], size: 1 }, corrupt };
        let tail = ": the database is looked at again, in case they were deleted just now";
        let missing = "1 listed content is neither in the pool nor in the trash";
        assert_eq!(again(&[failure(false)]), format!("{missing}{tail}"));
        let corrupt = "2 listed contents are there as another file or size than listed";
        assert_eq!(again(&[failure(true), failure(false), failure(true)]), format!("{missing}, {corrupt}{tail}"));
    }
}
