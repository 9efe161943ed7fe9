"""The slow planner: plain sets of ancestors and the rules as they are written down, from facts known without git.

Nothing of it is shared with the planner it judges: it neither parses messages nor asks git nor uses its types.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from reference.histories import PARTS, UNITS, Commit, History, Said, Version, folder_of, manifests

__all__ = ["Decided", "Decision", "Reference", "Refused"]

NONE, BUILD, PATCH, MINOR, MAJOR = range(5)
LEVELS = {"feat": MINOR, "fix": PATCH, "perf": PATCH, "security": PATCH, "deps": PATCH, "revert": PATCH}


@dataclass(frozen=True, slots=True)
class Decision:
    """The commits that count for a component, each with its level, and the highest of these."""

    level: int
    counted: frozenset[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Decided:
    """The bump of one component."""

    level: int
    before: Version | None
    after: Version
    build: int | None
    tagged: bool
    counted: frozenset[tuple[int, int]]


class Refused(Exception):
    """No next version is allowed for the components."""

    def __init__(self, components: set[str]) -> None:
        super().__init__(", ".join(sorted(components)))
        self.components = components


class Reference:
    """Answers for one history, at its head."""

    def __init__(self, history: History) -> None:
        self.history = history
        self.commits = history.commits
        self.names = [name for unit in UNITS for name in unit]
        self.ancestors = cache(self._ancestors)
        self.reachable = self.ancestors(history.head)
        self.points = {name: max(found) for name in self.names if (found := self._releases(name, pre=True))}
        self.finals = {name: max(found) for name in self.names if (found := self._releases(name, pre=False))}

    def decision(self, name: str, *, final: bool) -> Decision:
        """Return what counts since the last final release (or since the last of all)."""
        point = (self.finals if final else self.points).get(name)
        released = self.ancestors(point[1]) if point else frozenset()
        unreleased = self.reachable - released
        touching = {n for n in unreleased if name in self._owners(n)}
        killed, spent = self._reverted(touching, unreleased)
        alive = touching - killed - spent
        counted = set()
        for n in alive:
            said = self._said(n)
            if self.commits[n].said.released:
                continue
            if any(source in released or (source in alive and source != n) for source in said.picked):
                continue
            counted.add((n, self._level(name, self.commits[n])))
        return Decision(max((level for _, level in counted), default=NONE), frozenset(counted))

    def plan(self, today: int, asked: dict[str, Version]) -> dict[str, Decided]:
        """Return the bumps; ``today`` is YYYYMMDD, ``asked`` what ``--release-as`` names.

        Raises:
            Refused: some components have no next version; what contains these is judged as if they had none.
        """
        chosen = set(self.history.components or self.names)
        while True:
            own = {name: self._own(name, asked) if name in chosen else NONE for name in self.names}
            levels = self._spread(own)
            found = {name for name, level in levels.items() if level} | chosen
            if found == chosen:
                break
            chosen = found
        plan: dict[str, Decided] = {}
        refused: set[str] = set()
        for unit in UNITS:
            level = levels[unit[0]]
            if level == NONE:
                continue
            after = self._next(unit, level, plan, asked)
            if after is None:
                refused.update(unit)
                continue
            for name in unit:
                before = self._before(name)
                if before != after and any(tag.component == name and tag.version == after for tag in self.history.tags):
                    refused.add(name)
                counted = self.decision(name, final=True).counted
                told = self._difference(before, after) if before and any(n in asked for n in unit) else level
                plan[name] = Decided(told, before, after, self._build(name, today), before != after, counted)
        if refused:
            raise Refused(refused)
        return plan

    def _difference(self, before: Version, after: Version) -> int:
        """Return the level that a version asked for stands for."""
        return MAJOR if before[0] != after[0] else MINOR if before[1] != after[1] else PATCH

    def _before(self, name: str) -> Version | None:
        return _plain(self.points[name][0]) if name in self.points else None

    def _ancestors(self, number: int) -> frozenset[int]:
        found: set[int] = {number}
        for parent in self.commits[number].parents:
            found |= self.ancestors(parent)
        return frozenset(found)

    def _releases(self, name: str, *, pre: bool) -> set[tuple[tuple[int, int, int, bool, str], int]]:
        tags = {(tag.version, tag.commit) for tag in self.history.tags if tag.component == name}
        trailers = {
            (version, n) for n in self.reachable for who, version in self.commits[n].said.released if who == name
        }
        found = {(version, n) for version, n in tags | trailers if n in self.reachable}
        return {((*v[:3], not v[3], v[3]), n) for v, n in found if pre or not v[3]}

    def _touched(self, number: int) -> set[str]:
        """Return the paths that differ from every parent."""
        commit = self.commits[number]
        olds = [self.commits[parent].tree for parent in commit.parents] or [{}]
        paths = {path for tree in (*olds, commit.tree) for path in tree}
        return {path for path in paths if all(old.get(path) != commit.tree.get(path) for old in olds)}

    def _owners(self, number: int) -> set[str]:
        return {name for path in self._touched(number) for name in self.names if self._owns(name, path)}

    def _owns(self, name: str, path: str) -> bool:
        if "/tests/" in path or path.endswith("CHANGELOG.md"):
            return False
        if name == "mod_q" and path.startswith("shared/"):
            return True
        if name == "cb" and path.startswith("crates/cb/docs/"):
            return False
        if name == "ia" and path.startswith(folder_of("ib") + "/"):
            return False
        return path.startswith(folder_of(name) + "/")

    def _said(self, number: int) -> Said:
        """Return what a commit says; merges say nothing."""
        commit = self.commits[number]
        return commit.said if len(commit.parents) < 2 else Said(commit.said.header)

    def _reverted(self, touching: set[int], unreleased: Iterable[int]) -> tuple[set[int], set[int]]:
        """Return the commits that a revert in force takes back, and the reverts that are used up by that."""
        fresh = set(unreleased)

        @cache
        def hits(revert: int) -> tuple[frozenset[int], bool]:
            said, before = self._said(revert), self.ancestors(revert) - {revert}
            mine = touching & before
            if said.reverts:
                sets = []
                for target in said.reverts:
                    names = {target}
                    parents = self.commits[target].parents
                    if len(parents) > 1:
                        names |= self.ancestors(target) - self.ancestors(parents[0])
                    found = mine & names if target in self.reachable else set()
                    sets.append(found or {n for n in mine if target in self._said(n).picked})
                return frozenset().union(*sets), all(sets)
            if said.reverts_pull is not None:
                found = {n for n in mine if self._said(n).pull == said.reverts_pull}
                return frozenset(found), bool(found)
            return frozenset(), False

        @cache
        def killed(number: int) -> bool:
            return any(number in hits(revert)[0] and not killed(revert) for revert in touching)

        dead = {n for n in touching & fresh if killed(n)}
        return dead, {n for n in touching - dead if hits(n)[1]}

    def _level(self, name: str, commit: Commit) -> int:
        unconventional = PATCH if self.history.unconventional == "patch" else BUILD
        if len(commit.parents) > 1:
            return unconventional
        said = commit.said
        others = self._owners(commit.number) - {name}
        told = [entry for entry in said.listed if entry.scope not in others]
        if not said.listed or said.header.type or said.header.breaking:
            told.append(said.header)
        level = BUILD
        for one in told:
            if one.breaking:
                level = MAJOR
            elif one.type:
                level = max(level, LEVELS.get(one.type, BUILD))
            elif said.reverts or said.reverts_pull is not None:
                level = max(level, PATCH)
            else:
                level = max(level, unconventional)
        return level

    def _effective(self, name: str, level: int) -> int:
        return NONE if level == BUILD and "_" not in name else level

    def _file(self, name: str) -> tuple[Version, int]:
        return self.history.versions[self.commits[self.history.head].tree[manifests(name)]]

    def _channel(self, name: str) -> str | None:
        return self.history.pre or (self.history.channel if name == "ca" else None)

    def _held(self, name: str) -> bool:
        """Tell whether ``name`` is a pre-release that can't become final: its channel or a part's goes on."""
        if name not in self.points or self.points[name][0][3]:
            return False
        parts = [part for part, kind in PARTS.get(name, ()) if self._induced(kind, MAJOR)]
        return self._channel(name) is not None or any(self._held(part) for part in parts)

    def _raised(self, name: str) -> bool:
        point = self.points.get(name)
        return point is not None and _key(self._file(name)[0]) > point[0]

    def _own(self, name: str, asked: dict[str, Version]) -> int:
        level = self.decision(name, final=True).level
        point = self.points.get(name)
        if point is not None and not point[0][3]:
            news = self.decision(name, final=False).level
            if not self._held(name):
                level = max(level, PATCH)
            elif self._effective(name, news) <= BUILD:
                level = news
            else:
                level = max(level, news)
        if name in asked or point is None or self._raised(name):
            level = max(level, PATCH)
        return self._effective(name, level)

    def _induced(self, kind: str, level: int) -> int:
        policy = {
            "crate": self.history.crate_propagation,
            "crate-dev": "none",
            "image": self.history.image_propagation,
        }.get(kind, "patch")
        if level == NONE or policy == "none":
            return NONE
        return PATCH if policy == "patch" else max(level, PATCH)

    def _spread(self, own: dict[str, int]) -> dict[str, int]:
        levels = dict(own)
        while True:
            before = dict(levels)
            for whole, parts in PARTS.items():
                for part, kind in parts:
                    levels[whole] = max(levels[whole], self._induced(kind, levels[part]))
            for unit in UNITS:
                highest = max(levels[name] for name in unit)
                levels |= dict.fromkeys(unit, highest)
            if levels == before:
                return levels

    def _next(
        self, unit: tuple[str, ...], level: int, plan: dict[str, Decided], asked: dict[str, Version]
    ) -> Version | None:
        """Return the next version of ``unit``, ``None`` where the channel would take it down."""
        for name in unit:
            if name in asked:
                return asked[name]
        channel = next((found for name in unit if (found := self._channel(name))), None)
        declared = self._file(unit[0])[0]
        points = [self.points[name][0] for name in unit if name in self.points]
        inherited = self._channels_of_parts(unit, plan)
        if channel is None and inherited:
            channel = max([min(inherited), *([max(points)[4].split(".")[0]] if points else [])])
        if not points:
            return (*declared[:3], f"{channel}.1") if channel and not declared[3] else declared
        last = _plain(max(points))
        assert last is not None
        if level == BUILD:
            return last
        finals = [self.finals[name][0] for name in unit if name in self.finals]
        core = max(self._bumped(max(finals)[:3], level), last[:3]) if finals else last[:3]
        raised = any(self._raised(name) for name in unit)
        if raised:
            core = max(core, declared[:3])
        if channel is None:
            return (*core, "")
        count = 1
        if last[:3] == core and last[3].startswith(f"{channel}."):
            count = int(last[3].split(".")[1]) + 1
        after = (*core, f"{channel}.{count}")
        if _key(after) <= _key(last):
            return None
        return after

    def _channels_of_parts(self, unit: tuple[str, ...], plan: dict[str, Decided]) -> set[str]:
        channels = set()
        for name in unit:
            for part, kind in PARTS.get(name, ()):
                version = plan[part].after if part in plan else self._before(part)
                if self._induced(kind, MAJOR) != NONE and version is not None and version[3]:
                    channels.add(version[3].split(".")[0])
        return channels

    def _bumped(self, last: tuple[int, int, int], level: int) -> tuple[int, int, int]:
        major, minor, patch = last
        if major == 0 and self.history.zero != "semver":
            if level == MAJOR:
                level = PATCH if self.history.zero == "cargo" and minor == 0 else MINOR
            elif level == MINOR and self.history.zero == "cargo":
                level = PATCH
        return {
            MAJOR: (major + 1, 0, 0),
            MINOR: (major, minor + 1, 0),
            PATCH: (major, minor, patch + 1),
        }.get(level, last)

    def _build(self, name: str, today: int) -> int | None:
        if "_" not in name:
            return None
        current = self._file(name)[1]
        tags = [tag for tag in self.history.tags if tag.component == name]
        tagged = [self.history.versions[self.commits[tag.commit].tree[manifests(name)]][1] for tag in tags]
        if name not in self.points:
            return max([current, *(number + 1 for number in tagged)])
        return max(today * 100, current + 1, *(number + 1 for number in tagged))


def _key(version: Version) -> tuple[int, int, int, bool, str]:
    return (*version[:3], not version[3], version[3])


def _plain(key: tuple[int, int, int, bool, str] | None) -> Version | None:
    return (*key[:3], key[4]) if key is not None else None
