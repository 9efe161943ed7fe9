"""Push a release as one atomic update, and find out what a remote has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from release.errors import GitStateError, PushRefused
from release.repository.git import GitFailed, Repository

__all__ = [
    "LostRace", "Target", "Unreachable", "absent", "fetch", "fetch_all", "has_all", "push", "push_tags", "replace",
    "require_room", "tagged", "target", "tip",
]  # fmt: skip


_MOVED = ("fetch first", "non-fast-forward", "stale info", "cannot lock ref", "failed to update ref")
"""What git says when a ref is not where it was."""
_CLOBBER = "would clobber existing tag"
"""What git says when a tag leads elsewhere here than on the remote, and stays."""


class LostRace(PushRefused):
    """The remote branch moved meanwhile."""

    slug = "lost-race"


class Unreachable(PushRefused):
    """The remote can't be asked, so what it has is not known."""

    slug = "unreachable"


@dataclass(frozen=True, slots=True)
class Target:
    """Where a branch is pushed to: a remote's name and the branch's name there."""

    remote: str
    branch: str

    @property
    def tracking(self) -> str:
        """The remote-tracking ref."""
        return f"refs/remotes/{self.remote}/{self.branch}"


def target(repository: Repository, branch: str) -> Target:
    """Return where ``branch`` is pushed to.

    Raises:
        GitStateError: there is no remote.
    """
    remotes = repository.text("remote").split()
    remote = repository.text("config", f"branch.{branch}.remote", ok=(0, 1))
    if not remote:
        remote = "origin" if "origin" in remotes or not remotes else remotes[0]
    if remote not in remotes:
        follow = f"git branch --set-upstream-to={'origin' if 'origin' in remotes else ''.join(remotes[:1])}/{branch}"
        raise GitStateError(
            f"{branch} follows a branch of this repository, so there is no remote to push to"
            if remote == "."
            else f"there is no remote {remote!r} to push to",
            fix=f"{follow} {branch}" if remotes else "git remote add origin URL",
        )
    merge = repository.text("config", f"branch.{branch}.merge", ok=(0, 1))
    return Target(remote, merge.removeprefix("refs/heads/") or branch)


def require_room(repository: Repository, to: Target, base: str) -> None:
    """Ask the remote whether a commit on top of ``base`` could be pushed to its branch.

    Raises:
        LostRace: the branch has commits there that ``base`` does not have.
        Unreachable: the remote gives no answer.
    """
    tip = _advertised(repository, to, [f"refs/heads/{to.branch}"]).get(f"refs/heads/{to.branch}", base)
    if repository.text("rev-list", "--max-count=1", tip, f"^{base}", ok=(0, 128)) or not repository.contents([tip])[0]:
        raise _lost(to)


def _lost(to: Target) -> LostRace:
    return LostRace(
        f"{to.remote}/{to.branch} has moved, nothing was pushed",
        fix=f"git pull --rebase {to.remote} {to.branch}, then release again",
    )


def push(repository: Repository, to: Target, commit: str, tags: Sequence[str]) -> None:
    """Push ``commit`` to the branch and ``tags``, all or nothing.

    Raises:
        LostRace: the remote branch is no ancestor of ``commit``.
        Unreachable: the remote gives no answer; it may or may not have taken the push.
        PushRefused: the remote refused some ref, so it took none.
    """
    refs = [f"{commit}:refs/heads/{to.branch}", *(f"refs/tags/{tag}:refs/tags/{tag}" for tag in tags)]
    try:
        repository.run("push", "--atomic", "--no-verify", "--no-follow-tags", to.remote, *refs)
    except GitFailed as error:
        said = error.stderr
        if has_all(repository, to, commit, tags):
            return
        if any(sign in said for sign in _MOVED):
            raise _lost(to) from None
        raise PushRefused(
            f"{to.remote} refused the release, nothing of it is there: {_gist(said)}",
            fix="mend what the remote names, then run again",
        ) from None


def _gist(said: str) -> str:
    """Return what the remote said, and git of the refs that it refused for themselves; or else all of it."""
    lines = [" ".join(line.split()) for line in said.splitlines()]
    remote = [line for line in lines if line.startswith("remote:") and line != "remote:"]
    refused = [line for line in lines if line.startswith("!") and "atomic" not in line]
    return " / ".join([*remote[:3], *refused[:3]] or lines)


def has_all(repository: Repository, to: Target, commit: str, tags: Sequence[str]) -> bool:
    """Tell whether the remote's branch contains ``commit`` and ``tags`` lead to it there.

    Raises:
        Unreachable: the remote gives no answer.
    """
    wanted = [f"refs/heads/{to.branch}", *(f"refs/tags/{tag}" for tag in tags)]
    there = _advertised(repository, to, [*wanted, *(f"{ref}^{{}}" for ref in wanted[1:])])
    if any(there.get(f"{ref}^{{}}", there.get(ref)) != commit for ref in wanted[1:]):
        return False
    tip = there.get(wanted[0])
    if tip is None:
        return False
    if tip == commit:
        return True
    fetch(repository, to)
    ancestors = repository.text("rev-list", "--max-count=1", commit, f"^{tip}", ok=(0, 128))
    return not ancestors and repository.text("cat-file", "-t", tip, ok=(0, 128)) == "commit"


def absent(repository: Repository, to: Target, tags: Sequence[str]) -> list[str]:
    """Return those of ``tags`` that the remote does not have.

    Raises:
        Unreachable: the remote gives no answer.
    """
    there = _advertised(repository, to, ["refs/tags/*"]) if tags else {}
    return [tag for tag in tags if f"refs/tags/{tag}" not in there]


def tagged(repository: Repository, to: Target) -> dict[str, str]:
    """Return the commit that each tag of the remote leads to.

    Raises:
        Unreachable: the remote gives no answer.
    """
    there = _advertised(repository, to, ["refs/tags/*"])
    names = [ref for ref in there if not ref.endswith("^{}")]
    return {ref.removeprefix("refs/tags/"): there.get(f"{ref}^{{}}", there[ref]) for ref in names}


def push_tags(repository: Repository, to: Target, tags: Mapping[str, str]) -> None:
    """Push ``tags`` (with the commit that each leads to), all or none; those that are there already are no error.

    Raises:
        Unreachable: the remote gives no answer.
        PushRefused: the remote refused some tag, so it took none.
    """
    refs = [f"refs/tags/{tag}:refs/tags/{tag}" for tag in tags]
    try:
        repository.run("push", "--atomic", "--no-verify", "--no-follow-tags", to.remote, *refs)
    except GitFailed as error:
        there = tagged(repository, to)
        if any(there.get(tag) != commit for tag, commit in tags.items()):
            raise PushRefused(
                f"{to.remote} refused the tags, none of them was taken: {_gist(error.stderr)}",
                fix="mend what the remote names, then run again",
            ) from None


def tip(repository: Repository, to: Target) -> str | None:
    """Fetch the remote's branch and return its commit, ``None`` when there is no such branch.

    Raises:
        Unreachable: the remote gives no answer.
    """
    ref = f"refs/heads/{to.branch}"
    if ref not in _advertised(repository, to, [ref]):
        return None
    return fetch(repository, to)


def replace(repository: Repository, to: Target, commit: str, expected: str | None) -> None:
    """Make the remote's branch lead to ``commit`` where it is still at ``expected`` (``None``: not there).

    Raises:
        LostRace: it is elsewhere.
        Unreachable: the remote gives no answer.
        PushRefused: the remote refused.
    """
    ref = f"refs/heads/{to.branch}"
    lease = f"--force-with-lease={ref}:{expected or ''}"
    try:
        repository.run("push", "--no-verify", "--no-follow-tags", lease, to.remote, f"{commit}:{ref}")
    except GitFailed as error:
        if _advertised(repository, to, [ref]).get(ref) == commit:
            return
        if any(sign in error.stderr for sign in _MOVED):
            raise LostRace(
                f"{to.remote}/{to.branch} has moved, nothing was pushed", fix="run again: it starts from what is there"
            ) from None
        raise PushRefused(
            f"{to.remote} refused the branch {to.branch}: {_gist(error.stderr)}",
            fix="mend what the remote names, then run again",
        ) from None


def _advertised(repository: Repository, to: Target, refs: Sequence[str]) -> dict[str, str]:
    try:
        out = repository.text("ls-remote", to.remote, *refs)
    except GitFailed as error:
        raise Unreachable(
            f"{to.remote} can't be reached: {_quoted(error)}",
            fix="when it can be reached again, run the same command: it finishes what is missing",
        ) from None
    return {ref: sha for sha, ref in (line.split("\t") for line in out.splitlines())}


def fetch(repository: Repository, to: Target) -> str:
    """Fetch the remote's branch and tags; return the branch's commit there. A tag that leads elsewhere here stays.

    Raises:
        Unreachable: the remote gives no answer.
    """
    _fetch(repository, to, f"+refs/heads/{to.branch}:{to.tracking}")
    return repository.resolve(to.tracking)


def fetch_all(repository: Repository, to: Target) -> None:
    """Fetch all branches and tags and what a shallow clone lacks. A tag that leads elsewhere here stays.

    Raises:
        Unreachable: the remote gives no answer.
    """
    _fetch(repository, to, shallow=bool(repository.shallow))


def _fetch(repository: Repository, to: Target, *refs: str, shallow: bool = False) -> None:
    options = ["--no-progress", "--no-prune", "--no-recurse-submodules", *(["--unshallow"] if shallow else [])]
    try:
        repository.run("fetch", "--tags", *options, to.remote, *refs)
    except GitFailed as error:
        lines = error.stderr.splitlines()
        failed = [line for line in lines if line.startswith(("fatal:", "error:")) or "!" in line[:3]]
        if not failed or any(_CLOBBER not in line for line in failed):
            raise Unreachable(f"{to.remote} can't be fetched: {_quoted(error)}", fix="check the remote") from None


def _quoted(error: GitFailed) -> str:
    lines = [line.strip() for line in error.stderr.splitlines() if line.strip()]
    return " / ".join(lines[:3]) or f"git ended with exit code {error.code}"
