"""Run the rules of ``checks`` over the work tree and what was released before."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from release.checks import RULES
from release.checks.rule import Context, Finding, Released
from release.errors import HistoryError, Place, ReleaseError
from release.flow.plan import make_plan
from release.flow.progress import Progress, silent
from release.flow.reading import attribution
from release.flow.restore import lost_tags
from release.flow.survey import Survey, survey
from release.formats.version_php import build_number
from release.model.component import Component
from release.model.plan import Point, Request
from release.planning.attribute import Layout
from release.repository.git import Repository
from release.repository.tree import CommitTree, WorkTree
from release.workspace.config import CONFIG, load
from release.workspace.discover import discover

__all__ = ["Report", "check"]


@dataclass(frozen=True, slots=True)
class Report:
    """What the rules found, by place; ``skipped`` says why nothing could be compared with what was released."""

    findings: tuple[Finding, ...]
    components: int
    skipped: str | None

    @property
    def failed(self) -> bool:
        """Whether some finding is an error."""
        return any(finding.severity == "error" for finding in self.findings)


def check(repository: Repository, today: dt.date, *, progress: Progress = silent) -> Report:
    """Return what the rules find in the work tree, and what would keep ``release bump`` from planning on ``today``.

    Where the history can't be read the rules see no earlier release; that tags and trailers disagree is a finding.

    Raises:
        FormatError: a manifest can't be read.
        WorkspaceError: the components contradict each other.
        ConfigError: ``release.yaml`` is wrong.
    """
    progress("reading the work tree", 0, 0)
    tree = WorkTree(repository)
    config = load(tree.read_many([CONFIG]).get(CONFIG))
    workspace = discover(tree, config)
    findings: list[Finding] = []
    skipped = None
    points: Mapping[str, Point] = {}
    try:
        found = survey(repository, progress=progress)
        points = found.points
        findings += _unplannable(found, today)
        if not repository.shallow:
            progress("comparing tags with trailers", 0, 0)
            lost_tags(repository)
    except HistoryError as error:
        findings.append(Finding("history", error.what, Place("."), error.fix))
    except ReleaseError as error:
        skipped = error.what
    layout = Layout.of(workspace.components, attribution(config, workspace.components))
    past = _Past(repository, workspace.components, points, layout.owners)
    context = Context(tree, workspace.components, workspace.edges, past)
    for done, rule in enumerate(RULES):
        progress(f"checking {rule.id}", done, len(RULES))
        findings += rule.check(context)
    findings.sort(key=lambda one: (one.place.path, one.place.line, one.place.column, one.rule))
    return Report(tuple(findings), len(workspace.components), skipped)


def _unplannable(found: Survey, today: dt.date) -> Iterator[Finding]:
    """Yield why no release can be planned; a warning on a branch that nothing is released from."""
    try:
        make_plan(found, Request(), today)
    except ReleaseError as error:
        line = found.repository.branch()
        lines = (found.config.main, *found.config.maintenance)
        severity = "error" if line is None or any(fnmatchcase(line, one) for one in lines) else "warning"
        yield Finding("plan", error.what, error.where[0] if error.where else Place("."), error.fix, severity=severity)


class _Past(Mapping[str, Released]):
    """Last releases, each looked up when a rule asks for it: most rules ask for those of plugins only."""

    def __init__(
        self,
        repository: Repository,
        components: Mapping[str, Component],
        points: Mapping[str, Point],
        owners: Callable[[str], Collection[str]],
    ) -> None:
        self._repository = repository
        self._components = components
        self._points = {name: point for name, point in points.items() if name in components}
        self._owners = owners
        self._trees: dict[str, CommitTree] = {}
        self._differences: dict[str, list[str]] = {}
        self._moves: dict[str, dict[str, tuple[str, bool]]] = {}
        self._known: dict[str, Released] = {}

    def __getitem__(self, name: str) -> Released:
        if name not in self._known:
            self._known[name] = self._released(self._components[name], self._points[name])
        return self._known[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._points)

    def __len__(self) -> int:
        return len(self._points)

    def _released(self, component: Component, point: Point) -> Released:
        if point.commit not in self._trees:
            self._trees[point.commit] = CommitTree(self._repository, point.commit)
        tree = self._trees[point.commit]
        inner = component.manifest[len(component.path) :].lstrip("/")
        manifest = component.manifest
        if manifest not in tree.read_many([manifest]):
            manifest = self._moved(point.commit).get(manifest, (manifest, False))[0]
        folder = manifest[: -len(inner)].rstrip("/") if manifest.endswith(inner) else component.path
        content = tree.read_many([manifest]).get(manifest)
        return Released(
            name=point.source if point.source not in ("trailer", "build", "baseline") else f"{point.version}",
            tree=tree,
            path=folder,
            build=build_number(content) if content is not None and component.build is not None else None,
            changed=tuple(self._changed(component, point.commit, folder)),
        )

    def _changed(self, component: Component, commit: str, folder: str) -> Iterator[str]:
        """Yield the component's paths whose content is not what it was; a file that only moved along is the same."""
        if commit not in self._differences:
            self._differences[commit] = self._diff("--no-renames", "--name-only", commit)
        paths = self._differences[commit]
        same: set[str] = set()
        if folder != component.path:
            paths = list(dict.fromkeys(_carried(path, folder, component.path) for path in paths))
            same = {
                new
                for new, (old, unchanged) in self._moved(commit).items()
                if unchanged and _carried(old, folder, component.path) == new
            }
        for path in paths:
            if path not in same and component.name in self._owners(path):
                yield path

    def _moved(self, commit: str) -> dict[str, tuple[str, bool]]:
        """Return the files moved since ``commit``: by new path the old one, and whether the content is the same."""
        if commit not in self._moves:
            tokens = self._diff("--find-renames", "--diff-filter=R", "--name-status", commit)
            self._moves[commit] = {
                tokens[at + 2]: (tokens[at + 1], tokens[at] == "R100") for at in range(0, len(tokens) - 2, 3)
            }
        return self._moves[commit]

    def _diff(self, *arguments: str) -> list[str]:
        out = self._repository.run("diff", "-z", "--no-ext-diff", "--no-color", "--ignore-submodules", *arguments)
        return [token for token in out.decode(errors="surrogateescape").split("\0") if token]


def _carried(path: str, old: str, new: str) -> str:
    """Return where ``path`` is once the folder ``old`` has become ``new``."""
    prefix = f"{old}/" if old else ""
    if not path.startswith(prefix):
        return path
    return f"{new}/{path[len(prefix) :]}" if new else path[len(prefix) :]
