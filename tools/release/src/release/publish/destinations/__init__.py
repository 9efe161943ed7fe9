"""The registry of destinations, by the word after ``to`` in ``release.yaml``."""

from __future__ import annotations

from release.publish.destination import DestinationKind

__all__ = ["DESTINATIONS"]

_KINDS: tuple[DestinationKind, ...] = ()

DESTINATIONS: dict[str, DestinationKind] = {kind.name: kind for kind in _KINDS}
