"""Laws of messages: any text is read, what is written as the specification says is found again."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from release.planning.conventional import parse_message

LINES = st.sampled_from(
    [
        "",
        "feat: one",
        "fix(x)!: two",
        "BREAKING CHANGE: three",
        "BREAKING-CHANGE: four",
        "Refs: #5",
        "Reviewed-by: Z",
        "Closes #6",
        "This reverts commit 0123456789abcdef.",
        "Reverts acme/mono#7",
        "(cherry picked from commit 0123456789abcdef)",
        "* feat(a): eight",
        "- chore: nine",
        "Release-As: 2.0.0",
        "Release-Component: a 1.0.0 2026010100",
        "Release-Component: a 1.0.0 ²",
        "Release-Build: b",
        "commit 0123456789abcdef",
        "    perf: ten",
        "words",
        f"big (#{'9' * 5000})",
        f"Reverts #{'9' * 5000}",
        f"Release-Component: a 1.0.0 {'9' * 5000}",
    ]
)
TYPES = st.sampled_from(["feat", "fix", "chore", "x", "Feat", "release-2", "übung"])
SCOPES = st.none() | st.text(st.sampled_from(list("ab/_- .")), min_size=1, max_size=6).map(str.strip).filter(bool)
TEXTS = st.text(st.sampled_from(list("ab: !()#*é")), min_size=1, max_size=12).map(str.strip).filter(bool)


@given(st.text() | st.lists(LINES).map("\n".join) | st.lists(LINES).map("\r\n".join))
@example("")
@example("\n\n")
@example("\r")
def test_any_text_is_read_without_a_failure(text: str) -> None:
    message = parse_message(text)
    assert message.changes
    assert not message.changes[0].from_body
    assert all(change.from_body for change in message.changes[1:])


@given(TYPES, SCOPES, st.booleans(), TEXTS)
def test_a_header_gives_back_its_parts(kind: str, scope: str | None, bang: bool, text: str) -> None:
    header = f"{kind}{f'({scope})' if scope else ''}{'!' if bang else ''}: {text}"
    (change,) = parse_message(header).changes
    assert (change.type, change.scope, change.description) == (kind.lower(), scope or "", text)
    assert change.breaking == (text if bang else None)


@given(TYPES, TEXTS, st.sampled_from(["BREAKING CHANGE", "BREAKING-CHANGE"]), st.lists(TEXTS, min_size=1, max_size=3))
def test_a_breaking_footer_breaks_whatever_the_type(kind: str, text: str, token: str, lines: list[str]) -> None:
    value = "\n".join(f"{line}." for line in lines)
    (change,) = parse_message(f"{kind}: {text}\n\n{token}: {value}\n").changes
    assert change.breaking == value


@given(st.lists(LINES, max_size=8))
def test_line_ends_do_not_matter(lines: list[str]) -> None:
    assert parse_message("feat: x\n" + "\n".join(lines)) == parse_message("feat: x\r\n" + "\r\n".join(lines))


@given(st.text("0123456789abcdef", min_size=40, max_size=40), st.lists(LINES, max_size=4))
def test_a_cherry_pick_says_what_the_original_says(sha: str, lines: list[str]) -> None:
    text = "\n".join(["feat: x", *lines]).rstrip()
    original, picked = parse_message(text), parse_message(f"{text}\n\n(cherry picked from commit {sha})\n")
    assert picked.picked_from == (*original.picked_from, sha)
    assert (picked.changes, picked.footers, picked.reverts) == (original.changes, original.footers, original.reverts)
    assert (picked.released, picked.release_as) == (original.released, original.release_as)
