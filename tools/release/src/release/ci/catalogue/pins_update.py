"""Workflow ``pins-update``: one issue about newer versions of the pinned actions.

It is no pull request, because GITHUB_TOKEN may not push a change of a workflow, and a token that may is not worth it.
Source: https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-syntax#permissions
"""

from __future__ import annotations

from collections.abc import Sequence

from release.ci.part import Frame, Part
from release.ci.site import Site
from release.ci.steps import opening, release
from release.ci.workflow import Concurrency, Job, Trigger
from release.publish.destination import Grant

__all__ = ["PINS_UPDATE"]


def _jobs(site: Site) -> Sequence[Job]:
    tell = release(
        site,
        "Look for newer versions and tell of them in one issue",
        "ci pins update --issue",
        Grant("issues", "write", "open, update or close the issue about newer versions"),
    )
    return (
        Job(
            id="pins-update",
            name="pins-update",
            why="Tells in one issue which actions have newer versions, a week after they came out at the earliest.",
            runner=site.config.ci.runner,
            minutes=site.config.ci.timeout,
            steps=(*opening(site), tell),
            again=f"{site.tool('release ci pins update')} && {site.tool('release ci generate')}",
        ),
    )


def _frame(site: Site) -> Frame:  # noqa: ARG001 - every frame is made from a site
    return Frame(
        name="pins-update",
        why="Keeps the pinned actions up to date.",
        triggers=(Trigger("schedule", crons=("17 6 * * 3",)), Trigger("workflow_dispatch")),
        concurrency=Concurrency("pins-update"),
    )


PINS_UPDATE = Part("pins-update", "pins-update", "Keeps the pinned actions up to date.", _jobs, _frame)
