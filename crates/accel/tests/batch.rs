//! Many users at once are one user after the other.
#![expect(clippy::unwrap_used, reason = "a batch that is refused fails the test")]

use accel::grade::{
    Batch, Bounds, Category, ColumnLengthError, Entry, Grade, Item, Kind, Limit, Method, Rounding, Status, Totals,
    aggregate_batch, total,
};
use proptest::collection::vec;
use proptest::prelude::*;

/// A course's category with the entries of each user; none for a user who is passed over.
#[derive(Clone, Debug)]
struct Case {
    category: Category,
    items: Vec<Item>,
    users: Vec<Option<Vec<Entry>>>,
}

/// The columns that a batch borrows, and those it is written to.
struct Columns {
    grades: Vec<f64>,
    flags: Vec<u8>,
    minima: Vec<f64>,
    maxima: Vec<f64>,
    active: Vec<u8>,
    total_grades: Vec<f64>,
    total_minima: Vec<f64>,
    total_maxima: Vec<f64>,
    statuses: Vec<u8>,
    weights: Vec<f64>,
}

impl Columns {
    fn of(case: &Case) -> Self {
        let (users, cells) = (case.users.len(), case.users.len() * case.items.len());
        let mut columns = Self {
            grades: vec![f64::NAN; cells],
            flags: vec![0; cells],
            minima: vec![f64::NAN; cells],
            maxima: vec![f64::NAN; cells],
            active: case.users.iter().map(|user| u8::from(user.is_some())).collect(),
            total_grades: vec![7.0; users],
            total_minima: vec![7.0; users],
            total_maxima: vec![7.0; users],
            statuses: vec![7; cells],
            weights: vec![7.0; cells],
        };
        for (user, entries) in case.users.iter().enumerate() {
            for (item, entry) in entries.iter().flatten().enumerate() {
                let cell = item * users + user;
                if let Grade::Points(points) = entry.grade {
                    columns.grades[cell] = points;
                }
                let row = if entry.grade == Grade::NoRow { 0 } else { Batch::ROW };
                columns.flags[cell] = row | if entry.excluded { Batch::EXCLUDED } else { 0 };
                (columns.minima[cell], columns.maxima[cell]) = (entry.bounds.min, entry.bounds.max);
            }
        }
        columns
    }

    fn aggregate(&mut self, category: &Category, items: &[Item]) -> Result<Bounds, ColumnLengthError> {
        let batch = Batch {
            users: self.active.len(),
            items,
            grades: &self.grades,
            flags: &self.flags,
            minima: &self.minima,
            maxima: &self.maxima,
            active: &self.active,
        };
        let mut totals = Totals {
            grades: &mut self.total_grades,
            minima: &mut self.total_minima,
            maxima: &mut self.total_maxima,
            statuses: &mut self.statuses,
            weights: &mut self.weights,
        };
        aggregate_batch(category, &batch, &mut totals)
    }
}

fn bits(value: Option<f64>) -> u64 {
    value.unwrap_or(f64::NAN).to_bits()
}

fn category() -> impl Strategy<Value = Category> {
    let limit = prop_oneof![
        3 => Just(Limit::None),
        1 => (1_usize..4).prop_map(Limit::DropLowest),
        1 => (1_usize..4).prop_map(Limit::KeepHighest),
    ];
    let bounds = prop::sample::select(vec![(0.0, 100.0), (0.0, 40.0), (5.0, 20.0), (1.0, 4.0), (0.0, 0.0)]);
    (prop::sample::select(&Method::ALL[..]), limit, any::<(bool, bool, bool, bool)>(), bounds).prop_map(
        |(method, limit, (only_graded, scale, legacy_extra_credit, over), (min, max))| Category {
            method,
            limit,
            only_graded,
            kind: if scale { Kind::Scale } else { Kind::Value },
            bounds: Bounds { min, max },
            headroom: if over { 10.0 } else { 1.0 },
            legacy_extra_credit,
            rounding: Rounding::NearestEdge,
        },
    )
}

fn item() -> impl Strategy<Value = Item> {
    let number = |values: &[f64]| prop::sample::select(values.to_vec());
    (number(&[10.0, 100.0, 33.33333]), number(&[0.0, 0.0, 1.0, 2.5, -1.0]), number(&[0.0, 0.2, 0.33333]), any::<bool>())
        .prop_map(|(max, coefficient, weight, weight_overridden)| Item {
            bounds: Bounds { min: 0.0, max },
            coefficient,
            weight,
            weight_overridden,
        })
}

/// Entries with rows come first, as `total` asks.
fn entries(items: Vec<Item>) -> impl Strategy<Value = Vec<Entry>> {
    let rows = 0..=items.len();
    let drawn = vec((prop_oneof![Just(None), (0_u32..5).prop_map(Some)], prop::bool::weighted(0.1)), items.len());
    (rows, drawn).prop_map(move |(rows, drawn)| {
        let entry = |(index, (item, (quarter, excluded))): (usize, (&Item, (Option<u32>, bool)))| Entry {
            item: *item,
            bounds: Bounds { min: 0.0, max: item.bounds.max + f64::from(quarter.unwrap_or_default() % 2) },
            grade: match quarter {
                _ if index >= rows => Grade::NoRow,
                None => Grade::Empty,
                Some(quarter) => Grade::Points(item.bounds.max * f64::from(quarter) / 3.0),
            },
            excluded,
        };
        items.iter().zip(drawn).enumerate().map(entry).collect()
    })
}

fn case() -> impl Strategy<Value = Case> {
    (category(), vec(item(), 0..12), 0_usize..6).prop_flat_map(|(category, items, users)| {
        let users = vec(prop::option::weighted(0.8, entries(items.clone())), users);
        users.prop_map(move |users| Case { category, items: items.clone(), users })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_batch_is_the_total_of_each_active_user_with_bounds_carried_on(case in case()) {
        let mut columns = Columns::of(&case);
        let carried = columns.aggregate(&case.category, &case.items).unwrap();

        let mut category = case.category;
        for (user, entries) in case.users.iter().enumerate() {
            let expected = entries.as_ref().map(|entries| total(&category, entries));
            let bounds = expected.as_ref().and_then(|total| total.bounds);
            prop_assert_eq!(columns.total_grades[user].to_bits(), bits(expected.as_ref().and_then(|total| total.grade)));
            prop_assert_eq!(columns.total_minima[user].to_bits(), bits(bounds.map(|bounds| bounds.min)));
            prop_assert_eq!(columns.total_maxima[user].to_bits(), bits(bounds.map(|bounds| bounds.max)));
            for item in 0..case.items.len() {
                let contribution = expected.as_ref().map(|total| total.contributions[item]);
                let cell = item * case.users.len() + user;
                prop_assert_eq!(columns.weights[cell].to_bits(), bits(contribution.and_then(|part| part.weight)));
                let status = contribution.map_or(Status::Unknown, |part| part.status);
                prop_assert_eq!(columns.statuses[cell], status.code());
            }
            if let Some(total) = expected {
                category.bounds = total.carried;
            }
        }
        prop_assert_eq!(carried, category.bounds);
    }
}

#[test]
fn a_column_of_another_length_is_refused_by_its_name() {
    let item = Item { bounds: Bounds { min: 0.0, max: 1.0 }, coefficient: 0.0, weight: 1.0, weight_overridden: false };
    let category = Category {
        method: Method::Natural,
        limit: Limit::None,
        only_graded: true,
        kind: Kind::Value,
        bounds: item.bounds,
        headroom: 1.0,
        legacy_extra_credit: false,
        rounding: Rounding::PreRounded,
    };
    let mut columns = Columns::of(&Case { category, items: vec![item; 2], users: vec![None; 3] });
    columns.weights.pop();
    let error = columns.aggregate(&category, &[item; 2]).unwrap_err();
    assert_eq!(error.to_string(), "the column of weights has 5 values, 6 are expected");
    assert_eq!(columns.statuses, [7; 6]);
}

#[test]
fn of_equal_grades_those_without_a_row_come_last() {
    let item = Item { bounds: Bounds { min: 0.0, max: 10.0 }, coefficient: 0.0, weight: 1.0, weight_overridden: false };
    let category = Category {
        method: Method::Lowest,
        limit: Limit::None,
        only_graded: false,
        kind: Kind::Value,
        bounds: item.bounds,
        headroom: 1.0,
        legacy_extra_credit: false,
        rounding: Rounding::PreRounded,
    };
    let entry = |grade| Entry { item, bounds: item.bounds, grade, excluded: false };
    let entries = vec![entry(Grade::NoRow), entry(Grade::Points(0.0)), entry(Grade::Points(5.0))];
    let mut columns = Columns::of(&Case { category, items: vec![item; 3], users: vec![Some(entries)] });
    columns.aggregate(&category, &[item; 3]).unwrap();
    assert_eq!(columns.weights, [0.0, 1.0, 0.0]);
}
