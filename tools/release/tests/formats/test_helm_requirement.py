"""Helm's version ranges: what they accept, and how they follow a version."""

from __future__ import annotations

import pytest

from release.formats.helm_requirement import helm_requirement_accepts, helm_requirement_for
from release.model.version import parse_version


@pytest.mark.parametrize(
    ("requirement", "version", "accepted"),
    [
        ("1.2.3", "1.2.3", True),
        ("1.2.3", "1.2.4", False),
        ("v1.2.3", "1.2.3", True),
        ("1.2", "1.2.9", True),
        ("1.2.x", "1.3.0", False),
        ("1.x", "1.3.0", True),
        ("*", "3.0.0", True),
        ("*", "3.0.0-rc.1", False),
        ("^1.2.3", "1.9.0", True),
        ("^1.2.3", "2.0.0", False),
        ("^0.2.3", "0.3.0", False),
        ("^0.0.3", "0.0.4", False),
        ("^0", "0.9.0", True),
        ("^1.2.3", "1.3.0-rc.1", False),
        ("^1.2.3-0", "1.3.0-rc.1", True),
        ("~1.2.3", "1.2.9", True),
        ("~1.2.3", "1.3.0", False),
        ("~1", "1.9.0", True),
        (">=1.0 <2", "1.9.9", True),
        (">=1.0, <2", "2.0.0", False),
        (">= 1.0.0-0", "2.0.0-rc.1", True),
        ("1.0 - 1.5", "1.4.0", True),
        ("1.0.0 - 1.5.0", "1.6.0", False),
        ("<1 || ^2", "2.1.0", True),
        ("<1 || ^2", "1.1.0", False),
        ("!=1.2.3", "1.2.3", False),
        ("=>1.2", "1.2.0", True),
    ],
)
def test_a_range_accepts_what_helm_says(requirement: str, version: str, accepted: bool) -> None:
    assert helm_requirement_accepts(requirement, parse_version(version)) is accepted


@pytest.mark.parametrize(
    ("requirement", "version", "expected"),
    [
        ("0.1.0", "0.1.1", "0.1.1"),
        ("v0.1.0", "0.1.1", "v0.1.1"),
        ("^0.1.0", "0.1.1", "^0.1.0"),
        ("^0.1.0", "0.2.0", "^0.2.0"),
        ("^0.1", "0.2.0", "^0.2"),
        ("~1.2", "1.3.0", "~1.3"),
        ("1.x", "2.0.0", "2.x"),
        ("1.2.*", "1.3.0", "1.3.*"),
        ("1.x", "2.0.0-rc.1", "2.0.0-rc.1"),
        ("^0.1.0", "0.1.1-rc.1", "^0.1.1-rc.1"),
        ("*", "2.0.0-rc.1", "2.0.0-rc.1"),
        (">=1.0 <2", "2.0.0", "^2.0.0"),
        ("<1 || ^2", "3.0.0", "^3.0.0"),
        ("0.1.0", "0.2.0+7", "0.2.0"),
    ],
)
def test_a_range_follows_in_its_own_style(requirement: str, version: str, expected: str) -> None:
    assert helm_requirement_for(requirement, parse_version(version)) == expected


@pytest.mark.parametrize("text", ["", "what", "1.2.3.4", ">=", "1 ||", "01.2"])
def test_what_is_no_range_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a version range"):
        helm_requirement_accepts(text, parse_version("1.0.0"))
