"""What a kind of component must be able to do. A new kind is one file in ``kinds`` and one line in its registry."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Protocol

from release.model.component import Component, Edge, Tree
from release.model.edit import Replacement

if TYPE_CHECKING:
    from release.model.plan import Bump

__all__ = ["Kind"]


class Kind(Protocol):
    """Reads and writes one kind of component. Implementations are stateless."""

    name: ClassVar[str]
    """The word used in ``release.yaml``, tables and JSON: ``plugin``, ``crate``, ``image``, ``chart``, ``python``."""

    def discover(self, tree: Tree, files: Sequence[str]) -> Iterable[Component]:
        """Return the components of this kind among ``files``, the tree's tracked files less the ignored ones.

        Raises:
            FormatError: a manifest can't be read.
        """
        ...

    def edges(self, tree: Tree, component: Component, components: Mapping[str, Component]) -> Iterable[Edge]:
        """Return the edges whose whole is ``component`` and whose part is one of ``components`` (by name)."""
        ...

    def write_version(self, tree: Tree, component: Component, bump: Bump) -> Iterable[tuple[str, Replacement]]:
        """Return (path, edit) pairs which put ``bump``'s new version (and build number) into the component's files."""
        ...

    def write_parts(
        self, tree: Tree, component: Component, edges: Sequence[Edge], bumps: Mapping[str, Bump]
    ) -> Iterable[tuple[str, Replacement]]:
        """Return (path, edit) pairs which make ``component`` refer to the new versions of its bumped parts.

        ``edges`` are those of ``component`` whose part is in ``bumps``. Called also for components that are not
        bumped themselves (a development dependency whose requirement must be widened).
        """
        ...
