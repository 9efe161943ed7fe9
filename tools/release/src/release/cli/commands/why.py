"""``release why``: the chain of commits and bumps behind a next version."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from release.cli.console import (
    component_names,
    console,
    json_option,
    now,
    open_repository,
    print_json,
    printable,
    progress,
)

if TYPE_CHECKING:
    from rich.tree import Tree

    from release.model.plan import Bump

__all__ = ["command"]


@click.command("why", short_help="Explain a component's next version.")
@click.argument("component", shell_complete=component_names)
@json_option
@click.pass_context
def command(ctx: click.Context, component: str, as_json: bool) -> None:
    """Show the commits and the bumps of parts, down to their commits, behind the next version of COMPONENT."""
    from release.errors import WorkspaceError
    from release.flow.plan import make_plan
    from release.flow.release import utc_day
    from release.flow.survey import survey
    from release.model.plan import Request

    repository = open_repository(ctx)
    with progress() as report:
        found = survey(repository, progress=report)
        plan = make_plan(found, Request(), utc_day(now()))
    if component not in found.workspace.components:
        raise WorkspaceError(f"there is no component {component!r} here", fix="`release status` lists the components")
    bumps = {bump.component: bump for bump in plan.bumps}
    if as_json:
        print_json(_data(component, bumps))
    elif component not in bumps:
        click.echo(f"{component} stays as it is: nothing that is unreleased concerns it")
    else:
        console().print(_tree(component, bumps))


def _data(name: str, bumps: dict[str, Bump]) -> dict[str, Any]:
    from release.cli.plan_view import reason_text
    from release.model.plan import PartReason

    bump = bumps.get(name)
    if bump is None:
        return {"name": name, "next": None, "reasons": []}
    return {
        "name": name,
        "from": str(bump.before) if bump.before else None,
        "next": str(bump.after),
        "level": str(bump.level),
        "reasons": [
            {
                "text": reason_text(reason),
                "level": str(reason.level),
                **({"part": _data(reason.part, bumps)} if isinstance(reason, PartReason) else {}),
            }
            for reason in bump.reasons
        ],
    }


def _tree(name: str, bumps: dict[str, Bump]) -> Tree:
    from rich.markup import escape
    from rich.tree import Tree

    from release.cli.plan_view import reason_text
    from release.model.plan import PartReason

    bump = bumps[name]
    tree = Tree(f"[bold]{escape(name)}[/bold] {_change(bump)} ({bump.level})")
    for reason in bump.reasons:
        if isinstance(reason, PartReason):
            tree.add(_tree(reason.part, bumps))
        else:
            tree.add(f"{escape(printable(reason_text(reason)))} [dim]({reason.level})[/dim]")
    return tree


def _change(bump: Bump) -> str:
    if bump.before == bump.after:
        return f"{bump.after} ({bump.build_before} → {bump.build_after})"
    return f"{bump.before or 'new'} → {bump.after}"
