"""Changelogs of every style get their new section, and nothing that people wrote is lost."""

from __future__ import annotations

import pytest

from release.errors import FormatError
from release.formats.changelog import Entry, Section, insert, notes, render_section
from release.model.edit import FileEdit

ENTRIES = [Entry(Section.FIXED, "a leak"), Entry(Section.ADDED, "a cache"), Entry(Section.FIXED, "a leak")]
SECTION = "### Added\n\n- a cache\n\n### Fixed\n\n- a leak"


def after(text: str | None, version: str = "1.2.0", entries: list[Entry] | None = None) -> str:
    content = None if text is None else text.encode()
    edits = insert(content, version, "2026-11-23", ENTRIES if entries is None else entries)
    return FileEdit.build("CHANGELOG.md", content, edits).apply(content).decode()


def test_a_section_has_the_groups_in_their_order_and_each_entry_once() -> None:
    assert render_section("1.2.0", "2026-11-23", ENTRIES) == f"## [1.2.0] - 2026-11-23\n\n{SECTION}\n"


@pytest.mark.parametrize("text", [None, "", "\n"])
def test_a_new_file_has_a_header_an_empty_unreleased_and_the_section(text: str | None) -> None:
    made = after(text)
    assert made.startswith("# Changelog\n\n")
    assert made.endswith(f"\n\n## [Unreleased]\n\n## [1.2.0] - 2026-11-23\n\n{SECTION}\n")


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        pytest.param(
            "# Log\n\n## [Unreleased]\n\n## [1.1.0] - 2026-01-01\n\n- x\n\n[1.1.0]: https://example.org\n",
            f"# Log\n\n## [Unreleased]\n\n## [1.2.0] - 2026-11-23\n\n{SECTION}\n\n"
            "## [1.1.0] - 2026-01-01\n\n- x\n\n[1.1.0]: https://example.org\n",
            id="above the newest version",
        ),
        pytest.param(
            "## Unreleased\nHi.\n\n### Fixed\n* human\n\n### Other\n- o\n\n## v1.1.0 (2026-01-01)\n- x",
            "## Unreleased\n\n## v1.2.0 (2026-11-23)\nHi.\n\n### Fixed\n* human\n* a leak\n\n"
            "### Other\n- o\n\n### Added\n\n- a cache\n\n## v1.1.0 (2026-01-01)\n- x",
            id="human text moves in first and equal groups are merged",
        ),
        pytest.param(
            "## [Unreleased]\n\n### Fixed\n\n### Added\n- b\n",
            "## [Unreleased]\n\n## [1.2.0] - 2026-11-23\n\n### Fixed\n\n- a leak\n\n### Added\n- b\n- a cache\n",
            id="an empty group is filled",
        ),
        pytest.param(
            "Changes\n=======\n\n1.1 (2020)\n----------\n* x\n",
            f"Changes\n=======\n\n## 1.2.0 (2026-11-23)\n\n{SECTION}\n\n1.1 (2020)\n----------\n* x\n",
            id="underlined headings",
        ),
        pytest.param(
            "mod_x\n-----\n\n### Unreleased\n\n* 2024 - Improvement\n\n### v4.5-r1\n\n* x\n",
            "mod_x\n-----\n\n### Unreleased\n\n### v1.2.0 - 2026-11-23\n\n* 2024 - Improvement\n\n"
            f"{SECTION.replace('###', '####')}\n\n### v4.5-r1\n\n* x\n",
            id="a Moodle plugin's third-level headings",
        ),
        pytest.param(
            "**1.1.0**\n\n* x\n",
            f"## 1.2.0 - 2026-11-23\n\n{SECTION}\n\n**1.1.0**\n\n* x\n",
            id="bold versions",
        ),
        pytest.param(
            '# Log\n\n<a name="1.1.0"></a>\n### [v1.1.0](https://example.org) - 2026\n* x\n\n## [v1.0.0]\n',
            f"# Log\n\n## [v1.2.0] - 2026-11-23\n\n{SECTION}\n\n"
            '<a name="1.1.0"></a>\n### [v1.1.0](https://example.org) - 2026\n* x\n\n## [v1.0.0]\n',
            id="linked headings of two levels with anchors",
        ),
        pytest.param(
            "# Log\n\nintro",
            f"# Log\n\nintro\n\n## [1.2.0] - 2026-11-23\n\n{SECTION}\n",
            id="no version yet and no final line end",
        ),
        pytest.param(
            "# Log\n\n[a]: https://example.org\n",
            f"# Log\n\n## [1.2.0] - 2026-11-23\n\n{SECTION}\n\n[a]: https://example.org\n",
            id="link definitions stay last",
        ),
        pytest.param(
            "# Log\n\n```\n## 9.9.9\n```\n<!--\n## 9.9.8\n-->\n## 1.1.0\n",
            f"# Log\n\n```\n## 9.9.9\n```\n<!--\n## 9.9.8\n-->\n\n## 1.2.0 - 2026-11-23\n\n{SECTION}\n\n## 1.1.0\n",
            id="code and comments are no headings",
        ),
    ],
)
def test_the_section_goes_where_it_belongs(before: str, expected: str) -> None:
    assert after(before) == expected
    assert after(before.replace("\n", "\r\n")) == expected.replace("\n", "\r\n")


LINKED = "# Log\n\n## [Unreleased]\n\n## [v1.1.0] - 2026-01-01\n\n- x\n\n"


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        pytest.param(
            "[Unreleased]: https://example.org/compare/v1.1.0...HEAD\n[1.1.0]: https://example.org/tag/v1.1.0\n",
            "[Unreleased]: https://example.org/compare/v1.2.0...HEAD\n"
            "[1.2.0]: https://example.org/compare/v1.1.0...v1.2.0\n[1.1.0]: https://example.org/tag/v1.1.0\n",
            id="GitHub",
        ),
        pytest.param(
            "[1.0.0]: https://example.org\n[unreleased]:  <https://example.org/-/compare/a-v1.1.0..main>  ",
            "[1.0.0]: https://example.org\n[unreleased]:  <https://example.org/-/compare/a-v1.2.0..main>\n"
            "[v1.2.0]:  <https://example.org/-/compare/a-v1.1.0..a-v1.2.0>  ",
            id="GitLab, a component's tags, two dots and the headings' label",
        ),
        *(
            pytest.param(links, links, id=why)
            for why, links in {
                "another base": "[Unreleased]: https://example.org/compare/v1.0.9...HEAD\n",
                "a base that only ends alike": "[Unreleased]: https://example.org/compare/v11.1.0...HEAD\n",
                "the other way round": "[Unreleased]: https://example.org/branches/compare/HEAD..v1.1.0\n",
                "no comparison": "[Unreleased]: https://example.org/commits\n[1.1.0]: https://example.org\n",
                "in text": "[Unreleased]: https://example.org/compare/v1.1.0...HEAD\n\nThe end.\n",
                "written by hand already": "[v1.2.0]: https://example.org\n"
                "[Unreleased]: https://example.org/compare/v1.1.0...HEAD\n",
            }.items()
        ),
    ],
)
def test_link_definitions_go_on_in_their_own_style_or_stay(before: str, expected: str) -> None:
    section = f"## [v1.2.0] - 2026-11-23\n\n{SECTION}\n\n## [v1.1.0]"
    for eol in ("\n", "\r\n"):
        made = after((LINKED + before).replace("\n", eol))
        assert made == (LINKED.replace("## [v1.1.0]", section) + expected).replace("\n", eol)
        assert after(made) == made


@pytest.mark.parametrize(
    "heading", ["## [1.2.0] - 2026-11-23", "# v1.2.0", "## 1.2.0 (today)", "1.2.0\n-----", "## Version 1.2.0"]
)
def test_a_section_that_is_there_is_not_written_again(heading: str) -> None:
    assert insert(f"# Log\n\n{heading}\n\n- x\n".encode(), "1.2.0", "2026-11-23", ENTRIES) == []


def test_a_version_that_only_begins_alike_is_another() -> None:
    assert "## [1.2.0] - " in after("# Log\n\n## [1.2.0-rc.1] - 2026-01-01\n")


def test_a_byte_order_mark_stays_first() -> None:
    content = "\ufeff# Log\n\n## 1.0.0\n".encode()
    edits = insert(content, "1.2.0", "2026-11-23", ENTRIES)
    made = FileEdit.build("CHANGELOG.md", content, edits).apply(content).decode()
    assert made.startswith("\ufeff# Log\n\n## 1.2.0 - 2026-11-23\n")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("# not a heading", r"- \# not a heading"),
        ("#12 is fixed", "- #12 is fixed"),
        ("- nested", r"- \- nested"),
        ("> quote", r"- \> quote"),
        ("1. one", r"- 1\. one"),
        ("2 apples", "- 2 apples"),
        ("use <b> here", r"- use \<b> here"),
        ("a < b", "- a < b"),
        ("Vec<T> and `Vec<T>`", r"- Vec\<T> and `Vec<T>`"),
        ("<https://example.org>", "- <https://example.org>"),
        ("a lone ` tick", r"- a lone \` tick"),
        ("call __construct__ now", r"- call \_\_construct\_\_ now"),
        ("snake_case_name", "- snake_case_name"),
        ("one\n\n  two\r\n# three", "- one\n  two\n  \\# three"),
        ("tab\tand\x07bell", "- tab and bell"),
        ("[a]: b", r"- \[a]: b"),
        ("see [this](https://example.org)", "- see [this](https://example.org)"),
    ],
)
def test_an_entry_reads_as_it_was_written(text: str, expected: str) -> None:
    section = render_section("1.0.0", "2026-11-23", [Entry(Section.ADDED, text)])
    assert section == f"## [1.0.0] - 2026-11-23\n\n### Added\n\n{expected}\n"


def test_a_file_that_is_not_utf_8_is_refused() -> None:
    with pytest.raises(FormatError, match=r"CHANGES\.md is not UTF-8"):
        insert(b"# Log \xff\n", "1.0.0", "2026-11-23", ENTRIES, "CHANGES.md")


@pytest.mark.parametrize(
    ("text", "version", "expected"),
    [
        ("# C\n\n## [Unreleased]\n\n## [1.2.0] - 2026-01-01\n\n### Added\n\n- One.\n\n## [1.1.0]\n\n- Old.\n", "1.2.0",
         "### Added\n\n- One."),
        ("# C\n\n## v1.1.0\n\n- Old.\n\n[1.1.0]: https://example.org\n", "1.1.0", "- Old."),
        ("# C\r\n\r\n## 1.1.0\r\n\r\n- A.\r\n- B.\r\n", "1.1.0", "- A.\n- B."),
        ("# C\n\n## [1.1.0]\n\n- Old.\n", "1.1", ""),
        ("# C\n\n## [1.1.0-rc.1]\n\n- Old.\n", "1.1.0", ""),
    ],
)  # fmt: skip
def test_the_notes_of_a_version_are_what_stands_below_its_heading(text: str, version: str, expected: str) -> None:
    assert notes(text.encode(), version) == expected


def test_without_a_changelog_there_are_no_notes() -> None:
    assert notes(None, "1.0.0") == ""
