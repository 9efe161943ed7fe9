"""The components of the synthetic monorepo and the text of their files.

Everything here is a pure function of a component's state, so that a history written twice from one seed has
the same bytes. A change of `release`'s own file forms concerns `release_yaml` and `image_yaml` alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

NOUNS = (
    "grade", "quiz", "forum", "media", "badge", "report", "survey", "lesson", "roster", "ledger", "signal",
    "cache", "vector", "packet", "stream", "canvas", "mentor", "cohort", "rubric", "journal",
)  # fmt: skip
SUFFIXES = ("", "core", "live", "plus", "sync", "view")
PLUGIN_TYPES = ("local", "mod", "block", "tool", "qtype", "report", "filter", "theme", "enrol", "auth")
FIRST_NUMBER_REQUIRED = 2024100700
GPL_HEADER = """\
// This file is part of Moodle - https://moodle.org/
//
// Moodle is free software: you can redistribute it and/or modify
// it under the terms of the GNU General Public License as published by
// the Free Software Foundation, either version 3 of the License, or
// (at your option) any later version.
//
// Moodle is distributed in the hope that it will be useful,
// but WITHOUT ANY WARRANTY; without even the implied warranty of
// MERCHANTABILITY or FITNESS FOR A PARTICULAR PURPOSE.  See the
// GNU General Public License for more details.
//
// You should have received a copy of the GNU General Public License
// along with Moodle.  If not, see <https://www.gnu.org/licenses/>.
"""


class Kind(StrEnum):
    """The kind of a component."""

    PLUGIN = "plugin"
    CRATE = "crate"
    IMAGE = "image"
    CHART = "chart"


SHARES = ((Kind.CRATE, 12), (Kind.IMAGE, 4), (Kind.CHART, 4))
"""Of 60 components; the rest are plugins."""


@dataclass(slots=True)
class Component:
    """One component and its state while the history is being written.

    `requires` holds, for a crate, the version of each crate it depends on as its manifest names it, and, for
    a plugin, the number of each plugin it depends on.
    """

    name: str
    kind: Kind
    root: str
    files: tuple[str, ...]
    version: tuple[int, int, int] = (1, 0, 0)
    number: int = 0
    requires: dict[str, str] = field(default_factory=dict)
    contains: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """Return the version as `X.Y.Z`."""
        return "{}.{}.{}".format(*self.version)

    @property
    def version_file(self) -> str:
        """Return the path of the file that holds the version."""
        names = {
            Kind.PLUGIN: "version.php",
            Kind.CRATE: "Cargo.toml",
            Kind.IMAGE: "image.yaml",
            Kind.CHART: "Chart.yaml",
        }
        return f"{self.root}/{names[self.kind]}"


def make_components(count: int, files_each: int) -> list[Component]:
    """Return `count` components, each with its edges to earlier ones and about `files_each` files.

    Names are chosen so that some are prefixes of others (`grade`, `grade-core`), as real ones are.
    """
    counts = {kind: max(1, count * share // 60) for kind, share in SHARES}
    counts[Kind.PLUGIN] = count - sum(counts.values())
    if counts[Kind.PLUGIN] < 1:
        raise ValueError(f"{count} components are too few: at least 4 are needed")
    plugins = [_plugin(index, files_each) for index in range(counts[Kind.PLUGIN])]
    crates = [_crate(index, files_each) for index in range(counts[Kind.CRATE])]
    images = [_image(index, files_each, plugins, crates) for index in range(counts[Kind.IMAGE])]
    charts = [_chart(index, files_each, images[index % len(images)].name) for index in range(counts[Kind.CHART])]
    for index, plugin in enumerate(plugins):
        if index % 5 == 4:
            plugin.requires[plugins[index // 2].name] = ""
    for index, crate in enumerate(crates):
        for other in {index // 2, index // 3} if index else ():
            crate.requires[crates[other].name] = "1.0.0"
    return [*plugins, *crates, *images, *charts]


def _words(index: int) -> tuple[str, str]:
    rounds, position = divmod(index, len(NOUNS) * len(SUFFIXES))
    pair, rest = divmod(position, len(NOUNS) * 2)
    return NOUNS[rest // 2], SUFFIXES[pair * 2 + rest % 2] + (str(rounds) if rounds else "")


def _dashed(index: int) -> str:
    noun, suffix = _words(index)
    return f"{noun}-{suffix}" if suffix else noun


def _plugin(index: int, files_each: int) -> Component:
    name = f"{PLUGIN_TYPES[index % len(PLUGIN_TYPES)]}_{''.join(_words(index // len(PLUGIN_TYPES)))}"
    fixed = (f"lang/en/{name}.php", "README.md", "classes/privacy/provider.php")
    folders = ("classes/local/part_{:02}.php", "classes/output/view_{:02}.php", "tests/part_{:02}_test.php")
    return _component(name, Kind.PLUGIN, f"plugins/{name}", fixed, folders, files_each)


def _crate(index: int, files_each: int) -> Component:
    name = _dashed(index)
    folders = ("src/part_{:02}.rs", "src/kernel/step_{:02}.rs", "tests/part_{:02}.rs")
    return _component(name, Kind.CRATE, f"crates/{name}", ("src/lib.rs", "README.md"), folders, files_each)


def _image(index: int, files_each: int, plugins: Sequence[Component], crates: Sequence[Component]) -> Component:
    name = f"{_dashed(index)}-image"
    folders = ("rootfs/etc/conf.d/part_{:02}.conf", "rootfs/usr/local/bin/step_{:02}.sh")
    image = _component(name, Kind.IMAGE, f"images/{name}", ("Dockerfile", "README.md"), folders, files_each)
    inside = plugins[index :: max(4, len(plugins) // 5)][:5]
    image.contains = (*(part.name for part in inside), crates[index % len(crates)].name)
    return image


def _chart(index: int, files_each: int, image: str) -> Component:
    name = f"{_dashed(index)}-chart"
    folders = ("templates/part_{:02}.yaml",)
    chart = _component(name, Kind.CHART, f"charts/{name}", ("values.yaml", "README.md"), folders, files_each)
    chart.contains = (image,)
    return chart


def _component(
    name: str, kind: Kind, root: str, fixed: tuple[str, ...], folders: tuple[str, ...], files_each: int
) -> Component:
    more = (folders[n % len(folders)].format(n) for n in range(max(1, files_each - len(fixed) - 1)))
    return Component(name, kind, root, tuple(f"{root}/{path}" for path in (*fixed, *more)))


def release_yaml() -> str:
    """Return the `release.yaml` of the synthetic monorepo."""
    return "version: 1\n"


def image_yaml(image: Component) -> str:
    """Return the `image.yaml` of `image`, naming the plugins and crates it contains."""
    plugins = "".join(f"    - {name}\n" for name in image.contains if "_" in name)
    crates = "".join(f"    - {name}\n" for name in image.contains if "_" not in name)
    return (
        f"# The image {image.name}.\nname: {image.name}\nversion: {image.text}\n"
        f"contains:\n  plugins:\n{plugins}  crates:\n{crates}"
    )


def version_text(component: Component, images: dict[str, Component]) -> str:
    """Return the text of `component.version_file` for its present state."""
    match component.kind:
        case Kind.PLUGIN:
            return _version_php(component)
        case Kind.CRATE:
            return _cargo_toml(component)
        case Kind.IMAGE:
            return image_yaml(component)
        case Kind.CHART:
            return _chart_yaml(component, images[component.contains[0]])


def _version_php(plugin: Component) -> str:
    dependencies = "".join(f"    '{name}' => {number},\n" for name, number in plugin.requires.items())
    return (
        f"<?php\n{GPL_HEADER}\n/**\n * Version information of {plugin.name}.\n *\n"
        f" * @package   {plugin.name}\n"
        " * @copyright 2026 The synthetic monorepo\n"
        " * @license   https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later\n */\n\n"
        "defined('MOODLE_INTERNAL') || die();\n\n"
        f"$plugin->component = '{plugin.name}';\n"
        f"$plugin->version   = {plugin.number}; // YYYYMMDDXX.\n"
        f"$plugin->requires  = {FIRST_NUMBER_REQUIRED};\n"
        "$plugin->supported = [405, 501];\n"
        "$plugin->maturity  = MATURITY_STABLE;\n"
        f"$plugin->release   = '{plugin.text}';\n"
        + (f"$plugin->dependencies = [\n{dependencies}];\n" if dependencies else "")
    )


def _cargo_toml(crate: Component) -> str:
    dependencies = "".join(
        f'{name} = {{ path = "../{name}", version = "{version}" }}\n'
        for name, version in sorted(crate.requires.items())
    )
    return (
        f'[package]\nname = "{crate.name}"\nversion = "{crate.text}"  # set by the release commit\n'
        'edition = "2021"\nlicense = "GPL-3.0-or-later"\npublish = false\n'
        + (f"\n[dependencies]\n{dependencies}" if dependencies else "")
    )


def _chart_yaml(chart: Component, image: Component) -> str:
    return (
        f"apiVersion: v2\nname: {chart.name}\ndescription: Runs {image.name}.\ntype: application\n"
        f'version: {chart.text}\nappVersion: "{image.text}"\n'
    )


def values_yaml(image: Component, revision: int) -> str:
    """Return the `values.yaml` of a chart that runs `image`; `revision` tells one edit from the next."""
    return (
        f"# Revision {revision} of these values.\nreplicas: 2\nimage:\n"
        f'  repository: registry.example/{image.name}\n  tag: "{image.text}"\nservice:\n  port: 8080\n'
    )


def cargo_workspace() -> str:
    """Return the root `Cargo.toml`."""
    return '[workspace]\nresolver = "2"\nmembers = ["crates/*"]\n'


def cargo_lock(crates: Sequence[Component]) -> str:
    """Return the `Cargo.lock` of a workspace of `crates` as cargo writes it."""
    entries = []
    for crate in sorted(crates, key=lambda crate: crate.name):
        needs = "".join(f' "{name}",\n' for name in sorted(crate.requires))
        entries.append(
            f'\n[[package]]\nname = "{crate.name}"\nversion = "{crate.text}"\n'
            + (f"dependencies = [\n{needs}]\n" if needs else "")
        )
    return (
        "# This file is automatically @generated by Cargo.\n# It is not intended for manual editing.\n"
        "version = 4\n" + "".join(entries)
    )


def source_text(path: str, revision: int) -> str:
    """Return the text of an ordinary file at `path`; two revisions differ in one line."""
    stem = path.rsplit("/", 1)[-1]
    match path.rsplit(".", 1)[-1]:
        case "php":
            body = "".join(f"    // Step {n} of {stem} keeps the order of its rows.\n" for n in range(12))
            function = f"function revision() {{\n    return {revision};\n{body}}}\n"
            return f"<?php\n{GPL_HEADER}\n/** {path} */\n{function}"
        case "rs":
            body = "".join(f"/// Row {n} of {stem} is summed in order.\n" for n in range(12))
            return f"//! {path}\n\n{body}pub const REVISION: u64 = {revision};\n"
        case "md":
            return f"# {path}\n\nRevision {revision}.\n\n" + "A paragraph that says what this part is for.\n" * 8
        case _:
            return f"# {path}\nrevision: {revision}\n" + "".join(f"# line {n} of {stem}\n" for n in range(15))
