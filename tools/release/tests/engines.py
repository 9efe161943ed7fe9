"""A container engine for tests: reached, or the test is skipped with the reason; with CI=true it fails instead."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

import pytest

from release.errors import EngineUnfit
from release.images.builder import buildkit
from release.images.engine import connected
from scratch import Scratch

if TYPE_CHECKING:
    from docker import DockerClient

__all__ = ["BASE", "builder", "engine", "missing", "program", "tags", "with_engine"]

BASE = os.environ.get("RELEASE_IMAGE_BASE", "debian:trixie-slim")


def missing(why: str) -> NoReturn:
    """Skip the test because of ``why``; fail it in CI, where it is expected to run."""
    if os.environ.get("CI") == "true":
        pytest.fail(why)
    pytest.skip(why)


@functools.cache
def _client() -> DockerClient:
    return connected(timeout=600)


def engine() -> DockerClient:
    """Return the one client of the engine."""
    try:
        return _client()
    except EngineUnfit as error:
        missing(f"{error.what}: {error.fix}")


def builder() -> str:
    """Return a builder of buildx that writes layouts."""
    client = engine()
    for name in (os.environ.get("BUILDX_BUILDER"), *_builders()):
        try:
            found = buildkit(client, name)
        except EngineUnfit:
            continue
        if found is not None:
            return found
    missing("buildx has no builder that writes layouts: docker buildx create --use")


def program(name: str, how: str) -> str:
    """Return the path of ``name``, else skip the test; ``how`` says how to install it."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed ({how})")
    return found


@contextmanager
def with_engine(scratch: Scratch) -> Iterator[DockerClient]:
    """Let the command in ``scratch`` reach the engine; the images that it made are removed afterwards."""
    client = engine()
    kept = ("DOCKER_HOST", "DOCKER_CONFIG", "BUILDX_CONFIG")
    home = os.environ.get("HOME", "")
    scratch.environment |= {name: os.environ[name] for name in kept if name in os.environ}
    scratch.environment.setdefault("DOCKER_CONFIG", f"{home}/.docker")
    scratch.environment["RELEASE_IMAGE_BASE"] = BASE
    try:
        yield client
    finally:
        for tag in tags(client, scratch):
            client.images.remove(tag, force=True)


def tags(client: DockerClient, scratch: Scratch) -> list[str]:
    """Return the tags in the engine that the command in ``scratch`` gave."""
    listed: list[dict[str, list[str] | None]] = client.api.images()
    found = [tag for image in listed for tag in image["RepoTags"] or ()]
    return [tag for tag in found if tag.startswith(f"localhost/{scratch.path.name}/")]


def _builders() -> list[str]:
    if shutil.which("docker") is None:
        return []
    said = subprocess.run(
        ["docker", "buildx", "ls", "--format", "{{.Builder.Name}}"], capture_output=True, text=True, check=False
    ).stdout
    return list(dict.fromkeys(said.split()))
