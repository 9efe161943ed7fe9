"""Crates as ``cargo package`` makes them: Cargo decides what is in them and how it is compressed.

Source: https://doc.rust-lang.org/cargo/commands/cargo-package.html. One Cargo gives the same bytes everywhere: it
writes a fixed time and fixed modes, and has its own compressor. Another version of Cargo may give others; so the
version of the toolchain is part of what makes a crate (``rust-toolchain.toml``).
"""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import ClassVar

import msgspec

from release.model.component import EdgeKind
from release.publish.cargo import CargoFailed, cargo, locked, without_tokens
from release.publish.destination import Artifact
from release.publish.packages.packager import Source, refused, written

__all__ = ["Crate"]


class Crate:
    """The packager of crates."""

    kind: ClassVar[str] = "crate"

    def package(self, source: Source, folder: Path) -> tuple[Artifact, ...]:
        """Write ``<name>-<version>.crate`` without building it.

        A crate whose parts are not in the registry yet is packaged together with them.

        Raises:
            PackageRefused: Cargo refuses it.
        """
        component = source.component
        root = source.checkout()
        manifest = root / component.manifest
        environment = without_tokens(source.environment)
        with tempfile.TemporaryDirectory(prefix="release-cargo-") as target:
            base = ["package", "--no-verify", *locked(root, manifest), "--target-dir", target]
            try:
                try:
                    cargo(base, manifest.parent, environment)
                except CargoFailed:
                    parts = list(_parts(source, component.name, set()))
                    if not parts:
                        raise
                    packages = [word for one in (*parts, component.native) for word in ("--package", one)]
                    index = _index(component.native, set(parts), manifest, environment)
                    cargo([*base, *packages, *index], manifest.parent, environment)
            except CargoFailed as error:
                raise refused(component, error.what, fix="mend what Cargo says and release that") from None
            file = Path(target) / "package" / f"{component.native}-{source.version}.crate"
            if not file.is_file():
                raise refused(component, f"Cargo made no {file.name}", fix="its version is not that of its Cargo.toml")
            return (written(folder, file.name, file.read_bytes(), "application/gzip"),)


def _parts(source: Source, whole: str, seen: set[str]) -> Iterator[str]:
    """Yield the crates of this repository that ``whole`` is built from, by the names that Cargo knows."""
    for edge in source.workspace.parts.get(whole, ()):
        if edge.kind is EdgeKind.CRATE and edge.part not in seen:
            seen.add(edge.part)
            yield from _parts(source, edge.part, seen)
            yield source.workspace.components[edge.part].native


def _index(name: str, parts: Collection[str], manifest: Path, environment: Mapping[str, str]) -> list[str]:
    """Return the option that names the registry which the crate ``name`` takes its parts from, none for crates.io."""
    words = ["metadata", "--no-deps", "--format-version", "1"]
    data = msgspec.json.decode(cargo(words, manifest.parent, environment))
    found = (
        dependency["registry"]
        for package in data["packages"]
        if package["name"] == name
        for dependency in package["dependencies"]
        if dependency["name"] in parts and dependency["registry"]
    )
    index: str | None = next(found, None)
    return ["--index", index] if index is not None else []
