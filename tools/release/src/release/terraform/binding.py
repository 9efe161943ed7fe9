"""The binding of a plan: what was reviewed, as a small file that has no secret in it.

It is canonical JSON (sorted keys, two spaces, a line end): the same plan of the same commit has the same bytes.
``docs/release/terraform.md`` describes each member.
"""

from __future__ import annotations

import json
from typing import Annotated, Any

import msgspec

from release.errors import PlanTampered, PlanUnbound
from release.model.edit import digest
from release.terraform.show import Counts

__all__ = ["FORMAT", "Binding", "decode", "encode"]

FORMAT = 1
_Digest = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
_Object = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{40}([0-9a-f]{24})?$")]
_FIX = "plan again, have it reviewed and apply that"


class Binding(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one plan is bound to.

    ``commit`` is the reviewed commit and ``tree`` its tree; ``inputs`` has "MODE ID" of each file that the root is made
    of, by path; ``plan`` and ``lock`` are SHA-256 of the plan and of the root's lock file (``None``: it has none);
    ``show`` is the SHA-256 of what the plan says in canonical form; ``terraform`` is the version that made it.
    """

    format: int
    root: str
    environment: Annotated[str, msgspec.Meta(min_length=1)]
    commit: _Object
    tree: _Object
    inputs: dict[str, str]
    plan: _Digest
    lock: _Digest | None
    terraform: Annotated[str, msgspec.Meta(min_length=1)]
    show: _Digest
    counts: Counts


def encode(binding: Binding) -> bytes:
    """Return the bytes of the binding's file, its own digest included."""
    data = msgspec.to_builtins(binding)
    return _canonical({**data, "digest": _digest(data)})


def decode(content: bytes, name: str) -> Binding:
    """Return the binding in ``content``; ``name`` is the file's, for messages.

    Raises:
        PlanUnbound: it is none, or one of a format that is not known here.
        PlanTampered: it was edited: its digest is not that of its content.
    """
    try:
        data: Any = json.loads(content)
    except ValueError:
        raise PlanUnbound(f"{name} is no binding: it is not JSON", fix=_FIX) from None
    if not isinstance(data, dict) or "format" not in data:
        raise PlanUnbound(f"{name} is no binding", fix=_FIX)
    if data["format"] != FORMAT or isinstance(data["format"], bool):
        raise PlanUnbound(
            f"{name} has the format {data['format']!r}, and format {FORMAT} is known here",
            fix="apply it with the `release` that bound it",
        )
    claimed = data.pop("digest", None)
    try:
        binding = msgspec.convert(data, Binding, strict=True)
    except msgspec.ValidationError as error:
        raise PlanUnbound(f"{name} is no binding: {error}", fix=_FIX) from None
    if claimed != _digest(data) or content != encode(binding):
        raise PlanTampered(f"{name} was edited: its digest is not that of its content", fix=_FIX)
    return binding


def _digest(data: dict[str, Any]) -> str:
    return digest(_canonical(data))


def _canonical(data: dict[str, Any]) -> bytes:
    return (json.dumps(data, sort_keys=True, indent=2) + "\n").encode()
