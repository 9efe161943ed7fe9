"""What the catalogue is made of. A new workflow is one file in ``catalogue`` and one line in its registry."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from release.ci.site import Site
from release.ci.workflow import Concurrency, Job, Trigger

__all__ = ["Frame", "Part"]


@dataclass(frozen=True, slots=True)
class Frame:
    """A workflow without its jobs. ``gated``: the last job, ``all-green``, is the check that branches require."""

    name: str
    why: str
    triggers: tuple[Trigger, ...]
    concurrency: Concurrency
    gated: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    """Jobs of the workflow ``workflow``; the part of the same name, or the only one, brings the frame.

    ``jobs`` returns none where the repository has nothing for them to do. A job with ``select`` is decided about by the
    plan job, which is put in front.
    """

    id: str
    workflow: str
    why: str
    jobs: Callable[[Site], Sequence[Job]]
    frame: Callable[[Site], Frame] | None = None
    needed: bool = False
    """Whether it can't be left out, because other parts are put into its frame."""
