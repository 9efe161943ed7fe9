"""Manifests: which folders a workspace claims, and odd but valid ways to write things."""

from __future__ import annotations

import pytest

from release.formats.cargo_toml import WorkspaceTable, parse


@pytest.mark.parametrize(
    ("member", "folder", "matches"),
    [
        ("crates/*", "crates/a", True),
        ("crates/*", "crates/a/b", False),
        ("crates/**", "crates/a/b", True),
        ("crates/**/x", "crates/x", True),
        ("crates/**/x", "crates/a/b/x", True),
        ("./crates/a", "crates/a", True),
        ("crates/?", "crates/ab", False),
        ("crates/[ab]", "crates/b", True),
        ("crates/[!ab]", "crates/b", False),
        ("crates/a+b", "crates/a+b", True),
        ("../other", "other", True),
        (".", "root", True),
    ],
)
def test_members_are_matched_as_cargo_does(member: str, folder: str, matches: bool) -> None:
    base = "root" if member in ("../other", ".") else ""
    assert WorkspaceTable(base, (member,), (), None).matches(folder) is matches


@pytest.mark.parametrize(
    ("members", "exclude", "folder", "holds"),
    [
        (("crates/*",), (), "elsewhere", True),
        (("crates/*",), ("fuzz",), "fuzz", False),
        ((), ("fuzz",), "fuzz/deep", False),
        ((), ("fuzz",), "fuzzy", True),
        (("fuzz/kept",), ("fuzz",), "fuzz/kept", True),
    ],
)
def test_an_excluded_folder_looks_past_the_workspace(
    members: tuple[str, ...], exclude: tuple[str, ...], folder: str, holds: bool
) -> None:
    assert WorkspaceTable("", members, exclude, None).holds(folder) is holds


def test_dependencies_are_found_in_every_table() -> None:
    manifest = parse(
        b"""[package]
name = "a"
version = "1.0.0"
[dependencies]
one = { path = "../one" }
two.path = "two"
outside = { path = "../../../x" }
plain = "1"
[dependencies.three]
path = "/absolute"
[build_dependencies]
four = { path = "../four", version = "4" }
[dev_dependencies]
five = { workspace = true }
[target.x86_64-pc-windows-gnu.dev-dependencies]
six = { path = ".." }
[patch.crates-io]
seven = { path = "../seven" }
""",
        "crates/a/Cargo.toml",
    )
    found = {one.alias: (one.folder, one.requirement, one.dev, one.inherited) for one in manifest.dependencies}
    assert found == {
        "one": ("crates/one", None, False, False),
        "two": ("crates/a/two", None, False, False),
        "outside": (None, None, False, False),
        "plain": (None, "1", False, False),
        "three": (None, None, False, False),
        "four": ("crates/four", "4", False, False),
        "five": (None, None, True, True),
        "six": ("crates", None, True, False),
    }
    assert manifest.patches == ("crates/seven",)
