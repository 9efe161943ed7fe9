"""The TOML machinery on files that are hard to place."""

from __future__ import annotations

import pytest

from release.errors import FormatError, Place
from release.formats.toml import parse_toml

ODD = """# é😀 [not.a.table]
top = 1
[package]
name = "a" # name
text = \"\"\"
[fake]
x = "no"
\"\"\"
list = [
  [1, 2],
[3]
]
[[bin]]
name = "first"
[target.'cfg(any(unix, windows))'.dependencies]
one.version = "1"
[[bin]]
name = "second"
 [bin.metadata]
 x = 'deep'
[dependencies]
[target."cfg(windows)".dependencies]
two = { version = "2", features = ["a", "b"] }
"""


@pytest.mark.parametrize("eol", ["\n", "\r\n"])
@pytest.mark.parametrize("bom", ["", "\ufeff"])
def test_tables_in_any_order_and_look_alikes_are_placed(eol: str, bom: str) -> None:
    content = (bom + ODD.replace("\n", eol)).encode()
    file = parse_toml(content, "Cargo.toml")
    expected = {
        ("package", "name"): ('"a"', 4, 8),
        ("package", "list", 1, 0): ("3", 11, 2),
        ("bin", 0, "name"): ('"first"', 14, 8),
        ("bin", 1, "name"): ('"second"', 18, 8),
        ("bin", 1, "metadata", "x"): ("'deep'", 20, 6),
        ("target", "cfg(any(unix, windows))", "dependencies", "one", "version"): ('"1"', 16, 15),
        ("target", "cfg(windows)", "dependencies", "two", "features", 1): ('"b"', 23, 41),
    }
    for keys, (text, line, column) in expected.items():
        token = file.token(*keys)
        assert (token.text, token.line, token.column) == (text, line, column)
        assert content[token.offset :].startswith(text.encode())
    with pytest.raises(KeyError):
        file.token("fake", "x")


def test_a_table_is_placed_at_its_first_value_or_header() -> None:
    file = parse_toml(ODD.encode(), "Cargo.toml")
    assert file.place("package", "list") == Place("Cargo.toml", 10, 4)
    assert file.place("dependencies") == Place("Cargo.toml", 21, 1)
    assert file.place("nothing") == Place("Cargo.toml")


def test_a_table_that_tomlkit_renders_otherwise_is_refused_and_the_others_are_not() -> None:
    file = parse_toml(b'[package]\nname = "a"\n[metadata]\nday = { it = 1979-05-27 }\n', "Cargo.toml")
    assert file.token("package", "name").text == '"a"'
    with pytest.raises(FormatError, match="it would be rendered differently") as caught:
        file.token("metadata", "day", "it")
    assert caught.value.where == (Place("Cargo.toml", 4, 24),)


@pytest.mark.parametrize(
    ("content", "what", "line", "column"),
    [
        (b"a = \n", "Invalid value", 1, 5),
        (b"a = 1\na = 2\n", "Cannot overwrite", 2, 6),
        (b'a = "x', "Unterminated string", 1, 7),
        (b"\xff\xfea", "not UTF-8", 1, 1),
        (b"a = 1\nb = '\xc3'\n", "not UTF-8", 2, 6),
        (b"a = " + b"[" * 5000, "nested too deeply", 0, 0),
    ],
)
def test_what_is_no_toml_is_refused_at_its_place(content: bytes, what: str, line: int, column: int) -> None:
    with pytest.raises(FormatError) as caught:
        parse_toml(content, "x.toml")
    assert what in caught.value.what
    assert caught.value.where == (Place("x.toml", line, column),)
