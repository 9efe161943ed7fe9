//! The arithmetic of PHP 8.2 and of Moodle's helpers, on doubles.

use super::Bounds;

/// Significant digits of a double in PHP's string casts (`precision` in php.ini, by default).
const STRING_DIGITS: usize = 14;

/// The powers of ten that a double holds exactly and that rounding needs.
const POWERS_OF_TEN: [f64; 21] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
];

/// Map `grade` linearly from `source` to `target`.
///
/// A source or target without width gives the target's maximum.
#[must_use]
#[expect(clippy::float_cmp, reason = "Moodle compares the bounds exactly")]
pub fn standardise(grade: f64, source: Bounds, target: Bounds) -> f64 {
    if source.max == source.min || target.min == target.max {
        return target.max;
    }
    let factor = (grade - source.min) / (source.max - source.min);
    factor * (target.max - target.min) + target.min
}

/// Return `grade` held within `bounds`; if they are reversed and `grade` is below both, the minimum.
#[must_use]
pub fn clamp(grade: f64, bounds: Bounds) -> f64 {
    if grade < bounds.min {
        bounds.min
    } else if grade > bounds.max {
        bounds.max
    } else {
        grade
    }
}

/// Round to the five decimals of a stored grade, as Moodle's `grade_floatval` does under PHP 8.2.
///
/// `round()` in that version rounds twice, half away from zero: first to the fifteen digits that a double holds, then
/// to the places asked for, so that a decimal which falls just below a half in binary goes up. PHP 8.4 has another
/// algorithm, which this is not.
#[must_use]
pub fn round_stored(value: f64) -> f64 {
    round(value, 5)
}

/// Round to a whole number, as `round()` does under PHP 8.2.
#[must_use]
pub fn round_whole(value: f64) -> f64 {
    round(value, 0)
}

fn round(value: f64, places: usize) -> f64 {
    if !value.is_finite() || value == 0.0 {
        return value;
    }
    let shifted = match exact_places(value) {
        Some(exact) if exact > places && exact < places + 15 => {
            round_half_away(value * POWERS_OF_TEN[exact]) / POWERS_OF_TEN[exact - places]
        }
        _ => value * POWERS_OF_TEN[places],
    };
    if shifted.abs() >= 1e15 { value } else { round_half_away(shifted) / POWERS_OF_TEN[places] }
}

/// How many decimals of `value` are among its first fifteen digits, unless it has more digits before the point.
#[expect(clippy::cast_possible_truncation, reason = "the decimal exponent of a double is at most 308")]
fn exact_places(value: f64) -> Option<usize> {
    usize::try_from(14 - value.abs().log10().floor() as i32).ok()
}

fn round_half_away(value: f64) -> f64 {
    if value >= 0.0 { (value + 0.5).floor() } else { (value - 0.5).ceil() }
}

/// Return the double that PHP reads back after casting `value` to a string, which has 14 significant digits.
///
/// Grades that PHP writes alike give the same double; zero has one sign.
#[must_use]
pub fn through_string(value: f64) -> f64 {
    format!("{value:.*e}", STRING_DIGITS - 1).parse::<f64>().map_or(value, |read| read + 0.0)
}
