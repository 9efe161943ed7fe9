"""From ``release.yaml`` and the command line to stages that can be driven."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import yaml

from release.errors import RolloutRefused
from release.rollout import images
from release.rollout.drive import Driver
from release.rollout.helm import Helm, Release
from release.rollout.images import Pin
from release.rollout.journal import holder, is_gone
from release.rollout.kubectl import Kubectl
from release.rollout.live import Cargo, Live
from release.rollout.machine import State
from release.rollout.process import Cancellation, Programs
from release.rollout.target import StepFailed
from release.workspace.delivery import Rollout, Stage

__all__ = ["Chart", "Site", "selected"]


def selected(rollout: Rollout, names: Sequence[str] = (), start: str = "") -> list[Stage]:
    """Return the stages to go through, in their order: those called ``names`` (all, where none), from ``start`` on.

    Raises:
        RolloutRefused: there is no such stage, or none is left.
    """
    known = [stage.name for stage in rollout.stages]
    for name in (*names, *([start] if start else [])):
        if name not in known:
            raise RolloutRefused(f"there is no stage {name}", fix=f"the stages are: {', '.join(known)}")
    first = known.index(start) if start else 0
    found = [stage for stage in rollout.stages[first:] if not names or stage.name in names]
    if not found:
        raise RolloutRefused(f"none of {', '.join(names)} comes after {start}", fix="name other stages")
    return found


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart on this disk, folder or archive, with the facts of its ``Chart.yaml``."""

    path: str
    name: str
    version: str


@dataclass(frozen=True, slots=True)
class Site:
    """What all stages of a rollout share."""

    rollout: Rollout
    root: Path
    environment: Mapping[str, str]
    cancellation: Cancellation

    @property
    def programs(self) -> Programs:
        """Return what runs programs in the repository's root."""
        return Programs(self.root, self.environment, self.cancellation)

    @property
    def timeout(self) -> int:
        """Return the seconds that one step may take."""
        return self.rollout.timeout * 60

    def helm(self) -> Helm:
        """Return Helm: ``HELM``, else the one on ``PATH``."""
        return Helm(self.programs, self.timeout, self.environment.get("HELM") or "helm")

    def kubectl(self, context: str = "") -> Kubectl:
        """Return kubectl: ``KUBECTL``, else the one on ``PATH``."""
        return Kubectl(self.programs, self.environment.get("KUBECTL") or "kubectl", context)

    def refuse_other_helm(self) -> None:
        """Refuse a Helm of another major version than the configuration's: their flags differ.

        Raises:
            RolloutRefused: with both versions.
        """
        wanted, found = int(self.rollout.helm.partition(".")[0]), self.helm().major
        if wanted != found:
            raise RolloutRefused(
                f"this is Helm {found}, and release.yaml says {self.rollout.helm}",
                fix="install that version, or name it in the variable HELM",
            )

    def chart(self, reference: str, version: str, folder: Path, name: str) -> Chart:
        """Return the chart that ``reference`` means; one of a registry is downloaded once, into ``folder``.

        Raises:
            RolloutRefused: it can't be read, or is not the chart ``name``.
        """
        path = reference
        try:
            if re.match(r"[a-z]+://", reference):
                path = str(self.helm().pull(reference, version, folder))
            elif version:
                raise RolloutRefused(
                    "--version chooses among the versions in a registry, and the chart is a file", fix="leave it out"
                )
            elif not (self.root / reference).exists():
                raise RolloutRefused(f"there is no chart at {reference}", fix="name a folder, an archive or oci://…")
            facts = yaml.safe_load(self.helm().chart_yaml(path))
        except StepFailed as error:
            raise RolloutRefused(
                f"the chart {reference} can't be read: {error}", fix="look at what Helm says"
            ) from None
        if facts.get("name") != name:
            raise RolloutRefused(
                f"{reference} is the chart {facts.get('name')}, and release.yaml rolls out {name}",
                fix="name another chart, or change `rollout.chart`",
            )
        return Chart(path, name, str(facts.get("version")))

    def values(self, stage: Stage, chart: Chart, pins: Iterable[Pin], folder: Path) -> list[Path]:
        """Return the values files of ``stage``, the last of them with the images by digest.

        Raises:
            RolloutRefused: one isn't there, or the chart has no such image.
        """
        files = [self.root / path for path in stage.values]
        for file, path in zip(files, stage.values, strict=True):
            if not file.is_file():
                raise RolloutRefused(
                    f"{stage.name}: there is no values file {path}", fix="write it, or correct `values`"
                )
        try:
            pinned = images.pinned_values(self.helm().chart_values(chart.path), pins)
        except StepFailed as error:
            raise RolloutRefused(f"{stage.name}: {error}", fix="look at what Helm says") from None
        if pinned:
            file = folder / f"images-{stage.name}.json"
            file.write_bytes(msgspec.json.encode(pinned))
            files.append(file)
        return files

    def cargo(self, stage: Stage, chart: Chart, pins: Sequence[Pin], folder: Path) -> Cargo:
        """Return what ``stage`` gets, rendered once to see that every image is pinned by digest.

        Raises:
            RolloutRefused: it can't be rendered, or an image is not pinned.
        """
        files = self.values(stage, chart, pins, folder)
        release = Release(self.rollout.release, stage.namespace)
        try:
            manifest = self.helm().template(release, chart.path, files, upgrade=False)
            images.refuse_unpinned(manifest, pins, stage.name)
        except StepFailed as error:
            raise RolloutRefused(f"{stage.name}: {error}", fix="try `release rollout diff`") from None
        words = " ".join([chart.name, chart.version, *(f"{pin.name}@{pin.digest[:19]}" for pin in pins)])
        return Cargo(chart.path, files, words)

    def context(self, stage: Stage) -> str:
        """Return the kubeconfig's context for ``stage``; empty for the current one, where the stage names no cluster.

        A context fits when it, or its cluster, is called as the stage's cluster, or ends in it as the clouds' own
        names do (``gke_PROJECT_LOCATION_NAME``, ``arn:aws:eks:REGION:ACCOUNT:cluster/NAME``).

        Raises:
            RolloutRefused: no context fits, or several do and none of them is the current one.
        """
        if not stage.cluster:
            return ""
        try:
            known = self.kubectl().contexts()
        except StepFailed as error:
            raise RolloutRefused(f"{stage.name}: {error}", fix="name a kubeconfig in the variable KUBECONFIG") from None
        fitting = [
            name for name, cluster in known.items() if any(_ends_in(one, stage.cluster) for one in (name, cluster))
        ]
        if len(fitting) == 1 or (fitting and fitting[0] == next(iter(known))):
            return fitting[0]
        found = f"several contexts ({', '.join(fitting)}) lead" if fitting else "no context of the kubeconfig leads"
        raise RolloutRefused(
            f"{stage.name}: {found} to the cluster {stage.cluster}",
            fix="log in to that cluster, or choose its context with `kubectl config use-context`",
        )

    def target(self, stage: Stage, cargo: Cargo | None = None) -> Live:
        """Return ``stage`` in its cluster."""
        release = Release(self.rollout.release, stage.namespace, self.context(stage))
        chosen = {
            "RELEASE_STAGE": stage.name,
            "RELEASE_ENVIRONMENT": stage.environment,
            "RELEASE_NAMESPACE": stage.namespace,
            "RELEASE_CLUSTER": stage.cluster,
            "RELEASE_NAME": self.rollout.release,
            "RELEASE_CHART": self.rollout.chart,
        }
        kubectl = self.kubectl(release.context)
        return Live(release, self.helm(), kubectl, self.programs, stage.check, chosen, cargo)

    def driver(
        self,
        target: Live,
        *,
        now: Callable[[], float],
        report: Callable[[State], None],
        insist: bool,
    ) -> Driver:
        """Return what drives ``target``; ``insist`` takes whoever may be at work there for ended."""
        return Driver(
            target,
            now=now,
            timeout=float(self.timeout),
            holder=holder(self.environment),
            gone=is_gone,
            cancelled=self.cancellation.requested,
            report=report,
            insist=insist,
        )


def _ends_in(name: str, cluster: str) -> bool:
    return name == cluster or re.split(r"[/_:]", name)[-1] == cluster
