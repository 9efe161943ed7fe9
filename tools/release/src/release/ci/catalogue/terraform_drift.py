"""Workflow ``terraform-drift``: what changed in the clouds behind Terraform's back; one issue per root."""

from __future__ import annotations

from collections.abc import Sequence

from release.ci.catalogue.terraform_plan import environments
from release.ci.expression import Template, context
from release.ci.part import Frame, Part
from release.ci.site import Site
from release.ci.steps import login, opening, release, terraform
from release.ci.workflow import Concurrency, Job, Purpose, Trigger
from release.publish.destination import Grant

__all__ = ["TERRAFORM_DRIFT"]


def _jobs(site: Site) -> Sequence[Job]:
    return tuple(_drift(site, name) for name in environments(site))


def _drift(site: Site, environment: str) -> Job:
    assert site.config.terraform is not None
    look = release(
        site,
        "Look for drift",
        'tf drift "$ROOT" --environment "$ENVIRONMENT" --issue --no-lock',
        Grant("issues", "write", "open or close the issue about drift"),
        env={"ROOT": context("matrix.root"), "ENVIRONMENT": environment},
    )
    return Job(
        id=f"drift-{environment}",
        name=Template.of(f"drift {environment}: ", context("matrix.root")),
        why=f"Compares {environment} with its state; opens one issue per root, and closes it when the drift is gone.",
        runner=site.config.ci.runner,
        minutes=site.config.ci.timeout,
        steps=(
            *opening(site),
            terraform(site),
            *login(site, environment, Purpose.PLAN, f"read {environment} to compare it with its state"),
            look,
        ),
        matrix=tuple({"root": root.path} for root in site.config.terraform.roots if environment in root.environments),
        again=site.tool(f"release tf drift ROOT --environment {environment}"),
    )


def _frame(site: Site) -> Frame:  # noqa: ARG001 - every frame is made from a site
    return Frame(
        name="terraform-drift",
        why="Finds what was changed in the clouds and not in Terraform.",
        triggers=(Trigger("schedule", crons=("7 3 * * *",)), Trigger("workflow_dispatch")),
        concurrency=Concurrency("terraform-drift"),
    )


TERRAFORM_DRIFT = Part(
    "terraform-drift", "terraform-drift", "Finds what was changed in the clouds and not in Terraform.", _jobs, _frame
)
