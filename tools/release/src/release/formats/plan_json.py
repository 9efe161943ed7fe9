"""The plan as canonical JSON, and its digest.

The form is documented in ``docs/release/plan.md``. Keys are sorted, there is no white space, text is UTF-8; the
``digest`` is the SHA-256 of all other keys in that form.
"""

from __future__ import annotations

import json
from typing import Any

from release.errors import PlanRefused
from release.model.edit import FileEdit, Replacement
from release.model.edit import digest as sha256
from release.model.plan import (
    Bump,
    CommitReason,
    GroupReason,
    PartReason,
    Plan,
    Reason,
    Request,
    RequestReason,
)
from release.model.version import Level, Version, parse_version

__all__ = ["decode", "digest", "encode", "to_data"]

FORMAT = 1


def to_data(plan: Plan) -> dict[str, Any]:
    """Return ``plan`` as JSON data, with its digest."""
    data: dict[str, Any] = {
        "format": FORMAT,
        "base": plan.base,
        "branch": plan.branch,
        "date": plan.date,
        "config": plan.config,
        "tags": plan.tags,
        "request": {
            "components": list(plan.request.components),
            "pre": plan.request.pre,
            "release-as": dict(plan.request.release_as),
        },
        "components": [_bump(bump) for bump in plan.bumps],
        "edits": [
            {
                "path": edit.path,
                "before": edit.before,
                "after": edit.after,
                "replacements": [{"offset": r.offset, "old": r.old, "new": r.new} for r in edit.replacements],
            }
            for edit in plan.edits
        ],
    }
    data["digest"] = _digest(data)
    return data


def encode(plan: Plan) -> bytes:
    """Return ``plan`` as canonical JSON with a final line feed."""
    return _canonical(to_data(plan)) + b"\n"


def digest(plan: Plan) -> str:
    """Return the digest of ``plan``: ``sha256:`` and 64 hexadecimal digits."""
    return str(to_data(plan)["digest"])


def decode(content: bytes) -> Plan:
    """Return the plan in ``content``.

    Raises:
        PlanRefused: it is no plan, of another format, or was changed after it was made.
    """
    try:
        data = json.loads(content.decode(errors="surrogateescape"))
        if data["format"] != FORMAT:
            raise PlanRefused(f"the plan is of format {data['format']}, this version reads {FORMAT}", fix="plan again")
        if data["digest"] != _digest(data):
            raise PlanRefused("the plan was changed after it was made: its digest does not fit", fix="plan again")
        return Plan(
            base=data["base"],
            branch=data["branch"],
            date=data["date"],
            config=data["config"],
            tags=data["tags"],
            request=Request(
                tuple(data["request"]["components"]),
                data["request"]["pre"],
                tuple(sorted(data["request"]["release-as"].items())),
            ),
            bumps=tuple(_read_bump(bump) for bump in data["components"]),
            edits=tuple(
                FileEdit(
                    edit["path"],
                    edit["before"],
                    edit["after"],
                    tuple(Replacement(r["offset"], r["old"], r["new"]) for r in edit["replacements"]),
                )
                for edit in data["edits"]
            ),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise PlanRefused(
            f"this is not a plan ({type(error).__name__}: {error})",
            fix="make one with release bump --plan-out FILE",
        ) from None


def _canonical(data: Any) -> bytes:
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode(errors="backslashreplace")


def _digest(data: dict[str, Any]) -> str:
    rest = {key: value for key, value in data.items() if key != "digest"}
    return f"sha256:{sha256(_canonical(rest))}"


def _bump(bump: Bump) -> dict[str, Any]:
    return {
        "name": bump.component,
        "kind": bump.kind,
        "path": bump.path,
        "from": str(bump.before) if bump.before is not None else None,
        "to": str(bump.after),
        "build": {"from": bump.build_before, "to": bump.build_after} if bump.build_after is not None else None,
        "level": str(bump.level),
        "tag": bump.tag,
        "reasons": [_reason(reason) for reason in bump.reasons],
    }


def _reason(reason: Reason) -> dict[str, Any]:
    match reason:
        case CommitReason():
            rest = {"cause": "commit", "commit": reason.commit, "subject": reason.subject}
        case PartReason():
            rest = {"cause": "part", "part": reason.part, "edge": reason.edge, "from": reason.before or ""}
            rest["to"] = reason.after
        case GroupReason():
            rest = {"cause": "group", "member": reason.member}
        case RequestReason():
            rest = {"cause": "request", "by": reason.by}
    return {**rest, "level": str(reason.level)}


def _read_bump(data: dict[str, Any]) -> Bump:
    build = data["build"]
    before: Version | None = parse_version(data["from"]) if data["from"] is not None else None
    return Bump(
        component=data["name"],
        kind=data["kind"],
        path=data["path"],
        before=before,
        after=parse_version(data["to"]),
        build_before=build["from"] if build else None,
        build_after=build["to"] if build else None,
        level=Level[data["level"].upper()],
        reasons=tuple(_read_reason(reason) for reason in data["reasons"]),
        tag=data["tag"],
    )


def _read_reason(data: dict[str, Any]) -> Reason:
    level = Level[data["level"].upper()]
    match data["cause"]:
        case "commit":
            return CommitReason(data["commit"], level, data["subject"])
        case "part":
            return PartReason(data["part"], level, data["edge"], data["from"] or None, data["to"])
        case "group":
            return GroupReason(data["member"], level)
        case "request":
            return RequestReason(data["by"], level)
        case other:
            raise ValueError(f"unknown cause {other!r}")
