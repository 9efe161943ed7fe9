"""Laws of the YAML machinery: every scalar is found where it is, and an edit changes that scalar alone."""

from __future__ import annotations

from typing import Any

import yaml
from hypothesis import assume, given
from hypothesis import strategies as st
from yaml.nodes import Node, ScalarNode

from release.formats.yaml import YamlFile, parse_yaml, plain_or_quoted
from release.model.edit import FileEdit

WORDS = st.text("abé😀 .:-#", max_size=8)
SCALARS = st.one_of(
    st.sampled_from(["1.2.3", "1.10", "true", "~", "0123e4", "a b", "é😀", "v1:2", "1.2.3-rc.1"]),
    st.builds(lambda word: f"'{word}'", WORDS),
    st.builds(lambda word: f'"{word}"', WORDS),
    st.builds(lambda word: f"&anchor{len(word)} '{word}'", WORDS),
    st.builds(lambda word: f'!!str "{word}"', WORDS),
)
COMMENTS = st.sampled_from(["", " # a comment", "   # 'x'", "  "])
KEYS = st.from_regex(r"[a-z]{1,6}", fullmatch=True)


@st.composite
def documents(draw: st.DrawFn, depth: int = 0) -> str:
    """Block mappings of scalars, flow collections, block scalars and further mappings."""
    lines: list[str] = []
    indent = "  " * depth
    for key in draw(st.lists(KEYS, min_size=1, max_size=4, unique=True)):
        match draw(st.integers(0, 4 if depth < 2 else 3)):
            case 0:
                flow = draw(st.lists(SCALARS, max_size=3))
                lines.append(f"{indent}{key}: [{', '.join(flow)}]{draw(COMMENTS)}")
            case 1:
                lines.append(f"{indent}{key}: |\n{indent}  text: 1.2.3\n{indent}  # no comment")
            case 2:
                lines += [
                    f"{indent}{key}:",
                    *(f"{indent}- {item}" for item in draw(st.lists(SCALARS, max_size=3))),
                ]
            case 4:
                lines += [f"{indent}{key}:", draw(documents(depth + 1))]
            case _:
                lines.append(f"{indent}{key}: {draw(SCALARS)}{draw(COMMENTS)}")
    return "\n".join(lines)


def scalars(node: Node, keys: tuple[Any, ...] = ()) -> list[tuple[tuple[Any, ...], ScalarNode]]:
    if isinstance(node, ScalarNode):
        return [(keys, node)]
    if isinstance(node, yaml.MappingNode):
        return [found for key, value in node.value for found in scalars(value, (*keys, key.value))]
    return [found for index, value in enumerate(node.value) for found in scalars(value, (*keys, index))]


def texts(file: YamlFile) -> dict[tuple[Any, ...], str]:
    return {keys: node.value for key, root in file.root.items() for keys, node in scalars(root, (key,))}


@given(documents(), st.sampled_from(["\n", "\r\n"]), st.sampled_from(["", "\ufeff"]), st.booleans())
def test_every_scalar_is_at_its_token_and_changes_alone(text: str, eol: str, bom: str, final: bool) -> None:
    try:
        yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError:
        assume(False)
    content = (bom + (text + ("\n" if final else "")).replace("\n", eol)).encode()
    file = parse_yaml(content, "x.yaml")
    before = texts(file)
    for root in file.root.items():
        for keys, node in scalars(root[1], (root[0],)):
            if node.style == "|" or not node.value:
                continue
            token = file.token(node)
            raw = token.text.encode()
            assert content[token.offset : token.offset + len(raw)] == raw
            assert yaml.load(token.text, Loader=yaml.BaseLoader) == node.value
            line = content.decode().removeprefix("\ufeff").split("\n")[token.line - 1]
            assert line[token.column - 1 :].startswith(token.text)
            edit = token.replaced_by(plain_or_quoted("9.8.7-rc.1", token.text))
            after = FileEdit.build("x.yaml", content, [edit]).apply(content)
            assert texts(parse_yaml(after, "x.yaml")) == {**before, keys: "9.8.7-rc.1"}


@given(st.text("0123456789.ex:-~ #nyotrue", min_size=1, max_size=8), st.sampled_from(["plain", "'x'", '"x"']))
def test_a_written_scalar_reads_back_as_that_string(new: str, like: str) -> None:
    text = plain_or_quoted(new, like)
    assert yaml.safe_load(f"key: {text} # comment\n") == {"key": new}
