"""Workflow ``pins-update``: newer commits of the pinned actions, as a pull request."""

from __future__ import annotations

from collections.abc import Sequence

from release.ci.part import Frame, Part
from release.ci.site import Site
from release.ci.steps import BOT, opening, release
from release.ci.workflow import Concurrency, Job, Trigger
from release.publish.destination import Grant

__all__ = ["PINS_UPDATE"]


def _jobs(site: Site) -> Sequence[Job]:
    propose = release(
        site,
        "Open or update the pull request",
        "ci pins update --pull-request --check ci.yml",
        Grant("contents", "write", "push the branch of the pull request"),
        Grant("pull-requests", "write", "open or update the pull request"),
        Grant("actions", "write", "start the checks of a branch that GITHUB_TOKEN pushed"),
        env=BOT,
    )
    return (
        Job(
            id="pins-update",
            name="pins-update",
            why="Proposes newer versions of the actions, a week after they came out at the earliest.",
            runner=site.config.ci.runner,
            minutes=site.config.ci.timeout,
            steps=(*opening(site, history=True), propose),
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
