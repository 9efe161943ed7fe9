"""``python-requirements``: a requirement on a package of this repository accepts its version here."""

from __future__ import annotations

from collections.abc import Iterator

from release.checks.rule import Context, Finding, Rule
from release.formats.python_requirement import python_requirement_for
from release.model.component import EdgeKind

__all__ = ["RULE"]

_ID = "python-requirements"


def _check(context: Context) -> Iterator[Finding]:
    """Yield a finding for each requirement that no installer could meet from this tree."""
    for edge in context.edges:
        version = context.components[edge.part].version
        if edge.kind is not EdgeKind.PYTHON or edge.requirement is None or version is None:
            continue
        try:
            wanted = python_requirement_for(edge.requirement, version)
        except ValueError as error:
            yield Finding(_ID, str(error), edge.place, "write a requirement that pip reads", edge.whole)
            continue
        if wanted != edge.requirement:
            yield Finding(
                _ID,
                f"{edge.whole} needs {edge.part} {edge.requirement}, but here it is {version}",
                edge.place,
                f'write "{wanted}"',
                edge.whole,
            )


RULE = Rule(_ID, "Python packages accept the versions of the packages beside them", _check)
