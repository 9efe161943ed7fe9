"""Make missing tags again from the trailers of release commits, and push those that the remote lacks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from release.errors import GitStateError, HistoryError
from release.flow.message import tag_message
from release.flow.progress import Progress, silent
from release.flow.recorded import Recorded, recorded_before, tag_names
from release.publish.settings import image_address
from release.repository.git import Repository
from release.repository.landing import create_tag, require_identity
from release.repository.refs import tags
from release.repository.remote import push_tags, tagged, target
from release.repository.tree import CommitTree
from release.workspace.config import CONFIG, load

__all__ = ["Lost", "Newest", "lost_tags", "newest", "push_missing", "restore", "since"]


@dataclass(frozen=True, slots=True)
class Lost:
    """A tag that a release commit had and that is not here: all that it was made of but who made it."""

    tag: str
    component: str
    version: str
    commit: str
    message: str
    time: int


def lost_tags(repository: Repository) -> tuple[Lost, ...]:
    """Return the tags that the history of HEAD tells of and that are missing, newest commit first.

    Raises:
        HistoryError: a tag leads elsewhere than to the commit that released it, or two commits released the same.
        GitStateError: the clone is shallow, so that the history is not all here.
    """
    if repository.shallow:
        raise GitStateError(
            "this clone is shallow: releases in the part of history that is missing would be passed over",
            fix="git fetch --unshallow --tags origin",
        )
    told = _by_tag(repository)
    present = {tag.name: tag.commit for tag in tags(repository)}
    for tag, found in told.items():
        commits = [lost.commit for lost in found]
        if tag in present and present[tag] not in commits:
            raise HistoryError(
                f"the tag {tag} leads to {present[tag][:12]}, but commit {commits[0][:12]} released it, as its "
                "trailer says",
                fix=f"decide which is right; to move the tag: git tag -f -a {tag} {commits[0][:12]}",
            )
        if tag not in present and len(commits) > 1:
            raise HistoryError(
                f"two commits say that they released {tag}: {commits[0][:12]} and {commits[1][:12]}",
                fix=f"decide which is right, then: git tag -a {tag} COMMIT",
            )
    return tuple(found[0] for tag, found in told.items() if tag not in present)


def restore(repository: Repository, *, progress: Progress = silent) -> tuple[Lost, ...]:
    """Make all missing tags again and return them; with the same identity they are the same objects as before.

    Call it holding the lock.

    Raises:
        ReleaseError: as :func:`lost_tags`, and when a tag can't be written; the tags made so far stay.
    """
    lost = lost_tags(repository)
    if lost:
        require_identity(repository)
    for done, one in enumerate(lost):
        progress("tagging", done, len(lost))
        create_tag(repository, one.tag, one.commit, one.message, one.time)
    return lost


def push_missing(repository: Repository, *, progress: Progress = silent) -> tuple[str, ...]:
    """Push the tags that the history of HEAD tells of and that the remote lacks; return them. Call it after restoring.

    Raises:
        HistoryError: a tag of the remote leads elsewhere than to the commit that released it.
        PushRefused: the remote refused, or gives no answer.
    """
    told = _by_tag(repository)
    if not told:
        return ()
    to = target(repository, repository.branch() or "main")
    progress(f"asking {to.remote}", 0, 0)
    there = tagged(repository, to)
    for tag, found in told.items():
        commits = [lost.commit for lost in found]
        if tag in there and there[tag] not in commits:
            raise HistoryError(
                f"the tag {tag} leads to {there[tag][:12]} on {to.remote}, but commit {commits[0][:12]} released it, "
                "as its trailer says",
                fix="decide which is right; a tag that was pushed is best left, and a new version released",
            )
    here = {tag.name: tag.commit for tag in tags(repository)}
    missing = {tag: here[tag] for tag in sorted(told) if tag in here and tag not in there}
    if missing:
        progress(f"pushing to {to.remote}", 0, 0)
        push_tags(repository, to, missing)
    return tuple(missing)


@dataclass(frozen=True, slots=True)
class Newest:
    """A tag of a release in the history of HEAD: what it released, where, and the component's folder.

    ``repository`` is where an image is pushed to, where that is known.
    """

    tag: str
    component: str
    kind: str
    version: str
    commit: str
    path: str
    repository: str | None


def newest(repository: Repository) -> tuple[Newest, ...]:
    """Return the tags of the newest release in the history of HEAD, in the order in which it names them.

    Kinds and folders are those of then; where images go is what ``release.yaml`` says at HEAD, as for publishing.
    """
    return _described(repository, recorded_before(repository, repository.head())[:1])


def since(repository: Repository, base: str | None) -> tuple[Newest, ...]:
    """Return the tags of the releases between ``base`` and HEAD, older ones first; none where ``base`` isn't here."""
    try:
        before = repository.resolve(base) if base is not None else None
    except GitStateError:
        before = None
    if before is None:
        return ()
    return _described(repository, recorded_before(repository, repository.head(), f"^{before}")[::-1])


def _described(repository: Repository, recorded: list[Recorded]) -> tuple[Newest, ...]:
    from release.workspace.discover import discover

    now = CommitTree(repository, repository.head())
    publish = load(now.read_many([CONFIG]).get(CONFIG)).publish
    found = []
    for release in recorded:
        tree = CommitTree(repository, release.commit)
        components = discover(tree, load(tree.read_many([CONFIG]).get(CONFIG))).components
        for lost in _told(repository, [release]):
            one = components.get(lost.component)
            if one is not None:
                address = image_address(publish, one) if one.kind == "image" else None
                found.append(Newest(lost.tag, one.name, one.kind, lost.version, lost.commit, one.path or ".", address))
    return tuple(found)


def _by_tag(repository: Repository) -> dict[str, list[Lost]]:
    told: dict[str, list[Lost]] = {}
    for lost in _told(repository, recorded_before(repository, repository.head())):
        told.setdefault(lost.tag, []).append(lost)
    return told


def _told(repository: Repository, recorded: list[Recorded]) -> Iterator[Lost]:
    for found, names in zip(recorded, tag_names(repository, recorded), strict=True):
        for tag, (component, version, build) in zip(names, found.message.released, strict=True):
            message = tag_message(component, version, build, found.plan)
            yield Lost(tag, component, version, found.commit, message, found.time)
