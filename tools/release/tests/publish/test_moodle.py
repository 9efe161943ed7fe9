"""The plugins directory: a version is offered once, and compared byte for byte with what is there."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import zipfile
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

from fake_server import FAULTS, TOKEN, FakeServer, Fault, serve
from release.errors import (
    ConfigError,
    CredentialsMissing,
    DestinationDiffers,
    DestinationRefused,
    PackageRefused,
    Place,
)
from release.model.component import Component
from release.model.version import parse_version
from release.publish.destination import Artifact, Released, publish
from release.publish.destinations.moodle import MoodleDirectory
from release.web.http import NoAnswer

BUILD = 2026010100


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with serve() as running:
        running.plugins["local_a"] = {}
        yield running


def released(folder: Path, further: str = "", build: int = BUILD) -> Released:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a/version.php", f"<?php\n$plugin->version = {build};\n{further}")
    path = folder / "local_a-1.2.0.zip"
    path.write_bytes(packed.getvalue())
    digest = hashlib.sha256(packed.getvalue()).hexdigest()
    component = Component("plugin-a", "plugin", "plugins/local_a", "m", "c", Place("x"), None, BUILD, alias="local_a")
    return Released(
        component,
        parse_version("1.2.0"),
        "local_a-v1.2.0",
        "c" * 40,
        0,
        "- More.\n",
        (Artifact(path.name, path, digest), Artifact("local_a-1.2.0.spdx.json", path, digest)),
    )


def run(server: FakeServer, wanted: Released) -> list[str]:
    found: list[str] = []
    environment = {"MOODLE_MARKETPLACE_TOKEN": TOKEN}
    steps = MoodleDirectory(sleep=lambda _: None).steps(wanted, {"url": server.url}, environment)
    publish(steps, report=lambda _, how: found.append(how), before=lambda _: None)
    return found


def test_a_version_is_offered_with_its_notes_and_once(server: FakeServer, tmp_path: Path) -> None:
    wanted = released(tmp_path)
    assert run(server, wanted) == ["done"]
    assert run(server, wanted) == ["there"]
    assert server.plugins == {"local_a": {str(BUILD): wanted.artifacts[0].path.read_bytes()}}
    assert server.notes == {str(BUILD): "- More.\n"}
    assert len(server.writes()) == 1


def test_other_bytes_under_the_same_build_number_stop_it_and_stay(server: FakeServer, tmp_path: Path) -> None:
    run(server, released(tmp_path))
    before = dict(server.plugins["local_a"])
    with pytest.raises(DestinationDiffers, match=f"local_a {BUILD} in the plugins directory"):
        run(server, released(tmp_path, "// other\n"))
    assert server.plugins["local_a"] == before


@pytest.mark.parametrize("outage", [False, True], ids=["once", "from then on"])
@pytest.mark.parametrize("how", FAULTS)
def test_broken_at_any_request_and_run_again_it_ends_the_same(tmp_path: Path, how: str, outage: bool) -> None:
    for at in range(3):
        with serve() as server:
            server.plugins["local_a"] = {}
            server.fault = Fault(at, how, outage)
            wanted = released(tmp_path)
            with pytest.raises(NoAnswer) if outage else nullcontext():
                run(server, wanted)
            server.fault = None
            run(server, wanted)
            assert server.plugins["local_a"] == {str(BUILD): wanted.artifacts[0].path.read_bytes()}


def test_a_version_that_is_not_shown_while_it_is_checked_counts_as_taken(server: FakeServer, tmp_path: Path) -> None:
    server.hidden = True
    wanted = released(tmp_path)
    assert run(server, wanted) == ["done"]
    with pytest.raises(DestinationRefused, match="already exists") as refused:
        run(server, wanted)
    assert "run it again later" in refused.value.fix
    server.hidden = False
    assert run(server, wanted) == ["there"]
    assert len(server.plugins["local_a"]) == 1


def test_a_plugin_that_is_not_there_yet_is_submitted_by_hand(server: FakeServer, tmp_path: Path) -> None:
    server.plugins.clear()
    with pytest.raises(DestinationRefused, match="404, No plugin") as refused:
        run(server, released(tmp_path))
    assert "by hand" in refused.value.fix


def test_a_zip_with_another_build_number_is_named(server: FakeServer, tmp_path: Path) -> None:
    with pytest.raises(DestinationRefused, match="2020010100"):
        run(server, released(tmp_path, build=2020010100))


def test_only_plugins_are_offered(tmp_path: Path) -> None:
    wanted = released(tmp_path)
    crate = dataclasses.replace(wanted, component=dataclasses.replace(wanted.component, kind="crate"))
    with pytest.raises(ConfigError, match="only plugins"):
        MoodleDirectory().steps(crate, {}, {"MOODLE_MARKETPLACE_TOKEN": TOKEN})


def test_a_plugin_without_a_zip_or_a_build_number_is_refused(tmp_path: Path) -> None:
    wanted = released(tmp_path)
    environment = {"MOODLE_MARKETPLACE_TOKEN": TOKEN}
    with pytest.raises(PackageRefused, match="has 0 zip files"):
        MoodleDirectory().steps(dataclasses.replace(wanted, artifacts=wanted.artifacts[1:]), {}, environment)
    numberless = dataclasses.replace(wanted, component=dataclasses.replace(wanted.component, build=None))
    with pytest.raises(PackageRefused, match="no build number"):
        MoodleDirectory().steps(numberless, {}, environment)


def test_without_a_token_it_says_which_variable_is_missing(tmp_path: Path) -> None:
    with pytest.raises(CredentialsMissing, match="MOODLE_MARKETPLACE_TOKEN"):
        MoodleDirectory().steps(released(tmp_path), {}, {})


def test_the_token_is_in_no_text(server: FakeServer, tmp_path: Path) -> None:
    environment = {"MOODLE_MARKETPLACE_TOKEN": "another-secret"}
    steps = MoodleDirectory().steps(released(tmp_path), {"url": server.url}, environment)
    with pytest.raises(DestinationRefused, match="401") as refused:
        publish(steps, report=lambda *_: None, before=lambda _: None)
    assert "another-secret" not in refused.value.what + refused.value.fix + repr(steps)
