"""A site of the tests' own application, in containers of the moodle image."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from containers import LABELS, Running, Workshop, context, eventually

if TYPE_CHECKING:
    from docker import DockerClient

HERE = Path(__file__).parent
TAG = "image-test/moodle:local"
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def moodle(client: DockerClient) -> str:
    """The image with the tests' application as Moodle: from the image that IMAGE names, or from the Dockerfile."""
    application = HERE / "application"
    if reference := os.environ.get("IMAGE"):
        dockerfile = f"""
FROM {reference}
USER root
RUN rm -rf /var/www/moodle/* /usr/local/share/moodle /etc/moodle/php/baked.ini
COPY moodle/ /var/www/moodle/
COPY rootfs/var/www/moodle/config.php /var/www/moodle/
RUN moodle-bake
USER 10001:10001
"""
        files: dict[str, Path | bytes] = {"Dockerfile": dockerfile.encode()}
    else:
        files = {"Dockerfile": HERE.parent / "Dockerfile", "bin/linux/amd64/.keep": b""}
    tar = context({**files, "rootfs": HERE.parent / "rootfs", "moodle": application})
    client.images.build(fileobj=tar, custom_context=True, tag=TAG, labels=LABELS, rm=True, forcerm=True)
    return TAG


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


@pytest.fixture
def database(pgsql: Running) -> dict[str, str]:
    """What leads a site to its database."""
    assert pgsql.running()
    return {"MOODLE_DB_TYPE": "pgsql", "MOODLE_DB_HOST": "pgsql", "MOODLE_DB_PASSWORD": "moodle"}


@pytest.fixture
def site(workshop: Workshop, moodle: str, database: dict[str, str]) -> Site:
    """A site whose database is empty."""
    return Site(workshop, moodle, {"MOODLE_WWWROOT": "http://localhost:8080", **database}, workshop.volume())


@pytest.fixture
def installed(site: Site) -> Site:
    """A site that is installed."""
    site.install()
    return site


@pytest.fixture
def sql(pgsql: Running) -> Callable[[str], str]:
    """Run SQL on PostgreSQL and return its output."""

    def run(statement: str) -> str:
        command = ("psql", "-h", "127.0.0.1", "-U", "moodle", "-tA", "-v", "ON_ERROR_STOP=1", "-c", statement)
        code, output = pgsql.execute(*command, environment={"PGPASSWORD": "moodle"})
        assert code == 0, output
        return output

    return run


@pytest.fixture(scope="session")
def standing(lasting: Workshop, moodle: str, pgsql: Running) -> Running:
    """The web server of an installed site that nobody changes."""
    assert pgsql.running()
    environment = {"MOODLE_WWWROOT": "http://localhost:8080", "MOODLE_DB_HOST": "pgsql", "MOODLE_DB_PASSWORD": "moodle"}
    site = Site(lasting, moodle, environment, lasting.volume())
    site.install()
    return site.web()
