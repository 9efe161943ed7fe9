"""What a component's unreleased commits amount to."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

from release.errors import HistoryError
from release.model.commit import Change, Commit, Message
from release.model.plan import CommitReason
from release.model.version import Level

__all__ = ["Decision", "Weights", "decide"]


@dataclass(frozen=True, slots=True)
class Weights:
    """How messages are weighed: a level for each conventional type, and one for the unconventional.

    ``unconventional`` is ``None`` where such messages are an error. ``meant`` gives the components that a scope can
    mean.
    """

    of_type: Callable[[str], Level]
    unconventional: Level | None
    meant: Callable[[str], Collection[str]] = lambda scope: (scope,)


@dataclass(frozen=True, slots=True)
class Decision:
    """The commits that count for a component, newest first, and the version that the newest footer asks for."""

    level: Level
    reasons: tuple[CommitReason, ...]
    release_as: tuple[str, str] | None = None
    """(version, commit that asks for it)"""


def decide(
    component: str,
    commits: Sequence[tuple[Commit, Message]],
    weights: Weights,
    *,
    touched: Callable[[str], Collection[str]],
    is_released: Callable[[str], bool],
    brought_by: Callable[[str], Collection[str]],
    is_ancestor: Callable[[str, str], bool],
) -> Decision:
    """Return what ``commits`` (unreleased, touching ``component``, children first) amount to.

    ``touched`` gives the components that a commit touches, ``is_released`` tells whether a commit (perhaps an
    abbreviated SHA) is in the component's last release, ``brought_by`` the commits that a merge brought in,
    ``is_ancestor`` whether the first of two commits is an ancestor of the second.

    A revert and what it reverts cancel each other when both are unreleased; a revert of something released counts as
    a patch. A cherry-pick of what is released already, or of a commit that counts itself, adds nothing. A merge
    counts only for what it changes itself, whatever its message says.

    Raises:
        HistoryError: an unconventional message where they are forbidden.
    """
    commits = [(commit, message if len(commit.parents) < 2 else _silent(message)) for commit, message in commits]
    cancelled = _cancelled(commits, brought_by, is_ancestor)
    counted = {commit.sha for commit, _ in commits if commit.sha not in cancelled}
    reasons: list[CommitReason] = []
    release_as: tuple[str, str] | None = None
    for commit, message in commits:
        if commit.sha in cancelled or message.released or message.rebuilt:
            continue
        if any(is_released(sha) or _named(sha, counted) not in (None, commit.sha) for sha in message.picked_from):
            continue
        level, changes = _weigh(component, commit, message, weights, touched(commit.sha))
        reasons.append(CommitReason(commit.sha, level, message.subject, changes))
        for name, version in message.release_as:
            if release_as is None and name in (None, component):
                release_as = (version, commit.sha)
    level = max((reason.level for reason in reasons), default=Level.NONE)
    return Decision(level, tuple(reasons), release_as)


def _silent(message: Message) -> Message:
    """Return what a merge says: nothing, but what it released."""
    return Message(
        message.subject, (Change("", "", message.subject),), released=message.released, rebuilt=message.rebuilt
    )


def _cancelled(
    commits: Sequence[tuple[Commit, Message]],
    brought_by: Callable[[str], Collection[str]],
    is_ancestor: Callable[[str, str], bool],
) -> frozenset[str]:
    """Return the commits that cancel each other.

    Newest first: a revert that is itself reverted has no effect. A revert takes back only what is behind it. Picked
    to another line together with what it reverts, it still names the original: there it takes back the copy.
    """
    position = {commit.sha: i for i, (commit, _) in enumerate(commits)}
    pulls: dict[int, list[str]] = {}
    copies: dict[str, list[str]] = {}
    for commit, message in commits:
        if message.pull is not None:
            pulls.setdefault(message.pull, []).append(commit.sha)
        for sha in message.picked_from:
            copies.setdefault(sha, []).append(commit.sha)

    def behind(revert: str, found: Iterable[str]) -> set[str]:
        at = position[revert]
        return {sha for sha in found if position.get(sha, -1) > at and is_ancestor(sha, revert)}

    cancelled: set[str] = set()
    for commit, message in commits:
        if commit.sha in cancelled or not (message.reverts or message.reverts_pull):
            continue
        if message.reverts:
            taken = [
                behind(commit.sha, (_named(sha, position) or "", *brought_by(sha)))
                or behind(commit.sha, copies.get(_named(sha, copies) or "", ()))
                for sha in message.reverts
            ]
        else:
            taken = [behind(commit.sha, pulls.get(message.reverts_pull or 0, ()))]
        cancelled.update(*taken)
        if all(taken):
            cancelled.add(commit.sha)
    return frozenset(cancelled)


def _named(abbreviated: str, shas: Collection[str]) -> str | None:
    if len(abbreviated) >= 40:
        return abbreviated if abbreviated in shas else None
    return next((sha for sha in shas if sha.startswith(abbreviated)), None)


def _meant(scope: str, weights: Weights, touched: Collection[str], component: str) -> Collection[str]:
    """Return the touched components that ``scope`` means; a scope that means none of them leaves out none."""
    return [name for name in weights.meant(scope) if name in touched] or [component]


def _weigh(
    component: str, commit: Commit, message: Message, weights: Weights, touched: Collection[str]
) -> tuple[Level, tuple[Change, ...]]:
    if len(commit.parents) > 1:
        changes: tuple[Change, ...] = (Change("", "", message.subject),)
    else:
        changes = tuple(
            change
            for change in message.changes
            if not change.from_body or component in _meant(change.scope, weights, touched, component)
        )
        if len(message.changes) > 1 and not message.changes[0].type and message.changes[0].breaking is None:
            changes = changes[1:]
    level = Level.BUILD
    for change in changes:
        if change.breaking is not None:
            level = Level.MAJOR
        elif change.type:
            level = max(level, weights.of_type(change.type))
        elif message.reverts or message.reverts_pull:
            level = max(level, Level.PATCH)
        elif weights.unconventional is not None:
            level = max(level, weights.unconventional)
        elif len(commit.parents) < 2:
            raise HistoryError(
                f"commit {commit.sha[:12]} is not a Conventional Commit: {message.subject!r}",
                fix="reword it, or set commits.unconventional in release.yaml to ignore or patch",
            )
    return level, changes
