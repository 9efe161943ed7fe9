"""What commits amount to: reverts, picks, squashes, merges and policies, one rule each."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from release.errors import HistoryError
from release.model.commit import Commit
from release.model.version import Level
from release.planning.conventional import parse_message
from release.planning.decide import Decision, Weights, decide

LEVELS = {"feat": Level.MINOR, "fix": Level.PATCH, "revert": Level.PATCH}


def sha(number: int) -> str:
    return f"{number:08x}" * 5


def decided(
    *texts: str,
    merges: Sequence[int] = (),
    brought: dict[int, Sequence[int]] | None = None,
    released: Sequence[int] = (),
    aside: dict[int, Sequence[int]] | None = None,
    touched: Sequence[str] = ("accel",),
    unconventional: Level | None = Level.NONE,
) -> Decision:
    """Decide on commits 1, 2, … with ``texts``, oldest first, on one line except that ``aside`` lists non-ancestors."""
    texts = tuple(text.format(*(sha(n) for n in range(20))) for text in texts)
    commits = []
    for number in range(len(texts), 0, -1):
        parents = (sha(number - 1), sha(99)) if number in merges else (sha(number - 1),)
        commits.append((Commit(sha(number), parents, number, texts[number - 1], ()), parse_message(texts[number - 1])))
    return decide(
        "accel",
        commits,
        Weights(lambda kind: LEVELS.get(kind, Level.NONE), unconventional),
        touched=lambda _: touched,
        is_released=lambda name: name in {sha(n) for n in released},
        brought_by=lambda name: [sha(n) for n in (brought or {}).get(int(name[:8], 16), ())],
        is_ancestor=lambda old, new: int(old[:8], 16) not in (aside or {}).get(int(new[:8], 16), ()),
    )


def counted(decision: Decision) -> dict[int, Level]:
    return {int(reason.commit[:8], 16): reason.level for reason in decision.reasons}


REVERT = 'Revert "x"\n\nThis reverts commit {%d}.\n'


def test_the_highest_level_decides_and_every_commit_is_a_reason() -> None:
    decision = decided("fix: one", "docs: two", "feat: three")
    assert decision.level is Level.MINOR
    assert counted(decision) == {1: Level.PATCH, 2: Level.BUILD, 3: Level.MINOR}


def test_a_revert_and_what_it_reverts_cancel_each_other() -> None:
    assert counted(decided("feat: one", "fix: two", REVERT % 1)) == {2: Level.PATCH}


def test_a_revert_of_a_revert_restores() -> None:
    assert counted(decided("feat: one", REVERT % 1, REVERT % 2)) == {1: Level.MINOR}


def test_reverting_again_after_a_restoration_cancels_all() -> None:
    assert counted(decided("feat: one", REVERT % 1, REVERT % 2, REVERT % 1)) == {}


def test_a_revert_of_something_released_is_a_patch() -> None:
    assert counted(decided("docs: x", REVERT % 15, released=[15])) == {1: Level.BUILD, 2: Level.PATCH}


def test_a_revert_of_something_released_and_something_not_is_a_patch_and_cancels_the_latter() -> None:
    both = "Revert two\n\nThis reverts commit {1}.\nThis reverts commit {15}.\n"
    assert counted(decided("feat: one", both, released=[15])) == {2: Level.PATCH}


def test_a_revert_of_a_merge_cancels_what_it_brought() -> None:
    texts = ("feat: one", "fix: two", "Merge x", REVERT % 3)
    assert counted(decided(*texts, merges=[3], brought={3: [1]})) == {2: Level.PATCH}


def test_a_revert_names_a_pull_request_by_its_number() -> None:
    texts = ("feat: one (#12)", "fix: two (#13)", 'Revert "one" (#14)\n\nReverts a/b#12')
    assert counted(decided(*texts)) == {2: Level.PATCH}


def test_a_revert_of_a_pull_request_spares_its_copy_on_another_line() -> None:
    copy = "feat: one (#12)\n\n(cherry picked from commit {1})"
    texts = ("feat: one (#12)", copy, 'Revert "one" (#14)\n\nReverts #12')
    assert counted(decided(*texts, aside={3: [2]})) == {2: Level.MINOR}


def test_a_revert_takes_back_only_what_is_behind_it() -> None:
    assert counted(decided("feat: one", REVERT % 1, aside={2: [1]})) == {1: Level.MINOR, 2: Level.PATCH}


def test_a_picked_revert_takes_back_the_picked_copy() -> None:
    texts = ("feat: one\n\n(cherry picked from commit {15})", (REVERT % 15) + "\n(cherry picked from commit {16})")
    assert counted(decided(*texts)) == {}


def test_an_abbreviated_name_is_enough() -> None:
    assert counted(decided("feat: one", "revert: one\n\nRefs: 00000001000")) == {}


@pytest.mark.parametrize("released", [[], [1]], ids=["counts itself", "was released"])
def test_a_pick_adds_nothing_to_what_counts_or_was_released(released: list[int]) -> None:
    texts = ("feat: one", "feat: one\n\n(cherry picked from commit {1})")
    if released:
        assert counted(decided(texts[1].replace("{1}", "{15}"), released=[15])) == {}
    else:
        assert counted(decided(*texts)) == {1: Level.MINOR}


def test_a_pick_of_something_that_never_came_here_counts() -> None:
    assert counted(decided("feat: one\n\n(cherry picked from commit {15})")) == {1: Level.MINOR}


def test_a_pick_counts_where_the_original_was_reverted() -> None:
    texts = ("feat: one", REVERT % 1, "feat: one\n\n(cherry picked from commit {1})")
    assert counted(decided(*texts)) == {3: Level.MINOR}


@pytest.mark.parametrize(
    "text", ["feat!: all", "feat: x\n\nRelease-As: 9.0.0", REVERT % 1, "x\n\n(cherry picked from commit {1})"]
)
def test_a_merge_counts_for_what_it_changes_itself_whatever_it_says(text: str) -> None:
    decision = decided("feat: one", text, merges=[2])
    assert counted(decision) == {1: Level.MINOR, 2: Level.BUILD}
    assert decision.release_as is None


def test_release_commits_do_not_count() -> None:
    texts = ("chore(release): x\n\nRelease-Component: other 1.0.0", "x\n\nRelease-Build: b 1.0.0 1")
    assert counted(decided(*texts)) == {}


def test_an_entry_for_another_component_that_is_touched_counts_only_there() -> None:
    text = "Two things (#1)\n\n* feat(core): one\n* fix(accel): two\n* chore(ui): three"
    assert decided(text, touched=("accel", "core")).level is Level.PATCH
    assert decided(text, touched=("accel",)).level is Level.MINOR


def test_a_squash_of_breaking_changes_breaks_whatever_its_title() -> None:
    assert decided("chore: many (#1)\n\n* feat(x)!: one").level is Level.MAJOR
    assert decided("Many\n\n* docs: one\n\nBREAKING CHANGE: all").level is Level.MAJOR


@pytest.mark.parametrize(
    ("policy", "level"), [(Level.NONE, Level.BUILD), (Level.PATCH, Level.PATCH)], ids=["ignore", "patch"]
)
def test_what_is_not_conventional_counts_by_the_policy(policy: Level, level: Level) -> None:
    assert decided("Update things", unconventional=policy).level is level


def test_what_is_not_conventional_can_be_an_error_but_for_merges_and_reverts() -> None:
    assert decided(REVERT % 15, unconventional=None).level is Level.PATCH
    assert decided("fix: x", "Merge x", merges=[2], unconventional=None).level is Level.PATCH
    with pytest.raises(HistoryError, match="'Update things'"):
        decided("Update things", unconventional=None)


def test_the_newest_footer_that_asks_for_a_version_wins() -> None:
    texts = ("feat: x\n\nRelease-As: 2.0.0", "feat: x\n\nRelease-As: accel 3.0.0", "fix: x\n\nRelease-As: other 4.0.0")
    assert decided(*texts).release_as == ("3.0.0", sha(2))
