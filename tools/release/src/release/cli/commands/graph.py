"""``release graph``: the edges between components."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from release.cli.console import console, open_repository, print_json

if TYPE_CHECKING:
    from rich.tree import Tree

    from release.model.component import Edge
    from release.workspace.discover import Workspace

__all__ = ["command"]


@click.command("graph", short_help="Show which component contains which.")
@click.option("--format", "form", type=click.Choice(["tree", "mermaid", "json"]), default="tree", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@click.pass_context
def command(ctx: click.Context, form: str, as_json: bool) -> None:
    """Show the edges between components, each from a whole to a part."""
    from release.repository.tree import CommitTree
    from release.workspace.config import CONFIG, load
    from release.workspace.discover import discover

    repository = open_repository(ctx)
    tree = CommitTree(repository, repository.head())
    workspace = discover(tree, load(tree.read_many([CONFIG]).get(CONFIG)))
    if as_json or form == "json":
        print_json(_data(workspace))
    elif form == "mermaid":
        click.echo(_mermaid(workspace))
    else:
        for root in _roots(workspace):
            console().print(root)


def _data(workspace: Workspace) -> dict[str, object]:
    return {
        "components": [
            {"name": c.name, "kind": c.kind, "path": c.path, "manifest": c.manifest}
            for c in workspace.components.values()
        ],
        "edges": [
            {
                "whole": edge.whole,
                "part": edge.part,
                "kind": edge.kind.value,
                "requirement": edge.requirement,
                "file": edge.path,
                "line": edge.token.line,
            }
            for edge in workspace.edges
        ],
    }


def _mermaid(workspace: Workspace) -> str:
    ids = {name: f"c{i}" for i, name in enumerate(workspace.components)}
    nodes = [f'    {ids[c.name]}["{c.name}<br/><small>{c.kind}</small>"]' for c in workspace.components.values()]
    edges = [f"    {ids[edge.whole]} -->|{edge.kind.value}| {ids[edge.part]}" for edge in _distinct(workspace.edges)]
    return "\n".join(["flowchart TD", *nodes, *edges])


def _distinct(edges: Iterable[Edge]) -> list[Edge]:
    """Return one edge of each kind between two components: a file can name a part at several places."""
    return list({(edge.whole, edge.part, edge.kind): edge for edge in edges}.values())


def _roots(workspace: Workspace) -> list[Tree]:
    from rich.tree import Tree

    def branch(name: str, label: str, above: tuple[str, ...]) -> Tree:
        component = workspace.components[name]
        tree = Tree(f"{label}[bold]{name}[/bold] [dim]{component.kind} {component.version or '—'}[/dim]")
        for edge in _distinct(workspace.parts.get(name, ())):
            if edge.part not in above:
                tree.add(branch(edge.part, f"[dim]{edge.kind.value}:[/dim] ", (*above, name)))
        return tree

    tops = [name for name in workspace.components if name not in workspace.wholes]
    return [branch(name, "", (name,)) for name in tops or workspace.components]
