"""The single steps by which a release lands in a repository; each can be repeated and undone."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from release.errors import GitStateError, HistoryError, StorageError
from release.repository.git import GitFailed, Repository
from release.repository.tree import CommitTree

__all__ = [
    "commit_files", "create_tag", "delete_tags", "dirty", "move_branch", "require_identity", "signing", "sync_tree",
]  # fmt: skip


_LOCKED = re.compile(r"Unable to create '(.+\.lock)': File exists")


def require_identity(repository: Repository) -> None:
    """Refuse to commit in nobody's name.

    Raises:
        GitStateError: git knows no name and address, neither from its configuration nor from the environment.
    """
    for role in ("AUTHOR", "COMMITTER"):
        try:
            repository.run("-c", "user.useConfigOnly=true", "var", f"GIT_{role}_IDENT")
        except GitFailed as error:
            part = "email" if "email" in error.stderr.rpartition("fatal:")[2] else "name"
            raise GitStateError(
                f"git does not know who releases: user.{part} is not set",
                fix=f'git config user.{part} "…" (or set GIT_{role}_{part.upper()})',
            ) from None


def dirty(repository: Repository, folders: Sequence[str]) -> list[str]:
    """Return the tracked files that differ from HEAD, and the untracked ones below ``folders``."""
    out = repository.run("status", "--porcelain=v1", "-z", "--untracked-files=all", "--no-renames").decode(
        errors="surrogateescape"
    )
    found = []
    for entry in out.split("\0"):
        state, path = entry[:2], entry[3:]
        if state == "??" and not any(not folder or path.startswith(f"{folder}/") for folder in folders):
            continue
        if path:
            found.append(path)
    return found


def signing(repository: Repository, *keys: str) -> bool:
    """Tell whether git is set up to sign by one of ``keys``, as ``commit.gpgSign`` or ``tag.gpgSign``."""
    return any(repository.text("config", "--type=bool", "--default=false", key) == "true" for key in keys)


def commit_files(repository: Repository, base: str, files: Mapping[str, bytes], message: str, time: int) -> str:
    """Make a commit of ``files`` on top of ``base`` and return its SHA; no ref, index or work tree is touched.

    The same arguments and identity give the same commit (unless it is signed).

    Raises:
        StorageError: an object can't be written.
    """
    tree = CommitTree(repository, base)
    tree.files()
    index = repository.private_dir / f"staging-{os.getpid()}"
    env = {"GIT_INDEX_FILE": str(index)}
    try:
        repository.run("read-tree", base, env=env)
        lines = []
        for path, content in files.items():
            blob = repository.run("hash-object", "-w", "--stdin", "--no-filters", data=content).decode().strip()
            lines.append(f"{tree.modes.get(path, '100644')} {blob}\t{path}")
        repository.run(
            "update-index",
            "-z",
            "--index-info",
            data="".join(f"{line}\0" for line in lines).encode(errors="surrogateescape"),
            env=env,
        )
        root = repository.run("write-tree", env=env).decode().strip()
        sign = ["-S"] if signing(repository, "commit.gpgSign") else []
        return (
            repository.run("commit-tree", root, "-p", base, *sign, data=message.encode(), env=_dated(time))
            .decode()
            .strip()
        )
    except GitFailed as error:
        raise _stored(error, "the release commit") from None
    finally:
        for leftover in (index, index.with_name(f"{index.name}.lock")):
            with contextlib.suppress(OSError):
                leftover.unlink(missing_ok=True)


def create_tag(repository: Repository, name: str, commit: str, message: str, time: int) -> None:
    """Make the annotated tag ``name`` (signed where git is set up for it) unless it leads to ``commit`` already.

    Raises:
        HistoryError: it leads elsewhere.
        StorageError: it can't be written.
    """
    there = repository.text("rev-parse", "--verify", "--quiet", f"refs/tags/{name}^{{commit}}", ok=(0, 1))
    if there == commit:
        return
    if there:
        raise HistoryError(f"the tag {name} exists already, at {there[:12]}", fix="plan again")
    try:
        kind = "-s" if signing(repository, "tag.gpgSign", "tag.forceSignAnnotated") else "-a"
        verbatim = ("--cleanup=verbatim", "-F", "-")
        repository.run("tag", kind, *verbatim, name, commit, data=message.encode(), env=_dated(time))
    except GitFailed as error:
        raise _stored(error, f"the tag {name}") from None


def delete_tags(repository: Repository, names: Sequence[str], commit: str) -> None:
    """Delete those of ``names`` that lead to ``commit``."""
    lines = []
    for name in names:
        target = repository.text("rev-parse", "--verify", "--quiet", f"refs/tags/{name}", ok=(0, 1))
        if target and repository.text("rev-parse", f"refs/tags/{name}^{{commit}}") == commit:
            lines.append(f"delete refs/tags/{name} {target}\n")
    if lines:
        repository.run("update-ref", "--stdin", data="".join(lines).encode())


def move_branch(repository: Repository, branch: str, old: str, new: str) -> None:
    """Move ``branch`` from ``old`` to ``new``.

    Raises:
        GitStateError: it is not at ``old``.
    """
    try:
        repository.run("update-ref", "-m", "release: land the plan", f"refs/heads/{branch}", new, old)
    except GitFailed as error:
        raise _stored(error, f"the branch {branch}") from None


def sync_tree(repository: Repository, old: str, new: str, paths: Sequence[str]) -> None:
    """Bring the index and the work tree from ``old`` to ``new``, which differ in ``paths``.

    A file that is at ``new`` already, because an earlier try got that far, is taken back first: git would take it
    for a change of somebody's.

    Raises:
        StorageError: a file can't be written.
        GitStateError: a file was changed meanwhile.
    """
    try:
        if repository.run("diff-index", "--cached", "--name-only", new):
            _take_back(repository, old, new, paths)
            repository.run("update-index", "-q", "--refresh", ok=(0, 1))
            repository.run("read-tree", "-m", "-u", old, new)
        else:
            _write_out(repository, old, new, paths)
    except GitFailed as error:
        raise _stored(error, "the work tree") from None


def _take_back(repository: Repository, old: str, new: str, paths: Sequence[str]) -> None:
    for path in _at(repository, new, paths, in_part=True):
        if repository.text("rev-parse", "--verify", "--quiet", f"{old}:{path}", ok=(0, 1, 128)):
            repository.run("checkout-index", "--force", "--", path)
        else:
            (repository.root / path).unlink()


def _write_out(repository: Repository, old: str, new: str, paths: Sequence[str]) -> None:
    for path in _at(repository, old, paths):
        if repository.text("rev-parse", "--verify", "--quiet", f"{new}:{path}", ok=(0, 1, 128)):
            repository.run("checkout-index", "--force", "--", path)
        else:
            (repository.root / path).unlink()
    for path in paths:
        if not (repository.root / path).exists() and repository.text("ls-files", "--", path):
            repository.run("checkout-index", "--", path)


def _at(repository: Repository, commit: str, paths: Sequence[str], *, in_part: bool = False) -> list[str]:
    """Return those of ``paths`` whose file in the work tree is the one in ``commit``, or with ``in_part`` its start.

    A git process that is killed while it writes a file leaves the start of it.
    """
    found = []
    for path in paths:
        if (repository.root / path).is_file():
            there = repository.text("rev-parse", "--verify", "--quiet", f"{commit}:{path}", ok=(0, 1, 128))
            if there and (
                repository.text("hash-object", "--", path) == there
                or (in_part and _is_start(repository, there, repository.root / path))
            ):
                found.append(path)
    return found


def _is_start(repository: Repository, blob: str, file: Path) -> bool:
    whole = repository.contents([blob])[0]
    return whole is not None and whole.startswith(file.read_bytes())


def _dated(time: int) -> dict[str, str]:
    return {"GIT_AUTHOR_DATE": f"@{time} +0000", "GIT_COMMITTER_DATE": f"@{time} +0000"}


def _stored(error: GitFailed, what: str) -> GitStateError | StorageError:
    blocked = _LOCKED.search(error.stderr)
    if blocked:
        return GitStateError(
            f"{what} can't be written: {blocked[1]} says that another git process is at work",
            fix=f"wait for it; if none runs, a killed one left the file: rm {blocked[1]}, then run again",
        )
    lines = [line for line in error.stderr.strip().splitlines() if line]
    said = lines[0] if lines else f"exit code {error.code}"
    if any(
        sign in error.stderr
        for sign in (
            "No space",
            "Out of diskspace",
            "Read-only",
            "ermission denied",
            "unable to write",
            "Disk quota",
            "not permitted",
            "unable to create",
            "File too large",
            "unable to unlink",
            "insufficient permission",
        )
    ):
        return StorageError(f"{what} can't be written: {said}", fix="free space or mend permissions, then run again")
    return GitStateError(f"git refused {what}: {said}", fix="mend what git names, then run again")
