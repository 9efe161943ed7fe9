"""Workflow ``codeql``: GitHub's own analysis of the code."""

from __future__ import annotations

from collections.abc import Sequence

from release.ci.expression import Template, context
from release.ci.part import Frame, Part
from release.ci.site import Site
from release.ci.steps import opening
from release.ci.workflow import Concurrency, Job, Step, Trigger
from release.publish.destination import Grant

__all__ = ["CODEQL"]

_LANGUAGES = {"crate": "rust", "python": "python"}


def _languages(site: Site) -> tuple[str, ...]:
    """Return what CodeQL can analyse here: the workflows, and the languages of the kinds; it knows no PHP."""
    if site.config.ci.codeql is not None:
        return site.config.ci.codeql
    return ("actions", *(language for kind, language in _LANGUAGES.items() if site.has(kind)))


def _jobs(site: Site) -> Sequence[Job]:
    languages = _languages(site)
    if not languages:
        return ()
    language = context("matrix.language")
    analyse = Step(
        "Analyse",
        uses=site.pins.of("github/codeql-action/analyze"),
        inputs={"category": Template.of("/language:", language)},
        needs=(
            Grant("security-events", "write", "upload CodeQL's findings"),
            Grant("actions", "read", "CodeQL reads which workflow it runs in"),
        ),
    )
    start = Step(
        "Start CodeQL",
        uses=site.pins.of("github/codeql-action/init"),
        inputs={"languages": language, "build-mode": "none"},
    )
    return (
        Job(
            id="codeql",
            name=Template.of("codeql: ", language),
            why="Finds mistakes that matter for security, in code and workflows.",
            runner=site.config.ci.runner,
            minutes=60,
            steps=(*opening(site, tool=False), start, analyse),
            matrix=tuple({"language": name} for name in languages),
        ),
    )


def _frame(site: Site) -> Frame:
    return Frame(
        name="codeql",
        why="Looks for security problems in the code.",
        triggers=(
            Trigger("push", {"branches": (site.config.main,)}),
            Trigger("pull_request", {"branches": (site.config.main,)}),
            Trigger("schedule", crons=("23 4 * * 1",)),
        ),
        concurrency=Concurrency(Template.of("codeql-", context("github.ref"), "-", context("github.sha"))),
    )


CODEQL = Part("codeql", "codeql", "Looks for security problems in the code.", _jobs, _frame)
