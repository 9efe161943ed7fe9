"""Release in the clone named by the first argument and die by SIGKILL at the step whose number is the second."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from release.errors import ReleaseError
from release.flow.release import release
from release.model.plan import Request
from release.repository.git import Repository
from release.repository.lock import locked

TIME = 1_795_392_000


def main() -> None:
    work, fatal, push = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "push"
    steps = 0

    def step(name: str) -> None:
        nonlocal steps
        if steps == fatal:
            os.kill(os.getpid(), signal.SIGKILL)
        steps += 1
        print(name, flush=True)

    repository = Repository.open(work)
    try:
        with locked(repository, "release bump", wait=20):
            release(repository, Request(), time=TIME, push=push, step=step)
    except ReleaseError as error:
        print(f"{error.what} / {error.fix}", file=sys.stderr)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
