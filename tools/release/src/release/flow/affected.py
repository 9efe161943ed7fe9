"""What a change touches: components, and all that contain them."""

from __future__ import annotations

from dataclasses import dataclass

from release.errors import GitStateError
from release.planning.attribute import Layout, Rules
from release.repository.git import Repository
from release.repository.tree import CommitTree
from release.workspace.config import CONFIG, Config, load
from release.workspace.discover import Workspace, discover
from release.workspace.globs import matcher

__all__ = ["Affected", "affected"]


@dataclass(frozen=True, slots=True)
class Affected:
    """An affected component and one shortest path to it: a changed file, then components from part to whole."""

    name: str
    file: str
    chain: tuple[str, ...]


def affected(repository: Repository, base: str) -> tuple[Workspace, list[Affected]]:
    """Return the components whose files differ between HEAD and where it left ``base``, and all that contain them.

    Files that release nothing count here: a changed test must be run. A file matched by ``everything`` affects all.

    Raises:
        GitStateError: ``base`` is unknown, or the histories have nothing in common.
    """
    head = repository.head()
    tree = CommitTree(repository, head)
    config = load(tree.read_many([CONFIG]).get(CONFIG))
    workspace = discover(tree, config)
    fork = repository.text("merge-base", repository.resolve(base), head, ok=(0, 1)).split()
    if not fork:
        raise GitStateError(
            f"{base} and HEAD have no common history here",
            fix="git fetch --unshallow origin" if repository.shallow else "name a base that HEAD descends from",
        )
    out = repository.run("diff-tree", "-r", "-z", "--name-only", "--no-renames", fork[0], head)
    files = [path for path in out.decode(errors="surrogateescape").split("\0") if path]
    return workspace, _spread(workspace, config, files)


def _spread(workspace: Workspace, config: Config, files: list[str]) -> list[Affected]:
    nothing = matcher(())
    further = {name: matcher(config.of(name).paths) for name in workspace.components if config.of(name).paths}
    layout = Layout.of(workspace.components, Rules(nothing, {}, further), changelogs=False)
    everything = matcher(config.everything)
    found: dict[str, Affected] = {}
    for path in files:
        for name in workspace.components if everything(path) else sorted(layout.owners(path)):
            found.setdefault(name, Affected(name, path, (name,)))
    queue = list(found.values())
    for part in queue:
        for edge in workspace.wholes.get(part.name, ()):
            if edge.whole not in found:
                found[edge.whole] = Affected(edge.whole, part.file, (*part.chain, edge.whole))
                queue.append(found[edge.whole])
    return [found[name] for name in workspace.components if name in found]
