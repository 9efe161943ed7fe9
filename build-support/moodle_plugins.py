"""Tests plugins inside a Moodle by moodle-plugin-ci, with the database in a container.

Called as `python build-support/moodle_plugins.py CACHE PLUGIN-FOLDER...` with MOODLE_BRANCH (MOODLE_503_STABLE), DB
(pgsql, mariadb or mysqli) and DB_IMAGE (a container image by digest) in the environment. CACHE keeps moodle-plugin-ci.
Source: https://moodlehq.github.io/moodle-plugin-ci/
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PACKAGE = ("moodlehq/moodle-plugin-ci", "^4")
CHECKS = (
    ("phplint",),
    ("phpcs", "--max-warnings", "0"),
    ("phpdoc", "--max-warnings", "0"),
    ("validate",),
    ("savepoints",),
    ("mustache",),
    ("phpunit", "--fail-on-warning"),
)
PATIENCE = 120
"""Seconds in which the database must answer."""


@dataclass(frozen=True, slots=True)
class Database:
    """How a kind of database is started and asked whether it is up; its user needs no password."""

    port: int
    user: str
    environment: tuple[str, ...]
    ready: tuple[str, ...]


MYSQL = ("MYSQL_ALLOW_EMPTY_PASSWORD=1", "MYSQL_CHARACTER_SET_SERVER=utf8mb4")
DATABASES = {
    "pgsql": Database(
        5432,
        "postgres",
        ("POSTGRES_HOST_AUTH_METHOD=trust",),
        ("pg_isready", "--host=127.0.0.1", "--username=postgres"),
    ),
    "mariadb": Database(3306, "root", MYSQL, ("healthcheck.sh", "--connect", "--innodb_initialized")),
    "mysqli": Database(3306, "root", MYSQL, ("mysqladmin", "ping", "--host=127.0.0.1", "--silent")),
}


def main(cache: Path, plugins: list[Path]) -> int:
    """Run all checks on each plugin; return 1 when one failed."""
    branch, kind, image = (variable(name) for name in ("MOODLE_BRANCH", "DB", "DB_IMAGE"))
    if kind not in DATABASES:
        sys.exit(f"moodle: DB is {kind!r}; it can be {', '.join(DATABASES)}")
    program = moodle_plugin_ci(cache)
    failed: list[str] = []
    with database(DATABASES[kind], image) as port:
        for plugin in plugins:
            with tempfile.TemporaryDirectory() as folder:
                failed += check(program, plugin, branch, kind, port, Path(folder))
    print("\n".join(f"moodle: failed: {name}" for name in failed) or "moodle: all passed")
    return 1 if failed else 0


def check(program: Path, plugin: Path, branch: str, kind: str, port: int, folder: Path) -> Iterator[str]:
    """Install Moodle with the plugin below `folder`, then run every check; yield those that failed."""
    places = (f"--moodle={folder / 'moodle'}", f"--data={folder / 'moodledata'}", f"--plugin={plugin}")
    access = (f"--db-type={kind}", "--db-host=127.0.0.1", f"--db-port={port}", f"--db-user={DATABASES[kind].user}")
    name = f"--db-name=moodle_{plugin.name}"
    if call(program, "install", f"--branch={branch}", *places, *access, name) != 0:
        yield f"{plugin.name}: install"
        return
    for command in CHECKS:
        if call(program, *command) != 0:
            yield f"{plugin.name}: {command[0]}"


def moodle_plugin_ci(cache: Path) -> Path:
    """Return moodle-plugin-ci, installed into `cache` by Composer when it isn't there yet."""
    program = cache / "bin" / "moodle-plugin-ci"
    if not program.exists():
        command = ("composer", "create-project", "--no-interaction", "--no-dev", "--prefer-dist")
        if call(*command, PACKAGE[0], cache, PACKAGE[1]) != 0:
            sys.exit("moodle: Composer could not install moodle-plugin-ci")
    return program


@contextmanager
def database(wanted: Database, image: str) -> Iterator[int]:
    """Yield the local port of a database that runs in a container, which is removed afterwards."""
    variables = [f"--env={one}" for one in wanted.environment]
    container = output("docker", "run", "--detach", f"--publish=127.0.0.1::{wanted.port}", *variables, image)
    try:
        deadline = time.monotonic() + PATIENCE
        while subprocess.run(["docker", "exec", container, *wanted.ready], check=False, capture_output=True).returncode:
            if time.monotonic() > deadline:
                sys.exit(f"moodle: the database is not up after {PATIENCE} s\n{output('docker', 'logs', container)}")
            time.sleep(1)
        yield int(output("docker", "port", container, str(wanted.port)).rpartition(":")[2])
    finally:
        subprocess.run(["docker", "rm", "--force", "--volumes", container], check=False, capture_output=True)


def variable(name: str) -> str:
    """Return the variable's value; end when it isn't set."""
    return os.environ.get(name) or sys.exit(f"moodle: {name} is not set; build-support/moodle_plugins.py says more")


def call(*command: str | Path) -> int:
    """Run the command, its output shown; return its exit code."""
    print("moodle:", *command, flush=True)
    return subprocess.run(command, check=False).returncode


def output(*command: str) -> str:
    """Return what the command prints; end when it fails."""
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"moodle: exit code {done.returncode} from: {' '.join(command)}\n{done.stderr}")
    return done.stdout.strip()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), [Path(path).resolve() for path in sys.argv[2:]]))
