"""Make a release's decision again, from git alone, and compare it with what was released."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from dataclasses import dataclass

from release.errors import HistoryError, VersionRefused, WorkspaceError
from release.flow.message import line, read_request, tag_message
from release.flow.plan import make_plan
from release.flow.progress import Progress, silent
from release.flow.recorded import Recorded, recorded_at, tag_names
from release.flow.survey import survey
from release.formats.plan_json import digest
from release.model.edit import digest as content_digest
from release.model.plan import Plan
from release.repository.git import Repository
from release.repository.refs import tags
from release.repository.tree import CommitTree

__all__ = ["Difference", "Verified", "replay", "verify"]

_LINE = re.compile(r"^- (\S+): (.* -> .*)$", re.MULTILINE)
_SIGNATURE = re.compile(r"^-----BEGIN ", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that was released otherwise than the history gives it.

    ``kind`` is ``decision``, ``plan``, ``component``, ``trailer``, ``file`` or ``tag``, ``subject`` the
    component, path or tag.
    """

    kind: str
    subject: str
    recorded: str
    recomputed: str


@dataclass(frozen=True, slots=True)
class Verified:
    """What was compared: the release's commit, its parent, the plan made again (``None``: refused) and what differs."""

    name: str
    commit: str
    base: str
    plan: Plan | None
    differences: tuple[Difference, ...]


def verify(repository: Repository, name: str, *, progress: Progress = silent) -> Verified:
    """Compare the release that ``name`` (a tag, or any revision) leads to with the decision made again.

    Compared are the plan's digest in the commit and in the tag, each component's versions, and the commit's files
    byte for byte; tags are believed as far as they were there then.

    Raises:
        HistoryError: it leads to no commit that ``release bump`` made.
        GitStateError: there is no such revision, or the clone is too shallow.
    """
    tag = repository.text("rev-parse", "--verify", "--quiet", f"refs/tags/{name}", ok=(0, 1))
    commit = repository.resolve(f"refs/tags/{name}" if tag else name)
    recorded = recorded_at(repository, commit)
    base = _require_release(name, recorded)
    try:
        plan = replay(repository, recorded, progress=progress)
    except (VersionRefused, WorkspaceError) as error:
        refused = Difference("decision", name, "released", f"refused: {error.what}")
        return Verified(name, commit, base, None, (refused,))
    progress("comparing files", 0, 0)
    differences = [*_components(recorded, plan), *_files(repository, plan, commit)]
    differences += _other_tags(repository, plan, commit)
    if tag:
        differences += _tag(repository, name, plan)
    if recorded.plan != digest(plan):
        differences.append(Difference("plan", commit[:12], recorded.plan or "", digest(plan)))
    return Verified(name, commit, base, plan, tuple(differences))


def replay(repository: Repository, recorded: Recorded, *, progress: Progress = silent) -> Plan:
    """Return the plan that the release commit ``recorded`` must have had.

    Raises:
        HistoryError: its trailers can't be read.
        ReleaseError: what made the same decision impossible.
    """
    base = _require_release(recorded.commit[:12], recorded)
    try:
        branch, request = read_request(recorded.message.footer("Release-Request") or "")
        date = dt.date.fromisoformat(recorded.message.footer("Release-Date") or "")
    except (ValueError, AttributeError, TypeError):
        raise HistoryError(
            f"the trailers Release-Request and Release-Date of commit {recorded.commit[:12]} can't be read",
            fix="restore the commit's message as `release bump` wrote it",
        ) from None
    later = {
        *tag_names(repository, [recorded])[0],
        *repository.text(
            "for-each-ref", "--format=%(refname:lstrip=2)", f"--contains={recorded.commit}", "refs/tags"
        ).splitlines(),
    }
    found = survey(
        repository,
        at=repository.resolve(base),
        only_tags=lambda tag: tag.time <= recorded.time and tag.name not in later,
        other_lines=False,
        progress=progress,
    )
    return make_plan(found, request, date, branch=branch)


def _require_release(name: str, recorded: Recorded) -> str:
    """Return the commit that the release was planned on."""
    missing = [
        token for token in ("Release-Plan", "Release-Date", "Release-Request") if recorded.message.footer(token) is None
    ]
    base = recorded.base
    if missing or len(recorded.parents) != 1 or base is None:
        why = f"it has no trailer {', '.join(missing)}" if missing else "it has not exactly one parent"
        raise HistoryError(
            f"{name} leads to commit {recorded.commit[:12]}, which `release bump` did not make: {why}",
            fix="only what `release bump` released can be verified",
        )
    return base


def _components(recorded: Recorded, plan: Plan) -> Iterator[Difference]:
    said = dict(_LINE.findall(recorded.text))
    trailers = {
        name: (version, build, tagged)
        for tagged, listed in ((True, recorded.message.released), (False, recorded.message.rebuilt))
        for name, version, build in listed
    }
    bumps = {bump.component: bump for bump in plan.bumps}
    for name in dict.fromkeys((*trailers, *said, *bumps)):
        bump = bumps.get(name)
        then = said.get(name, "not released")
        now = f"{line(bump)}, {bump.level}" if bump is not None else "not released"
        if bump is None or then != line(bump):
            yield Difference("component", name, then, now)
        elif trailers.get(name) != (str(bump.after), bump.build_after, bump.tag is not None):
            yield Difference("trailer", name, _trailer(trailers.get(name)), now)


def _trailer(found: tuple[str, int | None, bool] | None) -> str:
    if found is None:
        return "no trailer"
    version, build, tagged = found
    return f"{version}{f' ({build})' if build is not None else ''}{'' if tagged else ', build number only'}"


def _files(repository: Repository, plan: Plan, commit: str) -> Iterator[Difference]:
    """Yield where the commit's tree is not the base's tree after the plan's edits, and that only."""
    out = repository.run("diff-tree", "-r", "-z", "--raw", "--no-renames", "--no-commit-id", f"{commit}^", commit)
    tokens = out.decode(errors="surrogateescape").split("\0")
    changed = {path: meta.lstrip(":").split(" ") for meta, path in zip(tokens[::2], tokens[1::2], strict=False)}
    edits = {edit.path: edit for edit in plan.edits}
    before = CommitTree(repository, plan.base).read_many(edits)
    after = CommitTree(repository, commit).read_many(edits)
    for path in sorted(edits.keys() | changed.keys()):
        edit = edits.get(path)
        if edit is None:
            yield Difference("file", path, "changed", "the plan does not touch it")
            continue
        content = after.get(path)
        if content is None:
            yield Difference("file", path, "gone", "edited")
        elif content_digest(content) != edit.after:
            yield Difference("file", path, *_first_difference(content, edit.apply(before.get(path))))
        elif path in changed:
            old, new = changed[path][:2]
            wanted = "100644" if old == "000000" else old
            if new != wanted:
                yield Difference("file", path, f"mode {new}", f"mode {wanted}")


def _first_difference(recorded: bytes, recomputed: bytes) -> tuple[str, str]:
    pair = [content.decode(errors="replace").splitlines() for content in (recorded, recomputed)]
    number = next((at for at, (one, other) in enumerate(zip(*pair, strict=False)) if one != other), min(map(len, pair)))
    one, other = (
        f"line {number + 1}: {lines[number].strip()}" if number < len(lines) else f"ends at line {number}"
        for lines in pair
    )
    return one, other if one != other else f"{other} (white space differs)"


def _other_tags(repository: Repository, plan: Plan, commit: str) -> Iterator[Difference]:
    """Yield the release's tags that lead elsewhere; missing ones are no difference, a clone need not have them."""
    there = {tag.name: tag.commit for tag in tags(repository)}
    for bump in plan.bumps:
        if bump.tag is not None and there.get(bump.tag, commit) != commit:
            yield Difference("tag", bump.tag, f"leads to {there[bump.tag][:12]}", f"leads to {commit[:12]}")


def _tag(repository: Repository, name: str, plan: Plan) -> Iterator[Difference]:
    bump = next((bump for bump in plan.bumps if bump.tag == name), None)
    if bump is None:
        yield Difference("tag", name, "leads here", "no component of this release has this tag")
        return
    wanted = tag_message(bump.component, str(bump.after), bump.build_after, digest(plan))
    if repository.text("cat-file", "-t", f"refs/tags/{name}") != "tag":
        yield Difference("tag", name, "a lightweight tag", "an annotated tag with the plan's digest")
        return
    message = repository.text("cat-file", "tag", f"refs/tags/{name}").partition("\n\n")[2]
    message = _SIGNATURE.split(message)[0].strip()
    if message != wanted.strip():
        yield Difference("tag", name, *_first_difference(message.encode(), wanted.encode()))
