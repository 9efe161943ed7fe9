"""What the container tests of all images share: an engine, a network, databases; and what happens without them."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from containers import Running, Workshop, eventually
from release.errors import EngineUnfit
from release.images import engine

if TYPE_CHECKING:
    from docker import DockerClient

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def client() -> Iterator[DockerClient]:
    """Yield a client of the engine; without one the test is skipped, or fails in CI."""
    try:
        client = engine.connected(timeout=300)
    except EngineUnfit as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"no container engine: {error}")
    yield client
    client.close()


@pytest.fixture(scope="session")
def lasting(client: DockerClient) -> Iterator[Workshop]:
    """Yield a workshop for what several tests use."""
    with Workshop.opened(client) as workshop:
        yield workshop


@pytest.fixture
def workshop(lasting: Workshop) -> Iterator[Workshop]:
    """Yield a workshop for one test, in the network of the lasting one."""
    workshop = Workshop(lasting.client, lasting.network)
    yield workshop
    workshop.clear()


def built(workshop: Workshop, variable: str, folder: Path, name: str, **arguments: str) -> str:
    """Return the reference of an image: the one that an environment variable names, or one built from a folder.

    Binaries of crates are no part of these tests: their folder in the context is empty.
    """
    if reference := os.environ.get(variable):
        return reference
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there, and {variable} names no image")
    files: dict[str, Path | bytes] = {path.name: path for path in sorted(folder.iterdir()) if path.name != "tests"}
    files["bin/linux/amd64/.keep"] = b""
    return workshop.build(name, files, **arguments)


@pytest.fixture(scope="session")
def build(lasting: Workshop) -> Callable[..., str]:
    """Return the function :func:`built` for this engine."""
    return functools.partial(built, lasting)


@pytest.fixture(scope="session")
def pgsql(lasting: Workshop) -> Running:
    """Start a PostgreSQL server with the name pgsql: database, user and password are moodle."""
    image = built(lasting, "IMAGE_PGSQL", ROOT / "build-support/stack/pgsql", "pgsql")
    names = {"POSTGRES_DB": "moodle", "POSTGRES_USER": "moodle", "POSTGRES_PASSWORD": "moodle"}
    server = lasting.start(image, "postgres", "-c", "fsync=off", alias="pgsql", environment=names)
    query = ("psql", "-h", "127.0.0.1", "-U", "moodle", "-c", "SELECT 1")
    eventually(lambda: server.execute(*query, environment={"PGPASSWORD": "moodle"})[0] == 0, said=server.logs)
    return server


@pytest.fixture(scope="session")
def mariadb(lasting: Workshop) -> Running:
    """Start a MariaDB server with the name mariadb: database, user and password are moodle."""
    image = built(lasting, "IMAGE_MARIADB", ROOT / "build-support/stack/mariadb", "mariadb")
    names = {"MARIADB_DATABASE": "moodle", "MARIADB_USER": "moodle", "MARIADB_PASSWORD": "moodle"}
    server = lasting.start(image, alias="mariadb", environment=names)
    query = ("mariadb", "-h", "127.0.0.1", "-u", "moodle", "-pmoodle", "-e", "SELECT 1", "moodle")
    eventually(lambda: server.execute(*query)[0] == 0, said=server.logs)
    return server


@pytest.fixture(scope="session")
def moodle(lasting: Workshop) -> str:
    """Build the image with the tests' application as Moodle, on IMAGE_MOODLE or from the Dockerfile."""
    folder = ROOT / "images/moodle"
    if reference := os.environ.get("IMAGE_MOODLE"):
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
        files = {"Dockerfile": folder / "Dockerfile", "bin/linux/amd64/.keep": b""}
    return lasting.build("moodle", {**files, "rootfs": folder / "rootfs", "moodle": folder / "tests/application"})
