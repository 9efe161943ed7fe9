"""What messages mean: the specification's examples, git's and GitHub's own wording, and footers of this product."""

from __future__ import annotations

import pytest

from release.model.commit import Change
from release.planning.conventional import parse_message

SHA, OTHER = "676104e5a7c64b1bd0ab0e5a5f2ff9e1d8a1b0c2", "a215868dbbcf0cd6d4ef41fb9a4b6ec7b0f60a71"


@pytest.mark.parametrize(
    ("text", "change", "footers"),
    [
        pytest.param(
            "feat: settings may be inherited\n\nBREAKING CHANGE: `extends` now names another file",
            Change("feat", "", "settings may be inherited", "`extends` now names another file"),
            {"BREAKING CHANGE": "`extends` now names another file"},
            id="description and breaking footer",
        ),
        pytest.param(
            "feat!: mail the buyer on dispatch",
            Change("feat", "", "mail the buyer on dispatch", "mail the buyer on dispatch"),
            {},
            id="exclamation mark",
        ),
        pytest.param(
            "feat(api)!: mail the buyer on dispatch",
            Change("feat", "api", "mail the buyer on dispatch", "mail the buyer on dispatch"),
            {},
            id="scope and exclamation mark",
        ),
        pytest.param(
            "feat!: leave the old runtime\n\nBREAKING CHANGE: needs what the old runtime lacks.",
            Change("feat", "", "leave the old runtime", "needs what the old runtime lacks."),
            {"BREAKING CHANGE": "needs what the old runtime lacks."},
            id="exclamation mark and footer",
        ),
        pytest.param("docs: spell the heading right", Change("docs", "", "spell the heading right"), {}, id="no body"),
        pytest.param("feat(lang): add Polish", Change("feat", "lang", "add Polish"), {}, id="scope"),
        pytest.param(
            "fix: no requests that race\n\nGive each an id.\nDrop late answers.\n\nTimeouts are not needed now.\n\n"
            "Reviewed-by: Z\nRefs: #123",
            Change("fix", "", "no requests that race"),
            {"Reviewed-by": "Z", "Refs": "#123"},
            id="paragraphs and several footers",
        ),
        pytest.param(
            "revert: let us forget the noodles\n\nRefs: 676104e, a215868",
            Change("revert", "", "let us forget the noodles"),
            {"Refs": "676104e, a215868"},
            id="revert with refs",
        ),
        pytest.param(
            "fix: x\n\nCloses #12\nBREAKING-CHANGE: it\ngoes on\n\nand on",
            Change("fix", "", "x", "it\ngoes on\n\nand on"),
            {"Closes": "12", "BREAKING-CHANGE": "it\ngoes on\n\nand on"},
            id="hash separator, hyphen and lines",
        ),
        pytest.param("FEAT(Core): X", Change("feat", "Core", "X"), {}, id="types without case"),
        pytest.param(
            "fix: x\n\nbreaking change: small letters do not count", Change("fix", "", "x"), {}, id="case of the token"
        ),
        pytest.param("feat:no space", Change("", "", "feat:no space"), {}, id="no space"),
        pytest.param("feat(): x", Change("", "", "feat(): x"), {}, id="empty scope"),
        pytest.param("fix : x", Change("", "", "fix : x"), {}, id="space before the colon"),
        pytest.param("Fix the thing", Change("", "", "Fix the thing"), {}, id="not conventional"),
    ],
)
def test_a_message_is_read_as_the_specification_says(text: str, change: Change, footers: dict[str, str]) -> None:
    message = parse_message(text)
    assert message.changes == (change,)
    assert dict(message.footers) == footers


@pytest.mark.parametrize(
    ("text", "reverts"),
    [
        (f'Revert "feat: x"\n\nThis reverts commit {SHA}.\n', (SHA,)),
        (f'Reapply "feat: x"\n\nThis reverts commit {SHA}.\n', (SHA,)),
        (f'Revert "Merge branch x"\n\nThis reverts commit {SHA}, reversing\nchanges made to {OTHER}.\n', (SHA,)),
        ("revert: x\n\nRefs: 676104e, a215868", ("676104e", "a215868")),
        (f"revert: x\n\nReverts: {SHA}\n\n(cherry picked from commit {OTHER})", (SHA,)),
        (f"fix: two\n\nThis reverts commit {SHA}.\nThis reverts commit {OTHER}.", (SHA, OTHER)),
        ("fix: x\n\nRefs: 676104e", ()),
        (f"docs: tell that this reverts commit-ish {SHA}", ()),
    ],
)
def test_reverts_name_what_they_revert(text: str, reverts: tuple[str, ...]) -> None:
    assert parse_message(text).reverts == reverts


def test_github_names_the_pull_request_that_is_reverted() -> None:
    message = parse_message('Revert "feat: x (#12)" (#13)\n\nReverts acme/mono#12\n')
    assert (message.reverts_pull, message.pull) == (12, 13)


def test_a_pick_of_a_pick_names_both() -> None:
    text = f"fix: x\n\n(cherry picked from commit {SHA})\n(cherry picked from commit {OTHER})\n"
    assert parse_message(text).picked_from == (SHA, OTHER)


def test_the_list_in_a_squash_commit_is_read_and_prose_in_it_is_not() -> None:
    text = (
        "Two things (#7)\n\n* feat(accel): one\n\nIt says why: because.\n\n* note: this is prose\n* fix!: two\n\n"
        "* feat: three\n\nBREAKING CHANGE: all of it\n\n* docs: four\n\n---------\n\nCo-authored-by: B <b@c.d>\n"
    )
    assert parse_message(text).changes == (
        Change("", "", "Two things (#7)"),
        Change("feat", "accel", "one", None, True),
        Change("fix", "", "two", "two", True),
        Change("feat", "", "three", "all of it", True),
        Change("docs", "", "four", None, True),
    )


def test_the_log_that_git_merge_squash_writes_is_read() -> None:
    text = (
        f"Squashed commit of the following:\n\ncommit {SHA}\nAuthor: A <a@b.c>\nDate:   Mon Nov 23 2026\n\n"
        f"    feat: one\n    \n    words: more\n\ncommit {OTHER}\nAuthor: A <a@b.c>\n\n    fix: two\n"
    )
    assert [change.description for change in parse_message(text).changes[1:]] == ["one", "two"]


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("feat: x\n\nRelease-As: 2.0.0", ((None, "2.0.0"),)),
        ("feat: x\n\nRelease-As: v2.0.0\n", ((None, "2.0.0"),)),
        ("feat: x\n\nRelease-As: accel 2.0.0\nRelease-As: core=3.0.0", (("accel", "2.0.0"), ("core", "3.0.0"))),
        (f"feat: x\n\nRelease-As: 2.0.0\n\n(cherry picked from commit {SHA})", ((None, "2.0.0"),)),
        ("feat: x (#1)\n\nRelease-As: 2.0.0\n\n---------\n\nCo-authored-by: B <b@c.d>", ((None, "2.0.0"),)),
    ],
)
def test_release_as_asks_for_a_version(text: str, asked: tuple[tuple[str | None, str], ...]) -> None:
    assert parse_message(text).release_as == asked


def test_the_trailers_of_a_release_commit_name_what_it_released() -> None:
    text = (
        "chore(release): a 1.0.0\n\n- a: 0.9.0 -> 1.0.0\n\nRelease-Plan: sha256:00\n"
        "Release-Component: a 1.0.0\nRelease-Component: local_b 2.0.0-rc.1 2026112300\n"
        "Release-Build: mod_c 1.0.0 2026112301\n"
    )
    message = parse_message(text)
    assert message.released == (("a", "1.0.0", None), ("local_b", "2.0.0-rc.1", 2026112300))
    assert message.rebuilt == (("mod_c", "1.0.0", 2026112301),)
