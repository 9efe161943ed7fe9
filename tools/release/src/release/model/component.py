"""Components of a monorepo and the edges between them."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from release.errors import Place
from release.model.edit import Token
from release.model.version import Version

__all__ = ["Component", "Edge", "EdgeKind", "Tree", "by_native_name"]


class Tree(Protocol):
    """The files of one state of the repository: its work tree or a commit."""

    def files(self) -> Sequence[str]:
        """Return the POSIX paths of all tracked files, sorted."""
        ...

    def read(self, path: str) -> bytes:
        """Return the content of ``path``; raise ``FileNotFoundError`` when there is none."""
        ...

    def read_many(self, paths: Iterable[str]) -> dict[str, bytes]:
        """Return the contents of those of ``paths`` that exist, in one go."""
        ...


class EdgeKind(enum.Enum):
    """How a whole uses a part; a bump of the part travels to the whole by the policy of the kind."""

    CRATE = "crate"
    """A crate needs a crate to build (normal and build dependencies)."""
    CRATE_DEV = "crate-dev"
    """A crate needs a crate for its tests only: nothing of it is shipped."""
    PLUGIN = "plugin"
    """A Moodle plugin names a plugin in ``$plugin->dependencies``."""
    BUNDLE = "bundle"
    """A plugin carries binaries built from a crate."""
    IMAGE = "image"
    """An image contains a plugin, a crate's binary, a Python package or another image."""
    CHART = "chart"
    """A chart runs an image."""
    SUBCHART = "subchart"
    """A chart contains a chart."""
    PYTHON = "python"
    """A Python package needs a Python package."""


@dataclass(frozen=True, slots=True)
class Component:
    """One thing with a version of its own.

    ``name`` is unique in the tree; ``native`` is what the component is called in files of its own kind, which differs
    where components of two kinds are called the same (``chart-moodle`` and ``image-moodle``).
    ``path`` is its folder (POSIX, ``""`` for the root), ``manifest`` the file that declares it, ``version`` what
    the tree says (``None`` when the file has none that can be read as one), ``build`` Moodle's integer.
    Components with the same ``group`` share one version declaration, which is at ``declared``.
    ``floor`` is the lowest build number that is allowed next (the newest live upgrade savepoint).
    """

    name: str
    kind: str
    path: str
    manifest: str
    changelog: str
    declared: Place
    version: Version | None
    build: int | None = None
    floor: int | None = None
    group: str | None = None
    alias: str | None = None
    """The native name where it is not ``name``."""

    @property
    def native(self) -> str:
        """What files of the component's own kind call it."""
        return self.alias or self.name


def by_native_name(components: Mapping[str, Component], kind: str) -> dict[str, Component]:
    """Return those of ``components`` that are of ``kind`` by their native names."""
    return {component.native: component for component in components.values() if component.kind == kind}


@dataclass(frozen=True, slots=True)
class Edge:
    """``whole`` uses ``part`` because ``token`` at ``path`` says so.

    ``requirement`` is the version condition in the source's own language (``"^0.2"``, ``"2026112300"``), or
    ``None`` when any version will do.
    """

    part: str
    whole: str
    kind: EdgeKind
    path: str
    token: Token
    requirement: str | None = None

    @property
    def place(self) -> Place:
        """Where the edge is declared."""
        return Place(self.path, self.token.line, self.token.column)
