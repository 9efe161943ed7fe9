//! PHP's values, as far as a configuration has them.

/// A value, or why it can't be known.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// Another number.
    Float(f64),
    /// A string, which need not be UTF-8.
    Text(Vec<u8>),
    /// An array, in its order.
    Array(Vec<(Key, Value)>),
    /// `false`, because this environment variable is not set.
    Unset(String),
    /// It can't be known without running the file: why.
    Unknown(String),
}

/// A key of an array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    /// A whole number.
    Integer(i64),
    /// A string.
    Text(Vec<u8>),
}

impl Value {
    /// Whether PHP takes it for true.
    pub(super) fn truth(&self) -> bool {
        match self {
            Self::Null | Self::Unset(_) | Self::Unknown(_) => false,
            Self::Bool(truth) => *truth,
            Self::Integer(number) => *number != 0,
            Self::Float(number) => *number != 0.0,
            Self::Text(text) => !text.is_empty() && text != b"0",
            Self::Array(items) => !items.is_empty(),
        }
    }

    /// Converts it to a string as PHP does; nothing: it can't be.
    #[must_use]
    pub fn text(&self) -> Option<Vec<u8>> {
        match self {
            Self::Null | Self::Unset(_) | Self::Bool(false) => Some(Vec::new()),
            Self::Bool(true) => Some(b"1".to_vec()),
            Self::Integer(number) => Some(number.to_string().into_bytes()),
            Self::Float(number) if number.fract() == 0.0 && number.abs() < 1e15 => {
                Some(format!("{number:.0}").into_bytes())
            }
            Self::Text(text) => Some(text.clone()),
            Self::Float(_) | Self::Array(_) | Self::Unknown(_) => None,
        }
    }

    /// Returns the key that it is in an array; nothing: it can't be one.
    pub(super) fn key(&self) -> Option<Key> {
        Some(match self {
            Self::Integer(number) => Key::Integer(*number),
            Self::Bool(truth) => Key::Integer(i64::from(*truth)),
            Self::Null => Key::Text(Vec::new()),
            Self::Text(text) => {
                // "8" is the key 8; "08", "-0" and " 8" are strings.
                let number = std::str::from_utf8(text).ok().and_then(|text| text.parse::<i64>().ok());
                match number.filter(|number| number.to_string().as_bytes() == text) {
                    Some(number) => Key::Integer(number),
                    None => Key::Text(text.clone()),
                }
            }
            Self::Float(_) | Self::Array(_) | Self::Unset(_) | Self::Unknown(_) => return None,
        })
    }

    /// Returns what an array has under a key.
    #[must_use]
    pub fn item(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Array(items) => {
                items.iter().find(|(key, _)| *key == Key::Text(name.as_bytes().to_vec())).map(|(_, value)| value)
            }
            _ => None,
        }
    }
}

/// Sets a key of an array, or appends.
pub(super) fn set(items: &mut Vec<(Key, Value)>, key: Option<Key>, value: Value) {
    let key = key.unwrap_or_else(|| {
        let highest = items.iter().filter_map(|(key, _)| match key {
            Key::Integer(number) => Some(*number),
            Key::Text(_) => None,
        });
        Key::Integer(highest.max().map_or(0, |number| number.saturating_add(1)))
    });
    match items.iter_mut().find(|(existing, _)| *existing == key) {
        Some((_, existing)) => *existing = value,
        None => items.push((key, value)),
    }
}
