"""Laws of propagation: levels only rise, the result is stable, and every edge and group is heeded."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from release.errors import Place
from release.model.component import Component, Edge, EdgeKind
from release.model.edit import Token
from release.model.version import Level
from release.planning.propagate import propagate

NAMES = "abcdef"


@st.composite
def workspaces(draw: st.DrawFn) -> tuple[dict[str, Component], list[Edge]]:
    """Return components, some with a build number and some in groups, and edges from earlier to later ones."""
    components = {
        name: Component(
            name, "x", name, name, name, Place(name), None, draw(st.none() | st.just(1)), None,
            draw(st.sampled_from([None, None, "one", "two"])),
        )
        for name in NAMES
    }  # fmt: skip
    pairs = draw(st.sets(st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES)).filter(lambda p: p[0] < p[1])))
    return components, [Edge(part, whole, EdgeKind.CRATE, whole, Token("", 0, 1, 1)) for part, whole in sorted(pairs)]


LEVELS = st.fixed_dictionaries({name: st.sampled_from(Level) for name in NAMES})


def _patch(_: Edge, level: Level) -> Level:
    return Level.PATCH if level else Level.NONE


def _same(_: Edge, level: Level) -> Level:
    return max(level, Level.PATCH) if level else Level.NONE


@given(workspaces(), LEVELS, st.sampled_from([_patch, _same]))
def test_every_whole_and_every_member_of_a_group_follows(
    workspace: tuple[dict[str, Component], list[Edge]], own: dict[str, Level], policy: object
) -> None:
    components, edges = workspace
    induced = _same if policy is _same else _patch
    levels = propagate(own, components, edges, induced)
    for edge in edges:
        assert levels[edge.whole] >= induced(edge, levels[edge.part])
    for one in components.values():
        assert levels[one.name] >= own[one.name] or own[one.name] is Level.BUILD
        if one.group is not None:
            assert levels[one.name] == max(levels[two.name] for two in components.values() if two.group == one.group)
    again = propagate(levels, components, edges, induced)
    assert all(again[name] in (levels[name], Level.NONE) or levels[name] is Level.BUILD for name in NAMES)


@given(workspaces(), LEVELS)
def test_without_edges_and_groups_a_build_level_stays_where_there_is_a_build_number(
    workspace: tuple[dict[str, Component], list[Edge]], own: dict[str, Level]
) -> None:
    components = {name: one for name, one in workspace[0].items() if one.group is None}
    levels = propagate(own, components, [], _patch)
    for name, one in components.items():
        dropped = own[name] is Level.BUILD and one.build is None
        assert levels[name] is (Level.NONE if dropped else own[name])


@given(workspaces(), LEVELS, LEVELS)
def test_more_changes_never_lead_to_less(
    workspace: tuple[dict[str, Component], list[Edge]], one: dict[str, Level], two: dict[str, Level]
) -> None:
    components, edges = workspace
    both = {name: max(one[name], two[name]) for name in NAMES}
    levels, more = (propagate(own, components, edges, _same) for own in (one, both))
    assert all(more[name] >= levels[name] for name in NAMES)
