"""GitHub releases: a draft, its files, published; never changed afterwards, whatever breaks in between."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from fake_server import FAULTS, REPOSITORY, TOKEN, FakeServer, Fault, serve
from release.errors import CredentialsMissing, DestinationDiffers, DestinationRefused, Place
from release.model.component import Component
from release.model.version import parse_version
from release.publish.destination import Artifact, Released, publish
from release.publish.destinations.github import GitHubReleases
from release.web.http import NoAnswer

COMMIT = "c" * 40
FILES = {"local_a-1.2.0.zip": b"zip" * 1000, "local_a-1.2.0.spdx.json": b"{}"}


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with serve() as running:
        running.tags["local_a-v1.2.0"] = COMMIT
        yield running


def released(folder: Path, version: str = "1.2.0", files: dict[str, bytes] | None = None) -> Released:
    artifacts = []
    for name, content in (FILES if files is None else files).items():
        (folder / name).write_bytes(content)
        artifacts.append(Artifact(name, folder / name, hashlib.sha256(content).hexdigest()))
    component = Component(
        "local_a",
        "plugin",
        "plugins/local_a",
        "version.php",
        "plugins/local_a/CHANGES.md",
        Place("x"),
        None,
        2026010100,
    )
    text = "## [1.2.0]\n\n- More.\n"
    return Released(component, parse_version(version), f"local_a-v{version}", COMMIT, 0, text, tuple(artifacts))


def run(server: FakeServer, wanted: Released, **options: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    environment = {"GITHUB_TOKEN": TOKEN, "GITHUB_REPOSITORY": REPOSITORY, "GITHUB_API_URL": server.url}
    steps = GitHubReleases(sleep=lambda _: None).steps(wanted, options, environment)
    publish(steps, report=lambda what, how: found.append((how, what)), before=lambda _: None)
    return found


def expected(wanted: Released) -> dict[str, Any]:
    """Return the one release that is to be seen in the end."""
    return {
        "tag_name": wanted.tag,
        "name": f"local_a {wanted.version}",
        "body": wanted.notes,
        "draft": False,
        "prerelease": bool(wanted.version.prerelease),
        "make_latest": "false",
        "assets": sorted((one.name, "uploaded", one.path.read_bytes()) for one in wanted.artifacts),
    }


def test_a_release_with_its_files_is_published_last(server: FakeServer, tmp_path: Path) -> None:
    wanted = released(tmp_path)
    assert [how for how, _ in run(server, wanted)] == ["there", "done", "done", "done", "done"]
    assert server.state()["releases"] == [expected(wanted)]
    kinds = [one.split()[0] for one in server.writes()]
    assert kinds == ["POST", "POST", "POST", "PATCH"]


def test_a_second_run_sends_nothing(server: FakeServer, tmp_path: Path) -> None:
    wanted = released(tmp_path)
    run(server, wanted)
    before = len(server.writes())
    assert {how for how, _ in run(server, wanted)} == {"there"}
    assert len(server.writes()) == before


def _requests(tmp_path: Path) -> list[str]:
    with serve() as running:
        running.tags["local_a-v1.2.0"] = COMMIT
        run(running, released(tmp_path))
        return running.seen


@pytest.mark.parametrize("outage", [False, True], ids=["once", "from then on"])
@pytest.mark.parametrize("how", FAULTS)
def test_broken_at_any_request_and_run_again_it_ends_the_same(tmp_path: Path, how: str, outage: bool) -> None:
    for at in range(len(_requests(tmp_path))):
        with serve() as server:
            server.tags["local_a-v1.2.0"] = COMMIT
            server.fault = Fault(at, how, outage)
            wanted = released(tmp_path)
            with pytest.raises(NoAnswer, match="gives no answer") if outage else nullcontext():
                run(server, wanted)
            assert len(server.seen) > at, "the fault was never met"
            assert not [one for one in server.seen if one.startswith("DELETE")], "something was made twice"
            server.fault = None
            run(server, wanted)
            assert server.state()["releases"] == [expected(wanted)], (at, how)


@pytest.mark.parametrize("outage", [False, True], ids=["once", "from then on"])
def test_what_a_broken_upload_leaves_is_deleted_and_sent_again(tmp_path: Path, outage: bool) -> None:
    uploads = [at for at, one in enumerate(_requests(tmp_path)) if one.startswith("POST") and "/assets?" in one]
    assert len(uploads) == len(FILES)
    for at in uploads:
        with serve() as server:
            server.tags["local_a-v1.2.0"] = COMMIT
            server.fault = Fault(at, "starter", outage)
            wanted = released(tmp_path)
            with pytest.raises(NoAnswer) if outage else nullcontext():
                run(server, wanted)
            left = [asset for asset in server.releases[0]["assets"] if asset["state"] == "starter"]
            assert len(left) == outage
            server.fault = None
            run(server, wanted)
            assert server.state()["releases"] == [expected(wanted)], at


@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_at_any_change_and_run_again_it_ends_the_same(tmp_path: Path, moment: str) -> None:
    wanted = released(tmp_path)
    plan = {
        "to": "github",
        "options": {},
        "component": {
            **{
                key: getattr(wanted.component, key)
                for key in ("name", "kind", "path", "manifest", "changelog", "build")
            }
        },
        "version": str(wanted.version),
        "tag": wanted.tag,
        "commit": COMMIT,
        "notes": wanted.notes,
        "artifacts": [{"name": a.name, "path": str(a.path), "sha256": a.sha256} for a in wanted.artifacts],
    }
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    for at in [at for at, one in enumerate(_requests(tmp_path)) if not one.startswith("GET")]:
        with serve() as server:
            server.tags["local_a-v1.2.0"] = COMMIT
            process = _start(tmp_path, server)
            server.kill = process.kill
            server.fault = Fault(at, f"drop {moment}", outage=True)
            process.communicate(timeout=60)
            assert process.returncode == -signal.SIGKILL
            server.kill, server.fault = None, None
            out, err = _start(tmp_path, server).communicate(timeout=60)
            assert server.state()["releases"] == [expected(wanted)], (at, out, err)
            assert TOKEN not in out + err


def _start(folder: Path, server: FakeServer) -> subprocess.Popen[str]:
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(sys.path),
        "GITHUB_TOKEN": TOKEN,
        "GITHUB_REPOSITORY": REPOSITORY,
        "GITHUB_API_URL": server.url,
    }
    return subprocess.Popen(
        [sys.executable, str(Path(__file__).parent / "destination_driver.py"), str(folder / "plan.json")],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_other_bytes_in_a_published_release_stop_it_and_stay(server: FakeServer, tmp_path: Path) -> None:
    run(server, released(tmp_path))
    before = server.state()
    other = released(tmp_path, files={**FILES, "local_a-1.2.0.zip": b"other"})
    with pytest.raises(DestinationDiffers, match=r"local_a-1\.2\.0\.zip.*sha256"):
        run(server, other)
    assert server.state() == before


def test_other_bytes_in_a_draft_stop_it_and_stay(server: FakeServer, tmp_path: Path) -> None:
    server.fault = Fault(len(_requests(tmp_path)) - 2, "drop before", outage=True)
    with pytest.raises(DestinationRefused):
        run(server, released(tmp_path))
    server.fault = None
    before = server.state()
    assert before["releases"][0]["draft"]
    with pytest.raises(DestinationDiffers):
        run(server, released(tmp_path, files={**FILES, "local_a-1.2.0.zip": b"other"}))
    assert server.state() == before


def test_a_published_release_that_lacks_a_file_is_not_changed(server: FakeServer, tmp_path: Path) -> None:
    run(server, released(tmp_path, files={"local_a-1.2.0.zip": FILES["local_a-1.2.0.zip"]}))
    before = server.state()
    with pytest.raises(DestinationDiffers, match=r"published without local_a-1\.2\.0\.spdx\.json"):
        run(server, released(tmp_path))
    assert server.state() == before


def test_a_draft_with_somebodys_files_is_not_published(server: FakeServer, tmp_path: Path) -> None:
    run(server, released(tmp_path))
    server.releases[0].update(draft=True)
    server.releases[0]["assets"].append({"id": 1, "name": "notes.txt", "state": "uploaded", "digest": "sha256:0"})
    with pytest.raises(DestinationDiffers, match=r"notes\.txt"):
        run(server, released(tmp_path))
    assert server.releases[0]["draft"]


def test_files_without_a_digest_are_downloaded_and_hashed(server: FakeServer, tmp_path: Path) -> None:
    server.digests = False
    wanted = released(tmp_path)
    run(server, wanted)
    assert {how for how, _ in run(server, wanted)} == {"there"}
    assert any(one.startswith("GET /elsewhere/") for one in server.seen)
    with pytest.raises(DestinationDiffers):
        run(server, released(tmp_path, files={**FILES, "local_a-1.2.0.spdx.json": b"[]"}))


def test_of_several_drafts_of_one_tag_the_oldest_is_taken(server: FakeServer, tmp_path: Path) -> None:
    wanted = released(tmp_path)
    server.page = 2
    for tag in ("local_a-v1.2.0", "local_a-v1.1.0", "local_a-v1.2.0", "web-v1.2.0", "local_a-v1.0.0"):
        server.add(tag, draft=True)
    run(server, wanted)
    mine = [one for one in server.releases if one["tag_name"] == wanted.tag]
    assert [(one["id"], one["draft"]) for one in sorted(mine, key=lambda one: one["id"])] == [(101, False), (103, True)]


def test_a_tag_that_is_not_on_github_is_not_made_there(server: FakeServer, tmp_path: Path) -> None:
    server.tags.clear()
    with pytest.raises(DestinationRefused, match=r"no tag local_a-v1\.2\.0") as refused:
        run(server, released(tmp_path))
    assert "release tag --restore --push" in refused.value.fix
    assert server.writes() == []


def test_a_tag_that_leads_elsewhere_on_github_stops_it(server: FakeServer, tmp_path: Path) -> None:
    server.tags["local_a-v1.2.0"] = "d" * 40
    with pytest.raises(DestinationDiffers, match="d" * 40):
        run(server, released(tmp_path))
    assert server.writes() == []


def test_a_prerelease_is_marked_as_one(server: FakeServer, tmp_path: Path) -> None:
    server.tags["local_a-v1.3.0-rc.1"] = COMMIT
    run(server, released(tmp_path, "1.3.0-rc.1"), latest="local_a")
    assert server.releases[0]["prerelease"] is True
    assert server.releases[0]["make_latest"] == "false"


@pytest.mark.parametrize(
    ("version", "latest", "shown"),
    [
        ("1.2.0", "local_a", "true"),
        ("1.1.9", "local_a", "false"),
        ("1.10.0", "local_a", "true"),
        ("1.2.0", "web", "false"),
    ],
)
def test_only_the_newest_release_of_the_named_component_is_the_latest(
    server: FakeServer, tmp_path: Path, version: str, latest: str, shown: str
) -> None:
    for tag in ("local_a-v1.1.10", "local_a-v2.0.0-rc.1", "local_ab-v3.0.0", "web-v9.0.0"):
        server.add(tag, draft=False)
    server.tags[f"local_a-v{version}"] = COMMIT
    run(server, released(tmp_path, version), latest=latest)
    assert server.releases[0]["make_latest"] == shown


def test_long_notes_are_cut_and_say_so(server: FakeServer, tmp_path: Path) -> None:
    wanted = dataclasses.replace(released(tmp_path), notes="- More.\n" * 30_000)
    run(server, wanted)
    body = server.releases[0]["body"]
    assert len(body) < 125_000
    assert body.endswith("(cut; see plugins/local_a/CHANGES.md)\n")


def test_a_name_that_github_would_change_is_refused(server: FakeServer, tmp_path: Path) -> None:
    with pytest.raises(DestinationRefused, match="another name"):
        run(server, released(tmp_path, files={"local a.zip": b""}))
    assert server.seen == []


def test_without_a_token_it_says_which_variable_is_missing(tmp_path: Path) -> None:
    with pytest.raises(CredentialsMissing, match="GITHUB_TOKEN"):
        list(GitHubReleases().steps(released(tmp_path), {}, {"GITHUB_REPOSITORY": REPOSITORY}))


@pytest.mark.parametrize("name", ["", "acme", "acme/shop/..", "../x"])
def test_without_a_repository_it_says_so(tmp_path: Path, name: str) -> None:
    environment = {"GITHUB_TOKEN": TOKEN, "GITHUB_REPOSITORY": name}
    with pytest.raises(DestinationRefused, match="repository"):
        list(GitHubReleases().steps(released(tmp_path), {}, environment))


def test_an_upload_address_elsewhere_gets_neither_file_nor_token(server: FakeServer, tmp_path: Path) -> None:
    with serve() as other:
        server.add("local_a-v1.2.0", draft=True)
        server.releases[0]["upload_url"] = f"{other.url}/repos/{REPOSITORY}/releases/101/assets{{?name}}"
        with pytest.raises(DestinationRefused, match="not its own"):
            run(server, released(tmp_path))
        assert other.seen == []
