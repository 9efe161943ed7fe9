"""Whatever the order in which versions are published, each floating tag ends at the newest version of its line."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from release.model.version import Version, parse_version, precedence
from release.publish.floating import LATEST, floating_tags, newer_version

versions = st.builds(
    lambda numbers, pre: parse_version(".".join(map(str, numbers)) + (f"-{pre}" if pre else "")),
    st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 12)),
    st.sampled_from(["", "", "", "rc.1", "rc.2", "alpha"]),
)


def published(order: Iterable[Version]) -> dict[str, str]:
    """Return where each tag leads after publishing in ``order``, by the decision alone."""
    tags: dict[str, str] = {}
    for version in order:
        tags[str(version)] = str(version)
        for line in floating_tags(version):
            if newer_version(tags, line, version) is None:
                tags[line] = str(version)
    return tags


def expected(all_versions: Iterable[Version]) -> dict[str, str]:
    finals = [version for version in all_versions if not version.prerelease]
    lines: dict[str, list[Version]] = {LATEST: finals} if finals else {}
    for one in finals:
        lines.setdefault(f"{one.major}.{one.minor}", []).append(one)
        if one.major:
            lines.setdefault(str(one.major), []).append(one)
    return {line: str(max(members, key=precedence)) for line, members in lines.items()}


@given(st.lists(versions, max_size=12))
def test_each_floating_tag_ends_at_the_newest_of_its_line(order: list[Version]) -> None:
    exact = {str(version): str(version) for version in order}
    assert published(order) == {**exact, **expected(order)}


@given(st.lists(versions, max_size=12), st.randoms())
def test_publishing_again_and_in_another_order_changes_nothing(order: list[Version], random: object) -> None:
    again = [*order, *order]
    random.shuffle(again)  # type: ignore[attr-defined]
    assert published(again) == published(order)


def test_a_fix_of_an_older_line_moves_only_its_own_tag() -> None:
    before = ["1.2.2", "1.3.0", "1.2", "1", "latest", "2", "sha-abc", "1.2.9-rc.1"]
    fix = parse_version("1.2.3")
    moved = [line for line in floating_tags(fix) if newer_version(before, line, fix) is None]
    assert moved == ["1.2"]
    assert str(newer_version(before, "latest", fix)) == "1.3.0"


@pytest.mark.parametrize(
    ("version", "tags"),
    [
        ("1.2.3", ("1.2", "1", "latest")),
        ("0.4.1", ("0.4", "latest")),
        ("1.2.3-rc.1", ()),
        ("10.0.0", ("10.0", "10", "latest")),
    ],
)
def test_a_version_is_on_the_lines_of_its_numbers(version: str, tags: tuple[str, ...]) -> None:
    assert floating_tags(parse_version(version)) == tags
