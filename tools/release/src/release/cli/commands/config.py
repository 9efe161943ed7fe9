"""``release config``: the configuration that counts, and its schema."""

from __future__ import annotations

from typing import Any

import click

from release.cli.console import open_repository, print_json

__all__ = ["command"]


@click.group("config", short_help="Show the configuration that counts, or its JSON Schema.")
def command() -> None:
    """Show the configuration that counts, or its JSON Schema."""


@command.command("schema")
def schema() -> None:
    """Print the JSON Schema of release.yaml; editors check and complete with it."""
    from release.workspace import config

    print_json({"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "release.yaml", **config.schema()})


@command.command("show")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")
@click.pass_context
def show(ctx: click.Context, as_json: bool) -> None:
    """Print release.yaml of HEAD (without a commit: of the work tree) with every value that it leaves out."""
    from release.errors import GitStateError
    from release.repository.tree import CommitTree, WorkTree
    from release.workspace.config import CONFIG, effective, load

    repository = open_repository(ctx)
    disk = repository.root / CONFIG
    written = disk.read_bytes() if disk.is_file() else None
    try:
        tree: CommitTree | WorkTree = CommitTree(repository, repository.head())
    except GitStateError:
        tree = WorkTree(repository)
    committed = tree.read_many([CONFIG]).get(CONFIG)
    if written != committed:
        click.echo(f"{CONFIG} on disk is another: a release goes by the committed one", err=True)
    data: dict[str, Any] = effective(load(committed))
    if as_json:
        print_json(data)
        return
    import yaml

    click.echo(yaml.safe_dump(data, sort_keys=False, allow_unicode=True), nl=False)
