"""Charts and tags in a real registry, with and without a guard that asks for credentials and fails."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from oci_registry import PASSWORD, USER, OciRegistry, guarded, oci_registry
from release.errors import DestinationRefused
from release.flow.publish import publish_releases
from release.repository.git import Repository
from release.web import http
from releases import TAGS, monorepo
from scratch import Result, chart, image

CONFIG = """publish:
  destinations:
    registry: {to: oci, options: {repository: "%s/acme/{name}"}}
  kinds: {image: [registry], chart: [registry]}
"""
CREDENTIALS = {"OCI_USERNAME": USER, "OCI_PASSWORD": PASSWORD}


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[OciRegistry]:
    with oci_registry(tmp_path / "registry") as running:
        yield running


def states(result: Result) -> dict[str, str]:
    return {
        str(step["what"]).partition("/acme/")[2] or step["what"]: step["state"] for step in result.ok().json["steps"]
    }


def test_a_chart_is_pushed_as_helm_does_it_and_a_second_run_finds_it(tmp_path: Path, registry: OciRegistry) -> None:
    scratch = monorepo(tmp_path / "work", CONFIG % registry.address)
    assert set(states(scratch.run("publish", "web-v0.9.0", "--dry-run", "--json")).values()) == {"to do"}
    assert registry.tags("acme/web") == {}
    assert set(states(scratch.run("publish", "web-v0.9.0", "--json")).values()) == {"done"}
    before = registry.tags("acme/web")
    assert list(before) == ["0.9.0"]
    assert set(states(scratch.run("publish", "web-v0.9.0", "--json")).values()) == {"there"}
    assert registry.tags("acme/web") == before
    manifest = json.loads(registry.manifest("acme/web", "0.9.0"))
    assert manifest["config"]["mediaType"] == "application/vnd.cncf.helm.config.v1+json"
    config = json.loads(registry.blob("acme/web", manifest["config"]["digest"]))
    assert (config["name"], config["version"], config["appVersion"]) == ("web", "0.9.0", "1.2.3")
    (layer,) = manifest["layers"]
    assert layer["mediaType"] == "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
    archive = registry.blob("acme/web", layer["digest"])
    scratch.run("package", "web").ok()
    assert archive == (scratch.path / "dist/web-0.9.0.tgz").read_bytes()
    assert len(archive) == layer["size"]
    assert b"name: web" in gzip.decompress(archive)


def test_a_version_with_build_metadata_has_a_tag_that_registries_take(tmp_path: Path, registry: OciRegistry) -> None:
    files = {"charts/web/Chart.yaml": chart("web", "0.9.1+build.5")}
    scratch = monorepo(tmp_path / "work", CONFIG % registry.address)
    scratch.commit("fix: x", files)
    scratch.tag("web-v0.9.1+build.5")
    scratch.run("publish", "web-v0.9.1+build.5").ok()
    assert list(registry.tags("acme/web")) == ["0.9.1_build.5"]


def test_helm_itself_pulls_the_chart(tmp_path: Path, registry: OciRegistry) -> None:
    from shutil import which

    helm = os.environ.get("HELM") or which("helm")
    if helm is None:
        pytest.skip("helm is not installed (HELM can name it)")
    scratch = monorepo(tmp_path / "work", CONFIG % registry.address)
    scratch.run("publish", "web-v0.9.0").ok()
    env = {**scratch.environment, "HELM_CACHE_HOME": str(tmp_path / "c"), "HELM_CONFIG_HOME": str(tmp_path / "d")}
    words = ["pull", f"oci://{registry.address}/acme/web", "--version", "^0.9", "--plain-http", "-d", str(tmp_path)]
    done = subprocess.run([helm, *words], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with tarfile.open(tmp_path / "web-0.9.0.tgz") as archive:
        assert "web/Chart.yaml" in archive.getnames()


def test_an_image_gets_its_tags_and_they_only_move_forward_on_their_lines(
    tmp_path: Path, registry: OciRegistry
) -> None:
    scratch = monorepo(tmp_path / "work", CONFIG % registry.address)
    digests = {"1.2.3": registry.push_image("acme/site", "1.2.3")}
    missing = scratch.run("publish", "site-v1.2.3")
    assert (missing.code, "--digest site=sha256" in missing.err) == (16, True)
    unknown = scratch.run("publish", "site-v1.2.3", "--digest", "site=sha256:" + "0" * 64)
    assert (unknown.code, "push the image by digest first" in unknown.err) == (14, True)
    assert registry.tags("acme/site") == {}
    env = {"RELEASE_DIGESTS": f"other=sha256:{'1' * 64} site={digests['1.2.3']}"}
    assert set(states(scratch.run("publish", "site-v1.2.3", "--json", env=env)).values()) == {"done"}
    assert registry.tags("acme/site") == dict.fromkeys(("1.2.3", "1.2", "1", "latest"), digests["1.2.3"])

    def release(version: str) -> Result:
        scratch.commit(f"feat: {version}", {"images/site/image.yaml": image("site", version)})
        scratch.tag(f"site-v{version}")
        digests[version] = registry.push_image("acme/site", version)
        return scratch.run("publish", f"site-v{version}", "--digest", f"site={digests[version]}", "--json")

    assert states(release("1.3.0"))["site:latest"] == "done"
    assert states(release("1.2.4")) == {
        "site:1.2.4": "done", "site:1.2": "done", "site:1": "moved on", "site:latest": "moved on",
    }  # fmt: skip
    assert states(release("2.0.0-rc.1")) == {"site:2.0.0-rc.1": "done"}
    tags = registry.tags("acme/site")
    assert {line: tags[line] for line in ("1.2", "1.3", "1", "latest")} == {
        "1.2": digests["1.2.4"], "1.3": digests["1.3.0"], "1": digests["1.3.0"], "latest": digests["1.3.0"],
    }  # fmt: skip
    old = scratch.run("publish", "site-v1.2.3", "--digest", f"site={digests['1.2.3']}", "--json")
    assert states(old) == {
        "site:1.2.3": "there", "site:1.2": "moved on", "site:1": "moved on", "site:latest": "moved on",
    }  # fmt: skip
    assert registry.tags("acme/site") == tags
    other = scratch.run("publish", "site-v1.2.3", "--digest", f"site={digests['1.3.0']}")
    assert (other.code, "the destination has sha256:" in other.err) == (13, True)
    assert registry.tags("acme/site") == tags


def test_a_chart_with_other_bytes_is_never_overwritten(tmp_path: Path, registry: OciRegistry) -> None:
    digest = registry.push_tag("acme/web", "0.9.0", "someone else's")
    result = monorepo(tmp_path / "work", CONFIG % registry.address).run("publish", "web-v0.9.0")
    assert result.code == 13
    assert registry.tags("acme/web") == {"0.9.0": digest}


@pytest.mark.parametrize("scheme", ["Bearer", "Basic"])
def test_credentials_are_given_when_they_are_asked_for_and_never_shown(
    tmp_path: Path, registry: OciRegistry, scheme: str
) -> None:
    summary = tmp_path / "summary.md"
    with guarded(registry) as guard:
        guard.scheme = scheme
        scratch = monorepo(tmp_path / "work", CONFIG % guard.address)
        absent = scratch.run("publish", "web-v0.9.0")
        assert (absent.code, "OCI_USERNAME and OCI_PASSWORD" in absent.err) == (15, True)
        wrong = scratch.run("publish", "web-v0.9.0", env={**CREDENTIALS, "OCI_PASSWORD": "wrong-password-77"})
        assert wrong.code == 14
        assert "wrong-password-77" not in wrong.out + wrong.err
        env = {**CREDENTIALS, "GITHUB_STEP_SUMMARY": str(summary)}
        right = scratch.run("publish", "web-v0.9.0", "--json", env=env)
        assert set(states(right).values()) == {"done"}
        assert PASSWORD not in right.out + right.err + summary.read_text() + "".join(guard.requests)
    assert list(registry.tags("acme/web")) == ["0.9.0"]


@pytest.mark.parametrize("late", [False, True], ids=["before it is done", "after it is done"])
def test_whichever_request_fails_the_next_run_ends_the_same(
    tmp_path: Path, registry: OciRegistry, monkeypatch: pytest.MonkeyPatch, late: bool
) -> None:
    digest = registry.push_image("whole/site", "the image")
    with guarded(registry) as guard:
        guard.open, guard.late = True, late
        scratch = monorepo(tmp_path / "work", CONFIG % guard.address)
        monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)

        def publish(name: str) -> None:
            scratch.write({"release.yaml": "version: 1\n" + (CONFIG % guard.address).replace("/acme/", f"/{name}/")})
            scratch.git("commit", "-q", "-a", "--amend", "--no-edit", "--allow-empty", env=scratch._dates())
            publish_releases(
                Repository.open(scratch.path), ["site-v1.2.3", "web-v0.9.0"], environment={}, digests={"site": digest}
            )

        publish("whole")
        expected = (registry.tags("whole/site"), registry.tags("whole/web"))
        count = len(guard.requests)
        assert count > 15
        for failing in range(count):
            name = f"run{failing}"
            assert registry.push_image(f"{name}/site", "the image") == digest
            start = len(guard.requests)
            guard.fails = lambda number, first=start + failing: number >= first  # type: ignore[misc]
            with pytest.raises(DestinationRefused, match="503"):
                publish(name)
            guard.fails = lambda _: False
            publish(name)
            assert (registry.tags(f"{name}/site"), registry.tags(f"{name}/web")) == expected


def test_a_request_that_fails_once_is_sent_again(tmp_path: Path, registry: OciRegistry) -> None:
    with guarded(registry) as guard:
        guard.open, guard.fails = True, lambda number: number % 3 == 0
        scratch = monorepo(tmp_path / "work", CONFIG % guard.address)
        assert set(states(scratch.run("publish", "web-v0.9.0", "--json")).values()) == {"done"}


def test_a_registry_that_is_not_there_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "_TRIES", 1)
    scratch = monorepo(tmp_path / "work", CONFIG % "127.0.0.1:1")
    with pytest.raises(DestinationRefused, match=r"127\.0\.0\.1 gives no answer"):
        publish_releases(Repository.open(scratch.path), ["web-v0.9.0"], environment={})
    assert "web-v0.9.0" in TAGS
