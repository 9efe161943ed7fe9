"""Job ``lint``: the nox sessions that look at the whole repository."""

from __future__ import annotations

from collections.abc import Sequence

from release.ci.change import Change
from release.ci.expression import Template, context
from release.ci.part import Part
from release.ci.site import Site
from release.ci.steps import opening, toolchain
from release.ci.workflow import Cell, Job, Step

__all__ = ["LINT"]


def _jobs(site: Site) -> Sequence[Job]:
    if not site.lint:
        return ()
    session = context("matrix.session")
    check = Step("Run the session", run=f'{site.tool("nox")} -s "$SESSION"', env={"SESSION": session})
    return (
        Job(
            id="lint",
            name=Template.of("lint: ", session),
            why="Style, types and documents of the whole repository.",
            runner=site.config.ci.runner,
            minutes=site.config.ci.timeout,
            steps=(*opening(site, history=True, caches=True), *toolchain(site, "crate", "plugin"), check),
            matrix=tuple({"session": name} for name in site.lint),
            select=_select,
            again=site.tool("nox -s SESSION"),
        ),
    )


def _select(change: Change) -> Sequence[Cell]:
    """Return one cell whenever a file changed: these sessions look at every file."""
    return ({},) if change.files is None or change.files else ()


LINT = Part("lint", "ci", "Checks what concerns no single component.", _jobs)
