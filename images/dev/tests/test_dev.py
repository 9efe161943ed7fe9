"""The image dev is the moodle image with a developer's tools."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from containers import Workshop


@pytest.fixture(scope="session")
def dev(build: Callable[..., str], moodle: str) -> str:
    """Build the image under test, on the moodle image with the tests' application."""
    return build("IMAGE_DEV", Path(__file__).parents[1], "dev", BASE=moodle)


def said(workshop: Workshop, image: str, *command: str, **environment: str) -> str:
    """Run a command as the role cli; return what it said."""
    running = workshop.start_hardened(image, "cli", *command, environment=environment)
    assert running.wait() == 0, running.logs()
    return running.logs()


@pytest.mark.parametrize("command", ["composer --version", "phpunit --version", "git --version", "psql --version"])
def test_a_tool_is_there_and_works_hardened(command: str, dev: str, workshop: Workshop) -> None:
    assert said(workshop, dev, *command.split())


def test_xdebug_is_off_until_it_is_asked_for(dev: str, workshop: Workshop) -> None:
    modes = ("php", "-r", "echo implode(',', xdebug_info('mode'));")
    assert said(workshop, dev, *modes) == ""
    assert said(workshop, dev, *modes, XDEBUG_MODE="debug") == "debug"


def test_it_is_in_development_mode_and_has_the_roles(dev: str, workshop: Workshop) -> None:
    assert said(workshop, dev, "sh", "-c", "echo $MOODLE_DEV").strip() == "1"
    running = workshop.start_hardened(dev, "web")
    assert running.wait() == 78
    assert "MOODLE_WWWROOT is not set" in running.logs()
