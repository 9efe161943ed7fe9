"""A throwaway site of a Moodle image: a network, a database, a cache and containers of the image, gone afterwards."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from release.errors import ImageUnproven

if TYPE_CHECKING:
    import httpx
    from docker import DockerClient
    from docker.models.containers import Container
    from docker.models.networks import Network

__all__ = ["ADMIN", "CONFINED", "HOST", "LABEL", "SERVICES", "Service", "Site", "log_in", "site"]

LABEL = "moodle-platform.test"
"""The label of everything that is made here."""

HOST = "moodle.test:8080"
"""The site's name: inside its network by Docker's DNS, outside by :meth:`Site.browser`."""

_PORT = "8080/tcp"

ADMIN = "admin"

CONFINED: Mapping[str, Any] = {
    "read_only": True,
    "user": "10001",
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges"],
    "tmpfs": {"/tmp": ""},
}
"""How a container of the image is run: nothing to write but ``/tmp`` and the dataroot, and no rights."""


@dataclass(frozen=True, slots=True)
class Service:
    """A server that a site needs: its public image, its command, its variables, and what succeeds once it is ready."""

    image: str
    ready: tuple[str, ...]
    command: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)


SERVICES: Mapping[str, Service] = {
    "pgsql": Service(
        "docker.io/library/postgres:17",
        ("pg_isready", "--quiet", "--host=127.0.0.1", "--username=moodle", "--dbname=moodle"),
        ("postgres", "-c", "fsync=off", "-c", "max_connections=200"),
        {"POSTGRES_DB": "moodle", "POSTGRES_USER": "moodle"},
    ),
    "mariadb": Service(
        "docker.io/library/mariadb:11.4",
        ("healthcheck.sh", "--connect", "--innodb_initialized"),
        ("mariadbd", "--innodb-flush-log-at-trx-commit=0"),
        {"MARIADB_DATABASE": "moodle", "MARIADB_USER": "moodle", "MARIADB_RANDOM_ROOT_PASSWORD": "1"},
    ),
    "cache": Service("docker.io/valkey/valkey:8.1", ("valkey-cli", "ping")),
}
_PASSWORD_VARIABLE = {"pgsql": "POSTGRES_PASSWORD", "mariadb": "MARIADB_PASSWORD"}
_PATIENCE_SECONDS = 90


@dataclass(frozen=True, slots=True)
class Site:
    """A network with a database and a cache, and what is needed to run containers of an image in it."""

    client: DockerClient
    image: str
    network: Network
    dataroot: str
    database: Container
    cache: Container
    environment: Mapping[str, str]

    @property
    def admin_password(self) -> str:
        """The password of :data:`ADMIN`."""
        return self.environment["MOODLE_ADMIN_PASSWORD"]

    def start(
        self,
        *command: str,
        image: str = "",
        environment: Mapping[str, str] | None = None,
        volumes: Mapping[str, dict[str, str]] | None = None,
        dataroot: str | None = "",
        public: bool = False,
        **options: Any,
    ) -> Container:
        """Start a container of the image, confined unless ``options`` say otherwise.

        ``command`` is a role and its arguments, ``dataroot`` another volume than the site's, or ``None`` for none at
        all. One that is ``public`` has the site's name in the network.
        """
        mounts = dict(volumes or {})
        if dataroot is not None:
            mounts[dataroot or self.dataroot] = {"bind": "/var/moodledata", "mode": "rw"}
        name = self.network.name or ""
        names = [HOST.partition(":")[0]] if public else []
        container = self.client.containers.create(
            image or self.image,
            list(command),
            environment={**self.environment, **(environment or {})},
            volumes=mounts,
            labels={LABEL: "1", "moodle-platform.site": name},
            network=name,
            networking_config={name: self.client.api.create_endpoint_config(aliases=names)},
            ports={_PORT: ("127.0.0.1", 0)},
            **{**CONFINED, **options},
        )
        container.start()
        return container

    def run(self, *command: str, seconds: float = 600, **options: Any) -> tuple[int, str]:
        """Run a role to its end; return the exit code and what it wrote.

        Raises:
            ImageUnproven: it hasn't ended after that many seconds.
        """
        container = self.start(*command, **options)
        end = time.monotonic() + seconds
        try:
            while container.status != "exited":
                if time.monotonic() > end:
                    said = written(container)
                    raise ImageUnproven(f"`{' '.join(command)}` hasn't ended after {seconds:g} s: {said}")
                time.sleep(0.1)
                container.reload()
            return int(container.attrs["State"]["ExitCode"]), written(container)
        finally:
            container.remove(force=True, v=True)

    def address(self, container: Container) -> str:
        """Return where a container of the site listens, as seen from this machine.

        That is a port of its own: the engine's networks can be out of reach, in a virtual machine or a namespace.

        Raises:
            ImageUnproven: it doesn't run any more.
        """
        container.reload()
        given = container.attrs["NetworkSettings"]["Ports"].get(_PORT)
        if not given:
            raise ImageUnproven(f"{container.name} doesn't run any more:\n{written(container)[-2000:]}")
        return f"{given[0]['HostIp']}:{given[0]['HostPort']}"

    @contextmanager
    def browser(self, container: Container, *, seconds: float = 60) -> Iterator[httpx.Client]:
        """Yield an HTTP client for which the site's name leads to ``container``; it keeps cookies, not redirects."""
        import httpx

        address = self.address(container)

        class Resolved(httpx.HTTPTransport):
            def handle_request(self, request: httpx.Request) -> httpx.Response:
                host, _, port = address.partition(":")
                url = request.url.copy_with(host=host, port=int(port))
                sent = httpx.Request(
                    request.method, url, headers=request.headers, stream=request.stream, extensions=request.extensions
                )
                return super().handle_request(sent)

        with httpx.Client(base_url=f"http://{HOST}", transport=Resolved(), timeout=seconds) as client:
            yield client

    def wait_ready(self, container: Container, *, path: str = "/readyz", seconds: float = _PATIENCE_SECONDS) -> float:
        """Wait until the container answers 200 on ``path``; return how many seconds that took.

        Raises:
            ImageUnproven: it doesn't in time, or has ended.
        """
        import httpx

        begin = time.monotonic()
        last = "it doesn't answer"
        with self.browser(container, seconds=10) as client:
            while time.monotonic() - begin < seconds:
                try:
                    response = client.get(path)
                except httpx.TransportError as error:
                    last = repr(error)
                else:
                    if response.status_code == 200:
                        return time.monotonic() - begin
                    last = f"{response.status_code} {response.text[:500]}"
                container.reload()
                if container.status == "exited":
                    break
                time.sleep(0.02)
        raise ImageUnproven(f"{path} isn't 200 after {seconds:g} s: {last}\n{written(container)}")

    def install(self) -> None:
        """Install Moodle.

        Raises:
            ImageUnproven: the role ``install`` fails.
        """
        code, output = self.run("install", seconds=1200)
        if code:
            raise ImageUnproven(f"the role install ended with exit code {code}:\n{output[-4000:]}")


def written(container: Container) -> str:
    """Return what a container has written so far."""
    return container.logs().decode(errors="replace")


@contextmanager
def site(
    client: DockerClient, image: str, *, database: str = "pgsql", images: Mapping[str, str] | None = None
) -> Iterator[Site]:
    """Yield a site without Moodle in it yet; everything of it is removed afterwards, whatever happens.

    ``images`` gives other references for :data:`SERVICES`, for a machine without an image registry.

    Raises:
        ImageUnproven: the database or the cache doesn't become ready.
    """
    name = f"moodle-test-{secrets.token_hex(4)}"
    password = secrets.token_hex(12)
    labels = {LABEL: "1", "moodle-platform.site": name}
    network = client.networks.create(name, labels=labels)
    client.volumes.create(name, labels=labels)
    try:
        services = {}
        for key, host, secret in (
            (database, "database", {_PASSWORD_VARIABLE[database]: password}),
            ("cache", "cache", {}),
        ):
            service = SERVICES[key]
            services[host] = client.containers.run(
                (images or {}).get(key, service.image),
                list(service.command) or None,
                name=f"{name}-{host}",
                hostname=host,
                environment={**service.environment, **secret},
                labels=labels,
                network=name,
                detach=True,
            )
            await_service(services[host], service.ready)
        yield Site(
            client, image, network, name, services["database"], services["cache"],
            {
                "MOODLE_WWWROOT": f"http://{HOST}",
                "MOODLE_DB_TYPE": database,
                "MOODLE_DB_HOST": f"{name}-database",
                "MOODLE_DB_PASSWORD": password,
                "MOODLE_REDIS_HOST": f"{name}-cache",
                "MOODLE_ADMIN_PASSWORD": f"Aa1-{secrets.token_hex(8)}",
                "MOODLE_ADMIN_EMAIL": "admin@moodle.test",
                "MOODLE_SITE_NAME": "Throwaway site",
                "MOODLE_SITE_SHORTNAME": "throwaway",
            },
        )  # fmt: skip
    finally:
        found = client.containers.list(all=True, filters={"label": f"moodle-platform.site={name}"})
        for container in found:
            container.remove(force=True, v=True)
        for volume in client.volumes.list(filters={"label": f"moodle-platform.site={name}"}):
            volume.remove(force=True)
        network.remove()


def await_service(container: Container, ready: Sequence[str]) -> None:
    """Wait until a service's own check succeeds.

    Raises:
        ImageUnproven: it doesn't in time.
    """
    from docker.errors import APIError

    end = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < end:
        try:
            if container.exec_run(list(ready)).exit_code == 0:
                return
        except APIError:
            container.reload()
            if container.status == "exited":
                break
        time.sleep(0.2)
    raise ImageUnproven(f"{container.name} doesn't become ready:\n{written(container)[-2000:]}")


def log_in(client: httpx.Client, user: str, password: str) -> httpx.Response:
    """Log in as a person does, by the form; return the answer to it.

    Raises:
        ImageUnproven: the page has no such form.
    """
    page = client.get("/login/index.php").raise_for_status().text
    token = re.search(r'name="logintoken" value="([^"]+)"', page)
    if token is None:
        raise ImageUnproven(f"the login page has no form:\n{page[:2000]}")
    return client.post("/login/index.php", data={"username": user, "password": password, "logintoken": token[1]})
