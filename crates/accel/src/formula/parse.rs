use super::value::{Number, Value};
use super::{Error, Function, Instruction, Operator};

/// What is open while a calculation is read.
enum Open<'a> {
    Negation,
    Operator(Operator),
    Bracket,
    /// A function's bracket, with its name and the number of its arguments so far.
    Call(&'a str, usize),
}

struct Parser<'a> {
    text: &'a str,
    offset: usize,
    variables: &'a [&'a str],
    program: Vec<Instruction>,
    open: Vec<Open<'a>>,
}

/// Read a calculation as `EvalMath` does.
pub(super) fn parse(calculation: &str, variables: &[&str]) -> Result<Vec<Instruction>, Error> {
    let text = calculation.strip_prefix('=').ok_or(Error::Malformed(0))?.to_ascii_lowercase();
    let text = text.trim_matches([' ', '\t', '\n', '\r', '\0', '\x0b']);
    let mut parser = Parser { text, offset: 0, variables, program: Vec::new(), open: Vec::new() };
    let mut complete = false;
    while !parser.rest().is_empty() {
        complete = if complete { parser.read_operator()? } else { parser.read_operand()? };
        parser.offset += parser.rest().bytes().take_while(|byte| *byte == b' ').count();
    }
    if !complete || parser.close().is_some() {
        return Err(parser.malformed());
    }
    Ok(parser.program)
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.offset..]
    }

    fn malformed(&self) -> Error {
        Error::Malformed(self.offset)
    }

    fn take(&mut self, token: &str) -> bool {
        let found = self.rest().starts_with(token);
        self.offset += if found { token.len() } else { 0 };
        found
    }

    fn take_bytes(&mut self, length: usize) -> &'a str {
        let taken = &self.rest()[..length];
        self.offset += length;
        taken
    }

    /// Read something that stands where a value begins; return whether the value is complete.
    fn read_operand(&mut self) -> Result<bool, Error> {
        if self.take("-") {
            self.open.push(Open::Negation);
            return Ok(false);
        }
        if self.take("(") {
            self.open.push(Open::Bracket);
            return Ok(false);
        }
        if self.take(")") {
            return match self.open.pop() {
                Some(Open::Call(name, 1)) => self.call(name, 0).map(|()| true),
                _ => Err(self.malformed()),
            };
        }
        let name = name_length(self.rest());
        if name > 0 {
            let name = self.take_bytes(name);
            if self.take("(") {
                self.open.push(Open::Call(name, 1));
                return Ok(false);
            }
            let variable = self.variables.iter().position(|variable| *variable == name);
            self.program.push(variable.map_or(Instruction::Undefined, Instruction::Variable));
            return Ok(true);
        }
        let number = number_length(self.rest());
        if number == 0 {
            return Err(self.malformed());
        }
        let number = self.take_bytes(number);
        self.program.push(number_instruction(number)?);
        Ok(true)
    }

    /// Read something that stands after a value; return whether what is read so far is a complete value.
    fn read_operator(&mut self) -> Result<bool, Error> {
        const OPERATORS: [(&str, Operator); 11] = [
            ("<=", Operator::LessOrEqual),
            (">=", Operator::GreaterOrEqual),
            ("==", Operator::Equal),
            ("<", Operator::Less),
            (">", Operator::Greater),
            ("+", Operator::Add),
            ("-", Operator::Subtract),
            ("*", Operator::Multiply),
            ("/", Operator::Divide),
            ("%", Operator::Modulo),
            ("^", Operator::Power),
        ];
        if let Some((_, operator)) = OPERATORS.into_iter().find(|(token, _)| self.take(token)) {
            while let Some(precedence) = self.open.last().and_then(precedence) {
                let own = operator.precedence();
                if precedence < own || operator == Operator::Power && precedence == own {
                    break;
                }
                self.apply_last();
            }
            self.open.push(Open::Operator(operator));
            return Ok(false);
        }
        if self.take(")") {
            match self.close() {
                Some(Open::Call(name, arguments)) => self.call(name, arguments)?,
                Some(_) => {}
                None => return Err(self.malformed()),
            }
            return Ok(true);
        }
        if self.take(",")
            && let Some(Open::Call(name, arguments)) = self.close()
        {
            self.open.push(Open::Call(name, arguments + 1));
            return Ok(false);
        }
        Err(self.malformed())
    }

    /// Apply the operator that was opened last.
    fn apply_last(&mut self) {
        match self.open.pop() {
            Some(Open::Negation) => self.program.push(Instruction::Negate),
            Some(Open::Operator(operator)) => self.program.push(Instruction::Binary(operator)),
            _ => {}
        }
    }

    /// Apply all operators up to the last open bracket, and remove it; none if no bracket is open.
    fn close(&mut self) -> Option<Open<'a>> {
        while self.open.last().and_then(precedence).is_some() {
            self.apply_last();
        }
        self.open.pop()
    }

    fn call(&mut self, name: &str, arguments: usize) -> Result<(), Error> {
        if let Some(function) = function(name)? {
            self.program.push(Instruction::Function(function));
            return if arguments == 1 { Ok(()) } else { Err(self.malformed()) };
        }
        let instruction = match (name, arguments) {
            ("average", 1..) => Instruction::Average(arguments),
            ("max", 1..) => Instruction::Max(arguments),
            ("min", 1..) => Instruction::Min(arguments),
            ("sum", 1..) => Instruction::Sum(arguments),
            ("mod", 2) => Instruction::Binary(Operator::Modulo),
            ("power", 2) => Instruction::Binary(Operator::Power),
            ("pi", 0) => Instruction::Push(Value::Computed(Number::Float(std::f64::consts::PI))),
            ("round", 1 | 2) => Instruction::Round(arguments),
            ("if" | "ifthenelse", 3) => Instruction::If,
            ("and" | "cond_and", 1..) => Instruction::And(arguments),
            ("or" | "cond_or", 1..) => Instruction::Or(arguments),
            ("rand_int", 2) | ("rand_float", 0) => return Err(Error::Unsupported("random numbers")),
            _ => return Err(self.malformed()),
        };
        self.program.push(instruction);
        Ok(())
    }
}

impl Operator {
    const fn precedence(self) -> u8 {
        match self {
            Self::Add | Self::Subtract => 0,
            Self::Multiply | Self::Divide | Self::Modulo => 1,
            Self::Power => 2,
            Self::Less | Self::Greater | Self::LessOrEqual | Self::GreaterOrEqual | Self::Equal => 3,
        }
    }
}

/// The precedence of an open operator, none for a bracket.
const fn precedence(open: &Open) -> Option<u8> {
    match open {
        Open::Negation => Some(1),
        Open::Operator(operator) => Some(operator.precedence()),
        Open::Bracket | Open::Call(..) => None,
    }
}

fn function(name: &str) -> Result<Option<Function>, Error> {
    Ok(Some(match name {
        "sin" => Function::Sin,
        "sinh" => Function::Sinh,
        "asin" | "arcsin" => Function::Asin,
        "cos" => Function::Cos,
        "cosh" => Function::Cosh,
        "acos" | "arccos" => Function::Acos,
        "tan" => Function::Tan,
        "tanh" => Function::Tanh,
        "atan" | "arctan" => Function::Atan,
        "sqrt" => Function::Sqrt,
        "abs" => Function::Abs,
        "ln" | "log" => Function::Log,
        "exp" => Function::Exp,
        "floor" => Function::Floor,
        "ceil" => Function::Ceil,
        "asinh" | "arcsinh" | "acosh" | "arccosh" | "atanh" | "arctanh" => {
            return Err(Error::Unsupported("an inverse hyperbolic function"));
        }
        _ => return Ok(None),
    }))
}

fn name_length(text: &str) -> usize {
    if !text.starts_with(|first: char| first.is_ascii_lowercase()) {
        return 0;
    }
    text.bytes().take_while(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'_').count()
}

fn digits(text: &[u8]) -> usize {
    text.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

/// The length of the number that `text` begins with. An exponent may lack its digits.
fn number_length(text: &str) -> usize {
    let text = text.as_bytes();
    let mut length = digits(text);
    if length == 0 {
        return match text {
            [b'.', fraction @ ..] if digits(fraction) > 0 => 1 + digits(fraction),
            _ => 0,
        };
    }
    if text.get(length) == Some(&b'.') {
        length += 1 + digits(&text[length + 1..]);
    }
    if text.get(length) == Some(&b'e') {
        length += 1;
        length += usize::from(matches!(text.get(length), Some(b'+' | b'-')));
        length += digits(&text[length..]);
    }
    length
}

/// A number whose exponent lacks its digits is a name without a value.
fn number_instruction(text: &str) -> Result<Instruction, Error> {
    const TOO_LARGE: Error = Error::Unsupported("a number beyond 63 bits");
    let number = if text.bytes().all(|byte| byte.is_ascii_digit()) {
        Number::Int(text.parse().map_err(|_| TOO_LARGE)?)
    } else if text.ends_with(['e', '+', '-']) {
        return Ok(Instruction::Undefined);
    } else {
        Number::Float(text.parse().map_err(|_| TOO_LARGE)?)
    };
    if matches!(number, Number::Float(_)) && number.whole().is_none() {
        return Err(TOO_LARGE);
    }
    Ok(Instruction::Push(Value::Written { number, is_true: text != "0" }))
}
