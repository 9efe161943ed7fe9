"""Starts a stack by Compose v2, the plugin of Docker's command line."""

from __future__ import annotations

import subprocess
import tempfile
import time
from pathlib import Path

from release.errors import StackFailed
from release.stack.model import Stack
from release.stack.running import Report, Running

__all__ = ["installed", "up"]

_COMMAND = ("docker", "compose")


def installed() -> bool:
    """Tell whether Compose v2 is there."""
    try:
        done = subprocess.run([*_COMMAND, "version"], capture_output=True, check=False)
    except OSError:
        return False
    return done.returncode == 0


def up(running: Running, stack: Stack, root: Path, file: Path, report: Report) -> None:
    """Start the services of ``file``, which says the same as ``stack``, and remove those that are no part of it.

    Raises:
        StackFailed: Compose isn't there, or a service does not come up.
    """
    place = ("--project-name", stack.name, "--project-directory", str(root), "--file", str(file))
    options = ("--detach", "--remove-orphans", "--no-build", "--pull", "never")
    with tempfile.TemporaryFile() as said:
        try:
            process = subprocess.Popen(
                [*_COMMAND, "--progress", "quiet", *place, "up", *options],
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
            )
        except OSError as error:
            raise StackFailed(f"docker compose can't be run: {error.strerror}", fix="use --driver sdk") from None
        try:
            while process.poll() is None:
                running.tell(stack, report)
                time.sleep(0.3)
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
        if process.returncode:
            running.refuse_failed(stack)
            said.seek(0)
            text = said.read().decode(errors="replace").strip()
            raise StackFailed(f"docker compose ended with {process.returncode}: {text}", fix="mend it and try again")
