"""What a change touches, as the plan job knows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from release.model.component import Component

__all__ = ["Change"]


@dataclass(frozen=True, slots=True)
class Change:
    """The components and Terraform roots that a change affects, and where it comes from.

    ``files`` are the changed paths, ``None`` when the base is unknown: then everything is affected. ``trusted`` is
    false for a pull request from a fork, which gets neither secrets nor a cloud identity.
    """

    files: frozenset[str] | None
    components: Mapping[str, Component]
    roots: Sequence[tuple[str, str]] = ()
    """(path, environment) of each Terraform root whose plan may have changed."""
    event: str = ""
    """GitHub's name of what happened: ``pull_request``, ``merge_group``, ``push``, …"""
    trusted: bool = True

    def names(self, kind: str) -> tuple[str, ...]:
        """Return the affected components of ``kind``."""
        return tuple(name for name, one in self.components.items() if one.kind == kind)
