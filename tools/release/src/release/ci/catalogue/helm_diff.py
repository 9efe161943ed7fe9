"""Job ``chart-diff``: lint of the chart that is rolled out, and what a rollout of it would change."""

from __future__ import annotations

from collections.abc import Sequence

from release.ci.change import Change
from release.ci.part import Part
from release.ci.site import Site
from release.ci.steps import helm, opening, release
from release.ci.workflow import Cell, Job

__all__ = ["HELM_DIFF"]


def _jobs(site: Site) -> Sequence[Job]:
    rollout = site.config.rollout
    if rollout is None or rollout.chart not in site.components:
        return ()
    chart = site.components[rollout.chart]

    def select(change: Change) -> Sequence[Cell]:
        return ({},) if rollout.chart in change.components else ()

    diff = release(site, "Lint and render", 'rollout diff --chart "$CHART"', env={"CHART": chart.path or "."})
    return (
        Job(
            id="chart-diff",
            name="chart-diff",
            why="Lints the chart and shows what a rollout of it would apply, stage by stage.",
            runner=site.config.ci.runner,
            minutes=site.config.ci.timeout,
            steps=(*opening(site, caches=True), helm(site), diff),
            select=select,
            again=site.tool(f"release rollout diff --chart {chart.path or '.'}"),
        ),
    )


HELM_DIFF = Part("chart-diff", "ci", "Shows what a rollout would change.", _jobs)
