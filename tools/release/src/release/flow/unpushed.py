"""Push releases that were made without ``--push``."""

from __future__ import annotations

from dataclasses import dataclass

from release.errors import PushRefused
from release.flow.recorded import recorded_at
from release.flow.survey import Survey
from release.repository.remote import LostRace, Target, absent, push, target

__all__ = ["Pushed", "Unpushed", "find_unpushed", "push_unpushed"]


@dataclass(frozen=True, slots=True)
class Unpushed:
    """The tags of releases in HEAD's history that the remote lacks, and where they are to go."""

    tags: tuple[str, ...]
    target: Target

    def parted(self) -> PushRefused:
        """Return the error that the remote's branch has commits which the one with these releases lacks."""
        to = self.target
        return PushRefused(
            f"{to.remote}/{to.branch} has moved, the releases made here are not pushed: {', '.join(self.tags)}",
            fix=f"git pull --no-rebase {to.remote} {to.branch} (the tags keep their commits), then release bump --push",
        )


@dataclass(frozen=True, slots=True)
class Pushed:
    """What was pushed: HEAD, the tags that the remote had lacked, and where to."""

    commit: str
    tags: tuple[str, ...]
    target: Target


def find_unpushed(found: Survey) -> Unpushed | None:
    """Return the tags of releases that the remote lacks; ``None`` when it lacks none, or when HEAD is detached.

    Asked for are the last release of each component and all releases that the remote-tracking branch does not have.

    Raises:
        GitStateError: there is no remote.
        Unreachable: the remote gives no answer.
    """
    repository = found.repository
    branch = repository.branch()
    if branch is None:
        return None
    to = target(repository, branch)
    known = repository.text("rev-parse", "--verify", "--quiet", to.tracking, ok=(0, 1))
    ahead = repository.text("rev-list", found.head, *([f"^{known}"] if known else [])).split()
    commits = {*ahead, *(point.commit for point in found.points.values())}
    tags = {tag.name: tag.commit for tagged in found.tags.values() for tag in tagged if tag.commit in commits}
    missing = absent(repository, to, sorted(tags))
    released = {sha for sha in {tags[name] for name in missing} if recorded_at(repository, sha).message.released}
    names = tuple(name for name in missing if tags[name] in released)
    return Unpushed(names, to) if names else None


def push_unpushed(found: Survey, missing: Unpushed) -> Pushed:
    """Push HEAD and the tags that the remote lacks, all or nothing.

    Raises:
        PushRefused: the remote gives no answer, or took nothing.
    """
    try:
        push(found.repository, missing.target, found.head, missing.tags)
    except LostRace:
        raise missing.parted() from None
    return Pushed(found.head, missing.tags, missing.target)
