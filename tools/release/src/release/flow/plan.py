"""Make the plan: from a survey and a request to versions and edits."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

from release.errors import VersionRefused, WorkspaceError
from release.flow.edits import edits
from release.flow.survey import Survey
from release.model.component import Component, Edge
from release.model.plan import (
    Bump,
    GroupReason,
    PartReason,
    Plan,
    Point,
    Reason,
    Request,
    RequestReason,
)
from release.model.version import Level, Version, ZeroPolicy, level_between, next_version, parse_version
from release.planning.build_number import next_build
from release.planning.propagate import propagate
from release.workspace.config import CONFIG, Overflow, Propagate

__all__ = ["make_plan"]

_LEVELS = {"major": Level.MAJOR, "minor": Level.MINOR, "patch": Level.PATCH}


def make_plan(survey: Survey, request: Request, today: dt.date, *, branch: str | None = None) -> Plan:
    """Return the plan for ``request`` on the UTC day ``today``; ``branch`` is the line it is for (HEAD's own).

    Raises:
        VersionRefused: a version would go down, collide with a tag or break a rule.
        WorkspaceError: the request names something that is no component.
    """
    branch = branch or survey.repository.branch() or _line_here(survey)
    bumps = _Planner(survey, request, today, branch).bumps()
    return Plan(
        base=survey.head,
        branch=branch,
        date=today.isoformat(),
        config=survey.config_digest,
        tags=survey.tags_digest,
        request=request,
        bumps=tuple(bumps.values()),
        edits=edits(survey, bumps, today.isoformat()),
    )


class _Planner:
    def __init__(self, survey: Survey, request: Request, today: dt.date, branch: str | None) -> None:
        self.survey = survey
        self.components = survey.workspace.components
        self.request = request
        self.today = today
        self.branch = branch
        self.asked = _asked(survey, request)
        self.held = self._held()

    def bumps(self) -> dict[str, Bump]:
        """Return the bump of each component that gets one, parts before wholes."""
        own, levels = self._levels()
        bumped = [name for name in self.components if levels[name] is not Level.NONE]
        versions = self._versions(bumped, levels)
        bumps = {name: self._bump(self.components[name], versions[name], levels[name]) for name in bumped}
        return {name: replace(bump, reasons=self._reasons(name, own, levels, bumps)) for name, bump in bumps.items()}

    def _versions(self, bumped: Sequence[str], levels: Mapping[str, Level]) -> dict[str, Version]:
        """Return the next version of each component; those that share one get it after the parts of them all."""
        versions: dict[str, Version] = {}
        entered: set[str] = set()

        def visit(name: str) -> None:
            if name in entered:
                return
            members = self._members(name)
            entered.update(members)
            for member in members:
                for edge in self.survey.workspace.parts.get(member, ()):
                    if levels[edge.part] is not Level.NONE:
                        visit(edge.part)
            version = self._next(members, levels[name], versions)
            versions.update(dict.fromkeys(members, version))

        for name in bumped:
            visit(name)
        return versions

    def _members(self, name: str) -> list[str]:
        """Return the components that share the version of ``name``, itself among them."""
        group = self.components[name].group
        return [name] if group is None else [other for other, one in self.components.items() if one.group == group]

    def _levels(self) -> tuple[dict[str, Level], dict[str, Level]]:
        """Return the level that each component has by itself, and with what its parts bring.

        What contains a component that is asked for is released too, so its own changes count as well: they would
        else go out under a level that does not say so. Other components stay as they are.
        """
        edges = [edge for edge in self.survey.workspace.edges if edge.part != edge.whole]
        chosen = list(self.request.components or self.components)
        while True:
            own = {name: self._own_level(name) if name in chosen else Level.NONE for name in self.components}
            levels = propagate(own, self.components, edges, self._induced)
            more = [name for name, level in levels.items() if level is not Level.NONE and name not in chosen]
            if not more:
                return own, levels
            chosen += more

    def _own_level(self, name: str) -> Level:
        level = self._change_level(name)
        if name in self.asked or self._declared_higher(name) or name not in self.survey.points:
            level = max(level, Level.PATCH)
        return level

    def _change_level(self, name: str) -> Level:
        """Return the level since the last final release; within a channel, ``NONE`` when nothing is new."""
        decision = self.survey.decisions[name]
        point = self.survey.points.get(name)
        if point is None or not point.version.prerelease:
            return decision.level
        if name not in self.held:
            return max(decision.level, Level.PATCH)
        news = self.survey.news[name].level
        return max(decision.level, news) if news >= Level.PATCH else news

    def _held(self) -> frozenset[str]:
        """Return the pre-releases that are not to become final: their channel goes on, or that of a part does."""
        held: set[str] = set()
        for name in self.components:
            point = self.survey.points.get(name)
            if point is not None and point.version.prerelease:
                parts = self.survey.workspace.parts.get(name, ())
                if self._channel(name) is not None or any(edge.part in held and self._carries(edge) for edge in parts):
                    held.add(name)
        return frozenset(held)

    def _carries(self, edge: Edge) -> bool:
        return self.survey.config.propagate(edge.kind) is not Propagate.NONE

    def _channel(self, name: str) -> str | None:
        return self.request.pre or self.survey.config.of(name).channel

    def _declared_higher(self, name: str) -> bool:
        """Tell whether the file's version was raised by hand above the last release.

        Raises:
            VersionRefused: it was lowered.
        """
        component, point = self.components[name], self.survey.points.get(name)
        if component.version is None or point is None:
            return False
        if component.version < point.version:
            raise VersionRefused(
                f"{name} says {component.version}, but {point.version} was released ({point.source}): "
                "the version would go down",
                where=[component.declared],
                fix=f"set it to {point.version} or above; a wrong tag: git tag -d it, or list it under `ignore-tags`",
            )
        return component.version > point.version

    def _induced(self, edge: Edge, level: Level) -> Level:
        if level is Level.NONE:
            return Level.NONE
        match self.survey.config.propagate(edge.kind):
            case Propagate.NONE:
                return Level.NONE
            case Propagate.PATCH:
                return Level.PATCH
            case Propagate.SAME:
                return max(level, Level.PATCH)

    def _next(self, members: Sequence[str], level: Level, versions: Mapping[str, Version]) -> Version:
        """Return the next version of ``members``, which share one declaration."""
        survey = self.survey
        name = members[0]
        component = self.components[name]
        points = [survey.points[member] for member in members if member in survey.points]
        pre = next((channel for member in members if (channel := self._channel(member))), None)
        pre = pre or self._inherited(members, versions, points)
        asked = next((self.asked[member] for member in members if member in self.asked), None)
        zero = survey.config.of(name).zero or survey.config.zero
        if asked is not None and asked[0] in _LEVELS and points:
            level, zero, asked = _LEVELS[asked[0]], ZeroPolicy.SEMVER, None
        if asked is not None:
            version = self._as_asked(name, asked, points)
        elif component.version is None:
            version = self._unversioned(component, points)
        elif not points:
            version = component.version
            if pre is not None and not version.prerelease:
                version = version.replace(prerelease=f"{pre}.1")
        else:
            last = max(points, key=lambda point: point.version).version
            finals = [survey.finals[member].version for member in members if member in survey.finals]
            if level is Level.BUILD:
                version = last
            else:
                try:
                    version = next_version(last, max(finals, default=None), level, zero=zero, pre=pre)
                except VersionRefused as error:
                    raise VersionRefused(f"{name}: {error.what}", where=[component.declared], fix=error.fix) from None
                if any(self._declared_higher(member) for member in members):
                    declared = component.version.finalize_version()
                    if version.finalize_version() < declared:
                        version = declared.replace(prerelease=f"{pre}.1") if pre else declared
        version = version.replace(build=None)
        for member in members:
            self._refuse_taken(member, version)
        return version

    def _unversioned(self, component: Component, points: Sequence[Point]) -> Version:
        """Return the version under which a component without one is recorded: only its build number rises.

        Raises:
            VersionRefused: it has no build number either.
        """
        if component.build is None:
            raise VersionRefused(
                f"{component.name} has no version that can be read as a semantic version, so it can't be raised",
                where=[component.declared],
                fix=f"write MAJOR.MINOR.PATCH into the file, or list its folder under `ignore` in {CONFIG}",
            )
        return points[0].version if points else Version(0, 0, 0)

    def _inherited(
        self, members: Sequence[str], versions: Mapping[str, Version], points: Sequence[Point]
    ) -> str | None:
        """Return the channel that pre-release parts bring: nothing stable is shipped on top of one.

        It is the least stable of the parts' channels, but none below the one that ``members`` are in already.
        """
        channels: set[str] = set()
        for member in members:
            for edge in self.survey.workspace.parts.get(member, ()):
                if not self._carries(edge) or edge.part in members:
                    continue
                point = self.survey.points.get(edge.part)
                version = versions.get(edge.part, point.version if point else None)
                if version is not None and version.prerelease:
                    channels.add(version.prerelease.split(".")[0])
        if not channels:
            return None
        last = max((point.version for point in points), default=None)
        own = last.prerelease.split(".")[0] if last is not None and last.prerelease else ""
        return max(min(channels), own)

    def _as_asked(self, name: str, asked: tuple[str, str], points: Sequence[Point]) -> Version:
        text, by = asked
        last = max((point.version for point in points), default=None)
        if text in _LEVELS:
            raise VersionRefused(
                f"{by} asks for a {text} release of {name}, which was never released, so there is nothing to raise",
                fix=f"ask for a version: release bump --release-as {name}={self.components[name].version}",
            )
        try:
            version = parse_version(text)
        except ValueError:
            raise VersionRefused(
                f"{by} asks for {name} {text}, which is not a semantic version",
                fix="ask for MAJOR.MINOR.PATCH",
            ) from None
        if version.build:
            raise VersionRefused(
                f"{by} asks for {name} {text}: build metadata is not part of a release",
                fix=f"ask for {version.replace(build=None)}",
            )
        if last is not None and version <= last:
            raise VersionRefused(
                f"{by} asks for {name} {text}, which is not above {last}: the version would go down",
                fix=f"ask for a version above {last}",
            )
        return version

    def _refuse_taken(self, name: str, version: Version) -> None:
        point = self.survey.points.get(name)
        if point is not None and point.version == version:
            return
        for tag in self.survey.tags.get(name, ()):
            if tag.version == version:
                raise VersionRefused(
                    f"{name} {version} is next here, but the tag {tag.name} exists already, at {tag.commit[:12]} "
                    "on another line of history",
                    fix=f"choose another number: release bump --release-as {name}=VERSION; if that release was thrown "
                    f"away and never pushed: git tag -d {tag.name}",
                )

    def _reasons(
        self,
        name: str,
        own: Mapping[str, Level],
        levels: Mapping[str, Level],
        bumps: Mapping[str, Bump],
    ) -> tuple[Reason, ...]:
        reasons: list[Reason] = []
        if name in self.asked:
            reasons.append(RequestReason(self.asked[name][1], levels[name]))
        if name not in self.survey.points:
            reasons.append(RequestReason("first release", Level.PATCH))
        elif self._declared_higher(name):
            reasons.append(RequestReason("declared", Level.PATCH))
        reasons += self.survey.decisions[name].reasons
        for edge in self.survey.workspace.parts.get(name, ()):
            part = bumps.get(edge.part)
            if part is not None and edge.part != name:
                induced = self._induced(edge, levels[edge.part])
                if induced is not Level.NONE:
                    reasons.append(PartReason(edge.part, induced, edge.kind.value, *_change_of(part)))
        for member in self._members(name):
            if member != name and own[member] > own[name]:
                reasons.append(GroupReason(member, own[member]))
        return tuple(dict.fromkeys(reasons))

    def _bump(self, component: Component, version: Version, level: Level) -> Bump:
        point = self.survey.points.get(component.name)
        build = None
        if component.build is not None:
            build = self._next_build(component)
        only_build = point is not None and point.version == version
        if component.version is None and component.name not in self.asked:
            level, only_build = Level.BUILD, True
        if point is not None and any(member in self.asked for member in self._members(component.name)):
            level = level_between(point.version, version)
        return Bump(
            component=component.name,
            kind=component.kind,
            path=component.path,
            before=point.version if point else None,
            after=version,
            build_before=component.build,
            build_after=build,
            level=level,
            reasons=(),
            tag=None if only_build else self.survey.patterns[component.name].name(version),
        )

    def _next_build(self, component: Component) -> int:
        survey, branch = self.survey, self.branch or "HEAD"
        tagged = survey.tag_builds.get(component.name, ())
        frozen = self._is_maintenance(branch)
        if frozen:
            reachable = {tag.name for tag in survey.tags.get(component.name, ()) if tag.commit in survey.graph.parents}
            tagged = [(name, number) for name, number in tagged if name in reachable]
        heads = self._heads(component.name)
        here = self._rank(branch)
        return next_build(
            component.name,
            component.build,
            today=self.today,
            floor=component.floor,
            tagged=tagged,
            first=component.name not in survey.points,
            frozen=frozen,
            here=branch,
            below=[named for line, named in heads.items() if self._rank(line) < here],
            above=[named for line, named in heads.items() if frozen and self._rank(line) > here],
            next_day=survey.config.overflow is Overflow.NEXT_DAY,
        )

    def _heads(self, name: str) -> dict[str, tuple[str, int]]:
        """Return for each line the branch, local or remote-tracking, with the highest number of a component."""
        numbers = self.survey.line_builds.get(name, {})
        heads: dict[str, tuple[str, int]] = {}
        for branch in self.survey.lines:
            number = numbers.get(branch.name)
            if number is not None and number > heads.get(branch.line, ("", -1))[1]:
                heads[branch.line] = (branch.name, number)
        return heads

    def _rank(self, line: str) -> tuple[bool, list[tuple[int, str]]]:
        """Return a key that sorts maintenance branches, oldest first, and all others above them."""
        return (False, _natural(line)) if self._is_maintenance(line) else (True, [])

    def _is_maintenance(self, line: str) -> bool:
        return any(fnmatchcase(line, pattern) for pattern in self.survey.config.maintenance)


def _line_here(survey: Survey) -> str | None:
    """Return the line whose head a detached HEAD is at, ``None`` when that is no line or more than one."""
    lines = {branch.line for branch in survey.lines if branch.commit == survey.head}
    return lines.pop() if len(lines) == 1 else None


def _asked(survey: Survey, request: Request) -> dict[str, tuple[str, str]]:
    """Return (version, who asks) for each component: the request wins over footers in commits."""
    for name in (*request.components, *(name for name, _ in request.release_as)):
        if name not in survey.workspace.components:
            raise WorkspaceError(
                f"there is no component {name!r} here",
                fix="`release status` lists the components of this tree",
            )
    asked = {
        name: (decision.release_as[0], f"commit {decision.release_as[1][:12]}")
        for name, decision in survey.news.items()
        if decision.release_as is not None
    }
    asked.update({name: (version, "--release-as") for name, version in request.release_as})
    return asked


def _change_of(bump: Bump) -> tuple[str | None, str]:
    """Return how a bump reads in the changelog of a whole: build numbers where only they differ."""
    if bump.before == bump.after:
        return f"{bump.before} ({bump.build_before})", f"{bump.after} ({bump.build_after})"
    return (str(bump.before) if bump.before else None), str(bump.after)


def _natural(text: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", text) if part]
