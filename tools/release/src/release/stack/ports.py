"""Finds ports of this machine that are free."""

from __future__ import annotations

import errno
import socket
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import msgspec

from release.errors import StackFailed
from release.workspace.stack import Ports

__all__ = ["Given", "Moved", "choose"]

_FURTHER = 100
"""How many ports are tried after the wanted one."""


@dataclass(frozen=True, slots=True)
class Moved:
    """A service is on the port ``given`` and not on ``wanted``, which is ``taken``, or was when the service began."""

    service: str
    wanted: int
    given: int
    taken: bool


@dataclass(frozen=True, slots=True)
class Given:
    """The port that a service got at a start, and the one that ``release.yaml`` wanted then."""

    wanted: int
    given: int


def choose(wanted: Ports, last: Mapping[str, Given], ours: Collection[int]) -> tuple[Ports, tuple[Moved, ...]]:
    """Return a free port for each service and which of them were moved.

    A running service stays where it is, and one that has to move goes where it was the ``last`` time, unless another
    port is wanted now. ``ours`` are ports that this stack's own running containers hold: they count as free.

    Raises:
        StackFailed: no port is free near the wanted one.
    """
    given: dict[str, int] = {}
    moved = []
    for service, port in msgspec.to_builtins(wanted).items():
        before = [last[service].given] if service in last and last[service].wanted == port else []
        stays = [one for one in before if one in ours]
        tried = [*stays, port, *before, *range(port + 1, min(port + _FURTHER, 65536))]
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
            moved.append(Moved(service, port, given[service], taken=port in given.values() or not _free(port)))
    return Ports(**given), tuple(moved)


def _free(port: int) -> bool:
    """Tell whether nothing listens on ``localhost``, which is ``::1`` as well where the machine has IPv6."""
    return not any(_taken(*address, port) for address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")))


def _taken(family: socket.AddressFamily, host: str, port: int) -> bool:
    try:
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError as error:
        return error.errno in (errno.EADDRINUSE, errno.EACCES)
    return False
