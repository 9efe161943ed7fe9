"""Every failure a user can meet, as a class that builds its own message.

The command line prints a :class:`ReleaseError` once, as *what*, *where* and *what to do*, and exits with
the class's :attr:`~ReleaseError.exit_code`. The codes are stable and documented in ``docs/release/exit-codes.md``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Place:
    """A point in a file of the repository: POSIX path, 1-based line and column (0 where unknown)."""

    path: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        if not self.line:
            return self.path
        return f"{self.path}:{self.line}:{self.column}" if self.column else f"{self.path}:{self.line}"


class ReleaseError(Exception):
    """Base of all errors that a user can cause or mend.

    ``what`` is one sentence, ``where`` the places it concerns, ``fix`` what to do about it.
    """

    exit_code: ClassVar[int] = 1
    slug: ClassVar[str] = "error"

    def __init__(self, what: str, *, where: Sequence[Place] = (), fix: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = tuple(where)
        self.fix = fix


class PlanRefused(ReleaseError):
    """The plan does not fit the repository any more."""

    exit_code = 3
    slug = "plan-refused"


class ConfigError(ReleaseError):
    """``release.yaml`` is missing, malformed or names what is not there."""

    exit_code = 4
    slug = "config"


class FormatError(ReleaseError):
    """A file of the tree can't be read as what it should be."""

    exit_code = 5
    slug = "format"


class WorkspaceError(ReleaseError):
    """The components of the tree contradict each other: duplicates, cycles, missing parts."""

    exit_code = 5
    slug = "workspace"


class VersionRefused(ReleaseError):
    """A version rule forbids the next version."""

    exit_code = 6
    slug = "version-refused"


class GitStateError(ReleaseError):
    """The repository is in a state in which nothing can be released: dirty, shallow, no identity."""

    exit_code = 7
    slug = "git-state"


class HistoryError(ReleaseError):
    """Tags, trailers and files disagree about what was released."""

    exit_code = 8
    slug = "history"


class Locked(ReleaseError):
    """Another run holds the lock."""

    exit_code = 9
    slug = "locked"


class PushRefused(ReleaseError):
    """The remote did not take the release; nothing of it is there."""

    exit_code = 10
    slug = "push-refused"


class StorageError(ReleaseError):
    """Files or objects could not be written: read-only, disk full, no permission."""

    exit_code = 11
    slug = "storage"
