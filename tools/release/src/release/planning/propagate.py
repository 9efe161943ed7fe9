"""Carry bumps from parts to wholes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from release.model.component import Component, Edge
from release.model.version import Level

__all__ = ["propagate"]


def propagate(
    own: Mapping[str, Level],
    components: Mapping[str, Component],
    edges: Iterable[Edge],
    level_of: Callable[[Edge, Level], Level],
) -> dict[str, Level]:
    """Return the level of each component after bumps have travelled along ``edges``.

    ``level_of`` gives the level of a whole for that of its part. Components of one group share the highest level of
    the group. Levels only rise and there are finitely many, so this ends. A level of ``BUILD`` is none for a
    component without a build number.
    """
    levels = {name: _effective(own.get(name, Level.NONE), component) for name, component in components.items()}
    edges = tuple(edges)
    groups: dict[str, list[str]] = {}
    for name, component in components.items():
        if component.group is not None:
            groups.setdefault(component.group, []).append(name)
    changed = True
    while changed:
        changed = False
        for edge in edges:
            induced = _effective(level_of(edge, levels[edge.part]), components[edge.whole])
            if induced > levels[edge.whole]:
                levels[edge.whole] = induced
                changed = True
        for members in groups.values():
            highest = max(levels[name] for name in members)
            for name in members:
                if levels[name] < highest:
                    levels[name] = highest
                    changed = True
    return levels


def _effective(level: Level, component: Component) -> Level:
    return Level.NONE if level is Level.BUILD and component.build is None else level
