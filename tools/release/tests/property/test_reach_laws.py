"""The one pass over the graph gives what sets of ancestors give."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from release.planning.reach import depths, descendants, unreleased


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[str], dict[str, tuple[str, ...]]]:
    """Return commits, children before parents, and the parents of each; several may have none."""
    size = draw(st.integers(1, 14))
    parents: dict[str, tuple[str, ...]] = {}
    for number in range(size):
        chosen = draw(st.sets(st.integers(0, number - 1), max_size=3)) if number else set()
        parents[f"c{number}"] = tuple(f"c{parent}" for parent in sorted(chosen))
    return [f"c{number}" for number in reversed(range(size))], parents


def _behind(sha: str, parents: dict[str, tuple[str, ...]]) -> set[str]:
    return {sha}.union(*(_behind(parent, parents) for parent in parents[sha]))


@given(graphs(), st.data())
def test_unreleased_is_what_no_release_has_behind_it(
    graph: tuple[list[str], dict[str, tuple[str, ...]]], data: st.DataObject
) -> None:
    order, parents = graph
    points = data.draw(st.lists(st.none() | st.sampled_from(order), min_size=1, max_size=5))
    found = unreleased(order, parents, points)
    for bit, point in enumerate(points):
        released = _behind(point, parents) if point is not None else set()
        assert {sha for sha, mask in found.items() if mask >> bit & 1} == set(order) - released
    assert all(found.values())
    assert list(found) == [sha for sha in order if sha in found]


@given(graphs(), st.data())
def test_marks_reach_all_descendants(graph: tuple[list[str], dict[str, tuple[str, ...]]], data: st.DataObject) -> None:
    order, parents = graph
    marked = data.draw(st.lists(st.sampled_from(order), unique=True, max_size=4))
    found = descendants(order, parents, {sha: 1 << bit for bit, sha in enumerate(marked)})
    for sha in order:
        expected = sum(1 << bit for bit, mark in enumerate(marked) if mark in _behind(sha, parents))
        assert found.get(sha, 0) == expected


@given(graphs())
def test_a_commit_is_deeper_than_all_that_is_behind_it(graph: tuple[list[str], dict[str, tuple[str, ...]]]) -> None:
    order, parents = graph
    depth = depths(order, parents)
    assert all(depth[sha] > depth[old] for sha in order for old in _behind(sha, parents) - {sha})
