"""Takes one stage through the state machine: does what a state asks for and tells the machine what came of it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from release.rollout.machine import (
    Attempt,
    Busy,
    Cancelled,
    Done,
    Event,
    Failed,
    Journal,
    Mark,
    Observed,
    Purpose,
    Return,
    Revision,
    State,
    Status,
    Step,
    Taken,
    Verdict,
    advance,
    assess,
    by_hand,
)
from release.rollout.target import Interrupted, StageTaken, StepFailed, Target

__all__ = ["Driver", "Ended", "Report", "in_order"]

Report = Callable[[State], None]
_GRACE = 60.0


@dataclass
class Driver:
    """Drives one stage; ``timeout`` is the seconds that one step may take, ``now`` the clock.

    ``revision`` is the one that the run makes and, once it has ended, the one that is there (0: none).
    """

    target: Target
    now: Callable[[], float]
    timeout: float
    holder: str
    gone: Callable[[str], bool]
    cancelled: Callable[[], bool]
    report: Report
    insist: bool = False
    _journal: Journal = field(default_factory=Journal)
    revision: int = 0

    def run(self) -> State:
        """Roll out, and go back when it fails; return the state it ended in."""
        return self._drive(State.start(Purpose.RUN))

    def recover(self) -> State:
        """Bring what a killed or cancelled run left to the last good revision; return the state it ended in."""
        return self._drive(State.start(Purpose.RECOVER))

    def go_back(self, revision: int) -> State:
        """Go to ``revision``, which a person calls good, whatever was there; return the state it ended in."""
        return self._drive(State(Step.PREFLIGHT, Purpose.RECOVER, good=revision, asked=True))

    def _drive(self, state: State) -> State:
        while not state.step.final:
            self.report(state)
            state = advance(state, self._event(state))
        self.report(state)
        return state

    def _event(self, state: State) -> Event:
        try:
            if state.step.interruptible and self.cancelled():
                return Cancelled()
            return self._perform(state) or Done()
        except Interrupted:
            return Cancelled()
        except StageTaken as taken:
            return Taken(str(taken))
        except StepFailed as failed:
            return Failed(str(failed))

    def _perform(self, state: State) -> Verdict | None:
        match state.step:
            case Step.PREFLIGHT:
                verdict = self._look(state.purpose)
                asked = state.asked and not isinstance(verdict, Busy)
                return Return(state.good, "a person asked for it") if asked else verdict
            case Step.OPEN:
                self._open(state.good)
            case Step.INSTALL:
                self.target.install()
            case Step.UPGRADE:
                self.target.upgrade()
            case Step.VERIFY:
                self._beat(state.step)
                self.target.verify(interruptible=True)
            case Step.CHECK:
                self._beat(state.step)
                self.target.check(self.revision)
            case Step.ACCEPT:
                self._accept()
            case Step.SEIZE:
                self._write(Journal(self._mark(state.good), self._attempt(state.step)))
            case Step.ROLLBACK | Step.UNINSTALL:
                self._return(state)
            case Step.CONFIRM:
                self._beat_if_possible(state.step)
                self._confirm(state.good)
            case Step.CLOSE | Step.TIDY:
                self._close(state.good)
        return None

    def _look(self, purpose: Purpose) -> Verdict:
        self._journal = self.target.journal()
        observed = Observed(self.target.history(), self._journal)
        attempt = self._journal.attempt
        self.revision = attempt.revision if attempt is not None else (observed.last.number if observed.last else 0)
        return assess(observed, purpose, now=self.now(), timeout=self.timeout, gone=self._is_gone, insist=self.insist)

    def _is_gone(self, holder: str) -> bool:
        return holder == self.holder or self.gone(holder)

    def _open(self, good: int | None) -> None:
        """Write down where a failure leads back to, before anything is changed."""
        history = self.target.history()
        if (good is None) != (not history):
            raise StageTaken("the release has changed since it was looked at")
        mark = self._mark(good)
        self.revision = history[-1].number + 1 if history else 1
        self._write(Journal(mark, self._attempt(Step.UPGRADE if history else Step.INSTALL)))

    def _accept(self) -> None:
        last = self._last()
        if last is None or last.number != self.revision or last.status is not Status.DEPLOYED:
            raise StageTaken(f"revision {self.revision} is not the newest, or not deployed, any more")
        self._write(Journal(Mark(last.number, last.updated)))

    def _return(self, state: State) -> None:
        """Roll back or uninstall, unless nothing was changed; a second try mends what was only a hiccup."""
        try:
            self._return_once(state)
        except StepFailed:
            self._return_once(state)

    def _return_once(self, state: State) -> None:
        last = self._last()
        if last is not None and state.purpose is Purpose.RUN and by_hand(last, self._attempt(state.step)):
            raise StageTaken(f"revision {last.number} was deployed by somebody else")
        if state.good is None:
            if last is not None:
                self._beat_if_possible(state.step)
                self.target.uninstall()
        elif last is None or last.number != state.good or last.status is not Status.DEPLOYED:
            self._beat_if_possible(state.step)
            self.target.rollback(state.good)

    def _confirm(self, good: int | None) -> None:
        """Look whether the way back led where it should."""
        last = self._last()
        if good is None:
            if last is not None:
                raise StepFailed(f"the release is still there: revision {last.number} is {last.status.value}")
            return
        if last is None or last.status is not Status.DEPLOYED:
            found = "no release" if last is None else f"revision {last.number}, {last.status.value}"
            raise StepFailed(f"there is {found} where revision {good} should be deployed again")
        if last.number != good and not self.target.same(good, last.number):
            raise StepFailed(f"revision {last.number} is not what revision {good} was")
        self.target.verify(interruptible=False)

    def _close(self, good: int | None) -> None:
        last = self._last()
        self.revision = last.number if last is not None else 0
        self._write(Journal(Mark(last.number, last.updated) if last is not None and good is not None else None))

    def _beat(self, step: Step) -> None:
        self._write(Journal(self._journal.good, self._attempt(step)))

    def _beat_if_possible(self, step: Step) -> None:
        """Beat, but let no journal that can't be written keep the stage from going back: it says where to already."""
        with contextlib.suppress(StepFailed):
            self._beat(step)

    def _mark(self, good: int | None) -> Mark | None:
        """Return the mark of revision ``good``.

        Raises:
            StageTaken: Helm's history does not have it any more.
        """
        if good is None:
            return None
        for one in self.target.history():
            if one.number == good:
                return Mark(one.number, one.updated)
        raise StageTaken(f"Helm's history has no revision {good}")

    def _attempt(self, step: Step) -> Attempt:
        return Attempt(self.revision, step.value, self.holder, self.now() + self.timeout + _GRACE)

    def _write(self, journal: Journal) -> None:
        self.target.write(journal)
        self._journal = journal

    def _last(self) -> Revision | None:
        history = self.target.history()
        return history[-1] if history else None


@dataclass(frozen=True, slots=True)
class Ended:
    """How a stage's rollout ended, and at which revision."""

    stage: str
    state: State
    revision: int


def in_order(stages: Sequence[tuple[str, Driver]]) -> list[Ended]:
    """Roll out stage by stage and stop after the first that isn't done; a cancelled run begins no further stage."""
    ended: list[Ended] = []
    for name, driver in stages:
        if ended and driver.cancelled():
            break
        ended.append(Ended(name, driver.run(), driver.revision))
        if ended[-1].state.step is not Step.DONE:
            break
    return ended
