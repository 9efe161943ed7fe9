"""The keys of ``release.yaml`` about what images are built from."""

from __future__ import annotations

from typing import Annotated

import msgspec

from release.workspace.strict import Strict, says

__all__ = ["Base", "Images", "MoodleSource"]

_Reference = Annotated[str, msgspec.Meta(pattern=r"^[^\s@]+(@sha256:[0-9a-f]{64})?$")]
_Snapshot = Annotated[str, msgspec.Meta(pattern=r"^([0-9]{8}T[0-9]{6}Z)?$")]
_Commit = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{40}([0-9a-f]{24})?$")]
_Word = Annotated[str, msgspec.Meta(pattern=r"^[^\s-]\S*$")]


class Base(Strict, frozen=True, kw_only=True):
    """What images begin with that are built on no other image of this repository."""

    image: Annotated[_Reference, says("The image, best with its digest: the build argument BASE.")] = (
        "docker.io/library/debian:trixie-slim"
    )
    snapshot: Annotated[
        _Snapshot, says("The state of Debian's packages, as 20261120T000000Z: the build argument SNAPSHOT.")
    ] = ""


class MoodleSource(Strict, frozen=True, kw_only=True):
    """Moodle's source: a tag of a git repository, and the commit that it must lead to."""

    repository: Annotated[_Word, says("The address that git fetches from.")]
    tag: Annotated[_Word, says("The tag, as v5.3.0.")]
    commit: Annotated[_Commit, says("The commit that the tag leads to.")]


class Images(Strict, frozen=True, kw_only=True):
    """What images are built from."""

    base: Annotated[Base, says("What images begin with.")] = Base()
    moodle: Annotated[MoodleSource | None, says("Moodle's source, for images that contain it.")] = None
    plugins: Annotated[_Word, says("The file that lists plugins of others.")] = "plugins.lock"
