"""Jobs ``terraform-plan-ENVIRONMENT``: what a change would do to each Terraform root, kept until it is applied."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from release.ci.change import Change
from release.ci.expression import Template, context
from release.ci.part import Part
from release.ci.site import Site
from release.ci.steps import login, opening, release, terraform
from release.ci.workflow import Cell, Job, Purpose, Step
from release.publish.destination import Grant

__all__ = ["TERRAFORM_PLAN", "environments", "roots"]

_SUMMARY = Template.of(context("runner.temp"), "/plan.md")


def environments(site: Site) -> tuple[str, ...]:
    """Return the environments that roots are applied to, in the order of promotion.

    Raises:
        ConfigError: a root names an environment that is named nowhere.
    """
    if site.config.terraform is None:
        return ()
    used = set()
    for number, root in enumerate(site.config.terraform.roots):
        for place, name in enumerate(root.environments):
            site.environment(name, "terraform", "roots", str(number), "environments", str(place))
            used.add(name)
    return tuple(name for name in site.config.environments if name in used)


def roots(environment: str, change: Change) -> Sequence[Cell]:
    """Return a cell for each affected root of ``environment``."""
    return tuple({"root": path} for path, name in change.roots if name == environment)


def _reviewed(environment: str, change: Change) -> Sequence[Cell]:
    """Return the roots to plan for review: only a pull request is reviewed, and a fork's gets no identity."""
    return roots(environment, change) if change.event == "pull_request" and change.trusted else ()


def _all(change: Change) -> Sequence[Cell]:
    return tuple({"root": path} for path in dict.fromkeys(path for path, _ in change.roots))


def _jobs(site: Site) -> Sequence[Job]:
    known = environments(site)
    return (_validate(site), *(_plan(site, name) for name in known)) if known else ()


def _validate(site: Site) -> Job:
    check = Step(
        "Check form and validity",
        run=(
            'terraform -chdir="$ROOT" fmt -check -diff\n'
            'terraform -chdir="$ROOT" init -backend=false -input=false -lockfile=readonly\n'
            'terraform -chdir="$ROOT" validate\n'
        ),
        env={"ROOT": context("matrix.root")},
    )
    return Job(
        id="terraform-validate",
        name=Template.of("terraform validate: ", context("matrix.root")),
        why="Checks the affected roots without any identity, so a fork's change is checked too.",
        runner=site.config.ci.runner,
        minutes=site.config.ci.timeout,
        steps=(*opening(site, tool=False), terraform(site), check),
        axes=("root",),
        select=_all,
        again="terraform -chdir=ROOT validate",
    )


def _plan(site: Site, environment: str) -> Job:
    assert site.config.terraform is not None
    plan = release(
        site,
        "Plan, and keep the plan",
        'tf plan "$ROOT" --environment "$ENVIRONMENT" --store "$STORE" --commit "$COMMIT" '
        '--summary "$SUMMARY" --no-lock',
        env={
            "ROOT": context("matrix.root"),
            "ENVIRONMENT": environment,
            "STORE": site.config.terraform.store,
            "COMMIT": context("github.event.pull_request.head.sha"),
            "SUMMARY": _SUMMARY,
        },
    )
    # A step of its own: what the branch says is run while planning, and must not see the token.
    show = release(
        site,
        "Show the plan in the pull request",
        'tf comment "$SUMMARY"',
        Grant("pull-requests", "write", "show the plan in a comment of the pull request"),
        env={"SUMMARY": _SUMMARY},
    )
    return Job(
        id=f"terraform-plan-{environment}",
        name=Template.of(f"terraform plan {environment}: ", context("matrix.root")),
        why=f"Plans the affected roots of {environment} with an identity that only reads, for review.",
        runner=site.config.ci.runner,
        minutes=site.config.ci.timeout,
        steps=(
            *opening(site, history=True),
            terraform(site),
            *login(site, environment, Purpose.PLAN, f"read {environment} to plan"),
            plan,
            show,
        ),
        axes=("root",),
        select=partial(_reviewed, environment),
        again=site.tool(f"release tf plan ROOT --environment {environment}"),
    )


TERRAFORM_PLAN = Part("terraform-plan", "ci", "Plans the Terraform roots that a change affects.", _jobs)
