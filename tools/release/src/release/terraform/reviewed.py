"""What a plan was reviewed as: the files of a commit, and whether HEAD and the work tree still are these."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from release.errors import GitStateError, Place, PlanOtherCommit, PlanOtherLock, PlanTampered
from release.model.edit import digest as sha256
from release.repository.git import Repository
from release.repository.tree import CommitTree
from release.terraform.binding import Binding
from release.terraform.planfile import Configuration
from release.terraform.roots import LOCK, concerns, inputs, is_configuration, is_loaded, sources

__all__ = [
    "Reviewed",
    "candidates",
    "lock_of",
    "look",
    "other_configuration",
    "refuse_dirty",
    "refuse_other_head",
    "refuse_other_lock",
]

_OUTWARD = re.compile(r"""["'/}]\.\.(?=["'/])|\bdirname\s*\(|\bpath\.cwd\b""")
_LINK = "120000"
_AGAIN = "plan this commit, have that reviewed and apply it"


@dataclass(frozen=True, slots=True)
class Reviewed:
    """What a root is made of in one commit.

    ``files`` has "MODE ID" of each file by path, without the root's lock file, whose SHA-256 is ``lock``. ``outward``
    are places through which it may read files that are none of these.
    """

    commit: str
    tree: str
    root: str
    environment: str
    folders: frozenset[str]
    files: Mapping[str, str]
    lock: str | None
    outward: tuple[Place, ...]


def look(repository: Repository, commit: str, root: str, environment: str, others: Collection[str]) -> Reviewed:
    """Return what ``root`` is made of in ``commit``; ``others`` are the environments it has beside.

    Raises:
        FormatError: see :func:`~release.terraform.roots.inputs`.
    """
    tree = CommitTree(repository, commit)
    folders = inputs(tree, root)
    files = {}
    listed = repository.run("ls-tree", "-r", "-z", "--full-tree", commit).decode(errors="surrogateescape")
    for entry in filter(None, listed.split("\0")):
        meta, path = entry.split("\t", 1)
        if concerns(path, root, environment, folders, others):
            mode, _, blob = meta.split(" ")
            files[path] = f"{mode} {blob}"
    lock = f"{root}/{LOCK}".lstrip("/")
    content = tree.read_many([lock]).get(lock) if files.pop(lock, None) is not None else None
    return Reviewed(
        commit,
        repository.text("rev-parse", f"{commit}^{{tree}}"),
        root,
        environment,
        folders,
        files,
        sha256(content) if content is not None else None,
        tuple(_outward(tree, files)),
    )


def candidates(repository: Repository) -> list[str]:
    """Return the commits that HEAD may have been reviewed as: itself, and what it merges."""
    head, _, *merged = [*repository.text("rev-list", "--parents", "--no-walk", "HEAD").split(), ""]
    return [head, *filter(None, merged)]


def lock_of(repository: Repository, root: str) -> str | None:
    """Return the SHA-256 of the root's lock file on disk, ``None`` where it has none."""
    try:
        return sha256((repository.root / root / LOCK).read_bytes())
    except FileNotFoundError:
        return None


def dirty(repository: Repository, reviewed: Reviewed, others: Collection[str]) -> list[str]:
    """Return the paths in which the work tree is not what ``reviewed`` (of HEAD) is, the lock file aside.

    These are changed tracked files, and files that Terraform would load and git does not track, ignored ones included.
    """
    out = repository.run("diff", "--name-only", "-z", "--no-renames", "--no-ext-diff", "HEAD", "--")
    changed = [path for path in out.decode(errors="surrogateescape").split("\0") if path]
    lock = f"{reviewed.root}/{LOCK}".lstrip("/")
    found = {
        path
        for path in changed
        if path != lock and concerns(path, reviewed.root, reviewed.environment, reviewed.folders, others)
    }
    for folder in reviewed.folders:
        for entry in os.scandir(repository.root / folder) if (repository.root / folder).is_dir() else ():
            path = f"{folder}/{entry.name}".lstrip("/")
            loaded = (
                is_loaded(entry.name, reviewed.environment) if folder == reviewed.root else is_configuration(entry.name)
            )
            if loaded and path not in reviewed.files:
                found.add(path)
    return sorted(found)


def refuse_dirty(repository: Repository, reviewed: Reviewed, others: Collection[str]) -> None:
    """Refuse a work tree that is not what HEAD has.

    Raises:
        GitStateError: with the files that differ.
    """
    found = dirty(repository, reviewed, others)
    if found:
        raise GitStateError(
            f"{_named(found)} not as committed, so the plan would be of no commit",
            where=[Place(path) for path in found[:5]],
            fix="commit or remove these, then run again",
        )


def refuse_other_head(repository: Repository, binding: Binding, head: Reviewed, others: Collection[str]) -> None:
    """Refuse a HEAD (``head``) for which the plan was not reviewed, and a work tree that is not HEAD.

    HEAD is accepted when it is the reviewed commit; when its tree is that commit's; or when every file that the root is
    made of is the same in both, and none of them reaches for a file elsewhere.

    Raises:
        PlanOtherCommit: HEAD is something else.
        PlanTampered: the binding says of a commit what is not so.
    """
    found = dirty(repository, head, others)
    if found:
        raise PlanOtherCommit(
            f"{_named(found)} not as committed, so the work tree is not what was reviewed",
            where=[Place(path) for path in found[:5]],
            fix="commit or remove these, then run again",
        )
    if head.tree == binding.tree:
        return
    if head.commit == binding.commit:
        raise PlanTampered(f"commit {binding.commit[:12]} has another tree than the binding says", fix=_AGAIN)
    moved = sorted({path for path, _ in head.files.items() ^ binding.inputs.items()})
    if moved:
        raise PlanOtherCommit(
            f"the plan is for commit {binding.commit[:12]}; in HEAD ({head.commit[:12]}) {_named(moved)} different",
            where=[Place(path) for path in moved[:5]],
            fix=_AGAIN,
        )
    if head.outward:
        raise PlanOtherCommit(
            f"the plan is for commit {binding.commit[:12]}; HEAD ({head.commit[:12]}) has another tree, and the root "
            "reaches for files that are not its own",
            where=list(head.outward[:5]),
            fix=f"{_AGAIN}; or keep what it reads in its own folder, so that other changes don't matter",
        )


def other_configuration(repository: Repository, reviewed: Reviewed, found: Configuration) -> str | None:
    """Return the path of a configuration file that is another in the plan than in ``reviewed``, ``None`` for none.

    The plan file has a copy of all configuration it was made from, so this is no matter of trust.
    """
    expected = {
        path
        for path in reviewed.files
        if path.rpartition("/")[0] in found.folders and is_configuration(path.rpartition("/")[2])
    }
    planned = {path for path in found.files if is_configuration(path.rpartition("/")[2])}
    differing = expected ^ planned
    if not differing:
        contents = CommitTree(repository, reviewed.commit).read_many(expected)
        differing = {path for path in expected if contents.get(path) != found.files[path]}
    return min(differing, default=None)


def refuse_other_lock(repository: Repository, binding: Binding, head: Reviewed) -> None:
    """Refuse a lock file, on disk or in HEAD, that is not the one the plan was made with.

    Raises:
        PlanOtherLock: it is another, is missing, or was not there.
    """
    path = f"{head.root}/{LOCK}".lstrip("/")
    for where, lock in (("on disk", lock_of(repository, head.root)), ("in HEAD", head.lock)):
        if lock != binding.lock:
            raise PlanOtherLock(
                f"the plan was made {_with(binding.lock)}, and {where} there is {_one(lock)}",
                where=[Place(path)],
                fix="restore the lock file, or plan again with this one and have that reviewed",
            )


def _with(lock: str | None) -> str:
    return f"with the lock file sha256:{lock[:12]}" if lock else "without a lock file"


def _one(lock: str | None) -> str:
    return f"sha256:{lock[:12]}" if lock else "none"


def _named(paths: list[str]) -> str:
    shown = ", ".join(paths[:3]) + (f" and {len(paths) - 3} more" if len(paths) > 3 else "")
    return f"{shown} {'is' if len(paths) == 1 else 'are'}"


def _outward(tree: CommitTree, files: Mapping[str, str]) -> list[Place]:
    found = [Place(path) for path, entry in files.items() if entry.startswith(_LINK)]
    configuration = [path for path in files if is_configuration(path.rpartition("/")[2])]
    for path, content in tree.read_many(configuration).items():
        text = content.decode(errors="replace")
        for source in sources(path, content):
            text = text.replace(f'"{source}"', f'"{"-" * len(source)}"')
        for number, line in enumerate(text.splitlines(), 1):
            match = _OUTWARD.search(line)
            if match:
                found.append(Place(path, number, match.start() + 1))
    return found
