"""``release package``: the file by which a component is published."""

from __future__ import annotations

import os
from pathlib import Path

import click

from release.cli.console import component_names, json_option, open_repository, print_json

__all__ = ["command"]


@click.command("package", short_help="Make a component's package: zip, crate or chart.")
@click.argument("component", shell_complete=component_names)
@click.option("--at", "revision", default="HEAD", metavar="TAG|COMMIT", help="The commit to package; usually HEAD.")
@click.option(
    "--out",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("dist"),
    help="The folder to write to; usually dist.",
)
@click.option("--partial", is_flag=True, help="Package a plugin though not all of its libraries are built.")
@json_option
@click.pass_context
def command(ctx: click.Context, component: str, revision: str, folder: Path, partial: bool, as_json: bool) -> None:
    """Make the package of COMPONENT as its installer wants it: the same commit gives the same bytes on any machine.

    It is made from the commit alone; what is changed and not committed is not in it. Libraries that a plugin's
    bundle.json has built (release bundle build) are taken from the work tree, if they belong to that commit.
    """
    from release.flow.package import package

    repository = open_repository(ctx)
    made = package(repository, component, revision=revision, folder=folder, environment=os.environ, partial=partial)
    if as_json:
        print_json(
            {
                "component": component,
                "packages": [
                    {"name": one.name, "path": str(one.path), "sha256": one.sha256, "size": one.path.stat().st_size}
                    for one in made.files
                ],
                "missing": made.missing,
            }
        )
        return
    for one in made.files:
        click.echo(f"{one.sha256}  {one.path}")
    for target, path in made.missing.items():
        click.echo(f"not for {target}: {path} is not built", err=True)
