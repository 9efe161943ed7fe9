"""Workflow ``scorecard``: the OpenSSF Scorecard of the repository."""

from __future__ import annotations

from collections.abc import Sequence

from release.ci.part import Frame, Part
from release.ci.site import Site
from release.ci.steps import opening
from release.ci.workflow import Concurrency, Job, Step, Trigger
from release.publish.destination import Grant

__all__ = ["SCORECARD"]


def _jobs(site: Site) -> Sequence[Job]:
    score = Step(
        "Score",
        uses=site.pins.of("ossf/scorecard-action"),
        inputs={"results_file": "scorecard.sarif", "results_format": "sarif", "publish_results": False},
    )
    upload = Step(
        "Upload the findings",
        uses=site.pins.of("github/codeql-action/upload-sarif"),
        inputs={"sarif_file": "scorecard.sarif"},
        needs=(
            Grant("security-events", "write", "upload Scorecard's findings"),
            Grant("actions", "read", "upload-sarif reads which workflow it runs in"),
        ),
    )
    return (
        Job(
            id="scorecard",
            name="scorecard",
            why="Rates how the repository is kept: pins, permissions, reviews, releases.",
            runner=site.config.ci.runner,
            minutes=20,
            steps=(*opening(site, tool=False), score, upload),
        ),
    )


def _frame(site: Site) -> Frame:
    return Frame(
        name="scorecard",
        why="Rates how the repository is kept.",
        triggers=(Trigger("push", {"branches": (site.config.main,)}), Trigger("schedule", crons=("41 5 * * 2",))),
        concurrency=Concurrency("scorecard"),
    )


SCORECARD = Part("scorecard", "scorecard", "Rates how the repository is kept.", _jobs, _frame)
