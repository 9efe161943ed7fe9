"""Platforms as images name them, and Rust's names of the same machines."""

from __future__ import annotations

import platform as machine

from release.errors import WorkspaceError

__all__ = ["here", "refuse_unknown", "target_of"]

_PROCESSORS = {"amd64": "x86_64", "arm64": "aarch64"}
_MACHINES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


def here() -> str:
    """Return the platform of containers on this machine, as ``linux/amd64``."""
    return f"linux/{_MACHINES.get(machine.machine().lower(), 'amd64')}"


def target_of(platform: str, *, static: bool = False) -> str:
    """Return Rust's target for ``platform``: with Debian's C library, or with musl for a ``static`` program."""
    return f"{_PROCESSORS[platform.partition('/')[2]]}-unknown-linux-{'musl' if static else 'gnu'}"


def refuse_unknown(platform: str) -> None:
    """Refuse a platform that nothing is built for.

    Raises:
        WorkspaceError: it is not ``linux/amd64`` or ``linux/arm64``.
    """
    system, _, processor = platform.partition("/")
    if system != "linux" or processor not in _PROCESSORS:
        raise WorkspaceError(
            f"images aren't built for {platform}",
            fix=f"name one of {', '.join(f'linux/{one}' for one in _PROCESSORS)}",
        )
