"""Images: what ``image.yaml`` says, and how its version is written."""

from __future__ import annotations

import pytest

from edits import bump_of, bumped, components_of, edges_of
from release.errors import FormatError, Place, ReleaseError, VersionRefused, WorkspaceError
from release.model.component import EdgeKind
from release.workspace.kinds.crate import Crate
from release.workspace.kinds.image import Image
from trees import MemoryTree

IMAGE = Image()
KINDS = (IMAGE, Crate())

FILES = {
    "images/php/image.yaml": "name: php\nversion: '8.3.0' # PHP's own\n",
    "images/moodle/image.yaml": (
        "# the application\nname: moodle\nversion: 1.2.3\nrepository: ghcr.io/acme/moodle\nbase: php\n"
        "contains:\n  crates: [accel]\n"
    ),
    "images/moodle/CHANGES.md": "# Changes\n",
    "crates/accel/Cargo.toml": '[package]\nname = "accel"\nversion = "0.1.0"\n',
}


def test_every_image_yaml_is_a_component() -> None:
    components = components_of(MemoryTree(FILES), IMAGE)
    assert {name: (one.path, str(one.version)) for name, one in components.items()} == {
        "moodle": ("images/moodle", "1.2.3"),
        "php": ("images/php", "8.3.0"),
    }
    assert components["moodle"].declared == Place("images/moodle/image.yaml", 3, 10)
    assert components["moodle"].changelog == "images/moodle/CHANGES.md"
    assert components["php"].changelog == "images/php/CHANGELOG.md"


def test_the_base_and_all_contents_are_edges_at_their_places() -> None:
    tree = MemoryTree(FILES)
    components = components_of(tree, *KINDS)
    edges = edges_of(tree, components["moodle"], components, *KINDS)
    path = "images/moodle/image.yaml"
    assert [(edge.part, edge.kind, edge.place) for edge in edges] == [
        ("php", EdgeKind.IMAGE, Place(path, 5, 7)),
        ("accel", EdgeKind.IMAGE, Place(path, 7, 12)),
    ]


@pytest.mark.parametrize(("name", "old", "new"), [("php", "8.3.0", "8.3.1-rc.1"), ("moodle", "1.2.3", "2.0.0")])
def test_only_the_version_changes(name: str, old: str, new: str) -> None:
    after = bumped(MemoryTree(FILES), {name: new}, *KINDS)
    path = f"images/{name}/image.yaml"
    assert after.read(path).decode() == FILES[path].replace(old, new)


def test_a_version_with_build_metadata_is_never_written() -> None:
    tree = MemoryTree(FILES)
    component = components_of(tree, IMAGE)["moodle"]
    with pytest.raises(VersionRefused, match="an OCI tag can't hold build metadata"):
        list(IMAGE.write_version(tree, component, bump_of(component, "1.3.0+7")))


@pytest.mark.parametrize(
    ("text", "what", "line", "column"),
    [
        ("name: a\n", "version is missing", 0, 0),
        ("version: 1.0.0\n", "name is missing", 0, 0),
        ("name: a\nversion: 1.0\n", "'1.0' is not a semantic version", 2, 10),
        ("name: a\nversion: 1.0.0+7\n", "an OCI tag can't hold build metadata", 2, 10),
        ("name: a\nversion: 1.0.0\nfrom: b\n", "unknown key 'from'", 3, 7),
        ("name: a\nversion: 1.0.0\ncontains:\n  gems: [b]\n", "unknown key 'gems'", 4, 3),
        ("name: a\nversion: 1.0.0\ncontains: [b]\n", "a mapping is expected", 3, 11),
        ("name: a\nversion: 1.0.0\ncontains:\n  crates: b\n", "a list is expected", 4, 11),
        ("name: a\nname: b\nversion: 1.0.0\n", "the key 'name' is there twice", 2, 1),
        ("name: a\nversion: [1.0.0\n", "not valid YAML", 3, 1),
        ("name: a\nversion: |\n  1.0.0\n", "a value on one line", 2, 10),
        ("name: a\nversion: \x01\n", "not valid YAML", 2, 10),
        ("name: a\nversion: &v 1.0.0\nrepository: *v\n", "shared through an anchor", 2, 13),
        ("name:\nversion: 1.0.0\n", "a value is expected", 1, 6),
        ("- a\n", "a mapping is expected", 1, 1),
        ("", "name is missing", 0, 0),
    ],
)
def test_a_broken_image_yaml_is_refused_at_its_place(text: str, what: str, line: int, column: int) -> None:
    with pytest.raises(FormatError) as caught:
        components_of(MemoryTree({"i/image.yaml": text}), IMAGE)
    assert what in caught.value.what
    assert caught.value.where == (Place("i/image.yaml", line, column),)


@pytest.mark.parametrize("part", ["base: nothing", "contains: {plugins: [accel]}", "base: i"])
def test_a_part_that_is_no_component_of_its_kind_is_refused(part: str) -> None:
    tree = MemoryTree({**FILES, "i/image.yaml": f"name: i\nversion: 1.0.0\n{part}\n"})
    components = components_of(tree, *KINDS)
    with pytest.raises(WorkspaceError) as caught:
        edges_of(tree, components["i"], components, *KINDS)
    assert caught.value.where[0].line == 3
    assert isinstance(caught.value, ReleaseError)
