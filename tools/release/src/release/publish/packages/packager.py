"""What a packager is: it makes the file by which components of one kind are published."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

from release.errors import PackageRefused, Place
from release.model.component import Component
from release.model.edit import digest
from release.model.version import Version
from release.publish.destination import Artifact
from release.workspace.discover import Workspace

__all__ = ["Packager", "Snapshot", "Source", "refused", "written"]


class Snapshot(Protocol):
    """The files of one commit as git stores them: no filter, no line end of this machine."""

    modes: dict[str, str]
    special: dict[str, str]

    def files(self) -> Sequence[str]:
        """Return the POSIX paths of all regular files, sorted."""
        ...

    def read(self, path: str) -> bytes:
        """Return the content of ``path``; raise ``FileNotFoundError`` when there is none."""
        ...

    def read_many(self, paths: Iterable[str]) -> dict[str, bytes]:
        """Return the contents of those of ``paths`` that exist."""
        ...


@dataclass(frozen=True, slots=True)
class Source:
    """What a package is made from: a component as it is in one commit.

    ``time`` is the commit's (seconds since the epoch), ``checkout`` makes a work tree of the commit when it is first
    called, ``root`` is the user's own work tree, of which only files are taken whose digest the commit records, or that
    were built from the commit's sources. ``environment`` is what child processes get, without secrets. ``partial``:
    what has to be built may be missing.
    """

    component: Component
    version: Version
    workspace: Workspace
    snapshot: Snapshot
    time: int
    root: Path
    checkout: Callable[[], Path]
    environment: Mapping[str, str]
    partial: bool = False

    def below(self, folder: str) -> list[str]:
        """Return the paths of the regular files below ``folder``, relative to it."""
        prefix = f"{folder}/" if folder else ""
        return [path.removeprefix(prefix) for path in self.snapshot.files() if path.startswith(prefix)]

    def links(self, folder: str) -> list[str]:
        """Return the paths of the symbolic links and submodules below ``folder``, relative to it."""
        prefix = f"{folder}/" if folder else ""
        return sorted(path.removeprefix(prefix) for path in self.snapshot.special if path.startswith(prefix))


class Packager(Protocol):
    """Makes the packages of one kind of component."""

    kind: ClassVar[str]

    def package(self, source: Source, folder: Path) -> tuple[Artifact, ...]:
        """Write the package into ``folder`` and return it; the same commit gives the same bytes.

        Raises:
            PackageRefused: what would come out is not what its installer wants.
        """
        ...


def written(folder: Path, name: str, content: bytes, media_type: str) -> Artifact:
    """Write ``content`` as the file ``name`` of ``folder`` and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_bytes(content)
    return Artifact(name, path, digest(content), media_type)


def refused(
    component: Component, what: str, *, path: str | None = None, place: Place | None = None, fix: str
) -> PackageRefused:
    """Return the error that ``component`` can't be packaged because of ``what``, at ``path`` below its folder."""
    inside = f"{component.path}/{path}" if component.path and path else path
    where = place or (Place(inside) if inside else component.declared)
    return PackageRefused(f"{component.name} can't be packaged: {what}", where=[where], fix=fix)
