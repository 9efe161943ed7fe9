"""The database images for machines without a registry start on what others made, and empty nothing."""

from __future__ import annotations

import shutil
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from engines import engine

ROOT = Path(__file__).resolve().parents[4]
DATA = {"pgsql": "/var/lib/postgresql/data", "mariadb": "/var/lib/mysql"}
SETTINGS = ("POSTGRES_USER=m", "POSTGRES_PASSWORD=p", "MARIADB_USER=m", "MARIADB_PASSWORD=p", "MARIADB_DATABASE=m")


def docker(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False, timeout=300)


@pytest.fixture(params=DATA)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, str, list[str]]]:
    """Yield the folder of the data, a volume, and how a container of the image is run on that."""
    engine()
    name = f"moodle-platform-test-{uuid.uuid4().hex[:8]}"
    context = shutil.copytree(ROOT / "build-support/stack" / request.param, tmp_path / "context")
    built = docker("build", "--quiet", "--tag", name, str(context))
    assert built.returncode == 0, built.stderr
    settings = [word for setting in SETTINGS for word in ("--env", setting)]
    try:
        yield DATA[request.param], name, ["run", "--rm", *settings, "--volume", f"{name}:{DATA[request.param]}"]
    finally:
        docker("volume", "rm", "--force", name)
        docker("rmi", "--force", name)


def test_files_that_are_no_database_are_left_alone(database: tuple[str, str, list[str]]) -> None:
    folder, image, run = database
    docker(*run, "--entrypoint", "sh", image, "-c", f"echo mine > {folder}/precious")
    refused = docker(*run, image)
    assert refused.returncode == 1
    assert "empty it, or name another volume" in refused.stderr
    assert docker(*run, "--entrypoint", "cat", image, f"{folder}/precious").stdout == "mine\n"


def test_a_database_without_our_mark_is_started_as_it_is(database: tuple[str, str, list[str]]) -> None:
    folder, image, run = database
    sign = "mysql/precious" if folder == DATA["mariadb"] else "PG_VERSION"
    docker(*run, "--entrypoint", "sh", image, "-c", f"mkdir -p {folder}/mysql; echo 17 > {folder}/{sign}")
    assert docker(*run, image).returncode != 0, "a database was made, although nothing but the sign of one was there"
    assert docker(*run, "--entrypoint", "cat", image, f"{folder}/{sign}").stdout == "17\n"
