"""Laws of changelogs: what people wrote stays, in order, and a second run changes nothing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from release.formats.changelog import Entry, Section, extract, insert
from release.model.edit import FileEdit

LINES = st.sampled_from(
    [
        "",
        "# Changelog",
        "## [Unreleased]",
        "### Unreleased",
        "## [1.1.0] - 2026-01-01",
        "### v4.5-r1",
        "1.0.0",
        "-----",
        "=====",
        "### Added",
        "### Fixed",
        "- a line",
        "* another",
        "text é😀",
        "```",
        "<!-- note",
        "-->",
        "**0.9.0**",
        "[1.1.0]: https://example.org",
        "    ## code",
    ]
)
FILES = st.builds(
    lambda bom, lines, eol, final: (bom + eol.join(lines) + (eol if final else "")).encode(),
    st.sampled_from(["", "\ufeff"]),
    st.lists(LINES, max_size=25),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
)
ENTRIES = st.lists(st.builds(Entry, st.sampled_from(Section), st.text(max_size=40)), max_size=6)


@given(FILES, ENTRIES)
def test_only_text_is_added_and_a_second_run_adds_none(content: bytes, entries: list[Entry]) -> None:
    edits = insert(content, "7.7.7", "2026-11-23", entries)
    assert all(edit.old.strip() == "" for edit in edits)
    made = FileEdit.build("CHANGELOG.md", content, edits).apply(content)
    rest = iter(made)
    assert all(byte in rest for byte in content.strip())
    if b"```" not in content and b"<!--" not in content:
        assert insert(made, "7.7.7", "2026-11-23", entries) == []
        assert extract(made, "7.7.7") is not None
