"""Release: finish what was interrupted, plan, land, push; plan again when a push lost a race."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

from release.errors import GitStateError
from release.flow.apply import Landed, Step, apply, no_step, refuse_stale, resume
from release.flow.plan import make_plan
from release.flow.progress import Progress, silent
from release.flow.survey import Survey, survey
from release.model.plan import Plan, Request
from release.repository.git import GitFailed, Repository
from release.repository.remote import LostRace, fetch, target

__all__ = ["deepen", "release", "utc_day"]

_ATTEMPTS = 4


def utc_day(time: int) -> dt.date:
    """Return the UTC day of ``time`` (seconds since the epoch)."""
    return dt.datetime.fromtimestamp(time, dt.UTC).date()


def release(
    repository: Repository,
    request: Request,
    *,
    time: int,
    reviewed: Plan | None = None,
    push: bool = False,
    progress: Progress = silent,
    show: Callable[[Plan], None] = lambda _: None,
    finished: Callable[[Landed], None] = lambda _: None,
    step: Step = no_step,
) -> Landed | None:
    """Release what ``request`` asks for, or exactly what the ``reviewed`` plan says.

    ``show`` is given each plan before it is done, ``finished`` what an interrupted run had left, ``step`` the name of
    each step just before it is done. Returns ``None`` when there is nothing to release. Call it holding the lock.

    Raises:
        ReleaseError: nothing is changed then, here or on the remote.
    """
    left = resume(repository, progress=progress, step=step)
    if left is not None:
        finished(left)
        if reviewed is not None and left.plan == reviewed:
            return left
    for attempt in range(1, _ATTEMPTS + 1):
        found = survey(repository, progress=progress)
        if reviewed is not None:
            refuse_stale(found, reviewed)
            plan = reviewed
        else:
            plan = make_plan(found, request, utc_day(time))
        show(plan)
        if not plan.bumps:
            return None
        try:
            return apply(
                repository,
                plan,
                time=time,
                to_push=push,
                folders=[component.path for component in found.workspace.components.values()],
                progress=progress,
                step=step,
            )
        except LostRace:
            if reviewed is not None or attempt == _ATTEMPTS or not _caught_up(repository, found, progress):
                raise
    raise AssertionError("unreachable")


def deepen(repository: Repository, progress: Progress = silent) -> None:
    """Fetch all tags and, for a shallow clone, the rest of the history.

    Raises:
        GitStateError: the remote gives no answer.
    """
    branch = repository.branch()
    to = target(repository, branch or "main")
    progress(f"fetching from {to.remote}", 0, 0)
    try:
        repository.run("fetch", "--quiet", "--tags", *(["--unshallow"] if repository.shallow else []), to.remote)
    except GitFailed as error:
        raise GitStateError(f"{to.remote} can't be fetched: {error.what}", fix="check the remote") from None


def _caught_up(repository: Repository, found: Survey, progress: Progress) -> bool:
    """Fast-forward to the remote's branch; tell whether that was possible."""
    branch = repository.branch()
    if branch is None:
        return False
    to = target(repository, branch)
    progress(f"{to.remote}/{to.branch} moved: planning again", 0, 0)
    fetch(repository, to)
    try:
        repository.run("merge", "--ff-only", "--quiet", to.tracking)
    except GitFailed:
        return False
    return repository.head() != found.head
