use super::aggregate::{UNIT, Value, aggregate};
use super::number::{standardise, through_string};
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
    let mut contributions = vec![Contribution { status: Status::Unknown, weight: Some(0.0) }; entries.len()];
    if entries.iter().all(|entry| entry.grade == Grade::NoRow) {
        return without_grade(category, contributions);
    }

    let mut values = Vec::with_capacity(entries.len());
    let mut all_empty = true;
    for (index, (entry, contribution)) in entries.iter().zip(&mut contributions).enumerate() {
        match admit(category, entry) {
            Ok(grade) => {
                all_empty &= grade.is_none();
                let grade = grade.unwrap_or_default();
                let bounds = if entry.grade == Grade::NoRow { entry.item.bounds } else { entry.bounds };
                values.push((index, Value { grade, item: entry.item, bounds }));
            }
            Err(status) => contribution.status = status,
        }
    }

    let before = values.clone();
    limit::apply(category, &mut values);
    mark_dropped(&before, &values, &mut contributions);
    limit::sort_ascending(&mut values);
    for (index, value) in &values {
        if category.is_extra_credit(&value.item) {
            contributions[*index] = Contribution { status: Status::Extra, weight: None };
        }
    }
    if values.is_empty() {
        return without_grade(category, contributions);
    }

    let (indices, values): (Vec<_>, Vec<_>) = values.into_iter().unzip();
    let result = aggregate(category, &values);
    for (index, weight) in indices.into_iter().zip(result.weights) {
        let contribution = &mut contributions[index];
        if weight.is_some() {
            contribution.weight = weight;
            if contribution.status == Status::Unknown {
                contribution.status = Status::Used;
            }
        }
    }

    let carried = result.bounds;
    let bounds = match category.method {
        Method::Natural => Bounds { min: 0.0, max: carried.max },
        _ => carried,
    };
    let grade = result.grade.filter(|_| !all_empty);
    let grade = grade.map(|grade| category.bound(standardise(grade, UNIT, bounds), carried));
    Total { grade, bounds: Some(bounds), carried, contributions }
}

fn without_grade(category: &Category, contributions: Vec<Contribution>) -> Total {
    Total { grade: None, bounds: None, carried: category.bounds, contributions }
}

/// Return the normalised grade with which an entry takes part, none for an empty one that counts as zero, or the
/// status of one that takes no part.
fn admit(category: &Category, entry: &Entry) -> Result<Option<f64>, Status> {
    match entry.grade {
        Grade::NoRow | Grade::Empty if category.only_graded => Err(Status::NoValue),
        Grade::Empty | Grade::Points(_) if entry.excluded => Err(Status::Dropped),
        Grade::NoRow | Grade::Empty => Ok(None),
        Grade::Points(points) => {
            let min = if category.method == Method::Natural { 0.0 } else { entry.bounds.min };
            Ok(Some(standardise(points, Bounds { min, max: entry.bounds.max }, UNIT)))
        }
    }
}

/// Moodle finds what a limit left out by comparing grades, written as strings, and not items: one that equals a grade
/// still counted keeps the status unknown.
#[expect(clippy::float_cmp, reason = "both sides stand for strings")]
fn mark_dropped(before: &[(usize, Value)], kept: &[(usize, Value)], contributions: &mut [Contribution]) {
    if before.len() == kept.len() {
        return;
    }
    let kept: Vec<f64> = kept.iter().map(|(_, value)| through_string(value.grade)).collect();
    for (index, value) in before {
        let written = through_string(value.grade);
        if kept.iter().all(|grade| *grade != written) {
            contributions[*index].status = Status::Dropped;
        }
    }
}
