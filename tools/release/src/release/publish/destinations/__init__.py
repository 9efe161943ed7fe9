"""The registry of destinations, by the word after ``to`` in ``release.yaml``."""

from __future__ import annotations

from release.publish.destination import DestinationKind
from release.publish.destinations.cargo import Cargo
from release.publish.destinations.folder import Folder
from release.publish.destinations.github import GitHubReleases
from release.publish.destinations.moodle import MoodleDirectory
from release.publish.destinations.oci import Oci

__all__ = ["DESTINATIONS"]

_KINDS: tuple[DestinationKind, ...] = (
    Folder(),
    GitHubReleases(),
    Cargo(),
    MoodleDirectory(),
    Oci(),
)

DESTINATIONS: dict[str, DestinationKind] = {kind.name: kind for kind in _KINDS}
