//! Totals of a grade category and calculated grades, for many users at once.
//!
//! Columns are arrays of doubles or of bytes, one item or variable after the other, each with one value for each user.
//! Those that come in are passed as bytes, so that PHP can pass its strings without a copy. NaN stands for no value.

use std::ffi::c_char;
use std::slice;
use std::str;

use accel::formula::Formula;
use accel::grade::{Batch, Bounds, Category, Item, Kind, Limit, Method, Rounding, Totals, aggregate_batch};

use crate::argument;
use crate::status::{AccelStatus, Failure, guard};

/// How many doubles describe an item.
const ITEM_FIELDS: usize = 5;

/// A grade category, and the bounds of its grade item. A byte that is not 0 means yes.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct AccelCategory {
    /// The minimum of the category's grade item, as the user before left it; after the call, as the last user leaves it.
    pub min: f64,
    /// The maximum, likewise.
    pub max: f64,
    /// How many times the maximum a total may reach.
    pub headroom: f64,
    /// How many of the lowest grades are left out.
    pub drop_low: u32,
    /// How many of the highest grades are kept if none are dropped; 0 for all.
    pub keep_high: u32,
    /// The `PHP_VERSION_ID` of the PHP whose rounding is to be equalled.
    pub php_version: u32,
    /// Moodle's `GRADE_AGGREGATE_*` number.
    pub method: u8,
    /// Whether empty grades are left out.
    pub only_graded: u8,
    /// Whether the category's grade item is a scale.
    pub scale: u8,
    /// Whether natural weights follow the rules of 20150619 and before.
    pub legacy_extra_credit: u8,
}

/// Aggregate the grades of `users` users in a category, and carry its bounds on.
///
/// `items` has five doubles for each item: minimum, maximum, coefficient, weight, and 1 or 0 for an overridden weight.
/// `grades`, `minima` and `maxima` have a double for each item and user, `flags` a byte: 1 for a row, 2 for excluded, 3
/// for both. `active` has a byte for each user, 0 for one who is passed over. Lengths are in bytes.
///
/// What Moodle writes comes out: `totals` has the total of each user, then the minimum of each, then the maximum of each;
/// `statuses` has a byte for each item and user, 0 unknown, 1 used, 2 novalue, 3 dropped, 4 extra; `weights` a double.
///
/// # Safety
/// `category` must be valid for reads and writes. `items`, `grades`, `flags`, `minima`, `maxima` and `active` must be
/// valid for reads of their lengths. With n items, which is the length of `items` divided by 40, `totals` must be valid for
/// writes of 3 * `users` doubles, `statuses` of n * `users` bytes and `weights` of n * `users` doubles.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn accel_grade_aggregate(
    category: *mut AccelCategory,
    users: usize,
    items: *const c_char,
    items_length: usize,
    grades: *const c_char,
    grades_length: usize,
    flags: *const c_char,
    flags_length: usize,
    minima: *const c_char,
    minima_length: usize,
    maxima: *const c_char,
    maxima_length: usize,
    active: *const c_char,
    active_length: usize,
    totals: *mut f64,
    statuses: *mut u8,
    weights: *mut f64,
) -> i32 {
    guard(|| {
        // SAFETY: the caller promises that `category` can be read and written, and that nothing else uses it meanwhile.
        let parameters = unsafe { argument::exclusive("category", category) }?;
        // SAFETY: the caller promises that each of these can be read for its length.
        let (items, grades, flags, minima, maxima, active) = unsafe {
            (
                doubles("items", items, items_length)?,
                doubles("grades", grades, grades_length)?,
                argument::bytes("flags", flags, flags_length)?,
                doubles("minima", minima, minima_length)?,
                doubles("maxima", maxima, maxima_length)?,
                argument::bytes("active", active, active_length)?,
            )
        };
        let items = items_of(&items)?;
        let cells = product(users, items.len())?;
        // SAFETY: the caller promises that these can be written for these numbers of values.
        let (totals, statuses, weights) = unsafe {
            (
                output("totals", totals, product(users, 3)?)?,
                output("statuses", statuses, cells)?,
                output("weights", weights, cells)?,
            )
        };
        let (total_grades, bounds) = totals.split_at_mut(users);
        let (total_minima, total_maxima) = bounds.split_at_mut(users);
        let batch = Batch { users, items: &items, grades: &grades, flags, minima: &minima, maxima: &maxima, active };
        let mut totals = Totals { grades: total_grades, minima: total_minima, maxima: total_maxima, statuses, weights };
        let carried = aggregate_batch(&category_of(parameters)?, &batch, &mut totals)
            .map_err(|error| Failure::of(AccelStatus::BadArgument, &error))?;
        (parameters.min, parameters.max) = (carried.min, carried.max);
        Ok(())
    })
}

/// Evaluate a calculation of Moodle's formula language for `users` users.
///
/// `calculation` begins with an equals sign. `variables` are names with a comma between them; `columns` has a double for
/// each variable and user, NaN for no grade. `active` has a byte for each user, 0 for one who is passed over.
/// `php_version` is the `PHP_VERSION_ID` of the PHP whose results are to be equalled. Lengths are in bytes.
///
/// `results` gets the result of each user; the byte of a user in `failed` becomes 1 if there is none, else 0. The status is
/// `ACCEL_STATUS_LEFT_TO_PHP` if the calculation is malformed, if its results would not surely equal PHP's, or if PHP would
/// throw for an active user: the buffers then hold nothing of use.
///
/// # Safety
/// `calculation`, `variables`, `columns` and `active` must be valid for reads of their lengths, `results` for writes of
/// `users` doubles and `failed` for writes of `users` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn accel_grade_evaluate(
    calculation: *const c_char,
    calculation_length: usize,
    variables: *const c_char,
    variables_length: usize,
    php_version: u32,
    users: usize,
    columns: *const c_char,
    columns_length: usize,
    active: *const c_char,
    active_length: usize,
    results: *mut f64,
    failed: *mut u8,
) -> i32 {
    guard(|| {
        // SAFETY: the caller promises that each of these can be read for its length.
        let (calculation, variables, columns, active) = unsafe {
            (
                text("calculation", calculation, calculation_length)?,
                text("variables", variables, variables_length)?,
                doubles("columns", columns, columns_length)?,
                argument::bytes("active", active, active_length)?,
            )
        };
        let variables: Vec<&str> = variables.split_terminator(',').collect();
        expect_length("columns", columns.len(), product(users, variables.len())?)?;
        expect_length("active", active.len(), users)?;
        // SAFETY: the caller promises that both can be written for `users` values.
        let (results, failed) = unsafe { (output("results", results, users)?, output("failed", failed, users)?) };

        let left_to_php = |error: &dyn std::error::Error| Failure::of(AccelStatus::LeftToPhp, error);
        let formula = Formula::compile(calculation, &variables).map_err(|error| left_to_php(&error))?;
        let rounding = Rounding::of_php(php_version);
        formula.evaluate(rounding, &columns, active, results, failed).map_err(|error| left_to_php(&error))
    })
}

fn bad_argument(message: String) -> Failure {
    Failure::new(AccelStatus::BadArgument, message)
}

fn product(left: usize, right: usize) -> Result<usize, Failure> {
    left.checked_mul(right).ok_or_else(|| bad_argument(format!("{left} users are too many")))
}

fn expect_length(name: &str, found: usize, expected: usize) -> Result<(), Failure> {
    if found == expected {
        Ok(())
    } else {
        Err(bad_argument(format!("{name} has {found} values, {expected} are expected")))
    }
}

fn category_of(parameters: &AccelCategory) -> Result<Category, Failure> {
    Ok(Category {
        method: Method::try_from(parameters.method).map_err(|error| Failure::of(AccelStatus::BadArgument, &error))?,
        limit: Limit::from_settings(count(parameters.drop_low), count(parameters.keep_high)),
        only_graded: parameters.only_graded != 0,
        kind: if parameters.scale == 0 { Kind::Value } else { Kind::Scale },
        bounds: Bounds { min: parameters.min, max: parameters.max },
        headroom: parameters.headroom,
        legacy_extra_credit: parameters.legacy_extra_credit != 0,
        rounding: Rounding::of_php(parameters.php_version),
    })
}

fn count(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn items_of(fields: &[f64]) -> Result<Vec<Item>, Failure> {
    let (items, rest) = fields.as_chunks::<ITEM_FIELDS>();
    if !rest.is_empty() {
        return Err(bad_argument(format!(
            "items has {} values, which is not a multiple of {ITEM_FIELDS}",
            fields.len()
        )));
    }
    let item = |&[min, max, coefficient, weight, overridden]: &[f64; ITEM_FIELDS]| Item {
        bounds: Bounds { min, max },
        coefficient,
        weight,
        weight_overridden: overridden != 0.0,
    };
    Ok(items.iter().map(item).collect())
}

/// Doubles that the caller passed as bytes: in their place if they are aligned there, else copied.
enum Doubles<'a> {
    Borrowed(&'a [f64]),
    Copied(Vec<f64>),
}

impl std::ops::Deref for Doubles<'_> {
    type Target = [f64];

    fn deref(&self) -> &[f64] {
        match self {
            Self::Borrowed(doubles) => doubles,
            Self::Copied(doubles) => doubles,
        }
    }
}

/// Return the doubles whose `length` bytes are at `data`.
///
/// # Safety
/// As for [`argument::bytes`].
unsafe fn doubles<'a>(name: &str, data: *const c_char, length: usize) -> Result<Doubles<'a>, Failure> {
    // SAFETY: the caller's promise is the same.
    let bytes = unsafe { argument::bytes(name, data, length) }?;
    let (values, rest) = bytes.as_chunks::<{ size_of::<f64>() }>();
    if !rest.is_empty() {
        return Err(bad_argument(format!("{name} has {length} bytes, which is no number of doubles")));
    }
    // SAFETY: every pattern of eight bytes is a double.
    let (before, aligned, _) = unsafe { bytes.align_to::<f64>() };
    Ok(if before.is_empty() && aligned.len() == values.len() {
        Doubles::Borrowed(aligned)
    } else {
        Doubles::Copied(values.iter().map(|value| f64::from_ne_bytes(*value)).collect())
    })
}

/// Return the text of `length` bytes at `data`.
///
/// # Safety
/// As for [`argument::bytes`].
unsafe fn text<'a>(name: &str, data: *const c_char, length: usize) -> Result<&'a str, Failure> {
    // SAFETY: the caller's promise is the same.
    let bytes = unsafe { argument::bytes(name, data, length) }?;
    str::from_utf8(bytes).map_err(|error| Failure::new(AccelStatus::LeftToPhp, format!("{name}: {error}")))
}

/// Return the caller's `count` values at `data`, for writing; they are set to 0 first, as they may be uninitialised.
///
/// # Safety
/// If `data` isn't NULL it must be aligned and valid for writes of `count` values that nothing else uses during `'a`. All
/// zero bytes must be a valid `T`.
unsafe fn output<'a, T: Copy>(name: &str, data: *mut T, count: usize) -> Result<&'a mut [T], Failure> {
    if count == 0 {
        return Ok(&mut []);
    }
    if data.is_null() {
        return Err(Failure::new(AccelStatus::NullPointer, format!("{name} is NULL")));
    }
    if count.checked_mul(size_of::<T>()).is_none_or(|bytes| isize::try_from(bytes).is_err()) {
        return Err(bad_argument(format!("{name} cannot have {count} values")));
    }
    if !data.is_aligned() {
        return Err(bad_argument(format!("{name} is not aligned")));
    }
    // SAFETY: not NULL, aligned, not larger than any object can be, valid for writes by the caller's promise, and
    // initialised by the first of the two.
    unsafe {
        data.write_bytes(0, count);
        Ok(slice::from_raw_parts_mut(data, count))
    }
}
