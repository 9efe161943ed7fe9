"""What a destination must be able to do. A new kind is one file in ``destinations`` and one line in its registry.

Publishing is a list of steps. Each looks first: what the destination has decides, never what an earlier run remembers.
So a run that was killed after any step is simply run again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Protocol

from release.errors import DestinationDiffers, DestinationRefused
from release.model.component import Component
from release.model.version import Version

__all__ = ["Access", "Artifact", "DestinationKind", "Grant", "Released", "Step", "Trusted", "preview", "publish"]


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file to publish; ``sha256`` is of its bytes, in hexadecimal."""

    name: str
    path: Path
    sha256: str
    media_type: str = "application/octet-stream"


def _no_checkout() -> Path:
    raise NotImplementedError("no work tree of the commit was given")


@dataclass(frozen=True, slots=True)
class Released:
    """One released component: what its tag leads to and the files made from it.

    ``time`` is the commit's (seconds since the epoch), ``notes`` the changelog's section in Markdown. ``digest`` is
    that of an image which the workflow has pushed (``sha256:…``); ``checkout`` returns a work tree of the commit.
    """

    component: Component
    version: Version
    tag: str
    commit: str
    time: int
    notes: str
    artifacts: tuple[Artifact, ...]
    digest: str | None = None
    checkout: Callable[[], Path] = _no_checkout


@dataclass(frozen=True, slots=True)
class Grant:
    """A permission of GITHUB_TOKEN that the destination needs in a workflow: ``contents: write`` and why."""

    scope: str
    level: str
    reason: str


@dataclass(frozen=True, slots=True)
class Trusted:
    """How a workflow gets a short-lived token in exchange for its own identity, in place of a secret.

    ``action`` has the output ``output``, which goes into the environment variable ``variable``.
    """

    action: str
    output: str
    variable: str
    reason: str


@dataclass(frozen=True, slots=True)
class Access:
    """What a job that publishes needs: permissions of GITHUB_TOKEN, secrets with what each is, a token for itself."""

    grants: tuple[Grant, ...] = ()
    secrets: Mapping[str, str] = field(default_factory=dict)
    trusted: Trusted | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that is to be at a destination.

    ``look`` returns the digest of what is there (``None``: nothing), ``do`` puts it there. ``want`` is the digest that
    is right; where several are (a floating tag that another release moved on), ``accepts`` decides.
    """

    what: str
    want: str
    look: Callable[[], str | None]
    do: Callable[[], None]
    accepts: Callable[[str], bool] | None = None
    moves: bool = False
    """Whether ``do`` may replace what is there: a floating tag, a draft. All else is never overwritten."""
    skipped: str = ""
    """Why nothing is to be at the destination: it is neither asked nor told anything."""


class DestinationKind(Protocol):
    """Publishes to one kind of place."""

    name: ClassVar[str]
    """The word after ``to`` in ``release.yaml``."""
    options: ClassVar[Mapping[str, bool]]
    """The options it knows, and whether each is required."""
    secrets: ClassVar[Mapping[str, str]]
    """Environment variables that hold secrets (``*`` stands for any letters), and what each is."""

    def access(self, options: Mapping[str, str]) -> Access:
        """Return what a workflow's job must be given to publish there."""
        ...

    def steps(self, release: Released, options: Mapping[str, str], environment: Mapping[str, str]) -> Iterable[Step]:
        """Return the steps that put ``release`` there, in order. Nothing is sent before a step's ``do``.

        Raises:
            CredentialsMissing: a secret is not in ``environment``.
        """
        ...


def publish(steps: Iterable[Step], *, report: Callable[[str, str], None], before: Callable[[str], None]) -> None:
    """Do what is missing of ``steps``, in order; ``report`` gets each step and what became of it.

    That is ``done``, ``there``, ``moved on`` or ``skipped: …``. ``before`` is called with the name of each thing
    about to be done.

    Raises:
        DestinationDiffers: other bytes are there; nothing of them was overwritten.
        DestinationRefused: what was sent is not what is there afterwards.
    """
    for step in steps:
        state, _ = _state(step)
        if state is not None:
            report(step.what, state)
            continue
        before(step.what)
        step.do()
        after = step.look()
        if after is not None and after != step.want and step.accepts is not None and step.accepts(after):
            report(step.what, "moved on")
            continue
        if after != step.want:
            raise DestinationRefused(
                f"{step.what}: the destination has {after or 'nothing'} afterwards, not {step.want}",
                fix="run it again; if it stays so, ask the destination's operators",
            )
        report(step.what, "done")


def preview(steps: Iterable[Step], *, report: Callable[[str, str], None]) -> None:
    """Only look: ``report`` gets each of ``steps`` and what :func:`publish` would report, or ``to do``, ``to move``.

    Raises:
        DestinationDiffers: other bytes are there.
    """
    for step in steps:
        state, found = _state(step)
        report(step.what, state or ("to do" if found is None else "to move"))


def _state(step: Step) -> tuple[str | None, str | None]:
    """Return why nothing is to be done for ``step``, ``None`` where something is; and what is there.

    Raises:
        DestinationDiffers: other bytes are there, which the step must not replace.
    """
    if step.skipped:
        return f"skipped: {step.skipped}", None
    found = step.look()
    if found == step.want:
        return "there", found
    if found is not None and step.accepts is not None and step.accepts(found):
        return "moved on", found
    if found is not None and not step.moves:
        raise DestinationDiffers(
            f"{step.what}: the destination has {found}, this release is {step.want}",
            fix="find out who published it; release a new version rather than another content of this one",
        )
    return None, found
