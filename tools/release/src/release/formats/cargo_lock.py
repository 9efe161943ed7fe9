"""Cargo's lock file, ``Cargo.lock``: the versions of the crates of this repository in it.

A package without ``source`` was found by path. Source: https://doc.rust-lang.org/cargo/reference/resolver.html
and cargo's ``resolver/encode.rs``: a dependency is listed as ``name`` while that is unique in the file, as
``name version`` while that is, and as ``name version (source)`` otherwise; a path has no source to write.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from release.formats.toml import TomlFile, parse_toml, quoted, table
from release.model.edit import Replacement, Token

__all__ = ["CargoLock", "LockedCrate", "parse"]


@dataclass(frozen=True, slots=True)
class LockedCrate:
    """A package of the lock file: its index there, name, version and source (``None``: found by path)."""

    index: int
    name: str
    version: str
    source: str | None


@dataclass(frozen=True, slots=True)
class CargoLock:
    """The facts of one lock file."""

    file: TomlFile
    packages: tuple[LockedCrate, ...]

    def local(self, name: str, version: str | None) -> LockedCrate | None:
        """Return the package ``name`` found by path: the only one, or of several the one at ``version``."""
        found = [one for one in self.packages if one.name == name and one.source is None]
        if len(found) == 1:
            return found[0]
        return next((one for one in found if one.version == version), None)

    def token(self, package: LockedCrate) -> Token:
        """Return the token of the version of ``package``."""
        return self.file.token("package", package.index, "version")

    def bump(self, package: LockedCrate, new: str) -> Iterator[Replacement]:
        """Yield the edits which put ``package`` at version ``new``."""
        token = self.token(package)
        yield token.replaced_by(quoted(new, token.text))
        twin = next(
            (
                one
                for one in self.packages
                if one.name == package.name and one.version == new and one.source is not None
            ),
            None,
        )
        renamed = {f"{package.name} {package.version}": f"{package.name} {new}"}
        if twin is not None:
            renamed[f"{package.name} {new}"] = f"{package.name} {new} ({twin.source})"
        for index, entry in enumerate(self.file.data["package"]):
            for position, text in enumerate(table(entry).get("dependencies", ())):
                if text in renamed:
                    token = self.file.token("package", index, "dependencies", position)
                    yield token.replaced_by(quoted(renamed[text], token.text))


@lru_cache(maxsize=256)
def parse(content: bytes, path: str) -> CargoLock:
    """Return the facts of the lock file ``content``.

    Raises:
        FormatError: it is not TOML, or a package has no name or version.
    """
    file = parse_toml(content, path)
    packages = []
    for index, entry in enumerate(file.data.get("package", ())):
        name, version, source = (table(entry).get(key) for key in ("name", "version", "source"))
        if not isinstance(name, str) or not isinstance(version, str):
            fix = "run cargo generate-lockfile"
            file.refuse("a package has no name or no version", "package", index, fix=fix)
        packages.append(LockedCrate(index, name, version, source if isinstance(source, str) else None))
    return CargoLock(file, tuple(packages))
