"""Find in the history where components were released, and weigh what came after."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from release.errors import ConfigError, GitStateError, HistoryError, Place
from release.flow.progress import Progress
from release.flow.recorded import recorded_before
from release.model.commit import Commit, Message
from release.model.component import Component
from release.model.plan import Point
from release.model.version import Level, parse_version, precedence
from release.planning.attribute import Layout, Rules
from release.planning.conventional import parse_message
from release.planning.decide import Decision, Weights, decide
from release.planning.points import Tagged
from release.planning.reach import depths, descendants, unreleased
from release.repository.git import Repository
from release.repository.history import Graph, History
from release.workspace.config import CONFIG, Config, Unconventional
from release.workspace.globs import matcher

if TYPE_CHECKING:
    from release.workspace.discover import Workspace

__all__ = ["Reader", "attribution"]


def attribution(config: Config, names: Collection[str]) -> Rules:
    """Return what ``config`` says about the files of the components ``names``."""
    return Rules(
        matcher(config.exclude),
        {name: matcher(config.of(name).exclude) for name in names if config.of(name).exclude},
        {name: matcher(config.of(name).paths) for name in names if config.of(name).paths},
    )


_FEW_FOLDERS = 8


class Reader:
    """Finds release points and unreleased commits; reads of history only what some component has not released."""

    def __init__(
        self,
        repository: Repository,
        history: History,
        graph: Graph,
        workspace: Workspace,
        config: Config,
        tagged: Mapping[str, Sequence[Tagged]],
        pool: Executor,
        progress: Progress,
    ) -> None:
        self.repository = repository
        self.history = history
        self.graph = graph
        self.workspace = workspace
        self.components = workspace.components
        self.config = config
        self.tagged = tagged
        self.pool = pool
        self.progress = progress
        self.names = list(workspace.components)
        self.rules = attribution(config, self.names)
        self.commits: dict[str, Commit] = {}
        self.parsed: dict[str, Message] = {}
        self.moves: dict[str, list[tuple[str, str]]] = {}
        """For each commit that moved components: (old folder, name) of each."""
        self.seen_moves: set[tuple[str, str]] = set()
        self.touched: dict[str, frozenset[str]] = {}
        self.unreleased: dict[tuple[str | None, ...], dict[str, int]] = {}
        self.bases: dict[str, str | None] = {}
        """For each release that was merged on top of later commits: the commit that it was planned on."""
        self.texts: dict[str, str] = {}
        self.position: dict[str, int] = {}

    def points(self) -> tuple[dict[str, Point], dict[str, Point]]:
        """Return the last release and the last final release of each component."""
        candidates = {name: self._tag_points(name) for name in self.names}
        baseline = self.config.baseline
        if baseline is not None:
            self._add_baseline(candidates)
        points, finals = _newest(candidates, self.graph)
        self._read(finals)
        if self._add_trailers(candidates):
            points, finals = _newest(candidates, self.graph)
        self._refuse_disagreement(points)
        self._refuse_shallow(finals)
        self._refuse_unfetched(points)
        return points, finals

    def decisions(
        self, points: Mapping[str, Point], finals: Mapping[str, Point]
    ) -> tuple[dict[str, Decision], dict[str, Decision]]:
        """Return what happened since the last final release of each component, and since its last release."""
        self.progress("weighing commits", 0, 0)
        since_final = self._touching(finals)
        decisions = self._decide(since_final, finals)
        ahead = {name for name, point in points.items() if finals.get(name) != point}
        if not ahead:
            return decisions, decisions
        last = {name: point for name, point in points.items() if name in ahead}
        newer = self._decide({name: c for name, c in self._touching(points).items() if name in ahead}, last)
        return decisions, {**decisions, **newer}

    def _tag_points(self, name: str) -> list[Point]:
        return [
            Point(tag.commit, tag.version, None, tag.name)
            for tag in self.tagged.get(name, ())
            if tag.commit in self.graph.parents
        ]

    def _add_baseline(self, candidates: Mapping[str, list[Point]]) -> None:
        baseline = self.config.baseline
        assert baseline is not None
        if baseline.commit not in self.graph.parents:
            if self.repository.shallow:
                return
            raise ConfigError(
                f"the baseline's commit {baseline.commit[:12]} is not in the history of HEAD",
                where=[Place(CONFIG)],
                fix="correct baseline.commit, or remove the baseline once everything has a tag",
            )
        for name, version in baseline.versions.items():
            if name in candidates:
                candidates[name].append(Point(baseline.commit, parse_version(version), None, "baseline"))

    def _add_trailers(self, candidates: Mapping[str, list[Point]]) -> bool:
        known = {former: name for name in self.names for former in (name, *self.config.of(name).formerly)}
        tag_at = {(name, str(tag.version)): tag for name in self.names for tag in self.tagged.get(name, ())}
        added = False
        for sha, message in self._messages():
            for former, text, build in (*message.released, *message.rebuilt):
                name = known.get(former)
                if name is None:
                    continue
                try:
                    version = parse_version(text)
                except ValueError:
                    raise HistoryError(
                        f"commit {sha[:12]} says that {name} {text} was released, which is not a semantic version",
                        fix="reword the commit's trailer",
                    ) from None
                tag = tag_at.get((name, text))
                if (former, text, build) in message.released and tag is not None and tag.commit != sha:
                    raise HistoryError(
                        f"{name} {text} was released by commit {sha[:12]} as its trailer says, but the tag {tag.name} "
                        f"leads to {tag.commit[:12]}",
                        fix=f"if the commit is right: git tag -d {tag.name}, then release tag --restore",
                    )
                if not any(point.commit == sha and point.version == version for point in candidates[name]):
                    source = "trailer" if (former, text, build) in message.released else "build"
                    candidates[name].append(Point(sha, version, build, source))
                    added = True
        return added

    def _messages(self) -> Iterable[tuple[str, Message]]:
        for sha, commit in self.commits.items():
            if "\nRelease-" in commit.message:
                yield sha, self._message(commit)

    def _message(self, commit: Commit) -> Message:
        message = self.parsed.get(commit.sha)
        if message is None:
            message = self.parsed[commit.sha] = parse_message(commit.message)
        return message

    def _refuse_disagreement(self, points: Mapping[str, Point]) -> None:
        by_commit: dict[str, list[tuple[str, Point]]] = {}
        for name, point in points.items():
            if point.source not in ("trailer", "build", "baseline"):
                by_commit.setdefault(point.commit, []).append((name, point))
        silent: list[tuple[str, Point]] = []
        for sha, text in self._texts(list(by_commit)).items():
            said = {name: version for name, version, _ in parse_message(text).released}
            for name, point in by_commit[sha]:
                if said.get(name, str(point.version)) != str(point.version):
                    raise HistoryError(
                        f"the tag {point.source} and the trailer of its commit {sha[:12]} disagree: "
                        f"the commit released {name} {said[name]}",
                        fix=f"delete the wrong one, for example: git tag -d {point.source}",
                    )
                if name not in said:
                    silent.append((name, point))
        self._refuse_moved(silent)

    def _refuse_moved(self, silent: Sequence[tuple[str, Point]]) -> None:
        """Refuse tags that were moved forward from the commit whose trailer names the release.

        A commit that says nothing of its tag is believed where it changes the component's manifest, as a release
        does; only for others is the history searched for trailers.
        """
        commits = self.history.commits([point.commit for _, point in silent], None)
        doubtful = {
            (name, str(point.version)): point
            for name, point in silent
            if point.commit not in commits
            or all(path != self.components[name].manifest for _, path in commits[point.commit].touches)
        }
        tips = sorted({point.commit for point in doubtful.values()})
        for found in recorded_before(self.repository, *tips) if self.history.any_trailer(tips) else ():
            for name, version, _ in found.message.released:
                point = doubtful.get((name, version))
                if point is not None:
                    raise HistoryError(
                        f"{name} {version} was released by commit {found.commit[:12]} as its trailer says, but the "
                        f"tag {point.source} leads to {point.commit[:12]}",
                        fix=f"if the commit is right: git tag -d {point.source}, then release tag --restore",
                    )

    def _refuse_shallow(self, finals: Mapping[str, Point]) -> None:
        cut = self.repository.shallow & self.graph.parents.keys()
        if not cut:
            return
        needed = self._needed(finals)
        mask = 0
        for sha in cut:
            mask |= needed.get(sha, 0)
        lost = [name for bit, name in enumerate(self.names) if mask >> bit & 1]
        if lost:
            missing = [
                self.config.tag_format(name).replace("{version}", str(self.components[name].version)) for name in lost
            ]
            more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
            raise GitStateError(
                f"this clone is shallow ({len(self.graph.order)} commits) and does not reach the last release of "
                f"{len(lost)} components; missing: {', '.join(missing[:5])}{more}",
                fix="git fetch --unshallow --tags origin   (release bump --fetch does it)",
            )

    def _refuse_unfetched(self, points: Mapping[str, Point]) -> None:
        lost = [name for name in self.names if name not in points]
        if lost and "--no-tags" in self.repository.text("config", "--get-regexp", r"^remote\..*\.tagopt$", ok=(0, 1)):
            raise HistoryError(
                f"nothing here says whether {lost[0]} was ever released, and this clone fetches no tags",
                fix="git fetch --tags origin, then git config --unset remote.origin.tagOpt",
            )

    def _read(self, finals: Mapping[str, Point]) -> None:
        """Read the unreleased commits of all components, and follow components to where they were before moves."""
        needed = self._needed(finals)
        folders = {name: {self.components[name].path} for name in self.names}
        self._read_bands(needed, folders)
        while True:
            moved = self._new_moves()
            if not moved:
                break
            for folder, name in moved:
                folders[name].add(folder)
            bits = {name: bit for bit, name in enumerate(self.names)}
            for folder, name in moved:
                bit = bits[name]
                shas = [sha for sha, mask in needed.items() if mask >> bit & 1]
                self._merge(self.history.commits(shas, frozenset({folder})))

    def _needed(self, points: Mapping[str, Point]) -> dict[str, int]:
        commits = tuple([points[name].commit if name in points else None for name in self.names])
        if commits not in self.unreleased:
            self._find_bases([sha for sha in dict.fromkeys(commits) if sha is not None])
            reached = [self.bases.get(sha, sha) if sha is not None else None for sha in commits]
            self.unreleased[commits] = unreleased(self.graph.order, self.graph.parents, reached)
        return self.unreleased[commits]

    def _find_bases(self, points: Sequence[str]) -> None:
        """Find the releases among ``points`` that were merged on top of commits which their plan did not know.

        These commits are not released by them. Where a shallow clone doesn't say, nothing is: it is refused then.
        """
        for sha, text in self._texts(points).items():
            base = parse_message(text).footer("Release-Base") if "\nRelease-Base: " in text else None
            if base is None or base in self.graph.parents[sha][:1]:
                continue
            if base in self.graph.parents:
                self.bases[sha] = base
            elif sha in self.repository.shallow and f"parent {base}" not in self._raw(sha):
                self.bases[sha] = None

    def _texts(self, shas: Sequence[str]) -> dict[str, str]:
        self.texts.update(self.history.messages([sha for sha in shas if sha not in self.texts]))
        return {sha: self.texts[sha] for sha in shas if sha in self.texts}

    def _raw(self, sha: str) -> list[str]:
        return (self.repository.contents([sha])[0] or b"").decode(errors="replace").splitlines()

    def _read_bands(self, needed: Mapping[str, int], folders: Mapping[str, set[str]]) -> None:
        """Read commits that few components need only below these components' folders: most are then cheap.

        Git compares each changed path with each folder, so beyond a few folders it is cheaper to read all.
        """
        few = _FEW_FOLDERS
        rest = [sha for sha, mask in needed.items() if mask.bit_count() <= few]
        union = 0
        for sha in rest:
            union |= needed[sha]
        names = [name for bit, name in enumerate(self.names) if union >> bit & 1]
        wide = len(names) > few or any(name in self.rules.further for name in names)
        if wide:
            rest = []
        narrow = set(rest)
        most = [sha for sha in needed if sha not in narrow]
        paths = frozenset(folder for name in names for folder in folders[name])
        half = len(most) // 2
        done: dict[int, int] = {}

        def read(band: int, shas: Sequence[str], below: frozenset[str] | None) -> dict[str, Commit]:
            def report(count: int) -> None:
                done[band] = count
                self.progress("reading commits", sum(done.values()), len(needed))

            return self.history.commits(shas, below, report)

        bands = ((most[:half], None), (most[half:], None), (rest, paths))
        readings = [self.pool.submit(read, i, *band) for i, band in enumerate(bands) if band[0]]
        readings.append(self.pool.submit(self.history.marked, list(needed)))
        for reading in readings:
            self._merge(reading.result())

    def _merge(self, commits: Mapping[str, Commit]) -> None:
        for sha, commit in commits.items():
            known = self.commits.get(sha)
            if known is not None and known.touches != commit.touches:
                commit = Commit(
                    sha, commit.parents, commit.time, commit.message,
                    tuple(dict.fromkeys((*known.touches, *commit.touches))),
                )  # fmt: skip
            self.commits[sha] = commit

    def _new_moves(self) -> list[tuple[str, str]]:
        """Return (old folder, name) of moves not seen before: commits that add a manifest which git calls renamed."""
        manifests = {component.manifest: name for name, component in self.components.items()}
        for places in self.moves.values():
            for folder, name in places:
                manifests[self._manifest_at(folder, name)] = name
        added = [
            (sha, path)
            for sha, commit in self.commits.items()
            if len(commit.parents) == 1
            for status, path in commit.touches
            if status == "A" and path in manifests and (sha, path) not in self.seen_moves
        ]
        found = []
        for sha, path in added:
            self.seen_moves.add((sha, path))
            old = self.history.renames(sha).get(path)
            name = manifests[path]
            inner = self.components[name].manifest[len(self.components[name].path) :].lstrip("/")
            if old is not None and (old == inner or old.endswith(f"/{inner}")):
                folder = old[: len(old) - len(inner)].rstrip("/")
                self.moves.setdefault(sha, []).append((folder, name))
                found.append((folder, name))
        return found

    def _touching(self, points: Mapping[str, Point]) -> dict[str, list[Commit]]:
        """Return the unreleased commits of each component that touch it, children first.

        The order is a function of the history alone, whatever order git or the side index gave.
        """
        needed = self._needed(points)
        bits = {name: 1 << bit for bit, name in enumerate(self.names)}
        owners_of = self._owners()
        found: dict[str, list[Commit]] = {name: [] for name in self.names}
        commits = self.commits
        for sha, mask in needed.items():
            commit = commits.get(sha)
            if commit is None:
                continue
            owners = self.touched.get(sha)
            if owners is None:
                layout = owners_of(sha)
                owners = self.touched[sha] = frozenset().union(*[layout.owners(path) for _, path in commit.touches])
            for name in owners:
                if mask & bits[name]:
                    found[name].append(commit)
        if any(len(self.graph.parents[sha]) > 1 for sha in needed):
            depth = depths(needed, self.graph.parents)
            for listed in found.values():
                listed.sort(key=lambda commit: (-depth[commit.sha], -commit.time, commit.sha))
        return found

    def _read_squashes(self, touching: Mapping[str, Sequence[Commit]]) -> None:
        """Read all that squash commits touch: who else is touched decides for whom their entries count."""
        squashes = {
            commit.sha
            for listed in touching.values()
            for commit in listed
            if any(change.from_body for change in self._message(commit).changes)
        }
        if squashes:
            self._merge(self.history.commits(sorted(squashes), None))
            owners_of = self._owners()
            for sha in squashes:
                layout = owners_of(sha)
                self.touched[sha] = frozenset().union(*[layout.owners(p) for _, p in self.commits[sha].touches])

    def _owners(self) -> Callable[[str], Layout]:
        """Return a function from a commit to the layout there.

        A moved component is at its old place wherever the move is not yet part of the history; a component that took
        that place afterwards is not there yet.
        """
        present = Layout.of(self.components, self.rules)
        if not self.moves:
            return lambda _: present
        marks = {sha: 1 << bit for bit, sha in enumerate(self.moves)}
        inside = descendants(self.graph.order, self.graph.parents, marks)
        followed = [
            (bit, (folder, name))
            for move, bit in marks.items()
            for folder, mover in self.moves[move]
            for name in self._successors(
                move, folder, mover, [later for later in marks if later != move and inside[later] & bit]
            )
        ]
        layouts: dict[tuple[int, int], Layout] = {}

        def layout(sha: str) -> Layout:
            mask, own = inside.get(sha, 0), marks.get(sha, 0)
            if (mask, own) not in layouts:
                before = [place for move, bit in marks.items() if not mask & bit for place in self.moves[move]]
                absent = {place for bit, place in followed if not mask & ~own & bit}
                layouts[mask, own] = Layout.of(self.components, self.rules, before, absent=absent)
            return layouts[mask, own]

        return layout

    def _successors(self, move: str, folder: str, mover: str, later: Iterable[str]) -> Iterator[str]:
        """Yield the components that came to ``folder`` only after ``mover`` had left it by the commit ``move``.

        They are there today, or left it by the moves ``later``.
        """
        left = self._manifest_at(folder, mover)
        names = [name for name, component in self.components.items() if component.path == folder]
        names += [name for sha in later for former, name in self.moves[sha] if former == folder]
        for name in names:
            manifest = self._manifest_at(folder, name)
            if name != mover and (manifest == left or self.repository.contents([f"{move}^1:{manifest}"]) == [None]):
                yield name

    def _manifest_at(self, folder: str, name: str) -> str:
        component = self.components[name]
        return _join(folder, component.manifest[len(component.path) :].lstrip("/"))

    def _decide(self, touching: Mapping[str, Sequence[Commit]], points: Mapping[str, Point]) -> dict[str, Decision]:
        unconventional = {
            Unconventional.IGNORE: Level.NONE,
            Unconventional.PATCH: Level.PATCH,
            Unconventional.ERROR: None,
        }[self.config.commits.unconventional]
        scopes = _scopes(self.components)
        weights = Weights(self.config.level, unconventional, lambda scope: scopes.get(scope, ()))
        needed = self._needed(points)
        self._read_squashes(touching)
        decisions = {}
        for bit, name in enumerate(self.names):
            if name not in touching:
                continue
            decisions[name] = decide(
                name,
                [(commit, self._message(commit)) for commit in touching[name]],
                weights,
                touched=lambda sha: self.touched[sha],
                is_released=lambda sha, bit=bit: self._is_released(sha, needed, bit),  # type: ignore[misc]
                brought_by=self._brought_by,
                is_ancestor=self._is_ancestor,
            )
        return {name: self._with_footer(name, decision, touching[name], needed) for name, decision in decisions.items()}

    def _with_footer(
        self, name: str, decision: Decision, touching: Sequence[Commit], needed: Mapping[str, int]
    ) -> Decision:
        """Return ``decision`` with the version that the newest footer naming the component asks for.

        Such a footer counts whatever its commit touches; without a name it counts where there is but one component.
        """
        bit = self.names.index(name)
        weighed = {commit.sha for commit in touching}
        footers = [
            (sha, version)
            for sha, asked in self._asking.items()
            if sha not in weighed and needed.get(sha, 0) >> bit & 1
            for named, version in asked
            if named == name or (named is None and len(self.names) == 1)
        ]
        if not footers:
            return decision
        place = {sha: i for i, sha in enumerate(self.graph.order) if sha in self._asking}
        found = [*footers, *([(decision.release_as[1], decision.release_as[0])] if decision.release_as else [])]
        sha, version = min(found, key=lambda one: place[one[0]])
        return replace(decision, release_as=(version, sha))

    @cached_property
    def _asking(self) -> Mapping[str, Sequence[tuple[str | None, str]]]:
        """What each commit with a ``Release-As`` footer asks for; the names that components had before count too."""
        known = {former: name for name in self.names for former in (name, *self.config.of(name).formerly)}
        found = {}
        for sha, commit in self.commits.items():
            if "release-as" in commit.message.lower():
                asked = self._message(commit).release_as
                found[sha] = [(known.get(name, name) if name else None, version) for name, version in asked]
        return found

    def _is_released(self, abbreviated: str, needed: Mapping[str, int], bit: int) -> bool:
        sha = self._full(abbreviated)
        return sha is not None and not needed.get(sha, 0) >> bit & 1

    def _brought_by(self, abbreviated: str) -> Collection[str]:
        sha = self._full(abbreviated)
        if sha is None or len(self.graph.parents[sha]) < 2:
            return ()
        return self.repository.text("rev-list", f"{sha}^1..{sha}").split()

    def _full(self, abbreviated: str) -> str | None:
        if abbreviated in self.graph.parents:
            return abbreviated
        if len(abbreviated) >= len(self.graph.tip):
            return None
        return next((sha for sha in self.graph.order if sha.startswith(abbreviated)), None)

    def _is_ancestor(self, old: str, new: str) -> bool:
        """Tell whether ``old`` is an ancestor of ``new``; only commits between the two are looked at."""
        if not self.position:
            self.position.update((sha, i) for i, sha in enumerate(self.graph.order))
        last = self.position[old]
        seen = {new}
        todo = [new]
        for sha in todo:
            for parent in self.graph.parents[sha]:
                if parent == old:
                    return True
                if parent not in seen and self.position[parent] < last:
                    seen.add(parent)
                    todo.append(parent)
        return False


def _newest(candidates: Mapping[str, Sequence[Point]], graph: Graph) -> tuple[dict[str, Point], dict[str, Point]]:
    """Return the highest point of each component and its highest final one; of equal versions the newest commit."""
    shared = {point.commit for found in candidates.values() if len(found) > 1 for point in found}
    age = {sha: -i for i, sha in enumerate(graph.order) if sha in shared}

    def key(point: Point) -> tuple[object, int]:
        return precedence(point.version), age.get(point.commit, 0)

    points = {name: max(found, key=key) for name, found in candidates.items() if found}
    finals = {
        name: max(final, key=key)
        for name, found in candidates.items()
        if (final := [point for point in found if not point.version.prerelease])
    }
    return points, finals


def _join(folder: str, inner: str) -> str:
    return f"{folder}/{inner}" if folder else inner


def _scopes(components: Mapping[str, Component]) -> dict[str, set[str]]:
    """Return the components that a scope can mean: by name, by the name in their own files, by folder."""
    found: dict[str, set[str]] = {}
    for name, component in components.items():
        for scope in {name, component.native, component.path.rpartition("/")[2]} - {""}:
            found.setdefault(scope, set()).add(name)
    return found
