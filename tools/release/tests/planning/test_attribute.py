"""Which component a file belongs to: the innermost folder, further files, and what releases nothing."""

from __future__ import annotations

from release.errors import Place
from release.model.component import Component
from release.planning.attribute import Layout, Rules
from release.workspace.globs import matcher


def component(name: str, path: str) -> Component:
    manifest = f"{path}/image.yaml".lstrip("/")
    return Component(name, "image", path, manifest, f"{path}/CHANGELOG.md".lstrip("/"), Place(manifest), None)


COMPONENTS = {one.name: one for one in (component("outer", "a"), component("inner", "a/b"), component("other", "c"))}
RULES = Rules(matcher(["**/tests/**"]), {"inner": matcher(["a/b/docs/**"])}, {"other": matcher(["shared/**", "a/x"])})


def test_the_innermost_folder_owns_a_file() -> None:
    layout = Layout.of(COMPONENTS, RULES)
    assert layout.owners("a/file") == {"outer"}
    assert layout.owners("a/b/file") == {"inner"}
    assert layout.owners("a/b/deep/down/file") == {"inner"}
    assert layout.owners("a/bc") == {"outer"}
    assert layout.owners("README.md") == frozenset()


def test_further_files_belong_to_a_component_beside_their_owner() -> None:
    layout = Layout.of(COMPONENTS, RULES)
    assert layout.owners("shared/proto") == {"other"}
    assert layout.owners("a/x") == {"outer", "other"}


def test_excluded_files_and_changelogs_release_nothing() -> None:
    layout = Layout.of(COMPONENTS, RULES)
    assert layout.owners("a/tests/one") == layout.owners("a/b/docs/guide") == frozenset()
    assert layout.owners("a/CHANGELOG.md") == frozenset()
    assert layout.owners("a/docs/guide") == {"outer"}


def test_for_what_is_affected_a_changelog_is_a_file_like_others() -> None:
    assert Layout.of(COMPONENTS, RULES, changelogs=False).owners("a/CHANGELOG.md") == {"outer"}


def test_a_component_at_the_root_owns_what_nobody_else_does() -> None:
    layout = Layout.of({**COMPONENTS, "root": component("root", "")}, RULES)
    assert layout.owners("README.md") == layout.owners("lib/file") == {"root"}
    assert layout.owners("c/file") == {"other"}


def test_a_component_that_moved_is_at_its_old_place_too() -> None:
    layout = Layout.of(COMPONENTS, RULES, [("old/place", "inner"), ("a/b", "inner")])
    assert layout.owners("old/place/file") == layout.owners("a/b/file") == {"inner"}
