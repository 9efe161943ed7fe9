"""Make a synthetic monorepo with a long history: `python bench/synthetic.py --out DIR [--commits N] …`.

The same options give the same object names. Beside DIR, `DIR.expected.json` holds the right next version of
every component (see `expected.py`).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import messages
from components import (
    Component,
    Kind,
    cargo_lock,
    cargo_workspace,
    make_components,
    release_yaml,
    source_text,
    values_yaml,
    version_text,
)
from expected import as_json, expected_versions
from messages import Level
from stream import FastImport, Tree, difference, git

END = int(datetime(2026, 6, 30, 12, tzinfo=UTC).timestamp())
SECONDS_PER_COMMIT = 5_400
MAIN = "refs/heads/main"
AUTHORS = (
    "Ada Example <ada@example.org>", "Björn Example <bjorn@example.org>", "Chen Example <chen@example.org>",
    "Dara Example <dara@example.org>", "bot <bot@example.org>",
)  # fmt: skip
ZONES = ("+0000", "+0100", "+0200", "-0500", "+0930")
TAGS_PER_COMMIT = 0.04
FILES_IN_ALL = 2_900
FEWEST_FILES = 8


@dataclass(frozen=True, slots=True)
class Options:
    """What to make."""

    commits: int = 50_000
    components: int = 60
    seed: int = 1


DEFAULTS = Options()


@dataclass(slots=True)
class Story:
    """What is laid down beforehand about one component.

    Positions count commits. `ceiling` bounds the level of what comes after the last of the `releases`; one
    commit of just that level comes at `anchor`, alone, on main and never reverted, so that tools which read
    reverts or odd messages differently agree. A `frozen` component changes no more after its last release; a
    `maintained` one gets a maintenance branch when it has its next major release.
    """

    component: Component
    created: int
    releases: deque[int]
    last_release: int
    ceiling: Level
    anchor: int
    frozen: bool
    maintained: bool
    pending: Level = Level.NONE
    added: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Revertible:
    """A commit on main that can still be undone."""

    mark: int
    story: Story
    message: str
    level: Level
    path: str
    before: int
    after: int


@dataclass(slots=True)
class Side:
    """A branch that will be merged."""

    ref: str
    topic: str
    tip: int
    tree: Tree
    base: Tree
    planned: int
    crosses: bool
    started: bool = False
    levels: dict[str, Level] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A plugin's released state, from which a maintenance branch can grow."""

    mark: int
    tree: Tree
    version: tuple[int, int, int]
    number: int


def plan_stories(options: Options, components: list[Component], rng: Random) -> list[Story]:
    """Return the story of each component; `options.commits` must be at least ten times the components."""
    total = options.commits
    each = max(2, round(total * TAGS_PER_COMMIT / len(components)))
    stale = {part.name for part in [c for c in components if c.kind is Kind.PLUGIN][1::11][:3]}
    stale |= {part.name for part in [c for c in components if c.kind is Kind.CRATE][-1:]}
    stories = []
    for index, component in enumerate(components):
        early = index % 4 or component.kind in (Kind.IMAGE, Kind.CRATE)
        created = 0 if early else rng.randrange(1, int(total * 0.25))
        last = int(total * (0.4 if component.name in stale else rng.uniform(0.87, 0.996)))
        span = last - created
        releases = {last - int(span * n / each * rng.uniform(0.9, 1.1)) for n in range(1, each - 1)}
        rounded = {position - position % 100 if rng.random() < 0.4 else position for position in releases}
        level = rng.choices(tuple(Level), (4, 26, 45, 25))[0]
        stories.append(
            Story(
                component,
                created,
                deque(sorted({p for p in rounded if created < p < last} | {last})),
                last,
                level,
                rng.randrange(last + 1, total - max(4, total // 100)) if last < total * 0.98 else last + 1,
                index % 30 == 17,
                component.kind is Kind.PLUGIN and index % 13 == 3,
            )
        )
    latest = {story.component.name: story.last_release for story in stories}
    for story in stories:
        if story.component.kind is Kind.CHART and story.last_release < latest[story.component.contains[0]]:
            story.last_release = latest[story.component.contains[0]]
            story.releases.append(story.last_release)
            story.anchor = max(story.anchor, story.last_release + 1)
    return stories


class History:
    """Writes the history of `options` into a `FastImport`."""

    def __init__(self, options: Options, stream: FastImport) -> None:
        self._rng = Random(f"{options.seed}/{options.commits}/{options.components}")
        self._total = options.commits
        self._stream = stream
        files_each = max(FEWEST_FILES, round(FILES_IN_ALL / options.components))
        self.components = make_components(options.components, files_each)
        self._stories = plan_stories(options, self.components, self._rng)
        self._images = {c.name: c for c in self.components if c.kind is Kind.IMAGE}
        self._crates: list[Component] = []
        self._alive: list[Story] = []
        self._unborn = deque(sorted(self._stories, key=lambda story: story.created))
        self._anchors = deque(sorted((s for s in self._stories if not s.frozen), key=lambda s: s.anchor))
        self._tip = 0
        self._tree: Tree = {}
        self._sides: list[Side] = []
        self._slots = [f"refs/side/{n}" for n in range(40)]
        self._used: dict[str, None] = {}
        self._snapshots: dict[str, Snapshot] = {}
        self._recent: deque[Revertible] = deque(maxlen=60)
        self._written = 0
        self._topics = 0
        self._revision = 0
        self._clock = END - SECONDS_PER_COMMIT * self._total

    def write(self) -> None:
        """Write every commit, tag and branch."""
        while self._written < self._total:
            self._step()
            if self._written % 10_000 == 0:
                print(f"  {self._written:,} of {self._total:,} commits", file=sys.stderr)
        for slot in self._used:
            self._stream.delete(slot)

    def _step(self) -> None:
        left = self._total - self._written
        position = self._written
        ready = [side for side in self._sides if side.planned <= 0]
        if self._unborn and self._unborn[0].created <= position:
            self._create()
        elif due := [s for s in self._alive if s.releases and s.releases[0] <= position]:
            self._release(due)
        elif left <= len(self._sides) + 1 and self._sides:
            self._merge([self._sides[0]])
        elif self._anchors and (
            self._anchors[0].anchor <= position or left <= len(self._anchors) + len(self._sides) + 2
        ):
            self._anchor(self._anchors.popleft())
        elif ready:
            started = [side for side in self._sides if side is not ready[0] and side.levels]
            self._merge([ready[0], *(started[:1] if self._rng.random() < 0.03 else ())])
        elif self._sides and self._rng.random() < 0.13:
            self._on_side(self._rng.choice(self._sides))
        elif self._slots and left > self._total // 50 + 60 and self._rng.random() < 0.02:
            self._branch()
        else:
            self._on_main()

    def _dates(self) -> tuple[str, str]:
        self._clock += self._rng.randrange(SECONDS_PER_COMMIT // 4, SECONDS_PER_COMMIT * 7 // 4)
        zone = self._rng.choice(ZONES)
        written = self._clock - (self._rng.randrange(900_000) if self._rng.random() < 0.05 else 0)
        return f"{written} {zone}", f"{self._clock} {zone}"

    def _commit(
        self,
        ref: str,
        message: str,
        parents: tuple[int, ...],
        changes: dict[str, int | None],
        starts: bool = False,
    ) -> int:
        self._written += 1
        author = self._rng.choice(AUTHORS)
        return self._stream.commit(ref, message, author, self._dates(), parents, changes, starts)

    def _commit_main(self, message: str, changes: dict[str, int | None], merged: tuple[int, ...] = ()) -> int:
        self._tip = self._commit(MAIN, message, (self._tip, *merged), changes)
        for path, blob in changes.items():
            if blob is None:
                del self._tree[path]
            else:
                self._tree[path] = blob
        return self._tip

    def _new_text(self, path: str) -> int:
        self._revision += 1
        if path.startswith("charts/") and path.endswith("/values.yaml"):
            story = next(s for s in self._stories if path.startswith(s.component.root + "/"))
            return self._stream.blob(values_yaml(self._images[story.component.contains[0]], self._revision))
        return self._stream.blob(source_text(path, self._revision))

    def _version_blob(self, component: Component) -> int:
        return self._stream.blob(version_text(component, self._images))

    def _create(self) -> None:
        born = []
        changes: dict[str, int | None] = {}
        if not self._tree:
            texts = {"release.yaml": release_yaml(), "Cargo.toml": cargo_workspace()}
            changes |= {path: self._stream.blob(text) for path, text in texts.items()}
            root = ("README.md", ".github/workflows/ci.yml", *(f"docs/guide-{n:02}.md" for n in range(20)))
            changes |= {path: self._new_text(path) for path in root}
        while self._unborn and self._unborn[0].created <= self._written:
            story = self._unborn.popleft()
            born.append(story)
            story.component.number = self._number(story.component)
            if story.component.kind is Kind.CRATE:
                self._crates.append(story.component)
        for story in born:
            self._settle(story.component)
            changes |= {path: self._new_text(path) for path in story.component.files}
            changes[story.component.version_file] = self._version_blob(story.component)
        changes["Cargo.lock"] = self._stream.blob(cargo_lock(self._crates))
        names = ", ".join(story.component.name for story in born[:3])
        mark = self._commit_main(f"feat: begin {names}{' and others' if len(born) > 3 else ''}\n", changes)
        self._alive += born
        for story in born:
            self._tag(story.component, mark)

    def _settle(self, component: Component) -> None:
        if component.kind is Kind.PLUGIN:
            known = {c.name: c.number for c in self.components}
            component.requires = {name: str(known[name]) for name in component.requires if known[name]}

    def _number(self, component: Component) -> int:
        today = int(datetime.fromtimestamp(self._clock, UTC).strftime("%Y%m%d")) * 100
        return max(today, component.number + 1)

    def _tag(self, component: Component, mark: int) -> None:
        name = f"{component.name}-v{component.text}"
        self._stream.tag(name, mark, f"{component.name} {component.text}\n", AUTHORS[-1], f"{self._clock} +0000")

    def _release(self, due: list[Story]) -> None:
        released = {story.component.name: story for story in due}
        for story in self._alive:
            if story.component.kind is Kind.CHART and story.component.contains[0] in released:
                released[story.component.name] = story
        backports = [s for s in released.values() if s.maintained and s.component.name in self._snapshots]
        changes: dict[str, int | None] = {}
        for story in released.values():
            self._raise_version(story)
        for story in released.values():
            if story.component.kind is Kind.CRATE:
                changes |= self._widen(story.component)
        for story in released.values():
            changes[story.component.version_file] = self._version_blob(story.component)
            if story.component.kind is Kind.CHART:
                values = f"{story.component.root}/values.yaml"
                changes[values] = self._new_text(values)
        if any(story.component.kind is Kind.CRATE for story in released.values()):
            changes["Cargo.lock"] = self._stream.blob(cargo_lock(self._crates))
        names = [f"{story.component.name} {story.component.text}" for story in released.values()]
        mark = self._commit_main(f"chore(release): {names[0]}\n\n" + "\n".join(names) + "\n", changes)
        for story in released.values():
            self._tag(story.component, mark)
        for story in backports:
            self._backport(story)
        for story in released.values():
            if story.maintained:
                component = story.component
                snapshot = Snapshot(mark, dict(self._tree), component.version, component.number)
                self._snapshots[component.name] = snapshot

    def _raise_version(self, story: Story) -> None:
        while story.releases and story.releases[0] <= self._written:
            story.releases.popleft()
        major, minor, patch = story.component.version
        match story.pending:
            case Level.MAJOR:
                story.component.version = (major + 1, 0, 0)
            case Level.MINOR:
                story.component.version = (major, minor + 1, 0)
            case _:
                story.component.version = (major, minor, patch + 1)
        story.pending = Level.NONE
        story.component.number = self._number(story.component)

    def _widen(self, crate: Component) -> dict[str, int | None]:
        """Return the manifests of the crates whose requirement of `crate` no longer admits its version."""
        changes: dict[str, int | None] = {}
        for other in self._crates:
            if crate.name in other.requires and other.requires[crate.name].split(".")[0] != str(crate.version[0]):
                other.requires[crate.name] = crate.text
                changes[other.version_file] = self._version_blob(other)
        return changes

    def _backport(self, story: Story) -> None:
        """After a major release, give the old line a branch with a fix, a release and a tag of its own."""
        component, snapshot = story.component, self._snapshots[story.component.name]
        late = component.number <= snapshot.number + 1
        if component.version[0] == snapshot.version[0] or late or self._total - self._written < 500:
            return
        story.maintained = False
        ref = f"refs/heads/maint/{component.name}-{snapshot.version[0]}.x"
        path = component.files[0]
        origin = self._stream.name_of(self._tip)
        message = f"fix({component.name}): {messages.sentence(self._rng)}\n\n(cherry picked from commit {origin})\n"
        fix = self._commit(ref, message, (snapshot.mark,), {path: self._new_text(path)}, starts=True)
        major, minor, patch = snapshot.version
        old = Component(
            component.name, component.kind, component.root, component.files,
            (major, minor, patch + 1), snapshot.number + 1, component.requires,
        )  # fmt: skip
        changes: dict[str, int | None] = {old.version_file: self._version_blob(old)}
        mark = self._commit(ref, f"chore(release): {old.name} {old.text}\n", (fix,), changes)
        self._tag(old, mark)

    def _touchable(self, count: int) -> list[Story]:
        stories = self._rng.sample(self._alive, min(count, len(self._alive)))
        return [s for s in stories if not (s.frozen and self._written >= s.last_release)]

    def _ceiling(self, stories: list[Story], everywhere: bool = False) -> Level:
        bounds = [s.ceiling for s in stories if everywhere or self._written >= s.last_release]
        return min(bounds, default=Level.MAJOR)

    def _choose(self, everywhere: bool) -> tuple[list[Story], Level, str]:
        """Return the components an ordinary commit touches, its level and its message."""
        count = self._rng.choices((0, 1, 2, 3, 4), (6, 87, 5, 1, 1))[0]
        stories = self._touchable(count)
        scope = stories[0].component.name if stories else "docs"
        if self._rng.random() < 0.05:
            return stories, Level.NONE, messages.unconventional(self._rng, scope)
        level = min(messages.any_level(self._rng), self._ceiling(stories, everywhere))
        return stories, level, messages.conventional(self._rng, level, scope)

    def _edits(self, stories: list[Story]) -> dict[str, int | None]:
        changes: dict[str, int | None] = {}
        for story in stories:
            for path in self._rng.sample(story.component.files, self._rng.choices((1, 2, 3), (6, 3, 1))[0]):
                changes[path] = self._new_text(path)
        if not stories:
            path = self._rng.choice(("README.md", "docs/guide-07.md"))
            changes[path] = self._new_text(path)
        return changes

    def _on_main(self) -> None:
        if self._recent and self._rng.random() < 0.012 and self._revert():
            return
        stories, level, message = self._choose(everywhere=False)
        changes = self._edits(stories)
        if len(stories) == 1 and self._rng.random() < 0.03:
            changes |= self._reshape(stories[0])
        before = {path: self._tree.get(path) for path in changes}
        mark = self._commit_main(message, changes)
        for story in stories:
            story.pending = max(story.pending, level)
        (path, after), *others = changes.items()
        old = before[path]
        if len(stories) == 1 and not others and old is not None and after is not None:
            self._recent.append(Revertible(mark, stories[0], message, level, path, old, after))

    def _reshape(self, story: Story) -> dict[str, int | None]:
        """Return an addition, a removal or a rename among the files that came later."""
        self._revision += 1
        fresh = f"{story.component.files[-1]}.d/extra-{self._revision}.md"
        match self._rng.choice(("add", "remove", "rename")) if story.added else "add":
            case "add":
                story.added.append(fresh)
                return {fresh: self._new_text(fresh)}
            case "remove":
                return {story.added.pop(): None}
            case _:
                old = story.added.pop()
                story.added.append(fresh)
                return {fresh: self._tree[old], old: None}

    def _revert(self) -> bool:
        candidate = self._recent[self._rng.randrange(len(self._recent))]
        self._recent.remove(candidate)
        bound = self._ceiling([candidate.story])
        done = candidate.story.frozen and self._written >= candidate.story.last_release
        if self._tree[candidate.path] != candidate.after or bound < max(candidate.level, Level.PATCH) or done:
            return False
        message = messages.revert(self._rng, candidate.message, self._stream.name_of(candidate.mark))
        mark = self._commit_main(message, {candidate.path: candidate.before})
        level = Level.PATCH if message.startswith("revert") else Level.NONE
        candidate.story.pending = max(candidate.story.pending, level)
        self._recent.append(
            Revertible(mark, candidate.story, message, level, candidate.path, candidate.after, candidate.before)
        )
        return True

    def _anchor(self, story: Story) -> None:
        message = messages.conventional(self._rng, story.ceiling, story.component.name, agreed=True)
        self._commit_main(message, self._edits([story]))
        story.pending = max(story.pending, story.ceiling)

    def _branch(self) -> None:
        self._topics += 1
        slot = self._slots.pop()
        self._used[slot] = None
        self._sides.append(
            Side(
                slot, f"topic-{self._topics}", self._tip, dict(self._tree), dict(self._tree),
                self._rng.randint(1, 9), self._rng.random() < 0.15,
            )
        )  # fmt: skip
        self._on_side(self._sides[-1])

    def _on_side(self, side: Side) -> None:
        if side.crosses and side.started and side.planned == 2:
            self._cross(side)
            return
        stories, level, message = self._choose(everywhere=True)
        changes = {path: blob for path, blob in self._edits(stories).items() if path in side.tree}
        if not changes:
            changes = self._edits([])
        side.tip = self._commit(side.ref, message, (side.tip,), changes, starts=not side.started)
        side.started = True
        side.planned -= 1
        side.tree.update((path, blob) for path, blob in changes.items() if blob is not None)
        for story in stories:
            side.levels[story.component.name] = max(side.levels.get(story.component.name, Level.NONE), level)

    def _cross(self, side: Side) -> None:
        """Merge main and `side` into each other, each with the other's tip from before: two merge bases."""
        main_tip, side_tip, side_tree = self._tip, side.tip, side.tree
        self._take([side])
        if self._written < self._total:
            message = f"Merge branch 'main' into {side.topic}\n"
            changes = difference(side_tree, self._tree)
            side.tip = self._commit(side.ref, message, (side_tip, main_tip), changes)
        side.tree, side.base = dict(self._tree), dict(self._tree)
        side.planned -= 1

    def _take(self, sides: list[Side]) -> None:
        """Merge `sides` into main, with a text of its own where both changed a path."""
        merged = dict(self._tree)
        for side in sides:
            for path, blob in side.tree.items():
                if blob != side.base.get(path) and blob != merged.get(path):
                    merged[path] = blob if merged.get(path) == side.base.get(path) else self._new_text(path)
        message = messages.merge(self._rng, sides[0].topic)
        self._commit_main(message, difference(self._tree, merged), tuple(side.tip for side in sides))
        for side in sides:
            for story in self._alive:
                story.pending = max(story.pending, side.levels.get(story.component.name, Level.NONE))
            side.levels.clear()

    def _merge(self, sides: list[Side]) -> None:
        self._take(sides)
        for side in sides:
            self._sides.remove(side)
            self._slots.append(side.ref)


def make_repository(out: Path, options: Options) -> list[tuple[str, str]]:
    """Make the repository at `out`, which must not exist, with HEAD checked out.

    Returns the (name, path) of each component.

    Raises:
        FileExistsError: `out` is there already.
    """
    out.mkdir(parents=True)
    subprocess.run(("git", "init", "-q", "--object-format=sha1", "-b", "main", str(out)), check=True)
    settings = {
        "user.name": "Bench",
        "user.email": "bench@example.org",
        "gc.auto": "0",
        "tag.gpgSign": "false",
    }
    for name, value in (settings | {"commit.gpgSign": "false", "core.autocrlf": "false"}).items():
        git(out, "config", name, value)
    with FastImport(out) as stream:
        history = History(options, stream)
        history.write()
    git(out, "pack-refs", "--all")
    git(out, "reset", "-q", "--hard", "main")
    return [(component.name, component.root) for component in history.components]


def write_expected(repository: Path, components: list[tuple[str, str]]) -> Path:
    """Write the expected versions beside `repository` and return the file's path."""
    path = repository.with_name(repository.name + ".expected.json")
    versions = as_json(expected_versions(repository, components))
    path.write_text(json.dumps(versions, indent=1) + "\n", encoding="utf-8")
    return path


def main() -> None:
    """Make the repository the command line asks for."""
    parser = argparse.ArgumentParser(description="Make a synthetic monorepo with a long history.")
    parser.add_argument("--out", type=Path, required=True, help="folder to make; it must not exist")
    parser.add_argument("--commits", type=int, default=DEFAULTS.commits)
    parser.add_argument("--components", type=int, default=DEFAULTS.components)
    parser.add_argument("--seed", type=int, default=DEFAULTS.seed)
    arguments = parser.parse_args()
    options = Options(arguments.commits, arguments.components, arguments.seed)
    if options.components < 4 or options.commits < 10 * options.components:
        parser.error("it takes at least 4 components and ten commits for each")
    try:
        components = make_repository(arguments.out, options)
    except FileExistsError:
        parser.error(f"{arguments.out} is there already")
    print(f"{arguments.out} at {git(arguments.out, 'rev-parse', 'HEAD').strip()}")
    print(f"expected versions in {write_expected(arguments.out, components)}")


if __name__ == "__main__":
    main()
