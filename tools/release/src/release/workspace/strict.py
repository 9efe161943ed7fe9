"""The base of everything that ``release.yaml`` is read into: frozen, no unknown keys, names in kebab case."""

from __future__ import annotations

import msgspec

__all__ = ["Strict", "says"]


class Strict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"):
    """A mapping of ``release.yaml``."""


def says(description: str) -> msgspec.Meta:
    """Return the description of a key for the JSON Schema."""
    return msgspec.Meta(description=description)
