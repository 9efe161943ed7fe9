"""Which builds of an image are pushed as its version: only those of the commit, with what ``release.yaml`` says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import json as msgspec_json
from msgspec.structs import replace

from release.images.lock import BaseInput, Inputs, Lock, MoodleInput, Result, render
from scratch import Result as Done
from scratch import Scratch
from small_moodle import image_repository, served

MOODLE = ("https://git.example.org/moodle.git", "v5.1.0", "c" * 40)
CONFIG = f"""\
version: 1
images:
  base: {{image: 'debian:1', snapshot: 20261120T000000Z}}
  moodle: {{repository: {MOODLE[0]}, tag: {MOODLE[1]}, commit: {MOODLE[2]}}}
"""


def written(scratch: Scratch, name: str, first: BaseInput, **changes: Any) -> str:
    """Write the layout and the lock of a build of ``name`` with ``changes`` of its inputs; return its digest."""
    folder = scratch.path / "dist/images" / name
    (folder / "oci/blobs/sha256").mkdir(parents=True, exist_ok=True)
    config = {"os": "linux", "architecture": "amd64", "of": name}
    media = "application/vnd.oci.image.manifest.v1+json"
    digest = "sha256:" + name.ljust(64, "0")
    (folder / "oci/blobs" / digest.replace(":", "/")).write_text(json.dumps({"config": {"digest": "sha256:c"}}))
    (folder / "oci/blobs/sha256/c").write_text(json.dumps(config))
    listed = {"manifests": [{"digest": digest, "mediaType": media}]}
    (folder / "oci/index.json").write_text(json.dumps(listed))
    made = json.loads(scratch.run("image", "list", "--json").ok().out)["images"]
    (version,) = [one["version"] for one in made if one["name"] == name]
    commit = scratch.git("log", "-1", "--format=%H")
    moodle = MoodleInput(origin=" ".join(MOODLE), release="5.1", version="1", digest="sha256:d")
    inputs = Inputs(
        name=name, version=version, commit=commit, time=1, base=first, moodle=moodle if name == "site" else None,
        parts=(), context="sha256:e", platforms=("linux/amd64",),
    )  # fmt: skip
    lock = Lock(
        reference="x", builder="buildkit", inputs=replace(inputs, **changes),
        results=(Result(platform="linux/amd64", config="sha256:c", manifest=digest),),
    )  # fmt: skip
    (folder / "image.lock.json").write_bytes(render(lock))
    assert msgspec_json.decode(render(lock), type=Lock) == lock
    return digest


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[str]:
    """Yield the host of a registry that has nothing."""
    (tmp_path / "nothing").mkdir()
    with served(tmp_path / "nothing") as address:
        yield address.removeprefix("http://")


def pushed(scratch: Scratch, registry: str, name: str, *options: str) -> Done:
    """Push ``name`` with neither syft nor cosign: what isn't refused before ends with exit code 27."""
    to = f"{registry}/acme/{{name}}"
    return scratch.run("image", "push", name, "--to", to, "--key", "no.key", *options, env={"PATH": "/usr/bin:/bin"})


BASE = BaseInput(image="debian:1", snapshot="20261120T000000Z")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"commit": "f" * 40}, "it was built from ffffffffffff"),
        ({"base": replace(BASE, image="evil:1")}, "it begins with evil:1, not with debian:1"),
        ({"base": replace(BASE, snapshot="")}, "are of the day, not of 20261120T000000Z"),
        ({"moodle": MoodleInput(origin="a folder", release="", version="", digest="")}, "Moodle is from a folder"),
        ({"omissions": ("no programs of greet",)}, "no programs of greet"),
    ],
)
def test_a_build_of_other_inputs_is_not_pushed_unless_it_is_said(
    tmp_path: Path, registry: str, changes: dict[str, Any], said: str
) -> None:
    scratch = image_repository(tmp_path / "mono", {"release.yaml": CONFIG})
    written(scratch, "site", BASE)
    assert pushed(scratch, registry, "site").code == 27
    written(scratch, "site", BASE, **changes)
    done = pushed(scratch, registry, "site")
    assert done.code == 17
    assert said in done.err
    assert "--as-built" in done.err
    assert pushed(scratch, registry, "site", "--as-built").code == 27


def test_a_build_on_a_base_of_other_inputs_or_on_another_base_is_not_pushed(tmp_path: Path, registry: str) -> None:
    scratch = image_repository(tmp_path / "mono", {"release.yaml": CONFIG})
    on_tiny = replace(BASE, image="localhost/mono/tiny:0.1.0", digest=written(scratch, "tiny", BASE))
    written(scratch, "over", on_tiny)
    assert pushed(scratch, registry, "over").code == 27
    written(scratch, "over", replace(on_tiny, digest="sha256:0"))
    assert "its base tiny was built anew" in pushed(scratch, registry, "over").err
    written(scratch, "over", on_tiny)
    written(scratch, "tiny", replace(BASE, image="evil:1"))
    done = pushed(scratch, registry, "over")
    assert (done.code, "its base tiny: it begins with evil:1" in done.err) == (17, True)
