"""Build the programs of crates for images: with Cargo, from one commit, the same bytes in any folder."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from release.errors import BuildFailed, Place
from release.flow.bundle import Rust, cargo_environment, linker_variable
from release.flow.package import At
from release.flow.progress import Progress
from release.images.platforms import target_of
from release.model.component import Component
from release.publish.archives import Entry
from release.publish.cargo import CargoFailed, cargo, locked

__all__ = ["Programs", "programs"]


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
        names, license_ = _described(there, crate)
        entries = tuple(
            entry for platform in platforms if names for entry in _built(there, crate, names, platform, progress)
        )
        found[crate.name] = Programs(entries, license_)
    return found


def _described(there: At, crate: Component) -> tuple[list[str], str]:
    """Return the names of the programs that ``crate`` makes, and its licence."""
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
    names = sorted(target["name"] for target in package["targets"] if "bin" in target["kind"])
    return names, package.get("license") or "NOASSERTION"


def _built(there: At, crate: Component, names: Sequence[str], platform: str, progress: Progress) -> list[Entry]:
    target = target_of(platform)
    progress(f"programs: {crate.native} for {platform}", 0, 0)
    rust = Rust(there.folder, there.environment)
    rust.refuse_missing({target: crate.declared})
    manifest = there.folder / crate.manifest
    by_zig = rust.zig and rust.linker(target) is None and target != rust.host
    with tempfile.TemporaryDirectory(prefix="release-target-") as scratch:
        folders = {there.folder: "/build", rust.cargo_home: "/cargo", Path(scratch): "/build/target"}
        arguments = [
            "zigbuild" if by_zig else "build", "--release", *locked(there.folder, manifest), "--bins",
            "--manifest-path", str(manifest), "--target", target, "--target-dir", scratch,
        ]  # fmt: skip
        try:
            cargo(arguments, manifest.parent, cargo_environment(target, folders, there))
        except CargoFailed as error:
            fix = (
                f"mend what Cargo says; for another machine put cargo-zigbuild on PATH or set {linker_variable(target)}"
            )
            raise _failed(crate, f"for {platform}: {error.what}", fix) from None
        built = Path(scratch) / target / "release"
        return [Entry(f"{platform}/{name}", (built / name).read_bytes(), executable=True) for name in names]


def _failed(crate: Component, what: str, fix: str) -> BuildFailed:
    return BuildFailed(f"{crate.native} can't be built: {what}", where=[Place(crate.manifest)], fix=fix)
