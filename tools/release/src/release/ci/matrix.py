"""Matrices within GitHub's limits.

A matrix has at most 256 jobs, and a job's outputs have 1 MiB, counted as UTF-16. Sources:
https://docs.github.com/en/actions/reference/limits and
https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-syntax#jobsjob_idoutputs
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from release.ci.workflow import Cell

__all__ = ["ALL", "MOST_CELLS", "MOST_TEXT", "Group", "encoded", "fitted", "shards"]

MOST_CELLS = 256
MOST_TEXT = 400_000
"""Characters that all outputs of the plan job may have together: 800,000 bytes as UTF-16, 76 % of the limit."""
ALL = ""
"""The ``components`` of a cell that means all components of its kind."""


@dataclass(frozen=True, slots=True)
class Group:
    """Components to which the same values of the other variables apply (one PHP, database and branch)."""

    values: Mapping[str, str]
    components: tuple[str, ...]
    title: str = ""


def shards(groups: Sequence[Group], most: int = MOST_CELLS) -> tuple[Cell, ...]:
    """Return at most ``most`` cells that hold every component of every group exactly once.

    While there is room each component has a cell of its own. Where there is none, the components of a group are cut
    into runs of nearly equal length, in order, and the cells are shared out by the groups' sizes. The variables
    ``name`` (what people read) and ``components`` (names with spaces between) are added to each group's own.

    Raises:
        ValueError: there are more groups than cells.
    """
    groups = [group for group in groups if group.components]
    if len(groups) > most:
        raise ValueError(f"{len(groups)} combinations don't fit in a matrix of {most} jobs")
    counts = _shared_out([len(group.components) for group in groups], most)
    return tuple(
        {**group.values, "name": _name(group, part), "components": " ".join(part)}
        for group, count in zip(groups, counts, strict=True)
        for part in _cut(group.components, count)
    )


def fitted(matrices: Mapping[str, Sequence[Cell]], most: int = MOST_TEXT) -> dict[str, tuple[Cell, ...]]:
    """Return ``matrices`` so that their JSON has at most ``most`` characters in all.

    Where it has more, the longest ones are replaced: cells that differ only in their components become one that means
    all components (``components`` is empty). That is more work, never less.
    """
    found = {name: tuple(cells) for name, cells in matrices.items()}
    sizes = {name: len(encoded(cells)) for name, cells in found.items()}
    for name in sorted(sizes, key=lambda name: (-sizes[name], name)):
        if sum(sizes.values()) <= most:
            break
        found[name] = _merged(found[name])
        sizes[name] = len(encoded(found[name]))
    return found


def encoded(cells: Sequence[Cell]) -> str:
    """Return ``cells`` as JSON on one line."""
    return json.dumps(list(cells), separators=(",", ":"), ensure_ascii=True)


def _merged(cells: Sequence[Cell]) -> tuple[Cell, ...]:
    kept: dict[tuple[tuple[str, str], ...], Cell] = {}
    for cell in cells:
        values = {key: value for key, value in cell.items() if key not in ("name", "components")}
        title = ", ".join(values.values())
        kept.setdefault(
            tuple(values.items()), {**values, "name": f"all, {title}" if title else "all", "components": ALL}
        )
    return tuple(kept.values())


def _shared_out(sizes: Sequence[int], most: int) -> list[int]:
    """Return how many cells each group gets: its size while all fit, else shares of ``most`` by size, one at least."""
    if sum(sizes) <= most:
        return list(sizes)
    total, spare = sum(sizes), most - len(sizes)
    return [1 + (size - 1) * spare // total for size in sizes]


def _cut(components: tuple[str, ...], count: int) -> list[tuple[str, ...]]:
    size, longer = divmod(len(components), count)
    starts = [index * size + min(index, longer) for index in range(count + 1)]
    return [components[start:end] for start, end in pairwise(starts)]


def _name(group: Group, part: tuple[str, ...]) -> str:
    who = part[0] if len(part) == 1 else f"{part[0]} … {part[-1]} ({len(part)})"
    return f"{who}, {group.title}" if group.title else who
