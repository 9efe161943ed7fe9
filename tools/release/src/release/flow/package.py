"""Packages of components as they are in one commit."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from release.errors import FormatError, HistoryError, PackageRefused, WorkspaceError
from release.model.component import Component
from release.model.version import Version
from release.planning.points import TagPattern, match_tags
from release.publish.destination import Artifact
from release.publish.packages import PACKAGERS, natives
from release.publish.packages.packager import Source
from release.repository.checkout import checkout
from release.repository.git import Repository
from release.repository.tree import CommitTree
from release.workspace.config import CONFIG, Config, load
from release.workspace.discover import Workspace, discover

__all__ = ["At", "Packaged", "Tagged", "opened", "package", "tagged_release"]


@dataclass(frozen=True)
class At:
    """One commit: its components, and a work tree of it in ``scratch`` for tools that want one."""

    repository: Repository
    commit: str
    scratch: Path
    environment: Mapping[str, str]

    @cached_property
    def tree(self) -> CommitTree:
        """The files of the commit."""
        return CommitTree(self.repository, self.commit)

    @cached_property
    def config(self) -> Config:
        """The configuration there."""
        return load(self.tree.read_many([CONFIG]).get(CONFIG))

    @cached_property
    def workspace(self) -> Workspace:
        """The components there."""
        return discover(self.tree, self.config)

    @cached_property
    def time(self) -> int:
        """When it was committed (seconds since the epoch)."""
        return int(self.repository.text("log", "-1", "--no-show-signature", "--format=%ct", self.commit))

    @cached_property
    def folder(self) -> Path:
        """A work tree of the commit."""
        return checkout(self.repository, self.commit, self.scratch / self.commit / "tree")

    def source(self, component: Component, version: Version, *, partial: bool = False) -> Source:
        """Return what ``component``'s package is made from; ``partial``: what has to be built may be missing."""
        return Source(
            component, version, self.workspace, self.tree, self.time, self.repository.root,
            lambda: self.folder, self.environment, partial,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Tagged:
    """A tag of this repository that is a release: of which component and which version, in which commit."""

    tag: str
    component: Component
    version: Version
    at: At


@contextmanager
def opened(repository: Repository, environment: Mapping[str, str]) -> Iterator[Callable[[str], At]]:
    """Yield a function that returns a commit by its id; what it writes is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="release-") as scratch:
        known: dict[str, At] = {}

        def at(commit: str) -> At:
            if commit not in known:
                known[commit] = At(repository, commit, Path(scratch), environment)
            return known[commit]

        yield at


@dataclass(frozen=True, slots=True)
class Packaged:
    """The files of a component's package, and the paths of libraries that it lacks, by their targets."""

    files: tuple[Artifact, ...]
    missing: Mapping[str, str]


def package(
    repository: Repository,
    name: str,
    *,
    revision: str = "HEAD",
    folder: Path,
    environment: Mapping[str, str],
    partial: bool = False,
) -> Packaged:
    """Write the package of the component ``name`` as it is at ``revision`` into ``folder`` and return it.

    With ``partial`` a plugin is packaged though not all of its libraries are built.

    Raises:
        WorkspaceError: there is no such component at that commit.
        PackageRefused: no installer would take the package, or components of its kind have none.
    """
    with opened(repository, environment) as at:
        there = at(repository.resolve(revision))
        component = there.workspace.components.get(name)
        if component is None:
            raise WorkspaceError(
                f"there is no component {name} at {revision}",
                fix="release status lists the components of this tree",
            )
        packager = PACKAGERS.get(component.kind)
        if packager is None:
            raise PackageRefused(
                f"{name} can't be packaged: no packages are made of the kind {component.kind}",
                fix=f"name a component of one of these kinds: {', '.join(PACKAGERS)}",
            )
        if component.version is None:
            raise FormatError(
                f"{name} has no version that can be read", where=[component.declared], fix="write MAJOR.MINOR.PATCH"
            )
        source = there.source(component, component.version, partial=partial)
        files = packager.package(source, folder)
        missing = natives.shipped(source)[1] if component.kind == "plugin" else ()
        return Packaged(files, {one.native.target: one.native.path for one in missing})


def tagged_release(tag: str, at: At, time: int = 0) -> Tagged:
    """Return which release ``tag``, which leads to the commit ``at``, is, by the configuration of that commit.

    Raises:
        HistoryError: it is a tag of no component there, or the tree there has another version.
    """
    components = at.workspace.components
    patterns = [TagPattern.of(name, at.config.tag_format(name)) for name in components]
    for name, (found, *_) in match_tags(patterns, [(tag, at.commit, time)], lambda _: False).items():
        component = components[name]
        if component.version != found.version:
            raise HistoryError(
                f"the tag {tag} says {found.version}, but {component.name} is {component.version} there",
                where=[component.declared],
                fix="publish a tag that release bump made",
            )
        return Tagged(tag, component, found.version, at)
    raise HistoryError(
        f"{tag} is no tag of a release here: at {at.commit[:12]} no component has such tags",
        fix="release status shows the last tag of each component",
    )
