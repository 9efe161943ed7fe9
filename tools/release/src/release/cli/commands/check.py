"""``release check``: the repository's invariants."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from release.cli.console import counted, json_option, now, open_repository, print_json, progress

if TYPE_CHECKING:
    from release.checks.rule import Finding
    from release.flow.check import Report

__all__ = ["command"]


@click.command("check", short_help="Check the repository's invariants.")
@json_option
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> int:
    """Check the tracked files as they are on disk, also against what was released.

    Exits with 1 when there is an error. In GitHub Actions each finding is an annotation.
    """
    from release.flow.check import check
    from release.flow.release import utc_day

    repository = open_repository(ctx)
    with progress() as report:
        found = check(repository, utc_day(now()), progress=report)
    if as_json:
        print_json(_data(found))
    else:
        _show(found)
    return 1 if found.failed else 0


def _data(report: Report) -> dict[str, object]:
    from release.checks import RULES

    return {
        "rules": [{"id": rule.id, "summary": rule.summary} for rule in RULES],
        "components": report.components,
        "skipped": report.skipped,
        "findings": [
            {"rule": one.rule, "severity": one.severity, "component": one.component, "path": one.place.path,
             "line": one.place.line, "column": one.place.column, "what": one.what, "fix": one.fix}
            for one in report.findings
        ],
    }  # fmt: skip


def _show(report: Report) -> None:
    annotate = os.environ.get("GITHUB_ACTIONS") == "true"
    for one in report.findings:
        click.echo(_annotation(one) if annotate else f"{one.place}: {one.severity} {one.rule}: {one.what}")
        if one.fix and not annotate:
            click.echo(f"  fix {one.fix}")
    if report.skipped:
        click.echo(f"not compared with earlier releases: {report.skipped}")
    errors = sum(one.severity == "error" for one in report.findings)
    click.echo(
        f"{counted(report.components, 'component')}: {counted(errors, 'error')}, "
        f"{counted(len(report.findings) - errors, 'warning')}"
        if report.findings
        else f"{counted(report.components, 'component')}: nothing to complain of"
    )


def _annotation(finding: Finding) -> str:
    """Return a GitHub workflow command; see GitHub's "Workflow commands for GitHub Actions"."""
    place = finding.place
    level = "error" if finding.severity == "error" else "warning"
    values = {"file": place.path, "line": place.line, "col": place.column, "title": finding.rule}
    properties = ",".join(f"{key}={_escaped(str(value), ':,')}" for key, value in values.items() if value)
    text = "\n".join(part for part in (finding.what, finding.fix) if part)
    return f"::{level} {properties}::{_escaped(text)}"


def _escaped(text: str, further: str = "") -> str:
    for sign in ("%", "\r", "\n", *further):
        text = text.replace(sign, f"%{ord(sign):02X}")
    return text
