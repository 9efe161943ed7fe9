"""Starts a stack by the engine's own interface, as Compose would: the same names and labels.

Source: https://docs.docker.com/reference/api/engine/
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from release.errors import StackFailed
from release.stack.model import Service, Stack
from release.stack.running import NUMBER, ONEOFF, PROJECT, SERVICE, Report, Running

if TYPE_CHECKING:
    from docker.models.containers import Container

__all__ = ["up"]

_DIGEST = "com.docker.compose.config-hash"
"""Compose sees only containers that have it, and makes those anew that have another one than its own."""
_SECOND = 1_000_000_000
_PATIENCE = 1800
"""The longest that a service waits for another one (seconds): the installation of Moodle on a slow machine."""


def up(running: Running, stack: Stack, root: Path, file: Path, report: Report) -> None:  # noqa: ARG001
    """Start the services, each when those that it needs are ready; one that is as it should be is left alone.

    Raises:
        StackFailed: a service does not come up.
    """
    from docker.errors import APIError

    for name, container in running.containers().items():
        if name not in stack.services:
            report(name, "removed", "")
            _remove(container)
    for service in stack.services.values():
        running.wait(stack, list(service.needs), report, _PATIENCE)
        try:
            _start(running, stack, service, root)
        except APIError as error:
            raise StackFailed(f"the service {service.name} can't be started: {error.explanation}", fix=_FIX) from None
        running.tell(stack, report)


_FIX = "mend what the engine says and start again: `release stack up` goes on from here"


def _start(running: Running, stack: Stack, service: Service, root: Path) -> None:
    container = running.containers().get(service.name)
    digest = service.digest(f"{running.client.images.get(service.image).id} {root} {running.owner.id}")
    if container is not None and container.labels.get(_DIGEST) != digest:
        _remove(container)
        container = None
    if container is None:
        container = _create(running, stack, service, root, digest)
    if container.status != "running":
        container.start()


def _create(running: Running, stack: Stack, service: Service, root: Path, digest: str) -> Container:
    api: Any = running.client.api
    host: dict[str, Any] = {
        "mounts": [
            {
                "Type": "bind" if mount.bind else "volume",
                "Source": str(root / mount.source) if mount.bind else f"{stack.name}_{mount.source}",
                "Target": mount.target,
                "ReadOnly": mount.bind,
            }
            for mount in service.mounts
        ],
        "port_bindings": {port.container: ("127.0.0.1", port.host) for port in service.ports},
        "restart_policy": {"Name": "no" if service.once else "unless-stopped"},
        "extra_hosts": dict(service.hosts),
        "network_mode": running.network,
    }
    if service.sealed:
        host |= {
            "read_only": True,
            "tmpfs": {"/tmp": ""},
            "cap_drop": ["ALL"],
            "security_opt": ["no-new-privileges:true"],
        }
    made = api.create_container(
        service.image,
        name=f"{stack.name}-{service.name}-1",
        entrypoint=list(service.entrypoint) or None,
        command=list(service.command) or None,
        environment=dict(service.environment),
        ports=[port.container for port in service.ports],
        labels={
            PROJECT: stack.name,
            SERVICE: service.name,
            ONEOFF: "False",
            NUMBER: "1",
            _DIGEST: digest,
            **running.owner.labels,
        },
        healthcheck=_healthcheck(service),
        stop_timeout=service.grace,
        host_config=api.create_host_config(**host),
        networking_config=api.create_networking_config(
            {running.network: api.create_endpoint_config(aliases=[service.name])}
        ),
    )
    return running.client.containers.get(made["Id"])


def _healthcheck(service: Service) -> dict[str, Any]:
    probe = service.probe
    if probe is None:
        return {"test": ["NONE"]}
    return {
        "test": ["CMD", *probe.command],
        "interval": probe.interval * _SECOND,
        "timeout": probe.timeout * _SECOND,
        "retries": probe.retries,
        "start_period": probe.start_period * _SECOND,
    }


def _remove(container: Container) -> None:
    container.stop()
    container.remove(v=True)
