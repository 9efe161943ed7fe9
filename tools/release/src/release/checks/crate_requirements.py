"""``crate-requirements``: a requirement on a crate of this repository accepts its version here."""

from __future__ import annotations

from collections.abc import Iterator

from release.checks.requirements import refused
from release.checks.rule import Context, Finding, Rule
from release.formats.cargo_requirement import cargo_requirement_for
from release.model.component import EdgeKind

__all__ = ["RULE"]

_ID = "crate-requirements"


def _check(context: Context) -> Iterator[Finding]:
    """Return a finding for each dependency by path whose version condition Cargo would refuse to resolve."""
    kinds = {EdgeKind.CRATE, EdgeKind.CRATE_DEV}
    return refused(_ID, context, kinds, cargo_requirement_for, "a requirement that Cargo reads")


RULE = Rule(_ID, "crates accept the versions of the crates beside them", _check)
