"""Laws of edits: what is applied can be taken back, nothing else changes, and the wrong file is refused."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from release.errors import PlanRefused
from release.model.edit import FileEdit, Replacement, digest

TEXTS = st.text(st.sampled_from(list("ab1. \r\n'é😀\ufeff")), max_size=30)


@st.composite
def edited(draw: st.DrawFn) -> tuple[bytes, list[Replacement]]:
    """Return a file and replacements in it that neither overlap nor meet."""
    pieces = draw(st.lists(st.tuples(TEXTS, TEXTS, TEXTS), min_size=1, max_size=5))
    content = b""
    replacements = []
    for kept, old, new in pieces:
        content += f"{kept}-".encode()
        replacements.append(Replacement(len(content), old, new))
        content += f"{old}-".encode()
    return content, replacements


@given(edited())
def test_what_is_edited_can_be_taken_back(made: tuple[bytes, list[Replacement]]) -> None:
    content, replacements = made
    edit = FileEdit.build("file", content, replacements)
    after = edit.apply(content)
    back, shift = [], 0
    for one in edit.replacements:
        back.append(Replacement(one.offset + shift, one.new, one.old))
        shift += len(one.new.encode()) - len(one.old.encode())
    inverse = FileEdit.build("file", after, back)
    assert inverse.apply(after) == content
    assert (inverse.before, inverse.after) == (edit.after, edit.before)


@given(edited())
def test_bytes_outside_of_replacements_stay(made: tuple[bytes, list[Replacement]]) -> None:
    content, replacements = made
    after = FileEdit.build("file", content, replacements).apply(content)
    at = end = 0
    for one in sorted(set(replacements)):
        kept = content[end : one.offset]
        assert after[at : at + len(kept)] == kept
        end = one.offset + len(one.old.encode())
        at += len(kept) + len(one.new.encode())
    assert after[at:] == content[end:]


@given(edited(), st.randoms())
def test_the_order_and_repetition_of_replacements_do_not_matter(
    made: tuple[bytes, list[Replacement]], random: Random
) -> None:
    content, replacements = made
    mixed = [*replacements, *replacements]
    random.shuffle(mixed)
    assert FileEdit.build("file", content, mixed) == FileEdit.build("file", content, replacements)


@given(edited(), st.binary(max_size=40))
def test_another_file_is_refused(made: tuple[bytes, list[Replacement]], other: bytes) -> None:
    content, replacements = made
    assume(other != content)
    edit = FileEdit.build("file", content, replacements)
    with pytest.raises(PlanRefused):
        edit.apply(other)
    with pytest.raises(PlanRefused):
        edit.apply(None)


@given(TEXTS)
def test_a_new_file_is_made_from_nothing_and_only_where_none_is(text: str) -> None:
    edit = FileEdit.build("file", None, [Replacement(0, "", text)])
    assert edit.apply(None) == text.encode()
    assert edit.before is None
    with pytest.raises(PlanRefused):
        edit.apply(text.encode())


@given(edited())
def test_a_promise_that_the_edits_do_not_keep_is_refused(made: tuple[bytes, list[Replacement]]) -> None:
    content, replacements = made
    edit = FileEdit.build("file", content, replacements)
    with pytest.raises(PlanRefused):
        FileEdit("file", edit.before, digest(b"else"), edit.replacements).apply(content)


def test_overlapping_replacements_are_an_error() -> None:
    with pytest.raises(ValueError, match="overlap"):
        FileEdit.build("file", b"abcdef", [Replacement(0, "abc", "x"), Replacement(2, "cd", "y")])
    with pytest.raises(ValueError, match="is not at byte"):
        FileEdit.build("file", b"abcdef", [Replacement(1, "abc", "x")])
