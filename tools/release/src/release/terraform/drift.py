"""Drift: what the world has and the configuration has not, and the one issue that says so."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from release.errors import TerraformFailed
from release.terraform import show
from release.terraform.bind import Target
from release.terraform.program import Terraform
from release.terraform.show import Change
from release.terraform.summary import listed, marker
from release.web.github import GitHubApi
from release.web.issue import keep, seen_by

__all__ = ["LABEL", "Drift", "drift", "tell"]

LABEL = "terraform-drift"
_ROOM = 28_000
_ADVICE = (
    "To undo it, plan and apply the configuration as it is. To keep it, write it into the configuration; where only "
    "the state has to learn of it, use `terraform apply -refresh-only`. The next run without drift closes this issue."
)


@dataclass(frozen=True, slots=True)
class Drift:
    """What differs: resources ``outside`` changed not by Terraform, and what a plan would do (``pending``).

    Reading a data source is no drift, and neither is an output.
    """

    outside: tuple[Change, ...]
    pending: tuple[Change, ...]

    def __bool__(self) -> bool:
        return bool(self.outside or self.pending)


def drift(terraform: Terraform, wanted: Target, *, lock: bool) -> Drift:
    """Plan ``wanted`` without keeping the plan and return what differs; ``lock`` locks the state meanwhile.

    Raises:
        TerraformFailed: Terraform fails.
    """
    files = {suffix: f"{wanted.environment}.{suffix}" for suffix in ("tfbackend", "tfvars")}
    there = {suffix: name if (terraform.folder / name).exists() else None for suffix, name in files.items()}
    terraform.init(there["tfbackend"])
    with tempfile.TemporaryDirectory(prefix="release-tf-") as folder:
        made = Path(folder).resolve() / "plan"
        terraform.plan(made, there["tfvars"], lock=lock)
        shown = terraform.show(made)
    if show.is_errored(shown):
        raise TerraformFailed("the planning failed", fix="mend what failed and run again")
    return Drift(show.drifted(shown), show.changes(shown))


def tell(api: GitHubApi, wanted: Target, found: Drift, environment: Mapping[str, str]) -> str:
    """Open, update or close the one issue about ``wanted``; return what was done, for people.

    Raises:
        DestinationRefused: GitHub refuses or gives no answer.
    """
    seen = seen_by(environment)
    return keep(
        api,
        label=LABEL,
        mark=marker("drift", wanted.name, wanted.environment),
        title=f"Terraform drift: {wanted.name} ({wanted.environment})",
        body="\n".join((*_body(wanted, found), seen)) if found else None,
        gone=f"There is no drift any more.\n\n{seen}",
    )


def _body(wanted: Target, found: Drift) -> list[str]:
    lines = [f"`{wanted.name}` in {wanted.environment} is not what its configuration says.", ""]
    if found.outside:
        lines += ["Changed outside of Terraform:", "", *listed(found.outside, _ROOM)]
    if found.pending:
        lines += ["What a plan would do:", "", *listed(found.pending, _ROOM)]
    return [*lines, _ADVICE, ""]
