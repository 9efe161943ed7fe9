"""Workflow ``helm-rollout``: a released chart, stage after stage, with a check between."""

from __future__ import annotations

from collections.abc import Sequence

from release.ci.expression import cancelled, context, either, failure
from release.ci.part import Frame, Part
from release.ci.site import Site
from release.ci.steps import chart_login, cluster, helm, login, opening, release
from release.ci.workflow import Concurrency, Job, Purpose, Trigger, Value
from release.workspace.delivery import Rollout, Stage

__all__ = ["HELM_ROLLOUT"]


def _jobs(site: Site) -> Sequence[Job]:
    rollout = site.config.rollout
    if rollout is None:
        return ()
    jobs: list[Job] = []
    for number, stage in enumerate(rollout.stages):
        keys = ("rollout", "stages", str(number))
        jobs.append(_stage(site, rollout, stage, tuple(job.id for job in jobs[-1:]), keys))
    return jobs


def _stage(site: Site, rollout: Rollout, stage: Stage, before: tuple[str, ...], keys: tuple[str, ...]) -> Job:
    chart: dict[str, Value] = {"STAGE": stage.name}
    minutes = min(4 * rollout.timeout + 30, 360)
    environment = site.environment(stage.environment, *keys, "environment")
    if stage.cluster and not (environment.aws or environment.gcp or environment.azure):
        raise site.error(
            f"the stage {stage.name!r} names a cluster, but its environment {stage.environment!r} has no identity",
            "write aws, gcp or azure below the environment, or leave the cluster out",
            *keys,
            "cluster",
        )
    reach = cluster(site, stage.environment, stage.cluster, stage.location) if stage.cluster else ()
    return Job(
        id=f"stage-{stage.name}",
        name=f"stage {stage.name}",
        why=f"Rolls the chart out to the stage {stage.name} and checks it before the next stage begins.",
        runner=site.config.ci.runner,
        minutes=minutes,
        after=before,
        environment=stage.environment,
        concurrency=Concurrency(f"rollout-{rollout.release}-{stage.name}", queued=True),
        steps=(
            *opening(site, history=True),
            helm(site),
            *login(site, stage.environment, Purpose.APPLY, f"roll out to {stage.environment}", *keys, "environment"),
            *reach,
            *chart_login(site),
            release(
                site,
                "Roll out",
                'rollout run "$STAGE" --chart "$CHART" --version "$VERSION"',
                env={
                    **chart,
                    "CHART": context("inputs.chart"),
                    "VERSION": context("inputs.version"),
                    "RELEASE_IMAGES": context("inputs.images"),
                },
                signals=True,
            ),
            release(
                site,
                "Recover the last good revision",
                'rollout recover "$STAGE"',
                env=chart,
                condition=either(failure(), cancelled()),
                signals=True,
            ),
        ),
        again=site.tool(f"release rollout status {stage.name}"),
    )


def _frame(site: Site) -> Frame:
    assert site.config.rollout is not None
    return Frame(
        name="helm-rollout",
        why="Rolls a released chart out, stage after stage.",
        triggers=(
            Trigger(
                "workflow_dispatch",
                inputs={
                    "chart": "The chart, such as oci://ghcr.io/acme/charts/site",
                    "version": "Its version",
                    "images": "Images that its values don't pin, with spaces between: NAME=REPOSITORY@sha256:…",
                },
            ),
        ),
        concurrency=Concurrency(f"rollout-{site.config.rollout.release}", queued=True),
    )


HELM_ROLLOUT = Part("helm-rollout", "helm-rollout", "Rolls a released chart out, stage after stage.", _jobs, _frame)
