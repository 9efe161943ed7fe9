#![expect(clippy::cast_precision_loss, reason = "PHP converts whole numbers to doubles so")]

use std::cmp::Ordering;

/// The smallest double that PHP does not convert to a whole number as it is.
const INT_LIMIT: f64 = 9_223_372_036_854_775_808.0;

/// A number with the type that PHP gives it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Number {
    Int(i64),
    Float(f64),
}

/// A number, and whether it stands in the text: PHP takes such a one as a string where it asks whether it is true.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Value {
    Computed(Number),
    Written { number: Number, is_true: bool },
}

impl Value {
    pub(super) const fn number(self) -> Number {
        match self {
            Self::Computed(number) | Self::Written { number, .. } => number,
        }
    }

    pub(super) fn is_true(self) -> bool {
        match self {
            Self::Computed(Number::Int(int)) => int != 0,
            Self::Computed(Number::Float(float)) => float != 0.0,
            Self::Written { is_true, .. } => is_true,
        }
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Computed(Number::from(value))
    }
}

impl From<bool> for Number {
    fn from(value: bool) -> Self {
        Self::Int(i64::from(value))
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.partial_cmp(other) == Some(Ordering::Equal)
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        match (*self, *other) {
            (Self::Int(left), Self::Int(right)) => Some(left.cmp(&right)),
            (left, right) => left.float().partial_cmp(&right.float()),
        }
    }
}

impl Number {
    pub(super) const fn float(self) -> f64 {
        match self {
            Self::Int(int) => int as f64,
            Self::Float(float) => float,
        }
    }

    /// The whole number that PHP takes for a parameter of that type; none where it throws.
    #[expect(clippy::cast_possible_truncation, reason = "PHP truncates, and the range is checked")]
    pub(super) fn whole(self) -> Option<i64> {
        match self {
            Self::Int(int) => Some(int),
            Self::Float(float) => (-INT_LIMIT..INT_LIMIT).contains(&float).then_some(float as i64),
        }
    }

    /// The whole number that PHP's integer operators take: they wrap around.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "PHP truncates and wraps around")]
    fn wrapped(self) -> i64 {
        self.whole().unwrap_or_else(|| {
            let float = self.float();
            if !float.is_finite() {
                return 0;
            }
            let modulus = 2.0 * INT_LIMIT;
            let remainder = float.trunc() % modulus;
            ((if remainder < 0.0 { remainder + modulus } else { remainder }) as u64).cast_signed()
        })
    }

    fn combine(self, other: Self, ints: fn(i64, i64) -> Option<i64>, floats: fn(f64, f64) -> f64) -> Self {
        if let (Self::Int(left), Self::Int(right)) = (self, other)
            && let Some(result) = ints(left, right)
        {
            return Self::Int(result);
        }
        Self::Float(floats(self.float(), other.float()))
    }

    pub(super) fn add(self, other: Self) -> Self {
        self.combine(other, i64::checked_add, |left, right| left + right)
    }

    pub(super) fn subtract(self, other: Self) -> Self {
        self.combine(other, i64::checked_sub, |left, right| left - right)
    }

    pub(super) fn multiply(self, other: Self) -> Self {
        self.combine(other, i64::checked_mul, |left, right| left * right)
    }

    /// A quotient of whole numbers is whole if it can be.
    pub(super) fn divide(self, other: Self) -> Self {
        let exact =
            |left: i64, right: i64| (left.checked_rem(right) == Some(0)).then(|| left.checked_div(right)).flatten();
        self.combine(other, exact, |left, right| left / right)
    }

    /// The remainder of the whole numbers, none modulo zero.
    pub(super) fn modulo(self, other: Self) -> Option<Self> {
        match other.wrapped() {
            0 => None,
            -1 => Some(Self::Int(0)),
            divisor => Some(Self::Int(self.wrapped() % divisor)),
        }
    }

    /// A power of whole numbers is whole until it overflows; from there on PHP goes on with doubles.
    pub(super) fn power(self, exponent: Self) -> Self {
        match (self, exponent) {
            (Self::Int(base), Self::Int(exponent @ 0..)) => int_power(base, exponent),
            _ => Self::Float(self.float().powf(exponent.float())),
        }
    }
}

fn int_power(base: i64, exponent: i64) -> Number {
    if exponent > 0 && base == 0 {
        return Number::Int(0);
    }
    let (mut result, mut base, mut exponent) = (1_i64, base, exponent);
    while exponent > 0 {
        if exponent % 2 == 1 {
            exponent -= 1;
            let Some(product) = result.checked_mul(base) else {
                return Number::Float(result as f64 * base as f64 * (base as f64).powf(exponent as f64));
            };
            result = product;
        } else {
            exponent /= 2;
            let Some(square) = base.checked_mul(base) else {
                return Number::Float(result as f64 * (base as f64 * base as f64).powf(exponent as f64));
            };
            base = square;
        }
    }
    Number::Int(result)
}
