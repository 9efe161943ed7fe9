"""Cargo's manifest, ``Cargo.toml``.

Source: https://doc.rust-lang.org/cargo/reference/manifest.html, ``workspaces.html`` and
``specifying-dependencies.html`` there. Paths in the facts are relative to the repository.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from release.formats.toml import Keys, TomlFile, entries, parse_toml, table

__all__ = ["CargoToml", "Dependency", "WorkspaceTable", "parse"]

_DEV = ("dev-dependencies", "dev_dependencies")
_BUILD = ("build-dependencies", "build_dependencies")


@dataclass(frozen=True, slots=True)
class Dependency:
    """One entry of a dependency table.

    ``keys`` is where it stands, ``alias`` the name it is used by, ``folder`` the folder of its ``path``
    (``None`` without one or outside the repository), ``requirement`` its version condition, ``inherited``
    tells that all but features are in ``[workspace.dependencies]``.
    """

    keys: Keys
    alias: str
    folder: str | None
    requirement: str | None
    dev: bool
    inherited: bool


@dataclass(frozen=True, slots=True)
class WorkspaceTable:
    """What ``[workspace]`` says: ``members`` are globs, ``exclude`` prefixes, both relative to ``folder``."""

    folder: str
    members: tuple[str, ...]
    exclude: tuple[str, ...]
    version: str | None

    def holds(self, folder: str) -> bool:
        """Tell whether Cargo looks from ``folder`` up to this workspace rather than past it."""
        if _inside(folder, [posixpath.join(self.folder, member) for member in self.members]):
            return True
        return not _inside(folder, [posixpath.join(self.folder, path) for path in self.exclude])

    def matches(self, folder: str) -> bool:
        """Tell whether a ``members`` glob names ``folder``."""
        return any(
            re.fullmatch(_glob(posixpath.normpath(posixpath.join(self.folder, member))), folder)
            for member in self.members
        )


@dataclass(frozen=True, slots=True)
class CargoToml:
    """The facts of one manifest.

    ``name`` is ``None`` for a virtual manifest, ``inherits`` tells that the version is the workspace's,
    ``pointer`` is the folder that ``package.workspace`` names.
    """

    file: TomlFile
    folder: str
    name: str | None
    version: str | None
    inherits: bool
    pointer: str | None
    workspace: WorkspaceTable | None
    dependencies: tuple[Dependency, ...]
    shared: tuple[Dependency, ...]
    """``[workspace.dependencies]``."""
    patches: tuple[str, ...]
    """Folders that ``[patch]`` and ``[replace]`` put in the place of published crates."""

    @property
    def path(self) -> str:
        """The manifest's own path."""
        return self.file.path

    @property
    def folders(self) -> tuple[str, ...]:
        """The folders of all crates that this manifest takes in by path."""
        own = (one.folder for one in (*self.dependencies, *self.shared) if one.folder is not None)
        return (*own, *self.patches)


@lru_cache(maxsize=2048)
def parse(content: bytes, path: str) -> CargoToml:
    """Return the facts of the manifest ``content``.

    Raises:
        FormatError: it is not TOML, or what is needed of it has the wrong type.
    """
    file = parse_toml(content, path)
    folder = posixpath.dirname(path)
    name = file.text("package", "name") if "package" in file.data else None
    if "package" in file.data and name is None:
        file.refuse("[package] has no name", "package", fix='add name = "…"')
    declared = table(file.data.get("package")).get("version")
    inherits = table(declared).get("workspace") is True
    if isinstance(declared, dict) and not inherits:
        file.refuse("package.version must be a string or { workspace = true }", "package", "version")
    version = None if inherits or name is None else file.text("package", "version")
    pointer = file.text("package", "workspace") if name is not None else None
    return CargoToml(
        file,
        folder,
        name,
        version,
        inherits,
        None if pointer is None else _join(folder, pointer),
        _workspace(file, folder) if "workspace" in file.data else None,
        tuple(_dependencies(file, folder)),
        tuple(_dependency(folder, *one, dev=False) for one in entries(file, ("workspace", "dependencies"))),
        tuple(_patches(file, folder)),
    )


def _workspace(file: TomlFile, folder: str) -> WorkspaceTable:
    workspace = table(file.data["workspace"])
    return WorkspaceTable(
        folder,
        tuple(map(str, workspace.get("members", ()))),
        tuple(map(str, workspace.get("exclude", ()))),
        file.text("workspace", "package", "version"),
    )


def _dependencies(file: TomlFile, folder: str) -> Iterator[Dependency]:
    heads: list[Keys] = [(), *(("target", name) for name in table(file.data.get("target")))]
    for head in heads:
        for keys, value in entries(file, *((*head, name) for name in ("dependencies", *_BUILD))):
            yield _dependency(folder, keys, value, dev=False)
        for keys, value in entries(file, *((*head, name) for name in _DEV)):
            yield _dependency(folder, keys, value, dev=True)


def _dependency(folder: str, keys: Keys, value: Any, *, dev: bool) -> Dependency:
    details = table(value)
    path, version = details.get("path"), details.get("version", value)
    return Dependency(
        keys,
        str(keys[-1]),
        _join(folder, path) if isinstance(path, str) else None,
        version if isinstance(version, str) else None,
        dev,
        details.get("workspace") is True,
    )


def _patches(file: TomlFile, folder: str) -> Iterator[str]:
    tables: list[Keys] = [("replace",), *(("patch", source) for source in table(file.data.get("patch")))]
    for _, value in entries(file, *tables):
        path = table(value).get("path")
        if isinstance(path, str) and (joined := _join(folder, path)) is not None:
            yield joined


def _join(folder: str, path: str) -> str | None:
    """Return the repository's folder that ``path`` names from ``folder``, or ``None`` outside of it."""
    joined = posixpath.normpath(posixpath.join(folder, path))
    if joined.startswith(("../", "/")) or joined == "..":
        return None
    return "" if joined == "." else joined


def _inside(folder: str, roots: list[str]) -> bool:
    normal = [posixpath.normpath(root) for root in roots]
    return any(root == "." or folder == root or folder.startswith(f"{root}/") for root in normal)


@lru_cache(maxsize=512)
def _glob(pattern: str) -> re.Pattern[str]:
    """Return the regular expression of a glob as Cargo reads it: only ``**`` crosses a ``/``."""
    parts: list[str] = []
    for found in re.finditer(r"\*\*/|\*\*|\*|\?|\[!?\]?[^\]]*\]|.", pattern, re.DOTALL):
        match found[0]:
            case "**/":
                parts.append("(?:.*/)?")
            case "**":
                parts.append(".*")
            case "*":
                parts.append("[^/]*")
            case "?":
                parts.append("[^/]")
            case text if len(text) > 1:
                parts.append(text.replace("[!", "[^").replace("\\", "\\\\"))
            case text:
                parts.append(re.escape(text))
    return re.compile("".join(parts), re.DOTALL)
