"""Real stacks: a clone of this repository with a stack of its own name, started by the command and deleted afterwards.

RELEASE_STACK_IMAGES names the images of the services, as ``build-support/stack/images.py`` writes it. With MOODLE_DIR
the site is a real Moodle, without it the small application of the image's own tests.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from scratch import Result

__all__ = ["REAL", "StackUnderTest", "running_stack"]

ROOT = Path(__file__).resolve().parents[4]
APPLICATION = ROOT / "images/moodle/tests/application"
MOODLE = os.environ.get("MOODLE_DIR")
REAL = MOODLE is not None and (Path(MOODLE) / "public/mod/quiz").is_dir()
"""Whether the site is a real Moodle."""


@dataclass(frozen=True, slots=True)
class StackUnderTest:
    """A clone and the name of its stack."""

    root: Path
    name: str

    def run(self, *arguments: str, **environment: str) -> Result:
        """Run ``release stack ARGUMENTS`` in the clone."""
        done = subprocess.run(
            [sys.executable, "-m", "release", "stack", *arguments],
            cwd=self.root,
            env={
                **os.environ,
                "MOODLE_DIR": MOODLE or str(APPLICATION),
                "PYTHONPATH": str(ROOT / "tools/release/src"),
                **environment,
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
        return Result(done.returncode, done.stdout.decode(), done.stderr.decode())

    def up(self, *options: str) -> dict[str, Any]:
        """Start the stack and return what it says; fail the test when it doesn't come up."""
        found: dict[str, Any] = self.run("up", "--json", *([] if REAL else ["--no-seed"]), *options).ok().json
        return found

    def containers(self) -> dict[str, Any]:
        """Return the containers, by service."""
        import docker

        found = docker.from_env().containers.list(
            all=True, filters={"label": f"com.docker.compose.project={self.name}"}
        )
        return {one.labels["com.docker.compose.service"]: one for one in found}

    def volumes(self) -> set[str]:
        """Return the names of the volumes."""
        import docker

        found = docker.from_env().volumes.list(filters={"label": f"com.docker.compose.project={self.name}"})
        return {one.name.removeprefix(f"{self.name}_") for one in found}

    def sh(self, service: str, script: str) -> str:
        """Run a shell script in the service's container and return what it prints; fail the test when it fails."""
        return self.run("shell", service, "--", "sh", "-c", script).ok().out


def get(address: str) -> tuple[int, bytes]:
    """Return the status and the body of a page."""
    try:
        with urllib.request.urlopen(address, timeout=60) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def address(said: dict[str, Any], what: str) -> str:
    """Return where something of the stack is reached."""
    return next(str(one["address"]) for one in said["reached"] if one["what"].startswith(what))


@contextmanager
def running_stack(folder: Path) -> Iterator[StackUnderTest]:
    """Yield a stack that isn't started yet, and delete it with its data; skip the test where there is no engine."""
    if os.environ.get("CI") != "true":
        if (
            not shutil.which("docker")
            or subprocess.run(["docker", "info"], capture_output=True, check=False).returncode
        ):
            pytest.skip("no container engine answers")
        if not os.environ.get("RELEASE_STACK_IMAGES"):
            pytest.skip("RELEASE_STACK_IMAGES names no images of services: build-support/stack/images.py builds them")
    root = folder / "clone"
    subprocess.run(["git", "clone", "-q", str(ROOT), str(root)], check=True)
    name = f"stack-test-{secrets.token_hex(3)}"
    config = root / "release.yaml"
    kept = config.read_text().partition("\nstack:")[0]
    config.write_text(f"{kept}\nstack: {json.dumps({'name': name, 'moodle': 'moodle'})}\n")
    stack = StackUnderTest(root, name)
    try:
        yield stack
    finally:
        stack.run("reset", "--yes")
        subprocess.run(["docker", "rmi", f"localhost/{name}/moodle:stack"], capture_output=True, check=False)
