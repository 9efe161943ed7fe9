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


@pytest.mark.parametrize("command", ["moodle-backup --version", "moodle-backup completions bash"])
def test_the_program_that_backs_up_runs_hardened(command: str, tools: str, workshop: Workshop) -> None:
    if workshop.start(tools, "test", "-e", "/usr/local/bin/moodle-backup").wait() != 0:
        pytest.skip("the image was built without programs: `release image build tools` puts moodle-backup into it")
    running = workshop.start_hardened(tools, *command.split())
    assert running.wait() == 0, running.logs()
    assert "moodle-backup" in running.logs()


def test_a_database_is_dumped_and_read_back(tools: str, workshop: Workshop, pgsql: Running) -> None:
    assert pgsql.running()
    # pg_restore reads the table of contents alone and ends: from a pipe, that would break zstd's last write.
    script = "pg_dump -h pgsql -U moodle -Fc moodle | zstd | zstd -d >dump; pg_restore --list dump"
    password = {"PGPASSWORD": "moodle"}
    running = workshop.start_hardened(tools, "bash", "-e", "-o", "pipefail", "-c", script, environment=password)
    assert running.wait() == 0, running.logs()
    assert "dbname: moodle" in running.logs()
