"""Container images: any folder with an ``image.yaml``, in the form of ``release.formats.image_yaml``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from release.errors import Place, VersionRefused, WorkspaceError
from release.formats import image_yaml
from release.formats.yaml import plain_or_quoted
from release.model.component import Component, Edge, EdgeKind, Tree, by_native_name
from release.model.edit import Replacement
from release.workspace.changelogs import changelog_path
from release.workspace.named import named

if TYPE_CHECKING:
    from release.model.plan import Bump

__all__ = ["Image"]


class Image:
    """The kind of container images."""

    name: ClassVar[str] = "image"

    def discover(self, tree: Tree, files: Sequence[str]) -> Iterator[Component]:
        """Return the images among ``files``.

        Raises:
            FormatError: an ``image.yaml`` is malformed.
        """
        present = set(files)
        contents = tree.read_many(named(files, "image.yaml"))
        for path, content in contents.items():
            image = image_yaml.parse(content, path)
            yield Component(
                name=image.name,
                kind=self.name,
                path=image.folder,
                manifest=path,
                changelog=changelog_path(image.folder, present),
                declared=Place(path, image.version_token.line, image.version_token.column),
                version=image.version,
            )

    def edges(self, tree: Tree, component: Component, components: Mapping[str, Component]) -> Iterator[Edge]:
        """Return an edge to the base and to each component that the image contains.

        Raises:
            WorkspaceError: a name is none of ``components``, or one of another kind.
        """
        path = component.manifest
        for part in image_yaml.parse(tree.read(path), path).parts:
            found = by_native_name(components, part.kind).get(part.name)
            if found is None or found is component:
                what = "itself" if found is component else f"{part.kind} {part.name}, which is not there"
                raise WorkspaceError(
                    f"the image {component.name} contains {what}",
                    where=[Place(path, part.token.line, part.token.column)],
                    fix=f"name a component of the kind {part.kind}: release status lists them",
                )
            yield Edge(found.name, component.name, EdgeKind.IMAGE, path, part.token)

    def write_version(self, tree: Tree, component: Component, bump: Bump) -> Iterator[tuple[str, Replacement]]:
        """Put the new version into ``image.yaml``.

        Raises:
            VersionRefused: it has build metadata, which an OCI tag can't hold.
        """
        if bump.after.build is not None:
            raise VersionRefused(
                f"the image {component.name} can't become {bump.after}: an OCI tag can't hold build metadata",
                where=[component.declared],
                fix=f"release it as {bump.after.replace(build=None)}",
            )
        token = image_yaml.parse(tree.read(component.manifest), component.manifest).version_token
        if component.version != bump.after:
            yield component.manifest, token.replaced_by(plain_or_quoted(str(bump.after), token.text))

    def write_parts(
        self,
        tree: Tree,  # noqa: ARG002
        component: Component,  # noqa: ARG002
        edges: Sequence[Edge],  # noqa: ARG002
        bumps: Mapping[str, Bump],  # noqa: ARG002
    ) -> Iterator[tuple[str, Replacement]]:
        """Return nothing: an image takes its parts as they are in the same commit, by name."""
        return iter(())
