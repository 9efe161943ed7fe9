"""Laws of the TOML machinery: every value is found where it is, and an edit changes that value alone."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from release.formats.toml import parse_toml, quoted
from release.model.edit import FileEdit

WORDS = st.text("abcé😀 #[]=,.-_", max_size=8)
KEYS = st.one_of(
    st.from_regex(r"[A-Za-z0-9_-]{1,5}", fullmatch=True),
    st.builds(lambda word: f'"{word}"', WORDS),
    st.builds(lambda word: f"'{word}'", WORDS),
)
SCALARS = st.one_of(
    st.builds(lambda word: f'"{word}"', WORDS),
    st.builds(lambda word: f"'{word}'", WORDS),
    st.builds(lambda word: f'"""\n{word}\n[table]\nx = "1"\n"""', WORDS),
    st.builds(lambda word: f"'''{word}'''", WORDS),
    st.sampled_from(["true", "1", "-0.5", '"\\u00e9\\n"', '"\\\\"']),
)
SPACES = st.sampled_from(["", " ", "  ", "\t"])
COMMENTS = st.sampled_from(["", " # a comment", "\t#[x]", ' # "1.0.0"'])


def arrays(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    plain = st.builds(lambda items, space: f"[{space}{f',{space}'.join(items)}]", st.lists(values, max_size=3), SPACES)
    lines = st.builds(
        lambda items, comment: "[" + "".join(f"{comment}\n  {item}," for item in items) + "\n]",
        st.lists(values, min_size=1, max_size=3),
        COMMENTS,
    )
    return st.one_of(plain, lines)


def inline_tables(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    pairs = st.lists(st.tuples(KEYS, values), max_size=3)
    return pairs.map(lambda items: "{ " + ", ".join(f"{key} = {value}" for key, value in items) + " }")


VALUES = st.recursive(SCALARS, lambda values: st.one_of(arrays(values), inline_tables(values)), max_leaves=5)
DOTTED = st.lists(KEYS, min_size=1, max_size=3).map(".".join)
LINES = st.one_of(
    st.builds(
        lambda indent, key, before, after, value, comment: f"{indent}{key}{before}={after}{value}{comment}",
        SPACES,
        DOTTED,
        SPACES,
        SPACES,
        VALUES,
        COMMENTS,
    ),
    st.builds(lambda indent, key, comment: f"{indent}[{key}]{comment}", SPACES, DOTTED, COMMENTS),
    st.builds(lambda key, comment: f"[[{key}]]{comment}", DOTTED, COMMENTS),
    COMMENTS,
)


@st.composite
def documents(draw: st.DrawFn) -> bytes:
    """Return valid TOML: of the lines those that leave the whole valid."""
    lines: list[str] = []
    for line in draw(st.lists(LINES, max_size=12)):
        try:
            tomllib.loads("\n".join([*lines, line]))
        except tomllib.TOMLDecodeError:
            continue
        lines.append(line)
    text = "\n".join(lines) + draw(st.sampled_from(["", "\n", "\n\n"]))
    text = text.replace("\n", draw(st.sampled_from(["\n", "\r\n"])))
    return (draw(st.sampled_from(["", "\ufeff"])) + text).encode()


def leaves(value: object, keys: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], object]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, (*keys, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from leaves(item, (*keys, index))
    else:
        yield keys, value


@given(documents())
def test_every_value_is_at_its_token_and_changes_alone(content: bytes) -> None:
    document = parse_toml(content, "x.toml")
    found = list(leaves(document.data))
    for keys, value in found:
        token = document.token(*keys)
        raw = token.text.encode()
        assert content[token.offset : token.offset + len(raw)] == raw
        assert tomllib.loads(f"x = {token.text}")["x"] == value
        line = content.decode().removeprefix("\ufeff").split("\n")[token.line - 1]
        assert line[token.column - 1 :].startswith(token.text.split("\n")[0])
    for keys, _ in found[:3]:
        token = document.token(*keys)
        edit = FileEdit.build("x.toml", content, [token.replaced_by(quoted("9.8.7-rc.1", token.text))])
        after = dict(leaves(parse_toml(edit.apply(content), "x.toml").data))
        assert after == {**dict(found), keys: "9.8.7-rc.1"}
