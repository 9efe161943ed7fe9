"""``release ci pins``: the commits that actions are used at."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from release.cli.console import (
    cell,
    console,
    counted,
    json_option,
    now,
    open_repository,
    print_json,
    printable,
    progress,
)

if TYPE_CHECKING:
    from release.checks.rule import Finding
    from release.ci.pins import Pin
    from release.errors import Place
    from release.flow.pins import Adopted, Update
    from release.repository.upstream import Upstream

__all__ = ["pins"]

_from = click.option(
    "--from",
    "folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Ask clones at DIR/OWNER/NAME or DIR/OWNER/NAME.git in place of GitHub.",
    metavar="DIR",
)


@click.group("pins", short_help="Show, check and raise the commits that actions are used at.")
def pins() -> None:
    """Show, check and raise the commits that actions are used at."""


def _upstream(folder: Path | None) -> Upstream:
    from release.repository.upstream import Upstream

    return Upstream(folder)


def _place(place: Place) -> dict[str, object]:
    return {"path": place.path, "line": place.line, "column": place.column}


def _data(pin: Pin) -> dict[str, object]:
    return {
        "uses": pin.uses,
        "version": pin.version,
        "sha": pin.sha,
        "source": "own" if pin.own else "packaged",
        "single_source": pin.single_source,
        "note": pin.note,
    }


@pins.command("list")
@json_option
@click.pass_context
def list_(ctx: click.Context, as_json: bool) -> None:
    """List all pins, where each comes from, and the workflows that use it."""
    from rich import box
    from rich.table import Table

    from release.ci.uses import read
    from release.errors import PinError
    from release.flow.pins import load, workflows

    repository = open_repository(ctx)
    _, known = load(repository)
    users: dict[str, list[str]] = {pin.uses: [] for pin in known}
    for use in read(workflows(repository)):
        try:
            paths = users[known.entry_for(use.uses).uses]
        except PinError:
            continue
        if use.place.path not in paths:
            paths.append(use.place.path)
    if as_json:
        print_json({"pins": [{**_data(pin), "workflows": users[pin.uses]} for pin in known]})
        return
    table = Table("action", "version", "commit", "from", "used by", box=box.SIMPLE_HEAD, pad_edge=False)
    for pin in known:
        source = "own" if pin.own else "packaged"
        names = ", ".join(path.rpartition("/")[2] for path in users[pin.uses])
        marked = f"{source}, single source" if pin.single_source else source
        table.add_row(cell(pin.uses), cell(pin.version), pin.sha, marked, cell(names or "—"))
    console().print(table)


@pins.command("verify")
@click.argument("names", nargs=-1, metavar="[NAME]…")
@_from
@json_option
@click.pass_context
def verify(ctx: click.Context, names: tuple[str, ...], folder: Path | None, as_json: bool) -> int:
    """Ask the actions' repositories whether each pin's commit is the version that it says.

    So are the comments beside all SHAs in .github/workflows, generated or not. With NAMEs (actions or their
    repositories) only these pins are checked. Exits with 1 when something is wrong.
    """
    from release.ci.uses import read
    from release.flow import pins as flow

    repository = open_repository(ctx)
    _, known = flow.load(repository)
    chosen = flow.chosen(known, names)
    wanted = {pin.repository.lower() for pin in chosen}
    used = [use for use in read(flow.workflows(repository)) if not names or use.repository.lower() in wanted]
    with progress() as report:
        findings = flow.verify(chosen, used, _upstream(folder), progress=report)
    if as_json:
        print_json({"pins": len(chosen), "uses": len(used), "findings": [_finding(one) for one in findings]})
    else:
        for one in findings:
            click.echo(printable(f"{one.place}: {one.severity} {one.rule}: {one.what}"))
            click.echo(printable(f"  fix {one.fix}"))
        click.echo(f"{counted(len(chosen), 'pin')}, {counted(len(used), 'use')}: {counted(len(findings), 'finding')}")
    return 1 if any(one.severity == "error" for one in findings) else 0


def _finding(one: Finding) -> dict[str, object]:
    return {"rule": one.rule, "severity": one.severity, **_place(one.place), "what": one.what, "fix": one.fix}


@pins.command("update")
@click.argument("names", nargs=-1, metavar="[NAME]…")
@click.option("--cooldown", type=int, default=7, show_default=True, metavar="DAYS", help="Days a version must be out.")
@_from
@click.option("--dry-run", is_flag=True, help="Show what would be raised and write nothing.")
@click.option("--issue", is_flag=True, help="Write nothing; open, update or close the one GitHub issue about it.")
@json_option
@click.pass_context
def update(
    ctx: click.Context,
    names: tuple[str, ...],
    cooldown: int,
    folder: Path | None,
    dry_run: bool,
    issue: bool,
    as_json: bool,
) -> int:
    """Raise pins to the newest version that was out for some days; write them into .github/pins.yaml.

    Exits with 1 when a pin is refused, such as one whose tag was moved; the others are raised all the same.
    """
    from release.flow import pins as flow

    repository = open_repository(ctx)
    own, known = flow.load(repository)
    with progress() as report:
        found = flow.update(flow.chosen(known, names), _upstream(folder), now(), cooldown=cooldown, progress=report)
    new = [one.new for one in found if one.new is not None]
    writing = not (dry_run or issue)
    if new and writing:
        flow.write(repository, own, new)
    told = None
    if issue:
        from release.web.github import github_api

        told = flow.tell(github_api(os.environ, None), found, os.environ)
    if as_json:
        print_json({"written": bool(new) and writing, "issue": told, "pins": [_updated(one) for one in found]})
    else:
        _show(found, not writing)
        if told is not None:
            click.echo(f"issue: {told}")
    return 1 if any(one.refused for one in found) else 0


def _updated(one: Update) -> dict[str, object]:
    return {
        "uses": one.pin.uses,
        "from": {"version": one.pin.version, "sha": one.pin.sha},
        "to": {"version": one.new.version, "sha": one.new.sha} if one.new is not None else None,
        "major": one.major,
        "waiting": one.waiting or None,
        "until": one.until or None,
        "refused": one.refused or None,
    }


def _show(found: list[Update], dry_run: bool) -> None:
    for one in found:
        if one.new is not None:
            major = "  MAJOR: read its release notes" if one.major else ""
            click.echo(printable(f"{one.pin.uses}: {one.pin.version} → {one.new.version} ({one.new.sha[:12]}){major}"))
        if one.waiting:
            click.echo(printable(f"{one.pin.uses}: {one.waiting} is too young; it can be taken from {one.until}"))
        if one.refused:
            click.echo(printable(f"{one.pin.uses}: refused: {one.refused}"))
    raised = sum(one.new is not None for one in found)
    click.echo(f"{counted(len(found), 'pin')}, {raised} {'to raise' if dry_run else 'raised'}")
    if raised and not dry_run:
        click.echo("next: release ci pins verify && release ci generate")


@pins.command("adopt")
@_from
@click.option("--allow-downgrade", is_flag=True, help="Take over a version that is lower than the pin's.")
@json_option
@click.pass_context
def adopt(ctx: click.Context, folder: Path | None, allow_downgrade: bool, as_json: bool) -> None:
    """Take over what Dependabot or Renovate bumped in generated workflows, and generate them anew.

    The bumps are written into .github/pins.yaml. Workflows that aren't generated are left alone. Where only the SHA or
    only the comment changed, the action's repository is asked which version it is.
    """
    from release.flow import pins as flow
    from release.flow.ci import regenerate

    repository = open_repository(ctx)
    own, known = flow.load(repository)
    found = flow.adopt(known, flow.workflows(repository), _upstream(folder), allow_downgrade=allow_downgrade)
    if found:
        flow.write(repository, own, [one.after for one in found])
    drifts = regenerate(repository) if found else ()
    if as_json:
        generated = [{"path": one.path, "state": one.state} for one in drifts]
        print_json({"adopted": [_adopted(one) for one in found], "generated": generated})
        return
    for one in found:
        where = counted(len(one.places), "place")
        click.echo(printable(f"{one.after.uses}: {one.before.version} → {one.after.version} in {where}"))
    for drift in drifts:
        click.echo(printable(f"{drift.path}: {drift.state}, generated anew"))
    if not found:
        click.echo("nothing to adopt: the generated workflows have the pins")


def _adopted(one: Adopted) -> dict[str, object]:
    return {
        "uses": one.after.uses,
        "from": {"version": one.before.version, "sha": one.before.sha},
        "to": {"version": one.after.version, "sha": one.after.sha},
        "places": [_place(place) for place in one.places],
    }


@pins.command("export")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write it into FILE.")
@click.option(
    "--known",
    "lock",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="The lock to take over owner and repository numbers from; default: the repository's own, if there is one.",
)
@click.pass_context
def export(ctx: click.Context, out: Path | None, lock: Path | None) -> int:
    """Print the pins that workflows use in the form of GitHub's own actions.lock.

    Exits with 1 when the lock is incomplete: pins know no owner and repository numbers.
    """
    from release.ci import actions_lock
    from release.ci.uses import read
    from release.flow.pins import load, workflows

    repository = open_repository(ctx)
    _, known = load(repository)
    source = lock if lock is not None else repository.root / actions_lock.LOCK
    there = actions_lock.known(source.read_bytes() if source.is_file() else None, str(lock or actions_lock.LOCK))
    found = actions_lock.export(known, read(workflows(repository)), there)
    if out is None:
        click.echo(found.text, nl=False)
    else:
        out.write_text(found.text, encoding="utf-8")
    for name in found.without_numbers:
        click.echo(f"missing: owner_id and repo_id of {name}", err=True)
    for key in found.without_uses:
        click.echo(f"not known: what {key} uses itself", err=True)
    if found.without_numbers or found.without_uses:
        click.echo("`gh actions-lock` fills in what is missing; it asks GitHub", err=True)
    return 1 if found.without_numbers else 0
