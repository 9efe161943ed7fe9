"""Make the plan: from a survey and a request to versions and edits."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Collection, Mapping, Sequence
from fnmatch import fnmatchcase

from release.errors import VersionRefused, WorkspaceError
from release.flow.survey import Survey
from release.formats.changelog import Entry, Section, insert
from release.model.commit import Change
from release.model.component import Component, Edge
from release.model.edit import FileEdit, Replacement
from release.model.plan import (
    Bump,
    CommitReason,
    GroupReason,
    PartReason,
    Plan,
    Point,
    Reason,
    Request,
    RequestReason,
)
from release.model.version import Level, Version, next_version, parse_version
from release.planning.build_number import next_build
from release.planning.propagate import propagate
from release.workspace.config import Overflow, Propagate
from release.workspace.kinds import KINDS

__all__ = ["make_plan"]


def make_plan(survey: Survey, request: Request, today: dt.date, *, branch: str | None = None) -> Plan:
    """Return the plan for ``request`` on the UTC day ``today``; ``branch`` is the line it is for (HEAD's own).

    Raises:
        VersionRefused: a version would go down, collide with a tag or break a rule.
        WorkspaceError: the request names something that is no component.
    """
    branch = branch or survey.repository.branch()
    bumps = _Planner(survey, request, today, branch).bumps()
    return Plan(
        base=survey.head,
        branch=branch,
        date=today.isoformat(),
        config=survey.config_digest,
        tags=survey.tags_digest,
        request=request,
        bumps=tuple(bumps.values()),
        edits=_edits(survey, bumps, today.isoformat()),
    )


class _Planner:
    def __init__(self, survey: Survey, request: Request, today: dt.date, branch: str | None) -> None:
        self.survey = survey
        self.components = survey.workspace.components
        self.request = request
        self.today = today
        self.branch = branch
        self.selected = self._selection()
        self.asked = _asked(survey, request, self.selected)

    def bumps(self) -> dict[str, Bump]:
        """Return the bump of each component that gets one, parts before wholes."""
        own = {name: self._own_level(name) for name in self.components}
        edges = [edge for edge in self.survey.workspace.edges if edge.part != edge.whole]
        levels = propagate(own, self.components, edges, self._induced)
        groups = self._groups()
        bumps: dict[str, Bump] = {}
        after: dict[str, Version] = {}
        for name, component in self.components.items():
            if levels[name] is Level.NONE:
                continue
            members = groups.get(component.group or "", [name])
            reasons = self._reasons(name, own, levels, bumps, members)
            version = after[members[0]] if members[0] in after else self._next(members, levels[name], bumps)
            after[name] = version
            bumps[name] = self._bump(component, version, levels[name], reasons)
        return bumps

    def _selection(self) -> frozenset[str]:
        """Return the components whose own changes are released: those asked for and all that they contain.

        A whole is never released around parts in a state that has no version.
        """
        selected = list(self.request.components or self.components)
        for name in selected:
            selected += [
                edge.part
                for edge in self.survey.workspace.parts.get(name, ())
                if edge.part not in selected and self.survey.config.propagate(edge.kind) is not Propagate.NONE
            ]
        return frozenset(selected)

    def _own_level(self, name: str) -> Level:
        if name not in self.selected:
            return Level.NONE
        level = self._change_level(name)
        if name in self.asked or self._declared_higher(name) or name not in self.survey.points:
            level = max(level, Level.PATCH)
        return level

    def _change_level(self, name: str) -> Level:
        """Return the level since the last final release, or ``NONE`` when nothing is new for the channel asked for."""
        decision = self.survey.decisions[name]
        point = self.survey.points.get(name)
        if point is None or not point.version.prerelease:
            return decision.level
        if self._channel(name) is None:
            return max(decision.level, Level.PATCH)
        return decision.level if self.survey.news[name].level is not Level.NONE else Level.NONE

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
                fix=f"set it to {point.version} or above",
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

    def _groups(self) -> dict[str, list[str]]:
        groups: dict[str, list[str]] = {}
        for name, component in self.components.items():
            if component.group is not None:
                groups.setdefault(component.group, []).append(name)
        return groups

    def _next(self, members: Sequence[str], level: Level, bumps: Mapping[str, Bump]) -> Version:
        """Return the next version of ``members``, which share one declaration."""
        survey = self.survey
        name = members[0]
        component = self.components[name]
        if component.version is None:
            raise VersionRefused(
                f"{name} has no version that can be read as a semantic version, so it can't be raised",
                where=[component.declared],
                fix="write one (MAJOR.MINOR.PATCH) into the file and commit it",
            )
        points = [survey.points[member] for member in members if member in survey.points]
        pre = next((channel for member in members if (channel := self._channel(member))), None)
        pre = pre or self._inherited(members, bumps)
        asked = next((self.asked[member] for member in members if member in self.asked), None)
        zero = survey.config.of(name).zero or survey.config.zero
        if not points:
            version = component.version
            if asked is None and pre is not None and not version.prerelease:
                version = version.replace(prerelease=f"{pre}.1")
        else:
            last = max(points, key=lambda point: point.version).version
            finals = [survey.finals[member].version for member in members if member in survey.finals]
            if level is Level.BUILD and pre is None:
                version = last
            else:
                version = next_version(last, max(finals, default=None), level, zero=zero, pre=pre)
                if any(self._declared_higher(member) for member in members):
                    declared = component.version.finalize_version()
                    if version.finalize_version() < declared:
                        version = declared.replace(prerelease=f"{pre}.1") if pre else declared
        if asked is not None:
            version = self._as_asked(name, asked, points)
        version = version.replace(build=None)
        for member in members:
            self._refuse_taken(member, version)
        return version

    def _inherited(self, members: Sequence[str], bumps: Mapping[str, Bump]) -> str | None:
        """Return the channel of a pre-release part: nothing stable is shipped on top of one."""
        for member in members:
            for edge in self.survey.workspace.parts.get(member, ()):
                if self.survey.config.propagate(edge.kind) is Propagate.NONE or edge.part in members:
                    continue
                if edge.part in bumps:
                    version: Version | None = bumps[edge.part].after
                else:
                    point = self.survey.points.get(edge.part)
                    version = point.version if point else None
                if version is not None and version.prerelease:
                    return version.prerelease.split(".")[0]
        return None

    def _as_asked(self, name: str, asked: tuple[str, str], points: Sequence[Point]) -> Version:
        text, by = asked
        last = max((point.version for point in points), default=None)
        if text in ("major", "minor", "patch") and last is not None:
            return getattr(last.finalize_version(), f"bump_{text}")()  # type: ignore[no-any-return]
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
                    fix=f"merge that line, or choose another number: release bump --release-as {name}=VERSION",
                )

    def _reasons(
        self,
        name: str,
        own: Mapping[str, Level],
        levels: Mapping[str, Level],
        bumps: Mapping[str, Bump],
        members: Sequence[str],
    ) -> tuple[Reason, ...]:
        reasons: list[Reason] = []
        if name in self.asked:
            reasons.append(RequestReason(self.asked[name][1], levels[name]))
        if name not in self.survey.points:
            reasons.append(RequestReason("first release", Level.PATCH))
        elif self._declared_higher(name):
            reasons.append(RequestReason("declared", Level.PATCH))
        if own[name] is not Level.NONE:
            reasons += self.survey.decisions[name].reasons
        for edge in self.survey.workspace.parts.get(name, ()):
            part = bumps.get(edge.part)
            if part is not None and edge.part != name:
                induced = self._induced(edge, levels[edge.part])
                if induced is not Level.NONE:
                    reasons.append(PartReason(edge.part, induced, edge.kind.value, *_change_of(part)))
        for member in members:
            if member != name and own[member] > own[name]:
                reasons.append(GroupReason(member, own[member]))
        return tuple(dict.fromkeys(reasons))

    def _bump(
        self,
        component: Component,
        version: Version,
        level: Level,
        reasons: tuple[Reason, ...],
    ) -> Bump:
        point = self.survey.points.get(component.name)
        build = None
        if component.build is not None:
            build = self._next_build(component)
        only_build = point is not None and point.version == version
        return Bump(
            component=component.name,
            kind=component.kind,
            path=component.path,
            before=point.version if point else None,
            after=version,
            build_before=component.build,
            build_after=build,
            level=level,
            reasons=reasons,
            tag=None if only_build else self.survey.patterns[component.name].name(version),
        )

    def _next_build(self, component: Component) -> int:
        survey, branch = self.survey, self.branch or "HEAD"
        tagged = survey.tag_builds.get(component.name, ())
        lines = survey.line_builds.get(component.name, {})
        frozen = self._is_maintenance(branch)
        if frozen:
            reachable = {tag.name for tag in survey.tags.get(component.name, ()) if tag.commit in survey.graph.parents}
            tagged = [(name, number) for name, number in tagged if name in reachable]
        return next_build(
            component.name,
            component.build,
            today=self.today,
            floor=component.floor,
            tagged=tagged,
            first=component.name not in survey.points,
            frozen=frozen,
            here=branch,
            below=[(name, number) for name, number in lines.items() if self._rank(name) < self._rank(branch)],
            above=[(n, number) for n, number in lines.items() if frozen and self._rank(n) > self._rank(branch)],
            next_day=survey.config.overflow is Overflow.NEXT_DAY,
        )

    def _rank(self, branch: str) -> tuple[bool, list[tuple[int, str]]]:
        """Return a key that sorts maintenance branches, oldest first, and all others above them."""
        return (False, _natural(_line(branch))) if self._is_maintenance(branch) else (True, [])

    def _is_maintenance(self, branch: str) -> bool:
        return any(fnmatchcase(_line(branch), pattern) for pattern in self.survey.config.maintenance)


def _asked(survey: Survey, request: Request, selected: Collection[str]) -> dict[str, tuple[str, str]]:
    """Return (version, who asks) for each component: the request wins over footers in commits."""
    for name in (*request.components, *(name for name, _ in request.release_as)):
        if name not in survey.workspace.components:
            raise WorkspaceError(
                f"there is no component {name!r} here",
                fix="`release status` lists the components of this tree",
            )
    asked = {
        name: (decision.release_as[0], f"commit {decision.release_as[1][:12]}")
        for name, decision in survey.decisions.items()
        if decision.release_as is not None and name in selected
    }
    asked.update({name: (version, "--release-as") for name, version in request.release_as})
    return asked


def _change_of(bump: Bump) -> tuple[str | None, str]:
    """Return how a bump reads in the changelog of a whole: build numbers where only they differ."""
    if bump.before == bump.after:
        return f"{bump.before} ({bump.build_before})", f"{bump.after} ({bump.build_after})"
    return (str(bump.before) if bump.before else None), str(bump.after)


def _line(branch: str) -> str:
    """Return a branch's name without its remote's."""
    return branch.rpartition("/")[2]


def _natural(text: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", text) if part]


def _edits(survey: Survey, bumps: Mapping[str, Bump], date: str) -> tuple[FileEdit, ...]:
    replacements: dict[str, list[Replacement]] = {}
    tree, workspace = survey.tree, survey.workspace
    for name, component in workspace.components.items():
        kind = KINDS[component.kind]
        pairs: list[tuple[str, Replacement]] = []
        if name in bumps:
            pairs += kind.write_version(tree, component, bumps[name])
        edges = [edge for edge in workspace.parts.get(name, ()) if edge.part in bumps]
        if edges:
            pairs += kind.write_parts(tree, component, edges, bumps)
        for path, replacement in pairs:
            replacements.setdefault(path, []).append(replacement)
    changelogs = {workspace.components[name].changelog: bump for name, bump in bumps.items() if bump.tag is not None}
    contents: dict[str, bytes | None] = dict(tree.read_many([*replacements, *changelogs]))
    for path, bump in changelogs.items():
        content = contents.setdefault(path, None)
        replacements.setdefault(path, []).extend(insert(content, str(bump.after), date, entries(bump)))
    return tuple(FileEdit.build(path, contents[path], found) for path, found in sorted(replacements.items()) if found)


_SECTIONS = {
    "feat": Section.ADDED,
    "fix": Section.FIXED,
    "security": Section.SECURITY,
    "deps": Section.DEPENDENCIES,
}


def entries(bump: Bump) -> list[Entry]:
    """Return the changelog entries of ``bump``: what its commits say, newest first, then its parts' versions."""
    found: dict[tuple[str, str], Entry] = {}
    for reason in bump.reasons:
        match reason:
            case CommitReason(commit=sha, level=level, changes=changes, subject=subject):
                for change in changes:
                    entry = _entry(change, sha, level, subject)
                    if entry is not None:
                        found.setdefault((entry.section, entry.text.rpartition(" (")[0]), entry)
            case PartReason(part=part, before=before, after=after):
                text = f"{part} {before} → {after}" if before else f"{part} {after}"
                found[(Section.DEPENDENCIES, text)] = Entry(Section.DEPENDENCIES, text)
            case GroupReason(member=member):
                text = f"Released together with {member}"
                found[(Section.CHANGED, text)] = Entry(Section.CHANGED, text)
            case RequestReason():
                pass
    if not found:
        text = "First release" if bump.before is None else f"Version {bump.after}"
        return [Entry(Section.ADDED if bump.before is None else Section.CHANGED, text)]
    return list(found.values())


def _entry(change: Change, sha: str, level: Level, subject: str) -> Entry | None:
    reference = f" ({sha[:7]})"
    if change.breaking is not None:
        text = change.description
        if change.breaking != change.description:
            text += f" — {' '.join(change.breaking.split())}"
        return Entry(Section.CHANGED, f"**Breaking:** {text}{reference}")
    if change.type == "revert" or (not change.type and subject.startswith('Revert "')):
        return Entry(Section.REMOVED, f"{change.description}{reference}")
    if level < Level.PATCH:
        return None
    if change.type in ("", "perf") or change.type not in _SECTIONS:
        if change.type in ("chore", "ci", "docs", "style", "test", "build", "refactor"):
            return None
        return Entry(Section.CHANGED, f"{change.description}{reference}")
    return Entry(_SECTIONS[change.type], f"{change.description}{reference}")
