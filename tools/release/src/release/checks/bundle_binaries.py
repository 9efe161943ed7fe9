"""``bundle-binaries``: a bundled crate's binaries are built from the crate version that the plugin names."""

from __future__ import annotations

from collections.abc import Iterator

from release.checks.plugins import PluginFiles, plugins
from release.checks.rule import Context, Finding, Rule
from release.formats import bundle_json
from release.formats.bundle_json import BundledCrate
from release.model.component import by_native_name
from release.model.edit import digest

__all__ = ["RULE"]

_ID = "bundle-binaries"


def _check(context: Context) -> Iterator[Finding]:
    for plugin in plugins(context):
        path = plugin.inside("bundle.json")
        content = context.tree.read_many([path]).get(path)
        if content is None:
            continue
        for crate in bundle_json.parse(content, path).crates:
            yield from _crate(plugin, path, crate)
            yield from _binaries(plugin, path, crate)
            yield from _natives(plugin, path, crate)


def _crate(plugin: PluginFiles, path: str, crate: BundledCrate) -> Iterator[Finding]:
    part = by_native_name(plugin.context.components, "crate").get(crate.name)
    if part is None:
        yield plugin.finding(
            _ID,
            f"{plugin.component.name} bundles {crate.name}, but there is no such crate here",
            crate.token,
            "name a crate of this repository",
            path=path,
        )
    elif part.version is not None and part.version != crate.version:
        yield plugin.finding(
            _ID,
            f"{plugin.component.name} bundles {crate.name} {crate.version}, but the crate is {part.version}",
            crate.token,
            f"build the binaries from {crate.name} {part.version} and write that version",
            path=path,
        )


def _binaries(plugin: PluginFiles, path: str, crate: BundledCrate) -> Iterator[Finding]:
    files = {binary.path: plugin.inside(binary.path) for binary in crate.binaries}
    contents = plugin.context.tree.read_many(files.values())
    for binary in crate.binaries:
        if binary.version != crate.version:
            yield plugin.finding(
                _ID,
                f"{binary.path} is from {crate.name} {binary.version}; the plugin names {crate.version}",
                binary.token,
                f"build it again from {crate.name} {crate.version}",
                path=path,
            )
        content = contents.get(files[binary.path])
        if content is None:
            yield plugin.finding(
                _ID,
                f"{binary.path} is not in the repository",
                binary.token,
                "add the file or remove the entry",
                path=path,
            )
        elif digest(content) != binary.sha256:
            yield plugin.finding(
                _ID,
                f"{binary.path} is not the file that was recorded: its SHA-256 is {digest(content)}",
                binary.token,
                "record the file that was built, together with the version it was built from",
                path=path,
            )


def _natives(plugin: PluginFiles, path: str, crate: BundledCrate) -> Iterator[Finding]:
    committed = plugin.context.tree.read_many([plugin.inside(native.path) for native in crate.natives])
    for native in crate.natives:
        if plugin.inside(native.path) in committed:
            yield plugin.finding(
                _ID,
                f"{native.path} is in the repository, but it is to be built for each release",
                native.token,
                "git rm --cached it and add it to .gitignore, or record its version and sha256 in place of its target",
                path=path,
            )


RULE = Rule(_ID, "a bundled crate's binaries belong to the version that the plugin names", _check)
