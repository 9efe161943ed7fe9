"""Python packages: a ``pyproject.toml`` that names one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from release.errors import FormatError, Place, VersionRefused
from release.formats import pyproject_toml
from release.formats.pyproject_toml import PyprojectToml, from_pep440, normalised, source_version, to_pep440
from release.formats.toml import quoted
from release.model.component import Component, Edge, EdgeKind, Tree, by_native_name
from release.model.edit import Replacement, Token
from release.workspace.changelogs import changelog_path
from release.workspace.named import named

if TYPE_CHECKING:
    from release.model.plan import Bump

__all__ = ["Python"]


class Python:
    """The kind of Python packages; a component's name is the package's as PEP 503 compares it."""

    name: ClassVar[str] = "python"

    def discover(self, tree: Tree, files: Sequence[str]) -> Iterator[Component]:
        """Return the packages among ``files``; a ``pyproject.toml`` that only configures tools is none.

        Raises:
            FormatError: a manifest is malformed.
        """
        present = set(files)
        contents = tree.read_many(named(files, "pyproject.toml"))
        for path, content in contents.items():
            project = pyproject_toml.parse(content, path)
            if project is None:
                continue
            declared = _declared(tree, project)
            version, place = None, project.file.place(*project.keys[:-1], "name")
            if declared is not None:
                text, file, token = declared
                version, place = from_pep440(text), Place(file, token.line, token.column)
            yield Component(
                name=project.name,
                kind=self.name,
                path=project.folder,
                manifest=path,
                changelog=changelog_path(project.folder, present),
                declared=place,
                version=version,
            )

    def edges(self, tree: Tree, component: Component, components: Mapping[str, Component]) -> Iterator[Edge]:
        """Return an edge for each requirement on another package of ``components``, extras and groups too."""
        packages = {normalised(name): one.name for name, one in by_native_name(components, self.name).items()}
        if len(packages) < 2:
            return
        project = pyproject_toml.parse(tree.read(component.manifest), component.manifest)
        for requirement in project.requirements() if project is not None else ():
            part = packages.get(requirement.name)
            if project is None or part is None or part == component.name:
                continue
            yield Edge(
                part,
                component.name,
                EdgeKind.PYTHON,
                component.manifest,
                requirement.token(project.file),
                requirement.specifier,
            )

    def write_version(self, tree: Tree, component: Component, bump: Bump) -> Iterator[tuple[str, Replacement]]:
        """Put the new version, as PEP 440 writes it, where the package declares it.

        Raises:
            FormatError: it declares none that can be rewritten.
            VersionRefused: PEP 440 has no form for the version.
        """
        project = pyproject_toml.parse(tree.read(component.manifest), component.manifest)
        declared = None if project is None else _declared(tree, project)
        try:
            new = to_pep440(bump.after)
        except ValueError as error:
            raise VersionRefused(
                str(error), where=[component.declared], fix="release it in one of these channels"
            ) from None
        if declared is None:
            raise FormatError(
                f"{component.manifest} declares no version that can be rewritten",
                where=[component.declared],
                fix=f'add version = "{new}" to [project] and take "version" out of dynamic',
            )
        text, path, token = declared
        if from_pep440(text) != bump.after:
            yield path, token.replaced_by(quoted(new, token.text))

    def write_parts(
        self,
        tree: Tree,  # noqa: ARG002
        component: Component,  # noqa: ARG002
        edges: Sequence[Edge],
        bumps: Mapping[str, Bump],
    ) -> Iterator[tuple[str, Replacement]]:
        """Widen the requirements that do not accept their part's new version."""
        from release.formats.python_requirement import python_requirement_for

        for edge in edges:
            if edge.requirement is None:
                continue
            try:
                new = python_requirement_for(edge.requirement, bumps[edge.part].after)
            except ValueError as error:
                raise FormatError(
                    f"{edge.path}: {error}", where=[edge.place], fix="write a requirement that pip reads"
                ) from None
            if new != edge.requirement:
                yield edge.path, edge.token.replaced_by(new)


def _declared(tree: Tree, project: PyprojectToml) -> tuple[str, str, Token] | None:
    """Return (version, file, token with quotes) of where ``project`` declares its version."""
    if project.version is not None:
        return project.version, project.file.path, project.file.token(*project.keys)
    contents = tree.read_many(project.source)
    for path in project.source:
        if path in contents and (found := source_version(contents[path], path)) is not None:
            return found[0], path, found[1]
    return None
