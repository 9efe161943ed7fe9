"""``release bundle``: the libraries that plugins carry."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from release.cli.console import component_names, json_option, open_repository, print_json, progress

if TYPE_CHECKING:
    from release.flow.bundle import Made

__all__ = ["command"]


@click.group("bundle", short_help="Build the libraries that plugins carry.")
def command() -> None:
    """Build the libraries that plugins carry."""


@command.command("build", short_help="Build what bundle.json names a target for.")
@click.argument("plugins", nargs=-1, metavar="[PLUGIN]...", shell_complete=component_names)
@click.option("--target", "targets", multiple=True, metavar="TRIPLE", help="Only for this target; repeatable.")
@click.option("--host", is_flag=True, help="Only for this machine.")
@click.option("--at", "revision", default="HEAD", metavar="TAG|COMMIT", help="The commit to build; usually HEAD.")
@json_option
@click.pass_context
def build(
    ctx: click.Context, plugins: tuple[str, ...], targets: tuple[str, ...], host: bool, revision: str, as_json: bool
) -> None:
    """Build the libraries that the bundle.json of PLUGINS (default: all) has a target for.

    Each is built by Cargo from the commit alone and put into the plugin's folder in the work tree, for release package
    to take. Targets of other machines need cargo-zigbuild, or a linker in CARGO_TARGET_<TARGET>_LINKER.
    """
    from release.flow.bundle import build_bundles

    made: list[Made] = []

    def settled(one: Made) -> None:
        made.append(one)
        if not as_json:
            glibc = f", glibc {one.glibc} or newer" if one.glibc else ""
            click.echo(f"{one.sha256}  {one.path} ({one.target}{glibc}, {one.size:,} bytes)")

    repository = open_repository(ctx)
    with progress() as shown:
        build_bundles(
            repository,
            plugins,
            revision=revision,
            targets=targets,
            host=host,
            environment=os.environ,
            report=settled,
            progress=shown,
        )
    if as_json:
        from msgspec import to_builtins

        print_json({"libraries": [{**to_builtins(one), "path": str(one.path)} for one in made]})
    elif not made:
        click.echo("Nothing to build: no bundle.json of these plugins names a target.")
