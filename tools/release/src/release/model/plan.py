"""The plan: a frozen value which says everything that a release will do."""

from __future__ import annotations

from dataclasses import dataclass

from release.model.commit import Change
from release.model.edit import FileEdit
from release.model.version import Level, Version

__all__ = [
    "Bump",
    "CommitReason",
    "GroupReason",
    "PartReason",
    "Plan",
    "Point",
    "Reason",
    "Request",
    "RequestReason",
]


@dataclass(frozen=True, slots=True)
class Point:
    """Where a component was last released: the commit, the version there and its build number.

    ``source`` names what says so: a tag's name, ``trailer``, ``build`` (a trailer for a build number alone) or
    ``baseline``.
    """

    commit: str
    version: Version
    build: int | None
    source: str


@dataclass(frozen=True, slots=True)
class CommitReason:
    """A commit since the last release that touches the component."""

    commit: str
    level: Level
    subject: str
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True, slots=True)
class PartReason:
    """A part of the component gets a new version."""

    part: str
    level: Level
    edge: str
    before: str | None
    after: str


@dataclass(frozen=True, slots=True)
class GroupReason:
    """Another component that shares this one's version declaration is bumped."""

    member: str
    level: Level


@dataclass(frozen=True, slots=True)
class RequestReason:
    """A person asked for it.

    ``by`` is a ``Release-As`` footer's commit, ``--release-as``, ``first release`` or ``declared`` (the file's
    version was raised by hand).
    """

    by: str
    level: Level


Reason = CommitReason | PartReason | GroupReason | RequestReason


@dataclass(frozen=True, slots=True)
class Bump:
    """The next version of one component and why.

    ``before`` is ``None`` for a first release. ``after == before`` when only the build number rises.
    """

    component: str
    kind: str
    path: str
    before: Version | None
    after: Version
    build_before: int | None
    build_after: int | None
    level: Level
    reasons: tuple[Reason, ...]
    tag: str | None
    """The tag to make; ``None`` when only the build number rises."""


@dataclass(frozen=True, slots=True)
class Request:
    """What the caller asked for; part of the plan, so that a decision can be made again from it."""

    components: tuple[str, ...] = ()
    pre: str | None = None
    release_as: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that a release will do, and the state it was made for.

    ``branch`` is the short name of the branch to move (``None``: HEAD is detached), ``date`` the UTC day that
    changelogs and build numbers carry. ``config`` and ``tags`` are SHA-256 digests.
    """

    base: str
    branch: str | None
    date: str
    config: str
    tags: str
    request: Request
    bumps: tuple[Bump, ...]
    edits: tuple[FileEdit, ...]
