"""A step that fails while the run lives: everything is undone, the tree is as it was."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from pathlib import Path

import pytest

from landing.stage import STEPS, TAGS, Stage, State, git
from release.errors import GitStateError, HistoryError, ReleaseError
from release.repository.git import Repository
from release.repository.landing import require_identity

DRIVER = Path(__file__).with_name("driver.py")
_PR_CAPBSET_DROP, _CAP_DAC_OVERRIDE = 24, 1


class Trouble(Exception):
    """What goes wrong in the middle of a step."""


@pytest.mark.parametrize("kind", [Trouble, KeyboardInterrupt])
@pytest.mark.parametrize("at", [step for step in STEPS if step != "done"])
def test_a_failure_at_any_step_before_the_remote_has_it_undoes_all(
    stage: Stage, at: str, kind: type[BaseException]
) -> None:
    before = stage.state()

    def step(name: str) -> None:
        if name == at:
            raise kind

    with pytest.raises(kind):
        stage.release(step=step)
    assert stage.state() == before
    assert not (stage.private / "journal.json").exists()


@pytest.mark.parametrize("limit", [0, 300, 700, 1500, 4000])
def test_a_full_disk_undoes_all_or_the_next_run_finishes(stage: Stage, released: State, limit: int) -> None:
    """No file may grow beyond ``limit`` bytes, for git's processes too: that is how a full disk looks to them."""
    before = stage.state()
    script = (
        "import resource, runpy, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, resource.RLIM_INFINITY));"
        "sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(DRIVER), str(stage.work), "-1", "push"],
        env=_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        assert done.returncode in (7, 10, 11), done.stderr
        assert "Traceback" not in done.stderr
        assert stage.state() == before
        stage.release()
    assert stage.state() == released


def test_a_work_tree_file_that_changes_meanwhile_stops_the_release_and_stays_as_it_is(stage: Stage) -> None:
    before = stage.state()
    path = stage.work / "crates/accel/Cargo.toml"

    def step(name: str) -> None:
        if name == "work tree":
            path.write_text("somebody's own\n")

    with pytest.raises(GitStateError):
        stage.release(step=step)
    after = stage.state()
    assert path.read_text() == "somebody's own\n"
    assert (after.refs, after.remote) == (before.refs, before.remote)
    assert after.status == "M crates/accel/Cargo.toml"


def test_a_tag_that_somebody_makes_meanwhile_stops_the_release_and_stays(stage: Stage) -> None:
    before = stage.state()

    def step(name: str) -> None:
        if name == "tag image-v1.1.0":
            git(stage.work, "tag", "image-v1.1.0", "HEAD~1")

    with pytest.raises(HistoryError, match=r"image-v1\.1\.0 exists already"):
        stage.release(step=step)
    assert git(stage.work, "rev-parse", "image-v1.1.0") == git(stage.work, "rev-parse", "HEAD~1")
    git(stage.work, "tag", "-d", "image-v1.1.0")
    assert stage.state() == before


def test_a_branch_that_somebody_moves_meanwhile_stops_the_release(stage: Stage) -> None:
    def step(name: str) -> None:
        if name == "branch":
            stage.commit("docs: mine", {"README.md": "mine\n"})

    with pytest.raises(GitStateError, match="git refused the branch main"):
        stage.release(step=step)
    assert git(stage.work, "log", "-1", "--format=%s") == "docs: mine"
    assert git(stage.work, "tag", "--list", *TAGS) == ""
    assert stage.state().status == ""


def test_an_index_that_another_git_process_holds_is_named_with_what_to_do(stage: Stage) -> None:
    before = stage.state()
    lock = stage.work / ".git" / "index.lock"

    def step(name: str) -> None:
        if name == "work tree":
            lock.touch()
        if name == "push":
            pytest.fail("the work tree was written past the lock")

    with pytest.raises(ReleaseError) as refused:
        stage.release(step=step)
    assert str(lock) in refused.value.what
    assert f"rm {lock}" in refused.value.fix
    lock.unlink()
    assert stage.state().refs == before.refs


@pytest.mark.parametrize("folder", ["crates/accel", ".git/objects", ".git/refs/tags", ".git/refs/heads", ".git"])
def test_a_read_only_folder_undoes_all(stage: Stage, folder: str) -> None:
    before = stage.state()
    path = stage.work / folder
    path.chmod(0o555)
    try:
        done = subprocess.run(
            [sys.executable, str(DRIVER), str(stage.work), "-1", "push"],
            env=_environment(),
            capture_output=True,
            text=True,
            check=False,
            preexec_fn=_give_up_overriding_permissions,
        )
        assert done.returncode == 11, done.stderr
        assert "can't be written" in done.stderr
        assert stage.state() == before
    finally:
        path.chmod(0o755)


def test_a_name_that_is_in_the_way_of_a_tag_undoes_all(stage: Stage) -> None:
    git(stage.work, "tag", "image-v1.1.0/x")
    before = stage.state()
    with pytest.raises(ReleaseError, match=r"image-v1\.1\.0"):
        stage.release()
    assert stage.state() == before


def test_a_file_below_a_folder_that_became_a_file_is_refused_before_anything_is_written(stage: Stage) -> None:
    (stage.work / "crates/accel/CHANGELOG.md").write_text("not tracked\n")
    before = stage.state()
    with pytest.raises(GitStateError, match=r"crates/accel/CHANGELOG\.md"):
        stage.release()
    assert stage.state() == before


def test_a_hook_that_refuses_the_branch_undoes_all(stage: Stage) -> None:
    before = stage.state()
    hook = stage.work / ".git/hooks/reference-transaction"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text('#!/bin/sh\ntest "$1" = prepared && grep -q refs/heads/main && exit 1\nexit 0\n')
    hook.chmod(0o755)
    with pytest.raises(ReleaseError):
        stage.release()
    hook.unlink()
    assert stage.state() == before


@pytest.mark.parametrize("key", ["user.name", "user.email"])
def test_nobody_releases_without_a_name_and_an_address(stage: Stage, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EMAIL", raising=False)
    git(stage.work, "config", "--unset", key)
    before = stage.state()
    with pytest.raises(GitStateError, match=key.replace(".", r"\.")):
        stage.release()
    assert stage.state() == before
    require = Repository.open(stage.work)
    with pytest.raises(GitStateError):
        require_identity(require)


def test_the_author_s_and_the_committer_s_own_names_are_enough(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EMAIL", raising=False)
    for part, value in (("name", "Ada"), ("email", "ada@example.org")):
        git(stage.work, "config", "--unset", f"user.{part}")
        git(stage.work, "config", f"author.{part}", value)
        with pytest.raises(GitStateError, match=r"user\.name"):
            require_identity(Repository.open(stage.work))
    for part, value in (("name", "Bea"), ("email", "bea@example.org")):
        git(stage.work, "config", f"committer.{part}", value)
    assert stage.release() is not None
    assert git(stage.work, "log", "-1", "--format=%an %cn") == "Ada Bea"


def test_the_comment_character_takes_nothing_from_a_tag_s_message(stage: Stage) -> None:
    git(stage.work, "config", "core.commentChar", "a")
    assert stage.release() is not None
    assert git(stage.work, "tag", "--list", "--format=%(contents:subject)", "accel-v0.1.1") == "accel 0.1.1"


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


def _give_up_overriding_permissions() -> None:
    """Make root heed permissions from the next exec on, as everyone else does."""
    if os.geteuid() == 0:
        ctypes.CDLL(None, use_errno=True).prctl(_PR_CAPBSET_DROP, _CAP_DAC_OVERRIDE, 0, 0, 0)
