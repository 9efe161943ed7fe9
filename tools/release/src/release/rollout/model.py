"""A stage in memory that behaves as Helm does, with faults on demand: ``release rollout simulate`` uses it."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from release.rollout.machine import DESCRIPTION, Journal, Revision, Status
from release.rollout.target import Interrupted, StageTaken, StepFailed

__all__ = ["Fault", "Killed", "Model", "no_fault"]


class Fault(enum.Enum):
    """What goes wrong in one call."""

    FAIL = "fail"
    """Nothing, or a part, is done, and the call says that it failed."""
    LATE = "late"
    """All is done, and yet the call says that it failed."""
    CANCEL = "cancel"
    """The run is cancelled while the call is under way."""
    KILL_BEFORE = "kill-before"
    KILL = "kill"
    """The process is killed in the middle."""
    KILL_AFTER = "kill-after"


class Killed(BaseException):
    """The process is gone; nothing that follows in it is done."""


def no_fault(call: str) -> Fault | None:  # noqa: ARG001
    """Let every call succeed."""
    return None


@dataclass
class Model:
    """One release; ``fault`` is asked at each call that changes or waits, by the call's name.

    The content of a revision stands for its manifest.
    """

    name: str = "chart-1.0.0"
    fault: Callable[[str], Fault | None] = no_fault
    revisions: tuple[Revision, ...] = ()
    content: dict[int, str] = field(default_factory=dict)
    kept: Journal = field(default_factory=Journal)
    version: int = 0
    read: int = 0
    cancelled: bool = False
    time: float = 0.0

    @classmethod
    def deployed(cls, revision: int, content: str = "chart-1.0.0") -> Model:
        """Return a stage at a revision that somebody deployed by hand."""
        one = Revision(revision, Status.DEPLOYED, f"t{revision}", 0.0, content, "Upgrade complete")
        return cls(content, revisions=(one,), content={revision: content})

    def history(self) -> tuple[Revision, ...]:
        """Return the revisions in the order of their numbers."""
        return self.revisions

    def journal(self) -> Journal:
        """Return the journal, and know from now on whether it changes."""
        self.read = self.version
        return self.kept

    def write(self, journal: Journal) -> None:
        """Replace the journal that was read last."""
        with _Call(self, "write") as call:
            if self.read != self.version:
                raise StageTaken("somebody else has written the journal")
            call.changes()
            self.kept = journal
            self.version += 1
            self.read = self.version

    def install(self) -> None:
        """Install as Helm does: pending first, then deployed or failed."""
        if self.revisions:
            raise StepFailed("cannot reuse a name that is still in use")
        self._operate("install", 1, Status.PENDING_INSTALL, self.name, f"{DESCRIPTION}{self.name}")

    def upgrade(self) -> None:
        """Upgrade as Helm does; a pending release refuses."""
        last = self.revisions[-1] if self.revisions else None
        if last is None or last.status.pending:
            raise StepFailed("another operation is in progress" if last else "there is no deployed release")
        self._operate("upgrade", last.number + 1, Status.PENDING_UPGRADE, self.name, f"{DESCRIPTION}{self.name}")

    def verify(self, *, interruptible: bool) -> None:
        """Wait for the workloads."""
        with _Call(self, "verify", interruptible=interruptible):
            pass

    def check(self, revision: int) -> None:
        """Run the check of ``revision``."""
        with _Call(self, f"check {revision}", interruptible=True):
            pass

    def rollback(self, revision: int) -> None:
        """Roll back as Helm does: where it fails, even a revision that had failed is called superseded."""
        if revision not in self.content or not self.revisions:
            raise StepFailed(f"release has no {revision} version")
        number = self.revisions[-1].number + 1
        content = self.content[revision]
        try:
            self._operate("rollback", number, Status.PENDING_ROLLBACK, content, f"Rollback to {revision}")
        except StepFailed:
            if self.revisions[-1].status is Status.FAILED:
                self._set(self.revisions[-2].number, Status.SUPERSEDED)
            raise

    def uninstall(self) -> None:
        """Remove the release with its history."""
        with _Call(self, "uninstall") as call:
            self._set(self.revisions[-1].number, Status.UNINSTALLING)
            call.changes()
            self.revisions = ()
            self.content = {}

    def same(self, revision: int, other: int) -> bool:
        """Tell whether two revisions have the same content."""
        return self.content[revision] == self.content[other]

    def _operate(self, call: str, number: int, pending: Status, content: str, description: str) -> None:
        self.time += 1
        with _Call(self, call, interruptible=call != "rollback") as under_way:
            new = Revision(number, pending, f"t{number}/{self.time}", self.time, content, "Preparing")
            self.revisions += (new,)
            self.content[number] = content
            try:
                under_way.changes()
            except (StepFailed, Interrupted):
                self._set(number, Status.FAILED, f"{call} failed")
                raise
            for one in self.revisions[:-1]:
                if one.status is Status.DEPLOYED:
                    self._set(one.number, Status.SUPERSEDED)
            self._set(number, Status.DEPLOYED, description)

    def _set(self, number: int, status: Status, description: str | None = None) -> None:
        self.revisions = tuple(
            replace(one, status=status, description=one.description if description is None else description)
            if one.number == number
            else one
            for one in self.revisions
        )


class _Call:
    """One call with its fault: raised on the way in, at :meth:`changes`, or on the way out."""

    def __init__(self, model: Model, name: str, *, interruptible: bool = False) -> None:
        self._model = model
        self._name = name
        self._interruptible = interruptible
        self._fault: Fault | None = None
        self._changed = False

    def __enter__(self) -> _Call:
        self._fault = self._model.fault(self._name)
        if self._fault is Fault.KILL_BEFORE:
            raise Killed
        return self

    def changes(self) -> None:
        """Be at the point where the change is under way and not yet complete."""
        self._changed = True
        if self._fault is Fault.KILL:
            raise Killed
        if self._fault is Fault.FAIL:
            raise StepFailed(f"{self._name} failed")
        if self._fault is Fault.CANCEL:
            self._model.cancelled = True
            if self._interruptible:
                raise Interrupted

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            return
        if not self._changed:
            self.changes()
        if self._fault is Fault.LATE:
            raise StepFailed(f"{self._name} gave no answer")
        if self._fault is Fault.KILL_AFTER:
            raise Killed
