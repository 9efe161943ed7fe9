#![expect(clippy::float_cmp, reason = "Moodle compares grades, weights and sums exactly")]
#![expect(clippy::cast_precision_loss, reason = "a category has far fewer than 2^53 items")]

use super::number::{alike, standardise, through_string};
use super::{Bounds, Category, Item, Method};

/// The scale of normalised grades.
pub(super) const UNIT: Bounds = Bounds { min: 0.0, max: 1.0 };

/// A grade that takes part in an aggregation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Value {
    /// The grade, normalised to 0..1 over its bounds. It may lie outside when the grade did.
    pub grade: f64,
    /// The item graded.
    pub item: Item,
    /// The item's bounds for this user.
    pub bounds: Bounds,
}

/// What an aggregation yields.
#[derive(Clone, Debug, PartialEq)]
pub struct Aggregate {
    /// The category's grade, normalised to 0..1 over [`Aggregate::bounds`], if the method finds one.
    pub grade: Option<f64>,
    /// The category's bounds for this user. Natural aggregation adjusts them.
    pub bounds: Bounds,
    /// The share of each value in the grade, in the order of the values; none where Moodle records no weight.
    pub weights: Vec<Option<f64>>,
}

/// Aggregate `values`, which must be ascending by grade.
///
/// No values give no grade.
#[must_use]
pub fn aggregate(category: &Category, values: &[Value]) -> Aggregate {
    let mut weights = vec![None; values.len()];
    let (grade, bounds) = aggregate_into(category, values, &mut weights);
    Aggregate { grade, bounds, weights }
}

/// Like [`aggregate`], but write the weights into `weights`, which holds one none for each value.
pub(super) fn aggregate_into(
    category: &Category,
    values: &[Value],
    weights: &mut [Option<f64>],
) -> (Option<f64>, Bounds) {
    if values.is_empty() {
        return (None, category.bounds);
    }
    let grade = match category.method {
        Method::Mean => Some(mean(values, weights)),
        Method::Median => Some(median(values, weights)),
        Method::Lowest => Some(single(values, weights, 0)),
        Method::Highest => Some(single(values, weights, values.len() - 1)),
        Method::Mode => Some(mode(values, weights)),
        Method::WeightedMean => weighted_mean(values, weights),
        Method::SimpleWeightedMean => simple_weighted_mean(category, values, weights),
        Method::MeanWithExtraCredit => mean_with_extra_credit(category, values, weights),
        Method::Natural => {
            let (grade, bounds) = natural(category, values, weights);
            return (Some(grade), bounds);
        }
    };
    (grade, category.bounds)
}

fn mean(values: &[Value], weights: &mut [Option<f64>]) -> f64 {
    let count = values.len() as f64;
    weights.fill(Some(1.0 / count));
    values.iter().fold(0.0, |sum, value| sum + value.grade) / count
}

fn median(values: &[Value], weights: &mut [Option<f64>]) -> f64 {
    let middle = values.len() / 2;
    if values.len() % 2 == 1 {
        return single(values, weights, middle);
    }
    weights.fill(Some(0.0));
    weights[middle - 1..=middle].fill(Some(0.5));
    f64::midpoint(values[middle - 1].grade, values[middle].grade)
}

fn single(values: &[Value], weights: &mut [Option<f64>], index: usize) -> f64 {
    weights.fill(Some(0.0));
    weights[index] = Some(1.0);
    values[index].grade
}

/// Grades count as equal when PHP writes them alike, and the mode is the number that was written: a grade with more
/// digits than that shares in no weight.
fn mode(values: &[Value], weights: &mut [Option<f64>]) -> f64 {
    let (mut top, mut mode) = (0, 0.0);
    for run in values.chunk_by(|left, right| alike(left.grade, right.grade)) {
        if run.len() >= top {
            (top, mode) = (run.len(), run[0].grade);
        }
    }
    let mode = through_string(mode);
    for (weight, value) in weights.iter_mut().zip(values) {
        *weight = Some(if value.grade == mode { 1.0 / top as f64 } else { 0.0 });
    }
    mode
}

fn weighted_mean(values: &[Value], weights: &mut [Option<f64>]) -> Option<f64> {
    let (mut total, mut sum) = (0.0, 0.0);
    for Value { grade, item, .. } in values.iter().filter(|value| value.item.coefficient > 0.0) {
        total += item.coefficient;
        sum += item.coefficient * grade;
    }
    let divisor = if total == 0.0 { 1.0 } else { total };
    for (weight, value) in weights.iter_mut().zip(values) {
        *weight = Some(value.item.coefficient / divisor);
    }
    (total != 0.0).then(|| sum / total)
}

fn simple_weighted_mean(category: &Category, values: &[Value], weights: &mut [Option<f64>]) -> Option<f64> {
    let range = |item: &Item| item.bounds.max - item.bounds.min;
    weights.fill(Some(0.0));
    let mut sum = None;
    let mut total = 0.0;
    for Value { grade, item, .. } in values.iter().filter(|value| value.item.coefficient <= 0.0) {
        let range = range(item);
        if range > 0.0 {
            total += range;
            sum = Some(sum.unwrap_or_default() + range * grade);
        }
    }
    for (weight, Value { grade, item, .. }) in weights.iter_mut().zip(values) {
        let range = range(item);
        if item.coefficient > 0.0 {
            if range > 0.0 {
                let before = sum.unwrap_or_default();
                let after = before + range * grade;
                sum = Some(after);
                if total > 0.0 {
                    *weight = Some(extra_weight(category, before / total, after / total, *grade, range / total));
                }
            }
        } else if total > 0.0 {
            *weight = Some(range / total);
        }
    }
    sum.map(|sum| if total == 0.0 { sum } else { sum / total })
}

fn mean_with_extra_credit(category: &Category, values: &[Value], weights: &mut [Option<f64>]) -> Option<f64> {
    let mut sum = None;
    let mut count = 0.0;
    for value in values.iter().filter(|value| value.item.coefficient == 0.0) {
        count += 1.0;
        sum = Some(sum.unwrap_or_default() + value.grade);
    }
    for (weight, Value { grade, item, .. }) in weights.iter_mut().zip(values) {
        if item.coefficient > 0.0 {
            let before = sum.unwrap_or_default();
            let after = before + item.coefficient * grade;
            sum = Some(after);
            if count > 0.0 {
                *weight = Some(extra_weight(category, before / count, after / count, *grade, 1.0 / count));
            }
        } else if item.coefficient == 0.0 {
            *weight = Some(1.0 / count);
        }
    }
    sum.map(|sum| if count == 0.0 { sum } else { sum / count })
}

/// The weight of an extra credit `grade` that moves the category from `before` to `after` (both normalised): nothing
/// if bounding swallows it, a part if bounding cuts it, `default` otherwise.
fn extra_weight(category: &Category, before: f64, after: f64, grade: f64, default: f64) -> f64 {
    let bounds = category.bounds;
    let before = standardise(before, UNIT, bounds);
    let after = standardise(after, UNIT, bounds);
    let bounded = category.bound(after, bounds);
    if bounded - category.bound(before, bounds) <= 0.0 {
        0.0
    } else if bounded < after {
        standardise(bounded - before, bounds, UNIT) / grade
    } else {
        default
    }
}

fn natural(category: &Category, values: &[Value], weights: &mut [Option<f64>]) -> (f64, Bounds) {
    let mut bounds = natural_shares(values, category.legacy_extra_credit, weights);
    let mut sum = 0.0;
    for (value, share) in values.iter().zip(&*weights).filter(|(value, _)| value.item.coefficient <= 0.0) {
        sum += value.grade * share.unwrap_or_default() * bounds.max;
    }
    for (value, weight) in values.iter().zip(weights) {
        if value.item.coefficient <= 0.0 {
            continue;
        }
        let before = sum;
        let points = value.grade * weight.unwrap_or_default() * bounds.max;
        sum += points;
        if bounds.max > 0.0 {
            let gain = category.bound(sum, category.bounds) - category.bound(before, category.bounds);
            if gain <= 0.0 {
                *weight = Some(0.0);
            } else if gain < points {
                *weight = Some(gain / (value.grade * bounds.max));
            }
        }
    }
    let grade = if bounds.max > 0.0 {
        sum / bounds.max
    } else {
        bounds.max = sum;
        sum
    };
    (grade, bounds)
}

/// Return the category's bounds in natural aggregation, and write each value's share.
///
/// The weights that people set are scaled up to what is left in the category, the other items divide the rest by
/// their maxima, and extra credit is measured against the maximum that results.
fn natural_shares(values: &[Value], legacy_extra_credit: bool, shares: &mut [Option<f64>]) -> Bounds {
    let is_extra = |value: &Value| value.item.coefficient > 0.0;
    let counts = |value: &Value| legacy_extra_credit || !is_extra(value);
    shares.fill(Some(0.0));
    let mut bounds = Bounds { min: 0.0, max: 0.0 };
    let mut total_weight = 0.0;
    for value in values.iter().filter(|value| !is_extra(value) && value.item.weight > 0.0) {
        bounds.min += value.bounds.min;
        bounds.max += value.bounds.max;
        total_weight += value.item.weight;
    }

    let (mut set_share, mut set_points) = (0.0, 0.0);
    for (share, value) in shares.iter_mut().zip(values) {
        if value.item.weight_overridden && value.item.weight > 0.0 {
            let scaled = if total_weight == 0.0 { 0.0 } else { value.item.weight / total_weight };
            *share = Some(scaled);
            if counts(value) {
                set_share += scaled;
                set_points += value.bounds.max;
            }
        }
    }

    let free_points = bounds.max - set_points;
    for (share, value) in shares.iter_mut().zip(values) {
        if !value.item.weight_overridden && counts(value) {
            if free_points > 0.0 {
                *share = Some((value.bounds.max / free_points) * (1.0 - set_share));
            } else if value.item.weight > 0.0 {
                bounds.max -= value.bounds.max;
            }
        }
    }

    for (share, value) in shares.iter_mut().zip(values) {
        if !value.item.weight_overridden && !counts(value) {
            *share = Some(if bounds.max == 0.0 { 0.0 } else { value.bounds.max / bounds.max });
        }
    }
    bounds
}
