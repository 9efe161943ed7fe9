"""Runs Cargo."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

__all__ = ["CargoFailed", "cargo", "locked", "without_tokens"]

_MOST_LINES = 12


class CargoFailed(Exception):
    """Cargo ended with an error; ``what`` is what it said."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


def cargo(arguments: Sequence[str], folder: Path, environment: Mapping[str, str]) -> str:
    """Return what ``cargo *arguments`` prints, run in ``folder``.

    Raises:
        CargoFailed: it is not there, or ends with an error.
    """
    try:
        done = subprocess.run(
            ["cargo", *arguments],
            cwd=folder,
            env={**environment, "CARGO_TERM_COLOR": "never", "CARGO_TERM_PROGRESS_WHEN": "never"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
    except FileNotFoundError:
        raise CargoFailed("there is no cargo; install it with https://rustup.rs") from None
    if done.returncode:
        lines = [line.strip() for line in done.stderr.decode(errors="replace").splitlines() if line.strip()]
        first = next((number for number, line in enumerate(lines) if line.startswith("error")), 0)
        said = " | ".join(lines[first:][:_MOST_LINES])
        raise CargoFailed(f"cargo {arguments[0]}: {said or f'exit code {done.returncode}'}")
    return done.stdout.decode(errors="replace")


def locked(root: Path, manifest: Path) -> list[str]:
    """Return ``--locked`` where a ``Cargo.lock`` is committed for ``manifest``, which lies below ``root``."""
    folder = manifest.parent
    while True:
        if (folder / "Cargo.lock").is_file():
            return ["--locked"]
        if folder == root:
            return []
        folder = folder.parent


def without_tokens(environment: Mapping[str, str]) -> dict[str, str]:
    """Return ``environment`` without what lets Cargo publish: code of crates that it builds must not see it."""
    return {
        name: value
        for name, value in environment.items()
        if not (name.startswith("CARGO_") and name.endswith("_TOKEN"))
    }
