"""What ``release rollout status`` and ``release rollout diff`` say of a stage."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from release.errors import RolloutRefused
from release.rollout import images, manifests
from release.rollout.helm import Release
from release.rollout.images import Pin
from release.rollout.live import Live
from release.rollout.machine import Mark, Status
from release.rollout.stages import Chart, Site
from release.rollout.target import StepFailed
from release.workspace.delivery import Stage

__all__ = ["difference_of", "status_of"]


def status_of(stage: Stage, target: Live) -> dict[str, Any]:
    """Return what ``stage`` runs: revision, Helm's status, the good revision, chart, images by digest, open attempt.

    Raises:
        RolloutRefused: the cluster can't be asked.
    """
    try:
        history = target.history()
        journal = target.journal()
        last = history[-1] if history else None
        manifest = target.helm.manifest(target.release, last.number) if last is not None else ""
    except StepFailed as error:
        raise RolloutRefused(f"{stage.name}: {error}", fix="look at the kubeconfig and the cluster") from None
    known = {Mark(one.number, one.updated) for one in history}
    attempt = journal.attempt
    return {
        "stage": stage.name,
        "namespace": stage.namespace,
        "cluster": stage.cluster,
        "revision": last.number if last is not None else None,
        "status": last.status.value if last is not None else None,
        "good": journal.good.revision if journal.good in known and journal.good is not None else None,
        "chart": last.chart if last is not None else None,
        "images": manifests.images(manifest),
        "attempt": {"revision": attempt.revision, "step": attempt.step, "holder": attempt.holder} if attempt else None,
    }


def difference_of(site: Site, stage: Stage, chart: Chart, pins: Sequence[Pin], folder: Path) -> dict[str, Any]:
    """Return how ``chart`` differs from what ``stage`` runs; without a cluster it is linted and rendered only.

    Raises:
        RolloutRefused: the chart is wrong, or the cluster does not answer.
    """
    helm = site.helm()
    try:
        files = site.values(stage, chart, pins, folder)
        helm.lint(chart.path, files, stage.namespace)
        here = bool(site.kubectl().contexts())
        release = Release(site.rollout.release, stage.namespace, site.context(stage) if here else "")
        history = helm.history(release) if here else ()
        deployed = next((one for one in reversed(history) if one.status is Status.DEPLOYED), None)
        rendered = helm.template(release, chart.path, files, upgrade=deployed is not None)
        compared = helm.template(release, chart.path, files, upgrade=deployed is not None, hooks=False)
        before = helm.manifest(release, deployed.number) if deployed is not None else ""
        lines = manifests.differences(before, compared, stage.namespace) if here else []
    except StepFailed as error:
        raise RolloutRefused(f"{stage.name}: {error}", fix="mend the chart, its values or the cluster") from None
    if not here:
        words = "linted and rendered; there is no kubeconfig, so nothing is compared"
    elif deployed is None:
        words = "no revision is deployed; all is new"
    else:
        words = f"compared with revision {deployed.number}" + ("" if lines else ": no difference")
    return {
        "stage": stage.name,
        "words": words,
        "deployed": deployed.number if deployed is not None else None,
        "unpinned": images.unpinned(rendered),
        "diff": lines,
    }
