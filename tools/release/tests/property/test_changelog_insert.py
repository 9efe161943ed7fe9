"""Laws of changelogs: what people wrote stays, in order, and a second run changes nothing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from release.formats.changelog import Entry, Section, insert
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
        "[Unreleased]: https://example.org/é/compare/v1.1.0...HEAD",
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
def test_only_a_links_base_is_replaced_and_a_second_run_changes_nothing(content: bytes, entries: list[Entry]) -> None:
    edits = insert(content, "7.7.7", "2026-11-23", entries)
    replaced = [edit for edit in edits if edit.old.strip()]
    assert [(edit.old, edit.new) for edit in replaced] in ([], [("1.1.0", "7.7.7")])
    made = FileEdit.build("CHANGELOG.md", content, edits).apply(content)
    kept = content
    for edit in replaced:
        assert content[: edit.offset].endswith(b"/compare/v")
        kept = content[: edit.offset] + content[edit.offset + len(edit.old) :]
    rest = iter(made)
    assert all(byte in rest for byte in kept.strip())
    if b"```" not in content and b"<!--" not in content:
        assert insert(made, "7.7.7", "2026-11-23", entries) == []
