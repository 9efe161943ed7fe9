"""Random histories of a monorepo as plain values: what every commit holds, touches and says is known without git.

A history is grown action by action from a seed, so the one with fewer actions is always the start of the longer:
a failure is made smaller by taking away actions from the end.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

__all__ = ["PARTS", "Commit", "History", "Said", "Tag", "Told", "folder_of", "grow", "manifests", "version_text"]

Version = tuple[int, int, int, str]
"""Major, minor, patch and the pre-release (``""`` for a final version)."""


@dataclass(frozen=True, slots=True)
class Told:
    """One change that a message tells: its type (``""``: unconventional), scope, and whether it breaks."""

    type: str
    scope: str = ""
    breaking: bool = False


@dataclass(frozen=True, slots=True)
class Said:
    """What a message means, known before it is written down."""

    header: Told
    listed: tuple[Told, ...] = ()
    reverts: tuple[int, ...] = ()
    reverts_pull: int | None = None
    picked: tuple[int, ...] = ()
    pull: int | None = None
    released: tuple[tuple[str, Version], ...] = ()


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit with its whole tree; ``text`` has ``{N}`` where the SHA of commit N stands."""

    number: int
    parents: tuple[int, ...]
    tree: dict[str, str]
    said: Said
    text: str


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag of a component: its version, the commit, and whether it is annotated."""

    component: str
    version: Version
    commit: int
    annotated: bool


@dataclass(slots=True)
class History:
    """All commits (numbered from 0, parents first), tags, the tip to release from, and the configuration."""

    seed: int
    commits: list[Commit] = field(default_factory=list)
    tags: list[Tag] = field(default_factory=list)
    tips: list[int] = field(default_factory=list)
    versions: dict[str, tuple[Version, int]] = field(default_factory=dict)
    """For each content of a manifest the version and build number in it."""
    zero: str = "cargo"
    unconventional: str = "ignore"
    image_propagation: str = "patch"
    crate_propagation: str = "patch"
    channel: str | None = None
    pre: str | None = None
    components: tuple[str, ...] = ()

    @property
    def head(self) -> int:
        return self.tips[0]


FOLDERS = {
    "ca": "crates/ca",
    "cb": "crates/cb",
    "ba": "crates/ws/ba",
    "cd": "crates/ws/cd",
    "local_p": "plugins/local_p",
    "mod_q": "plugins/mod_q",
    "ia": "images/ia",
    "ib": "images/ia/inner",
}
PARTS = {
    "cb": [("ca", "crate")],
    "ba": [("ca", "crate-dev")],
    "cd": [("cb", "crate")],
    "local_p": [("mod_q", "plugin")],
    "ia": [("local_p", "image"), ("cd", "image")],
    "ib": [("ia", "image")],
}
"""The parts of each whole and the kind of the edge."""
UNITS = (("ca",), ("cb",), ("ba", "cd"), ("mod_q",), ("local_p",), ("ia",), ("ib",))
"""Components that have one version together, parts before wholes."""
FILES = (
    *(f"{folder}/{name}" for folder in FOLDERS.values() for name in ("src/one", "src/two", "tests/t")),
    "crates/cb/docs/guide",
    "crates/ca/CHANGELOG.md",
    "shared/proto",
    "README",
    "crates/README",
)
TYPES = ("feat", "fix", "docs", "chore", "perf", "refactor", "security", "deps", "test", "feat", "fix")


def folder_of(component: str) -> str:
    return FOLDERS[component]


def manifests(component: str) -> str:
    """Return the path of the file with the version of ``component``."""
    if component in ("ba", "cd"):
        return "crates/ws/Cargo.toml"
    name = {"b": "Cargo.toml", "c": "Cargo.toml", "i": "image.yaml"}.get(component[0], "version.php")
    return f"{FOLDERS[component]}/{name}"


def version_text(version: Version) -> str:
    core = ".".join(str(part) for part in version[:3])
    return f"{core}-{version[3]}" if version[3] else core


def grow(seed: int, actions: int) -> History:
    """Return the history of ``actions`` actions that ``seed`` gives."""
    grower = _Grower(seed)
    for _ in range(actions):
        grower.act()
    return grower.done()


class _Grower:
    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        choose = self.random.choice
        self.history = History(
            seed,
            zero=choose(["cargo", "cargo", "minor", "semver"]),
            unconventional=choose(["ignore", "patch"]),
            image_propagation=choose(["patch", "patch", "none", "same"]),
            crate_propagation=choose(["patch", "patch", "same"]),
            channel=choose([None, None, None, "beta"]),
            pre=choose([None, None, "rc"]),
            components=choose([(), (), (), ("cb",), ("local_p", "ca")]),
        )
        self.branches: list[int] = []
        self.taken: set[tuple[str, Version]] = set()
        self.build = 2026010100
        self.contents = 0
        self.pulls = 0
        tree = {path: self._content() for path in FILES if self.random.random() < 0.7}
        major = self.random.choice([0, 0, 1])
        for unit in UNITS:
            tree |= self._manifest(unit, (major, self.random.randrange(3), self.random.randrange(3), ""))
        tree |= _fixed(self.history)
        self._commit((), tree, Said(Told("")), "Initial import")
        self.branches.append(0)

    def act(self) -> None:
        weighted = (
            (self._change, 46),
            (self._revert, 10),
            (self._pick, 8),
            (self._release, 10),
            (self._branch, 9),
            (self._merge, 12),
            (self._empty, 2),
            (self._remove, 3),
        )
        act = self.random.choices([act for act, _ in weighted], [weight for _, weight in weighted])[0]
        act(self.random.randrange(len(self.branches)))

    def done(self) -> History:
        self.history.tips = self.branches
        return self.history

    def _change(self, branch: int) -> None:
        paths = self.random.sample(FILES, self.random.choice([1, 1, 1, 2, 2, 3, 5]))
        said, text = self._message(paths)
        self._on(branch, {path: self._content() for path in paths}, said, text)

    def _empty(self, branch: int) -> None:
        self._on(branch, {}, Said(Told("feat", breaking=True)), "feat!: nothing at all")

    def _remove(self, branch: int) -> None:
        tree = self._tip(branch).tree
        there = [path for path in FILES if path in tree]
        if there:
            path = self.random.choice(there)
            self._on(branch, {path: None}, Said(Told("fix")), f"fix: drop {path}")

    def _branch(self, branch: int) -> None:
        if len(self.branches) < 4:
            behind = self._ancestors(self.branches[branch])
            self.branches.append(self.random.choice(behind[:6]))
        else:
            self.branches[self.random.randrange(1, 4)] = self.random.choice(self._ancestors(self.branches[branch])[:4])

    def _merge(self, branch: int) -> None:
        others = [tip for tip in self.branches if tip != self.branches[branch]]
        if not others:
            return
        ours, theirs = self.branches[branch], self.random.choice(others)
        mine, other = self._ancestors(ours), self._ancestors(theirs)
        if theirs in mine:
            return
        if ours in other and self.random.random() < 0.6:
            self.branches[branch] = theirs
            return
        shared = set(mine) & set(other)
        base = self.history.commits[max(shared)].tree
        tree = self._merged(base, self.history.commits[ours].tree, self.history.commits[theirs].tree)
        if self.random.random() < 0.15:
            tree[self.random.choice(FILES)] = self._content()
        texts = ["Merge branch 'topic'", "Merge pull request #999 from x/y", "feat!: take it all in"]
        text = self.random.choice([*texts, f"Merge a topic\n\nThis reverts commit {{{theirs}}}.\n"])
        self.branches[branch] = self._commit((ours, theirs), tree, Said(Told("")), text)

    def _merged(self, base: dict[str, str], one: dict[str, str], two: dict[str, str]) -> dict[str, str]:
        tree: dict[str, str] = {}
        for path in sorted({*one, *two}):
            here, there, before = one.get(path), two.get(path), base.get(path)
            kept = there if here == before else here if there == before else self.random.choice([here, there])
            if here in self.history.versions and there in self.history.versions:
                kept = max(here, there, key=lambda content: _rank(self.history.versions[content]))
            if kept is not None:
                tree[path] = kept
        return tree

    def _revert(self, branch: int) -> None:
        """Revert an ancestor, most of all a recent one and one that is a revert or a merge itself."""
        behind = [n for n in self._ancestors(self.branches[branch]) if n and not self.history.commits[n].said.released]
        if not behind:
            return
        reverts = [
            n for n in behind if self.history.commits[n].said.reverts or len(self.history.commits[n].parents) > 1
        ]
        pool = reverts if reverts and self.random.random() < 0.4 else behind[: self.random.choice([3, 8, 30])]
        target = self.history.commits[self.random.choice(pool)]
        first = self.history.commits[target.parents[0]].tree
        paths = [path for path in FILES if first.get(path) != target.tree.get(path)]
        changes: dict[str, str | None] = {path: self._content() for path in paths}
        subject = target.text.splitlines()[0]
        if len(target.parents) > 1:
            said = Said(Told(""), reverts=(target.number,))
            text = (
                f'Revert "{subject}"\n\nThis reverts commit {{{target.number}}}, reversing\n'
                f"changes made to {{{target.parents[0]}}}.\n"
            )
        elif target.said.pull is not None and self.random.random() < 0.5:
            self.pulls += 1
            said = Said(Told(""), reverts_pull=target.said.pull, pull=self.pulls)
            text = f'Revert "{subject}" (#{self.pulls})\n\nReverts acme/mono#{target.said.pull}\n'
        else:
            style = self.random.randrange(4)
            conventional = Told("revert") if style == 2 else Told("")
            said = Said(conventional, reverts=(target.number,))
            text = (
                f'Revert "{subject}"\n\nThis reverts commit {{{target.number}}}.\n',
                f'Reapply "{subject}"\n\nThis reverts commit {{{target.number}}}.\n\nIt was needed.\n',
                f"revert: {subject.partition(' (#')[0]}\n\nIt broke things.\n\nRefs: {{{target.number}:short}}\n",
                f'Revert "{subject}"\n\nWhy: too slow.\nThis reverts commit {{{target.number}}}.\n\nAcked-by: A\n',
            )[style]
        self._on(branch, changes, said, text)

    def _pick(self, branch: int) -> None:
        mine = set(self._ancestors(self.branches[branch]))
        others = [n for tip in self.branches for n in self._ancestors(tip) if n]
        there = [n for n in others if n not in mine] or others
        there = [n for n in there if len(self.history.commits[n].parents) == 1]
        there = [n for n in there if not self.history.commits[n].said.released]
        if not there:
            return
        source = self.history.commits[self.random.choice(there)]
        first = self.history.commits[source.parents[0]].tree
        tree = self._tip(branch).tree
        changes: dict[str, str | None] = {}
        for path in sorted({*first, *source.tree}):
            now = source.tree.get(path)
            if first.get(path) != now and path in FILES and not (now is None and path not in tree):
                changes[path] = now if self.random.random() < 0.8 or now is None else self._content()
        said = replace(source.said, picked=(*source.said.picked, source.number))
        gap = "" if source.said.picked else "\n"
        text = f"{source.text.rstrip()}\n{gap}(cherry picked from commit {{{source.number}}})\n"
        self._on(branch, changes, said, text)

    def _release(self, branch: int) -> None:
        """Release some units: with or without tags, trailers and a release commit of its own."""
        tree = self._tip(branch).tree
        units = [unit for unit in UNITS if self.random.random() < 0.4]
        style = self.random.choice(["both", "both", "both", "trailers", "some tags", "tags", "tags here"])
        changes: dict[str, str | None] = {}
        released: list[tuple[str, Version]] = []
        for unit in units:
            current = self.history.versions[tree[manifests(unit[0])]][0]
            after = self._higher(current, first=not any((name, current) in self.taken for name in unit))
            if any((name, after) in self.taken for name in unit):
                continue
            self.taken.update((name, after) for name in unit)
            changes |= self._manifest(unit, after)
            released += [(name, after) for name in unit]
        if not released:
            return
        text, said = "chore(release): versions", Said(Told("chore", "release"))
        if not style.startswith("tags"):
            builds = {name: self.history.versions[str(changes[manifests(name)])][1] for name, _ in released}
            lines = [
                f"Release-Component: {name} {version_text(v)}{f' {builds[name]}' if '_' in name else ''}"
                for name, v in released
            ]
            text += "\n\n- some words: here\n\nRelease-Plan: sha256:0\n" + "\n".join(lines) + "\n"
            said = replace(said, released=tuple(released))
        if style == "tags here" and self.random.random() < 0.5:
            extra = [path for path in FILES[:6] if self.random.random() < 0.3]
            changes |= {path: self._content() for path in extra}
        self._on(branch, changes, said, text)
        for name, version in released:
            if style == "trailers" or (style == "some tags" and self.random.random() < 0.5):
                continue
            self.history.tags.append(Tag(name, version, self.branches[branch], self.random.random() < 0.7))

    def _higher(self, version: Version, *, first: bool) -> Version:
        major, minor, patch, pre = version
        if first and self.random.random() < 0.5:
            return version
        if pre:
            channel, _, count = pre.partition(".")
            return self.random.choice([(major, minor, patch, ""), (major, minor, patch, f"{channel}.{int(count) + 1}")])
        core = self.random.choice([(major, minor, patch + 1), (major, minor + 1, 0), (major, minor, patch + 1)])
        if self.random.random() < 0.1:
            core = (major + 1, 0, 0)
        return (*core, self.random.choice(["", "", "", "rc.1", "beta.1"]))

    def _message(self, paths: list[str]) -> tuple[Said, str]:
        choose, chance = self.random.choice, self.random.random
        names = sorted({name for path in paths for name in FOLDERS if path.startswith(FOLDERS[name] + "/")})
        scope = choose(["", choose(names) if names else "", "ui"])
        draw = chance()
        if draw < 0.14:
            header, subject = Told(""), choose(["Update things", "Fix the thing", "WIP", "feat add nothing"])
        else:
            kind, bang = choose(TYPES), chance() < 0.08
            header = Told(kind, scope, bang)
            word = choose([kind, kind, kind.upper(), kind.capitalize()])
            where, mark = f"({scope})" if scope else "", "!" if bang else ""
            subject = f"{word}{where}{mark}: change {choose(['this', 'that: more', 'x'])}"
        said = Said(header)
        body: list[str] = []
        if chance() < 0.2:
            self.pulls += 1
            said, subject = replace(said, pull=self.pulls), f"{subject} (#{self.pulls})"
            if chance() < 0.6:
                entries = [
                    Told(choose(TYPES), choose(["", *FOLDERS, *names]), chance() < 0.06)
                    for _ in range(choose([1, 2, 3]))
                ]
                said = replace(said, listed=tuple(entries))
                for entry in entries:
                    where, mark = f"({entry.scope})" if entry.scope else "", "!" if entry.breaking else ""
                    body += [f"* {entry.type}{where}{mark}: an entry", ""]
        elif chance() < 0.3:
            body += ["Some words about it: and more.", "", "* a list of prose", ""]
        footers = [line for line in ("Refs: #12", "Signed-off-by: A <a@b.c>") if chance() < 0.2]
        if chance() < 0.07:
            said = replace(said, header=replace(said.header, breaking=True))
            footers.insert(0, choose(["BREAKING CHANGE: it is\nall different", "BREAKING-CHANGE: other"]))
        lines = [subject, *(["", *body] if body else [])]
        if footers:
            lines += ["", *footers]
        text = choose(["\n", "\n", "\r\n"]).join(lines) if not said.listed else "\n".join(lines)
        return said, text

    def _on(self, branch: int, changes: dict[str, str | None], said: Said, text: str) -> None:
        tree = dict(self._tip(branch).tree)
        for path, content in changes.items():
            if content is None:
                tree.pop(path, None)
            else:
                tree[path] = content
        self.branches[branch] = self._commit((self.branches[branch],), tree, said, text)

    def _commit(self, parents: tuple[int, ...], tree: dict[str, str], said: Said, text: str) -> int:
        number = len(self.history.commits)
        self.history.commits.append(Commit(number, parents, tree, said, text))
        return number

    def _tip(self, branch: int) -> Commit:
        return self.history.commits[self.branches[branch]]

    def _ancestors(self, number: int) -> list[int]:
        """Return ``number`` and all its ancestors, newest first."""
        found, todo = {number}, [number]
        while todo:
            for parent in self.history.commits[todo.pop()].parents:
                if parent not in found:
                    found.add(parent)
                    todo.append(parent)
        return sorted(found, reverse=True)

    def _content(self) -> str:
        self.contents += 1
        return f"content {self.contents}\n"

    def _manifest(self, unit: tuple[str, ...], version: Version) -> dict[str, str]:
        self.build += 1
        content = _written(unit, version_text(version), self.build)
        self.history.versions[content] = (version, self.build)
        return {manifests(unit[0]): content}


def _rank(known: tuple[Version, int]) -> tuple[int, int, int, bool, str, int]:
    (major, minor, patch, pre), build = known
    return major, minor, patch, not pre, pre, build


def _written(unit: tuple[str, ...], version: str, build: int) -> str:
    name = unit[0]
    if name == "ba":
        return f'[workspace]\nmembers = ["ba", "cd"]\n\n[workspace.package]\nversion = "{version}" # {build}\n'
    if name[0] == "c":
        parts = '\n[dependencies]\nca = { path = "../ca" }\n' if name == "cb" else ""
        return f'[package]\nname = "{name}"\nversion = "{version}" # {build}\n{parts}'
    if name[0] == "i":
        more = "base: ia\n" if name == "ib" else "contains:\n  plugins: [local_p]\n  crates: [cd]\n"
        return f"name: {name}\nversion: {version} # {build}\n{more}"
    more = "$plugin->dependencies = ['mod_q' => ANY_VERSION];\n" if name == "local_p" else ""
    return (
        f"<?php\ndefined('MOODLE_INTERNAL') || die();\n$plugin->component = '{name}';\n"
        f"$plugin->version = {build};\n$plugin->release = '{version}';\n$plugin->requires = 2024100700;\n{more}"
    )


def _fixed(history: History) -> dict[str, str]:
    """Return the files that never change."""
    config = "\n".join(_config(history)) + "\n"
    member = '[package]\nname = "{0}"\nversion.workspace = true\n\n[{1}]\n{2} = {{ path = "../../{2}" }}\n'
    return {
        "release.yaml": config,
        "crates/ws/ba/Cargo.toml": member.format("ba", "dev-dependencies", "ca"),
        "crates/ws/cd/Cargo.toml": member.format("cd", "dependencies", "cb"),
    }


def _config(history: History) -> Iterator[str]:
    yield f"zero: {history.zero}"
    yield "exclude: ['**/tests/**']"
    yield f"commits: {{unconventional: {history.unconventional}}}"
    yield f"propagation: {{image: {history.image_propagation}, crate: {history.crate_propagation}}}"
    yield "components:"
    yield "  cb: {exclude: ['docs/**', 'crates/cb/docs/**']}"
    yield "  mod_q: {paths: ['shared/**']}"
    if history.channel:
        yield f"  ca: {{channel: {history.channel}}}"
