"""Workflow ``terraform-apply``: exactly the reviewed plans, environment after environment, one at a time."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from release.ci.catalogue.terraform_plan import environments, roots
from release.ci.expression import Expression, Template, both, cancelled, context, either, equal, negated
from release.ci.part import Frame, Part
from release.ci.site import Site
from release.ci.steps import login, opening, release, terraform
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
        condition=_none_failed(before),
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


def _none_failed(before: tuple[str, ...]) -> Expression | None:
    """Return the condition that each earlier environment was applied or had nothing to apply.

    Not ``always()``: that is true after a person has cancelled the run, and would go on to the next environment.
    """
    if not before:
        return None
    ended = (context(f"needs.{id_}.result") for id_ in before)
    return both(negated(cancelled()), *(either(equal(result, "success"), equal(result, "skipped")) for result in ended))


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
