"""Crates as Cargo sees them: discovery, edges, and bumps that Cargo itself accepts."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from edits import bump_of, bumped, components_of, edges_of
from release.errors import FormatError, Place
from release.model.component import EdgeKind
from release.workspace.kinds.crate import Crate
from trees import FolderTree, MemoryTree

CRATE = Crate()

needs_cargo = pytest.mark.skipif(shutil.which("cargo") is None, reason="cargo is not installed")


def manifest(name: str, version: str = "0.1.0", rest: str = "") -> str:
    return f'[package]\nname = "{name}"\nversion = "{version}"\nedition = "2021"\n{rest}'


WORKSPACE = {
    "Cargo.toml": """# the workspace
[workspace]
members = ["crates/*"]
exclude = ["crates/old"]
resolver = "2"

[workspace.package]
version = "0.3.0" # all of the group

[workspace.dependencies]
core = { path = "crates/core", version = "0.1" }
grouped = { version = "0.3.0", path = 'crates/grouped' }
unused-core = { path = "crates/core", version = "=0.1.0", package = "core" }
""",
    "crates/core/Cargo.toml": manifest("core", rest='[dev-dependencies]\ncore = { path = ".", version = "0.1.0" }\n'),
    "crates/grouped/Cargo.toml": """[package]
name = "grouped"
version.workspace = true
edition = "2021"

[dependencies]
core.workspace = true
""",
    "crates/twin/Cargo.toml": """[package]
name = "twin"
version = { workspace = true }
edition = "2021"

[dependencies]
grouped = { workspace = true }

[dependencies.renamed]
path = "../core"
package = "core"
version = "~0.1.0"

[target.'cfg(unix)'.build-dependencies]
renamed.path = "../core"
renamed.version = '0'
renamed.package = "core"

[dev-dependencies]
leaf = { path = "../leaf", version = "*" }
""",
    "crates/leaf/Cargo.toml": manifest("leaf", "1.0.0", "publish = false\n"),
    "crates/old/Cargo.toml": manifest(
        "old", "2.0.0", '[dependencies]\ncore = { path = "../core", version = "^0.1.0" }\n'
    ),
    "fuzz/Cargo.toml": manifest(
        "fuzz",
        "0.0.0",
        '[dependencies]\nrenamed = { path = "../crates/core", package = "core" }\n[workspace]\n',
    ),
}


def scratch(root: Path, files: dict[str, str]) -> FolderTree:
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
        if path.endswith("/Cargo.toml"):
            source = root / path.replace("Cargo.toml", "src/lib.rs")
            source.parent.mkdir(exist_ok=True)
            source.write_text("")
    return FolderTree(root)


def cargo(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["cargo", *arguments, "--offline"], cwd=root, check=False, capture_output=True, text=True)


def test_every_package_is_a_component_with_its_own_or_the_workspaces_version() -> None:
    components = components_of(MemoryTree(WORKSPACE), CRATE)
    assert {name: str(one.version) for name, one in components.items()} == {
        "core": "0.1.0",
        "grouped": "0.3.0",
        "twin": "0.3.0",
        "leaf": "1.0.0",
        "old": "2.0.0",
        "fuzz": "0.0.0",
    }
    assert components["grouped"].group == components["twin"].group == "Cargo.toml"
    assert components["core"].group is None
    assert components["twin"].declared == Place("Cargo.toml", 8, 11)
    assert components["core"].declared == Place("crates/core/Cargo.toml", 3, 11)
    assert components["core"].changelog == "crates/core/CHANGELOG.md"


def test_dependencies_by_path_are_edges_wherever_they_are_written() -> None:
    tree = MemoryTree(WORKSPACE)
    components = components_of(tree, CRATE)
    found = {
        (edge.part, edge.kind, edge.path, edge.token.text, edge.requirement)
        for edge in edges_of(tree, components["twin"], components, CRATE)
    }
    member = "crates/twin/Cargo.toml"
    assert found == {
        ("grouped", EdgeKind.CRATE, "Cargo.toml", '"0.3.0"', "0.3.0"),
        ("core", EdgeKind.CRATE, member, '"~0.1.0"', "~0.1.0"),
        ("core", EdgeKind.CRATE, member, "'0'", "0"),
        ("leaf", EdgeKind.CRATE_DEV, member, '"*"', "*"),
    }


def test_a_dependency_of_the_crate_on_itself_is_no_edge() -> None:
    tree = MemoryTree(WORKSPACE)
    components = components_of(tree, CRATE)
    assert edges_of(tree, components["core"], components, CRATE) == []


def test_a_published_crate_of_the_same_name_is_no_edge() -> None:
    tree = MemoryTree(
        {"a/Cargo.toml": manifest("a"), "b/Cargo.toml": manifest("b", rest='[dependencies]\na = "0.1"\n')}
    )
    components = components_of(tree, CRATE)
    assert edges_of(tree, components["b"], components, CRATE) == []


def test_a_requirement_without_version_needs_no_edit() -> None:
    files = {
        "a/Cargo.toml": manifest("a"),
        "b/Cargo.toml": manifest("b", rest='[dependencies]\na = { path = "../a" }\n'),
    }
    after = bumped(MemoryTree(files), {"a": "0.2.0"}, CRATE)
    assert after.read("b/Cargo.toml") == files["b/Cargo.toml"].encode()


def test_a_compatible_bump_leaves_requirements_alone() -> None:
    after = bumped(MemoryTree(WORKSPACE), {"core": "0.1.1"}, CRATE)
    assert after.read("crates/old/Cargo.toml") == WORKSPACE["crates/old/Cargo.toml"].encode()
    assert after.read("Cargo.toml") == WORKSPACE["Cargo.toml"].replace('"=0.1.0"', '"=0.1.1"').encode()


def test_the_groups_version_and_the_requirements_on_it_change_in_the_root() -> None:
    after = bumped(MemoryTree(WORKSPACE), {"grouped": "0.4.0", "twin": "0.4.0"}, CRATE)
    expected = (
        WORKSPACE["Cargo.toml"]
        .replace('version = "0.3.0" # all', 'version = "0.4.0" # all')
        .replace('{ version = "0.3.0", path', '{ version = "0.4.0", path')
    )
    assert after.read("Cargo.toml").decode() == expected
    assert after.read("crates/twin/Cargo.toml") == WORKSPACE["crates/twin/Cargo.toml"].encode()


def test_crlf_bom_and_odd_quotes_survive() -> None:
    content = b"\xef\xbb\xbf[package]\r\nname='a'\r\nversion\t=  '''1.0.0''' # \xc3\xa9"
    after = bumped(MemoryTree({"Cargo.toml": content}), {"a": "1.1.0"}, CRATE)
    assert after.read("Cargo.toml") == content.replace(b"1.0.0", b"1.1.0")


@needs_cargo
def test_cargo_accepts_a_bumped_workspace_with_all_its_lock_files(tmp_path: Path) -> None:
    tree = scratch(tmp_path, WORKSPACE)
    for folder in ("", "fuzz", "crates/old"):
        made = cargo(tmp_path / folder, "generate-lockfile")
        assert made.returncode == 0, made.stderr
    versions = {
        "core": "0.2.0-rc.1",
        "grouped": "0.4.0",
        "twin": "0.4.0",
        "leaf": "1.1.0-rc.1",
        "old": "3.0.0",
    }
    after = bumped(tree, versions, CRATE)
    for path, content in after.contents.items():
        (tmp_path / path).write_bytes(content)
    for folder in ("", "fuzz", "crates/old"):
        checked = cargo(tmp_path / folder, "metadata", "--locked", "--format-version=1")
        assert checked.returncode == 0, checked.stderr
        seen = {one["name"]: one["version"] for one in json.loads(checked.stdout)["packages"]}
        assert seen.pop("fuzz", "0.0.0") == "0.0.0"
        assert seen.items() <= versions.items()
        assert "core" in seen


@needs_cargo
def test_cargo_refuses_the_same_bump_when_requirements_stay(tmp_path: Path) -> None:
    tree = scratch(tmp_path, WORKSPACE)
    made = cargo(tmp_path, "generate-lockfile")
    assert made.returncode == 0, made.stderr
    core = tree.read("crates/core/Cargo.toml").replace(b'version = "0.1.0"\ned', b'version = "0.2.0-rc.1"\ned')
    (tmp_path / "crates/core/Cargo.toml").write_bytes(core)
    assert cargo(tmp_path, "metadata", "--format-version=1").returncode != 0


def lock(*packages: str) -> str:
    return "version = 4\n" + "".join(f"\n[[package]]\n{package}\n" for package in packages)


REGISTRY = 'source = "registry+https://github.com/rust-lang/crates.io-index"'


def test_only_the_crate_found_by_path_changes_in_a_lock_file() -> None:
    before = lock(
        'name = "a"\nversion = "0.1.0"',
        f'name = "a"\nversion = "0.2.0"\n{REGISTRY}',
        'name = "b"\nversion = "0.1.0"\ndependencies = [\n "a 0.1.0",\n "a 0.2.0",\n]',
    )
    tree = MemoryTree(
        {
            "Cargo.toml": '[workspace]\nmembers = ["a", "b"]\n',
            "a/Cargo.toml": manifest("a"),
            "Cargo.lock": before,
        }
    )
    after = bumped(tree, {"a": "0.3.0"}, CRATE).read("Cargo.lock").decode()
    assert after == before.replace('"a"\nversion = "0.1.0"', '"a"\nversion = "0.3.0"').replace("a 0.1.0", "a 0.3.0")


def test_a_published_twin_of_the_new_version_is_named_with_its_source() -> None:
    before = lock(
        'name = "a"\nversion = "0.1.0"',
        f'name = "a"\nversion = "0.2.0"\n{REGISTRY}',
        'name = "b"\nversion = "0.1.0"\ndependencies = [\n "a 0.1.0",\n "a 0.2.0",\n]',
    )
    tree = MemoryTree({"Cargo.toml": manifest("a") + "[workspace]\n", "Cargo.lock": before})
    after = bumped(tree, {"a": "0.2.0"}, CRATE).read("Cargo.lock").decode()
    assert ' "a 0.2.0",\n "a 0.2.0 (registry+https://github.com/rust-lang/crates.io-index)",' in after


def test_a_lock_file_of_a_copy_elsewhere_is_left_alone() -> None:
    text = lock('name = "a"\nversion = "0.1.0"')
    files = {
        "a/Cargo.toml": manifest("a"),
        "a/Cargo.lock": text,
        "vendor/a/Cargo.toml": manifest("a"),
        "vendor/a/Cargo.lock": text,
    }
    tree = MemoryTree(files)
    component = next(iter(CRATE.discover(tree, ["a/Cargo.toml"])))
    assert component.path == "a"
    paths = {path for path, _ in CRATE.write_version(tree, component, bump_of(component, "0.2.0"))}
    assert paths == {"a/Cargo.toml", "a/Cargo.lock"}


@pytest.mark.parametrize(
    ("files", "what", "place"),
    [
        ({"Cargo.toml": "[package\n"}, "not valid TOML", Place("Cargo.toml", 1, 9)),
        ({"Cargo.toml": b'[package]\nname = "\xff"\n'}, "not UTF-8", Place("Cargo.toml", 2, 9)),
        ({"Cargo.toml": '[package]\nversion = "1.0.0"\n'}, "has no name", Place("Cargo.toml", 2, 11)),
        (
            {"Cargo.toml": '[package]\nname = "a"\nversion = "1.0"\n'},
            "not a semantic",
            Place("Cargo.toml", 3, 11),
        ),
        (
            {"Cargo.toml": '[package]\nname = "a"\nversion = 1.0\n'},
            "must be a string",
            Place("Cargo.toml", 3, 11),
        ),
        (
            {"a/Cargo.toml": '[package]\nname = "a"\nversion.workspace = true\n'},
            "no Cargo.toml with [workspace]",
            Place("a/Cargo.toml", 3, 21),
        ),
        (
            {
                "Cargo.toml": '[workspace]\nmembers = ["a"]\n',
                "a/Cargo.toml": '[package]\nname = "a"\nversion.workspace = true\n',
            },
            "no [workspace.package] version",
            Place("a/Cargo.toml", 3, 21),
        ),
    ],
)
def test_a_broken_manifest_is_refused_at_its_place(files: dict[str, str | bytes], what: str, place: Place) -> None:
    with pytest.raises(FormatError) as caught:
        components_of(MemoryTree(files), CRATE)
    assert what in caught.value.what
    assert caught.value.where == (place,)


def test_an_inherited_dependency_that_the_workspace_lacks_is_refused() -> None:
    tree = MemoryTree(
        {
            "Cargo.toml": '[workspace]\nmembers = ["a"]\n',
            "a/Cargo.toml": manifest("a", rest="[dependencies]\nb.workspace = true\n"),
        }
    )
    components = components_of(tree, CRATE)
    with pytest.raises(FormatError, match="b is inherited") as caught:
        edges_of(tree, components["a"], components, CRATE)
    assert caught.value.where == (Place("a/Cargo.toml", 6, 15),)


def test_a_requirement_that_cargo_can_not_read_is_refused_at_its_place() -> None:
    tree = MemoryTree(
        {
            "a/Cargo.toml": manifest("a"),
            "b/Cargo.toml": manifest("b", rest='[dependencies]\na = { path = "../a", version = "what" }\n'),
        }
    )
    with pytest.raises(FormatError, match="'what' is not a version requirement") as caught:
        bumped(tree, {"a": "0.2.0"}, CRATE)
    assert caught.value.where == (Place("b/Cargo.toml", 6, 32),)
