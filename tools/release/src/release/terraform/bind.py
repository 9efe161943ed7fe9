"""Plan a root and bind the plan to the commit it was made from."""

from __future__ import annotations

import os
import posixpath
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from release.errors import ConfigError, PlanOtherCommit, PlanOtherLock, PlanOtherVersion, StorageError, TerraformFailed
from release.model.edit import digest as sha256
from release.repository.git import Repository
from release.repository.tree import CommitTree
from release.terraform import show
from release.terraform.binding import FORMAT, Binding, encode
from release.terraform.planfile import configuration
from release.terraform.program import Terraform
from release.terraform.reviewed import Reviewed, lock_of, look, other_configuration, refuse_dirty
from release.terraform.roots import LOCK, check_roots, is_configuration, normal
from release.workspace.config import CONFIG, Config, load, locate

__all__ = ["Planned", "Target", "beside", "bind", "plan", "target"]


@dataclass(frozen=True, slots=True)
class Target:
    """A root (POSIX path from the repository's top, ``""``: the top) in one environment.

    ``others`` are the environments it has beside, ``version`` is the Terraform version that ``release.yaml`` asks for.
    """

    root: str
    environment: str
    others: tuple[str, ...] = ()
    version: str | None = None

    @property
    def name(self) -> str:
        """The root as it is written: ``.`` for the top."""
        return self.root or "."


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan with its binding; ``shown`` is what Terraform says of it and holds secrets."""

    plan: Path
    file: Path
    binding: Binding
    shown: Mapping[str, Any]


def beside(plan: Path) -> Path:
    """Return where the binding of ``plan`` is written."""
    return plan.with_name(f"{plan.name}.binding.json")


def target(repository: Repository, root: str, environment: str) -> Target:
    """Return ``root`` in ``environment`` as ``release.yaml`` of HEAD has it; without a ``terraform`` key all are known.

    Raises:
        ConfigError: there is no such root, or it is not for this environment.
    """
    head = CommitTree(repository, repository.head())
    content = head.read_many([CONFIG]).get(CONFIG)
    config: Config = load(content)
    root = normal(root)
    if config.terraform is None:
        if not any(path.rpartition("/")[0] == root and is_configuration(path) for path in head.files()):
            raise ConfigError(f"{root or '.'} has no *.tf file that git tracks", fix="name a root module's folder")
        return Target(root, environment)
    check_roots(head, config, content)
    for number, one in enumerate(config.terraform.roots):
        if normal(one.path) == root:
            if environment not in one.environments:
                raise ConfigError(
                    f"{CONFIG}: the Terraform root {one.path} is not for {environment}",
                    where=[locate(content, "terraform", "roots", str(number), "environments")],
                    fix=f"use one of {', '.join(one.environments)}, or add {environment} there",
                )
            return Target(root, environment, one.environments, config.terraform.version)
    raise ConfigError(
        f"{CONFIG} has no Terraform root {root or '.'}",
        where=[locate(content, "terraform", "roots")],
        fix=f"use one of {', '.join(one.path for one in config.terraform.roots)}, or add it there",
    )


def plan(
    repository: Repository, terraform: Terraform, wanted: Target, *, commit: str | None, out: Path, lock: bool
) -> Planned:
    """Plan ``wanted`` into ``out`` and bind the plan to ``commit`` (``None``: HEAD).

    ``lock`` locks the state meanwhile. The plan file can be read by its owner only. Where planning or binding fails,
    no plan and no binding is left there.

    Raises:
        ReleaseError: see :func:`bind`; and TerraformFailed when Terraform fails.
    """
    reviewed = _reviewed(repository, wanted, commit)
    version = _version(terraform, wanted)
    _settled(repository, reviewed)
    terraform.init(_own(terraform, wanted, "tfbackend"))
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        for old in (out, beside(out)):
            old.unlink(missing_ok=True)
        with tempfile.TemporaryDirectory(prefix=".plan-", dir=out.parent) as folder:
            made = Path(folder).resolve() / "plan"
            terraform.plan(made, _own(terraform, wanted, "tfvars"), lock=lock)
            made.chmod(0o600)
            shown = terraform.show(made)
            binding = _bound(repository, reviewed, wanted, version, made, shown)
            beside(out).write_bytes(encode(binding))
            made.replace(out)
    except OSError as error:
        raise StorageError(
            f"{error.filename or out}: {error.strerror}", fix="free space, or name another place with --out"
        ) from None
    return Planned(out, beside(out), binding, shown)


def bind(repository: Repository, terraform: Terraform, wanted: Target, *, commit: str | None, made: Path) -> Planned:
    """Bind the plan ``made``, which Terraform wrote, to ``commit`` (``None``: HEAD).

    Raises:
        GitStateError: the root's files are not as committed.
        PlanOtherCommit: the root's files in ``commit`` are others than these, or than those in the plan.
        PlanOtherLock: the lock file is not as committed.
        PlanOtherVersion: Terraform is not of the version that ``release.yaml`` asks for.
        TerraformFailed: Terraform can't read the plan, or it is of a planning that failed.
    """
    reviewed = _reviewed(repository, wanted, commit)
    version = _version(terraform, wanted)
    _settled(repository, reviewed)
    shown = terraform.show(made.resolve())
    binding = _bound(repository, reviewed, wanted, version, made, shown)
    beside(made).write_bytes(encode(binding))
    return Planned(made, beside(made), binding, shown)


def _reviewed(repository: Repository, wanted: Target, commit: str | None) -> Reviewed:
    """Return what is planned; refuse when the work tree is not HEAD, or HEAD not ``commit`` in what the root is."""
    head = look(repository, repository.head(), wanted.root, wanted.environment, wanted.others)
    refuse_dirty(repository, head, wanted.others)
    if commit is None:
        return head
    asked = look(repository, repository.resolve(commit), wanted.root, wanted.environment, wanted.others)
    if asked.files != head.files or (asked.tree != head.tree and head.outward):
        raise PlanOtherCommit(
            f"{wanted.name} is not the same in HEAD ({head.commit[:12]}) and in commit {asked.commit[:12]}",
            fix=f"check out {asked.commit[:12]} and plan there",
        )
    return asked


def _settled(repository: Repository, reviewed: Reviewed) -> None:
    if lock_of(repository, reviewed.root) != reviewed.lock:
        raise PlanOtherLock(
            f"{posixpath.join(reviewed.root, LOCK)} is not as committed in {reviewed.commit[:12]}",
            fix="commit it, or restore it with git",
        )


def _version(terraform: Terraform, wanted: Target) -> str:
    version = terraform.version()
    if wanted.version is not None and version != wanted.version:
        raise PlanOtherVersion(
            f"{terraform.program} is Terraform {version}, and {CONFIG} asks for {wanted.version}",
            fix="name the right one with --terraform or TERRAFORM, or change terraform.version",
        )
    return version


def _own(terraform: Terraform, wanted: Target, suffix: str) -> str | None:
    name = f"{wanted.environment}.{suffix}"
    return name if os.path.lexists(terraform.folder / name) else None


def _bound(
    repository: Repository, reviewed: Reviewed, wanted: Target, version: str, made: Path, shown: Mapping[str, Any]
) -> Binding:
    if show.is_errored(shown):
        raise TerraformFailed("the plan is of a planning that failed", fix="mend what failed and plan again")
    if shown.get("terraform_version") != version:
        raise PlanOtherVersion(
            f"the plan was made by Terraform {shown.get('terraform_version')}, and this is {version}",
            fix="bind it with the Terraform that made it",
        )
    other = other_configuration(repository, reviewed, configuration(made, reviewed.root))
    if other is not None:
        raise PlanOtherCommit(
            f"the plan was made from another {other} than commit {reviewed.commit[:12]} has",
            fix="plan again in a clean checkout of that commit",
        )
    return Binding(
        format=FORMAT,
        root=wanted.name,
        environment=wanted.environment,
        commit=reviewed.commit,
        tree=reviewed.tree,
        inputs=dict(reviewed.files),
        plan=sha256(made.read_bytes()),
        lock=reviewed.lock,
        terraform=version,
        show=show.digest(shown),
        counts=show.counts(shown),
    )
