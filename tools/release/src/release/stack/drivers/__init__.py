"""What starts a stack: Compose where it is installed, else the engine itself; both leave the same containers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from release.stack.drivers import compose, sdk
from release.stack.model import Stack
from release.stack.running import Report, Running

__all__ = ["DRIVERS", "Driver", "usual"]

Driver = Callable[[Running, Stack, Path, Path, Report], None]
"""Starts a stack: what runs of it, the stack, the repository's root, its Compose file, and whom to tell."""

DRIVERS: Mapping[str, Driver] = {"compose": compose.up, "sdk": sdk.up}


def usual() -> str:
    """Return the name of the driver for this machine."""
    return "compose" if compose.installed() else "sdk"
