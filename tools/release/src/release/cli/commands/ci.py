"""``release ci``: the GitHub Actions workflows."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from release.cli.console import cell, console, counted, json_option, open_repository, print_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from release.ci.verdict import Ruling
    from release.ci.workflow import Job, Need, Workflow
    from release.flow.ci import Drift

__all__ = ["command"]


class _Commands(click.Group):
    """Imports the modules of ``pins`` and ``oidc`` when they are needed; the others are in this one."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*super().list_commands(ctx), *_FURTHER]

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in _FURTHER:
            return super().get_command(ctx, name)
        command: click.Command = getattr(importlib.import_module(f"release.cli.commands.ci_{name}"), name)
        return command


_FURTHER = ("pins", "oidc")


@click.group("ci", cls=_Commands, short_help="Generate, check and explain the GitHub Actions workflows.")
def command() -> None:
    """Generate, check and explain the GitHub Actions workflows."""


@command.command("generate")
@click.option("--check", is_flag=True, help="Write nothing; show what differs and end with 1 if anything does.")
@click.option("--dialect", type=click.Choice(["github", "act"]), default="github", help="For whom: act knows less.")
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), help="Write the workflows to this folder instead."
)
@click.option("--force", is_flag=True, help="Overwrite workflows that were written by hand.")
@json_option
@click.pass_context
def generate(ctx: click.Context, check: bool, dialect: str, out: Path | None, force: bool, as_json: bool) -> int:
    """Write every workflow that this repository needs, from release.yaml and its components."""
    from release.ci.compose import compose
    from release.flow import ci

    if out is not None and check:
        raise click.UsageError("--out writes another folder; it can't be combined with --check")
    if dialect != "github" and out is None:
        raise click.UsageError(f"--dialect {dialect} is for another folder: name it with --out")
    repository = open_repository(ctx)
    site = ci.survey_site(repository)
    files = ci.wanted(compose(site), dialect)
    if not (site.config.ci.launcher or site.config.ci.install):
        click.echo(
            "warning: nothing installs release and nox on a runner: write `ci: {install: COMMAND}` or `ci: {launcher: "
            "COMMAND}` into release.yaml (docs/release/delivery.md)",
            err=True,
        )
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        for path, content in files.items():
            if path.startswith(f"{ci.FOLDER}/"):
                (out / Path(path).name).write_text(content, encoding="utf-8")
        return 0
    found = ci.drift(repository, files) if check else ci.generate(repository, files, force=force)
    if as_json:
        print_json({"files": list(files), "drift": [_data(one) for one in found]})
    elif check:
        _show_drift(found, len(files))
    else:
        for one in found:
            click.echo(f"{'removed' if one.state == 'orphan' else 'wrote'} {one.path}")
        click.echo(f"{counted(len(files), 'file')}: {counted(len(found), 'change')}")
    return 1 if check and found else 0


def _data(drift: Drift) -> dict[str, object]:
    return {"path": drift.path, "state": drift.state, "moved": list(drift.moved), "diff": drift.diff}


def _show_drift(found: Iterable[Drift], files: int) -> None:
    found = list(found)
    words = {
        "missing": "is missing",
        "stale": "is not what release.yaml and the components give",
        "orphan": "was generated once and is not needed any more",
        "foreign": "was written by hand and would be overwritten",
    }
    for one in found:
        click.echo(f"{one.path} {words[one.state]}")
        for sentence in one.moved:
            click.echo(f"  {sentence}")
        if one.diff:
            click.echo(one.diff)
    if not found:
        click.echo(f"{counted(files, 'file')}: all as generated")
    elif all(one.only_pins for one in found):
        click.echo("only pins moved: `release ci pins adopt` takes them over, `release ci generate` takes them back")
    else:
        click.echo("run `release ci generate`, and commit what it writes")


def _workflows(ctx: click.Context) -> tuple[Workflow, ...]:
    from release.ci.compose import compose
    from release.flow.ci import survey_site

    return compose(survey_site(open_repository(ctx)))


@command.command("explain")
@click.argument("workflow", required=False)
@click.argument("job", required=False)
@json_option
@click.pass_context
def explain(ctx: click.Context, workflow: str | None, job: str | None, as_json: bool) -> None:
    """Say why a workflow or job is there, what starts it and what it may do; without a name, list the workflows."""
    from release.ci import explain as words

    workflows = _workflows(ctx)
    found = [one for one in workflows if workflow in (None, one.id)]
    if not found:
        raise click.UsageError(f"there is no workflow {workflow!r}: {', '.join(one.id for one in workflows)}")
    if workflow is None:
        if as_json:
            print_json([{"workflow": one.id, "why": one.why} for one in found])
        for one in found if not as_json else ():
            click.echo(f"{one.id}: {one.why}")
        return
    jobs = [one for one in found[0].jobs if job in (None, one.id)]
    if not jobs:
        raise click.UsageError(f"{workflow} has no job {job!r}: {', '.join(one.id for one in found[0].jobs)}")
    if as_json:
        print_json(words.data(found[0], jobs))
        return
    lines = words.job_lines(jobs[0]) if job is not None else words.workflow_lines(found[0])
    click.echo("\n".join(lines))


@command.command("graph")
@click.argument("workflow", required=False)
@click.pass_context
def graph(ctx: click.Context, workflow: str | None) -> None:
    """Print the workflows and their jobs as a Mermaid diagram."""
    from release.ci.explain import mermaid

    found = [one for one in _workflows(ctx) if workflow in (None, one.id)]
    if not found:
        raise click.UsageError(f"there is no workflow {workflow!r}")
    click.echo(mermaid(found))


@command.command("permissions")
@json_option
@click.pass_context
def permissions(ctx: click.Context, as_json: bool) -> None:
    """List every permission, secret and identity of every job, with the reason."""
    rows = [(one.id, job, need) for one in _workflows(ctx) for job in one.jobs for need in _needs(job)]
    if as_json:
        print_json(
            [
                {"workflow": id_, "job": job.id, "environment": _environment(job), **_need(need)}
                for id_, job, need in rows
            ]
        )
        return
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("workflow", "job", "environment", "may", "reason"):
        table.add_column(column)
    for id_, job, need in rows:
        data = _need(need)
        table.add_row(id_, job.id, cell(_environment(job)), cell(data["may"]), cell(data["reason"]))
    console().print(table)


def _needs(job: Job) -> list[Need]:
    from release.publish.destination import Grant

    return [*job.grants, *(need for need in job.needs if not isinstance(need, Grant))]


def _environment(job: Job) -> str:
    return str(job.environment or "")


def _need(need: Need) -> Mapping[str, str]:
    from release.ci.workflow import Identity, Secret
    from release.publish.destination import Grant

    match need:
        case Grant():
            return {"kind": "permission", "may": f"{need.scope}: {need.level}", "reason": need.reason}
        case Secret():
            return {"kind": "secret", "may": f"secret {need.name}", "reason": need.reason}
        case Identity():
            return {"kind": "identity", "may": f"{need.cloud} as {need.purpose.value}", "reason": need.reason}


@command.command("verdict")
@json_option
def verdict(as_json: bool) -> int:
    """Compare how each job ended (RESULTS) with what the plan job said should run (PLAN); red ends with 1.

    RESULTS has a line JOB=RESULT for each job, PLAN is JSON: {"JOB": true, …}. The generated job all-green sets both.
    """
    from release.ci.verdict import judge
    from release.cli.github import write_summary

    results = dict(line.split("=", 1) for line in os.environ.get("RESULTS", "").split() if "=" in line)
    rulings = judge(results, _planned(os.environ.get("PLAN", "")))
    green = bool(rulings) and all(ruling.green for ruling in rulings)
    write_summary(os.environ, _verdict_summary(rulings, green))
    if as_json:
        print_json({"green": green, "jobs": [_ruling(ruling) for ruling in rulings]})
        return 0 if green else 1
    for ruling in rulings:
        click.echo(f"{'green' if ruling.green else 'RED  '} {ruling.job}: {ruling.result} ({ruling.why})")
    if not rulings:
        click.echo("RED   there is no result: RESULTS is empty")
    return 0 if green else 1


def _verdict_summary(rulings: Sequence[Ruling], green: bool) -> str:
    head = [f"### all-green: {'yes' if green else 'no'}", "", "| | job | result | |", "| --- | --- | --- | --- |"]
    rows = [f"| {'✓' if one.green else '✗'} | {one.job} | {one.result} | {one.why} |" for one in rulings]
    return "\n".join([*head, *rows, ""])


def _ruling(one: Ruling) -> dict[str, object]:
    return {"job": one.job, "result": one.result, "wanted": one.wanted, "green": one.green, "why": one.why}


def _planned(text: str) -> dict[str, bool]:
    """Return the plan; one that can't be read is none, so that every job should have run."""
    import json

    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return {str(job): bool(wanted) for job, wanted in found.items()} if isinstance(found, dict) else {}
