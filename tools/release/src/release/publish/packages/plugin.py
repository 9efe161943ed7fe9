"""Moodle plugins as zips for Moodle's installer and its plugins directory.

What the installer wants: ``public/lib/classes/update/validator.php`` of Moodle; what the directory wants:
https://moodledev.io/general/community/plugincontribution. The archive has one top folder, which is called as the
plugin without its type.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import ClassVar

from release.errors import Place
from release.formats import bundle_json, version_php
from release.formats.bundle_json import Binary
from release.formats.gitattributes import GITATTRIBUTES, export_ignore
from release.formats.version_php_views import disagreements, is_plugin_name
from release.model.edit import digest
from release.publish.archives import Entry, stored_zip
from release.publish.destination import Artifact
from release.publish.packages import natives
from release.publish.packages.packager import Source, refused, written

__all__ = ["Plugin", "plugin_files"]

_ANYWHERE = frozenset({"BUILD", "BUILD.pants", "node_modules"})
_AT_THE_TOP = frozenset(
    {
        "Gruntfile.js", "Makefile", "composer.lock", "infection.json", "infection.json5", "package-lock.json",
        "package.json", "phpcs.xml", "phpcs.xml.dist", "phpstan.neon", "phpstan.neon.dist", "phpunit.xml",
        "phpunit.xml.dist", "pnpm-lock.yaml", "yarn.lock",
    }
)  # fmt: skip
"""What only those need who develop the plugin, in its top folder."""
_NAME = re.compile(r"[0-9A-Za-z._+@~=,()\[\]-](?:[0-9A-Za-z ._+@~=,()\[\]-]*[0-9A-Za-z_+@~=,()\[\]-])?")
_DEVICE = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\..*)?", re.IGNORECASE)


class Plugin:
    """The packager of plugins."""

    kind: ClassVar[str] = "plugin"

    def package(self, source: Source, folder: Path) -> tuple[Artifact, ...]:
        """Write ``<component>-<version>.zip``.

        Raises:
            PackageRefused: Moodle's installer would refuse it or read something else from it than PHP does.
        """
        entries = plugin_files(source)
        name = f"{source.component.native}-{source.version}.zip"
        return (written(folder, name, stored_zip(entries, source.time), "application/zip"),)


def plugin_files(source: Source, targets: Collection[str] | None = None) -> list[Entry]:
    """Return the files of the plugin below one folder, which is called as the plugin without its type.

    ``targets`` leaves out the libraries that are built for all others.

    Raises:
        PackageRefused: Moodle's installer would refuse it or read something else from it than PHP does.
    """
    _refuse_unfit(source)
    top = source.component.native.partition("_")[2]
    entries = [Entry(f"{top}/{path}", content, executable) for path, content, executable in _shipped(source, targets)]
    _refuse_names(source, [entry.path for entry in entries])
    _refuse_without_language(source, {entry.path for entry in entries}, top)
    return entries


def _refuse_unfit(source: Source) -> None:
    """Refuse a plugin of which Moodle's installer sees something else than Moodle will run."""
    component = source.component
    content = source.snapshot.read(component.manifest)
    facts, seen = version_php.parse(content, component.manifest), version_php.installer_view(content)
    name = component.native
    if not is_plugin_name(name):
        raise refused(
            component, f"{name!r} is no name that Moodle takes for a plugin", place=component.declared,
            fix="name it <type>_<name> in small letters, digits and single underscores; a mod_… without underscores",
        )  # fmt: skip
    folder = component.path.rpartition("/")[2]
    if folder not in ("", name, name.partition("_")[2]):
        raise refused(
            component, f"it lies in the folder {folder}, which is not called as it is", place=component.declared,
            fix=f"call the folder {name} or {name.partition('_')[2]}, or correct $plugin->component",
        )  # fmt: skip
    if seen.module:
        raise refused(
            component, "the zip installer sees $module->version and refuses the plugin", place=component.declared,
            fix="remove it, also from strings and from code that never runs",
        )  # fmt: skip
    for found in disagreements(facts, seen):
        token = found.literal.token if found.literal else None
        place = Place(component.manifest, token.line, token.column) if token else Place(component.manifest)
        raise refused(component, found.what, place=place, fix=found.fix)
    for what in ("version", "component"):
        if getattr(seen, what) is None:
            raise refused(
                component, f"its version.php sets no {what}", place=Place(component.manifest),
                fix=f"add $plugin->{what}: https://moodledev.io/docs/apis/commonfiles/version.php",
            )  # fmt: skip


def _shipped(source: Source, targets: Collection[str] | None) -> Iterator[tuple[str, bytes, bool]]:
    """Yield path, content and whether it can be executed of each file that users get."""
    component, snapshot = source.component, source.snapshot
    prefix = f"{component.path}/" if component.path else ""
    attributes = [path for path in snapshot.files() if path.rpartition("/")[2] == GITATTRIBUTES]
    left_out = export_ignore(snapshot.read_many(attributes))
    binaries = {binary.path: binary for binary in _binaries(source)}

    def ships(path: str) -> bool:
        if path in binaries:
            return True
        said = left_out(f"{prefix}{path}")
        return not said and (said is False or not _for_developers(path))

    for path in source.links(component.path):
        if ships(path):
            raise refused(
                component, f"{path} is a symbolic link or a submodule", path=path,
                fix="commit the file itself, or list it with export-ignore in .gitattributes",
            )  # fmt: skip
    paths = [path for path in source.below(component.path) if ships(path)]
    contents = snapshot.read_many([f"{prefix}{path}" for path in paths])
    for path in paths:
        content = contents[f"{prefix}{path}"]
        if path in binaries:
            _refuse_other_bytes(source, binaries[path], content)
        yield path, content, snapshot.modes[f"{prefix}{path}"] == "100755"
    tracked = set(paths)
    for path, binary in binaries.items():
        if path not in tracked:
            built = source.root / f"{prefix}{path}"
            if not built.is_file():
                raise refused(
                    component, f"bundle.json lists {path}, which is neither committed nor built", path="bundle.json",
                    fix="build it into the plugin's folder, or commit it",
                )  # fmt: skip
            content = built.read_bytes()
            _refuse_other_bytes(source, binary, content)
            yield path, content, True
    for path, content in natives.shipped(source, targets)[0]:
        yield path, content, False


def _for_developers(path: str) -> bool:
    parts = path.split("/")
    return parts[0] in _AT_THE_TOP or any(part in _ANYWHERE or part.startswith(".") for part in parts)


def _binaries(source: Source) -> Iterator[Binary]:
    path = f"{source.component.path}/bundle.json".lstrip("/")
    content = source.snapshot.read_many([path]).get(path)
    for crate in bundle_json.parse(content, path).crates if content is not None else ():
        yield from crate.binaries


def _refuse_other_bytes(source: Source, binary: Binary, content: bytes) -> None:
    if digest(content) != binary.sha256:
        path = f"{source.component.path}/bundle.json".lstrip("/")
        raise refused(
            source.component, f"{binary.path} is not the file that bundle.json records: {digest(content)}",
            place=Place(path, binary.token.line, binary.token.column),
            fix="build it again from the recorded version, or record the file that is right",
        )  # fmt: skip


def _refuse_names(source: Source, paths: list[str]) -> None:
    """Refuse names that an unpacking system or Moodle (PARAM_FILE) would change or take for another file."""
    seen: dict[str, str] = {}
    for path in paths:
        inner = path.partition("/")[2]
        for part in path.split("/"):
            if not _NAME.fullmatch(part) or _DEVICE.fullmatch(part):
                raise refused(
                    source.component, f"{part!r} is no name that every system unpacks as it is", path=inner,
                    fix="rename it with ASCII letters, digits, and . _ - in it, or export-ignore it",
                )  # fmt: skip
        for end in [at for at, letter in enumerate(path) if letter == "/"] + [len(path)]:
            twin = seen.setdefault(path[:end].lower(), path[:end])
            if twin != path[:end]:
                raise refused(
                    source.component, f"{twin} and {path[:end]} are one file where letters' case does not count",
                    path=inner, fix="rename one of them",
                )  # fmt: skip


def _refuse_without_language(source: Source, paths: set[str], top: str) -> None:
    kind = source.component.native.partition("_")[0]
    wanted = f"lang/en/{top if kind == 'mod' else source.component.native}.php"
    if f"{top}/{wanted}" not in paths:
        raise refused(
            source.component, f"it has no {wanted}, without which Moodle's installer refuses it", path=wanted,
            fix="add it with at least $string['pluginname']",
        )  # fmt: skip
