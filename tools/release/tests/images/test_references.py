"""References of images in registries: what is asked where, and whose signatures count."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from release.images.cosign import public_half
from release.publish.registry import OciRepository
from scratch import Scratch
from small_moodle import image_repository, served

MANIFEST = b"{}"
DIGEST = f"sha256:{hashlib.sha256(MANIFEST).hexdigest()}"
COSIGN = """\
#!/bin/sh
echo "$@" > "${0%/*}/asked"
echo "error: no signatures" >&2
exit 1
"""


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[str]:
    """Yield the host of a registry with ``acme/tiny``, of the tag ``other`` and by its digest."""
    for name, content in ((DIGEST, MANIFEST), ("other", b"{ }")):
        file = tmp_path / "served/v2/acme/tiny/manifests" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    with served(tmp_path / "served") as address:
        yield address.removeprefix("http://")


@pytest.fixture
def scratch(tmp_path: Path) -> Scratch:
    """Return a monorepo and, on PATH, a cosign that writes down what it is asked and finds nothing."""
    made = image_repository(tmp_path / "mono", {"release.yaml": "version: 1\ngithub: {repository: acme/si.te}\n"})
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/cosign").write_text(COSIGN)
    (tmp_path / "bin/cosign").chmod(0o755)
    made.environment["PATH"] = f"{tmp_path}/bin:{made.environment['PATH']}"
    return made


def test_beside_a_digest_a_tag_is_not_asked_for(tmp_path: Path, registry: str, scratch: Scratch) -> None:
    done = scratch.run("image", "verify", f"{registry}/acme/tiny:other@{DIGEST}", "--key", "x.pub")
    assert (done.code, "no signatures" in done.err) == (27, True)
    assert (tmp_path / "bin/asked").read_text().endswith(f"{registry}/acme/tiny@{DIGEST}\n")


@pytest.mark.parametrize(
    "reference", ["tiny", "tiny:1", "acme/tiny:1", "ghcr.io/", "ghcr.io/Acme/x", "ghcr.io/a@sha256:1"]
)
def test_a_reference_that_names_no_registry_is_refused(scratch: Scratch, reference: str) -> None:
    done = scratch.run("image", "verify", reference, "--key", "x.pub")
    assert (done.code, "names no image in a registry" in done.err) == (27, True)


def test_images_of_docker_hub_are_asked_for_where_it_answers() -> None:
    assert OciRepository("docker.io/acme/tiny", None).host == "registry-1.docker.io"
    assert OciRepository("ghcr.io/acme/tiny", None).host == "ghcr.io"


def test_without_a_key_only_workflows_for_the_main_branch_and_tags_count(
    tmp_path: Path, registry: str, scratch: Scratch
) -> None:
    scratch.run("image", "verify", f"{registry}/acme/tiny@{DIGEST}")
    words = (tmp_path / "bin/asked").read_text().split()
    identity = re.compile(words[words.index("--certificate-identity-regexp") + 1])
    workflow = "https://github.com/acme/si.te/.github/workflows/images.yml"
    for ref in ("refs/heads/main", "refs/tags/tiny-v1.0.0"):
        assert identity.search(f"{workflow}@{ref}")
    for other in (
        f"{workflow}@refs/heads/evil", f"{workflow}@refs/heads/main/x", f"{workflow}@refs/pull/1/merge",
        f"{workflow.replace('si.te', 'site')}@refs/heads/main", f"{workflow}x@refs/heads/x@refs/heads/main",
    ):  # fmt: skip
        assert not identity.search(other)


def test_a_key_of_a_kms_verifies_what_it_signed() -> None:
    assert public_half("awskms:///alias/images.v1") == "awskms:///alias/images.v1"
    assert public_half("keys/cosign.key") == "keys/cosign.pub"
