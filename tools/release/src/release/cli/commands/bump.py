"""``release bump``: plan, show, apply."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from release.cli.console import component_names, counted, json_option, now, open_repository, print_json, progress
from release.errors import ReleaseError

if TYPE_CHECKING:
    from release.flow.apply import Landed
    from release.flow.progress import Progress
    from release.flow.unpushed import Pushed
    from release.model.plan import Plan, Request
    from release.repository.git import Repository

__all__ = ["command"]


@click.command("bump", short_help="Decide, write, commit and tag the next versions.")
@click.argument("components", nargs=-1, shell_complete=component_names)
@click.option("--dry-run", is_flag=True, help="Show the plan and change nothing.")
@click.option("--pre", metavar="CHANNEL", help="Release pre-releases: alpha, beta, rc, …")
@click.option(
    "--release-as",
    multiple=True,
    metavar="[NAME=]VERSION",
    help="The version to release, or major|minor|patch.",
)
@click.option(
    "--plan-out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the plan to a file; change nothing else.",
)
@click.option(
    "--plan",
    "plan_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Do exactly what this plan says, or refuse.",
)
@click.option("--push", is_flag=True, help="Push the commit and the tags as one atomic update.")
@click.option("--pull-request", is_flag=True, help="Open or update the pull request that shows the plan; tag nothing.")
@click.option("--check", metavar="WORKFLOW", help="With --pull-request: start this workflow (ci.yml) for it.")
@click.option("--fetch", is_flag=True, help="First fetch all tags and what a shallow clone lacks.")
@click.option("--wait", type=float, default=0, metavar="SECONDS", help="Wait for another release to end.")
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    components: tuple[str, ...],
    dry_run: bool,
    pre: str | None,
    release_as: tuple[str, ...],
    plan_out: Path | None,
    plan_file: Path | None,
    push: bool,
    pull_request: bool,
    check: str | None,
    fetch: bool,
    wait: float,
    as_json: bool,
) -> None:
    """Decide, write, commit and tag the next version of every component (or of COMPONENTS and what contains them).

    All of it lands as one commit with one tag for each component, or none of it does.
    """
    if plan_file is not None and (components or pre or release_as or plan_out):
        raise click.UsageError("--plan does what the plan says; it can't be combined with what makes a plan")
    if pull_request and (dry_run or plan_out or plan_file or push):
        raise click.UsageError("--pull-request can't be combined with --dry-run, --plan, --plan-out or --push")
    if check is not None and not pull_request:
        raise click.UsageError("--check belongs to --pull-request")
    if pre is not None and not (pre[:1].isalpha() and pre.replace("-", "").isalnum() and pre.isascii()):
        raise click.UsageError(f"--pre {pre!r}: a channel is a letter, then letters, digits and hyphens")
    repository = open_repository(ctx)
    request = _request(components, pre, release_as)
    with progress() as report:
        if fetch:
            from release.flow.release import deepen

            deepen(repository, report)
        if dry_run or plan_out is not None:
            plan = _planned(repository, request, plan_file, report)
    if dry_run or plan_out is not None:
        if plan_out is not None:
            from release.formats.plan_json import encode

            plan_out.write_bytes(encode(plan))
        _show(plan, as_json)
        return
    if pull_request:
        _propose(repository, request, check, wait, as_json)
        return
    _release(repository, request, plan_file, push, wait, as_json)


def _request(components: tuple[str, ...], pre: str | None, release_as: tuple[str, ...]) -> Request:
    from release.model.plan import Request

    pairs = []
    for text in release_as:
        name, equals, version = text.rpartition("=")
        if not equals and len(components) != 1:
            raise click.UsageError(f"--release-as {text}: name the component, as in --release-as NAME={text}")
        pairs.append((name if equals else components[0], version))
    named = tuple(sorted({*components, *(name for name, _ in pairs)} if components else ()))
    return Request(named, pre, tuple(sorted(pairs)))


def _planned(repository: Repository, request: Request, plan_file: Path | None, report: Progress) -> Plan:
    from release.flow.survey import survey

    found = survey(repository, progress=report)

    from release.flow.apply import refuse_stale
    from release.flow.plan import make_plan
    from release.flow.release import utc_day

    if plan_file is not None:
        reviewed = _read(plan_file)
        refuse_stale(found, reviewed)
        return reviewed
    return make_plan(found, request, utc_day(now()))


def _read(plan_file: Path) -> Plan:
    from release.errors import PlanRefused
    from release.formats.plan_json import decode

    try:
        return decode(plan_file.read_bytes())
    except OSError as error:
        raise PlanRefused(
            f"the plan {plan_file} can't be read: {error.strerror}",
            fix="make one with release bump --plan-out FILE",
        ) from None


def _release(
    repository: Repository, request: Request, plan_file: Path | None, push: bool, wait: float, as_json: bool
) -> None:
    from release.flow.release import release
    from release.repository.lock import locked

    def finished(landed: Landed) -> None:
        tags = counted(len(landed.tags), "tag")
        click.echo(f"finished the interrupted release {landed.commit[:12]} ({tags})", err=True)

    late: list[Pushed] = []
    shown: list[Plan] = []
    with locked(
        repository,
        " ".join(["release", *sys.argv[1:]]),
        wait=wait,
        waiting=lambda who: click.echo(f"waiting for another release: {who}", err=True),
    ):
        try:
            with progress() as report:
                landed = release(
                    repository,
                    request,
                    time=now(),
                    reviewed=_read(plan_file) if plan_file is not None else None,
                    push=push,
                    progress=report,
                    show=shown.append,
                    finished=finished,
                    pushed=late.append,
                )
        except ReleaseError:
            if shown and not as_json:
                _show(shown[-1], as_json=False)
            raise
    if as_json:
        from release.formats.plan_json import to_data

        data = to_data(shown[-1]) if shown else {}
        pushed = bool(late or (landed and landed.pushed))
        print_json({**data, "commit": landed.commit if landed else None, "pushed": pushed})
        return
    _show(shown[-1] if shown else landed.plan if landed else None, as_json=False)
    for rest in late:
        what = f"{counted(len(rest.tags), 'tag')} of earlier releases"
        click.echo(f"pushed {rest.commit[:12]} and {what} to {rest.target.remote}/{rest.target.branch}")
    if landed is not None:
        where = f"; pushed to {landed.pushed.remote}/{landed.pushed.branch}" if landed.pushed else ""
        click.echo(f"released in commit {landed.commit[:12]}, {counted(len(landed.tags), 'tag')}{where}")


def _propose(repository: Repository, request: Request, check: str | None, wait: float, as_json: bool) -> None:
    from release.flow.pull_request import api_for, propose
    from release.repository.lock import locked

    api = api_for(repository, os.environ)
    with (
        locked(
            repository,
            " ".join(["release", *sys.argv[1:]]),
            wait=wait,
            waiting=lambda who: click.echo(f"waiting for another release: {who}", err=True),
        ),
        progress() as report,
    ):
        done = propose(repository, request, api, time=now(), check=check, progress=report)
    shown = done.pull_request
    if as_json:
        from release.formats.plan_json import to_data

        data = to_data(done.plan) if done.plan is not None else {}
        about = {"number": shown.number, "url": shown.html_url} if shown is not None else None
        proposal = {"action": done.action, "branch": done.branch, "commit": done.commit, "pull-request": about}
        print_json({**data, **proposal, "dispatched": done.dispatched})
        return
    _show(done.plan, as_json=False)
    if done.action == "superseded":
        click.echo("The remote's branch has moved on: nothing was done, its own run proposes what is there.")
    elif shown is not None:
        click.echo(f"{done.action} pull request #{shown.number}: {shown.html_url}")
    if done.dispatched:
        click.echo(f"started {check} on {done.branch}")


def _show(plan: Plan | None, as_json: bool) -> None:
    if plan is None:
        return
    if as_json:
        from release.formats.plan_json import to_data

        print_json(to_data(plan))
        return
    from release.cli.plan_view import print_plan

    print_plan(plan)
