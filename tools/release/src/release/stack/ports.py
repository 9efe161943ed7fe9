"""Finds ports of this machine that are free."""

from __future__ import annotations

import socket
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import msgspec

from release.errors import StackFailed
from release.workspace.stack import Ports

__all__ = ["Moved", "choose"]

_FURTHER = 100
"""How many ports are tried after the wanted one."""


@dataclass(frozen=True, slots=True)
class Moved:
    """The port ``wanted`` for a service is taken; it gets ``given``."""

    service: str
    wanted: int
    given: int


def choose(wanted: Ports, last: Mapping[str, int], ours: Collection[int]) -> tuple[Ports, tuple[Moved, ...]]:
    """Return a free port for each service and which of them were moved.

    The port of the last time comes first, so that the site's address stays. ``ours`` are ports that this stack's own
    running containers hold: they count as free.

    Raises:
        StackFailed: no port is free near the wanted one.
    """
    given: dict[str, int] = {}
    moved = []
    for service, port in msgspec.to_builtins(wanted).items():
        tried = [*([last[service]] if service in last else []), *range(port, min(port + _FURTHER, 65536))]
        for candidate in tried:
            if candidate not in given.values() and (candidate in ours or _free(candidate)):
                given[service] = candidate
                break
        else:
            raise StackFailed(
                f"no port is free for {service}: {port} and those after it are taken",
                fix=f"stop what holds them, or write another number at stack.ports.{service} in release.yaml",
            )
        if given[service] != port:
            moved.append(Moved(service, port, given[service]))
    return Ports(**given), tuple(moved)


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
