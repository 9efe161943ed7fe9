"""One peer at work on one clone: its invocations, timed as one and judged as one."""

from __future__ import annotations

from collections.abc import Mapping

from expected import Expected, judge
from measure import Sample, run
from peers.peer import Invocation, Peer

LIMIT = 600.0
QUICK = 15.0


class Work:
    """What a peer does for all components, or for a sample of them whose time then stands for all.

    `notes` says what a reader of its time must know.
    """

    def __init__(self, peer: Peer, invocations: list[Invocation], expected: Mapping[str, Expected]) -> None:
        self._peer = peer
        self._expected = expected
        if peer.sample is not None:
            invocations = invocations[:: max(1, len(invocations) // peer.sample)][: peer.sample]
        self._invocations = invocations
        self._covered = [name for invocation in invocations for name in invocation.covers]
        self._versions: dict[str, str] = {}
        self.notes: list[str] = []
        if len(invocations) > 1:
            self.notes.append(f"{len(expected) if self._share > 1 else len(invocations)} runs")
        if self._share > 1:
            self.notes.append(f"EXTRAPOLATED from {len(self._covered)}")

    @property
    def _share(self) -> float:
        return len(self._expected) / len(self._covered)

    def repeatable(self, first: Sample) -> bool:
        """Return whether it's worth to run it again: it's one command, and a quick one."""
        return len(self._invocations) == 1 and first.seconds < QUICK

    def once(self) -> Sample:
        """Run every invocation and return what all of them took.

        Raises:
            CommandFailed: one failed, or they took longer than 600 s together.
        """
        left = LIMIT
        taken: list[Sample] = []
        for invocation in self._invocations:
            sample = run(invocation.command, invocation.folder, invocation.environment, left)
            left -= sample.seconds
            taken.append(sample)
            self._versions |= self._peer.versions(invocation, sample.output)
        return Sample(
            sum(sample.seconds for sample in taken) * self._share,
            max(sample.mebibytes for sample in taken),
            max(sample.own_mebibytes for sample in taken),
        )

    def judged(self) -> tuple[int, int]:
        """Return how many versions of the last run were right, and of how many."""
        return judge(self._versions, self._expected, self._covered)
