"""The journal of a release under way, so that a killed run can be finished by the next."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from release.errors import StorageError
from release.repository.git import Repository

__all__ = ["Entry", "Journal"]


@dataclass(frozen=True, slots=True)
class Entry:
    """What is being done: the plan as JSON text, the work tree it runs in, the time it gives its objects.

    ``commit`` is set once the release commit exists as an object, ``remote`` when the release is to be pushed, with
    the tags ``earlier`` of releases before it.
    """

    plan: str
    root: str
    time: int
    remote: str | None
    commit: str | None = None
    earlier: Sequence[str] = ()

    def with_commit(self, commit: str) -> Entry:
        """Return the entry once ``commit`` is made."""
        return replace(self, commit=commit)


class Journal:
    """The file in the common git directory that holds the entry of the release under way."""

    def __init__(self, repository: Repository) -> None:
        self._path = repository.private_dir / "journal.json"

    def read(self) -> Entry | None:
        """Return the entry that a run left behind, ``None`` when there is none."""
        try:
            return Entry(**json.loads(self._path.read_bytes()))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError):
            return None

    @property
    def written(self) -> float:
        """When the entry was written, in seconds since the epoch by the clock of the file system."""
        return self._path.stat().st_mtime

    def write(self, entry: Entry) -> None:
        """Write ``entry`` so that either the old or the new one survives a crash.

        Raises:
            StorageError: it can't be written.
        """
        data = {name: getattr(entry, name) for name in Entry.__slots__}
        temporary = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        try:
            with temporary.open("w") as file:
                json.dump(data, file)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self._path)
            _sync(self._path.parent)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise StorageError(
                f"the journal {self._path} can't be written: {error.strerror}",
                fix="free space or mend permissions",
            ) from None

    def clear(self) -> None:
        """Remove the entry."""
        self._path.unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
