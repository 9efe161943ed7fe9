use super::aggregate::{UNIT, Value, aggregate_into};
use super::limit::{Candidate, Limit};
use super::number::{alike, standardise};
use super::{Bounds, Category, Item, Method, limit};

/// What is recorded of a user in an item.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Grade {
    /// Nothing: the user has no row for this item yet.
    NoRow,
    /// A row without a grade.
    Empty,
    /// A row with a grade, in the item's own points.
    Points(f64),
}

/// One child of the category for one user.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Entry {
    /// The item.
    pub item: Item,
    /// The bounds in the user's row; without a row they are the item's own, whatever is given here.
    pub bounds: Bounds,
    /// The user's grade.
    pub grade: Grade,
    /// Whether a person has excluded the grade from aggregation.
    pub excluded: bool,
}

/// How a child took part, in the words of Moodle's `aggregationstatus`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It counts with its weight.
    Used,
    /// It is empty, and empty grades are left out.
    NoValue,
    /// It was left out by the limit or by a person.
    Dropped,
    /// It counts as extra credit with its weight.
    Extra,
    /// None of the above.
    Unknown,
}

impl Status {
    /// The number that stands for the status in a column.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Unknown => 0,
            Self::Used => 1,
            Self::NoValue => 2,
            Self::Dropped => 3,
            Self::Extra => 4,
        }
    }
}

/// A child's part in the total.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Contribution {
    /// How it took part.
    pub status: Status,
    /// Its share; none where Moodle leaves the stored weight as it was.
    pub weight: Option<f64>,
}

/// A category's total for one user.
#[derive(Clone, Debug, PartialEq)]
pub struct Total {
    /// The total in the category's points, if there is one.
    pub grade: Option<f64>,
    /// The bounds to be stored with the total; none where Moodle leaves the stored ones as they were.
    pub bounds: Option<Bounds>,
    /// The bounds of the category's grade item for the next user.
    pub carried: Bounds,
    /// The part of each entry, in the order of the entries.
    pub contributions: Vec<Contribution>,
}

/// Aggregate one user's grades in a category.
///
/// `entries` are the category's immediate children: those with a row in the order in which the database gave the rows,
/// those without one after them in the order of the items. The category's total must be neither locked nor overridden,
/// and its grade item must be a value or a scale: Moodle aggregates no others.
#[must_use]
pub fn total(category: &Category, entries: &[Entry]) -> Total {
    let items: Vec<Item> = entries.iter().map(|entry| entry.item).collect();
    let mut contributions = vec![Contribution { status: Status::Unknown, weight: None }; entries.len()];
    let result = Aggregation::new(&items).user(
        category,
        |item| (entries[item].grade, entries[item].excluded, entries[item].bounds),
        |item, contribution| contributions[item] = contribution,
    );
    Total { grade: result.grade, bounds: result.bounds, carried: result.carried, contributions }
}

/// What an aggregation finds for one user, beside the contributions.
pub(super) struct Outcome {
    /// As [`Total::grade`].
    pub grade: Option<f64>,
    /// As [`Total::bounds`].
    pub bounds: Option<Bounds>,
    /// As [`Total::carried`].
    pub carried: Bounds,
}

/// The aggregation of one user after the other over the same items, in memory that is kept between users.
pub(super) struct Aggregation<'a> {
    items: &'a [Item],
    candidates: Vec<Candidate>,
    before: Vec<Candidate>,
    bounds: Vec<Bounds>,
    values: Vec<Value>,
    weights: Vec<Option<f64>>,
    statuses: Vec<Status>,
}

impl<'a> Aggregation<'a> {
    pub(super) fn new(items: &'a [Item]) -> Self {
        let count = items.len();
        Self {
            items,
            candidates: Vec::with_capacity(count),
            before: Vec::with_capacity(count),
            bounds: vec![UNIT; count],
            values: Vec::with_capacity(count),
            weights: Vec::with_capacity(count),
            statuses: vec![Status::Unknown; count],
        }
    }

    /// Aggregate one user. `read` gives the grade in an item, whether it is excluded and its bounds; `write` takes the
    /// contribution of each item, once.
    pub(super) fn user(
        &mut self,
        category: &Category,
        read: impl Fn(usize) -> (Grade, bool, Bounds),
        mut write: impl FnMut(usize, Contribution),
    ) -> Outcome {
        let none = Outcome { grade: None, bounds: None, carried: category.bounds };
        let Some(all_empty) = self.admit_all(category, read) else {
            (0..self.items.len())
                .for_each(|item| write(item, Contribution { status: Status::Unknown, weight: Some(0.0) }));
            return none;
        };
        if category.limit == Limit::None {
            limit::sort_ascending(&mut self.candidates);
        } else {
            self.before.clone_from(&self.candidates);
            limit::apply(category, self.items, &mut self.candidates);
            self.mark_dropped();
        }

        self.values.clear();
        self.values.extend(self.candidates.iter().map(|candidate| Value {
            grade: candidate.grade,
            item: self.items[candidate.item],
            bounds: self.bounds[candidate.item],
        }));
        self.weights.clear();
        self.weights.resize(self.values.len(), None);
        let (grade, carried) = aggregate_into(category, &self.values, &mut self.weights);

        self.write_contributions(category, write);
        if self.values.is_empty() {
            return none;
        }
        let bounds = match category.method {
            Method::Natural => Bounds { min: 0.0, max: carried.max },
            _ => carried,
        };
        let grade = grade.filter(|_| !all_empty);
        let grade = grade.map(|grade| category.bound(standardise(grade, UNIT, bounds), carried));
        Outcome { grade, bounds: Some(bounds), carried }
    }

    /// Collect the grades that take part, and mark the others. Return whether all are empty; none if there is no row.
    fn admit_all(&mut self, category: &Category, read: impl Fn(usize) -> (Grade, bool, Bounds)) -> Option<bool> {
        let count = self.items.len();
        let mut all_empty = true;
        let mut rows = 0;
        self.candidates.clear();
        for (index, item) in self.items.iter().enumerate() {
            let (points, excluded, bounds) = read(index);
            let has_row = points != Grade::NoRow;
            rows += usize::from(has_row);
            self.bounds[index] = if has_row { bounds } else { item.bounds };
            self.statuses[index] = Status::Unknown;
            match admit(category, points, excluded, bounds) {
                Ok(grade) => {
                    all_empty &= grade.is_none();
                    let place = if has_row { index } else { count + index };
                    self.candidates.push(Candidate { grade: grade.unwrap_or_default(), place, item: index });
                }
                Err(status) => self.statuses[index] = status,
            }
        }
        (rows > 0).then_some(all_empty)
    }

    /// Moodle finds what a limit left out by comparing grades, written as strings, and not items: one that equals a
    /// grade still counted keeps the status unknown.
    fn mark_dropped(&mut self) {
        if self.before.len() == self.candidates.len() {
            return;
        }
        for candidate in &self.before {
            let after = self.candidates.partition_point(|kept| kept.grade < candidate.grade);
            let neighbours = &self.candidates[after.saturating_sub(1)..self.candidates.len().min(after + 1)];
            if !neighbours.iter().any(|kept| alike(kept.grade, candidate.grade)) {
                self.statuses[candidate.item] = Status::Dropped;
            }
        }
    }

    /// Write the contribution of each item: first of those that took no part.
    fn write_contributions(&mut self, category: &Category, mut write: impl FnMut(usize, Contribution)) {
        for (candidate, weight) in self.candidates.iter().zip(&self.weights) {
            let status = &mut self.statuses[candidate.item];
            let (found, weight) = if category.is_extra_credit(&self.items[candidate.item]) {
                (Status::Extra, *weight)
            } else if weight.is_some() && *status == Status::Unknown {
                (Status::Used, *weight)
            } else {
                (*status, Some(weight.unwrap_or_default()))
            };
            *status = Status::Used;
            write(candidate.item, Contribution { status: found, weight });
        }
        for (item, status) in self.statuses.iter().enumerate() {
            if *status != Status::Used {
                write(item, Contribution { status: *status, weight: Some(0.0) });
            }
        }
    }
}

/// Return the normalised grade with which an item takes part, none for an empty one that counts as zero, or the
/// status of one that takes no part.
fn admit(category: &Category, points: Grade, excluded: bool, bounds: Bounds) -> Result<Option<f64>, Status> {
    match points {
        Grade::NoRow | Grade::Empty if category.only_graded => Err(Status::NoValue),
        Grade::Empty | Grade::Points(_) if excluded => Err(Status::Dropped),
        Grade::NoRow | Grade::Empty => Ok(None),
        Grade::Points(points) => {
            let min = if category.method == Method::Natural { 0.0 } else { bounds.min };
            Ok(Some(standardise(points, Bounds { min, max: bounds.max }, UNIT)))
        }
    }
}
