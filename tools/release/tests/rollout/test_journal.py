"""The journal in the cluster: read as it was written, by one writer at a time, and held by whom it says."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from release.rollout.journal import config_map, holder, is_gone, read
from release.rollout.kubectl import Journals, Kubectl
from release.rollout.machine import Attempt, Journal, Mark
from release.rollout.process import Cancellation, Programs
from release.rollout.target import StageTaken, StepFailed
from rollouts import Site

NUMBERS = st.integers(1, 10**6)
MARKS = st.builds(Mark, NUMBERS, st.text(max_size=30))
ATTEMPTS = st.builds(Attempt, NUMBERS, st.text(max_size=9), st.text(max_size=30), st.floats(0, 1e10))


@given(st.builds(Journal, st.none() | MARKS, st.none() | ATTEMPTS))
def test_a_journal_is_read_as_it_was_written(journal: Journal) -> None:
    manifest = config_map(journal, "site", "moodle", "7")
    assert read(manifest) == (journal, "7")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"good": 1, "attempt": null}', '{"good": null}'])
def test_what_is_no_journal_is_an_error(text: str) -> None:
    manifest = {"metadata": {"name": "one", "resourceVersion": "1"}, "data": {"journal.json": text}}
    with pytest.raises(StepFailed, match="one holds no journal"):
        read(manifest)


@pytest.fixture
def two(tmp_path: Path) -> tuple[Journals, Journals]:
    site = Site(tmp_path, "scripted helm 4", stages=("prod",))
    kubectl = Kubectl(Programs(site.scratch.path, site.environment, Cancellation()))
    return Journals(kubectl, "site", "moodle"), Journals(kubectl, "site", "moodle")


def test_of_two_writers_one_is_told_that_it_comes_too_late(two: tuple[Journals, Journals]) -> None:
    first, second = two
    assert (first.read(), second.read()) == (Journal(), Journal())
    first.write(Journal(Mark(1, "t1")))
    with pytest.raises(StageTaken):
        second.write(Journal(Mark(2, "t2")))
    first.write(Journal(Mark(3, "t3")))
    assert second.read() == Journal(Mark(3, "t3"))
    second.write(Journal(Mark(4, "t4")))
    with pytest.raises(StageTaken):
        first.write(Journal(Mark(5, "t5")))
    assert second.read() == Journal(Mark(4, "t4"))


def test_a_write_whose_answer_was_lost_has_been_done(two: tuple[Journals, Journals]) -> None:
    first, second = two
    first.read()
    second.read()
    first.write(Journal(Mark(1, "t1")))
    second.write(Journal(Mark(1, "t1")))
    second.write(Journal(Mark(2, "t2")))
    assert first.read() == Journal(Mark(2, "t2"))


def test_a_process_that_has_ended_is_gone_and_others_may_be_alive() -> None:
    own = holder({})
    assert not is_gone(own)
    done = subprocess.Popen(["true"])
    done.wait()
    place = own.rpartition("/")[0]
    assert place
    assert is_gone(f"{place}/{done.pid}")
    assert not is_gone(f"elsewhere/1/{done.pid}")
    assert not is_gone(f"{place}/{os.getppid()}")


def test_a_workflow_run_is_held_by_its_address_and_never_known_to_have_ended() -> None:
    run = holder({"GITHUB_RUN_ID": "7", "GITHUB_REPOSITORY": "acme/site"})
    assert run == "https://github.com/acme/site/actions/runs/7"
    assert not is_gone(run)
