"""Tags of components: which tag is whose, and what looks like one and is none."""

from __future__ import annotations

import pytest

from release.errors import ConfigError, HistoryError
from release.planning.points import TagPattern, match_tags


def matched(names: list[str], *formats: tuple[str, str], ignored: str = "") -> dict[str, list[str]]:
    patterns = [TagPattern.of(name, form.replace("{name}", name)) for name, form in formats]
    found = match_tags(patterns, [(name, "0" * 40, 0) for name in names], lambda name: name == ignored)
    return {name: [str(tag.version) for tag in tags] for name, tags in found.items()}


NAMED = "{name}-v{version}"


def test_the_longest_name_that_fits_takes_the_tag() -> None:
    names = ["mod_x-v1.0.0", "mod_x-y-v2.0.0"]
    assert matched(names, ("mod_x", NAMED), ("mod_x-y", NAMED)) == {"mod_x": ["1.0.0"], "mod_x-y": ["2.0.0"]}


def test_other_tags_are_passed_over() -> None:
    assert matched(["v1.0.0", "nightly", "accel-v", "other-v1.0.0"], ("accel", NAMED)) == {}


def test_a_format_may_have_text_behind_the_version() -> None:
    assert matched(["rel/accel/1.0.0/x"], ("accel", "rel/{name}/{version}/x")) == {"accel": ["1.0.0"]}


def test_a_format_without_a_name_reads_only_what_begins_like_a_version() -> None:
    assert matched(["v1.2.3", "vendor-import"], ("accel", "v{version}")) == {"accel": ["1.2.3"]}


@pytest.mark.parametrize("text", ["1.0", "01.0.0", "1.0.0-", "latest"])
def test_a_component_s_tag_that_is_no_version_is_an_error_unless_it_is_ignored(text: str) -> None:
    with pytest.raises(HistoryError, match="not a semantic version") as refused:
        matched([f"accel-v{text}"], ("accel", NAMED))
    assert "ignore-tags" in refused.value.fix
    assert matched([f"accel-v{text}"], ("accel", NAMED), ignored=f"accel-v{text}") == {}


def test_two_components_can_not_have_the_same_tags() -> None:
    with pytest.raises(ConfigError, match="one and two would have the same tags"):
        matched([], ("one", "v{version}"), ("two", "v{version}"))
