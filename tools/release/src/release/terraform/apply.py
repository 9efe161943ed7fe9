"""Apply exactly the plan that was reviewed, or refuse. The order of the checks is part of the contract.

``docs/release/terraform.md`` has it as a table. Nothing is changed, locked or sent before all of them have passed.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from release.errors import PlanOtherVersion, PlanStale, PlanTampered, PlanUnbound, TerraformFailed
from release.model.edit import digest as sha256
from release.repository.git import Repository
from release.terraform import show
from release.terraform.bind import Target
from release.terraform.binding import Binding, decode
from release.terraform.planfile import configuration, state_of
from release.terraform.program import Terraform
from release.terraform.reviewed import Reviewed, look, other_configuration, refuse_other_head, refuse_other_lock

__all__ = ["Applied", "Bound", "apply", "read"]

_AGAIN = "plan again, have it reviewed and apply that"


@dataclass(frozen=True, slots=True)
class Bound:
    """A plan's bytes and its binding; the bytes hold secrets."""

    content: bytes
    binding: Binding


@dataclass(frozen=True, slots=True)
class Applied:
    """What was done, by Terraform's own count: resources added, changed, destroyed."""

    binding: Binding
    add: int
    change: int
    destroy: int


def read(
    plan: Path,
    file: Path,
    *,
    root: str | None,
    environment: str | None,
    digest: str | None = None,
    commit: str | None = None,
) -> Bound:
    """Read a plan and the binding in ``file``; the others are what is asked for, ``digest`` the plan's SHA-256, if any.

    Raises:
        PlanUnbound: there is no binding, or none that can be read.
        PlanTampered: binding or plan are not what they were, or are of another root or environment.
    """
    try:
        binding = decode(file.read_bytes(), file.name)
    except FileNotFoundError:
        raise PlanUnbound(
            f"{plan.name} has no binding: {file.name} is not there",
            fix="name it with --binding, or plan with `release tf plan`, which binds",
        ) from None
    try:
        content = plan.read_bytes()
    except FileNotFoundError:
        raise PlanUnbound(f"there is no plan {plan.name}", fix="name the plan that was reviewed") from None
    found = sha256(content)
    if found != binding.plan:
        raise PlanTampered(
            f"{plan.name} is not the plan that was bound: sha256:{found[:12]}, not {binding.plan[:12]}", fix=_AGAIN
        )
    asked = (
        ("SHA-256", digest, binding.plan),
        ("root", root, binding.root),
        ("environment", environment, binding.environment),
        ("commit", commit, binding.commit),
    )
    for what, wanted, bound in asked:
        if wanted is not None and wanted != bound:
            raise PlanTampered(f"the plan is of the {what} {bound}, not {wanted}", fix="name the plan of that one")
    return Bound(content, binding)


def apply(
    repository: Repository, bound: Bound, wanted: Target, terraform: Terraform, *, stage: Callable[[str], None]
) -> Applied:
    """Check everything in the documented order and apply the plan; ``stage`` is told what is being done.

    Raises:
        PlanOtherCommit: HEAD or the work tree is not what was reviewed.
        PlanOtherLock: the lock file is another.
        PlanOtherVersion: Terraform is of another version.
        PlanTampered: the plan does not say what the binding says of it.
        PlanStale: the state has changed since.
        TerraformFailed: Terraform failed.
    """
    stage("comparing the commit")
    head = look(repository, repository.head(), wanted.root, wanted.environment, wanted.others)
    refuse_other_head(repository, bound.binding, head, wanted.others)
    refuse_other_lock(repository, bound.binding, head)
    _refuse_other_version(terraform, bound.binding)
    with tempfile.TemporaryDirectory(prefix="release-tf-") as folder:
        plan = Path(folder).resolve() / "plan"
        plan.touch(0o600)
        plan.write_bytes(bound.content)
        stage("terraform init")
        backend = f"{wanted.environment}.tfbackend"
        terraform.init(backend if (terraform.folder / backend).exists() else None)
        stage("reading the plan")
        _refuse_other_content(repository, terraform, bound.binding, head, plan)
        stage("comparing the state")
        _refuse_stale(terraform, plan)
        stage("terraform apply")
        done: Mapping[str, int] = terraform.apply(plan)
    return Applied(bound.binding, done.get("add", 0), done.get("change", 0), done.get("remove", 0))


def _refuse_other_version(terraform: Terraform, binding: Binding) -> None:
    version = terraform.version()
    if version != binding.terraform:
        raise PlanOtherVersion(
            f"the plan was made by Terraform {binding.terraform}, and {terraform.program} is {version}",
            fix=f"apply it with Terraform {binding.terraform}, named with --terraform or TERRAFORM",
        )


def _refuse_other_content(
    repository: Repository, terraform: Terraform, binding: Binding, head: Reviewed, plan: Path
) -> None:
    shown = terraform.show(plan)
    if show.digest(shown) != binding.show or show.counts(shown) != binding.counts:
        raise PlanTampered("the plan does not say what the binding says that it does", fix=_AGAIN)
    if show.is_errored(shown):
        raise TerraformFailed("the plan is of a planning that failed", fix="mend what failed and plan again")
    other = other_configuration(repository, head, configuration(plan, head.root))
    if other is not None:
        raise PlanTampered(
            f"the plan was made from another {other} than commit {binding.commit[:12]} has, to which it is bound",
            fix=_AGAIN,
        )


def _refuse_stale(terraform: Terraform, plan: Path) -> None:
    planned, now = state_of(plan), terraform.state()
    if now is None:
        if planned.lineage:
            raise PlanStale("the state that the plan was made from is gone", fix="look for it before anything else")
        return
    if planned.lineage and planned.lineage != now.lineage:
        raise PlanStale(
            f"the plan is for the state {planned.lineage}, and this is {now.lineage}",
            fix="see that the backend's settings are those of this environment, then plan again",
        )
    if planned.serial != now.serial or not planned.lineage:
        raise PlanStale(
            f"the state has changed since the plan was made: serial {now.serial}, not {planned.serial}; "
            "another plan was applied, or an apply of this one was killed",
            fix=f"see what was done (`terraform -chdir={terraform.root or '.'} state list`), then {_AGAIN}",
        )
