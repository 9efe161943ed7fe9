//! A config.php with another value in it, and nothing else changed.

use super::lexer::{Kind, Token, tokens};

/// Returns the source with `text` as what `$CFG->name` is set to; nothing: it isn't set, or this is no PHP.
#[must_use]
pub fn with_text(source: &[u8], name: &str, text: &str) -> Option<Vec<u8>> {
    let tokens = tokens(source).ok()?;
    let quoted = format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"));
    let mut result = Vec::with_capacity(source.len());
    let mut copied = 0;
    for at in 0..tokens.len() {
        if !assigns(&tokens[at..], name) {
            continue;
        }
        let value = at + 4;
        let end = (value..tokens.len()).find(|place| tokens[*place].kind == Kind::Sign(";"))?;
        result.extend_from_slice(&source[copied..tokens[value].bytes.start]);
        result.extend_from_slice(quoted.as_bytes());
        copied = tokens[end - 1].bytes.end;
    }
    result.extend_from_slice(&source[copied..]);
    (copied > 0).then_some(result)
}

fn assigns(tokens: &[Token], name: &str) -> bool {
    let kinds = tokens.iter().map(|token| &token.kind);
    let wanted = [Kind::Variable("CFG".to_owned()), Kind::Sign("->"), Kind::Name(name.to_owned()), Kind::Sign("=")];
    tokens.len() > wanted.len() && kinds.zip(&wanted).all(|(kind, wanted)| kind == wanted)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "what can't be rewritten fails the test")]

    use super::with_text;

    fn rewritten(source: &str) -> String {
        String::from_utf8(with_text(source.as_bytes(), "wwwroot", r"https://it's\new").unwrap()).unwrap()
    }

    #[test]
    fn only_the_value_changes_whatever_stands_beside_it() {
        for (before, after) in [
            (
                "<?php $CFG->wwwroot='https://a'; $CFG->dbpass='x;y';",
                r"<?php $CFG->wwwroot='https://it\'s\\new'; $CFG->dbpass='x;y';",
            ),
            (
                "<?php\n// $CFG->wwwroot = 'no';\n  $CFG -> wwwroot  =  \"https://\" . $host . ';'  ; # why\n$a = '$CFG->wwwroot = 1;';\n",
                "<?php\n// $CFG->wwwroot = 'no';\n  $CFG -> wwwroot  =  'https://it\\'s\\\\new'  ; # why\n$a = '$CFG->wwwroot = 1;';\n",
            ),
            ("<?php $CFG->wwwroot = 'a' ?>", r"<?php $CFG->wwwroot = 'https://it\'s\\new' ?>"),
            (
                "<?php\nif ($a) {\n    $CFG->wwwroot = 'a';\n} else {\n    $CFG->wwwroot = 'b';\n}\n",
                "<?php\nif ($a) {\n    $CFG->wwwroot = 'https://it\\'s\\\\new';\n} else {\n    $CFG->wwwroot = 'https://it\\'s\\\\new';\n}\n",
            ),
        ] {
            assert_eq!(rewritten(before), after);
        }
    }

    #[test]
    fn what_sets_no_address_is_not_rewritten() {
        for source in
            ["<?php $CFG->dbname = 'a';", "<?php if ($CFG->wwwroot == 'a') {}", "$CFG->wwwroot = 'a';", "<?php '"]
        {
            assert_eq!(with_text(source.as_bytes(), "wwwroot", "b"), None, "{source}");
        }
    }
}
