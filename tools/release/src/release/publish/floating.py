"""Floating tags of images: ``1``, ``1.2`` and ``latest`` follow the newest version of their line and never go back.

A tag of a line moves when the version that is published is the newest final version of that line. Pre-releases move
none; neither has ``0`` a line, since each ``0.x`` is a line of its own (https://semver.org, 4).
"""

from __future__ import annotations

from collections.abc import Iterable

from release.model.version import Version, parse_version, precedence

__all__ = ["LATEST", "floating_tags", "newer_version"]

LATEST = "latest"


def floating_tags(version: Version) -> tuple[str, ...]:
    """Return the floating tags on whose lines ``version`` is: the narrowest first."""
    if version.prerelease:
        return ()
    major = (str(version.major),) if version.major else ()
    return (f"{version.major}.{version.minor}", *major, LATEST)


def newer_version(tags: Iterable[str], line: str, version: Version) -> Version | None:
    """Return the newest final version among ``tags`` that is above ``version`` and on ``line``, if there is one."""
    above = [
        found
        for tag in tags
        if (found := _final(tag)) is not None
        and line in floating_tags(found)
        and precedence(found) > precedence(version)
    ]
    return max(above, key=precedence, default=None)


def _final(tag: str) -> Version | None:
    """Return the version that ``tag`` is, ``None`` for floating tags, pre-releases and all else."""
    try:
        version = parse_version(tag)
    except ValueError:
        return None
    return None if version.prerelease or version.build else version
