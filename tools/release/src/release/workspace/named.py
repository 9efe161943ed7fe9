"""Find files by their names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

__all__ = ["named"]


def named(files: Iterable[str], name: str) -> Sequence[str]:
    """Return those of ``files`` whose name, without the folder, is ``name``."""
    return _by_name(tuple(files)).get(name, ())


@lru_cache(maxsize=4)
def _by_name(files: tuple[str, ...]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for path in files:
        found.setdefault(path.rpartition("/")[2], []).append(path)
    return found
