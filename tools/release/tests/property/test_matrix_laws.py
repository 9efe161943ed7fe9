"""Matrices lose no component and no combination, whatever GitHub's limits cut."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from release.ci.matrix import ALL, MOST_CELLS, MOST_TEXT, Group, encoded, fitted, shards
from release.ci.workflow import Cell

_GROUPS = st.lists(st.integers(0, 40), min_size=1, max_size=9).map(
    lambda sizes: [
        Group({"php": f"8.{place}"}, tuple(f"c{number}" for number in range(size)), f"PHP 8.{place}")
        for place, size in enumerate(sizes)
    ]
)


def _pairs(cells: tuple[Cell, ...]) -> Counter[tuple[str, str]]:
    return Counter((cell["php"], name) for cell in cells for name in cell["components"].split())


@given(_GROUPS, st.integers(9, 60))
def test_every_component_of_every_group_is_in_exactly_one_cell(groups: list[Group], most: int) -> None:
    cells = shards(groups, most)
    assert len(cells) <= most
    wanted = Counter((group.values["php"], name) for group in groups for name in group.components)
    assert _pairs(cells) == wanted
    assert all(cell["components"] for cell in cells), "an empty list would mean all components"
    if wanted.total() <= most:
        assert len(cells) == wanted.total(), "while there is room each component has a cell of its own"
    for group in groups:
        sizes = [len(cell["components"].split()) for cell in cells if cell["php"] == group.values["php"]]
        assert max(sizes, default=0) - min(sizes, default=0) <= 1, "cut evenly"


@given(st.integers(257, 900))
def test_by_default_there_are_no_more_cells_than_github_takes(size: int) -> None:
    cells = shards([Group({"php": "8.3"}, tuple(f"c{number}" for number in range(size)))])
    assert MOST_CELLS - 1 <= len(cells) <= MOST_CELLS
    assert _pairs(cells).total() == size


def test_more_combinations_than_jobs_are_an_error() -> None:
    with pytest.raises(ValueError, match="3 combinations don't fit in a matrix of 2 jobs"):
        shards([Group({"php": name}, ("c",)) for name in ("8.2", "8.3", "8.4")], 2)


@given(st.lists(_GROUPS, min_size=1, max_size=3), st.integers(0, 6_000))
def test_a_matrix_that_is_cut_to_size_means_more_work_and_never_less(lists: list[list[Group]], most: int) -> None:
    matrices = {f"job{place}": shards(groups) for place, groups in enumerate(lists)}
    found = fitted(matrices, most)
    assert list(found) == list(matrices)
    total = sum(len(encoded(cells)) for cells in found.values())
    for name, cells in matrices.items():
        if found[name] == cells:
            continue
        assert all(cell["components"] == ALL for cell in found[name])
        assert {cell["php"] for cell in found[name]} == {cell["php"] for cell in cells}
        assert len(found[name]) == len({cell["php"] for cell in cells})
    merged = [name for name, cells in found.items() if cells != matrices[name]]
    assert total <= most or all(cell["components"] == ALL for name in found for cell in found[name])
    if sum(len(encoded(cells)) for cells in matrices.values()) <= most:
        assert merged == []


@settings(max_examples=5, deadline=None)
@given(st.integers(1, 40))
def test_the_largest_plan_that_can_be_fits(jobs: int) -> None:
    groups = [
        Group({"branch": f"MOODLE_50{one}_STABLE", "image": "sha256:" + "0" * 64}, ("local_" + "long" * 20,) * 200)
        for one in range(9)
    ]
    found = fitted({f"test-{number}": shards(groups) for number in range(jobs)})
    assert sum(len(encoded(cells)) for cells in found.values()) <= MOST_TEXT
