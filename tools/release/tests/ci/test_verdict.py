"""all-green: every job's result beside what the plan said."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from release.ci.verdict import judge
from scratch import Scratch

TABLE = [
    # result, wanted, green, why
    ("success", True, True, "ran as planned"),
    ("skipped", False, True, "nothing it looks at has changed"),
    ("skipped", True, False, "skipped against the plan"),
    ("success", False, False, "ran against the plan"),
    ("failure", True, False, "failed"),
    ("failure", False, False, "failed"),
    ("cancelled", True, False, "cancelled"),
    ("cancelled", False, False, "cancelled"),
    ("", True, False, "ended in a way that is not known: ''"),
    ("neutral", True, False, "ended in a way that is not known: 'neutral'"),
]


@pytest.mark.parametrize(("result", "wanted", "green", "why"), TABLE)
def test_a_job_is_green_only_when_it_did_what_the_plan_said(result: str, wanted: bool, green: bool, why: str) -> None:
    (ruling,) = judge({"test": result}, {"test": wanted})
    assert (ruling.job, ruling.green, ruling.why) == ("test", green, why)


def test_a_job_that_the_plan_does_not_name_always_has_to_run() -> None:
    found = {ruling.job: ruling.green for ruling in judge({"plan": "success", "new": "skipped"}, {})}
    assert found == {"plan": True, "new": False}


def test_a_job_that_the_plan_names_and_the_workflow_lacks_is_red() -> None:
    rulings = judge({"plan": "success"}, {"gone": True, "unneeded": False})
    assert {ruling.job: (ruling.result, ruling.green) for ruling in rulings} == {
        "plan": ("success", True),
        "gone": ("missing", False),
        "unneeded": ("missing", False),
    }


@pytest.fixture(scope="module")
def anywhere(tmp_path_factory: pytest.TempPathFactory) -> Scratch:
    return Scratch(tmp_path_factory.mktemp("verdict") / "empty")


def test_the_command_ends_with_1_when_one_job_is_red_and_writes_a_summary(anywhere: Scratch, tmp_path: Path) -> None:
    summary = tmp_path / "summary.md"
    environment = {
        "RESULTS": "plan=success\nlint=skipped\ntest=success\n",
        "PLAN": '{"lint":true,"test":true}',
        "GITHUB_STEP_SUMMARY": str(summary),
    }
    done = anywhere.run("ci", "verdict", env=environment)
    assert done.code == 1
    assert done.out.splitlines() == [
        "green plan: success (ran as planned)",
        "RED   lint: skipped (skipped against the plan)",
        "green test: success (ran as planned)",
    ]
    assert "### all-green: no" in summary.read_text()
    assert "| ✗ | lint | skipped | skipped against the plan |" in summary.read_text()


def test_the_command_ends_with_0_when_all_is_as_planned(anywhere: Scratch) -> None:
    done = anywhere.run(
        "ci", "verdict", "--json", env={"RESULTS": "plan=success\nlint=skipped", "PLAN": '{"lint":false}'}
    )
    assert done.code == 0
    assert done.json["green"] is True
    assert [job["wanted"] for job in done.json["jobs"]] == [True, False]


@pytest.mark.parametrize("results", ["", "no result\n", "\n"])
def test_no_result_at_all_is_red(anywhere: Scratch, results: str) -> None:
    done = anywhere.run("ci", "verdict", env={"RESULTS": results, "PLAN": "{}"})
    assert (done.code, done.out) == (1, "RED   there is no result: RESULTS is empty\n")


@pytest.mark.parametrize("plan", ["", "no json", "[]", json.dumps(["lint"]), "null"])
def test_a_plan_that_can_not_be_read_makes_every_skip_red(anywhere: Scratch, plan: str) -> None:
    done = anywhere.run("ci", "verdict", env={"RESULTS": "plan=success\nlint=skipped", "PLAN": plan})
    assert done.code == 1
    assert "RED   lint: skipped (skipped against the plan)" in done.out
