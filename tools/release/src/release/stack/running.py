"""What runs of a stack, asked of the engine. Containers are found by Compose's labels, whoever started them.

Source of the labels: https://github.com/compose-spec/compose-go and pkg/api/labels.go of docker/compose.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from release.errors import StackFailed
from release.stack.model import Service, Stack
from release.stack.owner import Owner

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

__all__ = ["NUMBER", "ONEOFF", "PROJECT", "SERVICE", "Report", "Running", "State"]

PROJECT = "com.docker.compose.project"
SERVICE = "com.docker.compose.service"
ONEOFF = "com.docker.compose.oneoff"
_NETWORK = "com.docker.compose.network"
_VOLUME = "com.docker.compose.volume"
NUMBER = "com.docker.compose.container-number"
_LINES = 15
_STOP_LAST = ("database", "cache")

Report = Callable[[str, str, str], None]
"""Told the service, what it does now (a word or two), and the last line that it said where it ends by itself."""


@dataclass(frozen=True, slots=True)
class State:
    """What a container does: ``word`` is for people, ``failed`` means that it won't get ``well`` by itself."""

    word: str
    well: bool
    failed: bool


@dataclass(frozen=True)
class Running:
    """The containers, networks and volumes of the project ``name``, as far as they are ``owner``'s."""

    client: DockerClient
    name: str
    owner: Owner

    def refuse_foreign(self) -> None:
        """Do nothing where all containers and volumes of the project are the owner's.

        Raises:
            StackFailed: some are of another project that has this name.
        """
        found = [
            *(("container", str(one.name), one.labels) for one in self._all_containers()),
            *(("volume", str(one.name), one.attrs.get("Labels") or {}) for one in self.volumes()),
        ]
        foreign = [f"{what} {name}" for what, name, labels in found if not self.owner.owns(labels)]
        if foreign:
            raise StackFailed(
                f"another project is called {self.name}, too, and is left alone: {', '.join(sorted(foreign))}",
                fix="give this stack another name (stack.name in release.yaml, --name, RELEASE_STACK_NAME); "
                f"`docker compose --project-name {self.name} down --volumes` deletes what nobody wants any more",
            )

    def containers(self) -> dict[str, Container]:
        """Return the container of each service, running or not, but those of single commands."""
        found = self._all_containers()
        return {one.labels[SERVICE]: one for one in found if one.labels.get(ONEOFF, "False") == "False"}

    def _all_containers(self) -> list[Container]:
        return self.client.containers.list(all=True, filters={"label": f"{PROJECT}={self.name}"}, ignore_removed=True)

    def make_ground(self, stack: Stack) -> None:
        """Make the network and the volumes of the stack with the owner's labels.

        The engine returns a volume that is there as it is.

        Raises:
            StackFailed: a volume of such a name is another's.
        """
        if not self.client.networks.list(names=[f"^{self.network}$"]):
            labels = {PROJECT: self.name, _NETWORK: "default", **self.owner.labels}
            self.client.networks.create(self.network, driver="bridge", labels=labels)
        for volume in stack.volumes:
            labels = {PROJECT: self.name, _VOLUME: volume, **self.owner.labels}
            made = self.client.volumes.create(f"{self.name}_{volume}", labels=labels)
            if not self.owner.owns(made.attrs.get("Labels") or {}):
                raise StackFailed(
                    f"there is a volume {made.name} that was not made for this stack",
                    fix="give this stack another name (stack.name in release.yaml, --name, RELEASE_STACK_NAME)",
                )

    @property
    def network(self) -> str:
        """The name of the project's network."""
        return f"{self.name}_default"

    def ports(self) -> set[int]:
        """Return the ports of this machine that the running containers hold."""
        bindings = (
            binding
            for container in self.containers().values()
            if container.status == "running"
            for given in (container.attrs["HostConfig"].get("PortBindings") or {}).values()
            for binding in given or ()
        )
        return {int(binding["HostPort"]) for binding in bindings if binding.get("HostPort")}

    def has_volumes(self) -> bool:
        """Tell whether data of a stack of this name is there."""
        return bool(self.volumes())

    def volumes(self) -> list[Any]:
        """Return the volumes."""
        return list(self.client.volumes.list(filters={"label": f"{PROJECT}={self.name}"}))

    def state(self, service: Service | None, container: Container | None) -> State:
        """Return what ``container`` does, as the one of ``service``."""
        if container is None:
            return State("absent", well=False, failed=False)
        facts = container.attrs["State"]
        word, code = facts["Status"], facts["ExitCode"]
        if word == "running":
            health = (facts.get("Health") or {}).get("Status")
            if health is None:
                return State("running", well=service is None or not service.once, failed=False)
            return State(health, well=health == "healthy", failed=health == "unhealthy")
        if word in ("exited", "dead"):
            done = service is not None and service.once and code == 0
            return State("done" if done else f"exited with {code}", well=done, failed=not done)
        return State(word, well=False, failed=False)

    def tell(self, stack: Stack, report: Report) -> dict[str, State]:
        """Report what each service does now, and return it."""
        containers = self.containers()
        states = {name: self.state(service, containers.get(name)) for name, service in stack.services.items()}
        for name, state in states.items():
            working = stack.services[name].once and state.word == "running"
            report(name, state.word, _last_line(containers[name]) if working else "")
        return states

    def refuse_failed(self, stack: Stack) -> None:
        """Do nothing unless a service failed.

        Raises:
            StackFailed: with what it said last.
        """
        containers = self.containers()
        for name, service in stack.services.items():
            state = self.state(service, containers.get(name))
            if state.failed:
                raise self.failure(name, state.word, containers.get(name))

    def wait(self, stack: Stack, names: Sequence[str], report: Report, seconds: int) -> None:
        """Return when all services ``names`` are as they should be.

        Raises:
            StackFailed: one ended, is unhealthy, or takes longer than ``seconds``.
        """
        until = time.monotonic() + seconds
        while names:
            states = self.tell(stack, report)
            for name in names:
                if states[name].failed:
                    raise self.failure(name, states[name].word, self.containers().get(name))
            late = [name for name in names if not states[name].well]
            if not late:
                return
            if time.monotonic() > until:
                raise self.failure(late[0], f"{states[late[0]].word} for {seconds} s", self.containers().get(late[0]))
            time.sleep(0.3)

    def failure(self, name: str, word: str, container: Container | None) -> StackFailed:
        """Return the error that ``name`` does not work, with the last lines of what it said."""
        lines = container.logs(tail=_LINES).decode(errors="replace").strip() if container is not None else ""
        said = f"; it said last:\n{lines}" if lines else ""
        fix = f"read `release stack logs {name}`; then `release stack up` goes on from here"
        return StackFailed(f"the service {name} is {word}{said}", fix=fix)

    def remove(self, report: Report) -> None:
        """Stop and remove the containers, those that others need last, and the networks; volumes stay.

        Nothing of the project may be another's: :meth:`refuse_foreign`.

        Raises:
            StackFailed: something else is in a network.
        """
        found = self._all_containers()
        last = [one for one in found if one.labels.get(SERVICE) in _STOP_LAST]
        ours = bool(found or self.volumes())  # then so is a network that plain Compose made, without labels of ours
        with ThreadPoolExecutor(8) as pool:
            for group in ([one for one in found if one not in last], last):
                for name in pool.map(_stopped, group):
                    report(name, "removed", "")
        for network in self.client.networks.list(filters={"label": f"{PROJECT}={self.name}"}):
            network.reload()
            if not (ours or self.owner.owns(network.attrs.get("Labels") or {})):
                continue
            if guests := sorted(one["Name"] for one in (network.attrs.get("Containers") or {}).values()):
                raise StackFailed(
                    f"the network {network.name} stays: other containers are in it: {', '.join(guests)}",
                    fix="; ".join(f"docker network disconnect {network.name} {guest}" for guest in guests),
                )
            network.remove()

    def remove_volumes(self, report: Report) -> None:
        """Delete all data; the containers must be gone."""
        for volume in self.volumes():
            volume.remove()
            report(volume.name, "deleted", "")

    def logs(self, name: str, *, follow: bool, tail: int) -> Iterator[bytes]:
        """Yield what the service said, as it came; ``follow`` goes on until it ends.

        Raises:
            StackFailed: it does not run.
        """
        container = self.one(name)
        given = container.logs(stream=True, follow=follow, tail=tail)
        yield from given

    def one(self, name: str) -> Container:
        """Return the container of a service.

        Raises:
            StackFailed: there is none.
        """
        containers = self.containers()
        if name not in containers:
            there = ", ".join(sorted(containers)) or "none"
            raise StackFailed(f"there is no service {name} in this stack; there are: {there}", fix="release stack up")
        return containers[name]

    def run(self, name: str, command: Sequence[str]) -> tuple[int, str]:
        """Run a command in the service's container and return its exit code and what it printed.

        Raises:
            StackFailed: the service does not run.
        """
        api: Any = self.client.api
        made = api.exec_create(self.one(name).id, list(command))["Id"]
        said = api.exec_start(made).decode(errors="replace")
        return int(api.exec_inspect(made)["ExitCode"]), said


def _last_line(container: Container) -> str:
    return container.logs(tail=1).decode(errors="replace").strip()


def _stopped(container: Container) -> str:
    container.stop()
    container.remove(v=True)
    return str(container.labels.get(SERVICE, container.name))
