"""Find the components of a tree and the edges between them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from release.errors import ConfigError, WorkspaceError
from release.model.component import Component, Edge, EdgeKind, Tree
from release.workspace.config import CONFIG, Config, locate
from release.workspace.globs import matcher
from release.workspace.kinds import KINDS

__all__ = ["Workspace", "discover"]


@dataclass(frozen=True)
class Workspace:
    """The components of one tree by name, parts before wholes, and their edges."""

    tree: Tree
    components: Mapping[str, Component]
    edges: tuple[Edge, ...]

    @cached_property
    def parts(self) -> Mapping[str, tuple[Edge, ...]]:
        """The edges of each whole to its parts."""
        return _grouped(self.edges, lambda edge: edge.whole)

    @cached_property
    def wholes(self) -> Mapping[str, tuple[Edge, ...]]:
        """The edges of each part to the wholes that use it."""
        return _grouped(self.edges, lambda edge: edge.part)


def discover(tree: Tree, config: Config) -> Workspace:
    """Return the components and edges of ``tree``.

    Raises:
        FormatError: a manifest can't be read.
        WorkspaceError: two components have one name, or edges form a cycle.
        ConfigError: the configuration names a component that is not there.
    """
    ignored = matcher(config.ignore)
    files = [path for path in tree.files() if not ignored(path)]
    components = _named(
        component
        for kind in KINDS.values()
        for component in sorted(kind.discover(tree, files), key=lambda component: component.name)
    )
    for name in config.components:
        if name not in components:
            raise ConfigError(
                f"{CONFIG} configures {name}, which is no component of this tree",
                where=[locate(tree.read_many([CONFIG]).get(CONFIG), "components", name)],
                fix=f"remove the entry or correct its name; there are: {', '.join(components) or 'none'}",
            )
    edges = [
        edge for component in components.values() for edge in KINDS[component.kind].edges(tree, component, components)
    ]
    return Workspace(tree, _ordered(components, edges), tuple(edges))


def _named(found: Iterable[Component]) -> dict[str, Component]:
    """Return components by unique names: those of two kinds that are called the same get the kind before the name."""
    found = list(found)
    kinds = Counter(component.name for component in found)
    components: dict[str, Component] = {}
    for component in found:
        if kinds[component.name] > 1:
            component = replace(component, name=f"{component.kind}-{component.name}", alias=component.name)
        twin = components.setdefault(component.name, component)
        if twin is not component:
            raise WorkspaceError(
                f"two components are called {component.native}",
                where=[twin.declared, component.declared],
                fix=f"rename one, or list its folder under `ignore` in {CONFIG}",
            )
    return components


def _grouped(edges: tuple[Edge, ...], key: Callable[[Edge], str]) -> dict[str, tuple[Edge, ...]]:
    groups: defaultdict[str, list[Edge]] = defaultdict(list)
    for edge in edges:
        groups[key(edge)].append(edge)
    return {name: tuple(group) for name, group in groups.items()}


def _ordered(components: Mapping[str, Component], edges: list[Edge]) -> dict[str, Component]:
    """Return ``components`` with parts before wholes; development dependencies may form cycles, as in Cargo."""
    parts: dict[str, list[Edge]] = {name: [] for name in components}
    for edge in edges:
        if edge.kind is not EdgeKind.CRATE_DEV:
            parts[edge.whole].append(edge)
    done: dict[str, Component] = {}
    for first in components:
        entered = {} if first in done else {first: iter(parts[first])}
        path: list[Edge] = []
        while entered:
            name = next(reversed(entered))
            part = next((edge for edge in entered[name] if edge.part not in done), None)
            if part is None:
                done[name] = components[name]
                entered.popitem()
                del path[-1:]
                continue
            path.append(part)
            if part.part in entered:
                raise _cycle(path)
            entered[part.part] = iter(parts[part.part])
    return done


def _cycle(path: list[Edge]) -> WorkspaceError:
    """Return the error for the cycle that the last edge of ``path`` closes."""
    start = path[-1].part
    cycle = path[next(i for i, edge in enumerate(path) if edge.whole == start) :]
    chain = " → ".join([*(edge.whole for edge in cycle), start])
    return WorkspaceError(
        f"components use each other in a cycle: {chain}",
        where=[edge.place for edge in cycle],
        fix="remove one of these dependencies",
    )
