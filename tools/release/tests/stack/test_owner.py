"""A stack acts on what was made for it, and on no other project that has its name."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from engines import BASE, engine, with_engine
from release.errors import StackFailed
from release.stack.model import Mount, Service, Stack
from release.stack.owner import Owner
from release.stack.running import Running
from release.stack.state import State
from scratch import Scratch, plugin

LABEL = {"moodle-platform.test": "1"}


def owner(root: Path) -> Owner:
    """Return the owner in ``root``, where a stack was made."""
    root.mkdir(exist_ok=True)
    State(root).prepare()
    return State(root).owner


def test_each_clone_owns_its_own(tmp_path: Path) -> None:
    one, other = owner(tmp_path / "one"), owner(tmp_path / "other")
    assert one.owns(one.labels)
    assert not one.owns(other.labels)
    assert not other.owns(one.labels)
    assert not one.owns({})


def test_a_clone_that_was_moved_owns_what_it_made_before(tmp_path: Path) -> None:
    before = owner(tmp_path / "one").labels
    (tmp_path / "one").rename(tmp_path / "two")
    assert owner(tmp_path / "two").owns(before)
    assert not owner(tmp_path / "one").owns(before), "another clone where it was"


def test_a_copy_of_a_clone_owns_nothing_of_it(tmp_path: Path) -> None:
    before = owner(tmp_path / "one").labels
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    assert not owner(tmp_path / "two").owns(before)


def test_without_its_id_a_clone_owns_what_was_made_in_its_folder(tmp_path: Path) -> None:
    before = owner(tmp_path / "one").labels
    shutil.rmtree(tmp_path / "one/.stack")
    assert Owner.of(tmp_path / "one").owns(before)
    assert not Owner.of(tmp_path).owns(before)


def test_what_plain_compose_made_from_the_generated_file_is_owned(tmp_path: Path) -> None:
    labels = {"com.docker.compose.project.config_files": str(tmp_path.resolve() / "compose.yaml")}
    assert not owner(tmp_path).owns(labels)
    (tmp_path / "compose.yaml").write_text("services: {}\n")
    assert not owner(tmp_path).owns(labels), "written by hand"
    scratch = Scratch(tmp_path / "r")
    scratch.run("stack", "generate").ok()
    labels = {"com.docker.compose.project.config_files": str(scratch.path.resolve() / "compose.yaml")}
    assert owner(scratch.path).owns(labels)


@contextmanager
def project(part: str) -> Iterator[str]:
    """Yield the name of a Compose project that nobody here made; it has a container or a volume."""
    client = engine()
    name = f"foreign-{secrets.token_hex(3)}"
    labels = {**LABEL, "com.docker.compose.project": name, "com.docker.compose.service": "database"}
    thing = (
        client.containers.create(BASE, "sleep 600", name=f"{name}-database-1", labels=labels)
        if part == "container"
        else client.volumes.create(f"{name}_other", labels=labels)
    )
    try:
        yield name
        thing.reload()
    finally:
        thing.remove(force=True)


@pytest.mark.parametrize("part", ["container", "volume"])
def test_another_project_of_that_name_is_named_and_left_alone(tmp_path: Path, part: str) -> None:
    s = Scratch(tmp_path / "r")
    s.commit("feat: begin", {"plugins/local_x/version.php": plugin("local_x")})
    with with_engine(s), project(part) as name:
        for command in (("up",), ("down",), ("reset", "--yes"), ("status",), ("shell", "database"), ("seed",)):
            result = s.run("stack", *command, "--name", name)
            assert result.code == 28, command
            assert f"{part} {name}" in result.err
            assert "--name" in result.err
    assert not (s.path / ".stack").exists()


def test_a_volume_of_nobody_is_not_taken_for_data(tmp_path: Path) -> None:
    client = engine()
    name = f"nobody-{secrets.token_hex(3)}"
    volume = client.volumes.create(f"{name}_data", labels=LABEL)
    service = Service("database", BASE, mounts=(Mount("data", "/data"),))
    running = Running(client, name, owner(tmp_path / "r"))
    try:
        with pytest.raises(StackFailed, match=f"a volume {name}_data"):
            running.make_ground(Stack(name, {"database": service}))
    finally:
        running.remove(lambda *_: None)
        volume.remove()


def test_a_network_with_others_in_it_stays_and_they_are_named(tmp_path: Path) -> None:
    s = Scratch(tmp_path / "r")
    s.commit("feat: begin", {"plugins/local_x/version.php": plugin("local_x")})
    name = f"guests-{secrets.token_hex(3)}"
    with with_engine(s) as client:
        labels = {**LABEL, "com.docker.compose.project": name, **owner(s.path).labels}
        network = client.networks.create(f"{name}_default", labels=labels)
        guest = client.containers.run(BASE, "sleep 600", name=f"{name}-guest", detach=True, labels=LABEL)
        try:
            network.connect(guest)
            result = s.run("stack", "down", "--name", name)
            assert (result.code, f"{name}-guest" in result.err) == (28, True)
            network.disconnect(guest, force=True)
            s.run("stack", "down", "--name", name).ok()
            assert not client.networks.list(names=[f"^{name}_default$"])
        finally:
            guest.remove(force=True)
            for left in client.networks.list(names=[f"^{name}_default$"]):
                left.remove()


def test_a_network_that_plain_compose_made_goes_with_the_stack_and_no_other_does(tmp_path: Path) -> None:
    client = engine()
    name = f"plain-{secrets.token_hex(3)}"
    labels = {**LABEL, "com.docker.compose.project": name}
    running = Running(client, name, owner(tmp_path / "r"))
    network = client.networks.create(f"{name}_default", labels=labels)
    try:
        running.remove(lambda *_: None)
        network.reload()
        volume = client.volumes.create(f"{name}_data", labels={**labels, **running.owner.labels})
        running.remove(lambda *_: None)
        volume.remove()
        assert not client.networks.list(names=[f"^{name}_default$"])
    finally:
        for left in client.networks.list(names=[f"^{name}_default$"]):
            left.remove()


def test_a_shell_without_docker_s_command_line_says_that_it_is_missing(tmp_path: Path) -> None:
    s = Scratch(tmp_path / "r")
    s.commit("feat: begin", {"plugins/local_x/version.php": plugin("local_x")})
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "git").symlink_to(str(shutil.which("git")))
    name = f"shell-{secrets.token_hex(3)}"
    with with_engine(s) as client:
        labels = {"com.docker.compose.project": name, "com.docker.compose.service": "web", **owner(s.path).labels}
        container = client.containers.create(BASE, "sleep 600", labels={**LABEL, **labels})
        try:
            result = s.run("stack", "shell", "--name", name, env={"PATH": str(programs)})
        finally:
            container.remove(force=True)
    assert result.code == 28
    assert "there is no program `docker` here" in result.err
