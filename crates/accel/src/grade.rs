//! Aggregation of grades in one grade category, for one user or for many.
//!
//! The rules are Moodle's: those of `grade_category::aggregate_grades`, `aggregate_values_and_adjust_bounds`,
//! `apply_limit_rules` and `can_apply_limit_rules`, `grade_item::bounded_grade` and `grade_grade::standardise_score`
//! in Moodle 5.1 (build 20251017). [`total`] does all of it for one user, [`aggregate_batch`] for many; [`aggregate`] is
//! their inner step, from grades normalised to 0..1 to one such grade.
//!
//! Results equal Moodle's bit for bit only because additions happen in Moodle's order: grades ascending, ties in the
//! order in which the rows came from the database. Users follow one another, as bounds are carried between them.
//! Moodle stores every total as a decimal with five places before the parent category reads it: round so between levels,
//! from the fourteen digits of [`number::through_string`]. Grades and bounds must be finite.

mod aggregate;
mod batch;
mod limit;
pub mod number;
mod total;

pub use aggregate::{Aggregate, Value, aggregate};
pub use batch::{Batch, ColumnLengthError, Totals, aggregate_batch};
pub use limit::{Limit, limits_allowed};
pub use number::Rounding;
pub use total::{Contribution, Entry, Grade, Status, Total, total};

/// How the grades of a category become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// The sum of the grades divided by their number.
    Mean,
    /// The middle grade, or the mean of the two in the middle.
    Median,
    /// The smallest grade.
    Lowest,
    /// The largest grade.
    Highest,
    /// The most frequent grade; of several, the largest.
    Mode,
    /// The mean weighted by each item's coefficient.
    WeightedMean,
    /// The mean weighted by each item's range, with extra credit.
    SimpleWeightedMean,
    /// The mean, with extra credit counted by each item's coefficient.
    MeanWithExtraCredit,
    /// The weighted sum of the grades over a maximum that adjusts to each user.
    Natural,
}

impl Method {
    /// All methods, by ascending code.
    pub const ALL: [Self; 9] = [
        Self::Mean,
        Self::Median,
        Self::Lowest,
        Self::Highest,
        Self::Mode,
        Self::WeightedMean,
        Self::SimpleWeightedMean,
        Self::MeanWithExtraCredit,
        Self::Natural,
    ];

    /// The number by which Moodle stores the method: its `GRADE_AGGREGATE_*` constant.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Mean => 0,
            Self::Median => 2,
            Self::Lowest => 4,
            Self::Highest => 6,
            Self::Mode => 8,
            Self::WeightedMean => 10,
            Self::SimpleWeightedMean => 11,
            Self::MeanWithExtraCredit => 12,
            Self::Natural => 13,
        }
    }

    /// Whether a positive coefficient makes an item extra credit.
    #[must_use]
    pub const fn uses_extra_credit(self) -> bool {
        matches!(self, Self::SimpleWeightedMean | Self::MeanWithExtraCredit | Self::Natural)
    }
}

/// The number is not the code of an aggregation method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not the code of an aggregation method: one of 0, 2, 4, 6, 8, 10, 11, 12 and 13 is expected")]
pub struct UnknownMethodError(pub u8);

impl TryFrom<u8> for Method {
    type Error = UnknownMethodError;

    fn try_from(code: u8) -> Result<Self, Self::Error> {
        Self::ALL.into_iter().find(|method| method.code() == code).ok_or(UnknownMethodError(code))
    }
}

/// The smallest and the largest grade of an item.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds {
    /// Moodle's `grademin`.
    pub min: f64,
    /// Moodle's `grademax`.
    pub max: f64,
}

/// A grade item as its category sees it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Item {
    /// The item's own bounds.
    pub bounds: Bounds,
    /// Moodle's `aggregationcoef`: the weight in a weighted mean, extra credit where [`Method::uses_extra_credit`].
    pub coefficient: f64,
    /// Moodle's `aggregationcoef2`: the weight in natural aggregation.
    pub weight: f64,
    /// Moodle's `weightoverride`: whether a person set [`Item::weight`].
    pub weight_overridden: bool,
}

/// How a category's own grade is shown, which decides how it is bounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A number.
    Value,
    /// A scale, by the rank of its item.
    Scale,
}

/// A category: its settings, and the grade item that carries its total.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Category {
    /// How grades are aggregated.
    pub method: Method,
    /// Which grades are left out. See [`limits_allowed`] for when Moodle ignores this.
    pub limit: Limit,
    /// Moodle's `aggregateonlygraded`: leave empty grades out rather than count them as zero.
    pub only_graded: bool,
    /// Kind of the category's grade item.
    pub kind: Kind,
    /// Bounds of the category's grade item as they stand. Moodle changes them with each user it computes, and extra
    /// credit is bounded by what the user before left: pass [`Total::carried`] on.
    pub bounds: Bounds,
    /// How many times the maximum a total may reach: 1, or `gradeoverhundredprocentmax` on sites with unlimited grades.
    pub headroom: f64,
    /// Whether natural weights follow the rules from before MDL-49257, as in courses whose
    /// `gradebook_calculations_freeze` is 20150619 or earlier.
    pub legacy_extra_credit: bool,
    /// How the PHP rounds that is to be equalled, which matters for scales.
    pub rounding: Rounding,
}

impl Category {
    fn is_extra_credit(&self, item: &Item) -> bool {
        self.method.uses_extra_credit() && item.coefficient > 0.0
    }

    /// Bound `grade` as the category's grade item with `bounds` does.
    fn bound(&self, grade: f64, bounds: Bounds) -> f64 {
        match self.kind {
            Kind::Value => number::clamp(grade, Bounds { min: bounds.min, max: bounds.max * self.headroom }),
            Kind::Scale => number::clamp(self.rounding.whole(grade + 0.00001), bounds).trunc() + 0.0,
        }
    }
}
