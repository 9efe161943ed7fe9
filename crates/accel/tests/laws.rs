//! Laws that hold for any grades.
#![expect(clippy::float_cmp, reason = "these laws are about identity")]

use accel::grade::{
    Bounds, Category, Entry, Grade, Item, Kind, Limit, Method, Rounding, Status, Value, aggregate, number, total,
};
use proptest::collection::vec;
use proptest::prelude::*;

const HUNDRED: Bounds = Bounds { min: 0.0, max: 100.0 };

fn category(method: Method, limit: Limit) -> Category {
    Category {
        method,
        limit,
        only_graded: true,
        kind: Kind::Value,
        bounds: HUNDRED,
        headroom: 1.0,
        legacy_extra_credit: false,
        rounding: Rounding::PreRounded,
    }
}

fn any_method() -> impl Strategy<Value = Method> {
    prop::sample::select(&Method::ALL[..])
}

/// The mode gives no weight to grades that differ from it in their last digits.
fn method_with_full_weights() -> impl Strategy<Value = Method> {
    let methods: Vec<_> = Method::ALL.into_iter().filter(|method| *method != Method::Mode).collect();
    prop::sample::select(methods)
}

fn method_without_weights() -> impl Strategy<Value = Method> {
    prop::sample::select(&Method::ALL[..5])
}

/// Entries of one maximum and one weight, so that limits apply to every method; some share their grade, some are empty.
fn entries() -> impl Strategy<Value = Vec<Entry>> {
    let grade = prop_oneof![
        1 => Just(Grade::Empty),
        2 => (0_i32..=4).prop_map(|quarter| Grade::Points(f64::from(quarter) * 25.0)),
        3 => (0.0..=100.0).prop_map(Grade::Points),
    ];
    let item = Item { bounds: HUNDRED, coefficient: 0.0, weight: 0.125, weight_overridden: false };
    let entry = grade.prop_map(move |grade| Entry { item, bounds: HUNDRED, grade, excluded: false });
    vec(entry, 1..15)
}

fn values() -> impl Strategy<Value = Vec<Value>> {
    vec((0.0..=1.0, 1.0..50.0, 0.5..4.0), 1..20).prop_map(|mut drawn| {
        drawn.sort_by(|left: &(f64, f64, f64), right| left.0.total_cmp(&right.0));
        drawn
            .into_iter()
            .map(|(grade, max, coefficient)| {
                let bounds = Bounds { min: 0.0, max };
                let item = Item { bounds, coefficient, weight: 0.25, weight_overridden: false };
                Value { grade, item, bounds }
            })
            .collect()
    })
}

fn without_extra_credit(method: Method, mut values: Vec<Value>) -> Vec<Value> {
    if method.uses_extra_credit() {
        for value in &mut values {
            value.item.coefficient = 0.0;
        }
    }
    values
}

proptest! {
    #[test]
    fn an_aggregate_lies_between_the_lowest_and_the_highest_grade(method in any_method(), values in values()) {
        let values = without_extra_credit(method, values);
        let grade = aggregate(&category(method, Limit::None), &values).grade;
        let (lowest, highest) = (values[0].grade, values[values.len() - 1].grade);
        prop_assert!(grade.is_some_and(|grade| lowest - 1e-9 <= grade && grade <= highest + 1e-9), "{grade:?}");
    }

    #[test]
    fn the_weights_of_ordinary_items_sum_to_one(method in method_with_full_weights(), values in values()) {
        let values = without_extra_credit(method, values);
        let weights = aggregate(&category(method, Limit::None), &values).weights;
        let sum: f64 = weights.into_iter().flatten().sum();
        prop_assert!((sum - 1.0).abs() < 1e-9, "{sum}");
    }

    #[test]
    fn the_weighted_sum_of_the_grades_is_the_aggregate(method in method_with_full_weights(), values in values()) {
        let values = without_extra_credit(method, values);
        let result = aggregate(&category(method, Limit::None), &values);
        let sum: f64 = values.iter().zip(&result.weights).filter_map(|(value, weight)| Some(value.grade * (*weight)?)).sum();
        prop_assert!(result.grade.is_some_and(|grade| (grade - sum).abs() < 1e-9), "{result:?}");
    }

    #[test]
    fn the_order_of_equally_weighted_entries_does_not_change_a_bit_of_the_total(
        method in method_without_weights(),
        (entries, shuffled) in entries().prop_flat_map(|entries| (Just(entries.clone()), Just(entries).prop_shuffle())),
    ) {
        let category = category(method, Limit::None);
        prop_assert_eq!(total(&category, &entries).grade, total(&category, &shuffled).grade);
    }

    #[test]
    fn dropping_none_and_keeping_all_leave_the_total_as_it_is(method in any_method(), entries in entries()) {
        let all = total(&category(method, Limit::None), &entries);
        prop_assert_eq!(Limit::from_settings(0, 0), Limit::None);
        prop_assert_eq!(&total(&category(method, Limit::DropLowest(0)), &entries), &all);
        prop_assert_eq!(&total(&category(method, Limit::KeepHighest(entries.len())), &entries), &all);
    }

    #[test]
    fn keeping_the_highest_is_dropping_all_others(method in any_method(), entries in entries(), keep in 1_usize..15) {
        let graded = entries.iter().filter(|entry| entry.grade != Grade::Empty).count();
        let kept = total(&category(method, Limit::KeepHighest(keep)), &entries).grade;
        let dropped = total(&category(method, Limit::DropLowest(graded.saturating_sub(keep))), &entries).grade;
        prop_assert_eq!(kept, dropped);
    }

    #[test]
    fn dropping_one_more_of_the_lowest_never_lowers_a_mean(entries in entries(), drop in 0_usize..14) {
        let mean = |limit| total(&category(Method::Mean, limit), &entries).grade;
        if let Some(less) = mean(Limit::DropLowest(drop + 1)) {
            prop_assert!(mean(Limit::DropLowest(drop)).is_some_and(|more| more <= less + 1e-9));
        }
    }

    #[test]
    fn an_excluded_entry_counts_as_if_it_were_not_there(
        method in any_method(), entries in entries(), chosen in any::<prop::sample::Index>(),
    ) {
        let category = category(method, Limit::None);
        let chosen = chosen.index(entries.len());
        let mut without = entries.clone();
        without.remove(chosen);
        let mut excluding = entries;
        excluding[chosen].excluded = true;
        prop_assert_eq!(total(&category, &excluding).grade, total(&category, &without).grade);
    }

    #[test]
    fn empty_grades_count_as_zero_only_where_they_are_not_left_out(method in any_method(), entries in entries()) {
        prop_assume!(entries.iter().any(|entry| entry.grade != Grade::Empty));
        let counting = Category { only_graded: false, ..category(method, Limit::None) };
        let mut zeroed = entries.clone();
        for entry in zeroed.iter_mut().filter(|entry| entry.grade == Grade::Empty) {
            entry.grade = Grade::Points(0.0);
        }
        prop_assert_eq!(total(&counting, &entries), total(&counting, &zeroed));
        let statuses = total(&category(method, Limit::None), &entries).contributions;
        for (entry, contribution) in entries.iter().zip(statuses) {
            prop_assert_eq!(entry.grade == Grade::Empty, contribution.status == Status::NoValue);
        }
    }

    #[test]
    fn a_total_never_leaves_its_bounds(method in any_method(), entries in entries(), coefficient in 0.0..4.0) {
        let entries: Vec<_> = entries
            .into_iter()
            .map(|entry| Entry { item: Item { coefficient, ..entry.item }, ..entry })
            .collect();
        let total = total(&category(method, Limit::None), &entries);
        if let (Some(grade), Some(bounds)) = (total.grade, total.bounds) {
            prop_assert!(bounds.min <= grade && grade <= bounds.max, "{grade} in {bounds:?}");
        }
    }

    #[test]
    fn rounding_twice_is_rounding_once_and_moves_at_most_half_a_step(value in -1e6..1e6) {
        let rounded = Rounding::PreRounded.stored(value);
        prop_assert_eq!(Rounding::PreRounded.stored(rounded), rounded);
        prop_assert!((rounded - value).abs() <= 0.000_005_001);
        prop_assert_eq!(Rounding::PreRounded.stored(-value), -rounded);
    }

    #[test]
    fn standardising_there_and_back_is_almost_identity(grade in -50.0..150.0, max in 1.0..1000.0) {
        let bounds = Bounds { min: -3.0, max };
        let there = number::standardise(grade, HUNDRED, bounds);
        prop_assert!((number::standardise(there, bounds, HUNDRED) - grade).abs() < 1e-9);
    }
}

#[test]
fn every_method_is_found_by_its_code_and_no_other_code_is_one() {
    for code in 0..=u8::MAX {
        match Method::try_from(code) {
            Ok(method) => assert_eq!(method.code(), code),
            Err(error) => {
                assert!(Method::ALL.iter().all(|method| method.code() != code));
                assert!(error.to_string().starts_with(&code.to_string()));
            }
        }
    }
}

#[test]
fn dropping_comes_before_keeping() {
    assert_eq!(Limit::from_settings(2, 3), Limit::DropLowest(2));
    assert_eq!(Limit::from_settings(0, 3), Limit::KeepHighest(3));
}

#[test]
fn a_category_without_values_has_no_grade() {
    for method in Method::ALL {
        let category = category(method, Limit::None);
        assert_eq!(aggregate(&category, &[]).grade, None);
        assert_eq!(total(&category, &[]).grade, None);
    }
}

#[test]
fn grades_that_php_writes_alike_are_one_mode() {
    let item = Item { bounds: HUNDRED, coefficient: 0.0, weight: 0.0, weight_overridden: false };
    let values = [0.1, 0.3, 0.1 + 0.2, 0.9].map(|grade| Value { grade, item, bounds: HUNDRED });
    let result = aggregate(&category(Method::Mode, Limit::None), &values);
    assert_eq!(result.grade, Some(0.3));
    assert_eq!(result.weights, [Some(0.0), Some(0.5), Some(0.0), Some(0.0)]);
}
