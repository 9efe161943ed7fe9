"""``release init``: set up a repository that ``release`` does not know yet."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from release.cli.console import cell, console, json_option, now, open_repository, print_json

if TYPE_CHECKING:
    from release.flow.init import Setup

__all__ = ["command"]


@click.command("init", short_help="Set up a monorepo: look at it, write release.yaml, make a baseline.")
@click.option("--yes", is_flag=True, help="Write without asking.")
@click.option(
    "--baseline",
    type=click.Choice(["tags", "recorded", "none"]),
    help="What counts as released: new tags at HEAD, versions recorded in release.yaml, or nothing. "
    "Usual: recorded, for components without a tag.",
)
@click.option("--force", is_flag=True, help="Replace a release.yaml that is there.")
@json_option
@click.pass_context
def command(ctx: click.Context, yes: bool, baseline: str | None, force: bool, as_json: bool) -> None:
    """Show the components of this repository and their tags, and write a commented release.yaml.

    It makes a baseline, so that the first bump releases only what changes from here on. It commits nothing.
    """
    from release.flow.init import Baseline, prepare, write
    from release.repository.lock import locked

    repository = open_repository(ctx)
    setup = prepare(repository, Baseline(baseline) if baseline else None, force=force)
    if as_json:
        print_json({**_data(setup), "written": yes})
    else:
        _show(setup)
    if not yes:
        if as_json:
            return
        if not sys.stdin.isatty():
            raise click.UsageError("nothing is written: there is no terminal to ask on; say --yes")
        if not click.confirm("Write release.yaml" + (" and make these tags?" if setup.new_tags else "?")):
            click.echo("Nothing is written.")
            return
    with locked(repository, "release init"):
        write(repository, setup, time=now())
    if not as_json:
        click.echo("release.yaml is written. Next, commit it and look at what comes:")
        click.echo('  git add release.yaml && git commit -m "chore: set up release"')
        click.echo("  release status")
        if setup.new_tags:
            click.echo(f"The {len(setup.new_tags)} new tags are only here: git push --tags origin")


def _data(setup: Setup) -> dict[str, object]:
    return {
        "head": setup.head,
        "main": setup.main,
        "maintenance": list(setup.maintenance),
        "tag": setup.tag,
        "baseline": setup.baseline.value,
        "components": [
            {
                "name": one.component.name,
                "kind": one.component.kind,
                "path": one.component.path,
                "version": str(one.component.version) if one.component.version is not None else None,
                "tag-format": one.tag_format,
                "last-tag": one.last.name if one.last else None,
            }
            for one in setup.components
        ],
        "left-out": [{"path": one.subject, "what": one.what, "fix": one.fix} for one in setup.left_out],
        "to-mend": [{"name": one.subject, "what": one.what, "fix": one.fix} for one in setup.to_mend],
        "ignored-tags": list(setup.odd_tags),
        "new-tags": [tag for tag, _, _ in setup.new_tags],
        "text": setup.text,
    }


def _show(setup: Setup) -> None:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in ("kind", "component", "folder", "version", "last tag"):
        table.add_column(title, overflow="fold")
    for one in setup.components:
        version = str(one.component.version) if one.component.version is not None else "—"
        if one.component.build is not None:
            version += f" ({one.component.build})"
        folder = one.component.path or "."
        shown = (one.component.kind, one.component.name, folder, version, one.last.name if one.last else "none")
        table.add_row(*map(cell, shown))
    console().print(table)
    click.echo(f"main branch: {setup.main}; maintenance branches: {', '.join(setup.maintenance)}; tags: {setup.tag}")
    for one_left in setup.left_out:
        click.echo(f"left out: {one_left.place}: {one_left.what}\n  fix {one_left.fix}")
    for one_bad in setup.to_mend:
        click.echo(f"{one_bad.subject} ({one_bad.place}): {one_bad.what}\n  fix {one_bad.fix}")
    if setup.odd_tags:
        click.echo(f"passed over, no semantic version: {', '.join(setup.odd_tags)}")
    if setup.foreign_tags:
        click.echo(f"{setup.foreign_tags} further tags are no component's and stay as they are")
    if setup.new_tags:
        click.echo(f"new tags at HEAD ({setup.head[:12]}): {', '.join(tag for tag, _, _ in setup.new_tags)}")
