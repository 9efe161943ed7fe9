"""Helm charts as ``<name>-<version>.tgz``, with the layout of ``helm package``: one top folder, the chart's name.

Source: https://helm.sh/docs/topics/charts/ and ``.helmignore``. The bytes differ from those of ``helm package``, which
writes the time of packaging into them.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from release.errors import Place
from release.formats import chart_yaml
from release.formats.chart_yaml import ChartDependency
from release.formats.helmignore import HELMIGNORE, helm_ignored
from release.publish.archives import Entry, stored_gzip, stored_tar
from release.publish.destination import Artifact
from release.publish.packages.packager import Source, refused, written

__all__ = ["CHART_LAYER", "Chart"]

CHART_LAYER = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"


class Chart:
    """The packager of charts."""

    kind: ClassVar[str] = "chart"

    def package(self, source: Source, folder: Path) -> tuple[Artifact, ...]:
        """Write the chart with the charts of this repository that it depends on.

        Raises:
            PackageRefused: it has links, a path too long, or a dependency that is not in ``charts/``.
        """
        name = f"{source.component.native}-{source.version}.tgz"
        return (written(folder, name, _archive(source), CHART_LAYER),)


def _archive(source: Source) -> bytes:
    component, snapshot = source.component, source.snapshot
    prefix = f"{component.path}/" if component.path else ""
    rules = f"{prefix}{HELMIGNORE}"
    ignored = helm_ignored(snapshot.read_many([rules]).get(rules), rules)
    for path in source.links(component.path):
        if not ignored(path):
            raise refused(
                component, f"{path} is a symbolic link or a submodule", path=path,
                fix="commit the file itself, or list it in .helmignore",
            )  # fmt: skip
    paths = [path for path in source.below(component.path) if not ignored(path)]
    contents = snapshot.read_many([f"{prefix}{path}" for path in paths])
    top = component.native
    entries = [
        Entry(f"{top}/{path}", contents[f"{prefix}{path}"], snapshot.modes[f"{prefix}{path}"] == "100755")
        for path in paths
    ]
    entries += [Entry(f"{top}/charts/{name}", content) for name, content in _subcharts(source, paths)]
    try:
        return stored_gzip(stored_tar(entries, source.time))
    except ValueError as error:
        raise refused(component, str(error), fix="shorten the path: Helm's archives take 255 letters") from None


def _subcharts(source: Source, paths: list[str]) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of the archives that belong into ``charts/`` and are not committed there."""
    component = source.component
    facts = chart_yaml.parse(source.snapshot.read(component.manifest), component.manifest)
    by_folder = {one.path: one for one in source.workspace.components.values() if one.kind == Chart.kind}
    for dependency in facts.dependencies:
        archive = re.compile(rf"charts/{re.escape(dependency.name)}-\d[^/]*\.tgz")
        if f"charts/{dependency.name}/Chart.yaml" in paths or any(map(archive.fullmatch, paths)):
            continue
        part = by_folder.get(posixpath.normpath(dependency.folder)) if dependency.folder is not None else None
        if part is None or part.version is None:
            raise _missing(source, dependency)
        inner = replace(source, component=part, version=part.version)
        yield f"{part.native}-{part.version}.tgz", _archive(inner)


def _missing(source: Source, dependency: ChartDependency) -> Exception:
    place = Place(source.component.manifest, dependency.token.line, dependency.token.column)
    return refused(
        source.component, f"it depends on {dependency.name}, which is not in its charts/", place=place,
        fix="helm dependency update, then commit charts/",
    )  # fmt: skip
