"""A stage in a real cluster: Helm, kubectl and the stage's check behind :class:`release.rollout.target.Target`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from release.rollout.helm import Helm, Release
from release.rollout.kubectl import Journals, Kubectl
from release.rollout.machine import DESCRIPTION, Journal, Revision
from release.rollout.process import Programs
from release.rollout.target import StepFailed

__all__ = ["Cargo", "Live"]

_MOST = 200


@dataclass(frozen=True, slots=True)
class Cargo:
    """What is rolled out: a chart folder or archive, values files, and words for people."""

    chart: str
    values: Sequence[Path]
    words: str

    @property
    def description(self) -> str:
        """Return the revision's description; Helm 4 takes no more than 256 characters."""
        return f"{DESCRIPTION}{self.words}"[:_MOST]


@dataclass
class Live:
    """One Helm release in one namespace of a cluster; ``cargo`` is ``None`` where nothing is rolled out."""

    release: Release
    helm: Helm
    kubectl: Kubectl
    programs: Programs
    check_command: str
    check_environment: Mapping[str, str]
    cargo: Cargo | None = None

    def __post_init__(self) -> None:
        self._journals = Journals(self.kubectl, self.release.name, self.release.namespace)

    def history(self) -> tuple[Revision, ...]:
        """Return the revisions in the order of their numbers."""
        return self.helm.history(self.release)

    def journal(self) -> Journal:
        """Return the journal."""
        return self._journals.read()

    def write(self, journal: Journal) -> None:
        """Replace the journal that was read last."""
        self._journals.write(journal)

    def install(self) -> None:
        """Install the chart."""
        cargo = self._cargo()
        self.helm.install(self.release, cargo.chart, cargo.values, cargo.description)

    def upgrade(self) -> None:
        """Upgrade to the chart."""
        cargo = self._cargo()
        self.helm.upgrade(self.release, cargo.chart, cargo.values, cargo.description)

    def verify(self, *, interruptible: bool) -> None:
        """Wait until the workloads of the newest revision are ready."""
        last = self.history()[-1]
        manifest = self.helm.manifest(self.release, last.number)
        self.kubectl.wait_ready(manifest, self.release.namespace, self.helm.timeout, interruptible=interruptible)

    def check(self, revision: int) -> None:
        """Run the stage's check with ``sh``."""
        done = self.programs.run(
            ["sh", "-c", self.check_command],
            timeout=self.helm.timeout,
            interruptible=True,
            shown=True,
            extra={**self.check_environment, "RELEASE_REVISION": str(revision)},
        )
        if done.code:
            raise StepFailed(f"the check `{self.check_command}` ended with {done.code}")

    def rollback(self, revision: int) -> None:
        """Roll back."""
        self.helm.rollback(self.release, revision)

    def uninstall(self) -> None:
        """Uninstall."""
        self.helm.uninstall(self.release)

    def same(self, revision: int, other: int) -> bool:
        """Compare the manifests of two revisions."""
        return self.helm.manifest(self.release, revision) == self.helm.manifest(self.release, other)

    def _cargo(self) -> Cargo:
        if self.cargo is None:
            raise StepFailed("there is no chart to roll out")
        return self.cargo
