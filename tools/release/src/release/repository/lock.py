"""One release at a time in a repository, shared by all of its work trees."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from release.errors import Locked, StorageError
from release.repository.git import Repository

__all__ = ["locked"]


@contextmanager
def locked(
    repository: Repository,
    command: str,
    *,
    what: str = "release",
    wait: float = 0,
    waiting: Callable[[str], None] = lambda _: None,
) -> Iterator[None]:
    """Hold the repository's lock for ``what``; the system frees it when the process ends, however it ends.

    ``wait`` is how many seconds to wait for another holder; ``waiting`` is told who that is.

    Raises:
        Locked: another run still holds it.
        StorageError: the lock file can't be written.
    """
    from filelock import FileLock, Timeout

    folder = repository.private_dir
    holder, file = (folder / name for name in _files(what))
    try:
        folder.mkdir(exist_ok=True)
        lock = FileLock(file)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            if wait:
                waiting(_who(holder))
            lock.acquire(timeout=wait)
    except Timeout:
        raise Locked(
            f"another {what} is under way here: {_who(holder)}",
            fix="wait for it, or use --wait SECONDS" if what == "release" else "wait for it",
        ) from None
    except OSError as error:
        raise _unwritable(file, error) from None
    try:
        _sign(holder, command)
        yield
    finally:
        with contextlib.suppress(OSError):
            holder.unlink(missing_ok=True)
        lock.release()


def _files(what: str) -> tuple[str, str]:
    """Return the names of the files that say who holds the lock, and that are locked."""
    if what == "release":
        return "holder.json", "lock"
    name = what.replace(" ", "-")
    return f"{name}.holder.json", f"{name}.lock"


def _sign(holder: Path, command: str) -> None:
    data = {"pid": os.getpid(), "host": socket.gethostname(), "command": command, "since": int(time.time())}
    try:
        holder.write_text(json.dumps(data))
    except OSError as error:
        raise _unwritable(holder, error) from None


def _unwritable(path: Path, error: OSError) -> StorageError:
    return StorageError(f"the lock {path} can't be written: {error.strerror}", fix="free space or mend permissions")


def _who(holder: Path) -> str:
    try:
        data = json.loads(holder.read_text())
        since = time.strftime("%H:%M:%S UTC", time.gmtime(data["since"]))
        return f"`{data['command']}`, process {data['pid']} on {data['host']}, since {since}"
    except (OSError, ValueError, KeyError, TypeError):
        return "a run that has just started"
