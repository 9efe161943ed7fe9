"""Patterns as in ``.gitignore``, matched against POSIX paths from the root."""

from __future__ import annotations

from collections.abc import Callable, Sequence

__all__ = ["matcher"]


def matcher(patterns: Sequence[str]) -> Callable[[str], bool]:
    """Return a predicate which tells whether a path matches any of ``patterns`` (later ones with ``!`` undo)."""
    if not patterns:
        return lambda _: False
    from pathspec import GitIgnoreSpec

    return GitIgnoreSpec.from_lines(patterns).match_file
