"""Bumps made by hand and the trees they give, for the tests of kinds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from release.model.component import Component, Edge, Tree
from release.model.edit import FileEdit, Replacement
from release.model.plan import Bump
from release.model.version import Level, parse_version
from release.workspace.kind import Kind
from trees import MemoryTree

__all__ = ["bump_of", "bumped", "components_of", "edges_of", "edited"]


def bump_of(component: Component, after: str) -> Bump:
    """Return the bump of ``component`` from its version in the tree to ``after``."""
    return Bump(
        component=component.name,
        kind=component.kind,
        path=component.path,
        before=component.version,
        after=parse_version(after),
        build_before=component.build,
        build_after=component.build,
        level=Level.MINOR,
        reasons=(),
        tag=None,
    )


def components_of(tree: Tree, *kinds: Kind) -> dict[str, Component]:
    """Return the components of ``kinds`` in ``tree`` by name."""
    return {one.name: one for kind in kinds for one in kind.discover(tree, tree.files())}


def edges_of(tree: Tree, component: Component, components: Mapping[str, Component], *kinds: Kind) -> list[Edge]:
    """Return the edges whose whole is ``component``."""
    kind = next(kind for kind in kinds if kind.name == component.kind)
    return list(kind.edges(tree, component, components))


def edited(tree: Tree, pairs: Iterable[tuple[str, Replacement]]) -> MemoryTree:
    """Return ``tree`` after the edits."""
    edits: dict[str, list[Replacement]] = {}
    for path, replacement in pairs:
        edits.setdefault(path, []).append(replacement)
    contents = tree.read_many(tree.files())
    for path, replacements in edits.items():
        contents[path] = FileEdit.build(path, contents[path], replacements).apply(contents[path])
    return MemoryTree(contents)


def bumped(tree: Tree, versions: Mapping[str, str], *kinds: Kind) -> MemoryTree:
    """Return ``tree`` after the components of ``kinds`` got ``versions`` and their wholes follow."""
    components = components_of(tree, *kinds)
    bumps = {name: bump_of(components[name], after) for name, after in versions.items()}
    by_name = {kind.name: kind for kind in kinds}
    pairs: list[tuple[str, Replacement]] = []
    for component in components.values():
        kind = by_name[component.kind]
        if component.name in bumps:
            pairs += kind.write_version(tree, component, bumps[component.name])
        edges = [edge for edge in kind.edges(tree, component, components) if edge.part in bumps]
        pairs += kind.write_parts(tree, component, edges, bumps)
    return edited(tree, pairs)
