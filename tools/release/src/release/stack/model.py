"""The services of the stack as values: what the Compose file says and what an engine is asked to run."""

from __future__ import annotations

import enum
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property

from release.errors import ConfigError

__all__ = ["Condition", "Mount", "Port", "Probe", "Service", "Stack"]


class Condition(enum.Enum):
    """What a service waits for in another one, in Compose's words."""

    HEALTHY = "service_healthy"
    COMPLETED = "service_completed_successfully"


@dataclass(frozen=True, slots=True)
class Mount:
    """A named volume of the stack, or a read-only file or folder of the repository (``source`` begins with ``./``)."""

    source: str
    target: str

    @property
    def bind(self) -> bool:
        """Whether the source is a path and no volume."""
        return self.source.startswith("./")


@dataclass(frozen=True, slots=True)
class Port:
    """A port of the host, on 127.0.0.1 only, that leads to one of the container."""

    host: int
    container: int


@dataclass(frozen=True, slots=True)
class Probe:
    """A command in the container that ends with 0 when the service is well; times in seconds."""

    command: tuple[str, ...]
    interval: int = 3
    timeout: int = 5
    retries: int = 20
    start_period: int = 60


@dataclass(frozen=True, slots=True)
class Service:
    """One container. ``once``: it ends by itself. ``sealed``: it writes to ``/tmp`` and its volumes alone.

    ``hosts`` are further names with their addresses, ``grace`` is how long it may take to stop (seconds).
    """

    name: str
    image: str
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    mounts: tuple[Mount, ...] = ()
    ports: tuple[Port, ...] = ()
    probe: Probe | None = None
    needs: Mapping[str, Condition] = field(default_factory=dict)
    hosts: Mapping[str, str] = field(default_factory=dict)
    once: bool = False
    sealed: bool = False
    grace: int = 10

    def digest(self, image_id: str) -> str:
        """Return the SHA-256 of all that a container of this service is made from; ``image_id`` is what it runs."""
        facts = {**asdict(self), "needs": {name: condition.value for name, condition in self.needs.items()}}
        return hashlib.sha256(json.dumps([facts, image_id], sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Stack:
    """The services by name, each after those that it needs."""

    name: str
    services: Mapping[str, Service]

    def __post_init__(self) -> None:
        """Refuse services that need what isn't there or comes later, and ports that are given twice.

        Raises:
            ConfigError: two services want one port of the host.
        """
        seen: set[str] = set()
        ports: dict[int, str] = {}
        for name, service in self.services.items():
            if not seen.issuperset(service.needs):
                raise ValueError(f"{name} needs what does not come before it")
            seen.add(name)
            for port in service.ports:
                if port.host in ports:
                    raise ConfigError(
                        f"{ports[port.host]} and {name} are both to be reached on port {port.host}",
                        fix="give them different ports in stack.ports of release.yaml",
                    )
                ports[port.host] = name

    @cached_property
    def volumes(self) -> tuple[str, ...]:
        """The names of the volumes, sorted."""
        mounts = (mount for service in self.services.values() for mount in service.mounts)
        return tuple(sorted({mount.source for mount in mounts if not mount.bind}))
