"""An installed site of the image IMAGE, with the real Moodle in it that MOODLE_DIR names."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from docker import DockerClient
from docker.errors import ImageNotFound
from docker.models.containers import Container

from installed import Installed
from release.errors import EngineUnfit
from release.images.engine import connected
from release.images.site import SERVICES, site

IN_CI = os.environ.get("CI") == "true"
LOCAL = {"pgsql": "pgsql", "mariadb": "mariadb", "cache": "valkey"}


def lacking(reason: str) -> None:
    """Skip; in CI, where an engine is promised, fail."""
    if IN_CI:
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def engine() -> DockerClient:
    if not os.environ.get("MOODLE_DIR"):
        pytest.skip("MOODLE_DIR isn't set: name the tree that the image was built from in it")
    try:
        return connected()
    except EngineUnfit as error:
        lacking(f"{error.what}: {error.fix}")
        raise


@pytest.fixture(scope="session")
def image(engine: DockerClient) -> str:
    reference = os.environ.get("IMAGE", "")
    if not reference:
        pytest.skip("IMAGE isn't set: name the image to test in it")
    try:
        engine.images.get(reference)
    except ImageNotFound:
        lacking(f"IMAGE names {reference}, which isn't in the engine")
    return reference


def service_images(engine: DockerClient) -> dict[str, str]:
    """Return the images of RELEASE_STACK_IMAGES, else those built here from Debian, else none: the public ones."""
    named = os.environ.get("RELEASE_STACK_IMAGES")
    if named:
        import yaml

        given = yaml.safe_load(Path(named).read_text(encoding="utf-8"))
        return {key: given[key] for key in SERVICES if key in given}
    there = {tag for one in engine.images.list() for tag in one.tags}
    local = {key: f"moodle-platform/stack-{name}:local" for key, name in LOCAL.items()}
    return {key: tag for key, tag in local.items() if tag in there}


@pytest.fixture(scope="session")
def installed(engine: DockerClient, image: str) -> Iterator[Installed]:
    with site(engine, image, images=service_images(engine)) as place:
        place.install()
        yield Installed(place, "moodle")


@pytest.fixture(scope="session")
def web(installed: Installed) -> Iterator[Container]:
    with installed.web() as container:
        yield container
