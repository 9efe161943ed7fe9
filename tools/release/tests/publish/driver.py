"""Publish all tags of the current repository and die by SIGKILL at the event whose number is the first argument.

Events are each thing that is about to be done and each that was reported. The second argument is the destination, the
others are tags and digests (NAME=sha256:…). Prints the events.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from release.errors import ReleaseError
from release.flow.publish import Row, publish_releases
from release.repository.git import Repository


def main() -> None:
    fatal, destination = int(sys.argv[1]), sys.argv[2]
    digests = dict(text.split("=", 1) for text in sys.argv[3:] if "=" in text)
    events = 0

    def event(text: str) -> None:
        nonlocal events
        print(text, flush=True)
        if events == fatal:
            os.kill(os.getpid(), signal.SIGKILL)
        events += 1

    def report(row: Row) -> None:
        if row.state == "done":
            event(f"done {row.what}")

    try:
        publish_releases(
            Repository.open(Path.cwd()),
            [text for text in sys.argv[3:] if "=" not in text],
            environment=os.environ,
            to=[destination],
            digests=digests,
            before=lambda what: event(f"before {what}"),
            report=report,
        )
    except ReleaseError as error:
        print(f"{error.what} / {error.fix}", file=sys.stderr)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
