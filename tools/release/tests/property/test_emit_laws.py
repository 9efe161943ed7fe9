"""The emitter's law: what is written is read back as what was meant, comments and layout aside."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from release.formats.yaml_emit import Node, Noted, emit, plain

_SIGNS = "ab :#-\n\t'\"{}[]&*!|>%@`,?~0.19_exo\\"
_ODD = (
    "on", "yes", "y", "N", "1e3", "0o7", "1_0", "12:30", "190:20:30", "2001-01-01", "=", "<<", "null", "~", "...",
    "---",
    "- a", "? a", "a: b", "a #b", "#", "é", "\u2028x\n y", "\x85", "a\n\nb\n", "a\n b", "\ufeff", "${{ a }}", "!x",
    "&a", "*a", "0x1f", "+1", ".5", "1.", "1_000.5", ".inf", "-.INF", "0b1", "1:2", "0777", "08", "a\r\nb", "😀",
)  # fmt: skip
_TEXT = st.one_of(
    st.text(), st.text(_SIGNS, max_size=12), st.sampled_from(_ODD), st.text("a", min_size=1100, max_size=1200)
)
_LEAF = st.one_of(_TEXT, st.integers(), st.booleans(), st.none())
NODES: st.SearchStrategy[Node] = st.recursive(
    _LEAF,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(_TEXT, inner, max_size=4), st.builds(Noted, inner, _TEXT)
    ),
    max_leaves=20,
)


@settings(max_examples=400, deadline=None)
@given(NODES)
def test_what_is_written_is_read_back(node: Node) -> None:
    written = emit(node, header=["a header"])
    assert yaml.safe_load(written) == plain(node)


@settings(max_examples=200, deadline=None)
@given(NODES)
def test_the_fast_reader_reads_the_same(node: Node) -> None:
    loader = getattr(yaml, "CSafeLoader", None)
    if loader is None:
        pytest.skip("PyYAML was built without libyaml")
    assert yaml.load(emit(node), loader) == plain(node)


@settings(max_examples=100, deadline=None)
@given(NODES)
def test_the_same_node_gives_the_same_bytes(node: Node) -> None:
    assert emit(node) == emit(node)
    assert emit(node).endswith("\n")


def test_a_comment_stands_at_the_end_of_a_scalar_and_above_a_mapping() -> None:
    written = emit({"contents": Noted("write", "push\nthe tags"), "jobs": Noted({"a": 1}, "why")})
    assert written == "contents: write  # push the tags\n# why\njobs:\n  a: 1\n"
