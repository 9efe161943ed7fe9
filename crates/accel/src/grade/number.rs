//! The arithmetic of PHP and of Moodle's helpers, on doubles.

use std::fmt::Write;

use super::Bounds;

/// Significant digits of a double in PHP's string casts (`precision` in php.ini, by default).
const STRING_DIGITS: usize = 14;

/// Doubles that are further apart than this, relative to their size, differ in those digits.
const STRING_RESOLUTION: f64 = 1e-12;

/// The powers of ten that a double holds exactly.
const POWERS_OF_TEN: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
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

/// How `round()` works, which PHP 8.4 changed. Both round half away from zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounding {
    /// PHP up to 8.3: first to the fifteen digits that a double holds, then to the places asked for, so that a decimal
    /// which falls just below a half in binary goes up.
    PreRounded,
    /// PHP from 8.4: a value goes up if it is at least the double that is nearest to the half.
    NearestEdge,
}

impl Rounding {
    /// The rounding of a version of PHP, given as `PHP_VERSION_ID`.
    #[must_use]
    pub const fn of_php(version_id: u32) -> Self {
        if version_id < 80_400 { Self::PreRounded } else { Self::NearestEdge }
    }

    /// Round to the five decimals of a stored grade, as Moodle's `grade_floatval` does.
    #[must_use]
    pub fn stored(self, value: f64) -> f64 {
        self.at(value, 5)
    }

    /// Round to a whole number.
    #[must_use]
    pub fn whole(self, value: f64) -> f64 {
        self.at(value, 0)
    }

    /// Round to `places` decimals, or to a power of ten if negative; none beyond 22 places, where PHP works on strings.
    #[must_use]
    pub fn places(self, value: f64, places: i64) -> Option<f64> {
        let places = i32::try_from(places).ok().filter(|places| places.unsigned_abs() < 23)?;
        Some(self.at(value, places))
    }

    fn at(self, value: f64, places: i32) -> f64 {
        if !value.is_finite() || value == 0.0 {
            return value;
        }
        match self {
            Self::PreRounded => pre_rounded(value, places),
            Self::NearestEdge => nearest_edge(value, places),
        }
    }
}

fn pre_rounded(value: f64, places: i32) -> f64 {
    let exact = exact_places(value);
    let shifted = if exact > places && exact - 15 < places {
        let exact = exact.max(-60);
        round_half_away(shift(value, exact)) / power_of_ten(exact - places)
    } else {
        let shifted = shift(value, places);
        if shifted.abs() >= 1e15 {
            return value;
        }
        shifted
    };
    if shifted.abs() >= 1e15 { value } else { unshift(round_half_away(shifted), places) }
}

#[expect(clippy::float_cmp, reason = "PHP compares exactly")]
fn nearest_edge(value: f64, places: i32) -> f64 {
    let shifted = shift(value, places).trunc();
    let away = shifted + 1.0_f64.copysign(value);
    let whole = if unshift(away, places) == value { away } else { shifted };
    if whole.abs() >= 1e16 || places == 0 && whole == value {
        return value;
    }
    let edge = unshift(whole + 0.5_f64.copysign(value), places);
    unshift(if value.abs() >= edge.abs() { whole + 1.0_f64.copysign(value) } else { whole }, places)
}

/// How many decimals of `value` are among its first fifteen digits; negative if it has more digits before the point.
#[expect(clippy::cast_possible_truncation, reason = "the decimal exponent of a double is at most 324")]
fn exact_places(value: f64) -> i32 {
    14 - value.abs().log10().floor() as i32
}

fn power_of_ten(exponent: i32) -> f64 {
    let exponent = exponent.unsigned_abs();
    POWERS_OF_TEN.get(exponent as usize).copied().unwrap_or_else(|| 10.0_f64.powf(f64::from(exponent)))
}

fn shift(value: f64, places: i32) -> f64 {
    if places >= 0 { value * power_of_ten(places) } else { value / power_of_ten(places) }
}

fn unshift(value: f64, places: i32) -> f64 {
    if places > 0 { value / power_of_ten(places) } else { value * power_of_ten(places) }
}

fn round_half_away(value: f64) -> f64 {
    if value >= 0.0 { (value + 0.5).floor() } else { (value - 0.5).ceil() }
}

/// Return the double that PHP reads back after casting `value` to a string, which has 14 significant digits.
///
/// Grades that PHP writes alike give the same double; zero has one sign.
#[must_use]
pub fn through_string(value: f64) -> f64 {
    let mut written = Written { bytes: [0; 32], length: 0 };
    if write!(written, "{value:.*e}", STRING_DIGITS - 1).is_err() {
        return value;
    }
    std::str::from_utf8(&written.bytes[..written.length])
        .ok()
        .and_then(|text| text.parse::<f64>().ok())
        .map_or(value, |read| read + 0.0)
}

/// Whether PHP writes two doubles alike.
#[must_use]
#[expect(clippy::float_cmp, reason = "both sides stand for strings")]
pub(super) fn alike(left: f64, right: f64) -> bool {
    left == right
        || (left - right).abs() <= STRING_RESOLUTION * left.abs().max(right.abs())
            && through_string(left) == through_string(right)
}

/// A double as text, on the stack.
struct Written {
    bytes: [u8; 32],
    length: usize,
}

impl Write for Written {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let end = self.length + text.len();
        self.bytes.get_mut(self.length..end).ok_or(std::fmt::Error)?.copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}
