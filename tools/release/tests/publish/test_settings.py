from __future__ import annotations

from pathlib import Path

import pytest

from releases import monorepo

GOOD = """publish:
  destinations:
    shelf:
      to: folder
      options:
        path: ../shelf
  kinds:
    plugin: [shelf]
"""


@pytest.mark.parametrize(
    ("old", "new", "place", "word"),
    [
        ("to: folder", "to: floppy", "release.yaml:5:7", "'floppy' is no kind of destination"),
        ("path: ../shelf", "path: ../shelf\n        drawer: top", "release.yaml:8:9", "no option 'drawer'"),
        ("path: ../shelf", "{}", "release.yaml:4:5", "lacks the option 'path'"),
        ("plugin: [shelf]", "plugins: [shelf]", "release.yaml:9:5", "'plugins' is no kind of component"),
        ("[shelf]", "[shelf, cupboard]", "release.yaml:9:21", "'cupboard' is none of publish.destinations"),
    ],
)
def test_a_name_that_means_nothing_is_refused_where_it_stands(
    tmp_path: Path, old: str, new: str, place: str, word: str
) -> None:
    scratch = monorepo(tmp_path / "work", GOOD.replace(old, new))
    result = scratch.run("publish", "--dry-run")
    assert result.code == 4, result.err
    assert place in result.err
    assert word in result.err


def test_a_destination_that_is_asked_for_and_not_there_is_refused(tmp_path: Path) -> None:
    result = monorepo(tmp_path / "work", GOOD).run("publish", "--to", "cupboard")
    assert (result.code, "there is no destination cupboard" in result.err, "shelf" in result.err) == (4, True, True)


def test_a_kind_of_component_that_a_destination_does_not_take_is_refused(tmp_path: Path) -> None:
    config = """publish:
  destinations:
    crates: {to: cargo}
    images: {to: oci, options: {repository: example.org/x}}
  kinds:
    plugin: [%s]
"""
    for name in ("crates", "images"):
        scratch = monorepo(tmp_path / name, config % name)
        result = scratch.run("publish", "local_hello-v1.2.0")
        assert (result.code, "the plugin local_hello can't be published" in result.err) == (4, True)
