"""Containers of the images' tests: made, driven and removed with everything that belongs to them."""

from __future__ import annotations

import http.client
import io
import itertools
import json
import tarfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

__all__ = ["LABELS", "Answer", "Running", "Site", "Workshop", "context", "eventually"]

T = TypeVar("T")
_numbers = itertools.count(1)

LABELS = {"moodle-platform.test": "1"}
"""What marks every container, network, volume and image that a test makes."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a web server answered, and after how many seconds."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()

    def json(self) -> Any:
        """Return the body as JSON."""
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Running:
    """A container that was started."""

    container: Container

    def get(self, path: str, *, timeout: float = 15, port: int = 8080, **headers: str) -> Answer:
        """Return the answer to ``GET path``; underscores in names of headers stand for hyphens."""
        return self.request("GET", path, None, timeout=timeout, port=port, **headers)

    def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        timeout: float = 15,
        port: int = 8080,
        **headers: str,
    ) -> Answer:
        """Return the answer to a request. Raises OSError if there is none in time."""
        connection = http.client.HTTPConnection(*self.address(port), timeout=timeout)
        start = time.monotonic()
        try:
            connection.request(method, path, body, {name.replace("_", "-"): text for name, text in headers.items()})
            response = connection.getresponse()
            content = response.read()
            received = {name.lower(): text for name, text in response.getheaders()}
            return Answer(response.status, received, content, time.monotonic() - start)
        finally:
            connection.close()

    def address(self, port: int = 8080) -> tuple[str, int]:
        """Return host and port at which a port of the container is reached from here.

        Raises:
            ConnectionError: it is not reached; the container may have ended.
        """
        self.container.reload()
        published = next(iter(self.container.ports.get(f"{port}/tcp") or ()), None)
        if published is None:
            raise ConnectionError(f"port {port} of {self.container.name} leads nowhere: it is {self.container.status}")
        return "127.0.0.1", int(published["HostPort"])

    def logs(self) -> str:
        """Return everything it said."""
        return self.container.logs().decode()

    def execute(self, *command: str, **options: Any) -> tuple[int, str]:
        """Run a command in it; return exit code and output."""
        result = self.container.exec_run(list(command), **options)
        assert isinstance(result.output, bytes)
        return int(result.exit_code or 0), result.output.decode()

    def wait(self, timeout: float = 180) -> int:
        """Return its exit code once it has ended."""
        return int(self.container.wait(timeout=timeout)["StatusCode"])

    def running(self) -> bool:
        """Say whether it runs still."""
        self.container.reload()
        return bool(self.container.status == "running")


@dataclass(frozen=True, slots=True)
class Tag:
    """The name of an image that a test built."""

    client: DockerClient
    reference: str

    def remove(self, *, force: bool) -> None:
        """Remove the name; layers stay as the next build's cache."""
        self.client.images.remove(self.reference, force=force, noprune=True)


@dataclass(frozen=True, slots=True)
class Workshop:
    """Makes things in an engine and removes them all when it is closed."""

    client: DockerClient
    network: str
    made: list[Any] = field(default_factory=list)

    @classmethod
    @contextmanager
    def opened(cls, client: DockerClient) -> Iterator[Workshop]:
        """Open a workshop with a network of its own."""
        network = client.networks.create(f"image-test-{uuid.uuid4().hex[:12]}", labels=LABELS)
        workshop = cls(client, str(network.name))
        try:
            yield workshop
        finally:
            workshop.clear()
            network.remove()

    def clear(self) -> None:
        """Remove everything that was made here, the newest first."""
        from docker.errors import APIError

        while self.made:
            thing = self.made.pop()
            with suppress(APIError):
                thing.remove(v=True, force=True) if hasattr(thing, "exec_run") else thing.remove(force=True)

    def volume(self) -> str:
        """Make a volume and return its name."""
        volume = self.client.volumes.create(f"image-test-{uuid.uuid4().hex[:12]}", labels=LABELS)
        self.made.append(volume)
        return str(volume.name)

    def build(self, name: str, files: Mapping[str, Path | bytes], **arguments: str) -> str:
        """Build an image from a context and return its reference, which no other run of the tests has."""
        tag = Tag(self.client, f"image-test/{name}:{uuid.uuid4().hex[:12]}")
        self.client.images.build(
            fileobj=context(files), custom_context=True, tag=tag.reference, buildargs=arguments, labels=LABELS,
            rm=True, forcerm=True,
        )  # fmt: skip
        self.made.append(tag)
        return tag.reference

    def start(self, image: str, *command: str, alias: str = "", **options: Any) -> Running:
        """Start a container, known by ``alias`` to the others; ``options`` are those of the SDK's ``run``."""
        if alias:
            endpoint = self.client.api.create_endpoint_config(aliases=[alias])
            options["networking_config"] = {self.network: endpoint}
        options.setdefault("network", self.network)
        container = self.client.containers.create(image, list(command) or None, labels=LABELS, **options)
        self.made.append(container)
        container.start()
        return Running(container)

    def start_hardened(self, image: str, *command: str, **options: Any) -> Running:
        """Start a container as the documentation says: without root, capabilities or a writable root filesystem."""
        options = {
            "read_only": True,
            "user": "10001",
            "cap_drop": ["ALL"],
            "security_opt": ["no-new-privileges"],
            "tmpfs": {"/tmp": ""},
            **options,
        }
        return self.start(image, *command, **options)


@dataclass(frozen=True, slots=True)
class Site:
    """One site: a prefix in the database and a dataroot, and the containers that share them."""

    workshop: Workshop
    image: str
    environment: dict[str, str]
    dataroot: str = ""
    tables: str = field(default_factory=lambda: f"t{next(_numbers)}_")

    def start(self, *role: str, environment: dict[str, str] | None = None, **options: Any) -> Running:
        """Start a container of a role."""
        return self.workshop.start_hardened(
            self.image,
            *role,
            environment={**self.environment, "MOODLE_DB_PREFIX": self.tables, **(environment or {})},
            volumes={self.dataroot: {"bind": "/var/moodledata", "mode": "rw"}},
            **options,
        )

    def run(self, *role: str, environment: dict[str, str] | None = None, **options: Any) -> tuple[int, str]:
        """Run a container of a role to its end; return exit code and output."""
        running = self.start(*role, environment=environment, **options)
        return running.wait(), running.logs()

    def install(self) -> None:
        """Install the application."""
        code, output = self.run("install", environment={"MOODLE_ADMIN_PASSWORD": "Secret-1"})
        assert code == 0, output

    def web(self, environment: dict[str, str] | None = None, *, ready: bool = True, **options: Any) -> Running:
        """Start the web server; return it once it is ready, or as soon as it answers at all."""
        options.setdefault("ports", {"8080/tcp": ("127.0.0.1", None)})
        running = self.start("web", environment=environment, **options)
        path = "/readyz" if ready else "/livez"
        eventually(lambda: running.get(path).status == 200, said=running.logs)
        return running


def context(files: Mapping[str, Path | bytes]) -> io.BytesIO:
    """Return a build context as tar: files and folders by their names in it, times and owners all the same."""
    buffer = io.BytesIO()

    def plain(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
        if "__pycache__" in member.name:
            return None
        member.mtime = member.uid = member.gid = 0
        member.uname = member.gname = ""
        member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
        return member

    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in files.items():
            if isinstance(content, bytes):
                member = tarfile.TarInfo(name)
                member.size, member.mode = len(content), 0o644
                tar.addfile(member, io.BytesIO(content))
            else:
                tar.add(content, name, filter=plain)
    buffer.seek(0)
    return buffer


def eventually(
    question: Callable[[], T], *, within: float = 120, every: float = 0.1, said: Callable[[], str] = str
) -> T:
    """Ask again until the answer is true and return it; ``within`` seconds only end a test that would hang.

    Raises:
        AssertionError: it never was; the message has the last answer and what ``said`` returns.
    """
    end = time.monotonic() + within
    while True:
        answer: T | None = None
        with suppress(OSError, http.client.HTTPException):
            answer = question()
        if answer:
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"not true within {within} s: {answer!r}\n{said()}")
        time.sleep(every)
