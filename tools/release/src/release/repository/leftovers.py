"""What a killed run left behind in git's own folder: lock files of its git processes, and our temporary files."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from release.repository.git import Repository

__all__ = ["sweep"]

_PROCESSES = Path("/proc")
_PATIENCE = 5.0


def sweep(repository: Repository, refs: Iterable[str], since: float) -> None:
    """Remove what a run that was killed left here; call it holding the lock, so that the run is dead for certain.

    Git's lock files of the index and of ``refs`` are removed when they are not older than ``since`` (seconds since
    the epoch, when the run began) and no git process is at work here. Where the system does not tell what runs, they
    stay, and the step that meets one names it.
    """
    for pattern in ("staging-*", "journal.json.*"):
        for path in repository.private_dir.glob(pattern):
            path.unlink(missing_ok=True)
    locks = [path for path in _locks(repository, refs) if path.exists() and path.stat().st_mtime >= since]
    if locks and _is_quiet(repository):
        for path in locks:
            path.unlink(missing_ok=True)


def _locks(repository: Repository, refs: Iterable[str]) -> Iterator[Path]:
    own = Path(repository.text("rev-parse", "--absolute-git-dir"))
    yield from (own / "index.lock", own / "HEAD.lock", repository.common_dir / "packed-refs.lock")
    for ref in refs:
        yield repository.common_dir / f"{ref}.lock"


def _is_quiet(repository: Repository) -> bool:
    """Tell whether no git process is at work here; one that has lost its parent gets a few seconds to end."""
    until = time.monotonic() + _PATIENCE
    while _is_busy(repository):
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


def _is_busy(repository: Repository) -> bool:
    if not (_PROCESSES / "self" / "cwd").exists():
        return True
    places = {repository.root, repository.common_dir.resolve()}
    for process in _PROCESSES.iterdir():
        try:
            if process.name.isdigit() and (process / "comm").read_text().startswith("git"):
                folder = (process / "cwd").readlink()
                if not places.isdisjoint({folder, *folder.parents}):
                    return True
        except PermissionError:
            return True
        except OSError:
            continue
    return False
