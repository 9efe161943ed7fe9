"""Helm 3 and 4 as a program: which flags each takes, and what its JSON says."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path

import msgspec

from release.errors import RolloutRefused
from release.rollout.machine import Revision, Status
from release.rollout.process import Finished, Programs
from release.rollout.target import StepFailed

__all__ = ["Helm", "Release", "parse_history"]

_QUERY = 60.0
_SPARE = 30.0
_LINES = 12


class _Entry(msgspec.Struct):
    """A revision in ``helm history --output json``; both majors write these keys."""

    revision: int
    updated: str = ""
    status: str = "unknown"
    chart: str = ""
    description: str = ""


def parse_history(text: str) -> tuple[Revision, ...]:
    """Return the revisions of ``helm history --output json``, in the order of their numbers.

    Raises:
        StepFailed: it is not such a JSON.
    """
    try:
        entries = msgspec.json.decode(text, type=list[_Entry])
        found = [
            Revision(
                one.revision,
                Status(one.status) if one.status in _STATUSES else Status.UNKNOWN,
                one.updated,
                _seconds(one.updated),
                one.chart,
                one.description,
            )
            for one in entries
        ]
    except (msgspec.DecodeError, ValueError) as error:
        raise StepFailed(f"`helm history` printed what can't be read: {error}") from None
    return tuple(sorted(found, key=lambda one: one.number))


_STATUSES = {status.value for status in Status}


def _seconds(text: str) -> float:
    """Return Go's RFC 3339 time in seconds since the epoch."""
    return datetime.fromisoformat(text).timestamp() if text else 0.0


@dataclass(frozen=True, slots=True)
class Release:
    """Which release, where: ``context`` is kubeconfig's, empty for the current one."""

    name: str
    namespace: str
    context: str = ""

    def helm_flags(self) -> tuple[str, ...]:
        """Return Helm's flags for the place."""
        context = ("--kube-context", self.context) if self.context else ()
        return ("--namespace", self.namespace, *context)


@dataclass
class Helm:
    """The program ``helm`` of one major version; ``timeout`` is the seconds that an operation may take.

    Helm's own automatic rollback (``--atomic`` in Helm 3, ``--rollback-on-failure`` in Helm 4) is not used: it goes to
    a revision that Helm calls good and nobody checked, it can't be verified, and with a killed runner it is gone.
    """

    programs: Programs
    timeout: int
    program: str = "helm"

    @cached_property
    def major(self) -> int:
        """Return the major version.

        Raises:
            RolloutRefused: the program isn't there, or is neither 3 nor 4.
        """
        try:
            text = self._run("version", "--short").out.strip()
        except StepFailed as error:
            raise RolloutRefused(str(error), fix="install Helm 3 or 4, or name it in the variable HELM") from None
        found = re.match(r"v?(\d+)\.", text)
        if found is None or found[1] not in ("3", "4"):
            raise RolloutRefused(f"`helm version` says {text!r}", fix="install Helm 3 or 4")
        return int(found[1])

    def history(self, release: Release) -> tuple[Revision, ...]:
        """Return the revisions of ``release``; none when there is no such release."""
        done = self._ended("history", release.name, "--output", "json", *release.helm_flags())
        if done.code and "release: not found" in done.err:
            return ()
        return parse_history(_checked("history", done).out)

    def install(self, release: Release, chart: str, values: Sequence[Path], description: str) -> None:
        """Install ``chart`` and wait until its resources are ready."""
        self._change("install", release, chart, values, description)

    def upgrade(self, release: Release, chart: str, values: Sequence[Path], description: str) -> None:
        """Upgrade to ``chart`` with exactly these values and wait until its resources are ready."""
        self._change("upgrade", release, chart, values, description, "--reset-values")

    def rollback(self, release: Release, revision: int) -> None:
        """Make a new revision of what ``revision`` was, without waiting: whether it is ready is verified afterwards.

        Helm's own waiting would leave the release ``pending-rollback`` for as long, the state a killed runner leaves.
        """
        self._run(
            "rollback",
            release.name,
            str(revision),
            *self._timeout(),
            *release.helm_flags(),
            timeout=self.timeout + _SPARE,
        )

    def uninstall(self, release: Release) -> None:
        """Remove the release with its history, and wait until its resources are gone."""
        self._run(
            "uninstall", release.name, "--wait", *self._timeout(), *release.helm_flags(), timeout=self.timeout + _SPARE
        )

    def manifest(self, release: Release, revision: int) -> str:
        """Return the manifest of one revision."""
        flags = ("--revision", str(revision), *release.helm_flags())
        return self._run("get", "manifest", release.name, *flags).out

    def lint(self, chart: str, values: Sequence[Path], namespace: str) -> str:
        """Return what `helm lint` says.

        Raises:
            StepFailed: it says that the chart is wrong.
        """
        return self._run("lint", chart, *_values(values), "--namespace", namespace).out

    def template(
        self, release: Release, chart: str, values: Sequence[Path], *, upgrade: bool, hooks: bool = True
    ) -> str:
        """Return the rendered manifest of ``chart``; no cluster is asked."""
        flags = [*(["--is-upgrade"] if upgrade else []), *([] if hooks else ["--no-hooks"])]
        return self._run(
            "template", release.name, chart, *_values(values), *flags, "--namespace", release.namespace
        ).out

    def chart_yaml(self, chart: str) -> str:
        """Return the ``Chart.yaml`` of a chart."""
        return self._run("show", "chart", chart).out

    def chart_values(self, chart: str) -> str:
        """Return the ``values.yaml`` of a chart."""
        return self._run("show", "values", chart).out

    def pull(self, reference: str, version: str, folder: Path) -> Path:
        """Download a chart into the empty ``folder`` and return its archive."""
        asked = ("--version", version) if version else ()
        self._run("pull", reference, *asked, "--destination", str(folder), timeout=self.timeout)
        found = sorted(folder.glob("*.tgz"))
        if len(found) != 1:
            raise StepFailed(f"`helm pull {reference}` left {len(found)} archives")
        return found[0]

    def _change(
        self, verb: str, release: Release, chart: str, values: Sequence[Path], description: str, *further: str
    ) -> None:
        self._run(
            verb,
            release.name,
            chart,
            *_values(values),
            *further,
            "--wait=watcher" if self.major == 4 else "--wait",
            "--wait-for-jobs",
            *self._timeout(),
            "--description",
            description,
            *release.helm_flags(),
            timeout=self.timeout + _SPARE,
            interruptible=True,
        )

    def _timeout(self) -> tuple[str, str]:
        return "--timeout", f"{self.timeout}s"

    def _run(self, *arguments: str, timeout: float = _QUERY, interruptible: bool = False) -> Finished:
        verb = " ".join(arguments[:2]) if arguments[0] in ("get", "show") else arguments[0]
        return _checked(verb, self._ended(*arguments, timeout=timeout, interruptible=interruptible))

    def _ended(self, *arguments: str, timeout: float = _QUERY, interruptible: bool = False) -> Finished:
        return self.programs.run([self.program, *arguments], timeout=timeout, interruptible=interruptible)


def _values(files: Sequence[Path]) -> list[str]:
    return [word for file in files for word in ("--values", str(file))]


def _checked(verb: str, done: Finished) -> Finished:
    if done.code:
        said = [line for line in (done.err or done.out).strip().splitlines() if line.strip()]
        raise StepFailed(f"`helm {verb}` failed: {' | '.join(said[-_LINES:]) or f'exit code {done.code}'}")
    return done
