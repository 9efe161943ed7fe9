"""The release commit's message: readable by people, and enough to find and verify releases without tags."""

from __future__ import annotations

import json

from release.formats.plan_json import digest
from release.model.plan import Bump, Plan, Request

__all__ = ["commit_message", "line", "read_request", "tag_message"]


def commit_message(plan: Plan, *, proposed: bool = False) -> str:
    """Return the message of ``plan``'s commit: a subject, a line for each component, and trailers.

    Of one that is ``proposed``, ``Release-Base`` tells the commit that it was planned on: it can be merged on top of
    later ones, and then its parent says no more which commits it released.
    """
    names = [f"{bump.component} {bump.after}" for bump in plan.bumps]
    few = ", ".join(names)
    subject = f"chore(release): {few if len(few) <= 56 else f'{len(names)} components'}"
    lines = [f"- {bump.component}: {line(bump)}" for bump in plan.bumps]
    trailers = [
        f"Release-Plan: {digest(plan)}",
        f"Release-Date: {plan.date}",
        f"Release-Request: {_request(plan)}",
        *([f"Release-Base: {plan.base}"] if proposed else []),
        *(_trailer(bump) for bump in plan.bumps),
    ]
    return "\n".join([subject, "", *lines, "", *trailers, ""])


def tag_message(component: str, version: str, build: int | None, plan: str | None) -> str:
    """Return the message of the tag of ``component`` ``version``; ``plan`` is the plan's digest, if it is known."""
    last = f"\nRelease-Plan: {plan}" if plan else ""
    return f"{component} {version}\n\nRelease-Component: {_numbered(component, version, build)}{last}\n"


def line(bump: Bump) -> str:
    """Return the line of ``bump`` in the commit's message, without its bullet and the component's name."""
    build = f" ({bump.build_after})" if bump.build_after is not None else ""
    return f"{bump.before or 'first release'} -> {bump.after}{build}"


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


def _trailer(bump: Bump) -> str:
    token = "Release-Component" if bump.tag else "Release-Build"
    return f"{token}: {_numbered(bump.component, str(bump.after), bump.build_after)}"


def _numbered(component: str, version: str, build: int | None) -> str:
    return f"{component} {version}" if build is None else f"{component} {version} {build}"
