"""Races and leftovers around the push: what is somebody's stays, and what was not pushed is pushed by the next run."""

from __future__ import annotations

import pytest

from landing.stage import STEPS, TAGS, Stage, git
from release.errors import GitStateError, PushRefused
from release.flow.release import deepen
from release.flow.unpushed import Pushed
from release.repository.git import Repository
from release.repository.remote import LostRace, Unreachable


def test_a_killed_release_with_commits_on_top_stays_when_its_push_loses_the_race(stage: Stage) -> None:
    stage.start(fatal=STEPS.index("push")).communicate(timeout=60)
    released = git(stage.work, "rev-parse", "HEAD")
    stage.commit("docs: on top", {"README.md": "more\n"})
    _move_main(stage)
    before = stage.state()
    with pytest.raises(PushRefused, match="has commits on top") as refused:
        stage.release()
    assert not isinstance(refused.value, LostRace)
    assert "git pull --no-rebase origin main" in refused.value.fix
    assert stage.state() == before
    assert {git(stage.work, "rev-parse", f"{tag}^{{commit}}") for tag in TAGS} == {released}
    assert before.status == ""


def test_what_that_error_says_to_do_pushes_the_release(stage: Stage) -> None:
    stage.start(fatal=STEPS.index("push")).communicate(timeout=60)
    released = git(stage.work, "rev-parse", "HEAD")
    stage.commit("docs: on top", {"README.md": "more\n"})
    _move_main(stage, {"docs.md": "theirs\n"})
    with pytest.raises(PushRefused):
        stage.release()
    git(stage.work, "pull", "-q", "--no-rebase", "--no-edit", "origin", "main")
    stage.release()
    assert {git(stage.origin, "rev-parse", f"{tag}^{{commit}}") for tag in TAGS} == {released}
    assert git(stage.origin, "rev-parse", "main") == git(stage.work, "rev-parse", "main")


def test_commits_made_on_top_while_the_push_is_refused_stay(stage: Stage) -> None:
    def step(name: str) -> None:
        if name == "push":
            stage.commit("docs: on top", {"README.md": "more\n"})
            _move_main(stage)

    with pytest.raises(PushRefused, match="has commits on top"):
        stage.release(step=step)
    assert stage.state().status == ""
    assert git(stage.work, "tag", "--list", *TAGS).split() == list(TAGS)


def test_a_killed_release_whose_push_loses_the_race_is_planned_again_in_the_same_run(stage: Stage) -> None:
    stage.start(fatal=STEPS.index("push")).communicate(timeout=60)
    moved = _move_main(stage)
    landed = stage.release()
    assert landed is not None
    assert git(stage.origin, "rev-parse", "main^") == moved
    assert {git(stage.origin, "rev-parse", f"{tag}^{{commit}}") for tag in TAGS} == {landed.commit}
    assert stage.state().status == ""


def test_a_floating_tag_that_moved_does_not_stop_a_release_that_is_planned_again(stage: Stage) -> None:
    floating = _float(stage)
    landed = stage.release()
    assert landed is not None
    assert git(stage.origin, "rev-parse", "main") == landed.commit
    assert git(stage.work, "rev-parse", "latest") == floating


def test_fetching_takes_new_tags_and_leaves_a_floating_tag_that_moved(stage: Stage) -> None:
    floating = _float(stage)
    git(stage.origin, "tag", "fresh", "main")
    deepen(Repository.open(stage.work))
    assert git(stage.work, "rev-parse", "latest") == floating
    assert git(stage.work, "rev-parse", "fresh", "origin/main").split()[0] == git(stage.origin, "rev-parse", "main")


def test_fetching_what_can_not_be_reached_quotes_git(stage: Stage) -> None:
    git(stage.work, "remote", "set-url", "origin", "../nowhere.git")
    with pytest.raises(Unreachable, match=r"nowhere\.git' does not appear to be a git repository"):
        deepen(Repository.open(stage.work))


def test_fetching_never_prunes_tags(stage: Stage) -> None:
    for key in ("fetch.prune", "fetch.pruneTags"):
        git(stage.work, "config", key, "true")
    git(stage.work, "tag", "mine")
    deepen(Repository.open(stage.work))
    assert git(stage.work, "tag", "--list", "mine") == "mine"


def test_a_release_that_was_not_pushed_is_pushed_by_the_next_run(stage: Stage) -> None:
    landed = stage.release(push=False)
    assert landed is not None
    pushed: list[Pushed] = []
    assert stage.release(pushed=pushed.append) is None
    assert [one.tags for one in pushed] == [TAGS]
    assert {git(stage.origin, "rev-parse", f"{name}^{{commit}}") for name in ("main", *TAGS)} == {landed.commit}
    assert stage.release(pushed=pushed.append) is None
    assert len(pushed) == 1


def test_the_tags_of_a_release_whose_branch_is_pushed_are_pushed_by_the_next_run(stage: Stage) -> None:
    landed = stage.release(push=False)
    assert landed is not None
    git(stage.work, "push", "-q", "origin", "main")
    stage.release()
    assert {git(stage.origin, "rev-parse", f"{tag}^{{commit}}") for tag in TAGS} == {landed.commit}


def test_the_tags_of_a_release_that_was_not_pushed_go_with_the_next_release(stage: Stage) -> None:
    first = stage.release(push=False)
    assert first is not None
    stage.commit("fix: again", {"crates/accel/src/lib.rs": "// three\n"})
    second = stage.release()
    assert second is not None
    assert git(stage.origin, "rev-parse", "main") == second.commit
    assert {git(stage.origin, "rev-parse", f"{tag}^{{commit}}") for tag in TAGS} == {first.commit}
    assert {git(stage.origin, "rev-parse", f"{tag}^{{commit}}") for tag in second.tags} == {second.commit}


def test_such_tags_go_with_a_release_that_was_killed_before_its_push(stage: Stage) -> None:
    stage.release(push=False)
    stage.commit("fix: again", {"crates/accel/src/lib.rs": "// three\n"})
    process = stage.start(fatal=STEPS.index("push") - 1)
    process.communicate(timeout=60)
    assert process.returncode < 0
    stage.release()
    assert set(git(stage.origin, "tag", "--list").split()) == set(git(stage.work, "tag", "--list").split())
    assert git(stage.origin, "rev-parse", "main") == git(stage.work, "rev-parse", "main")


def test_a_new_release_on_one_that_was_not_pushed_never_asks_for_a_rebase(stage: Stage) -> None:
    stage.release(push=False)
    stage.commit("fix: again", {"crates/accel/src/lib.rs": "// three\n"})
    _move_main(stage)
    before = stage.state()
    with pytest.raises(PushRefused) as refused:
        stage.release()
    assert "git pull --no-rebase origin main" in refused.value.fix
    assert stage.state() == before


def test_a_release_that_was_not_pushed_stays_when_the_remote_moved(stage: Stage) -> None:
    stage.release(push=False)
    _move_main(stage)
    before = stage.state()
    with pytest.raises(PushRefused, match=r"not pushed: accel-v0\.1\.1") as refused:
        stage.release()
    assert "git pull --no-rebase origin main" in refused.value.fix
    assert stage.state() == before


def test_tags_of_somebody_s_own_are_not_pushed(stage: Stage) -> None:
    git(stage.work, "config", "push.followTags", "true")
    git(stage.work, "tag", "-a", "-m", "mine", "mine")
    stage.release()
    assert git(stage.origin, "tag", "--list", "mine") == ""


def test_a_branch_that_follows_a_local_one_is_named_with_what_to_do(stage: Stage) -> None:
    git(stage.work, "config", "branch.main.remote", ".")
    with pytest.raises(GitStateError, match="follows a branch of this repository") as refused:
        stage.release()
    assert refused.value.fix == "git branch --set-upstream-to=origin/main main"


def _float(stage: Stage) -> str:
    """Give both sides a tag that another clone then moves on the remote; return where it stays here."""
    git(stage.work, "tag", "latest")
    git(stage.work, "push", "-q", "origin", "latest")
    _move_main(stage)
    git(stage.origin, "tag", "--force", "latest", "main")
    return git(stage.work, "rev-parse", "latest")


def _move_main(stage: Stage, files: dict[str, str] | None = None) -> str:
    """Push a commit from another clone; return it."""
    other = stage.folder / "other"
    git(stage.folder, "clone", "-q", "origin.git", "other")
    commit = stage.commit("fix: meanwhile", files or {"crates/accel/src/more.rs": "// more\n"}, folder=other)
    git(other, "push", "-q", "origin", "main")
    return commit
