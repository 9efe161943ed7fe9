"""One release at a time in a repository, shared by all of its work trees."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from release.errors import Locked, StorageError
from release.repository.git import Repository

__all__ = ["locked"]


@contextmanager
def locked(
    repository: Repository, command: str, *, wait: float = 0, waiting: Callable[[str], None] = lambda _: None
) -> Iterator[None]:
    """Hold the repository's release lock; the system frees it when the process ends, however it ends.

    ``wait`` is how many seconds to wait for another holder; ``waiting`` is told who that is.

    Raises:
        Locked: another run still holds it.
        StorageError: the lock file can't be written.
    """
    from filelock import FileLock, Timeout

    folder = repository.private_dir
    holder = folder / "holder.json"
    try:
        folder.mkdir(exist_ok=True)
        lock = FileLock(folder / "lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            if wait:
                waiting(_who(holder.read_text() if holder.exists() else ""))
            lock.acquire(timeout=wait)
    except Timeout:
        who = _who(holder.read_text() if holder.exists() else "")
        raise Locked(f"another release is under way here: {who}", fix="wait for it, or use --wait SECONDS") from None
    except OSError as error:
        raise StorageError(
            f"the lock {folder / 'lock'} can't be written: {error.strerror}", fix="free space or mend permissions"
        ) from None
    try:
        holder.write_text(
            json.dumps(
                {
                    "pid": os.getpid(),
                    "host": socket.gethostname(),
                    "command": command,
                    "since": int(time.time()),
                }
            )
        )
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


def _who(text: str) -> str:
    try:
        data = json.loads(text)
        since = time.strftime("%H:%M:%S UTC", time.gmtime(data["since"]))
        return f"`{data['command']}`, process {data['pid']} on {data['host']}, since {since}"
    except (ValueError, KeyError, TypeError):
        return "a run that has just started"
