"""``release tag``: tags that are missing."""

from __future__ import annotations

import sys

import click

from release.cli.console import json_option, open_repository, print_json, progress

__all__ = ["command"]


@click.command("tag", short_help="Make missing tags again from the trailers of release commits.")
@click.option("--restore", "restoring", is_flag=True, help="Make the missing tags again.")
@click.option("--dry-run", is_flag=True, help="List them and change nothing.")
@click.option("--wait", type=float, default=0, metavar="SECONDS", help="Wait for a release to end.")
@json_option
@click.pass_context
def command(ctx: click.Context, restoring: bool, dry_run: bool, wait: float, as_json: bool) -> None:
    """Make the tags again that the history of HEAD tells of and that are missing: in a fork, a mirror, a CI checkout.

    They carry the message and the time that they had.
    """
    from release.flow.restore import lost_tags, restore
    from release.repository.lock import locked

    if not restoring:
        raise click.UsageError("say --restore; new tags are made by `release bump`")
    repository = open_repository(ctx)
    if dry_run:
        lost = lost_tags(repository)
    else:
        with locked(repository, " ".join(["release", *sys.argv[1:]]), wait=wait), progress() as report:
            lost = restore(repository, progress=report)
    if as_json:
        rows = [
            {"tag": one.tag, "component": one.component, "version": one.version, "commit": one.commit} for one in lost
        ]
        print_json({"tags": rows, "made": not dry_run})
        return
    for one in lost:
        click.echo(f"{one.tag} at {one.commit[:12]}")
    if not lost:
        click.echo("No tag is missing: each release in the history of HEAD has its tag.")
    else:
        click.echo(f"{len(lost)} tags {'are missing' if dry_run else 'made again; push them: git push --tags origin'}")
