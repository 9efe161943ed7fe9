"""What the benchmark asks of a peer."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from expected import Expected


class PeerAbsent(Exception):
    """The peer can't be installed or run here; the message is the reason."""


@dataclass(frozen=True, slots=True)
class Invocation:
    """One command of a peer, the folder it runs in and the components it covers."""

    command: tuple[str, ...]
    folder: Path
    covers: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)


class Peer(Protocol):
    """One way to use a tool.

    `passes` has a note for each run of the whole on one clone: more than one where a cache of its own counts.
    `sample`, when it isn't None, is how many components are run in place of all.
    """

    @property
    def name(self) -> str:
        """Return what the table calls it, with its version."""

    @property
    def passes(self) -> tuple[str, ...]:
        """Return what is particular to each run on one clone."""

    @property
    def sample(self) -> int | None:
        """Return how many components it runs for, None for all."""

    def prepare(self, cache: Path, clone: Path, expected: Mapping[str, Expected]) -> list[Invocation]:
        """Install the tool below `cache`, configure `clone` for it and return what to run.

        Raises:
            PeerAbsent: it can't be installed.
        """

    def versions(self, invocation: Invocation, output: str) -> dict[str, str]:
        """Return the next versions that `output` tells; what isn't in it stays as it is."""


def python_tool(cache: Path, package: str, version: str, program: str) -> Path:
    """Install `package` from PyPI into an environment of its own, once, and return the path of `program`."""
    folder = cache / f"{package}-{version}"
    if not (folder / "installed").exists():
        _install(
            [sys.executable, "-m", "venv", "--clear", str(folder)],
            [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", f"{package}=={version}"],
        )
        (folder / "installed").touch()
    return folder / "bin" / program


def node_packages(cache: Path, *packages: str) -> Path:
    """Install `packages` from npm into a folder of their own, once, and return that folder."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        raise PeerAbsent("Node.js with npm isn't installed")
    folder = cache / packages[0].replace("@", "-")
    if not (folder / "installed").exists():
        folder.mkdir(parents=True, exist_ok=True)
        options = ("--silent", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(folder))
        _install([npm, "install", *options, *packages])
        (folder / "installed").touch()
    return folder


def _install(*commands: list[str]) -> None:
    for command in commands:
        try:
            subprocess.run(command, check=True, capture_output=True, text=True, timeout=600)
        except subprocess.TimeoutExpired:
            raise PeerAbsent(f"{' '.join(command[-1:])} was not installed within 600 s") from None
        except subprocess.CalledProcessError as error:
            lines = (error.stderr or error.stdout or "it says nothing").strip().splitlines()
            raise PeerAbsent(f"{command[-1]} can't be installed: {lines[-1]}") from None
