use std::cmp::Ordering;

use super::{Category, Item, Method};

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

/// A grade on its way through sorting and limiting.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate {
    /// The normalised grade.
    pub grade: f64,
    /// The place in the order in which Moodle holds the grades, which decides between equal ones.
    pub place: usize,
    /// The index of its item.
    pub item: usize,
}

/// Order by grade as PHP's numeric sort does: equal grades keep their places.
pub(super) fn sort_ascending(candidates: &mut [Candidate]) {
    candidates.sort_unstable_by(|left, right| by_grade(left, right).then(left.place.cmp(&right.place)));
}

fn by_grade(left: &Candidate, right: &Candidate) -> Ordering {
    left.grade.partial_cmp(&right.grade).unwrap_or(Ordering::Equal)
}

/// Remove what the category's limit leaves out. The rest is sorted ascending.
pub(super) fn apply(category: &Category, items: &[Item], candidates: &mut Vec<Candidate>) {
    match category.limit {
        Limit::None => sort_ascending(candidates),
        Limit::DropLowest(count) => {
            sort_ascending(candidates);
            for _ in 0..count {
                let Some(index) = lowest_droppable(category, items, candidates) else { break };
                candidates.remove(index);
            }
        }
        Limit::KeepHighest(count) => {
            candidates.sort_unstable_by(|left, right| by_grade(right, left).then(left.place.cmp(&right.place)));
            let mut kept = 0;
            candidates.retain(|candidate| {
                let extra = category.is_extra_credit(&items[candidate.item]);
                kept += usize::from(!extra);
                extra || kept <= count
            });
            sort_ascending(candidates);
        }
    }
}

/// Of the lowest grades that are not extra credit, the first with the highest maximum. `candidates` are sorted.
#[expect(clippy::float_cmp, reason = "Moodle compares grades exactly")]
fn lowest_droppable(category: &Category, items: &[Item], candidates: &[Candidate]) -> Option<usize> {
    let droppable = |candidate: &Candidate| !category.is_extra_credit(&items[candidate.item]);
    let first = candidates.iter().position(droppable)?;
    let lowest = candidates[first].grade;
    let ties = candidates.iter().enumerate().skip(first).take_while(|(_, candidate)| candidate.grade == lowest);
    ties.filter(|(_, candidate)| droppable(candidate))
        .map(|(index, candidate)| (index, items[candidate.item].bounds.max))
        .reduce(|best, next| if best.1 < next.1 { next } else { best })
        .map(|(index, _)| index)
}
