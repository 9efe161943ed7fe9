//! The kernels against what Moodle's own PHP returned; the crate's README says how the vectors were made.
#![expect(clippy::unwrap_used, reason = "a vector file that cannot be read fails the test")]

use std::fs::File;
use std::io::BufReader;

use accel::grade::{
    Bounds, Category, Entry, Grade, Item, Kind, Limit, Method, Rounding, Status, limits_allowed, number, total,
};
use serde::Deserialize;
use serde::de::DeserializeOwned;

#[derive(Deserialize)]
struct Vectors {
    rounding: Vec<(f64, f64, f64, String)>,
    cases: Vec<Case>,
}

#[derive(Debug, Deserialize)]
struct Case {
    method: u8,
    droplow: usize,
    keephigh: usize,
    onlygraded: bool,
    bounds: (f64, f64),
    scale: bool,
    legacy: bool,
    headroom: Option<f64>,
    entries: Vec<RecordedEntry>,
    expected: Expected,
}

#[derive(Debug, Deserialize)]
struct RecordedEntry {
    item: (f64, f64),
    user: (f64, f64),
    coefficient: f64,
    weight: f64,
    overridden: bool,
    row: bool,
    grade: Option<f64>,
    excluded: bool,
}

#[derive(Debug, Deserialize)]
struct Expected {
    limits: bool,
    grade: Option<f64>,
    range: Option<(f64, f64)>,
    carried: (f64, f64),
    contributions: Vec<ExpectedContribution>,
}

#[derive(Debug, Deserialize)]
struct ExpectedContribution {
    status: String,
    weight: Option<f64>,
}

#[derive(Deserialize)]
struct RecordedRounding {
    php: String,
    cases: Vec<(f64, i64, f64)>,
}

/// Read a file of vectors, or the one that an environment variable names.
fn read<T: DeserializeOwned>(name: &str, variable: &str) -> T {
    let path = std::env::var_os(variable)
        .unwrap_or_else(|| format!("{}/tests/vectors/{name}", env!("CARGO_MANIFEST_DIR")).into());
    serde_json::from_reader(BufReader::new(File::open(path).unwrap())).unwrap()
}

fn vectors() -> Vectors {
    read("aggregation.json", "ACCEL_VECTORS")
}

fn rounding_of(php: &str) -> Rounding {
    let mut parts = php.split('.').map(|part| part.parse::<u32>().unwrap());
    Rounding::of_php(parts.next().unwrap() * 10_000 + parts.next().unwrap() * 100)
}

const fn bounds((min, max): (f64, f64)) -> Bounds {
    Bounds { min, max }
}

fn entry(recorded: &RecordedEntry) -> Entry {
    Entry {
        item: Item {
            bounds: bounds(recorded.item),
            coefficient: recorded.coefficient,
            weight: recorded.weight,
            weight_overridden: recorded.overridden,
        },
        bounds: bounds(recorded.user),
        grade: match recorded.grade {
            _ if !recorded.row => Grade::NoRow,
            None => Grade::Empty,
            Some(points) => Grade::Points(points),
        },
        excluded: recorded.excluded,
    }
}

fn status_name(status: Status) -> &'static str {
    match status {
        Status::Used => "used",
        Status::NoValue => "novalue",
        Status::Dropped => "dropped",
        Status::Extra => "extra",
        Status::Unknown => "unknown",
    }
}

#[test]
fn totals_bounds_weights_and_statuses_equal_moodles_to_the_last_bit() {
    let vectors = vectors();
    assert!(vectors.cases.len() >= 200);
    for (number, case) in vectors.cases.iter().enumerate() {
        let entries: Vec<Entry> = case.entries.iter().map(entry).collect();
        let items: Vec<Item> = entries.iter().map(|entry| entry.item).collect();
        let method = Method::try_from(case.method).unwrap();
        assert_eq!(limits_allowed(method, &items, false), case.expected.limits, "case {number}: {case:?}");
        let category = Category {
            method,
            limit: if case.expected.limits { Limit::from_settings(case.droplow, case.keephigh) } else { Limit::None },
            only_graded: case.onlygraded,
            kind: if case.scale { Kind::Scale } else { Kind::Value },
            bounds: bounds(case.bounds),
            headroom: case.headroom.unwrap_or(1.0),
            legacy_extra_credit: case.legacy,
            rounding: Rounding::PreRounded,
        };

        let total = total(&category, &entries);

        assert_eq!(total.grade, case.expected.grade, "grade of case {number}: {case:?}");
        assert_eq!(total.bounds, case.expected.range.map(bounds), "bounds of case {number}: {case:?}");
        assert_eq!(total.carried, bounds(case.expected.carried), "carried bounds of case {number}: {case:?}");
        for (found, expected) in total.contributions.iter().zip(&case.expected.contributions) {
            assert_eq!(status_name(found.status), expected.status, "status in case {number}: {case:?}");
            assert_eq!(found.weight, expected.weight, "weight in case {number}: {case:?}");
        }
        assert_eq!(total.contributions.len(), case.expected.contributions.len());
    }
}

#[test]
#[expect(clippy::float_cmp, reason = "the law is identity")]
fn rounding_and_string_casts_equal_those_of_php() {
    for (value, stored, whole, written) in vectors().rounding {
        assert_eq!(Rounding::PreRounded.stored(value), stored, "round({value:?}, 5)");
        assert_eq!(Rounding::PreRounded.whole(value), whole, "round({value:?})");
        assert_eq!(number::through_string(value), written.parse::<f64>().unwrap(), "(string){value:?}");
    }
}

#[test]
fn rounding_to_any_places_equals_that_of_each_php() {
    for (name, expected) in [("8.2", Rounding::PreRounded), ("8.4", Rounding::NearestEdge)] {
        let recorded: RecordedRounding =
            read(&format!("rounding-{name}.json"), &format!("ACCEL_ROUNDING_VECTORS_{}", name.replace('.', "_")));
        let rounding = rounding_of(&recorded.php);
        assert_eq!(rounding, expected, "PHP {}", recorded.php);
        assert!(recorded.cases.len() >= 300);
        for (value, places, rounded) in recorded.cases {
            let found = rounding.places(value, places).map(f64::to_bits);
            assert_eq!(found, Some(rounded.to_bits()), "round({value:?}, {places}) in PHP {}", recorded.php);
        }
    }
    assert_eq!(Rounding::PreRounded.places(1.5, 23), None);
    // Beside a whole number of this size there is no half, so the edge is the number itself.
    assert_eq!(Rounding::NearestEdge.whole(6_181_119_546_362_042.0).to_bits(), 6_181_119_546_362_042.0_f64.to_bits());
}
