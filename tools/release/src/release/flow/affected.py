"""What a change touches: components, and all that contain them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from release.ci.change import Change
from release.ci.event import Event
from release.ci.pins import OWN, Pins
from release.ci.site import NOXFILE, Site
from release.errors import GitStateError, ReleaseError
from release.planning.attribute import Layout, Rules
from release.repository.git import Repository
from release.repository.tree import CommitTree
from release.terraform.roots import affected_roots
from release.workspace.config import CONFIG, Config, load
from release.workspace.discover import Workspace, discover
from release.workspace.globs import matcher

__all__ = ["Affected", "affected", "change", "spread"]

_MADE_FROM = matcher((f"/{CONFIG}", f"/{NOXFILE}", "/.github/"))


@dataclass(frozen=True, slots=True)
class Affected:
    """An affected component and one shortest path to it: a changed file, then components from part to whole."""

    name: str
    file: str
    chain: tuple[str, ...]


def affected(repository: Repository, base: str) -> tuple[Workspace, list[Affected]]:
    """Return the components whose files differ between HEAD and where it left ``base``, and all that contain them.

    What contained a component there counts too, as what needs one that was removed or renamed since. Files that
    release nothing count here: a changed test must be run. A file matched by ``everything`` affects all.

    Raises:
        GitStateError: ``base`` is unknown, or the histories have nothing in common.
    """
    head = repository.head()
    tree = CommitTree(repository, head)
    config = load(tree.read_many([CONFIG]).get(CONFIG))
    workspace = discover(tree, config)
    changes = _changed(repository, repository.resolve(base), head)
    if changes is None:
        raise GitStateError(
            f"{base} and HEAD have no common history here",
            fix="git fetch --unshallow origin" if repository.shallow else "name a base that HEAD descends from",
        )
    return workspace, _spread(repository, tree, workspace, config, changes)


def change(repository: Repository, event: Event) -> tuple[Site, Change]:
    """Return what the event's change affects at HEAD; everything where its base is unknown or has no meaning here.

    What the workflows themselves are made from (``release.yaml``, the noxfile, ``.github``) affects everything.
    """
    head = repository.head()
    tree = CommitTree(repository, head)
    found = tree.read_many([CONFIG, OWN])
    config = load(found.get(CONFIG))
    workspace = discover(tree, config)
    site = Site.of(tree, config, workspace.components, Pins.load(found.get(OWN)))
    changes = _since(repository, event, head)
    files = None if changes is None else changes.files
    if changes is None or any(_MADE_FROM(path) for path in changes.files):
        names: Collection[str] = workspace.components
    else:
        names = [one.name for one in _spread(repository, tree, workspace, config, changes)]
    components = {name: workspace.components[name] for name in names}
    roots = affected_roots(tree, config, files if files is not None else (CONFIG,))
    known = None if files is None else frozenset(files)
    return site, Change(known, components, tuple(roots), event.name, event.trusted)


@dataclass(frozen=True, slots=True)
class _Changes:
    """The paths that differ between HEAD and ``fork``, the commit where it left its base."""

    fork: str
    files: Sequence[str]


def _since(repository: Repository, event: Event, head: str) -> _Changes | None:
    """Return what changed since the event's base; ``None`` when that is unknown."""
    if event.base is None:
        return None
    try:
        base = repository.resolve(event.base)
    except GitStateError:
        return None
    if event.descends and repository.text("merge-base", base, head, ok=(0, 1)) != base:
        return None
    return _changed(repository, base, head)


def _changed(repository: Repository, base: str, head: str) -> _Changes | None:
    """Return what differs between ``head`` and where it left ``base``; ``None``: no common history."""
    fork = repository.text("merge-base", base, head, ok=(0, 1)).split()
    if not fork:
        return None
    out = repository.run("diff-tree", "-r", "-z", "--name-only", "--no-renames", fork[0], head)
    return _Changes(fork[0], [path for path in out.decode(errors="surrogateescape").split("\0") if path])


def _spread(
    repository: Repository, tree: CommitTree, workspace: Workspace, config: Config, changes: _Changes
) -> list[Affected]:
    """Return what is affected by the components and edges of now and of then; ``workspace`` was found in ``tree``.

    Where those of then can't be read, everything is.
    """
    present = set(tree.files())
    if not any(path in tree.read_so_far or path not in present for path in changes.files):
        return spread(workspace, config, changes.files)
    then = CommitTree(repository, changes.fork)
    try:
        config_then = load(then.read_many([CONFIG]).get(CONFIG))
        earlier = spread(discover(then, config_then), config_then, changes.files)
    except ReleaseError:
        earlier = [Affected(name, changes.files[0], (name,)) for name in workspace.components]
    return spread(workspace, config, changes.files, earlier)


def spread(
    workspace: Workspace, config: Config, files: Iterable[str], earlier: Iterable[Affected] = ()
) -> list[Affected]:
    """Return the components that own any of ``files``, and transitively all that contain them, parts before wholes.

    Those of ``earlier`` that are still there count as if they owned one.
    """
    nothing = matcher(())
    further = {name: matcher(config.of(name).paths) for name in workspace.components if config.of(name).paths}
    layout = Layout.of(workspace.components, Rules(nothing, {}, further), changelogs=False)
    everything = matcher(config.everything)
    found: dict[str, Affected] = {}
    for path in files:
        for name in workspace.components if everything(path) else sorted(layout.owners(path)):
            found.setdefault(name, Affected(name, path, (name,)))
    for one in earlier:
        if one.name in workspace.components:
            found.setdefault(one.name, one)
    queue = list(found.values())
    for part in queue:
        for edge in workspace.wholes.get(part.name, ()):
            if edge.whole not in found:
                found[edge.whole] = Affected(edge.whole, part.file, (*part.chain, edge.whole))
                queue.append(found[edge.whole])
    return [found[name] for name in workspace.components if name in found]
