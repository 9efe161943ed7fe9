"""Running a cloud's own command line client, which is on GitHub's runners and signed in by the workflow's identity."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence

from release.errors import TerraformFailed

__all__ = ["ran"]


def ran(arguments: Sequence[str], environment: Mapping[str, str], *, no: Sequence[str]) -> bool:
    """Run a client; return ``False`` where it fails saying one of ``no``, which is an answer and no failure.

    Raises:
        TerraformFailed: it fails otherwise, or is not there.
    """
    try:
        done = subprocess.run(
            arguments,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            encoding="utf-8",
            errors="replace",
        )
    except OSError as error:
        raise TerraformFailed(
            f"{arguments[0]} can't be run: {error.strerror}", fix=f"install {arguments[0]}, or use another store"
        ) from None
    if not done.returncode:
        return True
    said = f"{done.stderr}\n{done.stdout}"
    if any(text in said for text in no):
        return False
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    raise TerraformFailed(
        f"the store of plans gives no answer: {' '.join(arguments[:3])} failed: "
        f"{lines[-1] if lines else f'exit code {done.returncode}'}",
        fix="see that the store is there and that this identity may use it, then run again",
    )
