"""Helm charts: ``Chart.yaml`` with the images of ``values.yaml`` and the subcharts of ``dependencies``.

An image of ``values.yaml`` is a component of this repository when its repository is the one that the
component's ``image.yaml`` declares or, where that declares none, when its last segment is the image's name.

``appVersion`` follows one image: the one named like the chart, else the only one, else the one whose version
it has now. A tag that is the image's present version follows it too; an empty tag means ``appVersion`` in
most charts and stays. An image pinned by digest can't follow: the new digest is known only once the image is
built, so that bump is refused rather than made to lie.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from release.errors import FormatError, Place, VersionRefused
from release.formats import chart_yaml, image_yaml, values_yaml
from release.formats.chart_yaml import ChartYaml
from release.formats.values_yaml import ImageUse
from release.formats.yaml import plain_or_quoted
from release.model.component import Component, Edge, EdgeKind, Tree
from release.model.edit import Replacement
from release.workspace.changelogs import changelog_path
from release.workspace.named import named

if TYPE_CHECKING:
    from release.model.plan import Bump

__all__ = ["Chart", "app_image"]


class Chart:
    """The kind of Helm charts."""

    name: ClassVar[str] = "chart"

    def discover(self, tree: Tree, files: Sequence[str]) -> Iterator[Component]:
        """Return the charts among ``files``.

        Raises:
            FormatError: a ``Chart.yaml`` is malformed.
        """
        present = set(files)
        contents = tree.read_many(named(files, "Chart.yaml"))
        for path, content in contents.items():
            chart = chart_yaml.parse(content, path)
            yield Component(
                name=chart.name,
                kind=self.name,
                path=chart.folder,
                manifest=path,
                changelog=changelog_path(chart.folder, present),
                declared=Place(path, chart.version_token.line, chart.version_token.column),
                version=chart.version,
            )

    def edges(self, tree: Tree, component: Component, components: Mapping[str, Component]) -> Iterator[Edge]:
        """Return the edges to images and subcharts.

        An image has an edge at each place that follows its version: the tag, a digest, ``appVersion``;
        without any of them at its repository.
        """
        chart = chart_yaml.parse(tree.read(component.manifest), component.manifest)
        uses = list(_image_uses(tree, component, components))
        for use, image in uses:
            token = use.digest_token or use.tag_token or use.token
            requirement = token.text if use.digest_token is not None else use.tag
            yield Edge(image.name, component.name, EdgeKind.CHART, _values(component), token, requirement)
        followed = app_image(chart, [image for _, image in uses])
        if followed is not None and chart.app_version_token is not None:
            yield Edge(
                followed.name,
                component.name,
                EdgeKind.CHART,
                chart.path,
                chart.app_version_token,
                chart.app_version,
            )
        charts = {one.path: one for one in components.values() if one.kind == self.name}
        for dependency in chart.dependencies:
            part = charts.get(dependency.folder or "")
            if part is not None and part.name != component.name:
                yield Edge(
                    part.name,
                    component.name,
                    EdgeKind.SUBCHART,
                    chart.path,
                    dependency.token,
                    dependency.version,
                )

    def write_version(self, tree: Tree, component: Component, bump: Bump) -> Iterator[tuple[str, Replacement]]:
        """Put the new version into ``Chart.yaml``.

        Raises:
            VersionRefused: it has build metadata, which an OCI tag can't hold.
        """
        if bump.after.build is not None:
            raise VersionRefused(
                f"the chart {component.name} can't become {bump.after}: an OCI tag can't hold build metadata",
                where=[component.declared],
                fix=f"release it as {bump.after.replace(build=None)}",
            )
        token = chart_yaml.parse(tree.read(component.manifest), component.manifest).version_token
        if component.version != bump.after or str(component.version) != str(bump.after):
            yield component.manifest, token.replaced_by(plain_or_quoted(str(bump.after), token.text))

    def write_parts(
        self, tree: Tree, component: Component, edges: Sequence[Edge], bumps: Mapping[str, Bump]
    ) -> Iterator[tuple[str, Replacement]]:
        """Put new versions into ``appVersion``, tags, subchart ranges that refuse them, and ``Chart.lock``.

        Raises:
            FormatError: an image is pinned by digest, or ``Chart.lock`` does not belong to ``Chart.yaml``.
        """
        chart = chart_yaml.parse(tree.read(component.manifest), component.manifest)
        ranges: dict[int, tuple[str | None, str]] = {}
        for edge in edges:
            bump = bumps[edge.part]
            new = str(bump.after)
            if edge.kind is EdgeKind.SUBCHART:
                wanted = edge.requirement and _range(edge, bump)
                if wanted and wanted != edge.requirement:
                    yield edge.path, edge.token.replaced_by(plain_or_quoted(wanted, edge.token.text))
                ranges[edge.token.offset] = (wanted, new)
            elif edge.path == chart.path:
                if edge.requirement != new:
                    yield edge.path, edge.token.replaced_by(plain_or_quoted(new, edge.token.text))
            elif edge.requirement is not None:
                yield from _tag(tree, edge, bump)
        if ranges:
            yield from _lock(tree, chart, ranges)


def app_image(chart: ChartYaml, images: Sequence[Component]) -> Component | None:
    """Return the one of ``images`` that the chart's ``appVersion`` follows, by the rule of this module."""
    distinct = list({image.name: image for image in images}.values())
    named = [image for image in distinct if image.native == chart.name]
    if not named and len(distinct) > 1:
        named = [image for image in distinct if str(image.version) == chart.app_version]
    found = named or distinct
    return found[0] if len(found) == 1 else None


def _values(component: Component) -> str:
    return posixpath.join(component.path, "values.yaml")


def _image_uses(
    tree: Tree, component: Component, components: Mapping[str, Component]
) -> Iterator[tuple[ImageUse, Component]]:
    path = _values(component)
    contents = tree.read_many([path])
    uses = values_yaml.parse(contents[path], path) if path in contents else ()
    if not uses:
        return
    images = [one for one in components.values() if one.kind == "image"]
    manifests = tree.read_many([image.manifest for image in images])
    by_repository: dict[str, Component] = {}
    by_name: dict[str, Component] = {}
    for image in images:
        facts = image_yaml.parse(manifests[image.manifest], image.manifest)
        if facts.repository is None:
            by_name[facts.name] = image
        else:
            by_repository[facts.repository] = image
    for use in uses:
        found = by_repository.get(use.repository) or by_name.get(posixpath.basename(use.repository))
        if found is not None:
            yield use, found


def _tag(tree: Tree, edge: Edge, bump: Bump) -> Iterator[tuple[str, Replacement]]:
    if ":" in (edge.requirement or ""):
        raise FormatError(
            f"{edge.path} pins {edge.part} by digest; that of {bump.after} is known once it is built",
            where=[edge.place],
            fix="remove the digest (tag or appVersion names the version) and pin it where it is deployed",
        )
    manifest = posixpath.join(bump.path, "image.yaml")
    present = image_yaml.parse(tree.read(manifest), manifest).version
    if edge.requirement in (str(present), str(bump.before)) and edge.requirement != str(bump.after):
        yield edge.path, edge.token.replaced_by(plain_or_quoted(str(bump.after), edge.token.text))


def _range(edge: Edge, bump: Bump) -> str:
    from release.formats.helm_requirement import helm_requirement_for

    try:
        return helm_requirement_for(edge.requirement or "", bump.after)
    except ValueError as error:
        raise FormatError(
            f"{edge.path}: {error}", where=[edge.place], fix="write a range that Helm reads, like ^1.2.0"
        ) from None


def _lock(
    tree: Tree, chart: ChartYaml, ranges: Mapping[int, tuple[str | None, str]]
) -> Iterator[tuple[str, Replacement]]:
    """Bring ``Chart.lock`` to the new subchart versions; ``ranges`` has (range, version) by token offset."""
    path = posixpath.join(chart.folder, "Chart.lock")
    contents = tree.read_many([path])
    if path not in contents:
        return
    lock = chart_yaml.parse_lock(contents[path], path)
    wanted = [dict(one.fields) for one in chart.dependencies]
    locked = [dict(one.fields) for one in lock.dependencies]
    if len(wanted) != len(locked) or chart_yaml.lock_digest(wanted, locked) != lock.digest:
        raise FormatError(
            f"{path} does not belong to the dependencies in {chart.path}",
            where=[Place(path, lock.digest_token.line, lock.digest_token.column)],
            fix=f"run helm dependency update {chart.folder or '.'}, commit, and try again",
        )
    for dependency, entry, held, fields in zip(chart.dependencies, wanted, lock.dependencies, locked, strict=True):
        if dependency.token.offset not in ranges:
            continue
        version_range, version = ranges[dependency.token.offset]
        if version_range:
            entry["version"] = version_range
        if held.version is not None and held.version != version:
            fields["version"] = version
            yield path, held.token.replaced_by(plain_or_quoted(version, held.token.text))
    digest = chart_yaml.lock_digest(wanted, locked)
    if digest != lock.digest:
        yield path, lock.digest_token.replaced_by(plain_or_quoted(digest, lock.digest_token.text))
