"""The changelog of one component between two points of the history, made from the history."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass

from release.errors import HistoryError, VersionRefused, WorkspaceError
from release.flow.edits import entries
from release.flow.plan import make_plan
from release.flow.progress import Progress, silent
from release.flow.recorded import Recorded, recorded_at, recorded_before
from release.flow.survey import Survey, survey
from release.flow.verify import replay
from release.formats.changelog import Entry, render_section
from release.model.plan import Bump, CommitReason, Request
from release.model.version import Version, parse_version
from release.repository.git import Repository
from release.workspace.config import Config

__all__ = ["Release", "changelog"]

UNRELEASED = "Unreleased"


@dataclass(frozen=True, slots=True)
class Release:
    """One section: a version (``Unreleased`` for what has none), its ISO date and commit, and what changed."""

    version: str
    date: str | None
    commit: str
    entries: tuple[Entry, ...]

    @property
    def text(self) -> str:
        """The section in Keep a Changelog's form."""
        return render_section(self.version, self.date, self.entries)


@dataclass(frozen=True, slots=True)
class _Point:
    version: Version
    commit: str
    time: int
    tag: str | None


def changelog(
    repository: Repository,
    component: str,
    *,
    start: str | None = None,
    end: str | None = None,
    today: dt.date,
    progress: Progress = silent,
) -> list[Release]:
    """Return the sections of ``component`` after ``start`` up to ``end``, newest first.

    Each is a version of the component, a tag or any revision. ``end`` is HEAD by default, ``start`` the last release
    before ``end``.

    Raises:
        WorkspaceError: there is no such component.
        GitStateError: ``start`` or ``end`` names nothing here.
    """
    present = survey(repository, progress=progress)
    if component not in present.workspace.components:
        raise WorkspaceError(
            f"there is no component {component!r} here", fix="`release status` lists the components of this tree"
        )
    names = {component, *present.config.of(component).formerly}
    points = _points(repository, present, names, component)
    to = _resolve(repository, points, end) if end is not None else present.head
    inside = set(repository.text("rev-list", to).split())
    released = [point for point in points if point.commit in inside]
    if start is not None:
        before = set(repository.text("rev-list", _resolve(repository, points, start)).split())
    else:
        earlier = [point for point in released if end is None or point.commit != to]
        before = set(repository.text("rev-list", earlier[0].commit).split()) if earlier else set()
    sections = []
    if to not in {point.commit for point in points} and to not in before:
        bump = _unreleased(repository, present, component, to, inside, today)
        sections += _section(bump, UNRELEASED, None, to, before)
    listed = [point for point in released if point.commit not in before]
    for done, point in enumerate(listed):
        progress(f"{component} {point.version}", done, len(listed))
        date = dt.datetime.fromtimestamp(point.time, dt.UTC).date().isoformat()
        recorded = recorded_at(repository, point.commit)
        date = recorded.message.footer("Release-Date") or date
        bump = _released(repository, present.config, names, recorded, point)
        sections += _section(bump, str(point.version), date, point.commit, before)
    return sections


def _points(repository: Repository, present: Survey, names: Collection[str], component: str) -> list[_Point]:
    """Return where the component was released, by tags and trailers, the highest version first."""
    found: dict[tuple[str, str], _Point] = {}
    for tag in present.tags.get(component, ()):
        found[(tag.commit, str(tag.version))] = _Point(tag.version, tag.commit, tag.time, tag.name)
    for recorded in recorded_before(repository, present.head):
        for name, text, _ in recorded.message.released:
            if name in names and (recorded.commit, text) not in found:
                try:
                    version = parse_version(text)
                except ValueError:
                    raise HistoryError(
                        f"commit {recorded.commit[:12]} says that {name} {text} was released, which is not a "
                        "semantic version",
                        fix="reword the commit's trailer",
                    ) from None
                found[(recorded.commit, text)] = _Point(version, recorded.commit, recorded.time, None)
    return sorted(found.values(), key=lambda point: point.version, reverse=True)


def _resolve(repository: Repository, points: Collection[_Point], name: str) -> str:
    for point in points:
        if name in (str(point.version), f"v{point.version}", point.tag):
            return point.commit
    return repository.resolve(name)


def _unreleased(
    repository: Repository,
    present: Survey,
    component: str,
    to: str,
    inside: Collection[str],
    today: dt.date,
) -> Bump | None:
    """Return the component's next bump at ``to``, as if it were released there."""
    if to != present.head:
        present = survey(repository, at=to, only_tags=lambda tag: tag.commit in inside, other_lines=False)
    plan = make_plan(dataclasses.replace(present, line_builds={}), Request(), today)
    return next((bump for bump in plan.bumps if bump.component == component), None)


def _released(
    repository: Repository, config: Config, names: Collection[str], recorded: Recorded, point: _Point
) -> Bump | None:
    """Return the bump by which the component became ``point``; without a plan only its own commits are known."""
    if recorded.plan is not None and len(recorded.parents) == 1:
        try:
            plan = replay(repository, recorded)
        except VersionRefused:
            pass
        else:
            for bump in plan.bumps:
                if bump.component in names:
                    return bump
    later = repository.text("for-each-ref", "--format=%(refname:lstrip=2)", f"--contains={point.commit}", "refs/tags")
    ignored = set(later.splitlines())
    found = survey(
        repository,
        at=point.commit,
        config=config.only(names),
        only_tags=lambda tag: tag.name not in ignored,
        other_lines=False,
    )
    name = next((name for name in found.workspace.components if name in names), None)
    if name is None:
        return None
    decision, last = found.decisions[name], found.finals.get(name)
    one = found.workspace.components[name]
    return Bump(
        component=name,
        kind=one.kind,
        path=one.path,
        before=last.version if last else None,
        after=point.version,
        build_before=None,
        build_after=None,
        level=decision.level,
        reasons=decision.reasons,
        tag=point.tag,
    )


def _section(bump: Bump | None, version: str, date: str | None, commit: str, before: Collection[str]) -> list[Release]:
    """Return the section of ``bump`` without the commits in ``before``.

    What is not released yet has none when nothing is left of it, or only a build number would rise.
    """
    if bump is None:
        return [] if version == UNRELEASED else [Release(version, date, commit, ())]
    kept = tuple(
        reason for reason in bump.reasons if not (isinstance(reason, CommitReason) and reason.commit in before)
    )
    listed = tuple(entries(dataclasses.replace(bump, reasons=kept)))
    if version == UNRELEASED and (not kept or bump.tag is None):
        return []
    return [Release(version, date, commit, listed)]
