//! The C functions for grades, called as C calls them.

use std::ptr::{null, null_mut};

use accel_ffi::grade::{AccelCategory, accel_grade_aggregate, accel_grade_evaluate};
use accel_ffi::status::{AccelStatus, accel_last_error};

const MEAN: AccelCategory = AccelCategory {
    min: 0.0,
    max: 100.0,
    headroom: 1.0,
    drop_low: 1,
    keep_high: 0,
    php_version: 80_200,
    method: 0,
    only_graded: 1,
    scale: 0,
    legacy_extra_credit: 0,
};

fn bytes(values: &[f64]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_ne_bytes()).collect()
}

fn last_error() -> String {
    let mut buffer = [0_u8; 200];
    // SAFETY: the buffer can be written for its length.
    let length = unsafe { accel_last_error(buffer.as_mut_ptr().cast(), buffer.len()) };
    String::from_utf8_lossy(&buffer[..length.min(buffer.len())]).into_owned()
}

/// Three items of two users, the second one passed over; each column begins `shift` bytes into its memory.
struct Call {
    category: AccelCategory,
    shift: usize,
    columns: [Vec<u8>; 6],
    totals: [f64; 6],
    statuses: [u8; 6],
    weights: [f64; 6],
}

impl Call {
    fn new(shift: usize) -> Self {
        let columns = [
            bytes(&[0.0, 100.0, 0.0, 0.0, 0.0].repeat(3)),
            bytes(&[80.0, 1.0, 20.0, 1.0, 60.0, 1.0]),
            vec![1; 6],
            bytes(&[0.0; 6]),
            bytes(&[100.0; 6]),
            vec![1, 0],
        ];
        let columns = columns.map(|column| [vec![0xff; shift], column].concat());
        Self { category: MEAN, shift, columns, totals: [7.0; 6], statuses: [7; 6], weights: [7.0; 6] }
    }

    fn call(&mut self, users: usize) -> i32 {
        let parts = self.columns.each_ref().map(|column| {
            let part = &column[self.shift..];
            (part.as_ptr().cast(), part.len())
        });
        let [items, grades, flags, minima, maxima, active] = parts;
        // SAFETY: every column can be read for its length; the output has room for two users and three items.
        unsafe {
            accel_grade_aggregate(
                &raw mut self.category,
                users,
                items.0,
                items.1,
                grades.0,
                grades.1,
                flags.0,
                flags.1,
                minima.0,
                minima.1,
                maxima.0,
                maxima.1,
                active.0,
                active.1,
                self.totals.as_mut_ptr(),
                self.statuses.as_mut_ptr(),
                self.weights.as_mut_ptr(),
            )
        }
    }
}

#[test]
fn columns_are_aggregated_wherever_they_lie_in_memory() {
    for shift in 0..8 {
        let mut call = Call::new(shift);
        assert_eq!(call.call(2), AccelStatus::Ok as i32, "{}", last_error());
        assert_eq!((call.totals[0], call.totals[2], call.totals[4]), (70.0, 0.0, 100.0));
        assert!([1, 3, 5].iter().all(|index| call.totals[*index].is_nan() && call.weights[*index].is_nan()));
        assert_eq!(call.statuses, [1, 0, 3, 0, 1, 0]);
        assert_eq!((call.weights[0], call.weights[2], call.weights[4]), (0.5, 0.0, 0.5));
        assert_eq!((call.category.min, call.category.max), (0.0, 100.0));
    }
}

#[test]
fn arguments_that_do_not_fit_are_refused_with_the_reason() {
    let mut wrong_users = Call::new(0);
    assert_eq!(wrong_users.call(1), AccelStatus::BadArgument as i32);
    assert_eq!(last_error(), "the column of grades has 6 values, 3 are expected");

    let mut half_a_double = Call::new(0);
    half_a_double.columns[3].pop();
    assert_eq!(half_a_double.call(2), AccelStatus::BadArgument as i32);
    assert_eq!(last_error(), "minima has 47 bytes, which is no number of doubles");

    let mut half_an_item = Call::new(0);
    half_an_item.columns[0].truncate(8);
    assert_eq!(half_an_item.call(2), AccelStatus::BadArgument as i32);
    assert_eq!(last_error(), "items has 1 values, which is not a multiple of 5");

    let mut unknown_method = Call::new(0);
    unknown_method.category.method = 1;
    assert_eq!(unknown_method.call(2), AccelStatus::BadArgument as i32);
    assert!(last_error().starts_with("1 is not the code of an aggregation method"));

    let mut too_many = Call::new(0);
    assert_eq!(too_many.call(usize::MAX), AccelStatus::BadArgument as i32);
    assert_eq!(last_error(), format!("{} users are too many", usize::MAX));
}

#[test]
fn null_is_refused_where_there_must_be_something() {
    let nothing = || (null(), 0);
    let (items, grades, flags, minima, maxima, active) =
        (nothing(), nothing(), nothing(), nothing(), nothing(), nothing());
    let aggregate = |category: *mut AccelCategory, users| {
        // SAFETY: NULL is allowed, and there are no items.
        unsafe {
            accel_grade_aggregate(
                category,
                users,
                items.0,
                items.1,
                grades.0,
                grades.1,
                flags.0,
                flags.1,
                minima.0,
                minima.1,
                maxima.0,
                maxima.1,
                active.0,
                active.1,
                null_mut(),
                null_mut(),
                null_mut(),
            )
        }
    };
    let mut category = MEAN;
    assert_eq!(aggregate(null_mut(), 0), AccelStatus::NullPointer as i32);
    assert_eq!(aggregate(&raw mut category, 0), AccelStatus::Ok as i32);
    assert_eq!(aggregate(&raw mut category, 1), AccelStatus::NullPointer as i32);
    assert_eq!(last_error(), "totals is NULL");
}

/// Evaluate a calculation of gi1 and gi2 for three users.
fn evaluate(calculation: &str, columns: &[f64]) -> (i32, [f64; 3], [u8; 3]) {
    let (variables, columns, active) = ("gi1,gi2", bytes(columns), [1_u8; 3]);
    let (mut results, mut failed) = ([7.0; 3], [7; 3]);
    // SAFETY: what is read can be read for its length, and both outputs have room for three users.
    let status = unsafe {
        accel_grade_evaluate(
            calculation.as_ptr().cast(),
            calculation.len(),
            variables.as_ptr().cast(),
            variables.len(),
            80_400,
            3,
            columns.as_ptr().cast(),
            columns.len(),
            active.as_ptr().cast(),
            active.len(),
            results.as_mut_ptr(),
            failed.as_mut_ptr(),
        )
    };
    (status, results, failed)
}

#[test]
fn calculations_are_evaluated_or_left_to_php() {
    let columns = [1.0, f64::NAN, 3.0, 2.0, 2.0, 0.0];
    assert_eq!(evaluate("=gi1/gi2", &columns), (0, [0.5, 0.0, 0.0], [0, 0, 1]));
    for calculation in ["=gi1%gi2", "=asinh(gi1)", "=gi1+", "gi1"] {
        assert_eq!(evaluate(calculation, &columns).0, AccelStatus::LeftToPhp as i32, "{calculation}");
    }
    assert_eq!(evaluate("=gi1", &columns[1..]).0, AccelStatus::BadArgument as i32);
    assert_eq!(last_error(), "columns has 5 values, 6 are expected");
}
