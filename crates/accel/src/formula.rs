//! Moodle's formula language: compiled once, evaluated for many users.
//!
//! The language is that of `calc_formula` and `EvalMath` in Moodle 5.1 (build 20251017), in which comparisons bind tighter
//! than arithmetic, all branches of `if` are evaluated, and numbers keep the types that PHP gives them: whole numbers
//! stay whole until they overflow, and a number that stands in the text is true unless it is written `0`.
//! Results equal PHP's bit for bit. The transcendental functions are those of the C library that the crate is linked to,
//! as they are in PHP; what cannot be equalled is an [`Error`] and left to PHP.

mod parse;
mod value;

use crate::grade::Rounding;
use value::{Number, Value};

/// A calculation that cannot be compiled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// `EvalMath` rejects it.
    #[error("the calculation is malformed at character {0}")]
    Malformed(usize),
    /// It uses something whose result would not surely equal PHP's.
    #[error("the calculation uses {0}, which is left to PHP")]
    Unsupported(&'static str),
}

/// For some user PHP does not fail, but stops with an exception or works on strings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the calculation of user {user} is left to PHP")]
pub struct LeftToPhpError {
    /// The place of the user in the columns.
    pub user: usize,
}

/// A compiled calculation.
#[derive(Clone, Debug, PartialEq)]
pub struct Formula {
    program: Vec<Instruction>,
    variables: usize,
}

/// One step of a program in postfix order.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Instruction {
    Push(Value),
    Variable(usize),
    /// A name without a value: the calculation fails.
    Undefined,
    Negate,
    Binary(Operator),
    Function(Function),
    Average(usize),
    Sum(usize),
    Max(usize),
    Min(usize),
    And(usize),
    Or(usize),
    If,
    Round(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    Power,
    Less,
    Greater,
    LessOrEqual,
    GreaterOrEqual,
    Equal,
}

/// A function of one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Function {
    Sin,
    Sinh,
    Asin,
    Cos,
    Cosh,
    Acos,
    Tan,
    Tanh,
    Atan,
    Sqrt,
    Abs,
    Log,
    Exp,
    Floor,
    Ceil,
}

/// Why a calculation gives no number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    /// It fails, as Moodle says with `false`.
    Failure,
    /// PHP would throw, or work on strings.
    LeftToPhp,
}

impl Formula {
    /// Compile a calculation, given with its equals sign, over the named variables.
    ///
    /// # Errors
    ///
    /// If `EvalMath` rejects it, or if its result might differ from PHP's.
    pub fn compile(calculation: &str, variables: &[&str]) -> Result<Self, Error> {
        Ok(Self { program: parse::parse(calculation, variables)?, variables: variables.len() })
    }

    /// How many variables there are, so how many columns [`Formula::evaluate`] takes.
    #[must_use]
    pub const fn variables(&self) -> usize {
        self.variables
    }

    /// Evaluate the calculation for each user, into `results`: NaN may be a result, `failed` says where there is none.
    ///
    /// `columns` has the values of one variable after the other, each with one for each user; NaN stands for no grade,
    /// which counts as the whole number 0. Users whose byte in `active` is 0 are passed over, as if they had failed.
    ///
    /// # Errors
    ///
    /// If the calculation of an active user is left to PHP; results are then unspecified.
    ///
    /// # Panics
    ///
    /// If the slices do not fit: `columns` holds [`Formula::variables`] times as many values as `results`, the others as many.
    pub fn evaluate(
        &self,
        rounding: Rounding,
        columns: &[f64],
        active: &[u8],
        results: &mut [f64],
        failed: &mut [u8],
    ) -> Result<(), LeftToPhpError> {
        let users = results.len();
        assert_eq!(columns.len(), self.variables * users, "a column for each variable");
        assert!(active.len() == users && failed.len() == users, "a byte for each user");
        let mut stack = Vec::with_capacity(self.program.len());
        for user in 0..users {
            stack.clear();
            let variable = |index: usize| match columns[index * users + user] {
                none if none.is_nan() => Number::Int(0),
                grade => Number::Float(grade),
            };
            let result = if active[user] == 0 { Err(Stop::Failure) } else { self.run(rounding, variable, &mut stack) };
            (results[user], failed[user]) = match result {
                Ok(number) => (number, 0),
                Err(Stop::Failure) => (0.0, 1),
                Err(Stop::LeftToPhp) => return Err(LeftToPhpError { user }),
            };
        }
        Ok(())
    }

    fn run(&self, rounding: Rounding, variable: impl Fn(usize) -> Number, stack: &mut Vec<Value>) -> Result<f64, Stop> {
        for instruction in &self.program {
            let value = match *instruction {
                Instruction::Push(value) => value,
                Instruction::Variable(index) => Value::Computed(variable(index)),
                Instruction::Undefined => return Err(Stop::Failure),
                Instruction::Negate => Value::Computed(Number::Int(-1).multiply(pop(stack)?.number())),
                Instruction::Binary(operator) => {
                    let right = pop(stack)?.number();
                    Value::Computed(operator.apply(pop(stack)?.number(), right)?)
                }
                Instruction::Function(function) => Value::Computed(function.apply(pop(stack)?.number())),
                Instruction::Sum(count) => Value::Computed(sum(stack, count)),
                #[expect(clippy::cast_possible_wrap, reason = "a calculation has far fewer than 2^63 arguments")]
                Instruction::Average(count) => Value::Computed(sum(stack, count).divide(Number::Int(count as i64))),
                Instruction::Max(count) => extreme(stack, count, |extreme, value| extreme < value)?,
                Instruction::Min(count) => extreme(stack, count, |extreme, value| extreme > value)?,
                Instruction::And(count) => Value::from(take(stack, count).all(Value::is_true)),
                Instruction::Or(count) => Value::from(take(stack, count).any(Value::is_true)),
                Instruction::If => {
                    let (otherwise, then) = (pop(stack)?, pop(stack)?);
                    if pop(stack)?.is_true() { then } else { otherwise }
                }
                Instruction::Round(count) => {
                    let places = if count == 2 { pop(stack)?.number().whole().ok_or(Stop::LeftToPhp)? } else { 0 };
                    let number = pop(stack)?.number();
                    let rounded = match number {
                        Number::Int(_) if places >= 0 => Some(number.float()),
                        _ => rounding.places(number.float(), places),
                    };
                    Value::Computed(Number::Float(rounded.ok_or(Stop::LeftToPhp)?))
                }
            };
            stack.push(value);
        }
        Ok(pop(stack)?.number().float())
    }
}

/// Take the last value. The parser leaves no program that takes one too many.
fn pop(stack: &mut Vec<Value>) -> Result<Value, Stop> {
    stack.pop().ok_or(Stop::Failure)
}

/// Take the last `count` values, in their order.
fn take(stack: &mut Vec<Value>, count: usize) -> impl Iterator<Item = Value> {
    let start = stack.len().saturating_sub(count);
    stack.drain(start..)
}

fn sum(stack: &mut Vec<Value>, count: usize) -> Number {
    take(stack, count).fold(Number::Int(0), |sum, value| sum.add(value.number()))
}

/// The last value stands unless another exceeds it.
fn extreme(stack: &mut Vec<Value>, count: usize, exceeded: fn(Number, Number) -> bool) -> Result<Value, Stop> {
    let last = pop(stack)?;
    Ok(take(stack, count - 1)
        .fold(last, |extreme, value| if exceeded(extreme.number(), value.number()) { value } else { extreme }))
}

impl Operator {
    fn apply(self, left: Number, right: Number) -> Result<Number, Stop> {
        Ok(match self {
            Self::Add => left.add(right),
            Self::Subtract => left.subtract(right),
            Self::Multiply => left.multiply(right),
            Self::Divide if right == Number::Int(0) => return Err(Stop::Failure),
            Self::Divide => left.divide(right),
            Self::Modulo => left.modulo(right).ok_or(Stop::LeftToPhp)?,
            Self::Power => left.power(right),
            Self::Less => Number::from(left < right),
            Self::Greater => Number::from(left > right),
            Self::LessOrEqual => Number::from(left <= right),
            Self::GreaterOrEqual => Number::from(left >= right),
            Self::Equal => Number::from(left == right),
        })
    }
}

impl Function {
    fn apply(self, number: Number) -> Number {
        let float = number.float();
        Number::Float(match self {
            Self::Sin => float.sin(),
            Self::Sinh => float.sinh(),
            Self::Asin => float.asin(),
            Self::Cos => float.cos(),
            Self::Cosh => float.cosh(),
            Self::Acos => float.acos(),
            Self::Tan => float.tan(),
            Self::Tanh => float.tanh(),
            Self::Atan => float.atan(),
            Self::Sqrt => float.sqrt(),
            Self::Log => float.ln(),
            Self::Exp => float.exp(),
            Self::Floor => float.floor(),
            Self::Ceil => float.ceil(),
            Self::Abs => match number {
                Number::Int(int) => return int.checked_abs().map_or(Number::Float(float.abs()), Number::Int),
                Number::Float(float) => float.abs(),
            },
        })
    }
}
