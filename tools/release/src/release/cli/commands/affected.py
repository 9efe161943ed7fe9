"""``release affected``: what a change touches."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from release.cli.console import counted, json_option, open_repository, print_json, printable

if TYPE_CHECKING:
    from release.ci.plan import Decision
    from release.repository.git import Repository

__all__ = ["command"]


@click.command("affected", short_help="List the components that a change touches, and all that contain them.")
@click.option("--base", metavar="REF", help="What to compare with: a branch, tag or commit.")
@click.option("--explain", is_flag=True, help="Show the path from the changed file to each component.")
@click.option("--github", metavar="WORKFLOW", help="Decide what the running workflow needs, from GitHub's event.")
@json_option
@click.pass_context
def command(ctx: click.Context, base: str | None, explain: bool, github: str | None, as_json: bool) -> None:
    """List the components whose files differ from where HEAD left REF, and transitively all that contain them.

    With --github, the base is the event's, and the decisions are written to GITHUB_OUTPUT and the job's summary.
    """
    if (base is None) == (github is None):
        raise click.UsageError("name either --base REF or --github WORKFLOW")
    repository = open_repository(ctx)
    if github is not None:
        _decide(repository, github, as_json)
        return
    from release.flow.affected import affected

    assert base is not None
    workspace, found = affected(repository, base)
    if as_json:
        print_json(
            {
                "base": base,
                "components": [
                    {
                        "name": one.name,
                        "kind": workspace.components[one.name].kind,
                        "path": workspace.components[one.name].path,
                        "file": one.file,
                        "chain": list(one.chain),
                    }
                    for one in found
                ],
            }
        )
        return
    for one in found:
        click.echo(printable(f"{one.name}: {' → '.join((one.file, *one.chain))}") if explain else one.name)


def _decide(repository: Repository, name: str, as_json: bool) -> None:
    from release.ci.compose import compose
    from release.ci.plan import decide
    from release.cli.github import event, write_outputs, write_summary
    from release.flow.affected import change

    happened = event(os.environ)
    site, found = change(repository, happened)
    workflow = next((one for one in compose(site) if one.id == name), None)
    if workflow is None:
        raise click.UsageError(f"--github {name}: there is no such workflow here; `release ci explain` lists them")
    decision = decide(workflow, found)
    write_outputs(os.environ, decision.outputs())
    since = "everything: the base is unknown" if found.files is None else f"since {happened.base}"
    write_summary(os.environ, _summary(decision, since))
    if as_json:
        print_json({"base": happened.base if found.files is not None else None, "outputs": decision.outputs()})
        return
    click.echo(f"compared {since}" if found.files is not None else since)
    for job, cells in decision.cells.items():
        click.echo(f"{job}: {_cells(decision, job) if cells else 'not needed'}")


def _cells(decision: Decision, job: str) -> str:
    return counted(len(decision.cells[job]), "job") if decision.axes[job] else "runs"


def _summary(decision: Decision, since: str) -> str:
    rows = [f"| {job} | {_cells(decision, job) if cells else 'not needed'} |" for job, cells in decision.cells.items()]
    return "\n".join(
        ["### What this change needs", "", f"Compared {since}.", "", "| job | |", "| --- | --- |", *rows, ""]
    )
