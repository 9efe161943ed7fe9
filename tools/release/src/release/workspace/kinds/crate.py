"""Rust crates: ``Cargo.toml`` with ``[package]``, in a workspace or not, and each ``Cargo.lock`` with them.

Only dependencies by path are edges (Cargo takes those crates from this repository); a published crate of the
same name is another crate.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, NoReturn

from release.errors import FormatError, Place
from release.formats import cargo_lock, cargo_toml
from release.formats.cargo_toml import CargoToml, Dependency
from release.formats.toml import quoted
from release.model.component import Component, Edge, EdgeKind, Tree
from release.model.edit import Replacement, Token
from release.model.version import Version, parse_version
from release.workspace.changelogs import changelog_path
from release.workspace.named import named

if TYPE_CHECKING:
    from release.model.plan import Bump

__all__ = ["Crate", "dependencies", "holding_locks"]


class Crate:
    """The kind of Rust crates. Crates that are never published are components too."""

    name: ClassVar[str] = "crate"

    def discover(self, tree: Tree, files: Sequence[str]) -> Iterator[Component]:
        """Return the crates among ``files``.

        Raises:
            FormatError: a manifest is malformed, has no valid version, or inherits one that isn't there.
        """
        present = set(files)
        contents = tree.read_many(named(files, "Cargo.toml"))
        for path, content in contents.items():
            manifest = cargo_toml.parse(content, path)
            if manifest.name is None:
                continue
            version, declared, group = _version(tree, manifest)
            yield Component(
                name=manifest.name,
                kind=self.name,
                path=manifest.folder,
                manifest=path,
                changelog=changelog_path(manifest.folder, present),
                declared=declared,
                version=version,
                group=group,
            )

    def edges(self, tree: Tree, component: Component, components: Mapping[str, Component]) -> Iterator[Edge]:
        """Return an edge for each dependency by path on another crate of ``components``.

        The edge of an inherited dependency stands where its path and requirement do: in the workspace's root.
        """
        crates = {one.path: one.name for one in components.values() if one.kind == self.name}
        for file, dependency, dev in dependencies(tree, component.manifest):
            part = crates.get(dependency.folder or "")
            if dependency.folder is None or part is None or part == component.name:
                continue
            key = "path" if dependency.requirement is None else "version"
            yield Edge(
                part=part,
                whole=component.name,
                kind=EdgeKind.CRATE_DEV if dev else EdgeKind.CRATE,
                path=file.path,
                token=file.file.token(*dependency.keys, key),
                requirement=dependency.requirement,
            )

    def write_version(self, tree: Tree, component: Component, bump: Bump) -> Iterator[tuple[str, Replacement]]:
        """Put the new version into the manifest (or the workspace's) and each lock file that has the crate.

        Requirements on the crate that no edge stands for follow too: its own development dependency on itself
        and entries of ``[workspace.dependencies]`` that no crate uses yet.
        """
        manifest = _manifest(tree, component.manifest)
        root = _root(tree, manifest)
        owner, keys = (root, _SHARED) if manifest.inherits and root is not None else (manifest, _OWN)
        new = str(bump.after)
        if component.version is None:
            owner.file.refuse(f"{component.name} has no version", *keys[:-1], fix=f'add version = "{new}"')
        if component.version != bump.after or str(component.version) != new:
            token = owner.file.token(*keys)
            yield owner.path, token.replaced_by(quoted(new, token.text))
        own = [(manifest, one) for one in manifest.dependencies if not one.inherited]
        shared = [(root, one) for one in root.shared] if root is not None else []
        for file, dependency in own + shared:
            if dependency.folder == component.path and dependency.requirement is not None:
                token = file.file.token(*dependency.keys, "version")
                yield from _require(file.path, token, dependency.requirement, bump.after)
        for path in holding_locks(tree, manifest):
            lock = cargo_lock.parse(tree.read(path), path)
            package = lock.local(manifest.name or "", str(component.version))
            if package is not None and package.version != new:
                yield from ((path, edit) for edit in lock.bump(package, new))

    def write_parts(
        self,
        tree: Tree,  # noqa: ARG002
        component: Component,  # noqa: ARG002
        edges: Sequence[Edge],
        bumps: Mapping[str, Bump],
    ) -> Iterator[tuple[str, Replacement]]:
        """Widen the requirements that do not accept their part's new version."""
        for edge in edges:
            if edge.requirement is not None:
                yield from _require(edge.path, edge.token, edge.requirement, bumps[edge.part].after)


_OWN = ("package", "version")
_SHARED = ("workspace", "package", "version")


def dependencies(tree: Tree, path: str) -> Iterator[tuple[CargoToml, Dependency, bool]]:
    """Yield (manifest, entry, development only) of each dependency of the crate whose manifest is ``path``.

    Inherited entries come as the workspace's root declares them.
    """
    manifest = _manifest(tree, path)
    root: CargoToml | None = None
    for dependency in manifest.dependencies:
        if not dependency.inherited:
            yield manifest, dependency, dependency.dev
            continue
        root = root or _root(tree, manifest)
        shared = next((one for one in root.shared if one.alias == dependency.alias), None) if root else None
        if root is None or shared is None:
            manifest.file.refuse(
                f"{dependency.alias} is inherited, but [workspace.dependencies] does not have it",
                *dependency.keys,
                fix=f"declare {dependency.alias} in the workspace's Cargo.toml",
            )
        yield root, shared, dependency.dev


def holding_locks(tree: Tree, manifest: CargoToml) -> Iterator[str]:
    """Yield the paths of the lock files whose workspace contains the crate or takes it in by path."""
    root = _root(tree, manifest) or manifest
    for path in named(tree.files(), "Cargo.lock"):
        content, folder = tree.read(path), posixpath.dirname(path)
        if f'"{manifest.name}"'.encode() not in content:
            continue
        packages = cargo_lock.parse(content, path).packages
        if any(one.name == manifest.name and one.source is None for one in packages) and (
            folder == root.folder or manifest.folder in _reachable(tree, folder)
        ):
            yield path


def _require(path: str, token: Token, requirement: str, version: Version) -> Iterator[tuple[str, Replacement]]:
    from release.formats.cargo_requirement import cargo_requirement_for

    try:
        new = cargo_requirement_for(requirement, version)
    except ValueError as error:
        raise FormatError(
            f"{path}: {error}",
            where=[Place(path, token.line, token.column)],
            fix="write a requirement that Cargo reads",
        ) from None
    if new != requirement:
        yield path, token.replaced_by(quoted(new, token.text))


def _version(tree: Tree, manifest: CargoToml) -> tuple[Version | None, Place, str | None]:
    """Return a crate's version, where it is declared, and the workspace manifest it is shared through."""
    if not manifest.inherits:
        if manifest.version is None:
            return None, manifest.file.place("package"), None
        return _parsed(manifest, manifest.version, _OWN), manifest.file.place(*_OWN), None
    root = _root(tree, manifest)
    shared = root.workspace.version if root is not None and root.workspace is not None else None
    if root is None or shared is None:
        _no_shared_version(manifest, root)
    return _parsed(root, shared, _SHARED), root.file.place(*_SHARED), root.path


def _parsed(manifest: CargoToml, text: str, keys: tuple[str, ...]) -> Version:
    try:
        return parse_version(text)
    except ValueError:
        manifest.file.refuse(f"{text!r} is not a semantic version", *keys, fix="write it like 1.2.3")


def _no_shared_version(manifest: CargoToml, root: CargoToml | None) -> NoReturn:
    if root is None:
        manifest.file.refuse(
            "the version is the workspace's, but no Cargo.toml with [workspace] is above",
            "package",
            "version",
            fix="give the crate a version of its own, or add the workspace",
        )
    manifest.file.refuse(
        f"the version is the workspace's, but {root.path} has no [workspace.package] version",
        "package",
        "version",
        fix=f'add version = "…" to [workspace.package] in {root.path}',
    )


def _manifest(tree: Tree, path: str) -> CargoToml:
    return cargo_toml.parse(tree.read(path), path)


def _root(tree: Tree, manifest: CargoToml) -> CargoToml | None:
    """Return the manifest with the ``[workspace]`` that Cargo finds from ``manifest``, or ``None``."""
    if manifest.workspace is not None:
        return manifest
    folders = [manifest.pointer] if manifest.pointer is not None else _above(manifest.folder)
    paths = [posixpath.join(folder, "Cargo.toml") for folder in folders]
    contents = tree.read_many(paths)
    for path in paths:
        if path in contents:
            found = cargo_toml.parse(contents[path], path)
            if found.workspace is not None and (manifest.pointer or found.workspace.holds(manifest.folder)):
                return found
    return None


def _above(folder: str) -> list[str]:
    folders: list[str] = []
    while folder:
        folder = posixpath.dirname(folder)
        folders.append(folder)
    return folders


def _reachable(tree: Tree, folder: str) -> set[str]:
    """Return the folders of the crates in the workspace (or lone crate) at ``folder``, followed by path."""
    manifests = tree.read_many(named(tree.files(), "Cargo.toml"))
    start = posixpath.join(folder, "Cargo.toml")
    if start not in manifests:
        return set()
    workspace = cargo_toml.parse(manifests[start], start).workspace
    todo = [folder]
    if workspace is not None:
        todo += [one for path in manifests if workspace.matches(one := posixpath.dirname(path))]
    seen: set[str] = set()
    while todo:
        folder = todo.pop()
        path = posixpath.join(folder, "Cargo.toml")
        if folder not in seen and path in manifests:
            seen.add(folder)
            todo += cargo_toml.parse(manifests[path], path).folders
    return seen
