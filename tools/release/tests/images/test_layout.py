"""An image's layout as a stream for an engine: whole, or an error where it is used."""

from __future__ import annotations

import json
import tarfile
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from release.images.layout import Layout, Platform


def layout(folder: Path, *, layer: bool = True) -> tuple[Layout, Platform]:
    """Return a layout of one layer of 1 MiB, which isn't there without ``layer``, and its image."""
    blobs = folder / "blobs/sha256"
    blobs.mkdir(parents=True)
    (blobs / "c").write_text("{}")
    if layer:
        (blobs / "a").write_bytes(b"x" * (1 << 20))
    manifest = {"config": {"digest": "sha256:c"}, "layers": [{"digest": "sha256:a", "size": 1 << 20}]}
    return Layout(folder), Platform("linux/amd64", "sha256:m", manifest)


def test_the_tag_is_named_after_all_that_it_is_given_to(tmp_path: Path) -> None:
    made, platform = layout(tmp_path)
    with made.archive(platform, "a/b:1") as stream, tarfile.open(fileobj=stream, mode="r|") as archive:
        found = {member.name: (archive.extractfile(member) or stream).read() for member in archive}
    assert list(found) == ["blobs/sha256/c", "blobs/sha256/a", "manifest.json"]
    assert len(found["blobs/sha256/a"]) == 1 << 20
    assert json.loads(found["manifest.json"])[0]["RepoTags"] == ["a/b:1"]


def test_a_reader_that_stops_ends_the_writer_without_a_word(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    made, platform = layout(tmp_path)
    before = threading.active_count()
    with made.archive(platform, "a/b:1") as stream:
        stream.read(1)
    assert threading.active_count() == before
    assert capfd.readouterr() == ("", "")


def test_what_cannot_be_read_is_the_callers_error_and_the_stream_has_no_tag(tmp_path: Path) -> None:
    made, platform = layout(tmp_path, layer=False)
    said = b""
    with pytest.raises(FileNotFoundError), made.archive(platform, "a/b:1") as stream:
        said = stream.read()
    assert b"manifest.json" not in said


def test_an_image_without_a_layer_has_a_layout_too(tmp_path: Path) -> None:
    made, platform = layout(tmp_path)
    empty = replace(platform, manifest={"config": {"digest": "sha256:c"}, "layers": None})
    assert empty.layers == []
    with made.archive(empty, "a/b:1") as stream, tarfile.open(fileobj=stream, mode="r|") as archive:
        assert [member.name for member in archive] == ["blobs/sha256/c", "manifest.json"]
