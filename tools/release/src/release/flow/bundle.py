"""Build the libraries that plugins bundle: with Cargo, from one commit, the same bytes in any folder."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from shutil import which

import msgspec

from release.errors import BuildFailed, Place, WorkspaceError
from release.flow.package import At, opened
from release.flow.progress import Progress, silent
from release.formats import elf
from release.model.component import Component
from release.model.edit import digest
from release.publish.cargo import CargoFailed, cargo, locked, without_tokens
from release.publish.packages.natives import CHECKSUM, RECORD, Wanted, built, checksum, wanted
from release.publish.packages.packager import Source
from release.repository.git import Repository

__all__ = ["Made", "Rust", "Unfit", "build_bundles", "compiled", "linker_variable", "unfit"]

_SETTINGS = (
    "RUSTFLAGS", "CARGO_BUILD_RUSTFLAGS", "CARGO_BUILD_TARGET", "CARGO_TARGET_DIR", "CARGO_BUILD_TARGET_DIR",
    "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER",
)  # fmt: skip
"""What would make another library of the same sources, or put it elsewhere."""
_CARGO_HOME = "/cargo"
_SOURCES = "/build"
"""By these names a library knows the folders that it was built in."""
_ZIG = "put cargo-zigbuild and Zig on PATH (pip install cargo-zigbuild ziglang)"


@dataclass(frozen=True, slots=True)
class Made:
    """A library that was built: for which plugin and target, where it lies, and the oldest glibc that it runs with."""

    plugin: str
    target: str
    path: Path
    sha256: str
    size: int
    glibc: str | None


@dataclass(frozen=True, slots=True)
class _Job:
    source: Source
    wanted: Wanted


def build_bundles(
    repository: Repository,
    names: Sequence[str],
    *,
    revision: str = "HEAD",
    targets: Collection[str] = (),
    host: bool = False,
    environment: Mapping[str, str],
    report: Callable[[Made], None] = lambda _: None,
    progress: Progress = silent,
) -> int:
    """Build the libraries of the plugins ``names`` (default: all) as they are at ``revision``; return their number.

    ``targets`` takes a part of them, ``host`` the one for this machine. Each goes to its path in the work tree, with
    its checksum and what it was built from beside it. ``report`` gets each when it is there.

    Raises:
        BuildFailed: Rust or a target of it is missing, a build fails, or what comes out is not fit to be shipped.
        WorkspaceError: there is no such plugin, or none of its libraries is for one of ``targets``.
    """
    with opened(repository, without_tokens(environment)) as at:
        there = at(repository.resolve(revision))
        jobs = [_Job(source, one) for source in _sources(there, names) for one in wanted(source)]
        if not jobs:
            return 0
        rust = Rust(there.folder, there.environment)
        jobs = _chosen(jobs, (*targets, rust.host) if host else targets)
        rust.refuse_missing({job.wanted.native.target: job.wanted.place for job in jobs})
        for number, job in enumerate(jobs):
            progress(f"building {job.wanted.crate.name} for {job.wanted.native.target}", number, len(jobs))
            with tempfile.TemporaryDirectory(prefix="release-target-") as folder:
                content = _build(job, there, rust, Path(folder))
            report(_written(job, content))
        return len(jobs)


def _sources(there: At, names: Sequence[str]) -> Iterator[Source]:
    components = there.workspace.components
    for name in dict.fromkeys(names):
        if name not in components or components[name].kind != "plugin":
            raise WorkspaceError(f"there is no plugin {name} here", fix="release status lists the components")
    chosen: list[Component] = [one for one in components.values() if one.kind == "plugin" and one.name in names]
    for plugin in chosen if names else [one for one in components.values() if one.kind == "plugin"]:
        if plugin.version is not None:
            yield there.source(plugin, plugin.version)


def _chosen(jobs: list[_Job], targets: Collection[str]) -> list[_Job]:
    known = dict.fromkeys(job.wanted.native.target for job in jobs)
    for target in targets:
        if target not in known:
            raise WorkspaceError(
                f"no bundle.json has a library for {target}",
                where=[Place(job.wanted.bundle) for job in jobs[:1]],
                fix=f"name one of {', '.join(known)}",
            )
    return [job for job in jobs if not targets or job.wanted.native.target in targets]


class Rust:
    """The Rust of a work tree, as its rust-toolchain.toml or the environment says."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder = folder
        self.environment = environment
        self.zig = which("cargo-zigbuild", path=environment.get("PATH")) is not None
        home = environment.get("CARGO_HOME")
        self.cargo_home = Path(home) if home else Path(environment.get("HOME") or Path.home()) / ".cargo"
        about = dict(line.split(": ", 1) for line in self._rustc("-vV").splitlines() if ": " in line)
        self.host = about["host"]

    def refuse_missing(self, targets: Mapping[str, Place]) -> None:
        """Refuse when the standard library of one of ``targets`` is not installed; each is wanted at a place."""
        missing = [
            target
            for target in targets
            if not Path(self._rustc("--print=target-libdir", f"--target={target}").strip()).is_dir()
        ]
        if missing:
            raise BuildFailed(
                f"the Rust here can't build for {', '.join(missing)}",
                where=[targets[target] for target in missing],
                fix=f"rustup target add {' '.join(missing)}",
            )

    def linker(self, target: str) -> str | None:
        """Return the linker that the environment names for ``target``."""
        return self.environment.get(linker_variable(target))

    def _rustc(self, *arguments: str) -> str:
        try:
            done = subprocess.run(
                ["rustc", *arguments],
                cwd=self.folder, env=dict(self.environment), stdin=subprocess.DEVNULL, capture_output=True, check=False,
            )  # fmt: skip
        except FileNotFoundError:
            raise BuildFailed("there is no Rust here", fix="install it with https://rustup.rs") from None
        if done.returncode:
            lines = [line.strip() for line in done.stderr.decode(errors="replace").splitlines() if line.strip()]
            raise BuildFailed(
                f"rustc {' '.join(arguments)}: {' | '.join(lines[:4]) or f'exit code {done.returncode}'}",
                fix="rustup toolchain install; rustc --print target-list has the names of targets",
            )
        return done.stdout.decode(errors="replace")


def linker_variable(target: str) -> str:
    """Return the name of Cargo's environment variable for the linker of ``target``."""
    return f"CARGO_TARGET_{target.upper().replace('-', '_').replace('.', '_')}_LINKER"


def _build(job: _Job, there: At, rust: Rust, target_folder: Path) -> bytes:
    """Return the library, built in the commit's work tree."""
    crate, native = job.wanted.crate, job.wanted.native
    manifest = there.folder / crate.manifest
    by_zig = rust.zig and rust.linker(native.target) is None
    triple = f"{native.target}.{native.glibc}" if by_zig and native.glibc else native.target
    arguments = [
        "zigbuild" if by_zig else "build", "--lib", "--target", triple, "--message-format", "json-render-diagnostics",
    ]  # fmt: skip
    # A library with a libc of its own can't be loaded into another process.
    rustflags = ["-C", "target-feature=-crt-static"] if "musl" in native.target else []
    try:
        said = compiled(arguments, manifest, there, rust, target_folder, rustflags=rustflags)
    except CargoFailed as error:
        raise _failed(job, error.what, _remedy(native.target, rust)) from None
    library = _library(said, crate.native)
    if library is None:
        raise _failed(
            job, f"{crate.native} makes no library that PHP could load",
            f'write crate-type = ["cdylib"] below [lib] of {crate.manifest}',
        )  # fmt: skip
    content = library.read_bytes()
    folders = _renamed(there, rust, target_folder)
    wrong = unfit(content, native.target, native.glibc, folders, "bundle.json promises")
    if wrong is not None:
        raise _failed(job, wrong.what, wrong.fix or _remedy(native.target, rust))
    return content


def compiled(
    arguments: Sequence[str],
    manifest: Path,
    there: At,
    rust: Rust,
    target_folder: Path,
    *,
    rustflags: Sequence[str] = (),
) -> str:
    """Compile the crate of ``manifest`` into ``target_folder``; return what Cargo says.

    ``arguments`` begin with Cargo's command and say what of the crate is built, ``rustflags`` how rustc does it. The
    same bytes come out in any folder.

    Raises:
        CargoFailed: Cargo does.
    """
    command = [
        arguments[0], "--release", *locked(there.folder, manifest), *arguments[1:],
        "--manifest-path", str(manifest), "--target-dir", str(target_folder),
    ]  # fmt: skip
    folders = _renamed(there, rust, target_folder)
    return cargo(command, manifest.parent, _cargo_environment(rustflags, folders, there))


def _renamed(there: At, rust: Rust, target_folder: Path) -> dict[Path, str]:
    """Return the folders of a build and what they are called in what is built."""
    return {there.folder: _SOURCES, rust.cargo_home: _CARGO_HOME, target_folder: f"{_SOURCES}/target"}


def _cargo_environment(rustflags: Sequence[str], folders: Mapping[Path, str], there: At) -> dict[str, str]:
    """Return the environment in which Cargo makes the same bytes in any folder; ``folders`` get other names in them."""
    renamed = [
        f"--remap-path-prefix={path}={name}"
        for folder, name in folders.items()
        for path in dict.fromkeys((str(folder), os.path.realpath(folder)))
    ]
    kept = {
        name: value
        for name, value in there.environment.items()
        if name not in _SETTINGS and not name.startswith("CARGO_PROFILE_")
    }
    return {
        **kept,
        "CARGO_ENCODED_RUSTFLAGS": "\x1f".join([*renamed, *rustflags]),
        "CARGO_INCREMENTAL": "0",
        "SOURCE_DATE_EPOCH": str(there.time),
    }


def _library(messages: str, crate: str) -> Path | None:
    """Return the cdylib of ``crate`` among Cargo's messages."""
    for line in messages.splitlines():
        message = msgspec.json.decode(line) if line.startswith("{") else {}
        if message.get("reason") != "compiler-artifact" or "cdylib" not in message["target"]["crate_types"]:
            continue
        if message["target"]["name"].replace("-", "_") == crate.replace("-", "_"):
            files = [Path(name) for name in message["filenames"] if name.endswith((".so", ".dylib", ".dll"))]
            return files[0] if files else None
    return None


@dataclass(frozen=True, slots=True)
class Unfit:
    """What is wrong with something that was built; ``fix`` is empty where it is up to how Rust links here."""

    what: str
    fix: str = ""


def unfit(content: bytes, target: str, glibc: str | None, folders: Collection[Path], who: str) -> Unfit | None:
    """Return why the library or program ``content`` can't be shipped for ``target``, ``None`` when it can.

    It may name none of ``folders``, which are this machine's, and ask for no glibc newer than ``glibc``, of which
    ``who`` says in a message where that is from.
    """
    for folder in folders:
        if str(folder).encode() in content:
            return Unfit(
                f"it has the path {folder} of this machine in it",
                'don\'t compile env!("CARGO_MANIFEST_DIR") or file paths of the build into it',
            )
    if "linux" not in target:
        return None
    try:
        library = elf.parse(content)
    except ValueError as error:
        return Unfit(str(error))
    if library.machine != target.partition("-")[0]:
        return Unfit(f"it came out for {library.machine}")
    if "musl" in target and (library.glibc is not None or "libc.so.6" in library.needs):
        return Unfit("it came out linked with the GNU C library")
    if glibc is not None and library.glibc is not None and library.glibc > _numbers(glibc):
        return Unfit(
            f"it needs glibc {_text(library.glibc)}; {who} {glibc}",
            f"{_ZIG}, or build where glibc is {glibc}",
        )
    return None


def _remedy(target: str, rust: Rust) -> str:
    if rust.zig or rust.linker(target) is not None or target == rust.host:
        return "mend what Cargo says"
    return f"{_ZIG}, or name a linker for {target} in {linker_variable(target)}"


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def _text(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def _failed(job: _Job, what: str, fix: str) -> BuildFailed:
    native = job.wanted.native
    return BuildFailed(f"{native.path} can't be built for {native.target}: {what}", where=[job.wanted.place], fix=fix)


def _written(job: _Job, content: bytes) -> Made:
    """Put the library in its place; its record comes last, so that a killed run leaves none that is taken for good."""
    native = job.wanted.native
    path = built(job.source, job.wanted)
    path.parent.mkdir(parents=True, exist_ok=True)
    record = path.with_name(path.name + RECORD)
    record.unlink(missing_ok=True)
    for place, text in (
        (path, content),
        (path.with_name(path.name + CHECKSUM), checksum(native.path, content)),
        (record, msgspec.json.format(msgspec.json.encode(job.wanted.origin)) + b"\n"),
    ):
        new = place.with_name(f"{place.name}.new")
        new.write_bytes(text)
        new.replace(place)
    found = elf.parse(content).glibc if "linux" in native.target else None
    return Made(
        job.source.component.name, native.target, path, digest(content), len(content), _text(found) if found else None
    )
