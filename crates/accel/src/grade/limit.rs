use std::cmp::Ordering;

use super::{Category, Item, Method, Value};

/// Which grades of a category are left out before it is aggregated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// All grades count.
    None,
    /// The given number of lowest grades is left out; extra credit never is.
    DropLowest(usize),
    /// Only the given number of highest grades counts, and all extra credit.
    KeepHighest(usize),
}

impl Limit {
    /// The limit that Moodle applies for these two settings: dropping comes before keeping, zero means unset.
    #[must_use]
    pub const fn from_settings(drop_low: usize, keep_high: usize) -> Self {
        match (drop_low, keep_high) {
            (0, 0) => Self::None,
            (0, keep) => Self::KeepHighest(keep),
            (drop, _) => Self::DropLowest(drop),
        }
    }
}

/// Whether Moodle applies a category's limit at all.
///
/// Natural aggregation drops and keeps only among items of equal weight and equal maximum, without extra credit and
/// without subcategories. `items` are all immediate children of the category.
#[must_use]
#[expect(clippy::float_cmp, reason = "Moodle compares weights and maxima exactly")]
pub fn limits_allowed(method: Method, items: &[Item], has_subcategories: bool) -> bool {
    method != Method::Natural
        || !has_subcategories
            && items.iter().all(|item| item.coefficient <= 0.0)
            && items.windows(2).all(|pair| pair[0].weight == pair[1].weight && pair[0].bounds.max == pair[1].bounds.max)
}

/// Order by grade as PHP's numeric sort does: equal grades keep their places.
pub(super) fn sort_ascending<T>(entries: &mut [(T, Value)]) {
    entries.sort_by(|(_, left), (_, right)| ascending(left, right));
}

fn ascending(left: &Value, right: &Value) -> Ordering {
    left.grade.partial_cmp(&right.grade).unwrap_or(Ordering::Equal)
}

/// Remove what the category's limit leaves out. The rest stays in an order that differs from the one before only
/// between unequal grades.
pub(super) fn apply<T>(category: &Category, entries: &mut Vec<(T, Value)>) {
    match category.limit {
        Limit::None => {}
        Limit::DropLowest(count) => {
            sort_ascending(entries);
            for _ in 0..count {
                let Some(index) = lowest_droppable(category, entries) else { break };
                entries.remove(index);
            }
        }
        Limit::KeepHighest(count) => {
            entries.sort_by(|(_, left), (_, right)| ascending(right, left));
            let mut kept = 0;
            entries.retain(|(_, value)| {
                let extra = category.is_extra_credit(&value.item);
                kept += usize::from(!extra);
                extra || kept <= count
            });
        }
    }
}

/// Of the lowest grades that are not extra credit, the first with the highest maximum. `entries` are sorted.
#[expect(clippy::float_cmp, reason = "Moodle compares grades exactly")]
fn lowest_droppable<T>(category: &Category, entries: &[(T, Value)]) -> Option<usize> {
    let droppable = |value: &Value| !category.is_extra_credit(&value.item);
    let first = entries.iter().position(|(_, value)| droppable(value))?;
    let lowest = entries[first].1.grade;
    let ties = entries.iter().enumerate().skip(first).take_while(|(_, (_, value))| value.grade == lowest);
    ties.filter(|(_, (_, value))| droppable(value))
        .reduce(|best, next| if best.1.1.item.bounds.max < next.1.1.item.bounds.max { next } else { best })
        .map(|(index, _)| index)
}
