//! Formulas against what Moodle's own `calc_formula` returned, and the rules that surprise.
#![expect(clippy::unwrap_used, reason = "a vector file that cannot be read fails the test")]

use std::fs::File;
use std::io::BufReader;

use accel::formula::{Error, Formula};
use accel::grade::Rounding;
use serde::Deserialize;

#[derive(Deserialize)]
struct Recorded {
    variables: Vec<String>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    calculation: String,
    columns: Vec<Vec<Option<f64>>>,
    results: Vec<Outcome>,
}

/// A number, `false` for a failure, or a word: what is no number in JSON, or `raises` where PHP throws.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(untagged)]
enum Outcome {
    Number(f64),
    Failure(bool),
    Word(String),
}

impl Outcome {
    fn of(number: f64, failed: u8) -> Self {
        match number {
            _ if failed != 0 => Self::Failure(false),
            number if number.is_nan() => Self::Word("nan".into()),
            number if number.is_infinite() => Self::Word(if number > 0.0 { "inf" } else { "-inf" }.into()),
            number => Self::Number(number),
        }
    }

    fn bits(&self) -> Option<u64> {
        match self {
            Self::Number(number) => Some(number.to_bits()),
            _ => None,
        }
    }
}

/// Evaluate for one user; none where it is left to PHP.
fn evaluate(formula: &Formula, rounding: Rounding, values: &[Option<f64>]) -> Option<Outcome> {
    let columns: Vec<f64> = values.iter().map(|value| value.unwrap_or(f64::NAN)).collect();
    let (mut result, mut failed) = ([0.0], [0]);
    formula.evaluate(rounding, &columns, &[1], &mut result, &mut failed).ok()?;
    Some(Outcome::of(result[0], failed[0]))
}

fn number(calculation: &str) -> f64 {
    let formula = Formula::compile(calculation, &[]).unwrap();
    let Some(Outcome::Number(number)) = evaluate(&formula, Rounding::PreRounded, &[]) else { panic!("{calculation}") };
    number
}

#[test]
fn results_equal_moodles_to_the_last_bit() {
    for (name, rounding) in [("8.2", Rounding::PreRounded), ("8.4", Rounding::NearestEdge)] {
        let path = format!("{}/tests/vectors/formula-{name}.json", env!("CARGO_MANIFEST_DIR"));
        let recorded: Recorded = serde_json::from_reader(BufReader::new(File::open(path).unwrap())).unwrap();
        let variables: Vec<&str> = recorded.variables.iter().map(String::as_str).collect();
        let (mut compared, mut left_to_php) = (0, 0);
        for case in &recorded.cases {
            let formula = match Formula::compile(&case.calculation, &variables) {
                Err(Error::Unsupported(_)) => continue,
                formula => formula.unwrap(),
            };
            for (user, expected) in case.results.iter().enumerate() {
                let values: Vec<Option<f64>> = case.columns.iter().map(|column| column[user]).collect();
                let found = evaluate(&formula, rounding, &values);
                match found {
                    None if *expected == Outcome::Word("raises".into()) => {}
                    None => left_to_php += 1,
                    Some(found) => {
                        assert_eq!(&found, expected, "{} of {values:?}", case.calculation);
                        assert_eq!(found.bits(), expected.bits(), "sign of zero: {} of {values:?}", case.calculation);
                    }
                }
                compared += 1;
            }
        }
        assert!(compared >= 1000 && left_to_php * 100 < compared, "{compared}, {left_to_php}");
    }
}

#[test]
#[expect(clippy::float_cmp, reason = "these are exact")]
fn precedence_and_types_are_those_of_evalmath() {
    assert_eq!(number("=-2^2"), -4.0);
    assert_eq!(number("=2^3^2"), 512.0);
    assert_eq!(number("=1+2>2"), 1.0, "comparisons bind tightest: 1+(2>2)");
    assert_eq!(number("=2>-3*4"), 4.0, "(2>-3)*4");
    assert_eq!(number("=if(0.0,1,2)"), 1.0, "a written 0.0 is a text that is not 0");
    assert_eq!(number("=if(0.0+0,1,2)"), 2.0);
    assert_eq!(number("=9007199254740993-9007199254740992"), 1.0, "whole numbers stay whole");
    assert_eq!(number("=-7%3"), -1.0);
    assert_eq!(number("=(-9223372036854775807-1)%-1"), 0.0, "no overflow");
    assert_eq!(number("=MAX(1, 2 ,PI())"), std::f64::consts::PI);
}

#[test]
fn what_evalmath_rejects_is_malformed_and_chance_is_left_to_php() {
    for calculation in [
        "1",
        "=",
        "=1 2",
        "=2(3)",
        "=1+",
        "=(1",
        "=1)",
        "=max()",
        "=sin()",
        "=sin(1,2)",
        "=pi(-)",
        "=f(1)",
        "=1=1",
        "=gi1;2",
        "=_1",
        "=é",
    ] {
        let error = Formula::compile(calculation, &["gi1"]).unwrap_err();
        assert!(matches!(error, Error::Malformed(_)), "{calculation}: {error}");
    }
    for calculation in ["=rand_int(1,2)", "=rand_float()", "=asinh(1)", "=9223372036854775808", "=1e19"] {
        let error = Formula::compile(calculation, &[]).unwrap_err();
        assert!(matches!(error, Error::Unsupported(_)), "{calculation}: {error}");
    }
}

#[test]
fn only_the_first_failure_of_a_user_counts_and_users_passed_over_do_not_stop_the_others() {
    let formula = Formula::compile("=1/gi1+1%gi2", &["gi1", "gi2"]).unwrap();
    let columns = [0.0, 1.0, 2.0, 0.0, 0.0, 3.0];
    let (mut results, mut failed) = ([9.0; 3], [9; 3]);
    let error = formula.evaluate(Rounding::PreRounded, &columns, &[1, 1, 1], &mut results, &mut failed).unwrap_err();
    assert_eq!(error.user, 1);
    formula.evaluate(Rounding::PreRounded, &columns, &[1, 0, 1], &mut results, &mut failed).unwrap();
    assert_eq!((results[2].to_bits(), failed), (1.5_f64.to_bits(), [1, 1, 0]));
}
