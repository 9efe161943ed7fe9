"""A push that is refused, or that loses a race, leaves the remote and the clone as they were, or is made again."""

from __future__ import annotations

from pathlib import Path

import pytest

from landing.stage import STEPS, TAGS, TIME, Stage, State, git
from release.errors import GitStateError, PlanRefused, PushRefused
from release.flow.plan import make_plan
from release.flow.release import utc_day
from release.flow.survey import survey
from release.model.plan import Plan, Request
from release.repository.git import Repository
from release.repository.remote import LostRace, Unreachable

REFUSE_A_TAG = 'case "$1" in refs/tags/accel-*) echo "no such tag here" >&2; exit 1;; esac'
MOVE_MAIN = """
test -e moved && exit 0
touch moved
tree=$(git rev-parse main^{tree})
commit=$(echo "docs: meanwhile" | git -c user.name=B -c user.email=b@c commit-tree $tree -p main)
unset GIT_QUARANTINE_PATH
git update-ref refs/heads/main $commit
"""


@pytest.mark.parametrize(
    ("name", "script"),
    [("update", REFUSE_A_TAG), ("pre-receive", 'echo "the office is closed" >&2; exit 1')],
    ids=["one tag", "everything"],
)
def test_a_remote_hook_that_refuses_leaves_both_sides_as_they_were(stage: Stage, name: str, script: str) -> None:
    stage.hook(name, script)
    before = stage.state()
    with pytest.raises(PushRefused) as refused:
        stage.release()
    assert type(refused.value) is PushRefused
    assert "no such tag here" in refused.value.what or "the office is closed" in refused.value.what
    assert stage.state() == before
    assert not (stage.private / "journal.json").exists()


def test_a_tag_that_the_remote_has_at_another_commit_refuses_the_push(stage: Stage) -> None:
    git(stage.origin, "tag", "accel-v0.1.1", "main~1")
    before = stage.state()
    with pytest.raises(PushRefused, match=r"accel-v0\.1\.1.*already exists"):
        stage.release()
    assert stage.state() == before


def test_when_main_moved_before_the_push_the_release_is_planned_again_on_top(stage: Stage) -> None:
    moved = _move_main(stage)
    landed = stage.release()
    assert landed is not None
    assert git(stage.origin, "rev-parse", "main^") == moved
    assert git(stage.origin, "rev-parse", "main") == landed.commit == git(stage.work, "rev-parse", "HEAD")
    assert stage.state().status == ""
    bump = next(bump for bump in landed.plan.bumps if bump.component == "accel")
    assert str(bump.after) == "0.1.1"
    assert len(bump.reasons) == 2


def test_when_main_moves_while_the_release_is_made_it_is_planned_again(stage: Stage) -> None:
    moved: list[str] = []

    def step(name: str) -> None:
        if name == "push" and not moved:
            moved.append(_move_main(stage))

    landed = stage.release(step=step)
    assert landed is not None
    assert git(stage.origin, "rev-parse", "main^") == moved[0]
    assert git(stage.origin, "rev-parse", "main") == landed.commit
    assert {git(stage.origin, "rev-parse", f"{tag}^{{commit}}") for tag in TAGS} == {landed.commit}
    assert stage.state().status == ""


def test_when_main_moves_while_the_remote_looks_at_the_push_it_is_planned_again(stage: Stage) -> None:
    stage.hook("pre-receive", MOVE_MAIN)
    landed = stage.release()
    assert landed is not None
    assert git(stage.origin, "log", "-1", "--format=%s", "main^") == "docs: meanwhile"
    assert git(stage.origin, "rev-parse", "main") == landed.commit


def test_a_reviewed_plan_is_not_made_again_when_the_push_loses_the_race(stage: Stage) -> None:
    plan = _plan(stage)
    before = stage.state()
    remotes: list[str] = []

    def step(name: str) -> None:
        if name == "push":
            _move_main(stage)
            remotes.append(stage.state().remote)

    with pytest.raises(LostRace):
        stage.release(reviewed=plan, step=step)
    after = stage.state()
    assert (after.refs, after.files, after.status) == (before.refs, before.files, before.status)
    assert after.remote == remotes[0]


def test_a_plan_made_before_the_repository_moved_is_refused(stage: Stage) -> None:
    plan = _plan(stage)
    stage.commit("fix: later", {"crates/accel/src/lib.rs": "// later\n"})
    before = stage.state()
    with pytest.raises(PlanRefused, match="has moved"):
        stage.release(reviewed=plan)
    assert stage.state() == before


def test_lines_that_have_parted_are_left_to_their_owner(stage: Stage) -> None:
    _move_main(stage)
    stage.commit("fix: mine", {"crates/accel/src/lib.rs": "// mine\n"})
    before = stage.state()
    with pytest.raises(LostRace) as lost:
        stage.release()
    assert "git pull --rebase origin main" in lost.value.fix
    after = stage.state()
    assert (after.files, after.status, after.remote) == (before.files, before.status, before.remote)
    assert git(stage.work, "tag", "--list", *TAGS) == ""


def test_a_remote_that_can_not_be_reached_changes_nothing(stage: Stage) -> None:
    git(stage.work, "remote", "set-url", "origin", "../nowhere.git")
    before = stage.state()
    with pytest.raises(Unreachable, match="origin can't be reached"):
        stage.release()
    assert stage.state() == before
    assert not (stage.private / "journal.json").exists()


def test_a_remote_that_is_lost_during_the_push_is_served_by_the_next_run(stage: Stage, released: State) -> None:
    def step(name: str) -> None:
        if name == "push":
            git(stage.work, "remote", "set-url", "origin", "../nowhere.git")

    with pytest.raises(Unreachable):
        stage.release(step=step)
    git(stage.work, "remote", "set-url", "origin", "../origin.git")
    stage.release()
    assert stage.state() == released


def test_without_a_remote_a_release_that_is_to_be_pushed_is_refused(stage: Stage) -> None:
    git(stage.work, "remote", "remove", "origin")
    before = stage.state()
    with pytest.raises(GitStateError, match="no remote 'origin'"):
        stage.release()
    assert stage.state() == before


def test_a_push_whose_answer_was_lost_finds_everything_there(stage: Stage, released: State) -> None:
    stage.start(fatal=STEPS.index("done")).communicate(timeout=60)
    assert stage.state() == released
    assert stage.release() is None
    assert stage.state() == released


def test_a_second_run_has_nothing_to_release_and_pushes_nothing(stage: Stage, released: State) -> None:
    stage.release()
    assert stage.release() is None
    assert stage.state() == released


def test_a_branch_that_the_remote_does_not_have_is_made_there(stage: Stage) -> None:
    git(stage.work, "switch", "-q", "-c", "fresh")
    landed = stage.release()
    assert landed is not None
    assert git(stage.origin, "rev-parse", "fresh") == landed.commit
    assert git(stage.origin, "rev-parse", "main") == git(stage.work, "rev-parse", "main")


def test_the_branch_goes_to_where_it_is_configured_to(stage: Stage) -> None:
    git(stage.work, "branch", "-q", "-m", "main", "local")
    landed = stage.release()
    assert landed is not None
    assert git(stage.origin, "rev-parse", "main") == landed.commit


def _plan(stage: Stage) -> Plan:
    return make_plan(survey(Repository.open(stage.work)), Request(), utc_day(TIME))


def _move_main(stage: Stage) -> str:
    """Push a fix of the crate from another clone; return its commit."""
    other: Path = stage.folder / "other"
    git(stage.folder, "clone", "-q", "origin.git", "other")
    commit = stage.commit("fix: meanwhile", {"crates/accel/src/more.rs": "// more\n"}, folder=other)
    git(other, "push", "-q", "origin", "main")
    return commit
