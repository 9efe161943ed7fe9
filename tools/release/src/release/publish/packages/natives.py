"""Libraries that ``release bundle build`` makes for a plugin's package, and how they are told from stale ones.

Each lies at its path in the work tree, never in git. Beside it are ``<library>.sha256``, which is shipped so that the
library can be checked before it is loaded, and ``<library>.build.json``, which says what it was built from and stays
here.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from release.errors import PackageRefused, Place
from release.formats import bundle_json
from release.formats.bundle_json import BundledCrate, Native
from release.model.component import Component, EdgeKind, by_native_name
from release.model.edit import digest
from release.publish.packages.packager import Source, refused

__all__ = ["CHECKSUM", "RECORD", "BuiltFrom", "Wanted", "built", "checksum", "shipped", "wanted"]

CHECKSUM = ".sha256"
RECORD = ".build.json"
_CHECKSUM_LINE = re.compile(rb"([0-9a-f]{64})  [^\n/]+\n")
_ABOVE = (
    "Cargo.toml", "Cargo.lock", "rust-toolchain", "rust-toolchain.toml", ".cargo/config", ".cargo/config.toml",
)  # fmt: skip
"""What Cargo and rustup read in the folder of a crate and in those above."""


class BuiltFrom(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a library was built from; ``sources`` is a SHA-256 of all of it that the commit holds."""

    crate: str
    version: str
    target: str
    glibc: str | None
    sources: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """A library that a plugin ships, the crate it is built from, and what it must have been built from."""

    bundle: str
    bundled: BundledCrate
    crate: Component
    native: Native
    origin: BuiltFrom

    @property
    def place(self) -> Place:
        """Where ``bundle.json`` lists it."""
        return Place(self.bundle, self.native.token.line, self.native.token.column)


def wanted(source: Source) -> tuple[Wanted, ...]:
    """Return the libraries that are built for the plugin's package, in the order of its ``bundle.json``.

    Raises:
        PackageRefused: the crate is not there, or has another version than the plugin names.
    """
    component = source.component
    bundle = f"{component.path}/bundle.json".lstrip("/")
    content = source.snapshot.read_many([bundle]).get(bundle)
    found: list[Wanted] = []
    for bundled in bundle_json.parse(content, bundle).crates if content is not None else ():
        if not bundled.natives:
            continue
        place = Place(bundle, bundled.token.line, bundled.token.column)
        crate = by_native_name(source.workspace.components, "crate").get(bundled.name)
        if crate is None:
            raise refused(
                component, f"it bundles {bundled.name}, but there is no such crate here", place=place,
                fix="name a crate of this repository",
            )  # fmt: skip
        if crate.version != bundled.version:
            raise refused(
                component, f"it bundles {bundled.name} {bundled.version}, but the crate is {crate.version}",
                place=place, fix=f"write {crate.version}; release bump keeps it in step",
            )  # fmt: skip
        sources = _sources(source, crate)
        found += [
            Wanted(
                bundle, bundled, crate, native,
                BuiltFrom(crate.native, str(bundled.version), native.target, native.glibc, sources),
            )
            for native in bundled.natives
        ]  # fmt: skip
    return tuple(found)


def checksum(path: str, content: bytes) -> bytes:
    """Return what ``sha256sum`` prints about the library at ``path``, without its folder."""
    return f"{digest(content)}  {path.rpartition('/')[2]}\n".encode()


def built(source: Source, one: Wanted) -> Path:
    """Return where the library is in the user's work tree, built or not."""
    return source.root / source.component.path / one.native.path


def shipped(
    source: Source, targets: Collection[str] | None = None
) -> tuple[tuple[tuple[str, bytes], ...], tuple[Wanted, ...]]:
    """Return path and content of each file that goes into the package, and the libraries that are not built.

    ``targets`` leaves out the libraries for all others.

    Raises:
        PackageRefused: a library is not what this commit gives; or one is not built, unless ``source.partial``.
    """
    files: list[tuple[str, bytes]] = []
    missing: list[Wanted] = []
    for one in wanted(source):
        if targets is not None and one.native.target not in targets:
            continue
        prefix = f"{source.component.path}/" if source.component.path else ""
        if f"{prefix}{one.native.path}" in source.snapshot.modes:
            raise _refused(source, one, "is committed, but bundle.json has it built", "git rm --cached, and ignore it")
        library = built(source, one)
        if not library.is_file():
            missing.append(one)
            continue
        content = library.read_bytes()
        _refuse_stale(source, one, content)
        path = one.native.path
        files += [(path, content), (f"{path}{CHECKSUM}", checksum(path, content))]
    if missing and not source.partial:
        raise _incomplete(source, missing)
    return tuple(files), tuple(missing)


def _refuse_stale(source: Source, one: Wanted, content: bytes) -> None:
    """Refuse a library that is not the one which was built from this commit's sources."""
    again = f"release bundle build {source.component.name} --target {one.native.target}"
    library = built(source, one)
    line = _CHECKSUM_LINE.fullmatch(_content(library, CHECKSUM))
    if line is None:
        raise _refused(source, one, f"has no {CHECKSUM} file that sha256sum could read", again)
    if line[1].decode() != digest(content):
        raise _refused(source, one, f"is not the file that was built: its SHA-256 is {digest(content)}", again)
    try:
        origin = msgspec.json.decode(_content(library, RECORD), type=BuiltFrom)
    except msgspec.DecodeError:
        raise _refused(source, one, f"has no {RECORD} file that says what it was built from", again) from None
    for what in ("crate", "version", "target", "glibc"):
        was, should = getattr(origin, what), getattr(one.origin, what)
        if was != should:
            raise _refused(source, one, f"was built for the {what} {was}, not {should}", again)
    if origin.sources != one.origin.sources:
        raise _refused(source, one, f"was built from other sources of {one.crate.name} than this commit has", again)


def _content(library: Path, suffix: str) -> bytes:
    try:
        return library.with_name(library.name + suffix).read_bytes()
    except FileNotFoundError:
        return b""


def _refused(source: Source, one: Wanted, what: str, fix: str) -> PackageRefused:
    return refused(source.component, f"{one.native.path} {what}", place=one.place, fix=fix)


def _incomplete(source: Source, missing: Sequence[Wanted]) -> PackageRefused:
    paths = ", ".join(one.native.path for one in missing)
    component = source.component
    return PackageRefused(
        f"{component.name} can't be packaged: bundle.json lists {paths}, which {_are(missing)} not built",
        where=[one.place for one in missing],
        fix=f"release bundle build {component.name}; or package --partial, without them",
    )


def _are(things: Sequence[Wanted]) -> str:
    return "is" if len(things) == 1 else "are"


def _sources(source: Source, crate: Component) -> str:
    """Return one SHA-256 of every file that Cargo builds ``crate`` from: names, modes and contents.

    These are the folders of the crate and of those that it is built with, and what Cargo and rustup read above them.
    """
    folders = {source.workspace.components[name].path for name in _closure(source, crate.name, set())}
    above = {"/".join(folder.split("/")[:depth]) for folder in folders for depth in range(folder.count("/") + 2)}
    named = {f"{folder}/{name}".lstrip("/") for folder in above for name in _ABOVE}
    paths = [
        path
        for path in source.snapshot.files()
        if path in named or any(path.startswith(f"{folder}/") or not folder for folder in folders)
    ]
    contents = source.snapshot.read_many(paths)
    lines = [f"{source.snapshot.modes[path]} {digest(contents[path])} {path}\n" for path in paths]
    return digest("".join(lines).encode(errors="surrogateescape"))


def _closure(source: Source, name: str, seen: set[str]) -> Iterator[str]:
    yield name
    for edge in source.workspace.parts.get(name, ()):
        if edge.kind is EdgeKind.CRATE and edge.part not in seen:
            seen.add(edge.part)
            yield from _closure(source, edge.part, seen)
