"""Two runs at once: one waits or says who is at work, and neither harms the other."""

from __future__ import annotations

import os

import pytest

from landing.stage import TAGS, Stage, State
from release.errors import Locked
from release.repository.git import Repository
from release.repository.lock import locked


def test_a_second_run_names_the_command_and_process_of_the_first(stage: Stage) -> None:
    repository = Repository.open(stage.work)
    with (
        locked(repository, "release bump --push"),
        pytest.raises(Locked) as refused,
        locked(Repository.open(stage.work), "release bump"),
    ):
        pass
    assert "`release bump --push`" in refused.value.what
    assert f"process {os.getpid()}" in refused.value.what
    assert "--wait" in refused.value.fix


def test_the_lock_is_free_after_the_holder_fails(stage: Stage) -> None:
    repository = Repository.open(stage.work)
    with pytest.raises(RuntimeError), locked(repository, "one"):
        raise RuntimeError
    with locked(repository, "two"):
        pass


def test_a_run_that_waits_is_told_for_whom(stage: Stage) -> None:
    repository = Repository.open(stage.work)
    told: list[str] = []
    with (
        locked(repository, "release bump"),
        pytest.raises(Locked),
        locked(repository, "another", wait=0.2, waiting=told.append),
    ):
        pass
    assert len(told) == 1
    assert told[0].startswith("`release bump`")


def test_of_two_runs_at_once_one_releases_and_the_other_finds_nothing_to_do(stage: Stage, released: State) -> None:
    runs = [stage.start(), stage.start()]
    said = [run.communicate(timeout=60) for run in runs]
    assert [run.returncode for run in runs] == [0, 0], said
    assert sum(f"tag {TAGS[0]}" in out for out, _ in said) == 1
    assert stage.state() == released
