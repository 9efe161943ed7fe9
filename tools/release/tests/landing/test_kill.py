"""A run that is killed leaves the repository as it was, or the next run finishes the release, to the same commit."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import pytest

from landing.stage import STEPS, TAGS, Stage, State, git

LOCAL_STEPS = tuple(step for step in STEPS if step not in ("ask the remote", "push"))


def test_a_release_that_is_pushed_passes_all_fault_points_and_leaves_everything_in_step(
    stage: Stage, released: State
) -> None:
    process = stage.start()
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert tuple(out.splitlines()) == STEPS
    assert stage.state() == released
    assert released.status == ""
    assert all(f"refs/tags/{tag}" in released.remote for tag in TAGS)
    assert git(stage.work, "rev-parse", "main") == git(stage.origin, "rev-parse", "main")
    assert sorted(path.name for path in stage.private.iterdir()) == ["index", "lock"]


@pytest.mark.parametrize(
    ("steps", "at"),
    [pytest.param(steps, at, id=f"{len(steps)}-{at}") for steps in (STEPS, LOCAL_STEPS) for at in steps],
)
def test_killed_at_any_step_the_next_run_finishes_the_release(
    stage: Stage, released: State, steps: tuple[str, ...], at: str
) -> None:
    push = steps == STEPS
    before = stage.state()
    killed = stage.start(fatal=steps.index(at), push=push)
    killed.communicate(timeout=60)
    assert killed.returncode == -signal.SIGKILL
    if steps.index(at) <= steps.index("tags"):
        assert stage.state() == before
    elif at != "done":
        assert stage.state().remote == before.remote
    _finish(stage, push=push)
    after = stage.state()
    assert (after.refs, after.files, after.status) == (released.refs, released.files, released.status)
    assert after.remote == (released.remote if push else before.remote)


@pytest.mark.parametrize("seed", range(15))
def test_killed_with_all_of_its_git_processes_at_any_time_the_next_run_finishes_the_release(
    stage: Stage, released: State, seed: int
) -> None:
    """A git process that dies in the middle leaves lock files and half-written files of the work tree."""
    process = stage.start(group=True)
    assert process.stdout is not None
    wanted = random.Random(seed).randrange(len(STEPS))
    for _ in range(wanted):
        process.stdout.readline()
    time.sleep(random.Random(seed).random() * 0.012)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    _finish(stage)
    assert stage.state() == released


@pytest.mark.parametrize(
    "lock", ["index.lock", "refs/heads/main.lock", "refs/tags/image-v1.1.0.lock", "packed-refs.lock", "HEAD.lock"]
)
def test_lock_files_of_killed_git_processes_are_swept_away_when_nothing_runs(
    stage: Stage, released: State, lock: str
) -> None:
    stage.start(fatal=STEPS.index("tags")).communicate(timeout=60)
    (stage.work / ".git" / lock).touch()
    _finish(stage)
    assert stage.state() == released


def test_files_that_a_killed_git_process_wrote_in_part_are_written_again(stage: Stage, released: State) -> None:
    stage.start(fatal=STEPS.index("work tree")).communicate(timeout=60)
    for path in ("crates/accel/Cargo.toml", "plugins/local_a/CHANGES.md", "crates/accel/CHANGELOG.md"):
        (stage.work / path).write_bytes(released.files[path][:20])
    (stage.work / "images/web/image.yaml").unlink()
    _finish(stage)
    assert stage.state() == released


def test_a_commit_made_on_top_of_an_interrupted_release_stays_and_the_release_is_finished_below(stage: Stage) -> None:
    stage.start(fatal=STEPS.index("push")).communicate(timeout=60)
    release = git(stage.work, "rev-parse", "HEAD")
    top = stage.commit("docs: words", {"README.md": "more\n"})
    _finish(stage)
    assert git(stage.work, "rev-parse", "HEAD") == top
    assert {git(stage.origin, "rev-parse", f"{tag}^{{commit}}") for tag in TAGS} == {release}
    assert git(stage.origin, "rev-parse", "main") == release
    assert stage.state().status == ""


def test_a_release_whose_branch_went_elsewhere_is_forgotten_with_its_tags(stage: Stage) -> None:
    before = stage.state()
    stage.start(fatal=STEPS.index("branch")).communicate(timeout=60)
    assert git(stage.work, "tag", "--list", *TAGS).split() == list(TAGS)
    stage.commit("fix: another", {"crates/accel/src/lib.rs": "// three\n"})
    _finish(stage)
    assert "another" in git(stage.work, "log", "-1", "--format=%s", "HEAD^")
    assert before.remote != stage.state().remote
    assert git(stage.work, "rev-parse", "accel-v0.1.1^{commit}") == git(stage.work, "rev-parse", "HEAD")


def test_a_run_on_another_branch_says_where_the_interrupted_release_is(stage: Stage) -> None:
    stage.start(fatal=STEPS.index("work tree")).communicate(timeout=60)
    git(stage.work, "stash", "-q")
    git(stage.work, "switch", "-q", "-c", "other", "main~1")
    process = stage.start()
    _, err = process.communicate(timeout=60)
    assert process.returncode == 7
    assert "a release of main was interrupted / git switch main" in err


def test_a_release_in_a_linked_work_tree_is_finished_there_and_nowhere_else(stage: Stage) -> None:
    git(stage.work, "switch", "-q", "-c", "aside")
    git(stage.work, "worktree", "add", "-q", "../linked", "main")
    linked = stage.folder / "linked"
    killed = stage.start(fatal=LOCAL_STEPS.index("work tree"), push=False, work=linked)
    killed.communicate(timeout=60)
    assert killed.returncode == -signal.SIGKILL
    elsewhere = stage.start(push=False)
    _, err = elsewhere.communicate(timeout=60)
    assert elsewhere.returncode == 7
    assert f"a release was interrupted in the work tree {linked}" in err
    _finish(stage, push=False, work=linked)
    assert git(linked, "status", "--porcelain") == ""
    assert git(linked, "tag", "--list", *TAGS).split() == list(TAGS)
    assert '"0.1.1"' in (linked / "crates/accel/Cargo.toml").read_text()


def _finish(stage: Stage, *, push: bool = True, work: Path | None = None) -> None:
    process = stage.start(push=push, work=work)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, out + err
