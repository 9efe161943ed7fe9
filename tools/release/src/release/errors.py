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


class PinError(ReleaseError):
    """An action is not pinned, or a pin is not what it says."""

    exit_code = 12
    slug = "pin"


class DestinationDiffers(ReleaseError):
    """A destination has other bytes under this version; nothing of it was overwritten."""

    exit_code = 13
    slug = "destination-differs"


class DestinationRefused(ReleaseError):
    """A destination gives no answer or does not take what is published."""

    exit_code = 14
    slug = "destination-refused"


class CredentialsMissing(ReleaseError):
    """A secret that a destination needs is not in the environment."""

    exit_code = 15
    slug = "credentials"


class PackageRefused(ReleaseError):
    """A component can't be packaged as its installer wants it."""

    exit_code = 16
    slug = "package-refused"


class BuildFailed(ReleaseError):
    """A library or an image can't be built, or what came out is not fit to be shipped."""

    exit_code = 17
    slug = "build-failed"


class EngineUnfit(ReleaseError):
    """There is no container engine, it can't be used, or it is too old."""

    exit_code = 18
    slug = "engine"


class InputsRefused(ReleaseError):
    """Moodle's source or a plugin of ``plugins.lock`` is missing, not what its hash says, or doesn't fit the rest."""

    exit_code = 19
    slug = "inputs-refused"


class PlanUnbound(ReleaseError):
    """A Terraform plan has no binding, or one that can't be read."""

    exit_code = 20
    slug = "plan-unbound"


class PlanTampered(ReleaseError):
    """A Terraform plan file is not the one that was bound."""

    exit_code = 21
    slug = "plan-tampered"


class PlanStale(ReleaseError):
    """The state has changed since the Terraform plan was made."""

    exit_code = 22
    slug = "plan-stale"


class PlanOtherCommit(ReleaseError):
    """The Terraform plan was reviewed for another tree."""

    exit_code = 23
    slug = "plan-other-commit"


class PlanOtherLock(ReleaseError):
    """The Terraform plan was made with another dependency lock file."""

    exit_code = 24
    slug = "plan-other-lock"


class PlanOtherVersion(ReleaseError):
    """The Terraform plan was made by another Terraform version."""

    exit_code = 25
    slug = "plan-other-version"


class TerraformFailed(ReleaseError):
    """Terraform, or what keeps its plans, failed."""

    exit_code = 26
    slug = "terraform-failed"


class ImageUnproven(ReleaseError):
    """An image's tests fail, or its signature, bill of materials or provenance is missing or wrong."""

    exit_code = 27
    slug = "image-unproven"


class StackFailed(ReleaseError):
    """A service of the local stack doesn't start, or doesn't get healthy."""

    exit_code = 28
    slug = "stack-failed"


class RolledBack(ReleaseError):
    """A rollout failed and its stage is back at the last good revision."""

    exit_code = 30
    slug = "rolled-back"


class RollbackFailed(ReleaseError):
    """A rollback failed: the release is in a state that a person must look at."""

    exit_code = 31
    slug = "rollback-failed"


class RolloutRefused(ReleaseError):
    """A rollout can't begin; nothing was changed."""

    exit_code = 32
    slug = "rollout-refused"
