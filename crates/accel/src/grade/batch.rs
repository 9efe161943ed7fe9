use super::total::Aggregation;
use super::{Bounds, Category, Grade, Item, Status};

/// The grades of some users in the items of one category.
///
/// Columns are item after item, each with one value for each user. For each user, items with a row come before those
/// without one in the order of ties; within both the order is that of the items.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// The number of users.
    pub users: usize,
    /// The immediate children of the category.
    pub items: &'a [Item],
    /// The grade of each user in each item; NaN for none.
    pub grades: &'a [f64],
    /// The flags of each user in each item: the bits [`Batch::ROW`] and [`Batch::EXCLUDED`].
    pub flags: &'a [u8],
    /// The minimum in each user's row; it is not read where there is no row.
    pub minima: &'a [f64],
    /// The maximum in each user's row; it is not read where there is no row.
    pub maxima: &'a [f64],
    /// For each user, zero if the user is passed over: nothing is written for such a user and no bounds are carried.
    pub active: &'a [u8],
}

impl Batch<'_> {
    /// The user has a row for the item.
    pub const ROW: u8 = 1;
    /// A person has excluded the grade from aggregation.
    pub const EXCLUDED: u8 = 2;
}

/// Where the totals of a [`Batch`] are written. What Moodle does not write is NaN.
#[derive(Debug)]
pub struct Totals<'a> {
    /// The total of each user.
    pub grades: &'a mut [f64],
    /// The minimum to be stored for each user.
    pub minima: &'a mut [f64],
    /// The maximum to be stored for each user.
    pub maxima: &'a mut [f64],
    /// The status of each user in each item, by [`Status::code`].
    pub statuses: &'a mut [u8],
    /// The weight of each user's grade in each item.
    pub weights: &'a mut [f64],
}

/// A column has another length than the number of users and items asks for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the column of {column} has {found} values, {expected} are expected")]
pub struct ColumnLengthError {
    /// The column's name.
    pub column: &'static str,
    /// How long it is.
    pub found: usize,
    /// How long it should be.
    pub expected: usize,
}

/// Aggregate the grades of all users of a batch, and return the bounds of the category's grade item for the next one.
///
/// The result is that of [`total`](super::total) for one active user after the other, with the bounds carried from each
/// to the next. Memory is allocated once, whatever the number of users.
///
/// # Errors
///
/// If a column is too long or too short; nothing is written then.
pub fn aggregate_batch(category: &Category, batch: &Batch, totals: &mut Totals) -> Result<Bounds, ColumnLengthError> {
    let Batch { users, items, grades, flags, minima, maxima, active } = *batch;
    let cells = users.saturating_mul(items.len());
    for (column, found, expected) in [
        ("grades", grades.len(), cells),
        ("flags", flags.len(), cells),
        ("minima", minima.len(), cells),
        ("maxima", maxima.len(), cells),
        ("active users", active.len(), users),
        ("total grades", totals.grades.len(), users),
        ("total minima", totals.minima.len(), users),
        ("total maxima", totals.maxima.len(), users),
        ("statuses", totals.statuses.len(), cells),
        ("weights", totals.weights.len(), cells),
    ] {
        if found != expected {
            return Err(ColumnLengthError { column, found, expected });
        }
    }

    totals.weights.fill(f64::NAN);
    totals.statuses.fill(Status::Unknown.code());
    let mut category = *category;
    let mut aggregation = Aggregation::new(items);
    for (user, active) in active.iter().enumerate() {
        let (mut grade, mut bounds) = (None, None);
        if *active != 0 {
            let read = |item: usize| {
                let cell = item * users + user;
                let points = match grades[cell] {
                    _ if flags[cell] & Batch::ROW == 0 => Grade::NoRow,
                    none if none.is_nan() => Grade::Empty,
                    points => Grade::Points(points),
                };
                (points, flags[cell] & Batch::EXCLUDED != 0, Bounds { min: minima[cell], max: maxima[cell] })
            };
            let outcome = aggregation.user(&category, read, |item, contribution| {
                let cell = item * users + user;
                totals.statuses[cell] = contribution.status.code();
                totals.weights[cell] = contribution.weight.unwrap_or(f64::NAN);
            });
            (grade, bounds) = (outcome.grade, outcome.bounds);
            category.bounds = outcome.carried;
        }
        totals.grades[user] = grade.unwrap_or(f64::NAN);
        totals.minima[user] = bounds.map_or(f64::NAN, |bounds| bounds.min);
        totals.maxima[user] = bounds.map_or(f64::NAN, |bounds| bounds.max);
    }
    Ok(category.bounds)
}
