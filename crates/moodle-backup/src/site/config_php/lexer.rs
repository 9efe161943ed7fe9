//! The tokens of PHP that a config.php is made of.

use std::ops::Range;

/// A token, the line that it begins in, and its bytes in the source.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::site) struct Token {
    pub(in crate::site) line: usize,
    pub(in crate::site) bytes: Range<usize>,
    pub(in crate::site) kind: Kind,
}

/// What a token is.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::site) enum Kind {
    /// `$name`.
    Variable(String),
    /// A name: function, constant, keyword; with its backslashes.
    Name(String),
    /// A string without anything to be put into it.
    Text(Vec<u8>),
    /// A string with variables in it.
    Interpolated,
    /// A whole number.
    Integer(i64),
    /// A number with a fraction or an exponent.
    Float(f64),
    /// `(int)` and its like, in lower case.
    Cast(String),
    /// An operator or a bracket.
    Sign(&'static str),
}

/// Operators and brackets, longer ones first.
const SIGNS: [&str; 61] = [
    "<=>", "===", "!==", "??=", "**=", "...", "<<=", ">>=", "?->", "=>", "->", "::", "==", "!=", "<>", "<=", ">=",
    "&&", "||", "??", ".=", "+=", "-=", "*=", "/=", "%=", "|=", "&=", "^=", "++", "--", "<<", ">>", "**", "(", ")",
    "[", "]", "{", "}", ";", ",", ".", "+", "-", "*", "/", "%", "=", "<", ">", "!", "?", ":", "&", "|", "^", "~", "@",
    "$", "#",
];

const CASTS: [&str; 9] = ["int", "integer", "bool", "boolean", "float", "double", "string", "array", "object"];

/// Splits a file of PHP into tokens; what is outside of `<?php … ?>` is left out.
///
/// # Errors
/// The line of a string or comment that doesn't end, or of a character that PHP doesn't have.
pub(in crate::site) fn tokens(source: &[u8]) -> Result<Vec<Token>, usize> {
    let mut lexer = Lexer { source, at: 0, line: 1, begin: 0, tokens: Vec::new() };
    while lexer.open() {
        lexer.code()?;
    }
    Ok(lexer.tokens)
}

struct Lexer<'a> {
    source: &'a [u8],
    at: usize,
    line: usize,
    /// Where the token begins that is read.
    begin: usize,
    tokens: Vec<Token>,
}

impl Lexer<'_> {
    fn rest(&self) -> &[u8] {
        &self.source[self.at..]
    }

    fn skip(&mut self, bytes: usize) {
        let end = (self.at + bytes).min(self.source.len());
        self.line += self.source[self.at..end].split(|byte| *byte == b'\n').count() - 1;
        self.at = end;
    }

    fn push(&mut self, line: usize, kind: Kind) {
        self.tokens.push(Token { line, bytes: self.begin..self.at, kind });
    }

    /// Goes on behind the next `<?php`; false: there is none.
    fn open(&mut self) -> bool {
        let Some(start) = find(self.rest(), b"<?") else {
            return false;
        };
        self.skip(start + 2);
        let word = self.rest().iter().take_while(|byte| byte.is_ascii_alphabetic() || **byte == b'=').count();
        self.skip(word);
        true
    }

    fn code(&mut self) -> Result<(), usize> {
        while let Some(&byte) = self.rest().first() {
            let line = self.line;
            self.begin = self.at;
            match byte {
                _ if byte.is_ascii_whitespace() => self.skip(1),
                b'#' if self.rest().get(1) == Some(&b'[') => return Err(line),
                b'#' => self.comment(),
                b'/' if self.rest().starts_with(b"//") => self.comment(),
                b'/' if self.rest().starts_with(b"/*") => {
                    let length = find(self.rest(), b"*/").ok_or(line)?;
                    self.skip(length + 2);
                }
                b'?' if self.rest().starts_with(b"?>") => {
                    self.skip(2);
                    self.push(line, Kind::Sign(";"));
                    return Ok(());
                }
                b'\'' => {
                    let (text, length) = single_quoted(self.rest()).ok_or(line)?;
                    self.skip(length);
                    self.push(line, Kind::Text(text));
                }
                b'"' => {
                    let length = quoted_length(self.rest()).ok_or(line)?;
                    let kind = interpreted(&self.rest()[1..length - 1], true);
                    self.skip(length);
                    self.push(line, kind);
                }
                b'<' if self.rest().starts_with(b"<<<") => self.heredoc()?,
                b'0'..=b'9' => self.number()?,
                b'.' if self.rest().get(1).is_some_and(u8::is_ascii_digit) => self.number()?,
                b'$' if self.rest().get(1).is_some_and(|next| is_name(*next)) => {
                    self.skip(1);
                    let name = self.word();
                    self.push(line, Kind::Variable(name));
                }
                b'\\' => {
                    let name = self.word();
                    self.push(line, Kind::Name(name));
                }
                _ if is_name(byte) => {
                    let name = self.word();
                    self.push(line, Kind::Name(name));
                }
                b'(' if self.cast() => {}
                _ => self.sign()?,
            }
        }
        Ok(())
    }

    /// A comment until the line's end or `?>`.
    fn comment(&mut self) {
        let length = self.rest().iter().position(|byte| *byte == b'\n').unwrap_or(self.rest().len());
        let length = find(&self.rest()[..length], b"?>").unwrap_or(length);
        self.skip(length);
    }

    fn word(&mut self) -> String {
        let length = self.rest().iter().take_while(|byte| is_name(**byte) || byte.is_ascii_digit() || **byte == b'\\');
        let length = length.count();
        let word = String::from_utf8_lossy(&self.rest()[..length]).into_owned();
        self.skip(length);
        word
    }

    fn number(&mut self) -> Result<(), usize> {
        let line = self.line;
        let mut length = 0;
        let rest = self.rest();
        while let Some(&byte) = rest.get(length) {
            let signed = length > 0 && matches!(rest[length - 1], b'e' | b'E') && !rest.starts_with(b"0x");
            if byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_') || (signed && matches!(byte, b'+' | b'-')) {
                length += 1;
            } else {
                break;
            }
        }
        let text: String =
            rest[..length].iter().filter(|byte| **byte != b'_').map(|byte| byte.to_ascii_lowercase() as char).collect();
        let whole = if let Some(digits) = text.strip_prefix("0x") {
            i64::from_str_radix(digits, 16).ok()
        } else if let Some(digits) = text.strip_prefix("0b") {
            i64::from_str_radix(digits, 2).ok()
        } else if text.len() > 1 && text.starts_with('0') && !text.contains(['.', 'e']) {
            i64::from_str_radix(text.trim_start_matches("0o"), 8).ok()
        } else {
            text.parse().ok()
        };
        let kind = match whole {
            Some(number) => Kind::Integer(number),
            None => Kind::Float(text.parse().map_err(|_| line)?),
        };
        self.skip(length);
        self.push(line, kind);
        Ok(())
    }

    fn cast(&mut self) -> bool {
        let Some(end) = self.rest().iter().position(|byte| *byte == b')') else {
            return false;
        };
        let inner = String::from_utf8_lossy(&self.rest()[1..end]).trim().to_ascii_lowercase();
        if !CASTS.contains(&inner.as_str()) {
            return false;
        }
        let line = self.line;
        self.skip(end + 1);
        self.push(line, Kind::Cast(inner));
        true
    }

    fn sign(&mut self) -> Result<(), usize> {
        let line = self.line;
        let sign = SIGNS.into_iter().find(|sign| self.rest().starts_with(sign.as_bytes())).ok_or(line)?;
        self.skip(sign.len());
        self.push(line, Kind::Sign(sign));
        Ok(())
    }

    /// `<<<X`, `<<<"X"` and `<<<'X'`, with the indentation of the closing label taken from each line.
    fn heredoc(&mut self) -> Result<(), usize> {
        let line = self.line;
        let rest = &self.source[self.at + 3..];
        let first = rest.iter().position(|byte| *byte == b'\n').ok_or(line)?;
        let opening = String::from_utf8_lossy(&rest[..first]).trim().to_owned();
        let label = opening.trim_matches(['\'', '"']);
        if label.is_empty() || !label.bytes().all(|byte| is_name(byte) || byte.is_ascii_digit()) {
            return Err(line);
        }
        let body = &rest[first + 1..];
        let mut lines: Vec<&[u8]> = Vec::new();
        let mut at = 0;
        let (indentation, end) = loop {
            let length = body[at..].iter().position(|byte| *byte == b'\n').unwrap_or(body.len() - at);
            let row = &body[at..at + length];
            let blank = row.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
            let behind = row.get(blank + label.len());
            if row[blank..].starts_with(label.as_bytes())
                && !behind.is_some_and(|byte| is_name(*byte) || byte.is_ascii_digit())
            {
                break (blank, at + blank + label.len());
            }
            lines.push(row);
            at += length + 1;
            if at > body.len() {
                return Err(line);
            }
        };
        let mut text = Vec::new();
        for (number, row) in lines.iter().enumerate() {
            if number > 0 {
                text.push(b'\n');
            }
            let blank = row.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
            if blank < indentation && blank < row.len() {
                return Err(line);
            }
            text.extend_from_slice(&row[indentation.min(row.len())..]);
        }
        // A line's end before the closing label is no part of the text; a carriage return before it goes with it.
        if text.last() == Some(&b'\r') {
            text.pop();
        }
        let kind = if opening.starts_with('\'') { Kind::Text(text) } else { interpreted(&text, false) };
        self.skip(3 + first + 1 + end);
        self.push(line, kind);
        Ok(())
    }
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

/// Returns the text of a single-quoted string at the start of `source`, and how long it is with its quotes.
fn single_quoted(source: &[u8]) -> Option<(Vec<u8>, usize)> {
    let mut text = Vec::new();
    let mut at = 1;
    loop {
        match (*source.get(at)?, source.get(at + 1)) {
            (b'\'', _) => return Some((text, at + 1)),
            (b'\\', Some(&escaped @ (b'\'' | b'\\'))) => {
                text.push(escaped);
                at += 2;
            }
            (byte, _) => {
                text.push(byte);
                at += 1;
            }
        }
    }
}

fn quoted_length(source: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        match source.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// Returns what a double-quoted string or a heredoc holds (`quoted`: the quote itself may be escaped).
fn interpreted(source: &[u8], quoted: bool) -> Kind {
    let mut text = Vec::new();
    let mut at = 0;
    while let Some(&byte) = source.get(at) {
        let next = source.get(at + 1).copied();
        match (byte, next) {
            (b'$', Some(next)) if is_name(next) || next == b'{' => return Kind::Interpolated,
            (b'{', Some(b'$')) => return Kind::Interpolated,
            (b'\\', Some(next)) => {
                at += 2;
                match next {
                    b'n' => text.push(b'\n'),
                    b't' => text.push(b'\t'),
                    b'r' => text.push(b'\r'),
                    b'v' => text.push(0x0b),
                    b'e' => text.push(0x1b),
                    b'f' => text.push(0x0c),
                    b'\\' | b'$' => text.push(next),
                    b'"' if quoted => text.push(next),
                    b'0'..=b'7' => {
                        let digits = source[at - 1..].iter().take(3).take_while(|digit| matches!(digit, b'0'..=b'7'));
                        let (count, value) = digits
                            .fold((0, 0_u32), |(count, value), digit| (count + 1, value * 8 + u32::from(digit - b'0')));
                        text.push(value.to_le_bytes()[0]);
                        at += count - 1;
                    }
                    b'x' if source.get(at).is_some_and(u8::is_ascii_hexdigit) => {
                        let digits = source[at..].iter().take(2).take_while(|digit| digit.is_ascii_hexdigit()).count();
                        text.push(radix(&source[at..at + digits]).unwrap_or(0).to_le_bytes()[0]);
                        at += digits;
                    }
                    b'u' if source.get(at) == Some(&b'{') => {
                        let Some((character, length)) = code_point(&source[at + 1..]) else {
                            return Kind::Interpolated;
                        };
                        text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                        at += length + 1;
                    }
                    _ => text.extend_from_slice(&[b'\\', next]),
                }
            }
            _ => {
                text.push(byte);
                at += 1;
            }
        }
    }
    Kind::Text(text)
}

fn radix(digits: &[u8]) -> Option<u32> {
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// Reads `1F600}`; the length includes the bracket.
fn code_point(source: &[u8]) -> Option<(char, usize)> {
    let end = source.iter().position(|byte| *byte == b'}')?;
    Some((char::from_u32(radix(&source[..end])?)?, end + 1))
}
