"""``python-requirements``: a requirement on a package of this repository accepts its version here."""

from __future__ import annotations

from collections.abc import Iterator

from release.checks.requirements import refused
from release.checks.rule import Context, Finding, Rule
from release.formats.python_requirement import python_requirement_for
from release.model.component import EdgeKind

__all__ = ["RULE"]

_ID = "python-requirements"


def _check(context: Context) -> Iterator[Finding]:
    """Return a finding for each requirement that no installer could meet from this tree."""
    return refused(_ID, context, {EdgeKind.PYTHON}, python_requirement_for, "a requirement that pip reads")


RULE = Rule(_ID, "Python packages accept the versions of the packages beside them", _check)
