"""The image tools has what jobs beside Moodle need, and runs without root."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from containers import Running, Workshop


@pytest.fixture(scope="session")
def tools(build: Callable[..., str]) -> str:
    """Build the image under test."""
    return build("IMAGE_TOOLS", Path(__file__).parents[1], "tools")


@pytest.mark.parametrize(
    "command",
    ["mariadb-dump --version", "pg_dump --version", "psql --version", "zstd --version", "jq --version"],
)
def test_a_tool_is_there_and_works_hardened(command: str, tools: str, workshop: Workshop) -> None:
    running = workshop.start_hardened(tools, *command.split())
    assert running.wait() == 0, running.logs()


def test_it_runs_as_the_user_of_the_other_images(tools: str, workshop: Workshop) -> None:
    running = workshop.start(tools, "sh", "-c", "id -u; id -g; pwd")
    assert running.wait() == 0
    assert running.logs() == "10001\n10001\n/tmp\n"


def test_binaries_of_the_context_are_on_the_path(tools: str, workshop: Workshop) -> None:
    running = workshop.start_hardened(tools, "ls", "-a", "/usr/local/bin")
    assert running.wait() == 0
    assert ".keep" in running.logs()


def test_a_database_is_dumped_and_read_back(tools: str, workshop: Workshop, pgsql: Running) -> None:
    assert pgsql.running()
    script = "pg_dump -h pgsql -U moodle -Fc moodle | zstd | zstd -d | pg_restore --list"
    password = {"PGPASSWORD": "moodle"}
    running = workshop.start_hardened(tools, "bash", "-o", "pipefail", "-c", script, environment=password)
    assert running.wait() == 0, running.logs()
    assert "dbname: moodle" in running.logs()
