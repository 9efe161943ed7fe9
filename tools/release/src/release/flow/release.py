"""Release: finish what was interrupted, plan, land, push; plan again when a push lost a race."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

from release.flow.apply import Landed, Step, apply, no_step, refuse_stale, resume
from release.flow.plan import make_plan
from release.flow.progress import Progress, silent
from release.flow.survey import survey
from release.flow.unpushed import Pushed, find_unpushed, push_unpushed
from release.model.plan import Plan, Request
from release.repository.git import GitFailed, Repository
from release.repository.remote import LostRace, fetch, fetch_all, target

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
    pushed: Callable[[Pushed], None] = lambda _: None,
    step: Step = no_step,
) -> Landed | None:
    """Release what ``request`` asks for, or exactly what the ``reviewed`` plan says.

    ``show`` is given each plan before it is done, ``finished`` what an interrupted run had left, ``pushed`` what
    earlier runs had not pushed when there is nothing new to release, ``step`` the name of each step just before it is
    done. Returns ``None`` when there is nothing to release. Call it holding the lock.

    Raises:
        ReleaseError: nothing is changed then, here or on the remote.
    """
    try:
        left = resume(repository, progress=progress, step=step)
    except LostRace:
        if reviewed is not None or not push:
            raise
        left = None
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
        earlier = find_unpushed(found) if push else None
        if not plan.bumps:
            if earlier is not None:
                pushed(push_unpushed(found, earlier))
            return None
        try:
            return apply(
                repository,
                plan,
                time=time,
                to_push=push,
                earlier=earlier.tags if earlier is not None else (),
                folders=[component.path for component in found.workspace.components.values()],
                progress=progress,
                step=step,
            )
        except LostRace:
            if reviewed is not None or attempt == _ATTEMPTS or not _caught_up(repository, progress):
                if earlier is not None:
                    raise earlier.parted() from None
                raise
    raise AssertionError("unreachable")


def deepen(repository: Repository, progress: Progress = silent) -> None:
    """Fetch all tags and, for a shallow clone, the rest of the history.

    Raises:
        GitStateError: there is no remote.
        Unreachable: the remote gives no answer.
    """
    branch = repository.branch()
    to = target(repository, branch or "main")
    progress(f"fetching from {to.remote}", 0, 0)
    fetch_all(repository, to)


def _caught_up(repository: Repository, progress: Progress) -> bool:
    """Fast-forward to the remote's branch; tell whether that was possible."""
    branch = repository.branch()
    if branch is None:
        return False
    to = target(repository, branch)
    progress(f"{to.remote}/{to.branch} moved: planning again", 0, 0)
    before = repository.head()
    fetch(repository, to)
    try:
        repository.run("merge", "--ff-only", "--quiet", to.tracking)
    except GitFailed:
        return False
    return repository.head() != before
