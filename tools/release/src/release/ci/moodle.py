"""Moodle's branches and the PHP versions that each runs on.

Source: https://moodledev.io/general/releases and the environment.xml of each branch, read in November 2026.
"""

from __future__ import annotations

from release.model.moodle import BRANCHES

__all__ = ["PHP", "branch_name", "branches"]

PHP: dict[int, tuple[str, ...]] = {
    405: ("8.1", "8.2", "8.3"),
    500: ("8.2", "8.3", "8.4"),
    501: ("8.2", "8.3", "8.4"),
    502: ("8.3", "8.4"),
    503: ("8.3", "8.4"),
}
"""The PHP versions of each branch that this version of `release` knows."""


def branches(supported: tuple[int, int] | None, requires: int | None) -> tuple[int, ...]:
    """Return the known branches that a plugin is for: those it supports, else all from what it requires on."""
    if supported is not None:
        return tuple(branch for branch in PHP if supported[0] <= branch <= supported[1])
    return tuple(branch for branch in PHP if requires is None or _last_build(branch) >= requires)


def branch_name(branch: int) -> str:
    """Return the name of the branch in Moodle's repository."""
    return f"MOODLE_{branch}_STABLE"


def _last_build(branch: int) -> int:
    """Return the highest number that releases of ``branch`` can have: their last two digits rise."""
    return BRANCHES[branch] + 99
