"""How long work tells what it does."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Progress", "silent"]

Progress = Callable[[str, int, int], None]
"""Told the stage, how much is done and how much there is (0: unknown)."""


def silent(stage: str, done: int, total: int) -> None:
    """Report nothing."""
