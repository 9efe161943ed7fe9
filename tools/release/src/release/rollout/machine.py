"""The state machine of a Helm rollout: values in, values out, nothing of the world in it.

What a stage is like is an :class:`Observed`: Helm's history and our :class:`Journal`, both kept in the cluster, so
that any machine can go on where another was killed. :func:`assess` decides what can be done with it, :class:`State`
says what to do next, and :func:`advance` takes a state and what came of it to the next state.

``docs/release/rollout.md`` draws it.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass, replace

__all__ = [
    "DESCRIPTION",
    "Attempt",
    "Busy",
    "Cancelled",
    "Done",
    "Event",
    "Failed",
    "Journal",
    "Lost",
    "Mark",
    "Observed",
    "Purpose",
    "Ready",
    "Return",
    "Revision",
    "Settled",
    "State",
    "Status",
    "Step",
    "Taken",
    "Verdict",
    "advance",
    "assess",
    "by_hand",
]


DESCRIPTION = "release rollout: "
"""How the descriptions of the revisions begin that a rollout makes."""


class Status(enum.Enum):
    """A revision's status in Helm's own words (https://helm.sh/docs/helm/helm_status/)."""

    DEPLOYED = "deployed"
    SUPERSEDED = "superseded"
    FAILED = "failed"
    PENDING_INSTALL = "pending-install"
    PENDING_UPGRADE = "pending-upgrade"
    PENDING_ROLLBACK = "pending-rollback"
    UNINSTALLING = "uninstalling"
    UNINSTALLED = "uninstalled"
    UNKNOWN = "unknown"

    @property
    def pending(self) -> bool:
        """Tell whether Helm refuses to upgrade: an operation is under way, or was killed."""
        return self in (Status.PENDING_INSTALL, Status.PENDING_UPGRADE, Status.PENDING_ROLLBACK)


@dataclass(frozen=True, slots=True)
class Revision:
    """One revision of a Helm release; ``updated`` is Helm's own text, ``time`` the same in seconds since the epoch."""

    number: int
    status: Status
    updated: str
    time: float
    chart: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True)
class Mark:
    """The revision that passed its check last; ``updated`` tells it from one of a release installed anew."""

    revision: int
    updated: str


@dataclass(frozen=True, slots=True)
class Attempt:
    """A rollout that has begun: the revision it makes, who does it, and until when (seconds) it may still be alive."""

    revision: int
    step: str
    holder: str
    until: float


@dataclass(frozen=True, slots=True)
class Journal:
    """What we keep beside Helm's history, since Helm can't say which revision passed a check."""

    good: Mark | None = None
    attempt: Attempt | None = None


@dataclass(frozen=True, slots=True)
class Observed:
    """A stage as the cluster shows it; ``history`` is in the order of its numbers."""

    history: tuple[Revision, ...]
    journal: Journal

    @property
    def last(self) -> Revision | None:
        """Return the newest revision."""
        return self.history[-1] if self.history else None


@dataclass(frozen=True, slots=True)
class Ready:
    """An upgrade can begin; ``good`` is where a failure leads back to, ``None`` where there is no release yet."""

    good: int | None


@dataclass(frozen=True, slots=True)
class Return:
    """The stage must first go back to ``good``; ``None`` means that what was never good is uninstalled."""

    good: int | None
    why: str


@dataclass(frozen=True, slots=True)
class Settled:
    """The stage is at its last good revision, or has no release; an attempt may still be written ``open``."""

    good: int | None
    open: bool


@dataclass(frozen=True, slots=True)
class Busy:
    """Somebody may be at work here until ``until`` (seconds since the epoch)."""

    why: str
    until: float


@dataclass(frozen=True, slots=True)
class Lost:
    """Nothing says where to go back to: a person has to decide."""

    why: str


Verdict = Ready | Return | Settled | Busy | Lost


class Purpose(enum.Enum):
    """What a stage is looked at for."""

    RUN = "run"
    RECOVER = "recover"


def by_hand(last: Revision, attempt: Attempt) -> bool:
    """Tell whether ``last`` was deployed by somebody else after ``attempt`` had begun.

    An attempt makes one revision, which it describes itself, and rolls back, which Helm describes as ``Rollback to N``.
    """
    own = last.description.startswith((DESCRIPTION, "Rollback to "))
    return last.status is Status.DEPLOYED and last.number >= attempt.revision and not own


def assess(
    observed: Observed,
    purpose: Purpose,
    *,
    now: float,
    timeout: float,
    gone: Callable[[str], bool],
    insist: bool = False,
) -> Verdict:
    """Return what can be done with a stage.

    ``now`` and ``timeout`` are in seconds, ``gone`` tells whether a holder is known to have ended, and ``insist``
    takes everybody for ended.
    """
    last, journal = observed.last, observed.journal
    attempt = journal.attempt
    if attempt is not None and not insist and now < attempt.until and not gone(attempt.holder):
        return Busy(f"{attempt.holder} is at the step {attempt.step}", attempt.until)
    if last is None:
        return Ready(None) if purpose is Purpose.RUN else Settled(None, attempt is not None)
    if attempt is not None and by_hand(last, attempt):
        attempt = None
    if last.status in (Status.UNINSTALLING, Status.UNINSTALLED, Status.UNKNOWN):
        if attempt is not None and journal.good is None and last.status is Status.UNINSTALLING:
            return Return(None, "an uninstall was cut short")
        return Lost(f"revision {last.number} is {last.status.value}")
    if attempt is None and last.status.pending and not insist and now < last.time + timeout:
        return Busy(f"revision {last.number} is {last.status.value}", last.time + timeout)
    good = _marked(observed) if attempt is not None else (_deployed(observed) or _marked(observed))
    if good is None:
        return _without_good(observed, last, attempt)
    why = f"revision {last.number} is {last.status.value}" + (" and passed no check" if attempt is not None else "")
    if purpose is Purpose.RUN:
        return Return(good, why) if last.status.pending else Ready(good)
    settled = good == last.number and last.status is Status.DEPLOYED
    return Settled(good, journal.attempt is not None) if settled else Return(good, why)


def _marked(observed: Observed) -> int | None:
    mark = observed.journal.good
    known = {Mark(one.number, one.updated) for one in observed.history}
    return mark.revision if mark in known and mark is not None else None


def _deployed(observed: Observed) -> int | None:
    """Return the newest deployed revision: where no attempt of ours is open, it is good, whoever made it.

    A superseded one says nothing: Helm calls a failed revision superseded once a rollback from it fails, too.
    """
    return max((one.number for one in observed.history if one.status is Status.DEPLOYED), default=None)


def _without_good(observed: Observed, last: Revision, attempt: Attempt | None) -> Verdict:
    why = f"revision {last.number} is {last.status.value} and no revision is known to be good"
    first = observed.history[0]
    if attempt is not None:
        ours = observed.journal.good is None and first.number >= attempt.revision
        return Return(None, f"the first install (revision {last.number}) passed no check") if ours else Lost(why)
    if last.status is Status.PENDING_INSTALL and first is last:
        return Return(None, "the first install never finished")
    return Lost(why)


class Step(enum.Enum):
    """Where a stage's rollout is; the last five are ends."""

    PREFLIGHT = "preflight"
    OPEN = "open"
    INSTALL = "install"
    UPGRADE = "upgrade"
    VERIFY = "verify"
    CHECK = "check"
    ACCEPT = "accept"
    SEIZE = "seize"
    ROLLBACK = "rollback"
    UNINSTALL = "uninstall"
    CONFIRM = "confirm"
    CLOSE = "close"
    TIDY = "tidy"
    DONE = "done"
    SETTLED = "settled"
    ROLLED_BACK = "rolled-back"
    STUCK = "stuck"
    REFUSED = "refused"

    @property
    def final(self) -> bool:
        """Tell whether nothing follows."""
        return self in (Step.DONE, Step.SETTLED, Step.ROLLED_BACK, Step.STUCK, Step.REFUSED)

    @property
    def interruptible(self) -> bool:
        """Tell whether a cancelled run leaves it at once; the way back is never left."""
        return self in (Step.PREFLIGHT, Step.OPEN, Step.INSTALL, Step.UPGRADE, Step.VERIFY, Step.CHECK)


@dataclass(frozen=True, slots=True)
class State:
    """A step with what the next ones must know.

    ``good`` is the revision that a failure leads back to, ``None`` that there is none and an uninstall does;
    ``cause`` is what went wrong first, ``trouble`` what went wrong on the way back. ``asked`` says that a person chose
    ``good``.
    """

    step: Step
    purpose: Purpose
    good: int | None = None
    cause: str = ""
    trouble: str = ""
    failed: bool = False
    returned: bool = False
    asked: bool = False

    @classmethod
    def start(cls, purpose: Purpose) -> State:
        """Return the state before anything was looked at."""
        return cls(Step.PREFLIGHT, purpose)


@dataclass(frozen=True, slots=True)
class Done:
    """The step did what it should."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The step failed; ``why`` is a sentence."""

    why: str


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The step was left because the run was cancelled."""


@dataclass(frozen=True, slots=True)
class Taken:
    """Somebody else took the stage over; it isn't ours any more."""

    why: str


Event = Verdict | Done | Failed | Cancelled | Taken

_NEXT = {
    Step.INSTALL: Step.VERIFY,
    Step.UPGRADE: Step.VERIFY,
    Step.VERIFY: Step.CHECK,
    Step.CHECK: Step.ACCEPT,
    Step.ACCEPT: Step.DONE,
    Step.ROLLBACK: Step.CONFIRM,
    Step.UNINSTALL: Step.CONFIRM,
    Step.CONFIRM: Step.CLOSE,
    Step.TIDY: Step.SETTLED,
}


def advance(state: State, event: Event) -> State:
    """Return the state that follows ``state`` when ``event`` came of it."""
    match event:
        case Taken(why):
            refused = state.step in (Step.PREFLIGHT, Step.OPEN, Step.SEIZE) and not state.failed
            end = Step.REFUSED if refused else Step.STUCK
            return replace(state, step=end, cause=state.cause or why, trouble=why)
        case Done():
            return _went_well(state)
        case Failed(why):
            return _went_wrong(state, why)
        case Cancelled():
            return _went_wrong(state, "the run was cancelled")
        case _:
            return _assessed(state, event)


def _assessed(state: State, verdict: Verdict) -> State:
    match verdict:
        case Ready(good):
            return replace(state, step=Step.OPEN, good=good)
        case Return(good, why):
            if state.returned:
                return replace(state, step=Step.STUCK, cause=state.cause or why, trouble=f"after a rollback {why}")
            return replace(state, step=Step.SEIZE, good=good, cause=why)
        case Settled(good, still_open):
            return replace(state, step=Step.TIDY if still_open else Step.SETTLED, good=good)
        case Busy(why, _) | Lost(why):
            end = Step.STUCK if isinstance(verdict, Lost) and state.purpose is Purpose.RECOVER else Step.REFUSED
            return replace(state, step=end, cause=why, trouble=why)


def _went_well(state: State) -> State:
    match state.step:
        case Step.OPEN:
            return replace(state, step=Step.INSTALL if state.good is None else Step.UPGRADE)
        case Step.SEIZE:
            return replace(state, step=_way_back(state))
        case Step.CLOSE:
            if state.purpose is Purpose.RUN and not state.failed:
                return replace(state, step=Step.PREFLIGHT, cause="", returned=True)
            return replace(state, step=Step.ROLLED_BACK)
        case step:
            return replace(state, step=_NEXT[step])


def _went_wrong(state: State, why: str) -> State:
    if state.step in (Step.PREFLIGHT, Step.OPEN):
        end = Step.STUCK if state.purpose is Purpose.RECOVER else Step.REFUSED
        return replace(state, step=end, cause=state.cause or why, trouble=why)
    if state.step in (Step.INSTALL, Step.UPGRADE, Step.VERIFY, Step.CHECK, Step.ACCEPT):
        return replace(state, step=_way_back(state), cause=why, failed=True)
    return replace(state, step=Step.STUCK, cause=state.cause or why, trouble=why)


def _way_back(state: State) -> Step:
    return Step.UNINSTALL if state.good is None else Step.ROLLBACK
