"""``release status``: each component, its last release and what comes next."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from release.cli.console import cell, console, json_option, now, open_repository, print_json, progress
from release.errors import ReleaseError

if TYPE_CHECKING:
    from release.model.plan import Point

__all__ = ["command"]


@click.command("status", short_help="List the components, what is unreleased and the next versions.")
@json_option
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> None:
    """List each component with its version, last tag, commits since then, next version and why."""
    from rich import box
    from rich.table import Table

    from release.cli.plan_view import reason_text, summary
    from release.flow.plan import make_plan
    from release.flow.release import utc_day
    from release.flow.survey import survey
    from release.model.plan import Request

    repository = open_repository(ctx)
    with progress() as report:
        found = survey(repository, progress=report)
        refused: ReleaseError | None = None
        try:
            bumps = {bump.component: bump for bump in make_plan(found, Request(), utc_day(now())).bumps}
        except ReleaseError as error:
            refused, bumps = error, {}
    rows = []
    for name, component in found.workspace.components.items():
        point, bump = found.points.get(name), bumps.get(name)
        rows.append(
            {
                "name": name,
                "kind": component.kind,
                "path": component.path,
                "version": str(component.version) if component.version is not None else None,
                "build": component.build,
                "last": {"version": str(point.version), "commit": point.commit, "source": point.source}
                if point
                else None,
                "commits": len(found.news[name].reasons),
                "next": str(bump.after) if bump else None,
                "next-build": bump.build_after if bump else None,
                "level": str(bump.level) if bump else "none",
                "why": summary(bump) if bump else "",
                "reasons": [reason_text(reason) for reason in bump.reasons] if bump else [],
            }
        )
    if as_json and refused is None:
        print_json({"head": found.head, "components": rows})
    if as_json:
        _raise(refused)
        return
    if not rows:
        click.echo("No components here: nothing that `release` knows was found in the tracked files.")
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in ("component", "kind", "version", "last release", "commits", "next", "why"):
        table.add_column(title, overflow="fold", justify="right" if title == "commits" else "left")
    for row in rows:
        point = found.points.get(str(row["name"]))
        last = _last(point)
        version = _numbered(row["version"], row["build"])
        next_ = "?" if refused else _numbered(row["next"], row["next-build"])
        shown = (str(row["name"]), str(row["kind"]), version, last, str(row["commits"]), next_, str(row["why"]))
        table.add_row(*map(cell, shown))
    console().print(table)
    _raise(refused)


def _raise(refused: ReleaseError | None) -> None:
    """End with the error that keeps the next versions from being told, if there is one."""
    if refused is not None:
        raise refused


def _last(point: Point | None) -> str:
    if point is None:
        return "never"
    match point.source:
        case "trailer":
            return f"{point.version} (no tag)"
        case "build":
            return f"{point.version} ({point.build})"
        case "baseline":
            return f"{point.version} (baseline)"
        case tag:
            return tag


def _numbered(version: object, build: object) -> str:
    return f"{version or '—'}" + (f" ({build})" if build is not None else "")
