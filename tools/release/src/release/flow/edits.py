"""The edits that bumps come to: versions, references to parts, changelogs."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from release.flow.survey import Survey
from release.formats.changelog import Entry, Section, insert
from release.model.commit import Change
from release.model.edit import FileEdit, Replacement
from release.model.plan import (
    Bump,
    CommitReason,
    GroupReason,
    PartReason,
    Reason,
    RequestReason,
)
from release.model.version import Level
from release.workspace.kinds import KINDS

__all__ = ["edits", "entries", "told"]


def edits(survey: Survey, bumps: Mapping[str, Bump], date: str) -> tuple[FileEdit, ...]:
    """Return the edit of each file that ``bumps`` change; changelogs carry ``date`` (YYYY-MM-DD)."""
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
            if replacement.old != replacement.new:
                replacements.setdefault(path, []).append(replacement)
    changelogs = {workspace.components[name].changelog: bump for name, bump in bumps.items() if bump.tag is not None}
    contents: dict[str, bytes | None] = dict(tree.read_many([*replacements, *changelogs]))
    for path, bump in changelogs.items():
        content = contents.setdefault(path, None)
        replacements.setdefault(path, []).extend(
            insert(content, str(bump.after), date, entries(told(survey, bump)), path)
        )
    return tuple(FileEdit.build(path, contents[path], found) for path, found in sorted(replacements.items()) if found)


def told(survey: Survey, bump: Bump) -> Bump:
    """Return ``bump`` with the reasons that its changelog tells of.

    A pre-release tells of the commits since the one before; a final version of all since the last final one, so
    parts are compared with their last final version too.
    """
    point = survey.points.get(bump.component)
    if point is None or not point.version.prerelease:
        return bump
    if bump.after.prerelease:
        new = {reason.commit for reason in survey.news[bump.component].reasons}
        kept = (reason for reason in bump.reasons if not isinstance(reason, CommitReason) or reason.commit in new)
        return dataclasses.replace(bump, reasons=tuple(kept))
    return dataclasses.replace(bump, reasons=tuple(_since_final(survey, reason) for reason in bump.reasons))


def _since_final(survey: Survey, reason: Reason) -> Reason:
    last = survey.points.get(reason.part) if isinstance(reason, PartReason) else None
    if not isinstance(reason, PartReason) or last is None or not last.version.prerelease:
        return reason
    final = survey.finals.get(reason.part)
    return dataclasses.replace(reason, before=str(final.version) if final else None)


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
