"""``release affected``: what a change touches."""

from __future__ import annotations

import click

from release.cli.console import json_option, open_repository, print_json, printable

__all__ = ["command"]


@click.command("affected", short_help="List the components that a change touches, and all that contain them.")
@click.option("--base", required=True, metavar="REF", help="What to compare with: a branch, tag or commit.")
@click.option("--explain", is_flag=True, help="Show the path from the changed file to each component.")
@json_option
@click.pass_context
def command(ctx: click.Context, base: str, explain: bool, as_json: bool) -> None:
    """List the components whose files differ from where HEAD left REF, and transitively all that contain them."""
    from release.flow.affected import affected

    workspace, found = affected(open_repository(ctx), base)
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
