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
    from docker import DockerClient
    from docker.models.containers import Container

__all__ = ["up"]

_DIGEST = "com.docker.compose.config-hash"
"""Compose sees only containers that have it, and makes those anew that have another one than its own."""
_NETWORK = "com.docker.compose.network"
_VOLUME = "com.docker.compose.volume"
_SECOND = 1_000_000_000
_PATIENCE = 1800
"""The longest that a service waits for another one (seconds): the installation of Moodle on a slow machine."""


def up(running: Running, stack: Stack, root: Path, file: Path, report: Report) -> None:  # noqa: ARG001
    """Start the services, each when those that it needs are ready; one that is as it should be is left alone.

    Raises:
        StackFailed: a service does not come up.
    """
    from docker.errors import APIError

    network = _network(running.client, stack.name)
    _make_volumes(running.client, stack)
    for name, container in running.containers().items():
        if name not in stack.services:
            report(name, "removed", "")
            _remove(container)
    for service in stack.services.values():
        running.wait(stack, list(service.needs), report, _PATIENCE)
        try:
            _start(running, stack, service, root, network)
        except APIError as error:
            raise StackFailed(f"the service {service.name} can't be started: {error.explanation}", fix=_FIX) from None
        running.tell(stack, report)


_FIX = "mend what the engine says and start again: `release stack up` goes on from here"


def _start(running: Running, stack: Stack, service: Service, root: Path, network: str) -> None:
    container = running.containers().get(service.name)
    digest = service.digest(f"{running.client.images.get(service.image).id} {root}")
    if container is not None and container.labels.get(_DIGEST) != digest:
        _remove(container)
        container = None
    if container is None:
        container = _create(running.client, stack, service, root, network, digest)
    if container.status != "running":
        container.start()


def _create(client: DockerClient, stack: Stack, service: Service, root: Path, network: str, digest: str) -> Container:
    api: Any = client.api
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
        "network_mode": network,
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
        },
        healthcheck=_healthcheck(service),
        stop_timeout=service.grace,
        host_config=api.create_host_config(**host),
        networking_config=api.create_networking_config({network: api.create_endpoint_config(aliases=[service.name])}),
    )
    return client.containers.get(made["Id"])


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


def _network(client: DockerClient, project: str) -> str:
    """Return the name of the project's network, made if it is not there."""
    name = f"{project}_default"
    if not client.networks.list(names=[f"^{name}$"]):
        client.networks.create(name, driver="bridge", labels={PROJECT: project, _NETWORK: "default"})
    return name


def _make_volumes(client: DockerClient, stack: Stack) -> None:
    there = {volume.name for volume in client.volumes.list()}
    for volume in stack.volumes:
        name = f"{stack.name}_{volume}"
        if name not in there:
            client.volumes.create(name, labels={PROJECT: stack.name, _VOLUME: volume})


def _remove(container: Container) -> None:
    container.stop()
    container.remove(v=True)
