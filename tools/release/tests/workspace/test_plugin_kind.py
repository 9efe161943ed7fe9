"""Behaviour of the plugin kind: what it finds, which edges it reads, what it writes."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from release.errors import FormatError, Place
from release.model.component import Component, EdgeKind
from release.model.edit import FileEdit, Replacement
from release.model.plan import Bump
from release.model.version import Level, parse_version
from release.workspace.kinds.plugin import Plugin
from trees import MemoryTree


def version_php(component: str, version: int = 2026010100, more: str = "") -> str:
    return (
        f"<?php\ndefined('MOODLE_INTERNAL') || die();\n$plugin->version   = {version};\n"
        f"$plugin->component = '{component}';\n$plugin->release   = '1.0.0';\n{more}"
    )


UPGRADE = """<?php
function xmldb_{name}_upgrade($oldversion) {{
    if ($oldversion < 2026010107) {{
        upgrade_plugin_savepoint(true, 2026010107, 'local', 'a');
    }}
    // upgrade_plugin_savepoint(true, 2099010107, 'local', 'a');
    return true;
}}
"""
BUNDLE = """{"crates": {
  "accel": {"version": "0.2.0", "binaries": [
    {"path": "native/a.so", "version": "0.2.0", "sha256":
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"}]},
  "unknown": {"version": "1.0.0"}
}}
"""


def discover(files: dict[str, str | bytes]) -> list[Component]:
    tree = MemoryTree(files)
    return list(Plugin().discover(tree, tree.files()))


def crate(name: str) -> Component:
    manifest = f"crates/{name}/Cargo.toml"
    return Component(name, "crate", f"crates/{name}", manifest, "CHANGELOG.md", Place(manifest), parse_version("0.2.0"))


def bump(component: str, after: str, build: int | None, kind: str = "plugin") -> Bump:
    before = parse_version("1.0.0")
    return Bump(
        component,
        kind,
        "",
        before,
        parse_version(after),
        2026010100,
        build,
        Level.MINOR,
        (),
        f"{component}/{after}",
    )


def written(tree: MemoryTree, edits: Iterable[tuple[str, Replacement]]) -> dict[str, bytes]:
    by_path: dict[str, list[Replacement]] = {}
    for path, edit in edits:
        by_path.setdefault(path, []).append(edit)
    return {
        path: FileEdit.build(path, tree.read(path), found).apply(tree.read(path)) for path, found in by_path.items()
    }


def test_plugins_are_found_in_any_layout_and_fixtures_and_core_are_not() -> None:
    found = discover(
        {
            "version.php": "<?php $version = 2025100600.02; $release = '5.1';",
            "public/mod/assign/version.php": version_php("mod_assign"),
            "public/mod/assign/submission/file/version.php": version_php("assignsubmission_file"),
            "public/lib/tests/fixtures/plugin/version.php": "<?php $module->version = 2013031900;",
            "tests/fixtures/version.php": version_php("local_fixture"),
            "plugins/local_b/version.php": version_php("local_b"),
            "vendor/wordpress/version.php": "<?php this is no php at all",
            "plugins/local_b/classes/version.php.txt": "no",
            "plugins/local_b/myversion.php": version_php("local_no"),
        }
    )
    assert [(one.name, one.path) for one in found] == [
        ("local_b", "plugins/local_b"),
        ("mod_assign", "public/mod/assign"),
        ("assignsubmission_file", "public/mod/assign/submission/file"),
    ]


def test_a_repository_can_be_one_plugin() -> None:
    (plugin,) = discover({"version.php": version_php("local_a"), "db/upgrade.php": UPGRADE.format(name="local_a")})
    assert plugin == Component(
        name="local_a",
        kind="plugin",
        path="",
        manifest="version.php",
        changelog="CHANGES.md",
        declared=Place("version.php", 3, 22),
        version=parse_version("1.0.0"),
        build=2026010100,
        floor=2026010107,
    )


def test_a_plugin_without_a_name_is_refused() -> None:
    with pytest.raises(FormatError, match="names no component"):
        discover({"local/a/version.php": "<?php $plugin->version = 2026010100;"})


def test_dependencies_and_bundled_crates_of_the_tree_are_edges() -> None:
    more = (
        "$plugin->dependencies = ['local_b' => 2026010100, 'local_c' => ANY_VERSION, "
        "'mod_elsewhere' => 2020010100, 'accel' => 1, 'local_a' => 1];"
    )
    tree = MemoryTree(
        {
            "plugins/local_a/version.php": version_php("local_a", more=more),
            "plugins/local_a/bundle.json": BUNDLE,
            "plugins/local_b/version.php": version_php("local_b"),
            "plugins/local_c/version.php": version_php("local_c"),
        }
    )
    kind = Plugin()
    components = {one.name: one for one in [*kind.discover(tree, tree.files()), crate("accel")]}
    edges = list(kind.edges(tree, components["local_a"], components))
    assert [(edge.part, edge.kind, edge.requirement, edge.token.text) for edge in edges] == [
        ("local_b", EdgeKind.PLUGIN, "2026010100", "2026010100"),
        ("local_c", EdgeKind.PLUGIN, None, "ANY_VERSION"),
        ("accel", EdgeKind.BUNDLE, "0.2.0", "0.2.0"),
    ]
    assert str(edges[2].place) == "plugins/local_a/bundle.json:2:25"
    assert list(kind.edges(tree, components["local_b"], components)) == []


def test_a_bump_writes_number_and_release_and_nothing_else() -> None:
    tree = MemoryTree({"local/a/version.php": version_php("local_a")})
    (plugin,) = Plugin().discover(tree, tree.files())
    result = written(tree, Plugin().write_version(tree, plugin, bump("local_a", "1.1.0", 2026112300)))
    assert result == {"local/a/version.php": version_php("local_a", 2026112300).replace("'1.0.0'", "'1.1.0'").encode()}


def test_a_bump_of_the_build_only_leaves_the_release() -> None:
    tree = MemoryTree({"local/a/version.php": version_php("local_a").replace("1.0.0", "v1.0")})
    (plugin,) = Plugin().discover(tree, tree.files())
    result = written(tree, Plugin().write_version(tree, plugin, bump("local_a", "1.0.0", 2026112300)))
    assert b"'v1.0'" in result["local/a/version.php"]


def test_a_number_that_the_installer_would_not_read_is_not_written() -> None:
    trap = "$text = '$plugin->version=2001010100;';\n"
    tree = MemoryTree({"local/a/version.php": version_php("local_a", more=trap)})
    (plugin,) = Plugin().discover(tree, tree.files())
    with pytest.raises(FormatError, match="its zip installer 2001010100"):
        list(Plugin().write_version(tree, plugin, bump("local_a", "1.1.0", 2026112300)))


def test_new_parts_raise_numbers_and_never_lower_them() -> None:
    more = "$plugin->dependencies = ['local_b' => '2026010100', 'local_c' => ANY_VERSION,\n'local_d' => 2030010100];"
    tree = MemoryTree(
        {
            "plugins/local_a/version.php": version_php("local_a", more=more),
            "plugins/local_a/bundle.json": BUNDLE,
            **{f"plugins/local_{x}/version.php": version_php(f"local_{x}") for x in "bcd"},
        }
    )
    kind = Plugin()
    components = {one.name: one for one in [*kind.discover(tree, tree.files()), crate("accel")]}
    edges = list(kind.edges(tree, components["local_a"], components))
    bumps = {name: bump(name, "1.1.0", 2026112300) for name in ("local_b", "local_c", "local_d")}
    bumps["accel"] = bump("accel", "0.3.0", None, "crate")
    result = written(tree, kind.write_parts(tree, components["local_a"], edges, bumps))
    assert result == {
        "plugins/local_a/version.php": version_php("local_a", more=more.replace("'2026010100'", "2026112300")).encode(),
        "plugins/local_a/bundle.json": BUNDLE.replace(
            '"accel": {"version": "0.2.0"', '"accel": {"version": "0.3.0"'
        ).encode(),
    }
