"""Workflow ``ci``: its frame; the jobs come from the other parts."""

from __future__ import annotations

from release.ci.expression import Template, context, either, equal
from release.ci.part import Frame, Part
from release.ci.site import Site
from release.ci.workflow import Concurrency, Trigger

__all__ = ["CI"]


def _frame(site: Site) -> Frame:
    number = context("github.event.pull_request.number")
    return Frame(
        name="ci",
        why="Checks every change before and after it is merged.",
        triggers=(
            Trigger("pull_request"),
            Trigger("merge_group"),
            Trigger("push", {"branches": (site.config.main, *site.config.maintenance)}),
            Trigger("workflow_dispatch"),
        ),
        # Only a pull request's older run is given up. The group of any other run is its own, so that neither a run of
        # the merge queue nor one of main is ever cancelled.
        concurrency=Concurrency(
            Template.of("ci-", either(number, context("github.run_id"))),
            cancel=equal(context("github.event_name"), "pull_request"),
        ),
        gated=True,
    )


CI = Part("ci", "ci", "The one workflow with the check that branches require.", lambda _: (), _frame, needed=True)
