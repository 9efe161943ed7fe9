"""Read the tree and the history once, and say for each component what is unreleased."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from typing import TYPE_CHECKING

from release.errors import HistoryError
from release.flow.builds import builds
from release.flow.progress import Progress, silent
from release.flow.reading import Reader
from release.model.component import Component
from release.model.edit import digest
from release.model.plan import Point
from release.planning.decide import Decision
from release.planning.points import Tagged, TagPattern, match_tags
from release.repository.git import Repository
from release.repository.history import Graph, History
from release.repository.refs import Branch, Tag, branches, tags
from release.repository.tree import CommitTree
from release.workspace.config import CONFIG, Config, load

if TYPE_CHECKING:
    from release.workspace.discover import Workspace

__all__ = ["Survey", "survey"]


@dataclass(frozen=True)
class Survey:
    """What the tree and the history of one commit say."""

    repository: Repository
    head: str
    config: Config
    config_digest: str
    tree: CommitTree
    workspace: Workspace
    graph: Graph
    tags: Mapping[str, Sequence[Tagged]]
    """All tags of each component, reachable or not."""
    points: Mapping[str, Point]
    """The last release of each component, pre-releases included; components never released are absent."""
    finals: Mapping[str, Point]
    """The last final release of each component."""
    decisions: Mapping[str, Decision]
    """What happened since the last final release."""
    news: Mapping[str, Decision]
    """What happened since the last release, pre-releases included."""
    tag_builds: Mapping[str, Sequence[tuple[str, int]]]
    """(tag, build number there) for each component that has a build number, on any branch."""
    line_builds: Mapping[str, Mapping[str, int]]
    """The build number of such components at the head of main and of each maintenance branch, by branch."""
    lines: Sequence[Branch]
    """Main and the maintenance branches, local and remote-tracking."""

    @cached_property
    def patterns(self) -> Mapping[str, TagPattern]:
        """The pattern of each component's tags."""
        return {name: TagPattern.of(name, self.config.tag_format(name)) for name in self.workspace.components}

    @property
    def tags_digest(self) -> str:
        """The SHA-256 of all components' tags and where they lead."""
        lines = sorted(f"{tag.name} {tag.commit}\n" for tagged in self.tags.values() for tag in tagged)
        return digest("".join(lines).encode(errors="surrogateescape"))


def survey(
    repository: Repository,
    *,
    at: str | None = None,
    config: Config | None = None,
    only_tags: Callable[[Tag], bool] = lambda _: True,
    other_lines: bool = True,
    progress: Progress = silent,
) -> Survey:
    """Return what the commit ``at`` (HEAD) and its history say, from git alone; the work tree isn't looked at.

    Only tags that ``only_tags`` accepts are believed. Without ``other_lines`` the heads of main and of maintenance
    branches are left out: they say how things are now, not how they were at ``at``. ``config`` is used instead of the
    ``release.yaml`` there.

    Raises:
        ReleaseError: the tree, the configuration or the history can't be trusted; see each subclass.
    """
    head = at or repository.head()
    progress("reading the tree", 0, 0)
    history = History(repository)
    with ThreadPoolExecutor(4) as pool:
        graph = pool.submit(history.graph, head)
        found = _survey(repository, head, history, graph, pool, config, only_tags, other_lines, progress)
    if at is None:
        history.save()
    return found


def _survey(
    repository: Repository,
    head: str,
    history: History,
    walking: Future[Graph],
    pool: Executor,
    config: Config | None,
    only_tags: Callable[[Tag], bool],
    other_lines: bool,
    progress: Progress,
) -> Survey:
    """Read side by side what does not depend on each other: git's processes take most of the time.

    The modules of all file formats are loaded here, while git walks the graph.
    """
    from release.workspace.discover import discover

    tree = CommitTree(repository, head)
    content = tree.read_many([CONFIG]).get(CONFIG)
    config = config or load(content)
    workspace = discover(tree, config)
    found = [tag for tag in tags(repository) if only_tags(tag)]
    tagged = _match(config, workspace.components, found)
    lines = _lines(repository, config) if other_lines else []
    heads = {branch.name: branch.commit for branch in lines}
    names = {name: frozenset((one.native, *config.of(name).formerly)) for name, one in workspace.components.items()}
    building = pool.submit(builds, repository, history, workspace.components, names, tagged, heads)
    progress("reading the graph", 0, 0)
    graph = walking.result()
    reader = Reader(repository, history, graph, workspace, config, tagged, pool, progress)
    points, finals = reader.points()
    decisions, news = reader.decisions(points, finals)
    tag_builds, line_builds = building.result()
    return Survey(
        repository,
        head,
        config,
        digest(content or b""),
        tree,
        workspace,
        graph,
        tagged,
        points,
        finals,
        decisions,
        news,
        tag_builds,
        line_builds,
        lines,
    )


def _lines(repository: Repository, config: Config) -> list[Branch]:
    """Return main and the maintenance branches, local and remote-tracking."""
    patterns = (config.main, *config.maintenance)
    return [branch for branch in branches(repository) if any(fnmatchcase(branch.line, pattern) for pattern in patterns)]


def _refuse_ambiguous(config: Config, components: Mapping[str, Component], found: Iterable[Tag]) -> None:
    """Refuse tags from before two components were called the same, unless one of them says they were its own."""
    taken = {former for name in components for former in config.of(name).formerly}
    doubtful = {c.native: c for c in components.values() if c.alias is not None and c.native not in taken}
    patterns = [TagPattern.of(name, config.tag.replace("{name}", name)) for name in doubtful]
    triples = ((tag.name, tag.commit, tag.time) for tag in found)
    for name, tagged in match_tags(patterns, triples, lambda _: False).items():
        same = ", ".join(c.name for c in components.values() if c.native == name)
        raise HistoryError(
            f"the tag {tagged[0].name} could be a release of each of {same}",
            where=[doubtful[name].declared],
            fix=f"write `components: {{NAME: {{formerly: [{name}]}}}}` into {CONFIG} for the right one, and commit it",
        )


def _match(config: Config, components: Mapping[str, Component], found: Sequence[Tag]) -> dict[str, list[Tagged]]:
    patterns = [
        TagPattern(name, pattern.prefix, pattern.suffix)
        for name in components
        for known in (name, *config.of(name).formerly)
        for pattern in [TagPattern.of(known, (config.of(name).tag or config.tag).replace("{name}", known))]
    ]
    _refuse_ambiguous(config, components, found)
    return match_tags(
        patterns,
        ((tag.name, tag.commit, tag.time) for tag in found),
        lambda name: any(fnmatchcase(name, pattern) for pattern in config.ignore_tags),
    )
