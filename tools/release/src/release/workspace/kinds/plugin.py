"""Moodle plugins of any type: every folder whose ``version.php`` sets ``$plugin->component``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from release.errors import FormatError, Place
from release.formats import bundle_json, upgrade_php, version_php
from release.model.component import Component, Edge, EdgeKind, Tree, by_native_name
from release.model.edit import FileEdit, Replacement

if TYPE_CHECKING:
    from release.model.plan import Bump

__all__ = ["Plugin"]

_PROPERTY = re.compile(rb"\$(?:plugin|module)\s*->")
_FIXTURES = re.compile(r"(?:^|/)tests/fixtures/")


class Plugin:
    """The plugins of a tree: a whole Moodle, a repository that is one plugin, or folders of plugins.

    A ``version.php`` below ``tests/fixtures`` is a test's input and Moodle's own ``version.php`` (which sets
    no property of ``$plugin``) is no plugin's; both are passed over.
    """

    name: ClassVar[str] = "plugin"

    def discover(self, tree: Tree, files: Sequence[str]) -> Iterator[Component]:
        """Yield the plugins in the order of their paths.

        Raises:
            FormatError: a ``version.php`` or ``db/upgrade.php`` can't be read.
        """
        manifests = [
            path
            for path in files
            if path.endswith("version.php") and path.rpartition("/")[2] == "version.php" and not _FIXTURES.search(path)
        ]
        contents = {path: content for path, content in tree.read_many(manifests).items() if _PROPERTY.search(content)}
        tracked = set(files)
        upgrades = tree.read_many(
            [upgrade for path in contents if (upgrade := _inside(_folder(path), "db/upgrade.php")) in tracked]
        )
        for path in sorted(contents, key=_folder):
            facts = version_php.parse(contents[path], path)
            if facts.version is None and facts.component is None:
                continue
            yield _component(facts, upgrades)

    def edges(self, tree: Tree, component: Component, components: Mapping[str, Component]) -> Iterator[Edge]:
        """Yield the edges from the plugins that ``component`` depends on and the crates that it bundles.

        Raises:
            FormatError: ``bundle.json`` can't be read.
        """
        facts = version_php.parse(tree.read(component.manifest), component.manifest)
        plugins = by_native_name(components, self.name) if facts.dependencies else {}
        for dependency in facts.dependencies:
            part = plugins.get(dependency.component)
            if part is not None and part is not component:
                number = None if dependency.any_version else dependency.number
                yield Edge(
                    part=part.name,
                    whole=component.name,
                    kind=EdgeKind.PLUGIN,
                    path=component.manifest,
                    token=dependency.needs.token,
                    requirement=None if number is None else str(number),
                )
        path = _inside(component.path, "bundle.json")
        content = tree.read_many([path]).get(path)
        if content is None:
            return
        crates = by_native_name(components, "crate")
        for crate in bundle_json.parse(content, path).crates:
            if crate.name in crates:
                yield Edge(
                    crates[crate.name].name, component.name, EdgeKind.BUNDLE, path, crate.token, str(crate.version)
                )

    def write_version(self, tree: Tree, component: Component, bump: Bump) -> Iterator[tuple[str, Replacement]]:
        """Yield the edits of ``version.php``: the number, and the release when it changes.

        Raises:
            FormatError: after the edits Moodle's upgrade or its zip installer would not read the new number.
        """
        path = component.manifest
        content = tree.read(path)
        facts = version_php.parse(content, path)
        edits: list[Replacement] = []
        if bump.build_after is not None:
            edits.append(version_php.set_version(content, facts, bump.build_after))
        if bump.tag is not None and bump.after != facts.semantic:
            edits += version_php.set_release(content, facts, str(bump.after), bump.build_after)
        _assert_read_alike(path, content, edits, bump)
        for edit in edits:
            yield path, edit

    def write_parts(
        self, tree: Tree, component: Component, edges: Sequence[Edge], bumps: Mapping[str, Bump]
    ) -> Iterator[tuple[str, Replacement]]:
        """Yield the edits which raise dependencies' numbers and new crate versions into ``bundle.json``.

        ``ANY_VERSION`` stays, and no number is lowered.
        """
        facts = version_php.parse(tree.read(component.manifest), component.manifest)
        dependencies = {dependency.needs.token: dependency for dependency in facts.dependencies}
        for edge in edges:
            bump = bumps[edge.part]
            if edge.kind is EdgeKind.BUNDLE and edge.token.text != str(bump.after):
                yield edge.path, edge.token.replaced_by(str(bump.after))
            elif edge.kind is EdgeKind.PLUGIN and bump.build_after is not None:
                edit = version_php.set_dependency(dependencies[edge.token], bump.build_after)
                if edit is not None:
                    yield edge.path, edit


def _component(facts: version_php.VersionPhp, upgrades: Mapping[str, bytes]) -> Component:
    if not facts.name:
        raise FormatError(
            f"{facts.path} names no component",
            where=[Place(facts.path)],
            fix="add $plugin->component = '<type>_<name>';",
        )
    folder = _folder(facts.path)
    upgrade = _inside(folder, "db/upgrade.php")
    return Component(
        name=facts.name,
        kind=Plugin.name,
        path=folder,
        manifest=facts.path,
        changelog=_inside(folder, "CHANGES.md"),
        declared=facts.declared,
        version=facts.semantic,
        build=facts.build,
        floor=upgrade_php.floor(upgrades[upgrade], upgrade) if upgrade in upgrades else None,
    )


def _assert_read_alike(path: str, content: bytes, edits: Sequence[Replacement], bump: Bump) -> None:
    after = FileEdit.build(path, content, edits).apply(content)
    facts = version_php.parse(after, path)
    if bump.tag is not None and facts.semantic != bump.after:
        raise FormatError(
            f"{path} would not be read as release {bump.after}",
            where=[facts.declared],
            fix="leave one plain `$plugin->release = '…';` in the file",
        )
    if bump.build_after is None:
        return
    seen = version_php.installer_view(after).version
    if seen != str(bump.build_after) or facts.build != bump.build_after:
        raise FormatError(
            f"{path} would not be read as version {bump.build_after}: "
            f"Moodle's upgrade would read {facts.build}, its zip installer {seen}",
            where=[facts.declared],
            fix="leave one plain `$plugin->version = …;` in the file",
        )


def _folder(path: str) -> str:
    return path.rpartition("/")[0]


def _inside(folder: str, path: str) -> str:
    return f"{folder}/{path}" if folder else path
