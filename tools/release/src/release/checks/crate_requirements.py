"""``crate-requirements``: a requirement on a crate of this repository accepts its version here."""

from __future__ import annotations

from collections.abc import Iterator

from release.checks.rule import Context, Finding, Rule
from release.formats.cargo_requirement import cargo_requirement_for
from release.model.component import EdgeKind

__all__ = ["RULE"]

_ID = "crate-requirements"


def _check(context: Context) -> Iterator[Finding]:
    """Yield a finding for each dependency by path whose version condition Cargo would refuse to resolve."""
    for edge in context.edges:
        version = context.components[edge.part].version
        if edge.kind not in (EdgeKind.CRATE, EdgeKind.CRATE_DEV) or edge.requirement is None or version is None:
            continue
        try:
            wanted = cargo_requirement_for(edge.requirement, version)
        except ValueError as error:
            yield Finding(_ID, str(error), edge.place, "write a requirement that Cargo reads", edge.whole)
            continue
        if wanted != edge.requirement:
            yield Finding(
                _ID,
                f"{edge.whole} needs {edge.part} {edge.requirement}, but here it is {version}",
                edge.place,
                f'write "{wanted}"',
                edge.whole,
            )


RULE = Rule(_ID, "crates accept the versions of the crates beside them", _check)
