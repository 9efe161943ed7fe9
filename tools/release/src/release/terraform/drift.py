"""Drift: what the world has and the configuration has not, and the one issue that says so."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from release.errors import TerraformFailed
from release.terraform import show
from release.terraform.bind import Target
from release.terraform.github import open_issues
from release.terraform.program import Terraform
from release.terraform.show import Change
from release.terraform.summary import listed, marker
from release.web.github import GitHubApi

__all__ = ["LABEL", "Drift", "drift", "tell"]

LABEL = "terraform-drift"
"""Only who may write to the repository can give an issue a label, so nobody else can make one that looks like ours."""

_CLOSED = {"state": "closed", "state_reason": "completed"}
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

    Each case is one request that changes something, so whatever fails, the next run finds what is there and goes on.

    Raises:
        DestinationRefused: GitHub refuses or gives no answer.
    """
    mark = marker("drift", wanted.name, wanted.environment)
    there = open_issues(api, LABEL, mark)
    run = _run(environment)
    if not found:
        for one in there:
            api.edit_issue(one.number, body=f"{mark}\nThere is no drift any more.{run}\n", **_CLOSED)
        return f"closed {', '.join(f'#{one.number}' for one in there)}" if there else "no issue"
    body = "\n".join((mark, *_body(wanted, found), f"{run}\n".lstrip()))
    if not there:
        made = api.open_issue(f"Terraform drift: {wanted.name} ({wanted.environment})", body, LABEL)
        return f"opened #{made.number}"
    kept, *twice = there
    for one in twice:
        api.edit_issue(one.number, body=f"{mark}\nThis is the same as #{kept.number}.\n", **_CLOSED)
    if kept.body != body:
        api.edit_issue(kept.number, body=body)
    return f"updated #{kept.number}"


def _body(wanted: Target, found: Drift) -> list[str]:
    lines = [f"`{wanted.name}` in {wanted.environment} is not what its configuration says.", ""]
    if found.outside:
        lines += ["Changed outside of Terraform:", "", *listed(found.outside, _ROOM)]
    if found.pending:
        lines += ["What a plan would do:", "", *listed(found.pending, _ROOM)]
    return [*lines, _ADVICE, ""]


def _run(environment: Mapping[str, str]) -> str:
    server, repository, run = (environment.get(f"GITHUB_{name}") for name in ("SERVER_URL", "REPOSITORY", "RUN_ID"))
    return f"\n\nSeen by {server}/{repository}/actions/runs/{run}" if server and repository and run else ""
