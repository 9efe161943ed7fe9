"""Build the programs of crates for images: with Cargo, from one commit, the same bytes in any folder."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from release.errors import BuildFailed, Place
from release.flow.bundle import Rust, Unfit, compiled, linker_variable, unfit
from release.flow.package import At
from release.flow.progress import Progress
from release.formats import elf
from release.images.platforms import target_of
from release.model.component import Component
from release.publish.archives import Entry
from release.publish.cargo import CargoFailed, cargo

__all__ = ["GLIBC", "Programs", "programs"]

GLIBC = "2.41"
"""Of Debian 13, with which images begin: no program may ask for a newer one."""


@dataclass(frozen=True, slots=True)
class Programs:
    """What a crate gives to an image: its programs as ``<platform>/<name>``, and its licence as SPDX calls it."""

    entries: tuple[Entry, ...]
    license: str


def programs(
    there: At, crates: Sequence[Component], platforms: Sequence[str], progress: Progress
) -> Mapping[str, Programs]:
    """Return the programs of each of ``crates``; a crate that makes none has none.

    Raises:
        BuildFailed: Rust or a target of it is missing, or a build fails.
    """
    found: dict[str, Programs] = {}
    for crate in crates:
        about = _described(there, crate)
        entries = tuple(
            entry for platform in platforms if about.names for entry in _built(there, crate, about, platform, progress)
        )
        found[crate.name] = Programs(entries, about.license)
    return found


@dataclass(frozen=True, slots=True)
class _About:
    """What Cargo says of a crate: the programs it makes, its licence, and whether it wants them linked statically."""

    names: tuple[str, ...]
    license: str
    static: bool


def _described(there: At, crate: Component) -> _About:
    manifest = there.folder / crate.manifest
    try:
        said = cargo(
            ["metadata", "--no-deps", "--offline", "--format-version", "1", "--manifest-path", str(manifest)],
            manifest.parent, there.environment,
        )  # fmt: skip
    except CargoFailed as error:
        raise _failed(crate, error.what, "mend what Cargo says") from None
    packages = msgspec.json.decode(said)["packages"]
    package = next(one for one in packages if manifest.samefile(one["manifest_path"]))
    names = tuple(sorted(target["name"] for target in package["targets"] if "bin" in target["kind"]))
    settings = (package.get("metadata") or {}).get("release") or {}
    return _About(names, package.get("license") or "NOASSERTION", static=settings.get("static") is True)


def _built(there: At, crate: Component, about: _About, platform: str, progress: Progress) -> list[Entry]:
    target = target_of(platform, static=about.static)
    progress(f"programs: {crate.native} for {platform}", 0, 0)
    rust = Rust(there.folder, there.environment)
    rust.refuse_missing({target: crate.declared})
    manifest = there.folder / crate.manifest
    by_zig = rust.zig and rust.linker(target) is None and target != rust.host
    remedy = f"put cargo-zigbuild on PATH, or set {linker_variable(target)}"
    with tempfile.TemporaryDirectory(prefix="release-target-") as scratch:
        arguments = ["zigbuild" if by_zig else "build", "--bins", "--target", target]
        try:
            compiled(arguments, manifest, there, rust, Path(scratch))
        except CargoFailed as error:
            fix = f"mend what Cargo says; for another machine {remedy}"
            raise _failed(crate, f"for {platform}: {error.what}", fix) from None
        built = Path(scratch) / target / "release"
        entries = [Entry(f"{platform}/{name}", (built / name).read_bytes(), executable=True) for name in about.names]
        folders = (there.folder, rust.cargo_home, Path(scratch))
        for name, entry in zip(about.names, entries, strict=True):
            wrong = unfit(entry.content, target, GLIBC, folders, "Debian 13 has")
            if wrong is None and about.static and (needs := elf.parse(entry.content).needs):
                wrong = Unfit(f"it is not static: it needs {', '.join(needs)}")
            if wrong is not None:
                raise _failed(crate, f"{name} for {platform}: {wrong.what}", wrong.fix or remedy)
    return entries


def _failed(crate: Component, what: str, fix: str) -> BuildFailed:
    return BuildFailed(f"{crate.native} can't be built: {what}", where=[Place(crate.manifest)], fix=fix)
