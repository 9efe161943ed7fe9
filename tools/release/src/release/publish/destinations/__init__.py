"""The registry of destinations, by the word after ``to`` in ``release.yaml``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import cast

from release.publish.destination import DestinationKind

__all__ = ["DESTINATIONS"]

_KINDS = {
    "folder": "Folder",
    "github": "GitHubReleases",
    "cargo": "Cargo",
    "moodle": "MoodleDirectory",
    "oci": "Oci",
}
"""The module of this package and the class in it."""


class _Registry(Mapping[str, DestinationKind]):
    """Loads a kind when it is first asked for: what speaks HTTP costs time, and most commands publish nothing."""

    def __init__(self) -> None:
        self._loaded: dict[str, DestinationKind] = {}

    def __getitem__(self, name: str) -> DestinationKind:
        if name not in self._loaded:
            kind = _KINDS[name]
            made = getattr(import_module(f"{__name__}.{name}"), kind)()
            self._loaded[name] = cast(DestinationKind, made)
        return self._loaded[name]

    def __contains__(self, name: object) -> bool:
        return name in _KINDS

    def __iter__(self) -> Iterator[str]:
        return iter(_KINDS)

    def __len__(self) -> int:
        return len(_KINDS)


DESTINATIONS: Mapping[str, DestinationKind] = _Registry()
