"""The release commit's message: readable by people, and enough to find and verify releases without tags."""

from __future__ import annotations

import json

from release.formats.plan_json import digest
from release.model.plan import Bump, Plan, Request

__all__ = ["commit_message", "read_request", "tag_message"]


def commit_message(plan: Plan) -> str:
    """Return the message of ``plan``'s commit: a subject, a line for each component, and trailers."""
    names = [f"{bump.component} {bump.after}" for bump in plan.bumps]
    few = ", ".join(names)
    subject = f"chore(release): {few if len(few) <= 56 else f'{len(names)} components'}"
    lines = [_line(bump) for bump in plan.bumps]
    trailers = [
        f"Release-Plan: {digest(plan)}",
        f"Release-Date: {plan.date}",
        f"Release-Request: {_request(plan)}",
        *(_trailer(bump) for bump in plan.bumps),
    ]
    return "\n".join([subject, "", *lines, "", *trailers, ""])


def tag_message(plan: Plan, bump: Bump) -> str:
    """Return the message of the tag for ``bump``."""
    return f"{bump.component} {bump.after}\n\n{_trailer(bump)}\nRelease-Plan: {digest(plan)}\n"


def read_request(text: str) -> tuple[str | None, Request]:
    """Return the branch and the request in a ``Release-Request`` trailer; raise ``ValueError`` if it is none."""
    data = json.loads(text)
    request = Request(
        tuple(data.get("components", ())), data.get("pre"), tuple(sorted(data.get("release-as", {}).items()))
    )
    return data.get("branch"), request


def _request(plan: Plan) -> str:
    data = {
        "branch": plan.branch,
        "components": list(plan.request.components),
        "pre": plan.request.pre,
        "release-as": dict(plan.request.release_as),
    }
    return json.dumps({key: value for key, value in data.items() if value}, sort_keys=True)


def _line(bump: Bump) -> str:
    build = f" ({bump.build_after})" if bump.build_after is not None else ""
    return f"- {bump.component}: {bump.before or 'first release'} -> {bump.after}{build}"


def _trailer(bump: Bump) -> str:
    build = f" {bump.build_after}" if bump.build_after is not None else ""
    return f"Release-{'Component' if bump.tag else 'Build'}: {bump.component} {bump.after}{build}"
