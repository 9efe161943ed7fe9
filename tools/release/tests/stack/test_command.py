"""``release stack`` on the command line, as far as no engine is needed."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from engines import engine, with_engine
from release.errors import StackFailed
from release.flow.stack import held, make_bucket, survey_stack
from release.repository.git import Repository
from release.stack.running import Running
from scratch import Scratch, plugin

NO_ENGINE = {"DOCKER_HOST": "unix:///nowhere/docker.sock"}


@pytest.fixture
def s(tmp_path_factory: pytest.TempPathFactory) -> Scratch:
    """Return a repository with one plugin."""
    scratch = Scratch(tmp_path_factory.mktemp("stack") / "r")
    scratch.commit("feat: begin", {"plugins/local_x/version.php": plugin("local_x")})
    return scratch


def test_the_compose_file_is_written_and_found_as_generated(s: Scratch) -> None:
    assert s.run("stack", "generate").ok().out == "wrote compose.yaml\n"
    assert "./plugins/local_x" in (s.path / "compose.yaml").read_text()
    assert s.run("stack", "generate", "--check").ok().out == "as generated\n"


@pytest.mark.parametrize("change", ["edited", "configured", "removed", "plugin"])
def test_drift_ends_with_1_and_shows_what_differs(s: Scratch, change: str) -> None:
    s.run("stack", "generate").ok()
    file = s.path / "compose.yaml"
    match change:
        case "edited":
            file.write_text(file.read_text().replace("8025", "8026"))
        case "configured":
            (s.path / "release.yaml").write_text("stack: {database: mariadb}\n")
        case "removed":
            file.unlink()
        case "plugin":
            s.commit("feat: another", {"plugins/mod_y/version.php": plugin("mod_y")})
    result = s.run("stack", "generate", "--check")
    assert result.code == 1
    assert {"edited": "8025", "configured": "mariadbd", "removed": "+services:", "plugin": "public/mod/y"}[
        change
    ] in result.out
    assert "release stack generate" in result.out


def test_a_file_that_was_written_by_hand_is_not_overwritten(s: Scratch) -> None:
    s.write({"compose.yaml": "services: {}\n"})
    result = s.run("stack", "generate")
    assert result.code == 4
    assert "compose.yaml was not generated" in result.err
    assert (s.path / "compose.yaml").read_text() == "services: {}\n"


@pytest.mark.parametrize(
    "command", [("up",), ("down",), ("status",), ("logs",), ("reset", "--yes"), ("shell",), ("seed",)]
)
def test_without_an_engine_every_command_says_so_and_ends_with_18(s: Scratch, command: tuple[str, ...]) -> None:
    result = s.run("stack", *command, env=NO_ENGINE)
    assert result.code == 18
    assert "no container engine answers" in result.err


@pytest.mark.parametrize("command", [("up",), ("down",), ("reset", "--yes")])
def test_two_starts_or_stops_at_once_are_refused(s: Scratch, command: tuple[str, ...]) -> None:
    """Two first starts would write different passwords, and two networks of one name."""
    found = survey_stack(Repository.open(s.path))
    env = {"DOCKER_HOST": os.environ.get("DOCKER_HOST", "")} if command[0] == "reset" else NO_ENGINE
    if command[0] == "reset":
        engine()
    with held(found, "release stack up"):
        result = s.run("stack", *command, env=env)
    assert result.code == 9
    assert "release stack up" in result.err


@pytest.mark.parametrize(
    ("folder", "config", "options", "name"),
    [
        ("My Review", "", (), "myreview"),
        ("_-moodle.5", "", (), "moodle5"),
        ("é", "", (), "stack"),
        ("r", "stack: {name: orchard}", (), "orchard"),
        ("r", "stack: {name: orchard}", ("--name", "other"), "other"),
    ],
)
def test_a_stack_is_called_as_its_folder_unless_it_has_a_name(
    tmp_path: Path, folder: str, config: str, options: tuple[str, ...], name: str
) -> None:
    client = engine()
    s = Scratch(tmp_path / folder)
    s.commit("feat: begin", {"release.yaml": f"{config}\n"})
    volume = client.volumes.create(labels={"moodle-platform.test": "1", "com.docker.compose.project": name})
    try:
        with with_engine(s):
            result = s.run("stack", "status", *options)
    finally:
        volume.remove()
    assert result.code == 28
    assert f"another project is called {name}, too" in result.err


def test_a_repository_without_plugins_and_without_an_image_for_moodle_says_what_is_missing(tmp_path: Path) -> None:
    engine()
    s = Scratch(tmp_path / "without")
    s.commit("feat: begin", {"release.yaml": "stack: {moodle: learning}\n"})
    with with_engine(s) as client:
        result = s.run("stack", "up")
        assert not client.networks.list(names=["^without_default$"])
    assert (result.code, "no image component learning" in result.err) == (4, True)


def test_a_name_that_compose_does_not_take_is_refused(s: Scratch) -> None:
    result = s.run("stack", "status", "--name", "Big Name", env=NO_ENGINE)
    assert (result.code, "Big Name" in result.err) == (4, True)


def service_that_says(code: int, said: str) -> Running:
    """Return what runs of a stack whose S3 server answers so."""
    return cast("Running", SimpleNamespace(run=lambda *_: (code, said)))


@pytest.mark.parametrize(
    ("code", "said"),
    [(1, "error: no filer\n  moodle\tsize:0\n"), (0, "created bucket other\n  other\tsize:0\n"), (1, "")],
)
def test_a_bucket_that_is_not_made_is_an_error_and_not_printed_as_there(code: int, said: str) -> None:
    with pytest.raises(StackFailed, match="no bucket moodle"):
        make_bucket(service_that_says(code, said))
    make_bucket(service_that_says(0, "create bucket under /buckets\n  moodle\tsize:0\tlogical:0\n"))


@pytest.mark.parametrize("text", ["web: x\n", "- x\n", "mail: 3\n", "mail: [\n", "\x00"])
def test_a_list_of_images_that_is_none_is_refused_by_name(s: Scratch, text: str) -> None:
    s.write({"images.yaml": text})
    result = s.run("stack", "up", "--images", "images.yaml", env=NO_ENGINE)
    assert result.code == 4
    assert "images.yaml" in result.err
    assert "mariadb" in result.err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("stack: {database: oracle}", "pgsql, mariadb"),
        ("stack: {ports: {web: 0}}", "stack.ports.web"),
        ("stack: {name: Big}", "stack.name"),
        ("stack: {images: {queue: x}}", "images"),
        ("stack: {database: [pgsql]}", "stack.database"),
    ],
)
def test_a_wrong_configuration_is_an_error_with_its_place(s: Scratch, text: str, said: str) -> None:
    s.write({"release.yaml": f"{text}\n"})
    result = s.run("stack", "generate")
    assert result.code == 4
    assert said in result.err
    assert "release.yaml:1:" in result.err
