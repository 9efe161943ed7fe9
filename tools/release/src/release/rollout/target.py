"""What a rollout needs of the world, for one stage."""

from __future__ import annotations

from typing import Protocol

from release.rollout.machine import Journal, Revision

__all__ = ["Interrupted", "StageTaken", "StepFailed", "Target"]


class StepFailed(Exception):
    """A step did not do what it should; the text is a sentence for people."""


class StageTaken(Exception):
    """Somebody else wrote the journal or deployed in the meantime."""


class Interrupted(Exception):
    """The run was cancelled while an interruptible step was under way."""


class Target(Protocol):
    """One Helm release in one namespace.

    Every method may raise :class:`StepFailed`; those that an interruptible step calls :class:`Interrupted` too.
    """

    def history(self) -> tuple[Revision, ...]:
        """Return the revisions in the order of their numbers; none when there is no release."""

    def journal(self) -> Journal:
        """Return what the cluster holds of our own."""

    def write(self, journal: Journal) -> None:
        """Replace the journal that was read last.

        Raises:
            StageTaken: it is another one by now.
        """

    def install(self) -> None:
        """Install the chart and wait until it is ready."""

    def upgrade(self) -> None:
        """Upgrade to the chart and wait until it is ready."""

    def verify(self, *, interruptible: bool) -> None:
        """Wait until the workloads of the newest revision are ready; a cancelled run leaves it if ``interruptible``."""

    def check(self, revision: int) -> None:
        """Run the stage's check."""

    def rollback(self, revision: int) -> None:
        """Make a new revision of what ``revision`` was."""

    def uninstall(self) -> None:
        """Remove the release with its history."""

    def same(self, revision: int, other: int) -> bool:
        """Tell whether two revisions have the same manifest."""
