"""What a plan would do, read from ``terraform show -json``: addresses and actions, never values.

The format: https://developer.hashicorp.com/terraform/internals/json-format#plan-representation
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from release.model.edit import digest as sha256

__all__ = ["Change", "Counts", "changes", "counts", "digest", "drifted", "is_errored", "outputs"]

_UNORDERED = ("checks", "relevant_attributes")
_WORDS = {
    ("create",): "create",
    ("update",): "update",
    ("delete",): "destroy",
    ("create", "delete"): "replace",
    ("delete", "create"): "replace",
    ("forget",): "forget",
    ("create", "forget"): "replace",
}


@dataclass(frozen=True, slots=True)
class Change:
    """What happens to one resource.

    ``action`` is ``create``, ``update``, ``replace``, ``destroy``, ``forget``, ``import`` or ``move``;
    ``before`` is its address until now where that is another.
    """

    address: str
    action: str
    before: str = ""


class Counts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many resources a plan adds, changes, destroys and so on, and how many outputs it changes.

    A replaced resource counts as added and as destroyed, as Terraform counts.
    """

    add: int = 0
    change: int = 0
    destroy: int = 0
    imported: int = msgspec.field(default=0, name="import")
    move: int = 0
    forget: int = 0
    outputs: int = 0

    def __str__(self) -> str:
        text = f"{self.add} to add, {self.change} to change, {self.destroy} to destroy"
        more = (("import", self.imported), ("move", self.move), ("forget", self.forget))
        text += "".join(f", {number} to {word}" for word, number in more if number)
        return text + (f", {self.outputs} output{'' if self.outputs == 1 else 's'} to change" if self.outputs else "")

    def __bool__(self) -> bool:
        return any(msgspec.structs.astuple(self))


def digest(shown: Mapping[str, Any]) -> str:
    """Return the SHA-256 (hexadecimal) of the plan's data in canonical form: sorted keys, no space.

    Two lists are made from maps and have no order of their own; they are sorted, too.
    """
    data = dict(shown)
    for key in _UNORDERED:
        if isinstance(data.get(key), list):
            data[key] = sorted(data[key], key=_canonical)
    return sha256(_canonical(data))


def changes(shown: Mapping[str, Any]) -> tuple[Change, ...]:
    """Return what the plan does to managed resources, in its own order. Reading a data source is no change."""
    return tuple(_changes(shown.get("resource_changes")))


def drifted(shown: Mapping[str, Any]) -> tuple[Change, ...]:
    """Return the managed resources that were found to have changed outside of Terraform."""
    return tuple(_changes(shown.get("resource_drift")))


def outputs(shown: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of the root's outputs that change."""
    found = shown.get("output_changes") or {}
    return tuple(sorted(name for name, change in found.items() if change.get("actions") != ["no-op"]))


def counts(shown: Mapping[str, Any]) -> Counts:
    """Return how much the plan changes."""
    actions = [one.action for one in changes(shown)]
    return Counts(
        add=actions.count("create") + actions.count("replace"),
        change=actions.count("update"),
        destroy=actions.count("destroy") + actions.count("replace"),
        imported=sum(1 for one in _managed(shown.get("resource_changes")) if one["change"].get("importing")),
        move=sum(1 for one in changes(shown) if one.before),
        forget=actions.count("forget"),
        outputs=len(outputs(shown)),
    )


def is_errored(shown: Mapping[str, Any]) -> bool:
    """Tell whether planning failed, so that the plan is only a part of one."""
    return bool(shown.get("errored"))


def _managed(found: Any) -> Iterator[dict[str, Any]]:
    for one in found or ():
        if one.get("mode") == "managed":
            yield one


def _changes(found: Any) -> Iterator[Change]:
    for one in _managed(found):
        actions = tuple(one["change"].get("actions", ()))
        before = str(one.get("previous_address") or "")
        address = str(one["address"]) + (f" (deposed {one['deposed']})" if one.get("deposed") else "")
        if actions == ("no-op",):
            action = "import" if one["change"].get("importing") else "move" if before else ""
        else:
            action = _WORDS.get(actions, "+".join(actions))
        if action:
            yield Change(address, action, before if before != address else "")


def _canonical(data: Any) -> bytes:
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")
