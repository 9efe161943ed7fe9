"""A plain folder: ``<path>/<component>/<version>/<file>`` and their digests in ``SHA256SUMS``."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import ClassVar

from release.model.edit import digest
from release.publish.destination import Access, Released, Step

__all__ = ["Folder"]

_SUMS = "SHA256SUMS"


class Folder:
    """Writes files below a folder; nothing there is ever overwritten."""

    name: ClassVar[str] = "folder"
    options: ClassVar[Mapping[str, bool]] = {"path": True}
    secrets: ClassVar[Mapping[str, str]] = {}

    def access(self, options: Mapping[str, str]) -> Access:  # noqa: ARG002
        """Return that nothing is needed."""
        return Access()

    def steps(
        self,
        release: Released,
        options: Mapping[str, str],
        environment: Mapping[str, str],  # noqa: ARG002
    ) -> Iterator[Step]:
        """Yield a step for each file and one for the list of digests (the form of ``sha256sum``), which comes last."""
        folder = Path(options["path"]) / release.component.name / str(release.version)
        for artifact in release.artifacts:
            target = folder / artifact.name
            yield Step(
                f"file {target}",
                artifact.sha256,
                partial(_digest, target),
                lambda source=artifact.path, target=target: _put(target, source.read_bytes()),  # type: ignore[misc]
            )
        if release.artifacts:
            lines = sorted(f"{one.sha256}  {one.name}\n" for one in release.artifacts)
            sums = "".join(lines).encode()
            target = folder / _SUMS
            yield Step(f"file {target}", digest(sums), partial(_digest, target), partial(_put, target, sums))


def _digest(path: Path) -> str | None:
    """Return the SHA-256 of the file at ``path``, ``None`` where there is none."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return None


def _put(target: Path, content: bytes) -> None:
    """Make ``target`` with ``content``, whole or not at all; what a killed run left is written again."""
    target.parent.mkdir(parents=True, exist_ok=True)
    parent = os.open(target.parent, os.O_RDONLY)
    try:
        fcntl.flock(parent, fcntl.LOCK_EX)
        if target.exists():
            return
        unfinished = target.with_name(f".{target.name}.unfinished")
        with unfinished.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        unfinished.rename(target)
        os.fsync(parent)
    finally:
        os.close(parent)
