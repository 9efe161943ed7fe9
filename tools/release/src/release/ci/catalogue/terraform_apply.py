"""Workflow ``terraform-apply``: exactly the reviewed plans, environment after environment, one at a time."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from release.ci.catalogue.terraform_plan import environments, roots
from release.ci.expression import Template, both, cancelled, context, negated
from release.ci.part import Frame, Part
from release.ci.site import Site
from release.ci.steps import login, none_failed, opening, release, terraform
from release.ci.workflow import Concurrency, Job, Purpose, Trigger
from release.publish.destination import Grant

__all__ = ["TERRAFORM_APPLY"]


def _jobs(site: Site) -> Sequence[Job]:
    jobs: list[Job] = []
    for name in environments(site):
        jobs.append(_apply(site, name, tuple(job.id for job in jobs)))
    return jobs


def _apply(site: Site, environment: str, before: tuple[str, ...]) -> Job:
    assert site.config.terraform is not None
    apply = release(
        site,
        "Apply the reviewed plan",
        'tf apply --require-binding --root "$ROOT" --environment "$ENVIRONMENT" --store "$STORE" --reviewed',
        Grant("pull-requests", "read", "find the reviewed commit of what was merged"),
        env={
            "ROOT": context("matrix.root"),
            "ENVIRONMENT": environment,
            "STORE": site.config.terraform.store,
        },
        signals=True,
    )
    return Job(
        id=f"apply-{environment}",
        name=Template.of(f"apply {environment}: ", context("matrix.root")),
        why=f"Applies to {environment} what was reviewed, once the environment's reviewers let it.",
        runner=site.config.ci.runner,
        minutes=120,
        after=before,
        condition=both(negated(cancelled()), *none_failed(before)) if before else None,
        environment=environment,
        concurrency=Concurrency(Template.of(f"terraform-{environment}-", context("matrix.root")), queued=True),
        most_parallel=1,
        fail_fast=True,
        steps=(
            *opening(site, history=True),
            terraform(site),
            *login(site, environment, Purpose.APPLY, f"change {environment}"),
            apply,
        ),
        axes=("root",),
        select=partial(roots, environment),
    )


def _frame(site: Site) -> Frame:
    return Frame(
        name="terraform-apply",
        why="Applies the reviewed Terraform plans of what was merged, from the first environment to the last.",
        triggers=(Trigger("push", {"branches": (site.config.main,)}),),
        concurrency=Concurrency("terraform-apply", queued=True),
    )


TERRAFORM_APPLY = Part(
    "terraform-apply", "terraform-apply", "Applies the reviewed Terraform plans of what was merged.", _jobs, _frame
)
