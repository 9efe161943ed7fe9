//! What the statements of a config.php come to, as far as that can be known without running them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::lexer::{Kind, Token, tokens};
use super::value::{Key, Value, set};

/// How deep files may include each other.
const DEPTH: usize = 8;

/// What a file sees of the world around it.
pub(super) type Environment<'a> = &'a dyn Fn(&str) -> Option<Vec<u8>>;

/// What was found out so far.
#[derive(Default)]
pub(super) struct State {
    /// `$CFG->…`.
    pub(super) settings: BTreeMap<String, Value>,
    /// Files that are included and can't be read, with the reason.
    pub(super) unread: Vec<String>,
    /// The file of this project's image is included: everything comes from the environment.
    pub(super) image: bool,
    variables: BTreeMap<String, Value>,
    constants: BTreeMap<String, Value>,
}

/// Reads a file into `state`.
///
/// # Errors
/// Why it can't be read at all.
pub(super) fn file(path: &Path, environment: Environment<'_>, state: &mut State, depth: usize) -> Result<(), String> {
    let source = std::fs::read(path).map_err(|error| error.to_string())?;
    let tokens =
        tokens(&source).map_err(|line| format!("line {line} is not PHP that can be read without running it"))?;
    Evaluator { path, environment, tokens: &tokens, at: 0, state, depth }.statements();
    Ok(())
}

struct Evaluator<'a> {
    path: &'a Path,
    environment: Environment<'a>,
    tokens: &'a [Token],
    at: usize,
    state: &'a mut State,
    depth: usize,
}

/// What can stand left of `=`.
#[derive(Clone)]
struct Place {
    setting: bool,
    name: String,
    keys: Vec<Option<Key>>,
}

impl Evaluator<'_> {
    fn kind(&self) -> Option<&Kind> {
        self.tokens.get(self.at).map(|token| &token.kind)
    }

    fn line(&self) -> usize {
        self.tokens.get(self.at).or(self.tokens.last()).map_or(1, |token| token.line)
    }

    fn eat(&mut self, sign: &str) -> bool {
        let found = matches!(self.kind(), Some(Kind::Sign(here)) if *here == sign);
        self.at += usize::from(found);
        found
    }

    fn unknown(&self, what: &str) -> Value {
        Value::Unknown(format!("{what} in line {} of {}", self.line(), self.path.display()))
    }

    fn statements(&mut self) {
        while self.at < self.tokens.len() {
            let start = self.at;
            match self.kind() {
                Some(Kind::Name(name)) => match name.to_ascii_lowercase().as_str() {
                    "require" | "require_once" | "include" | "include_once" => {
                        self.at += 1;
                        if !self.include() {
                            return;
                        }
                    }
                    "return" | "exit" | "die" => return,
                    "define" => self.define(),
                    "if" | "elseif" | "else" | "while" | "foreach" | "for" | "switch" | "try" | "catch" | "finally"
                    | "do" | "function" | "class" => {
                        self.skip_construct();
                        self.doubt(start);
                    }
                    _ => {
                        self.skip_statement();
                        self.doubt(start);
                    }
                },
                Some(Kind::Variable(_)) => {
                    if !self.assignment() {
                        self.at = start;
                        self.skip_statement();
                        self.doubt(start);
                    }
                }
                _ => {
                    self.skip_statement();
                    self.doubt(start);
                }
            }
            if self.at == start {
                self.at += 1;
            }
        }
    }

    /// Goes behind the `;` that ends a statement, or behind its block.
    fn skip_statement(&mut self) {
        let mut depth = 0_usize;
        while let Some(token) = self.tokens.get(self.at) {
            self.at += 1;
            match token.kind {
                Kind::Sign("(" | "[" | "{") => depth += 1,
                Kind::Sign(")" | "]" | "}") => {
                    depth = depth.saturating_sub(1);
                    if depth == 0 && token.kind == Kind::Sign("}") && !self.continues() {
                        return;
                    }
                }
                Kind::Sign(";") if depth == 0 => return,
                _ => {}
            }
        }
    }

    /// Whether what follows a bracket still belongs to the same expression.
    fn continues(&self) -> bool {
        matches!(self.kind(), Some(Kind::Sign(")" | "(" | ";" | "," | "->" | "." | "[" | "]")))
    }

    /// Goes behind `if (…) …`, its block, statement or `endif;`.
    fn skip_construct(&mut self) {
        let word = match self.kind() {
            Some(Kind::Name(name)) => name.to_ascii_lowercase(),
            _ => return,
        };
        self.at += 1;
        while let Some(token) = self.tokens.get(self.at) {
            match &token.kind {
                Kind::Sign("(") => self.skip_brackets(),
                Kind::Sign(":") if !matches!(word.as_str(), "function" | "class") => return self.skip_until_end(),
                Kind::Name(_) if matches!(word.as_str(), "function" | "class") => self.at += 1,
                Kind::Sign("{") => return self.skip_brackets(),
                Kind::Name(name) if matches!(name.as_str(), "if" | "foreach" | "while" | "for" | "switch" | "try") => {
                    return self.skip_construct();
                }
                Kind::Sign("&" | "?" | "|" | ":") => self.at += 1,
                _ => return self.skip_statement(),
            }
        }
    }

    fn skip_brackets(&mut self) {
        let mut depth = 0_usize;
        while let Some(token) = self.tokens.get(self.at) {
            self.at += 1;
            match token.kind {
                Kind::Sign("(" | "[" | "{") => depth += 1,
                Kind::Sign(")" | "]" | "}") => {
                    depth = depth.saturating_sub(1);
                    if depth == 0 {
                        return;
                    }
                }
                _ => {}
            }
        }
    }

    /// The other syntax: until `endif;` and its like, with those inside.
    fn skip_until_end(&mut self) {
        let (mut depth, mut member) = (1_usize, false);
        while let Some(token) = self.tokens.get(self.at) {
            self.at += 1;
            if let (Kind::Name(name), false) = (&token.kind, member) {
                let name = name.to_ascii_lowercase();
                if matches!(name.as_str(), "endif" | "endforeach" | "endwhile" | "endfor" | "endswitch") {
                    depth -= 1;
                } else if matches!(name.as_str(), "if" | "foreach" | "while" | "for" | "switch") {
                    let before = self.at;
                    self.skip_brackets();
                    if self.eat(":") {
                        depth += 1;
                    } else {
                        self.at = before;
                    }
                }
            }
            if depth == 0 {
                return;
            }
            // What follows is a name, whatever word it is.
            member = matches!(token.kind, Kind::Sign("->" | "?->" | "::"));
        }
    }

    /// Whatever is assigned in what was skipped can't be known any more.
    fn doubt(&mut self, start: usize) {
        for at in start..self.at.min(self.tokens.len()) {
            let here = &self.tokens[at..];
            let [Token { kind: Kind::Variable(variable), line, .. }, rest @ ..] = here else {
                continue;
            };
            let (setting, name, rest) = match rest {
                [Token { kind: Kind::Sign("->"), .. }, Token { kind: Kind::Name(name), .. }, rest @ ..]
                    if variable == "CFG" =>
                {
                    (true, name.clone(), rest)
                }
                _ => (false, variable.clone(), rest),
            };
            // Behind an index the operator is further on.
            let mut depth = 0_usize;
            let operator = rest.iter().find(|token| match token.kind {
                Kind::Sign("[") => {
                    depth += 1;
                    false
                }
                Kind::Sign("]") => {
                    depth = depth.saturating_sub(1);
                    false
                }
                _ => depth == 0,
            });
            if matches!(operator, Some(Token { kind: Kind::Sign("=" | ".=" | "+=" | "??="), .. })) {
                let value = Value::Unknown(format!(
                    "{}{name} is set under a condition or in a call in line {line} of {}",
                    if setting { "$CFG->" } else { "$" },
                    self.path.display()
                ));
                if setting { &mut self.state.settings } else { &mut self.state.variables }.insert(name, value);
            }
        }
    }

    /// `$CFG->name = …;` and its like; false: it is something else.
    fn assignment(&mut self) -> bool {
        let Some(place) = self.place() else {
            return false;
        };
        let Some(Kind::Sign(operator @ ("=" | ".=" | "+=" | "??="))) = self.kind().cloned() else {
            return false;
        };
        self.at += 1;
        // `$CFG = new stdClass();` begins anew.
        if matches!(self.kind(), Some(Kind::Name(name)) if name == "new") && !place.setting && place.name == "CFG" {
            self.state.settings.clear();
            self.skip_statement();
            return true;
        }
        let start = self.at;
        let mut value = self.expression();
        if !self.eat(";") && self.at < self.tokens.len() {
            self.at = start;
            value = self.unknown("there is an expression");
            self.skip_statement();
        }
        let value = match operator {
            "=" => value,
            ".=" => concatenate(&self.load(&place), &value),
            "+=" => union(self.load(&place), value),
            _ => match self.load(&place) {
                Value::Null | Value::Unset(_) => value,
                known => known,
            },
        };
        self.store(&place, value);
        true
    }

    fn place(&mut self) -> Option<Place> {
        let Some(Kind::Variable(variable)) = self.kind().cloned() else {
            return None;
        };
        self.at += 1;
        let mut place = Place { setting: false, name: variable, keys: Vec::new() };
        if place.name == "CFG" && self.eat("->") {
            let Some(Kind::Name(name)) = self.kind().cloned() else {
                return None;
            };
            self.at += 1;
            place = Place { setting: true, name, keys: Vec::new() };
        }
        while self.eat("[") {
            if self.eat("]") {
                place.keys.push(None);
                continue;
            }
            let key = self.expression().key()?;
            place.keys.push(Some(key));
            if !self.eat("]") {
                return None;
            }
        }
        Some(place)
    }

    fn root(&mut self, place: &Place) -> &mut BTreeMap<String, Value> {
        if place.setting { &mut self.state.settings } else { &mut self.state.variables }
    }

    fn load(&mut self, place: &Place) -> Value {
        let mut value = self.root(place).get(&place.name).cloned().unwrap_or(Value::Null);
        for key in &place.keys {
            value = match value {
                Value::Array(items) => items
                    .into_iter()
                    .find(|(existing, _)| Some(existing) == key.as_ref())
                    .map_or(Value::Null, |(_, value)| value),
                unknown @ Value::Unknown(_) => unknown,
                _ => Value::Null,
            };
        }
        value
    }

    fn store(&mut self, place: &Place, value: Value) {
        let mut target = self.root(place).entry(place.name.clone()).or_insert(Value::Null);
        for key in &place.keys {
            if !matches!(target, Value::Array(_)) {
                if matches!(target, Value::Unknown(_)) {
                    return;
                }
                *target = Value::Array(Vec::new());
            }
            let Value::Array(items) = target else {
                return;
            };
            let index = items.iter().position(|(existing, _)| Some(existing) == key.as_ref()).unwrap_or_else(|| {
                set(items, key.clone(), Value::Null);
                items.len() - 1
            });
            target = &mut items[index].1;
        }
        *target = value;
    }

    fn define(&mut self) {
        self.at += 1;
        if self.eat("(") {
            let name = self.expression();
            if self.eat(",") {
                let value = self.expression();
                if let Some(name) = name.text() {
                    self.state.constants.insert(String::from_utf8_lossy(&name).into_owned(), value);
                }
            }
        }
        self.skip_statement();
    }

    /// Reads the file that is included; false: it is Moodle's own setup, with which the configuration ends.
    fn include(&mut self) -> bool {
        let path = self.expression();
        let line = self.line();
        self.skip_statement();
        let Some(path) = path.text().filter(|_| !matches!(path, Value::Unset(_))) else {
            let reason = match path {
                Value::Unknown(reason) => reason,
                _ => "its name can't be known".to_owned(),
            };
            self.state.unread.push(format!("line {line} of {} includes a file: {reason}", self.path.display()));
            return true;
        };
        let path = PathBuf::from(String::from_utf8_lossy(&path).into_owned());
        if path.ends_with("lib/setup.php") {
            return false;
        }
        if path.ends_with("lib/moodle/configuration.php") {
            self.state.image = true;
            return true;
        }
        let path = if path.is_absolute() { path } else { self.path.parent().unwrap_or(Path::new(".")).join(path) };
        let read = if self.depth >= DEPTH {
            Err("files include each other without end".to_owned())
        } else {
            file(&path, self.environment, self.state, self.depth + 1)
        };
        if let Err(reason) = read {
            self.state.unread.push(format!(
                "line {line} of {} includes {}: {reason}",
                self.path.display(),
                path.display()
            ));
        }
        true
    }

    fn expression(&mut self) -> Value {
        let condition = self.coalesced();
        if !self.eat("?") {
            return condition;
        }
        let doubtful = matches!(condition, Value::Unknown(_));
        if self.eat(":") {
            let otherwise = self.expression();
            return if doubtful || condition.truth() { condition } else { otherwise };
        }
        let then = self.expression();
        if !self.eat(":") {
            return self.unknown("there is an expression");
        }
        let otherwise = self.expression();
        if doubtful {
            condition
        } else if condition.truth() {
            then
        } else {
            otherwise
        }
    }

    fn coalesced(&mut self) -> Value {
        let value = self.either();
        if self.eat("??") {
            let otherwise = self.coalesced();
            return if matches!(value, Value::Null) { otherwise } else { value };
        }
        value
    }

    fn either(&mut self) -> Value {
        let mut value = self.both();
        while self.eat("||") {
            let right = self.both();
            value = match (value, right) {
                (unknown @ Value::Unknown(_), _) => unknown,
                (left, _) if left.truth() => Value::Bool(true),
                (_, unknown @ Value::Unknown(_)) => unknown,
                (_, right) => Value::Bool(right.truth()),
            };
        }
        value
    }

    fn both(&mut self) -> Value {
        let mut value = self.compared();
        while self.eat("&&") {
            let right = self.compared();
            value = match (value, right) {
                (unknown @ Value::Unknown(_), _) => unknown,
                (left, _) if !left.truth() => Value::Bool(false),
                (_, unknown @ Value::Unknown(_)) => unknown,
                (_, right) => Value::Bool(right.truth()),
            };
        }
        value
    }

    fn compared(&mut self) -> Value {
        let left = self.concatenated();
        let equal = match self.kind() {
            Some(Kind::Sign("===")) => true,
            Some(Kind::Sign("!==")) => false,
            _ => return left,
        };
        self.at += 1;
        let right = self.concatenated();
        match (plain(left), plain(right)) {
            (unknown @ Value::Unknown(_), _) | (_, unknown @ Value::Unknown(_)) => unknown,
            (left, right) => Value::Bool((left == right) == equal),
        }
    }

    fn concatenated(&mut self) -> Value {
        let mut value = self.sum();
        while self.eat(".") {
            let right = self.sum();
            value = concatenate(&value, &right);
        }
        value
    }

    fn sum(&mut self) -> Value {
        let mut value = self.prefixed();
        while self.eat("+") {
            let right = self.prefixed();
            value = union(value, right);
        }
        value
    }

    fn prefixed(&mut self) -> Value {
        if self.eat("!") {
            return match self.prefixed() {
                unknown @ Value::Unknown(_) => unknown,
                value => Value::Bool(!value.truth()),
            };
        }
        if self.eat("-") {
            return match self.prefixed() {
                Value::Integer(number) => Value::Integer(number.wrapping_neg()),
                Value::Float(number) => Value::Float(-number),
                unknown @ Value::Unknown(_) => unknown,
                _ => self.unknown("there is arithmetic"),
            };
        }
        if self.eat("@") {
            return self.prefixed();
        }
        if let Some(Kind::Cast(cast)) = self.kind().cloned() {
            self.at += 1;
            let value = self.prefixed();
            return self.cast(&cast, value);
        }
        let value = self.primary();
        self.indexed(value)
    }

    fn indexed(&mut self, mut value: Value) -> Value {
        while self.eat("[") {
            let key = self.expression().key();
            if !self.eat("]") {
                return self.unknown("there is an expression");
            }
            value = match (value, key) {
                (unknown @ Value::Unknown(_), _) => unknown,
                (Value::Array(items), Some(key)) => {
                    items.into_iter().find(|(existing, _)| *existing == key).map_or(Value::Null, |(_, value)| value)
                }
                _ => self.unknown("there is an index"),
            };
        }
        value
    }

    fn cast(&self, cast: &str, value: Value) -> Value {
        if matches!(value, Value::Unknown(_)) {
            return value;
        }
        match cast {
            "bool" | "boolean" => Value::Bool(value.truth()),
            "string" => value.text().map_or_else(|| self.unknown("there is a cast"), Value::Text),
            "int" | "integer" => match value.text().map(|text| String::from_utf8_lossy(&text).into_owned()) {
                Some(text) => {
                    let text = text.trim_start();
                    let sign = usize::from(text.starts_with(['-', '+']));
                    let length = sign + text[sign..].bytes().take_while(u8::is_ascii_digit).count();
                    let fraction = text[length..].starts_with(['.', 'e', 'E']);
                    match (text[..length].parse(), fraction) {
                        (_, true) => self.unknown("there is a cast"),
                        (Ok(number), false) => Value::Integer(number),
                        (Err(_), false) if length > sign => self.unknown("there is a cast"),
                        (Err(_), false) => Value::Integer(0),
                    }
                }
                None => self.unknown("there is a cast"),
            },
            _ => self.unknown("there is a cast"),
        }
    }

    fn primary(&mut self) -> Value {
        let Some(kind) = self.kind().cloned() else {
            return self.unknown("there is an expression");
        };
        match kind {
            Kind::Text(text) => {
                self.at += 1;
                Value::Text(text)
            }
            Kind::Integer(number) => {
                self.at += 1;
                Value::Integer(number)
            }
            Kind::Float(number) => {
                self.at += 1;
                Value::Float(number)
            }
            Kind::Interpolated => {
                let value = self.unknown("there are variables in the string");
                self.at += 1;
                value
            }
            Kind::Sign("(") => {
                self.at += 1;
                let value = self.expression();
                if self.eat(")") { value } else { self.unknown("there is an expression") }
            }
            Kind::Sign("[") => {
                self.at += 1;
                self.array("]")
            }
            Kind::Variable(name) => self.variable(&name),
            Kind::Name(name) => {
                self.at += 1;
                self.name(&name)
            }
            _ => self.unknown("there is an expression"),
        }
    }

    fn variable(&mut self, name: &str) -> Value {
        if matches!(name, "_ENV" | "_SERVER") {
            self.at += 1;
            if !self.eat("[") {
                return self.unknown("there is an expression");
            }
            let key = self.expression().text().map(|key| String::from_utf8_lossy(&key).into_owned());
            if !self.eat("]") {
                return self.unknown("there is an expression");
            }
            // What a web server puts there is not in this program's environment.
            return match key {
                Some(key) => (self.environment)(&key)
                    .map_or_else(|| self.unknown(&format!("there is ${name}['{key}']")), Value::Text),
                None => self.unknown("there is an expression"),
            };
        }
        let start = self.at;
        match self.place() {
            Some(place) if !matches!(self.kind(), Some(Kind::Sign("->" | "(" | "::"))) => {
                let known = place.setting || place.name != "CFG";
                if known && self.root(&place).contains_key(&place.name) {
                    self.load(&place)
                } else {
                    self.unknown(&format!("there is ${}", place.name))
                }
            }
            _ => {
                self.at = start + 1;
                self.unknown("there is an expression")
            }
        }
    }

    fn name(&mut self, name: &str) -> Value {
        let short = name.trim_start_matches('\\');
        let lower = short.to_ascii_lowercase();
        if lower == "array" && self.eat("(") {
            return self.array(")");
        }
        if self.eat("(") {
            return self.call(&lower);
        }
        match lower.as_str() {
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            "null" => Value::Null,
            "__dir__" => path_text(self.path.parent().unwrap_or(Path::new("."))),
            "__file__" => path_text(self.path),
            "directory_separator" => Value::Text(b"/".to_vec()),
            "php_eol" => Value::Text(b"\n".to_vec()),
            _ => match self.state.constants.get(short) {
                Some(value) => value.clone(),
                None => self.unknown(&format!("there is {short}")),
            },
        }
    }

    fn call(&mut self, name: &str) -> Value {
        let Value::Array(arguments) = self.array(")") else {
            return self.unknown("there is an expression");
        };
        let arguments: Vec<Value> = arguments.into_iter().map(|(_, value)| value).collect();
        if let Some(unknown) = arguments.iter().find(|value| matches!(value, Value::Unknown(_))) {
            return unknown.clone();
        }
        let texts: Option<Vec<Vec<u8>>> = arguments.iter().map(Value::text).collect();
        let first =
            texts.as_ref().and_then(|texts| texts.first()).map(|text| String::from_utf8_lossy(text).into_owned());
        match (name, first, texts.as_deref()) {
            ("getenv", Some(name), _) => match (self.environment)(&name) {
                Some(value) => Value::Text(value),
                None => Value::Unset(name),
            },
            ("dirname", Some(path), Some(texts)) => {
                let levels = texts.get(1).and_then(|levels| String::from_utf8_lossy(levels).parse().ok()).unwrap_or(1);
                let path = Path::new(&path);
                path_text(
                    path.ancestors()
                        .nth(levels)
                        .filter(|path| !path.as_os_str().is_empty())
                        .unwrap_or(Path::new(if path.is_absolute() { "/" } else { "." })),
                )
            }
            ("realpath", Some(path), _) => {
                std::fs::canonicalize(&path).map_or(Value::Bool(false), |path| path_text(&path))
            }
            ("file_get_contents", Some(path), Some([_])) => match std::fs::read(&path) {
                Ok(content) => Value::Text(content),
                Err(error) => self.unknown(&format!("there is file_get_contents of {path} ({error})")),
            },
            ("file_exists" | "is_readable" | "is_file", Some(path), _) => Value::Bool(Path::new(&path).exists()),
            ("trim" | "rtrim" | "chop" | "ltrim", _, Some([text])) => {
                let blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0 | 0x0b);
                let start = if name == "rtrim" || name == "chop" {
                    0
                } else {
                    text.iter().take_while(|byte| blank(byte)).count()
                };
                let text = &text[start..];
                let end = if name == "ltrim" { 0 } else { text.iter().rev().take_while(|byte| blank(byte)).count() };
                Value::Text(text[..text.len() - end].to_vec())
            }
            _ => self.unknown(&format!("there is a call of {name}()")),
        }
    }

    /// The items until `end`; also the arguments of a call.
    fn array(&mut self, end: &str) -> Value {
        let mut items = Vec::new();
        loop {
            if self.eat(end) {
                return Value::Array(items);
            }
            let first = self.expression();
            let (key, value) = if self.eat("=>") {
                let value = self.expression();
                match first.key() {
                    Some(key) => (Some(key), value),
                    None => {
                        return match first {
                            unknown @ Value::Unknown(_) => unknown,
                            _ => self.unknown("there is a key"),
                        };
                    }
                }
            } else {
                (None, first)
            };
            set(&mut items, key, value);
            if !self.eat(",") {
                return if self.eat(end) { Value::Array(items) } else { self.unknown("there is an expression") };
            }
        }
    }
}

fn plain(value: Value) -> Value {
    match value {
        Value::Unset(_) => Value::Bool(false),
        value => value,
    }
}

fn path_text(path: &Path) -> Value {
    use std::os::unix::ffi::OsStrExt as _;
    Value::Text(path.as_os_str().as_bytes().to_vec())
}

fn concatenate(left: &Value, right: &Value) -> Value {
    match (left, right) {
        (unknown @ Value::Unknown(_), _) | (_, unknown @ Value::Unknown(_)) => unknown.clone(),
        (unset @ Value::Unset(_), _) | (_, unset @ Value::Unset(_)) => {
            let Value::Unset(name) = unset else { return Value::Null };
            Value::Unknown(format!("the environment variable {name} is not set"))
        }
        _ => match (left.text(), right.text()) {
            (Some(left), Some(right)) => Value::Text([left, right].concat()),
            _ => Value::Unknown("what is no string is put to a string".to_owned()),
        },
    }
}

/// `+`: the left array with what only the right has; sums of numbers.
fn union(left: Value, right: Value) -> Value {
    match (left, right) {
        (unknown @ Value::Unknown(_), _) | (_, unknown @ Value::Unknown(_)) => unknown,
        (Value::Array(mut items), Value::Array(more)) => {
            for (key, value) in more {
                if !items.iter().any(|(existing, _)| *existing == key) {
                    items.push((key, value));
                }
            }
            Value::Array(items)
        }
        (Value::Integer(left), Value::Integer(right)) => match left.checked_add(right) {
            Some(sum) => Value::Integer(sum),
            None => Value::Unknown("there is arithmetic".to_owned()),
        },
        _ => Value::Unknown("there is arithmetic".to_owned()),
    }
}
