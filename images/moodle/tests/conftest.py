"""A site of the tests' own application, in containers of the moodle image."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from containers import Running, Site, Workshop


@pytest.fixture
def database(pgsql: Running) -> dict[str, str]:
    """Return what leads a site to its database."""
    assert pgsql.running()
    return {"MOODLE_DB_TYPE": "pgsql", "MOODLE_DB_HOST": "pgsql", "MOODLE_DB_PASSWORD": "moodle"}


@pytest.fixture
def site(workshop: Workshop, moodle: str, database: dict[str, str]) -> Site:
    """Return a site whose database is empty."""
    return Site(workshop, moodle, {"MOODLE_WWWROOT": "http://localhost:8080", **database}, workshop.volume())


@pytest.fixture
def installed(site: Site) -> Site:
    """Return a site that is installed."""
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
    """Start the web server of an installed site that nobody changes."""
    assert pgsql.running()
    environment = {"MOODLE_WWWROOT": "http://localhost:8080", "MOODLE_DB_HOST": "pgsql", "MOODLE_DB_PASSWORD": "moodle"}
    site = Site(lasting, moodle, environment, lasting.volume())
    site.install()
    return site.web()
