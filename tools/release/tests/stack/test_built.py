"""Moodle's image in the stack is that of HEAD, and isn't built again for what is mounted anyway."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engines import with_engine
from release.flow.image import Overrides, current
from release.flow.package import opened
from release.flow.stack import built
from release.repository.git import Repository
from scratch import Scratch, plugin
from small_moodle import image_repository


def fits(scratch: Scratch, revision: str, name: str = "over") -> bool:
    repository = Repository.open(scratch.path)
    with opened(repository, os.environ) as at:
        return current(at, repository.head(), name, revision)


@pytest.mark.parametrize(
    ("name", "path", "text", "still"),
    [
        ("over", "images/over/rootfs/etc/more", "more\n", False),
        ("over", "images/tiny/rootfs/etc/more", "more\n", False),
        ("over", "release.yaml", "images: {base: {image: 'a/b:1'}}\n", False),
        ("over", "plugins.lock", "version: 1\nplugins: []\n", False),
        ("over", "images/site/rootfs/etc/more", "more\n", True),
        ("over", "release.yaml", "stack: {ports: {web: 9000}}\n", True),
        ("site", "plugins/local_hello/version.php", plugin("local_hello", 2026010100), True),
    ],
)
def test_an_image_is_current_until_what_it_is_made_from_changes(
    tmp_path: Path, name: str, path: str, text: str, still: bool
) -> None:
    scratch = image_repository(tmp_path / "builtfits")
    before = scratch.git("rev-parse", "HEAD")
    assert fits(scratch, before, name)
    scratch.commit("feat: change", {path: text})
    assert fits(scratch, before, name) is still


@pytest.mark.parametrize("revision", ["", "0" * 40, "--all"])
def test_an_image_of_no_commit_of_this_repository_is_not_current(tmp_path: Path, revision: str) -> None:
    assert not fits(image_repository(tmp_path / "builtfits"), revision)


def test_the_stack_builds_the_image_of_head_again_when_its_files_have_changed(tmp_path: Path) -> None:
    scratch = image_repository(tmp_path / "builtagain")
    repository = Repository.open(scratch.path)
    with with_engine(scratch) as client:
        build = built(
            repository, "tiny", Overrides(base=scratch.environment["RELEASE_IMAGE_BASE"], partial=True), os.environ
        )
        first = client.images.get(build(lambda *_: None)).id
        assert client.images.get(build(lambda *_: None)).id == first
        scratch.commit("feat(tiny): more", {"images/tiny/rootfs/etc/more": "more\n"})
        assert client.images.get(build(lambda *_: None)).id != first
