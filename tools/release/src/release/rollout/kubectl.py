"""kubectl as a program: whether workloads are ready, and the journal's ConfigMap."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

from release.rollout import manifests
from release.rollout.journal import config_map, journal_name, read
from release.rollout.machine import Journal
from release.rollout.process import Finished, Programs
from release.rollout.target import StageTaken, StepFailed

__all__ = ["Journals", "Kubectl"]

_QUERY = 60.0
_SPARE = 15.0


@dataclass(frozen=True, slots=True)
class Kubectl:
    """The program ``kubectl``, for one context of the kubeconfig (empty: the current one)."""

    programs: Programs
    program: str = "kubectl"
    context: str = ""

    def contexts(self) -> dict[str, str]:
        """Return the cluster of each context of the kubeconfig; the current one comes first."""
        raw = msgspec.json.decode(self.run("config", "view", "--output", "json").out)
        found = {one["name"]: one["context"].get("cluster", "") for one in raw.get("contexts") or ()}
        current = raw.get("current-context") or ""
        first = {current: found[current]} if current in found else {}
        return {**first, **found}

    def wait_ready(self, manifest: str, namespace: str, timeout: float, *, interruptible: bool) -> None:
        """Wait until every workload of ``manifest`` has been rolled out, all together for ``timeout`` seconds.

        Raises:
            StepFailed: one is not ready in time, or isn't there.
        """
        end = time.monotonic() + timeout
        for kind, name, where in manifests.workloads(manifest, namespace):
            left = max(1, int(end - time.monotonic()))
            self.run(
                "rollout",
                "status",
                f"{kind}/{name}",
                "--namespace",
                where,
                f"--timeout={left}s",
                timeout=left + _SPARE,
                interruptible=interruptible,
            )

    def run(self, *arguments: str, timeout: float = _QUERY, data: str = "", interruptible: bool = False) -> Finished:
        """Run kubectl with ``arguments``.

        Raises:
            StepFailed: it ends with another code than 0.
        """
        done = self.ended(*arguments, timeout=timeout, data=data, interruptible=interruptible)
        if done.code:
            verb = " ".join(arguments[:3] if arguments[0] == "rollout" else arguments[:2])
            raise StepFailed(f"`kubectl {verb}` failed: {_last_line(done)}")
        return done

    def ended(self, *arguments: str, timeout: float = _QUERY, data: str = "", interruptible: bool = False) -> Finished:
        """Run kubectl with ``arguments``, whatever code it ends with."""
        context = ("--context", self.context) if self.context else ()
        return self.programs.run(
            [self.program, *arguments, *context], timeout=timeout, data=data, interruptible=interruptible
        )


@dataclass
class Journals:
    """The journal of one release; the API server's ``resourceVersion`` keeps two writers apart."""

    kubectl: Kubectl
    release: str
    namespace: str
    _version: str = field(default="", init=False)

    def read(self) -> Journal:
        """Return the journal, an empty one when there is none yet."""
        out = self.kubectl.run(
            "get", "configmap", journal_name(self.release), "--ignore-not-found", "--output", "json", *self._where()
        ).out
        if not out.strip():
            self._version = ""
            return Journal()
        journal, self._version = read(_decoded(out))
        return journal

    def write(self, journal: Journal) -> None:
        """Replace the journal that was read or written last.

        Raises:
            StageTaken: somebody else has written it since.
            StepFailed: it could not be written.
        """
        manifest = config_map(journal, self.release, self.namespace, self._version)
        verb = "replace" if self._version else "create"
        done = self._put(verb, manifest)
        if done.code and verb == "create" and re.search(r'namespaces? "[^"]+" not found', done.err):
            self.kubectl.run("create", "namespace", self.namespace)
            done = self._put(verb, manifest)
        if done.code and re.search(r"\((Conflict|AlreadyExists|NotFound)\)", done.err):
            if self.read() != journal:
                raise StageTaken("somebody else has written the journal of this rollout")
            return
        if done.code:
            raise StepFailed(f"the journal could not be written: {_last_line(done)}")
        _, self._version = read(_decoded(done.out))

    def _put(self, verb: str, manifest: dict[str, Any]) -> Finished:
        return self.kubectl.ended(
            verb, "--filename", "-", "--output", "json", *self._where(), data=msgspec.json.encode(manifest).decode()
        )

    def _where(self) -> Iterator[str]:
        return iter(("--namespace", self.namespace))


def _decoded(text: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise StepFailed(f"kubectl printed what is no JSON: {error}") from None


def _last_line(done: Finished) -> str:
    lines = [line for line in (done.err or done.out).strip().splitlines() if line.strip()]
    return lines[-1] if lines else f"exit code {done.code}"
