"""``release verify``: make a release's decision again and compare."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from release.cli.console import json_option, open_repository, print_json, progress

if TYPE_CHECKING:
    from release.flow.verify import Verified

__all__ = ["command"]


@click.command("verify", short_help="Recompute a release from git alone and compare.")
@click.argument("tag")
@json_option
@click.pass_context
def command(ctx: click.Context, tag: str, as_json: bool) -> int:
    """Make the decision behind TAG again, from git alone, and compare versions, files and the plan's digest.

    TAG can also be the release commit itself. Exits with 1 when something differs.
    """
    from release.flow.verify import verify

    repository = open_repository(ctx)
    with progress() as report:
        found = verify(repository, tag, progress=report)
    if as_json:
        print_json(_data(found))
    else:
        _show(found)
    return 1 if found.differences else 0


def _data(found: Verified) -> dict[str, object]:
    from release.formats.plan_json import digest

    return {
        "name": found.name,
        "commit": found.commit,
        "base": found.base,
        "verified": not found.differences,
        "plan": digest(found.plan) if found.plan else None,
        "components": [
            {"name": bump.component, "from": str(bump.before) if bump.before else None, "to": str(bump.after),
             "build": bump.build_after, "level": str(bump.level), "tag": bump.tag}
            for bump in (found.plan.bumps if found.plan else ())
        ],
        "differences": [
            {"kind": one.kind, "subject": one.subject, "recorded": one.recorded, "recomputed": one.recomputed}
            for one in found.differences
        ],
    }  # fmt: skip


def _show(found: Verified) -> None:
    from release.flow.message import line
    from release.formats.plan_json import digest

    if found.plan is not None and not found.differences:
        click.echo(f"{found.name} is what the history gives, in commit {found.commit[:12]}:")
        for bump in found.plan.bumps:
            click.echo(f"  {bump.component}: {line(bump)}, {bump.level}")
        click.echo(f"  {len(found.plan.edits)} files byte for byte, nothing else; plan {digest(found.plan)}")
        return
    click.echo(f"{found.name} (commit {found.commit[:12]}) is not what the history gives:")
    for one in found.differences:
        click.echo(f"  {one.kind} {one.subject}")
        click.echo(f"    recorded   {one.recorded}")
        click.echo(f"    recomputed {one.recomputed}")
    if {one.kind for one in found.differences} == {"plan"}:
        click.echo("  Versions and files are the same: tags were added, moved or lost since then.")
        click.echo("  See `release tag --restore --dry-run`, or fetch all tags: git fetch --tags origin")
