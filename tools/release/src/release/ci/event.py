"""What GitHub says about the event that started a workflow: with what to compare, and whether to trust it.

Source: https://docs.github.com/en/actions/reference/workflows-and-actions/events-that-trigger-workflows and
https://docs.github.com/en/webhooks/webhook-events-and-payloads
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Event"]

_SHA = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_BOT = "dependabot[bot]"


@dataclass(frozen=True, slots=True)
class Event:
    """An event; ``base`` is the commit to compare HEAD with, ``None`` where everything has to be looked at.

    ``descends`` tells whether HEAD must descend from the base for the comparison to mean anything: a push that was
    forced says nothing of what it replaced. ``trusted`` is false for a pull request from a fork and for one of
    Dependabot's: GitHub gives neither a secret nor an identity to these.
    """

    name: str
    base: str | None = None
    descends: bool = True
    trusted: bool = True

    @classmethod
    def of(cls, name: str, payload: Mapping[str, Any]) -> Event:
        """Return the event ``name`` with its webhook ``payload``; what is missing or odd makes the base unknown."""
        match name:
            case "pull_request":
                pull = _mapping(payload.get("pull_request"))
                base, head = _mapping(pull.get("base")), _mapping(pull.get("head"))
                home = _mapping(base.get("repo")).get("full_name")
                trusted = home is not None and _mapping(head.get("repo")).get("full_name") == home
                bot = _mapping(pull.get("user")).get("login") == _BOT
                return cls(name, _sha(base.get("sha")), descends=False, trusted=trusted and not bot)
            case "merge_group":
                return cls(name, _sha(_mapping(payload.get("merge_group")).get("base_sha")))
            case "push" if str(payload.get("ref", "")).startswith("refs/heads/") and not payload.get("forced"):
                return cls(name, _sha(payload.get("before")))
            case _:
                return cls(name)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _sha(value: Any) -> str | None:
    """Return ``value`` when it names a commit; all zeros mean that there was none before."""
    return value if isinstance(value, str) and _SHA.fullmatch(value) and set(value) != {"0"} else None
