//! Names of files and targets of links as restic keeps them: JSON has no bytes that aren't UTF-8.
//!
//! Names are quoted as by Go's `strconv.Quote`, without the quotes around; a target that isn't UTF-8 is kept in Base64
//! beside its readable form. Source: restic's `internal/restic/node.go`, `MarshalJSON` and `UnmarshalJSON`.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Returns a name as a tree keeps it.
#[must_use]
pub fn quoted(name: &[u8]) -> String {
    let mut text = String::with_capacity(name.len());
    for chunk in name.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '"' | '\\' => text.extend(['\\', character]),
                _ if character.is_ascii_control() => escape(&mut text, character as u8),
                _ => text.push(character),
            }
        }
        chunk.invalid().iter().for_each(|byte| escape(&mut text, *byte));
    }
    text
}

fn escape(text: &mut String, byte: u8) {
    text.push_str("\\x");
    text.push_str(&hex::encode([byte]));
}

/// Returns the name that a tree keeps so. What nobody quotes so is the name itself.
#[must_use]
pub fn unquoted(text: &str) -> Cow<'_, [u8]> {
    match text.contains('\\').then(|| parse(text)).flatten() {
        Some(name) => Cow::Owned(name),
        None => Cow::Borrowed(text.as_bytes()),
    }
}

fn parse(text: &str) -> Option<Vec<u8>> {
    let mut name = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((plain, escaped)) = rest.split_once('\\') {
        name.extend_from_slice(plain.as_bytes());
        let kind = escaped.chars().next()?;
        rest = &escaped[kind.len_utf8()..];
        let mut number = |digits: usize, radix: u32| {
            let (taken, left) = rest.split_at_checked(digits)?;
            rest = left;
            u32::from_str_radix(taken, radix).ok()
        };
        match kind {
            'x' => name.push(u8::try_from(number(2, 16)?).ok()?),
            'u' | 'U' => {
                let character = char::from_u32(number(if kind == 'u' { 4 } else { 8 }, 16)?)?;
                name.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            }
            '0'..='7' => {
                let (taken, left) = escaped.split_at_checked(3)?;
                rest = left;
                name.push(u8::from_str_radix(taken, 8).ok()?);
            }
            '\\' | '"' => name.push(kind as u8),
            'a' => name.push(7),
            'b' => name.push(8),
            't' => name.push(b'\t'),
            'n' => name.push(b'\n'),
            'v' => name.push(11),
            'f' => name.push(12),
            'r' => name.push(b'\r'),
            _ => return None,
        }
    }
    name.extend_from_slice(rest.as_bytes());
    Some(name)
}

/// Returns a link's target as a tree keeps it: the text, and what else it takes where it isn't UTF-8.
#[must_use]
pub fn kept_target(target: &[u8]) -> (String, Option<String>) {
    match std::str::from_utf8(target) {
        Ok(text) => (text.to_owned(), None),
        Err(_) => (String::from_utf8_lossy(target).into_owned(), Some(STANDARD.encode(target))),
    }
}

/// Returns the target that a tree keeps so.
#[must_use]
pub fn target(text: &str, raw: Option<&str>) -> Vec<u8> {
    raw.and_then(|raw| STANDARD.decode(raw).ok()).unwrap_or_else(|| text.as_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_name_and_every_target_comes_back(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let text = quoted(&bytes);
            prop_assert_eq!(&*unquoted(&text), &*bytes);
            prop_assert!(!text.contains(|character: char| character < ' '));
            let (text, raw) = kept_target(&bytes);
            prop_assert_eq!(target(&text, raw.as_deref()), bytes);
        }

        #[test]
        fn names_without_quotes_and_control_characters_stay_as_they_are(name in "[^\"\\\\\\p{Cc}]*") {
            prop_assert_eq!(quoted(name.as_bytes()), name);
        }
    }

    #[test]
    fn what_go_quotes_is_understood() {
        // As strconv.Quote of Go 1.19 printed them.
        for (text, name) in [
            (r"a\tb\n\a\b\f\r\v", b"a\tb\n\x07\x08\x0c\r\x0b".as_slice()),
            (r#"\"\\\x7f\xff"#, b"\"\\\x7f\xff"),
            (r"\u200b\U000e0001", "\u{200b}\u{e0001}".as_bytes()),
            (r"\101x", b"Ax"),
        ] {
            assert_eq!(unquoted(text), name, "{text}");
        }
    }

    #[test]
    fn what_nobody_quoted_so_is_the_name_itself() {
        for text in [r"C:\path", r"end\", r"\xg", r"\ud800", r"\999"] {
            assert_eq!(unquoted(text), text.as_bytes(), "{text}");
        }
    }
}
