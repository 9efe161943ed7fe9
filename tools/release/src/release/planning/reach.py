"""What is released where: one pass over the commit graph with a bit for each component."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

__all__ = ["depths", "descendants", "unreleased"]


def unreleased(
    order: Sequence[str], parents: Mapping[str, Sequence[str]], points: Sequence[str | None]
) -> dict[str, int]:
    """Return for each commit that some component has not released the set of those components, as bits.

    ``order`` lists children before parents; bit *i* stands for the component last released at ``points[i]``
    (``None``: never). A commit is released where the point is the commit itself or a descendant of it.
    """
    everyone = (1 << len(points)) - 1
    released: dict[str, int] = {}
    for bit, point in enumerate(points):
        if point is not None:
            released[point] = released.get(point, 0) | 1 << bit
    needed: dict[str, int] = {}
    get = released.get
    for sha in order:
        mask = get(sha, 0)
        if mask != everyone:
            needed[sha] = everyone & ~mask
        if mask:
            for parent in parents[sha]:
                released[parent] = get(parent, 0) | mask
    return needed


def descendants(order: Sequence[str], parents: Mapping[str, Sequence[str]], marks: Mapping[str, int]) -> dict[str, int]:
    """Return for each commit the union of the ``marks`` (bits) of itself and all of its ancestors."""
    found: dict[str, int] = {}
    if not marks:
        return found
    for sha in reversed(order):
        mask = marks.get(sha, 0)
        for parent in parents[sha]:
            mask |= found.get(parent, 0)
        if mask:
            found[sha] = mask
    return found


def depths(commits: Collection[str], parents: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """Return for each of ``commits`` (children before parents) how many follow each other on the longest way down."""
    found: dict[str, int] = {}
    for sha in reversed(tuple(commits)):
        found[sha] = 1 + max([found.get(parent, 0) for parent in parents[sha]], default=0)
    return found
