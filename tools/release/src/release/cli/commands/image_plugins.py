"""``release image plugins``: the plugins of others that images contain."""

from __future__ import annotations

import click

from release.cli.console import json_option, open_repository, print_json, staged_progress

__all__ = ["plugins"]


@click.group("plugins", short_help="Lock plugins of others.")
def plugins() -> None:
    """Lock plugins of others."""


@plugins.command("add", short_help="Write plugins into plugins.lock.")
@click.argument("urls", nargs=-1, required=True, metavar="URL...")
@json_option
@click.pass_context
def add(ctx: click.Context, urls: tuple[str, ...], as_json: bool) -> None:
    """Fetch the plugins' zips at URL and write their names, versions and SHA-256 into plugins.lock.

    A plugin that is there already is replaced. Remove one by deleting its lines.
    """
    from release.flow.image_plugins import add as run

    with staged_progress() as shown:
        path, found = run(open_repository(ctx), urls, progress=shown)
    if as_json:
        listed = [{"name": one.name, "version": one.version, "url": one.url, "sha256": one.sha256} for one in found]
        print_json({"file": path, "plugins": listed})
        return
    for one in found:
        click.echo(f"{one.sha256}  {one.name} {one.version}")
